// egress-queue.ts: what a client's socket has not taken yet, in order and bounded.
//
// A service must not see whether a client reads slowly: it would act differently on the leader
// than elsewhere. So messages wait here, up to a fixed number of bytes; beyond it the session ends
// by an event in the log, which all members see.
//
// Messages lie in blocks that the queues of one owner share: a queue that fills and drains a
// thousand times a second allocates nothing, and one that is empty holds nothing.

import { assert } from '../assert.js';

const RECORD_HEADER_LENGTH = 4;
/** Bytes of a block; a longer message gets one of its own. */
export const EGRESS_BLOCK_LENGTH = 64 * 1024;
/** Blocks that are kept for the next queue that needs one: 4 MiB. */
export const SPARE_BLOCK_COUNT_MAX = 64;

interface Block {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  head: number;
  tail: number;
}

/** Blocks that wait to be used again. */
export class EgressBlocks {
  readonly #spare: Block[] = [];

  get spareCount(): number {
    return this.#spare.length;
  }

  /** An empty block with room for a record. */
  take(recordLength: number): Block {
    const spare = recordLength <= EGRESS_BLOCK_LENGTH ? this.#spare.pop() : undefined;
    if (spare !== undefined) {
      return spare;
    }
    const bytes = new Uint8Array(Math.max(recordLength, EGRESS_BLOCK_LENGTH));
    return { bytes, view: new DataView(bytes.buffer), head: 0, tail: 0 };
  }

  give(block: Block): void {
    if (block.bytes.length === EGRESS_BLOCK_LENGTH && this.#spare.length < SPARE_BLOCK_COUNT_MAX) {
      block.head = 0;
      block.tail = 0;
      this.#spare.push(block);
    }
  }
}

/** A first-in, first-out queue of messages. */
export class EgressQueue {
  readonly #lengthMax: number;
  readonly #pool: EgressBlocks;
  // Invariant: no block is empty; messages lie in one block each.
  #blocks: Block[] = [];
  #length = 0;

  constructor(lengthMax: number, pool: EgressBlocks) {
    this.#lengthMax = lengthMax;
    this.#pool = pool;
  }

  get isEmpty(): boolean {
    return this.#length === 0;
  }

  /** Bytes that wait, with 4 bytes a message. */
  get length(): number {
    return this.#length;
  }

  /**
   * Adds a message in two parts: `headLength` bytes at `head` of `from`, and a body. False when it
   * would pass the limit: nothing is added then.
   */
  push(from: Uint8Array, head: number, headLength: number, body: Uint8Array): boolean {
    const messageLength = headLength + body.length;
    const recordLength = RECORD_HEADER_LENGTH + messageLength;
    if (this.#length + recordLength > this.#lengthMax) {
      return false;
    }
    const { bytes, tail, view } = this.#reserve(recordLength);
    view.setUint32(tail, messageLength, true);
    const at = tail + RECORD_HEADER_LENGTH;
    bytes.set(from.subarray(head, head + headLength), at);
    bytes.set(body, at + headLength);
    return true;
  }

  /** The oldest message, a view that is valid until it is removed; undefined when empty. */
  peek(): Uint8Array | undefined {
    const block = this.#blocks[0];
    if (block === undefined) {
      return undefined;
    }
    const start = block.head + RECORD_HEADER_LENGTH;
    return block.bytes.subarray(start, start + block.view.getUint32(block.head, true));
  }

  /** Removes the oldest message. */
  shift(): void {
    const block = this.#blocks[0];
    if (block === undefined) {
      return;
    }
    const recordLength = RECORD_HEADER_LENGTH + block.view.getUint32(block.head, true);
    block.head += recordLength;
    this.#length -= recordLength;
    assert(block.head <= block.tail, 'records end where their block does');
    if (block.head === block.tail) {
      this.#blocks.shift();
      this.#pool.give(block);
    }
  }

  /** Forgets everything and gives the memory back. */
  clear(): void {
    for (const block of this.#blocks) {
      this.#pool.give(block);
    }
    this.#blocks = [];
    this.#length = 0;
  }

  /** The last block, with a record more at its tail, whose bytes are to be written. */
  #reserve(recordLength: number): { bytes: Uint8Array; tail: number; view: DataView } {
    let block = this.#blocks.at(-1);
    if (block === undefined || block.tail + recordLength > block.bytes.length) {
      block = this.#pool.take(recordLength);
      this.#blocks.push(block);
    }
    const { bytes, tail, view } = block;
    block.tail += recordLength;
    this.#length += recordLength;
    return { bytes, tail, view };
  }
}
