// slot-columns.ts: columns of 32-bit numbers that grow without being copied.

const CHUNK_SHIFT = 16;
const CHUNK_LENGTH = 2 ** CHUNK_SHIFT;
const CHUNK_MASK = CHUNK_LENGTH - 1;

/** Unsigned numbers by index; 0 where nothing was set. */
export class Uint32Column {
  readonly #chunks: Uint32Array[] = [];

  get(index: number): number {
    return this.#chunks[index >>> CHUNK_SHIFT]?.[index & CHUNK_MASK] ?? 0;
  }

  set(index: number, value: number): void {
    const at = index >>> CHUNK_SHIFT;
    while (this.#chunks.length <= at) {
      this.#chunks.push(new Uint32Array(CHUNK_LENGTH));
    }
    (this.#chunks[at] as Uint32Array)[index & CHUNK_MASK] = value;
  }
}
