// ring-twin.ts: a ring between one producer and one consumer in plain TypeScript.
//
// Same record layout as core.wasm's ring, without the atomics that several threads need: it is the
// careful JavaScript to compare with, and a model of when there is room.

export interface TwinRecord {
  readonly typeId: number;
  readonly offset: number;
  readonly length: number;
}

const alignRecord = (length: number): number => Math.ceil(length / 8) * 8;

export class RingTwin {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly #capacity: number;
  #head = 0;
  #pending = 0;
  #tail = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.bytes = new Uint8Array(capacity);
    this.view = new DataView(this.bytes.buffer);
  }

  write(typeId: number, payload: Uint8Array): number {
    if (payload.length > this.#capacity / 8) {
      return -1;
    }
    const required = alignRecord(payload.length + 8);
    const index = this.#tail % this.#capacity;
    const toEnd = this.#capacity - index;
    const padding = required > toEnd ? toEnd : 0;
    if (this.#tail + padding + required - this.#head > this.#capacity) {
      return 0;
    }
    if (padding > 0) {
      this.view.setInt32(index, padding, true);
      this.view.setInt32(index + 4, -1, true);
    }
    const at = (this.#tail + padding) % this.#capacity;
    this.view.setInt32(at, payload.length + 8, true);
    this.view.setInt32(at + 4, typeId, true);
    this.bytes.set(payload, at + 8);
    this.#tail += padding + required;
    return 1;
  }

  read(limit: number): TwinRecord[] {
    const records: TwinRecord[] = [];
    let position = this.#head;
    while (position < this.#tail) {
      const at = position % this.#capacity;
      const length = this.view.getInt32(at, true);
      const typeId = this.view.getInt32(at + 4, true);
      if (typeId !== -1) {
        if (records.length >= limit) {
          break;
        }
        records.push({ typeId, offset: at + 8, length: length - 8 });
      }
      position += alignRecord(length);
    }
    this.#pending = position;
    return records;
  }

  release(): void {
    while (this.#head < this.#pending) {
      const at = this.#head % this.#capacity;
      const length = Math.min(this.#pending - this.#head, this.#capacity - at);
      this.bytes.fill(0, at, at + length);
      this.#head += length;
    }
  }
}
