// slot-rows.ts: rows of four 32-bit numbers that grow without being copied.
//
// What is asked for together lies together: a row is a quarter of a cache line.

const ROW_SHIFT = 2;
const CHUNK_SHIFT = 14;
const CHUNK_ROWS = 2 ** CHUNK_SHIFT;
const CHUNK_MASK = CHUNK_ROWS - 1;

/** Rows by number; all fields are 0 where nothing was set. */
export class SlotRows {
  readonly #chunks: Uint32Array[] = [];

  /** Makes a row one that can be read and set. Those before it are, too. */
  reach(row: number): void {
    while (this.#chunks.length <= row >>> CHUNK_SHIFT) {
      this.#chunks.push(new Uint32Array(CHUNK_ROWS << ROW_SHIFT));
    }
  }

  /** Numbers of which four belong to a row that was reached: from `startOf(row)` on. */
  chunkOf(row: number): Uint32Array {
    return this.#chunks[row >>> CHUNK_SHIFT] as Uint32Array;
  }

  get(row: number, field: number): number {
    return this.chunkOf(row)[startOf(row) + field] as number;
  }

  set(row: number, field: number, value: number): void {
    this.chunkOf(row)[startOf(row) + field] = value;
  }
}

/** Where a row begins in its chunk. */
export function startOf(row: number): number {
  return (row & CHUNK_MASK) << ROW_SHIFT;
}
