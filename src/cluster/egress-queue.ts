// egress-queue.ts: what a client's socket has not taken yet, in order and bounded.
//
// A service must not see whether a client reads slowly: it would act differently on the leader
// than elsewhere. So messages wait here, up to a fixed number of bytes; beyond it the session ends
// by an event in the log, which all members see.

const RECORD_HEADER_LENGTH = 4;
const INITIAL_LENGTH = 4096;

/** A first-in, first-out queue of messages in one growing byte buffer. */
export class EgressQueue {
  readonly #lengthMax: number;
  #bytes = new Uint8Array(0);
  #view = new DataView(this.#bytes.buffer);
  #head = 0;
  #tail = 0;

  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  get isEmpty(): boolean {
    return this.#head === this.#tail;
  }

  /** Bytes that wait, with 4 bytes a message. */
  get length(): number {
    return this.#tail - this.#head;
  }

  /** Adds a message. False when it would pass the limit: nothing is added then. */
  push(bytes: Uint8Array): boolean {
    const recordLength = RECORD_HEADER_LENGTH + bytes.length;
    if (this.length + recordLength > this.#lengthMax) {
      return false;
    }
    this.#reserve(recordLength);
    this.#view.setUint32(this.#tail, bytes.length, true);
    this.#bytes.set(bytes, this.#tail + RECORD_HEADER_LENGTH);
    this.#tail += recordLength;
    return true;
  }

  /** The oldest message, a view that is valid until the next push; undefined when empty. */
  peek(): Uint8Array | undefined {
    if (this.isEmpty) {
      return undefined;
    }
    const start = this.#head + RECORD_HEADER_LENGTH;
    return this.#bytes.subarray(start, start + this.#view.getUint32(this.#head, true));
  }

  /** Removes the oldest message. */
  shift(): void {
    if (!this.isEmpty) {
      this.#head += RECORD_HEADER_LENGTH + this.#view.getUint32(this.#head, true);
    }
    if (this.isEmpty) {
      this.clear();
    }
  }

  /** Forgets everything and gives the memory back. */
  clear(): void {
    this.#head = 0;
    this.#tail = 0;
    this.#bytes = new Uint8Array(0);
    this.#view = new DataView(this.#bytes.buffer);
  }

  #reserve(recordLength: number): void {
    if (this.#tail + recordLength <= this.#bytes.length) {
      return;
    }
    const needed = this.length + recordLength;
    const capacity = Math.min(
      this.#lengthMax,
      Math.max(INITIAL_LENGTH, needed, this.#bytes.length * 2),
    );
    const grown = new Uint8Array(Math.max(capacity, needed));
    grown.set(this.#bytes.subarray(this.#head, this.#tail));
    this.#tail -= this.#head;
    this.#head = 0;
    this.#bytes = grown;
    this.#view = new DataView(grown.buffer);
  }
}
