// snapshot-array.ts: an array whose content at one moment can be written while it goes on changing.

import { assert } from '../assert.js';
import type { SnapshotOutput, SnapshotView } from './snapshot-publication.js';

/** Writes one element of a frozen array as a record. */
export type ElementEncoder<T> = (value: T, index: number, output: SnapshotOutput) => void;

/**
 * A growing array, for the state of a service. Elements must be replaced with `set`, never changed
 * in place: what is changed in place changes in the snapshot as well.
 */
export class SnapshotArray<T> {
  readonly #elements: T[] = [];
  #view: ArrayView<T> | undefined;

  get length(): number {
    return this.#elements.length;
  }

  /** The element at an index; undefined beyond the end. */
  get(index: number): T | undefined {
    return this.#elements[index];
  }

  /** Replaces an element that is there. */
  set(index: number, value: T): void {
    assert(index >= 0 && index < this.#elements.length, 'an element that is replaced is there');
    this.#keep(index);
    this.#elements[index] = value;
  }

  /** Returns the new length. */
  push(value: T): number {
    return this.#elements.push(value);
  }

  /** Removes and returns the last element; undefined when there is none. */
  pop(): T | undefined {
    if (this.#elements.length > 0) {
      this.#keep(this.#elements.length - 1);
    }
    return this.#elements.pop();
  }

  values(): IterableIterator<T> {
    return this.#elements.values();
  }

  [Symbol.iterator](): IterableIterator<T> {
    return this.values();
  }

  /**
   * Freezes what the array holds now, for `SnapshotPublication.offerView`. One view at a time.
   *
   * @param encode writes an element as one record; called once for each, by index.
   */
  snapshot(encode: ElementEncoder<T>): SnapshotView {
    assert(this.#view === undefined, 'an array is frozen for one snapshot at a time');
    this.#view = new ArrayView(this.#elements, encode, () => {
      this.#view = undefined;
    });
    return this.#view;
  }

  #keep(index: number): void {
    this.#view?.keep(index, this.#elements[index] as T);
  }
}

/** An array as it was. */
class ArrayView<T> implements SnapshotView {
  readonly #elements: readonly T[];
  readonly #encode: ElementEncoder<T>;
  readonly #onClose: () => void;
  readonly #end: number;
  // Elements that have changed since, and that are still to be written.
  readonly #kept = new Map<number, T>();
  #index = 0;
  #isClosed = false;

  constructor(elements: readonly T[], encode: ElementEncoder<T>, onClose: () => void) {
    this.#elements = elements;
    this.#encode = encode;
    this.#onClose = onClose;
    this.#end = elements.length;
  }

  keep(index: number, value: T): void {
    if (index >= this.#index && index < this.#end && !this.#kept.has(index)) {
      this.#kept.set(index, value);
    }
  }

  next(output: SnapshotOutput): boolean {
    const index = this.#index;
    if (index >= this.#end) {
      return false;
    }
    const isKept = this.#kept.has(index);
    const value = (isKept ? this.#kept.get(index) : this.#elements[index]) as T;
    this.#kept.delete(index);
    this.#index++;
    this.#encode(value, index, output);
    return true;
  }

  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#kept.clear();
      this.#onClose();
    }
  }
}
