// arena.ts: one shared WebAssembly memory, its core.wasm instance, and who uses which bytes.
//
// One thread allocates in an arena: core.wasm has no allocator, because two instances with an
// allocator each would hand out the same address. Other threads attach, and are given addresses, or
// a range in which they allocate for themselves. The thread that created an arena may leave it to
// another one, which adopts it.

import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { CoreExports } from './core.js';
import { compileCore } from './load-core.js';

/** WebAssembly page length in bytes. */
const WASM_PAGE_LENGTH = 64 * 1024;
/** First byte that slabs may use; below it are the guard and the checksum tables. */
export const ARENA_HEAP_START = 64 * 1024;
/** An arena is at most 2 GiB, so that every address is a positive i32. */
export const ARENA_LENGTH_MAX = 2 * 1024 * 1024 * 1024 - WASM_PAGE_LENGTH;
/** Slabs start at page boundaries of 4 KiB, as log buffers want. */
export const SLAB_ALIGNMENT = 4096;

/** Free range of bytes. Invariant: sorted by address, never adjacent to the next. */
interface FreeRange {
  address: number;
  length: number;
}

/** Bytes of an arena. */
export interface ArenaRange {
  readonly address: number;
  readonly length: number;
}

/** Slabs of one length. */
export interface SlabKind {
  /** Bytes of each, above 0. */
  readonly length: number;
  readonly count: number;
}

const NO_RANGE: ArenaRange = { address: ARENA_HEAP_START, length: 0 };

function heapFrom(memory: WebAssembly.Memory, address: number): ArenaRange {
  return { address, length: memory.buffer.byteLength - address };
}

/** Shared memory with the hot path's functions bound to it. */
export class Arena {
  readonly memory: WebAssembly.Memory;
  readonly core: CoreExports;
  readonly u8: Uint8Array;
  readonly i32: Int32Array;
  readonly f64: Float64Array;
  readonly view: DataView;
  readonly #free: FreeRange[];
  #allocatedLength = 0;
  // Memory at and above it was never handed out, so it is zero and its pages are not committed.
  #touchedEnd: number;

  /** @param range where this instance allocates; it was never used. */
  private constructor(memory: WebAssembly.Memory, range: ArenaRange) {
    this.memory = memory;
    const instance = new WebAssembly.Instance(compileCore(), { env: { memory } });
    this.core = instance.exports as unknown as CoreExports;
    this.u8 = new Uint8Array(memory.buffer);
    this.i32 = new Int32Array(memory.buffer);
    this.f64 = new Float64Array(memory.buffer);
    this.view = new DataView(memory.buffer);
    this.#free = range.length > 0 ? [{ ...range }] : [];
    this.#touchedEnd = range.address;
  }

  /**
   * Creates an arena. Pages are committed by the system when they are first touched.
   *
   * @param length bytes, rounded up to 64 KiB; at most ARENA_LENGTH_MAX.
   */
  static create(length: number): Arena {
    if (!(length > ARENA_HEAP_START && length <= ARENA_LENGTH_MAX)) {
      throw new PawlError(
        ErrorCode.ArgumentOutOfRange,
        `arena length is ${length} bytes: use more than ${ARENA_HEAP_START} ` +
          `and at most ${ARENA_LENGTH_MAX}`,
      );
    }
    const pages = Math.ceil(length / WASM_PAGE_LENGTH);
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const arena = new Arena(memory, heapFrom(memory, ARENA_HEAP_START));
    arena.core.initialize();
    return arena;
  }

  /**
   * Binds another thread's instance of the hot path to an arena's memory.
   *
   * @param range a slab of the owner in which the instance allocates; without one it cannot.
   */
  static attach(memory: WebAssembly.Memory, range: ArenaRange = NO_RANGE): Arena {
    return new Arena(memory, range);
  }

  /**
   * Takes an arena over from the thread that created it and allocates nothing in it any more.
   *
   * @param heapStart `untouchedStart` of the former owner.
   */
  static adopt(memory: WebAssembly.Memory, heapStart: number): Arena {
    return new Arena(memory, heapFrom(memory, heapStart));
  }

  /** Nothing at and above it was ever allocated. */
  get untouchedStart(): number {
    return this.#touchedEnd;
  }

  /** Bytes in use by slabs. */
  get allocatedLength(): number {
    return this.#allocatedLength;
  }

  /** Bytes that are free, in however many pieces. */
  get freeLength(): number {
    return this.#free.reduce((sum, range) => sum + range.length, 0);
  }

  /** Whether `allocate` of so many bytes would find them. */
  canAllocate(length: number): boolean {
    const slabLength = alignSlab(length);
    return this.#free.some((range) => range.length >= slabLength);
  }

