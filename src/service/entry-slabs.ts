// entry-slabs.ts: memory for entries of any length, outside of the heap that is searched for
// garbage.
//
// Slabs are cut from the front; what is freed is kept by its size class and given out again for the
// same class. There are four classes to a doubling, so an entry wastes less than a quarter of its
// length, about a tenth on average. Addresses count units, so that 32 bits reach 64 GiB.

import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';

/** What an address counts, bytes. */
const UNIT_LENGTH = 16;
const UNIT_SHIFT = 4;
/** Units of a slab, as a power of two: 4 MiB. An entry that is longer has a slab of its own. */
const SLAB_UNIT_SHIFT = 18;
const SLAB_UNITS = 2 ** SLAB_UNIT_SHIFT;
const SLAB_MASK = SLAB_UNITS - 1;
const ADDRESS_LIMIT = 2 ** 32;
const CLASSES_PER_DOUBLING = 4;

/** Where an entry lies: bytes of a slab from an offset on. */
export interface EntryPlace {
  bytes: Uint8Array;
  view: DataView;
  offset: number;
}

/** A slab, which may be longer than what one index of a slab stands for. */
interface Slab {
  readonly bytes: Uint8Array;
  readonly view: DataView;
}

/** Gives out memory by addresses; 0 is none of them. */
export class EntrySlabs {
  /** By the upper bits of an address, from 1; a long slab has several, and stands at its first. */
  readonly #slabs: (Slab | undefined)[] = [undefined];
  readonly #free = new Map<number, number[]>();
  #next = 0;
  #end = 0;

  /** Bytes of all slabs. */
  get byteLength(): number {
    return this.#slabs.reduce((sum, slab) => sum + (slab?.bytes.length ?? 0), 0);
  }

  /**
   * Memory of at least `length` bytes, whose content is undefined.
   *
   * @throws PawlError LIMIT_EXCEEDED beyond 64 GiB.
   */
  allocate(length: number): number {
    const units = classUnits(length);
    const free = this.#free.get(units);
    const address = free?.pop();
    if (address !== undefined) {
      return address;
    }
    if (units > SLAB_UNITS) {
      return this.#addSlabs(Math.ceil(units / SLAB_UNITS)) * SLAB_UNITS;
    }
    if (this.#next + units > this.#end) {
      this.#next = this.#addSlabs(1) * SLAB_UNITS;
      this.#end = this.#next + SLAB_UNITS;
    }
    const result = this.#next;
    this.#next += units;
    return result;
  }

  /** Gives memory back that was allocated for `length` bytes. */
  release(address: number, length: number): void {
    const units = classUnits(length);
    const free = this.#free.get(units);
    if (free === undefined) {
      this.#free.set(units, [address]);
    } else {
      free.push(address);
    }
  }

  /** Points to an address. */
  locate(address: number, place: EntryPlace): void {
    const slab = this.#slabs[address >>> SLAB_UNIT_SHIFT];
    assert(slab !== undefined, 'an address lies in a slab');
    place.bytes = slab.bytes;
    place.view = slab.view;
    place.offset = (address & SLAB_MASK) << UNIT_SHIFT;
  }

  #addSlabs(count: number): number {
    const index = this.#slabs.length;
    if ((index + count) * SLAB_UNITS > ADDRESS_LIMIT) {
      throw new PawlError(
        ErrorCode.LimitExceeded,
        `the entries need more than ${(ADDRESS_LIMIT * UNIT_LENGTH) / 2 ** 30} GiB: ` +
          'keep less state',
        'fatal',
      );
    }
    const bytes = new Uint8Array(count * SLAB_UNITS * UNIT_LENGTH);
    this.#slabs.push({ bytes, view: new DataView(bytes.buffer) });
    for (let extra = 1; extra < count; extra++) {
      this.#slabs.push(undefined);
    }
    return index;
  }
}

/** Units that memory for so many bytes takes: the next size class. */
function classUnits(length: number): number {
  const units = Math.max(1, Math.ceil(length / UNIT_LENGTH));
  if (units <= 2 * CLASSES_PER_DOUBLING) {
    return units;
  }
  const step = 2 ** (31 - Math.clz32(units - 1)) / CLASSES_PER_DOUBLING;
  return Math.ceil(units / step) * step;
}
