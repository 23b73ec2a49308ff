// output-hasher.ts: a running hash of everything that a service puts out.
//
// It is built from applied events alone, so it is the same on every member at the same position, or
// the service is not deterministic. Bytes enter as their crc32c, which core.wasm computes; what an
// output is enters as words. Two lanes of MurmurHash3 with constants of their own make 64 bits.

import type { Hash64, OutputSink } from '../cluster/output-history.js';
import { OUTPUT_SCRATCH_LENGTH } from '../cluster/output-history.js';
import type { EgressReply, EgressSink } from '../cluster/service-host.js';
import type { Position } from '../position.js';

const TWO_POW_32 = 2 ** 32;
const NO_BYTES_CHECKSUM = 0;
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
  #low = 0;
  #high = 0;
  #hasOutput = false;
  #lastBytes: Uint8Array = new Uint8Array(0);

  constructor(history: OutputSink) {
    this.#history = history;
  }

  /** What was put out so far; undefined when it is not known. */
  hash(): Hash64 | undefined {
    return this.#history.isKnown ? { low: this.#low >>> 0, high: this.#high >>> 0 } : undefined;
  }

  /** The service starts at a position, and this was put out before. */
  begin(position: Position, hash: Hash64): void {
    this.#low = hash.low;
    this.#high = hash.high;
    this.#hasOutput = false;
    this.#history.begin(position, hash);
  }

  /**
   * Adds an output.
   *
   * @param id whom or what it concerns, a safe integer. @param value a safe integer that belongs to
   *   it, such as a deadline.
   */
  add(kind: OutputKind, id: number, value: number, checksum: number = NO_BYTES_CHECKSUM): void {
    this.#hasOutput = true;
    this.#mix((Math.floor(id / TWO_POW_32) << 4) ^ kind);
    this.#mix(id | 0);
    this.#mix(Math.floor(value / TWO_POW_32));
    this.#mix(value | 0);
    this.#mix(checksum);
  }

  /** Adds an output with bytes. @param offset relative to the view. */
  addBytes(
    kind: OutputKind,
    id: number,
    buffer: ArrayBufferView,
    offset: number,
    length: number,
  ): void {
    this.add(kind, id, length, this.#checksum(buffer, offset, length));
  }

  /** The event that ends at a position is handled. */
  onEventEnd(position: Position): void {
    if (this.#hasOutput) {
      this.#hasOutput = false;
      this.#mix(Math.floor(position / TWO_POW_32));
      this.#mix(position | 0);
      this.#history.record(position, this.#low >>> 0, this.#high >>> 0);
    }
  }

  #mix(word: number): void {
    let low = Math.imul(word, 0xcc9e2d51);
    low = Math.imul((low << 15) | (low >>> 17), 0x1b873593) ^ this.#low;
    this.#low = (Math.imul((low << 13) | (low >>> 19), 5) + 0xe6546b64) | 0;
    let high = Math.imul(word, 0x239b961b);
    high = Math.imul((high << 16) | (high >>> 16), 0xab0e9789) ^ this.#high;
    this.#high = (Math.imul((high << 15) | (high >>> 17), 5) + 0x561ccd1b) | 0;
  }

  /** crc32c of bytes: in place when they lie in the arena, by way of the scratch otherwise. */
  #checksum(buffer: ArrayBufferView, offset: number, length: number): number {
    const { arena, scratch } = this.#history;
    const start = buffer.byteOffset + offset;
    if (buffer.buffer === arena.u8.buffer) {
      return arena.core.crc32c(start, length, 0);
    }
    const bytes = this.#bytesOf(buffer.buffer);
    let checksum = 0;
    for (let at = 0; at < length; at += OUTPUT_SCRATCH_LENGTH) {
      const pieceLength = Math.min(OUTPUT_SCRATCH_LENGTH, length - at);
      copy(bytes, start + at, arena.u8, scratch, pieceLength);
      checksum = arena.core.crc32c(scratch, pieceLength, checksum);
    }
    return checksum;
  }

  /** Services mostly put their answers together in one buffer: its view is kept. */
  #bytesOf(buffer: ArrayBufferLike): Uint8Array {
    if (this.#lastBytes.buffer !== buffer) {
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
