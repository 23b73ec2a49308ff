// output-hasher.ts: a running hash of everything that a service puts out.
//
// It is built from applied events alone, so it is the same on every member at the same position, or
// the service is not deterministic. core.wasm computes it, in one call an output where its bytes
// lie in the arena.

import {
  OUTPUT_HASH_HIGH_OFFSET,
  OUTPUT_HASH_LOW_OFFSET,
  OUTPUT_PIECE_LENGTH,
  OUTPUT_PIECE_OFFSET,
} from '../../assembly/layout/output-hash.js';
import type { Hash64, OutputSink } from '../cluster/output-history.js';
import type { EgressReply, EgressSink } from '../cluster/service-host.js';
import type { CoreExports } from '../memory/core.js';
import type { Position } from '../position.js';

const LOOP_LENGTH_MAX = 96;

/** What an output is. Numbers enter the hash and never change. */
export const OutputKind = {
  Message: 1,
  Reply: 2,
  CloseRequest: 3,
  TimerScheduled: 4,
  TimerRefused: 5,
  TimerCancelled: 6,
  TimerUnknown: 7,
  /** A message from a service into the log. */
  ServiceMessage: 8,
} as const;
export type OutputKind = (typeof OutputKind)[keyof typeof OutputKind];

/** Hashes what one service puts out, in the order in which it does. */
export class OutputHasher {
  readonly #history: OutputSink;
  readonly #core: CoreExports;
  // Of the arena. Its buffer is kept, because asking a typed array for it is a slow call.
  readonly #memory: ArrayBufferLike;
  readonly #i32: Int32Array;
  readonly #area: number;
  #hasOutput = false;
  #lastBytes: Uint8Array = new Uint8Array(0);
  #lastBuffer: ArrayBufferLike = this.#lastBytes.buffer;

  constructor(history: OutputSink) {
    this.#history = history;
    const { area, arena } = history;
    this.#core = arena.core;
    this.#memory = arena.u8.buffer;
    this.#i32 = arena.i32;
    this.#area = area;
  }

  /** What was put out so far; undefined when it is not known. */
  hash(): Hash64 | undefined {
    return this.#history.isKnown ? { low: this.#low(), high: this.#high() } : undefined;
  }

  /** The service starts at a position, and this was put out before. */
  begin(position: Position, hash: Hash64): void {
    this.#i32[(this.#area + OUTPUT_HASH_LOW_OFFSET) >> 2] = hash.low;
    this.#i32[(this.#area + OUTPUT_HASH_HIGH_OFFSET) >> 2] = hash.high;
    this.#hasOutput = false;
    this.#history.begin(position, hash);
  }

  /**
   * Adds an output.
   *
   * @param id whom or what it concerns, a safe integer. @param value a safe integer that belongs to
   *   it, such as a deadline. @param detail 32 bits that belong to it.
   */
  add(kind: OutputKind, id: number, value: number, detail = 0): void {
    this.#hasOutput = true;
    this.#core.outputHashAdd(this.#area, kind, detail, id, value, 0, 0);
  }

  /** Adds an output with bytes. @param offset relative to the view. */
  addBytes(
    kind: OutputKind,
    id: number,
    buffer: ArrayBufferView,
    offset: number,
    length: number,
  ): void {
    this.#hasOutput = true;
    const memory = buffer.buffer;
    const start = buffer.byteOffset + offset;
    if (memory === this.#memory) {
      this.#core.outputHashAdd(this.#area, kind, 0, id, length, start, length);
    } else {
      this.#addOutside(kind, id, this.#bytesOf(memory), start, length);
    }
  }

  /** The event that ends at a position is handled. */
  onEventEnd(position: Position): void {
    if (this.#hasOutput) {
      this.#hasOutput = false;
      this.#core.outputHashEnd(this.#area, position);
      this.#history.record(position, this.#low(), this.#high());
    }
  }

  #low(): number {
    return (this.#i32[(this.#area + OUTPUT_HASH_LOW_OFFSET) >> 2] as number) >>> 0;
  }

  #high(): number {
    return (this.#i32[(this.#area + OUTPUT_HASH_HIGH_OFFSET) >> 2] as number) >>> 0;
  }

  /** Adds an output whose bytes are not in the arena: they are brought there piece by piece. */
  #addOutside(
    kind: OutputKind,
    id: number,
    bytes: Uint8Array,
    start: number,
    length: number,
  ): void {
    const piece = this.#area + OUTPUT_PIECE_OFFSET;
    const { u8 } = this.#history.arena;
    const firstLength = Math.min(OUTPUT_PIECE_LENGTH, length);
    copy(bytes, start, u8, piece, firstLength);
    this.#core.outputHashAdd(this.#area, kind, 0, id, length, piece, firstLength);
    for (let at = firstLength; at < length; at += OUTPUT_PIECE_LENGTH) {
      const pieceLength = Math.min(OUTPUT_PIECE_LENGTH, length - at);
      copy(bytes, start + at, u8, piece, pieceLength);
      this.#core.outputHashBytes(this.#area, piece, pieceLength);
    }
  }

  /** Services mostly put their answers together in one buffer: its view is kept. */
  #bytesOf(buffer: ArrayBufferLike): Uint8Array {
    if (this.#lastBuffer !== buffer) {
      this.#lastBuffer = buffer;
      this.#lastBytes = new Uint8Array(buffer);
    }
    return this.#lastBytes;
  }
}

/** A loop is faster than a view where bytes are few. */
function copy(from: Uint8Array, start: number, to: Uint8Array, at: number, length: number): void {
  if (length > LOOP_LENGTH_MAX) {
    to.set(from.subarray(start, start + length), at);
    return;
  }
  for (let index = 0; index < length; index++) {
    to[at + index] = from[start + index] as number;
  }
}

/** Hashes what a service says to clients, and passes it on. */
export class HashedEgress implements EgressSink {
  readonly messageLengthMax: number;
  readonly #egress: EgressSink;
  readonly #outputs: OutputHasher;

  constructor(egress: EgressSink, outputs: OutputHasher) {
    this.messageLengthMax = egress.messageLengthMax;
    this.#egress = egress;
    this.#outputs = outputs;
  }

  offer(
    sessionId: number,
    timestamp: number,
    buffer: ArrayBufferView,
    offset: number,
    length: number,
  ): void {
    this.#outputs.addBytes(OutputKind.Message, sessionId, buffer, offset, length);
    this.#egress.offer(sessionId, timestamp, buffer, offset, length);
  }

  offerReply(sessionId: number, reply: EgressReply): void {
    const { bytes, code, logPosition, requestId } = reply;
    this.#outputs.add(OutputKind.Reply, requestId, logPosition, code);
    this.#outputs.addBytes(OutputKind.Reply, sessionId, bytes, 0, bytes.length);
    this.#egress.offerReply(sessionId, reply);
  }

  /** The member's own: it does not follow from the log. */
  offerAnswer(...answer: Parameters<EgressSink['offerAnswer']>): void {
    this.#egress.offerAnswer(...answer);
  }

  requestClose(sessionId: number): void {
    this.#outputs.add(OutputKind.CloseRequest, sessionId, 0);
    this.#egress.requestClose(sessionId);
  }
}
