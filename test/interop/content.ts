// content.ts: messages whose every byte follows from their sequence number, and a hash over the
// whole stream. The Java twin is Content.java: both sides make the same bytes and the same hash, or
// one of them is wrong.

import { createHash } from 'node:crypto';

const SMALL_LENGTH = 200;
const LARGE_LENGTH = 60_000;
const BATCH_LENGTH = 256 * 1024;

/** How many messages of 200 bytes and of 60,000 bytes a stream has. */
export interface ContentCounts {
  readonly small: number;
  readonly large: number;
}

/** One stream of messages. */
export class Content {
  readonly count: number;
  /** Holds the message that was filled last. */
  readonly buffer = Buffer.alloc(LARGE_LENGTH);
  readonly #words = new Int32Array(this.buffer.buffer, this.buffer.byteOffset, LARGE_LENGTH / 4);
  readonly #largeEvery: number;
  readonly #batch = Buffer.alloc(BATCH_LENGTH);
  readonly #hash = createHash('sha256');
  #batchLength = 0;

  constructor({ small, large }: ContentCounts) {
    if (large > 0 && small % large !== 0) {
      throw new Error('small is a multiple of large');
    }
    this.count = small + large;
    this.#largeEvery = large === 0 ? Infinity : small / large + 1;
  }

  lengthOf(sequence: number): number {
    return (sequence + 1) % this.#largeEvery === 0 ? LARGE_LENGTH : SMALL_LENGTH;
  }

  /** Fills the buffer with the message of a sequence number; returns its length. */
  fill(sequence: number): number {
    const length = this.lengthOf(sequence);
    const words = this.#words;
    words[0] = sequence;
    const seed = Math.imul(sequence, 0x9e3779b9);
    for (let offset = 4; offset < length; offset += 4) {
      words[offset / 4] = mix(seed + offset);
    }
    return length;
  }

  /** Adds a message, its length first, to the hash; returns whether it is the one expected. */
  take(sequence: number, view: DataView, offset: number, length: number): boolean {
    const start = this.#add(view.buffer, view.byteOffset + offset, length);
    const isExpected = sequence < this.count && length === this.fill(sequence);
    return isExpected && this.#batch.compare(this.buffer, 0, length, start, start + length) === 0;
  }

  /** Adds the message that was filled last to the hash. */
  hashFilled(length: number): void {
    this.#add(this.buffer.buffer, this.buffer.byteOffset, length);
  }

  /** The hash of all messages so far; ends the stream. */
  digest(): string {
    this.#flush();
    return this.#hash.digest('hex');
  }

  #add(memory: ArrayBufferLike, address: number, length: number): number {
    if (this.#batchLength + 4 + length > BATCH_LENGTH) {
      this.#flush();
    }
    const start = this.#batchLength + 4;
    this.#batch.writeInt32LE(length, this.#batchLength);
    this.#batch.set(new Uint8Array(memory, address, length), start);
    this.#batchLength = start + length;
    return start;
  }

  #flush(): void {
    this.#hash.update(this.#batch.subarray(0, this.#batchLength));
    this.#batchLength = 0;
  }
}

function mix(value: number): number {
  let word = value | 0;
  word = Math.imul(word ^ (word >>> 16), 0x85ebca6b);
  word = Math.imul(word ^ (word >>> 13), 0xc2b2ae35);
  return word ^ (word >>> 16);
}
