// snapshot-map.ts: a map whose content at one moment can be written while it goes on changing.
//
// Entries lie in slots, in the order of insertion. A frozen view walks the slots that were there;
// an entry that is changed or deleted before the view has passed it leaves its old value aside for
// it. So freezing costs nothing, walking is done in bounded steps, and a change costs one look
// more.

import { assert } from '../assert.js';
import type { SnapshotOutput, SnapshotView } from './snapshot-publication.js';

/** Writes one entry of a frozen map as a record. */
export type EntryEncoder<K, V> = (key: K, value: V, output: SnapshotOutput) => void;

/** What lies in the slot of a deleted entry. */
const HOLE = Symbol('hole');
/** Holes are closed when they are more than this, and more than half of all slots. */
const HOLE_COUNT_MIN = 1_024;

/**
 * A Map in the order of insertion, for the state of a service. Values must be replaced with `set`,
 * never changed in place: what is changed in place changes in the snapshot as well.
 */
export class SnapshotMap<K, V> {
  readonly #slotOf = new Map<K, number>();
  #keys: (K | typeof HOLE)[] = [];
  #values: (V | undefined)[] = [];
  #holeCount = 0;
  #view: MapView<K, V> | undefined;

  get size(): number {
    return this.#slotOf.size;
  }

  has(key: K): boolean {
    return this.#slotOf.has(key);
  }

  get(key: K): V | undefined {
    const slot = this.#slotOf.get(key);
    return slot === undefined ? undefined : this.#values[slot];
  }

  /** Sets the value of a key: in its place, or behind all others when it is new. */
  set(key: K, value: V): this {
    const slot = this.#slotOf.get(key);
    if (slot === undefined) {
      this.#slotOf.set(key, this.#keys.length);
      this.#keys.push(key);
      this.#values.push(value);
    } else {
      this.#keep(slot);
      this.#values[slot] = value;
    }
    return this;
  }

  /** Returns whether the key was there. */
  delete(key: K): boolean {
    const slot = this.#slotOf.get(key);
    if (slot === undefined) {
      return false;
    }
    this.#keep(slot);
    this.#slotOf.delete(key);
    this.#keys[slot] = HOLE;
    this.#values[slot] = undefined;
    this.#holeCount++;
    this.#closeHoles();
    return true;
  }

  clear(): void {
    for (const key of [...this.#slotOf.keys()]) {
      this.delete(key);
    }
  }

  /** Entries in the order of insertion. The map must not be changed while they are walked. */
  *entries(): IterableIterator<[K, V]> {
    for (let slot = 0; slot < this.#keys.length; slot++) {
      const key = this.#keys[slot] as K | typeof HOLE;
      if (key !== HOLE) {
        yield [key, this.#values[slot] as V];
      }
    }
  }

  [Symbol.iterator](): IterableIterator<[K, V]> {
    return this.entries();
  }

  *keys(): IterableIterator<K> {
    for (const [key] of this.entries()) {
      yield key;
    }
  }

  *values(): IterableIterator<V> {
    for (const [, value] of this.entries()) {
      yield value;
    }
  }

  /**
   * Freezes what the map holds now, for `SnapshotPublication.offerView`. One view at a time.
   *
   * @param encode writes an entry as one record; called once for each, in the order of insertion.
   */
  snapshot(encode: EntryEncoder<K, V>): SnapshotView {
    assert(this.#view === undefined, 'a map is frozen for one snapshot at a time');
    this.#view = new MapView(this.#keys.length, {
      entryAt: (slot) => ({ key: this.#keys[slot] as K, value: this.#values[slot] as V }),
      isHole: (slot) => this.#keys[slot] === HOLE,
      encode,
      onClose: () => {
        this.#view = undefined;
        this.#closeHoles();
      },
    });
    return this.#view;
  }

  /** The entry of a slot is about to change: a view that has not come to it keeps what it was. */
  #keep(slot: number): void {
    const view = this.#view;
    if (view?.awaits(slot) === true) {
      view.keep(slot, { key: this.#keys[slot] as K, value: this.#values[slot] as V });
    }
  }

  #closeHoles(): void {
    const isDue = this.#holeCount > HOLE_COUNT_MIN && this.#holeCount > this.#keys.length / 2;
    if (!isDue || this.#view !== undefined) {
      return;
    }
    const entries = [...this.entries()];
    this.#keys = entries.map(([key]) => key);
    this.#values = entries.map(([, value]) => value);
    entries.forEach(([key], slot) => {
      this.#slotOf.set(key, slot);
    });
    this.#holeCount = 0;
  }
}

interface Entry<K, V> {
  readonly key: K;
  readonly value: V;
}

interface MapViewParts<K, V> {
  entryAt(slot: number): Entry<K, V>;
  isHole(slot: number): boolean;
  readonly encode: EntryEncoder<K, V>;
  onClose(): void;
}

/** A map as it was. */
class MapView<K, V> implements SnapshotView {
  readonly #end: number;
  readonly #parts: MapViewParts<K, V>;
  // Entries that have changed since, and that are still to be written.
  readonly #kept = new Map<number, Entry<K, V>>();
  #slot = 0;
  #isClosed = false;

  constructor(end: number, parts: MapViewParts<K, V>) {
    this.#end = end;
    this.#parts = parts;
    this.#skipHoles();
  }

  /** Whether the entry of a slot is part of the view, unwritten, and not kept yet. */
  awaits(slot: number): boolean {
    return slot >= this.#slot && slot < this.#end && !this.#kept.has(slot);
  }

  keep(slot: number, entry: Entry<K, V>): void {
    this.#kept.set(slot, entry);
  }

  next(output: SnapshotOutput): boolean {
    const slot = this.#slot;
    if (slot >= this.#end) {
      return false;
    }
    const { key, value } = this.#kept.get(slot) ?? this.#parts.entryAt(slot);
    this.#kept.delete(slot);
    this.#slot++;
    this.#skipHoles();
    this.#parts.encode(key, value, output);
    return true;
  }

  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#kept.clear();
      this.#parts.onClose();
    }
  }

  /** A slot that was empty when the map was frozen is empty still: entries are added at the end. */
  #skipHoles(): void {
    while (
      this.#slot < this.#end &&
      !this.#kept.has(this.#slot) &&
      this.#parts.isHole(this.#slot)
    ) {
      this.#slot++;
    }
  }
}
