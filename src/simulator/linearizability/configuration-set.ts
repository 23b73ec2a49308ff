// configuration-set.ts: the places where a search has been: which operations are done, and the
// state that they left.
//
// Two ways to the same place need not both be followed. Places are found by a hash and compared
// word by word, so two places are never taken for one. A place is kept from its first operation
// that is not done on, which makes it a few words whatever the length of the history.

const TABLE_LENGTH_MIN = 1 << 10;
const ARENA_LENGTH_MIN = 1 << 12;
const EMPTY = 0;

function mix(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

/** A set of rows of words. */
export class ConfigurationSet {
  readonly #lengthMax: number;
  #table = new Int32Array(TABLE_LENGTH_MIN);
  #arena = new Int32Array(ARENA_LENGTH_MIN);
  // Offset 0 means an empty place of the table.
  #length = 1;
  #count = 0;

  /** @param lengthMax words that all rows may take together. */
  constructor(lengthMax: number) {
    this.#lengthMax = lengthMax;
  }

  get count(): number {
    return this.#count;
  }

  /** Whether a row of a length would go beyond the limit. */
  isFull(rowLength: number): boolean {
    return this.#length + rowLength + 1 > this.#lengthMax;
  }

  /** Adds the first words of a row. Answers whether it was not there. */
  add(row: Int32Array, rowLength: number): boolean {
    const hash = hashOf(row, 0, rowLength);
    const mask = this.#table.length - 1;
    let slot = hash & mask;
    for (;;) {
      const offset = this.#table[slot] as number;
      if (offset === EMPTY) {
        break;
      }
      if (this.#equals(offset, row, rowLength)) {
        return false;
      }
      slot = (slot + 1) & mask;
    }
    this.#table[slot] = this.#append(row, rowLength);
    this.#count++;
    if (this.#count * 2 > this.#table.length) {
      this.#growTable();
    }
    return true;
  }

  #equals(offset: number, row: Int32Array, rowLength: number): boolean {
    if (this.#arena[offset] !== rowLength) {
      return false;
    }
    for (let at = 0; at < rowLength; at++) {
      if (this.#arena[offset + 1 + at] !== row[at]) {
        return false;
      }
    }
    return true;
  }

  #append(row: Int32Array, rowLength: number): number {
    const offset = this.#length;
    const end = offset + 1 + rowLength;
    if (end > this.#arena.length) {
      const grown = new Int32Array(Math.max(end, 2 * this.#arena.length));
      grown.set(this.#arena);
      this.#arena = grown;
    }
    this.#arena[offset] = rowLength;
    for (let at = 0; at < rowLength; at++) {
      this.#arena[offset + 1 + at] = row[at] as number;
    }
    this.#length = end;
    return offset;
  }

  #growTable(): void {
    const table = new Int32Array(2 * this.#table.length);
    const mask = table.length - 1;
    for (const offset of this.#table) {
      if (offset !== EMPTY) {
        let slot = hashOf(this.#arena, offset + 1, this.#arena[offset] as number) & mask;
        while (table[slot] !== EMPTY) {
          slot = (slot + 1) & mask;
        }
        table[slot] = offset;
      }
    }
    this.#table = table;
  }
}

function hashOf(words: Int32Array, from: number, length: number): number {
  let hash = length;
  for (let at = from; at < from + length; at++) {
    hash = mix(hash, words[at] as number);
  }
  return mix(hash, hash >>> 16);
}
