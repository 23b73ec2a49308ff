// log-memory.ts: the memory of one log buffer, and where positions lie in it.

import {
  LOG_METADATA_LENGTH,
  LOG_MTU_LENGTH_OFFSET,
  MESSAGE_LENGTH_MAX,
  MESSAGE_TERM_SHARE_SHIFT,
  PARTITION_COUNT,
} from '../../assembly/layout/frame.js';
import { LOG_CLEAN_POSITION_OFFSET } from '../../assembly/layout/log-buffer.js';
import { assert } from '../assert.js';
import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';

/** Geometry and identity of a stream. */
export interface StreamGeometry {
  readonly sessionId: number;
  readonly streamId: number;
  readonly initialTermId: number;
  readonly termLength: number;
  readonly mtuLength: number;
  /** Position at which the buffer starts. */
  readonly position: Position;
}

/** One log buffer in an arena. Invariant: every address handed out lies in it. */
export class LogMemory {
  readonly arena: Arena;
  readonly geometry: StreamGeometry;
  readonly termLength: number;
  /** Address of the metadata page; the three terms lie before it. */
  readonly meta: number;
  #address: number;
  /** Cached from the metadata: only this thread retires. */
  #cleanPosition: Position;

  constructor(arena: Arena, geometry: StreamGeometry) {
    const { termLength, mtuLength, initialTermId, sessionId, streamId, position } = geometry;
    this.arena = arena;
    this.geometry = geometry;
    this.termLength = termLength;
    // Nobody looks beyond the tail or the high-water mark, so terms may hold what was there before,
    // as they do when they turn over: zeroing three of them takes longer than an election does.
    this.#address = arena.allocateUnzeroed(logLength(termLength));
    this.meta = this.#address + PARTITION_COUNT * termLength;
    arena.u8.fill(0, this.meta, this.meta + LOG_METADATA_LENGTH);
    const core = arena.core;
    core.logInitialize(this.meta, termLength, mtuLength, initialTermId, sessionId, streamId);
    core.logStartAt(this.meta, position);
    this.#cleanPosition = core.counterGet(this.meta + LOG_CLEAN_POSITION_OFFSET);
    assert(this.#cleanPosition <= position, 'a log starts with nothing cleaned beyond its start');
    assert(
      arena.i32[(this.meta + LOG_MTU_LENGTH_OFFSET) >> 2] === mtuLength,
      'the metadata page is where both languages expect it',
    );
  }

  /** Bytes from here on are intact; writes must end at or below it plus three terms. */
  get cleanPosition(): Position {
    return this.#cleanPosition;
  }

  /** Lowest position whose bytes are still intact. */
  get oldestPosition(): Position {
    return Math.max(this.#cleanPosition, this.geometry.position);
  }

  /** Highest position that may be written. */
  get writeLimit(): Position {
    return this.#cleanPosition + PARTITION_COUNT * this.termLength;
  }

  /** Gives up what lies below a position: no reader, socket or file needs it any more. */
  retire(position: Position): void {
    if (position > this.#cleanPosition) {
      this.#cleanPosition = this.arena.core.logRetire(this.meta, position);
    }
  }

  release(): void {
    assert(this.#address !== 0, 'a log buffer is released once');
    this.arena.release(this.#address, logLength(this.termLength));
    this.#address = 0;
  }
}

/** Bytes of a log buffer: three terms and the metadata page. */
export function logLength(termLength: number): number {
  return PARTITION_COUNT * termLength + LOG_METADATA_LENGTH;
}

/** Longest message of a stream: an eighth of a term, at most 16 MiB. */
export function messageLengthMax(termLength: number): number {
  return Math.min(termLength >> MESSAGE_TERM_SHARE_SHIFT, MESSAGE_LENGTH_MAX);
}
