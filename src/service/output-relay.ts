// output-relay.ts: what a service on a thread of its own has put out, on its way to the engine.
//
// The engine keeps the history and compares it; here only whether it is known.

import { OUTPUT_AREA_LENGTH } from '../../assembly/layout/output-hash.js';
import type { Hash64, OutputSink } from '../cluster/output-history.js';
import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';

/** Takes hashes of output, in the order of their positions. */
export interface HashWriter {
  writeOutputBegin(position: Position, hash: Hash64): void;
  writeOutput(position: Position, low: number, high: number): void;
}

/** Passes on what a container records. */
export class OutputRelay implements OutputSink {
  readonly arena: Arena;
  readonly area: number;
  readonly #writer: HashWriter;
  #isKnown = false;

  /** @param arena of this thread, which allocates in it. */
  constructor(arena: Arena, writer: HashWriter) {
    this.arena = arena;
    this.area = arena.allocate(OUTPUT_AREA_LENGTH);
    this.#writer = writer;
  }

  get isKnown(): boolean {
    return this.#isKnown;
  }

  begin(position: Position, hash: Hash64): void {
    this.#isKnown = true;
    this.#writer.writeOutputBegin(position, hash);
  }

  record(position: Position, low: number, high: number): void {
    if (this.#isKnown) {
      this.#writer.writeOutput(position, low, high);
    }
  }

  close(): void {
    this.arena.release(this.area, OUTPUT_AREA_LENGTH);
  }
}