  /**
   * Whether `allocate` would find all of these slabs, one kind after the other.
   *
   * @param kinds in the order of their allocation.
   */
  canAllocateAll(kinds: readonly SlabKind[]): boolean {
    const lengths = this.#free.map((range) => range.length);
    return kinds.every(({ count, length }) => takeSlabs(lengths, alignSlab(length), count));
  }

  /**
   * Allocates a zeroed slab.
   *
   * @param length bytes, rounded up to SLAB_ALIGNMENT.
   * @returns its address, aligned to SLAB_ALIGNMENT.
   * @throws PawlError MEMORY_EXHAUSTED when no free range is long enough.
   */
  allocate(length: number): number {
    const zeroEnd = this.#touchedEnd;
    const address = this.allocateUnzeroed(length);
    const end = address + alignSlab(length);
    this.u8.fill(0, address, Math.max(address, Math.min(end, zeroEnd)));
    return address;
  }

  /**
   * As `allocate`, but the slab holds what its last owner left there: for large ones of which
   * nothing is read before it was written.
   */
  allocateUnzeroed(length: number): number {
    assert(length > 0, 'a slab has bytes');
    const slabLength = alignSlab(length);
    const index = this.#tightestRange(slabLength);
    const range = this.#free[index];
    if (range === undefined) {
      throw new PawlError(
        ErrorCode.MemoryExhausted,
        `no ${slabLength} bytes free in an arena of ${this.u8.length} ` +
          `with ${this.#allocatedLength} in use: raise memoryLength, ` +
          'or lower term lengths or session limits',
        'environment',
      );
    }
    const address = range.address;
    range.address += slabLength;
    range.length -= slabLength;
    if (range.length === 0) {
      this.#free.splice(index, 1);
    }
    this.#allocatedLength += slabLength;
    this.#touchedEnd = Math.max(this.#touchedEnd, address + slabLength);
    return address;
  }

  /** Returns a slab. `length` is what was asked for in `allocate`. */
  release(address: number, length: number): void {
    const slabLength = alignSlab(length);
    assert(address % SLAB_ALIGNMENT === 0, 'a slab is released by its own address');
    let index = this.#free.findIndex((range) => range.address > address);
    index = index === -1 ? this.#free.length : index;
    const before = this.#free[index - 1];
    const after = this.#free[index];
    assert(before === undefined || before.address + before.length <= address, 'freed twice');
    assert(after === undefined || address + slabLength <= after.address, 'freed twice');
    this.#allocatedLength -= slabLength;
    this.#free.splice(index, 0, { address, length: slabLength });
    this.#joinAt(index);
    this.#joinAt(index - 1);
  }

  /**
   * Forgets all slabs, as if just created. For a simulator that gives the arena to a new process.
   */
  reset(): void {
    const { core, u8 } = this;
    // What was touched stays marked: it is zeroed when it is allocated again, and only then.
    this.#free.length = 0;
    this.#free.push({ address: ARENA_HEAP_START, length: u8.length - ARENA_HEAP_START });
    this.#allocatedLength = 0;
    core.initialize();
  }

  /**
   * Index of the shortest free range that is long enough; -1 without one. Long ranges stay whole
   * for long slabs, such as the log of the next term.
   */
  #tightestRange(slabLength: number): number {
    let found = -1;
    let foundLength = Number.POSITIVE_INFINITY;
    this.#free.forEach(({ length }, index) => {
      if (length >= slabLength && length < foundLength) {
        found = index;
        foundLength = length;
      }
    });
    return found;
  }

  #joinAt(index: number): void {
    const range = this.#free[index];
    const next = this.#free[index + 1];
    if (
      range !== undefined &&
      next !== undefined &&
      range.address + range.length === next.address
    ) {
      range.length += next.length;
      this.#free.splice(index + 1, 1);
    }
  }
}

/**
 * Takes slabs of one length out of free ranges as `allocate` does: the rest of a range that it took
 * from is the shortest, until it is too short.
 *
 * @param lengths of the ranges; what is taken is taken off.
 */
function takeSlabs(lengths: number[], slabLength: number, count: number): boolean {
  lengths.sort((left, right) => left - right);
  assert(slabLength > 0, 'a slab has bytes');
  let left = count;
  lengths.forEach((length, index) => {
    const taken = Math.min(left, Math.floor(length / slabLength));
    lengths[index] = length - taken * slabLength;
    left -= taken;
  });
  return left === 0;
}

/** Bytes that a slab of so many takes. */
export function alignSlab(length: number): number {
  return Math.ceil(length / SLAB_ALIGNMENT) * SLAB_ALIGNMENT;
}
