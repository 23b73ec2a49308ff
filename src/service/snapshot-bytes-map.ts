// snapshot-bytes-map.ts: a map from bytes to bytes for millions of entries, whose content at one
// moment can be written while it goes on changing.
//
// Entries lie in slabs and are found by numbers: there is nothing in it that a garbage collector
// would have to visit, so no pause grows with it. Nor does any operation: the hash table splits one
// bucket for each new entry (linear hashing), columns grow without being copied, and the holes that
// deletions leave are closed a few slots at a time.
//
// Slots are in the order of insertion, as in SnapshotMap. An entry is never changed in place: a new
// value is a new entry, so a frozen view keeps the old one by not giving its memory back.
//
// Entry: value length u32 | key length u32 | key | value. From the key length on it is the record.

import { assert } from '../assert.js';
import { type EntryPlace, EntrySlabs } from './entry-slabs.js';
import { Uint32Column } from './slot-columns.js';
import type { SnapshotOutput, SnapshotView } from './snapshot-publication.js';

const VALUE_LENGTH_OFFSET = 0;
const KEY_LENGTH_OFFSET = 4;
const ENTRY_HEAD_LENGTH = 8;
/** What a record has before the key. */
const RECORD_HEAD_LENGTH = 4;
const BUCKET_COUNT_MIN = 1_024;
/** Holes are closed when they are more than this, and more than half of all slots. */
const HOLE_COUNT_MIN = 1_024;
/** Slots that one change moves while holes are being closed. */
const MOVES_PER_CHANGE = 8;
const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/** Receives an entry; the bytes are valid during the call and must not be changed. */
export type BytesEntryHandler = (key: Uint8Array, value: Uint8Array) => void;

/** A map of bytes, for the state of a service. Deterministic: the order is that of insertion. */
export class SnapshotBytesMap {
  readonly #slabs = new EntrySlabs();
  // By slot: address of the entry or 0 for a hole, hash, and the next slot of the bucket plus one.
  readonly #addresses = new Uint32Column();
  readonly #hashes = new Uint32Column();
  readonly #nexts = new Uint32Column();
  /** By bucket: its first slot plus one. */
  readonly #heads = new Uint32Column();
  readonly #place: EntryPlace = { bytes: new Uint8Array(0), view: noView(), offset: 0 };
  #bucketCount = BUCKET_COUNT_MIN;
  /** Buckets before the doubling that is under way. */
  #roundCount = BUCKET_COUNT_MIN;
  #slotCount = 0;
  #size = 0;
  /** While holes are being closed: slots from `#moveFrom` on go to `#moveTo`; -1 at rest. */
  #moveFrom = -1;
  #moveTo = 0;
  #view: BytesView | undefined;

  get size(): number {
    return this.#size;
  }

  /** Bytes of memory that entries take, with what is free for others. */
  get entryBytes(): number {
    return this.#slabs.byteLength;
  }

  has(key: Uint8Array): boolean {
    return this.#find(key, hashOf(key)) >= 0;
  }

  /** The value of a key: a view of the map's memory, valid until the map changes. */
  get(key: Uint8Array): Uint8Array | undefined {
    const slot = this.#find(key, hashOf(key));
    return slot < 0 ? undefined : this.#valueAt(this.#addresses.get(slot));
  }

  /** Sets the value of a key: in its place, or behind all others when it is new. Copies both. */
  set(key: Uint8Array, value: Uint8Array): this {
    const hash = hashOf(key);
    const slot = this.#find(key, hash);
    const address = this.#write(key, value);
    if (slot >= 0) {
      this.#giveUp(slot);
      this.#addresses.set(slot, address);
    } else {
      this.#append(address, hash);
    }
    this.#closeHoles();
    return this;
  }

  /** Returns whether the key was there. */
  delete(key: Uint8Array): boolean {
    const slot = this.#find(key, hashOf(key));
    if (slot < 0) {
      return false;
    }
    this.#giveUp(slot);
    this.#link(slot, this.#nexts.get(slot));
    this.#addresses.set(slot, 0);
    this.#size--;
    this.#closeHoles();
    return true;
  }

  /** Visits all entries in the order of insertion. The map must not be changed meanwhile. */
  forEach(handler: BytesEntryHandler): void {
    for (let slot = 0; slot < this.#slotCount; slot++) {
      const address = this.#addresses.get(slot);
      if (address !== 0) {
        handler(this.#keyAt(address), this.#valueAt(address));
      }
    }
  }

  /**
   * Freezes what the map holds now, for `SnapshotPublication.offerView`: one record an entry, in
   * the order of insertion, each `key length u32 | key | value`. One view at a time.
   */
  snapshot(): SnapshotView {
    assert(this.#view === undefined, 'a map is frozen for one snapshot at a time');
    this.#view = new BytesView(this.#slotCount, {
      addressAt: (slot) => this.#addresses.get(slot),
      offer: (address, output) => this.#offer(address, output),
      release: (address) => this.#slabs.release(address, this.#lengthAt(address)),
      onClose: () => {
        this.#view = undefined;
      },
    });
    return this.#view;
  }

  /** Sets the entry of a record, as `snapshot` writes it. */
  load(buffer: DataView, offset: number, length: number): void {
    const keyLength = buffer.getUint32(offset, true);
    const start = buffer.byteOffset + offset + RECORD_HEAD_LENGTH;
    const bytes = new Uint8Array(buffer.buffer, start, length - RECORD_HEAD_LENGTH);
    this.set(bytes.subarray(0, keyLength), bytes.subarray(keyLength));
  }

  // --- entries ---

  #write(key: Uint8Array, value: Uint8Array): number {
    const address = this.#slabs.allocate(ENTRY_HEAD_LENGTH + key.length + value.length);
    const place = this.#place;
    this.#slabs.locate(address, place);
    const { bytes, offset, view } = place;
    view.setUint32(offset + VALUE_LENGTH_OFFSET, value.length, true);
    view.setUint32(offset + KEY_LENGTH_OFFSET, key.length, true);
    bytes.set(key, offset + ENTRY_HEAD_LENGTH);
    bytes.set(value, offset + ENTRY_HEAD_LENGTH + key.length);
    return address;
  }

  #lengthAt(address: number): number {
    const place = this.#place;
    this.#slabs.locate(address, place);
    const { offset, view } = place;
    const keyLength = view.getUint32(offset + KEY_LENGTH_OFFSET, true);
    return ENTRY_HEAD_LENGTH + keyLength + view.getUint32(offset + VALUE_LENGTH_OFFSET, true);
  }

  #keyAt(address: number): Uint8Array {
    const place = this.#place;
    this.#slabs.locate(address, place);
    const start = place.offset + ENTRY_HEAD_LENGTH;
    const length = place.view.getUint32(place.offset + KEY_LENGTH_OFFSET, true);
    return place.bytes.subarray(start, start + length);
  }

  #valueAt(address: number): Uint8Array {
    const place = this.#place;
    this.#slabs.locate(address, place);
    const { bytes, offset, view } = place;
    const start = offset + ENTRY_HEAD_LENGTH + view.getUint32(offset + KEY_LENGTH_OFFSET, true);
    return bytes.subarray(start, start + view.getUint32(offset + VALUE_LENGTH_OFFSET, true));
  }

  #offer(address: number, output: SnapshotOutput): void {
    const length = this.#lengthAt(address) - KEY_LENGTH_OFFSET;
    output.offer(this.#place.bytes, this.#place.offset + KEY_LENGTH_OFFSET, length);
  }

  /** The entry of a slot is replaced: its memory is free, unless a view still has to write it. */
  #giveUp(slot: number): void {
    const address = this.#addresses.get(slot);
    const view = this.#view;
    if (view?.awaits(slot) === true) {
      view.keep(slot, address);
    } else {
      this.#slabs.release(address, this.#lengthAt(address));
    }
  }

  #isKey(address: number, key: Uint8Array): boolean {
    const place = this.#place;
    this.#slabs.locate(address, place);
    const { bytes, offset, view } = place;
    if (view.getUint32(offset + KEY_LENGTH_OFFSET, true) !== key.length) {
      return false;
    }
    const start = offset + ENTRY_HEAD_LENGTH;
    for (let index = 0; index < key.length; index++) {
      if (bytes[start + index] !== key[index]) {
        return false;
      }
    }
    return true;
  }

  // --- the hash table ---

  /** The bucket of a hash: those that are split already have one bit more. */
  #bucketOf(hash: number): number {
    const bucket = hash & (this.#roundCount - 1);
    const isSplit = bucket < this.#bucketCount - this.#roundCount;
    return isSplit ? hash & (2 * this.#roundCount - 1) : bucket;
  }

  #find(key: Uint8Array, hash: number): number {
    let next = this.#heads.get(this.#bucketOf(hash));
    while (next !== 0) {
      const slot = next - 1;
      if (this.#hashes.get(slot) === hash && this.#isKey(this.#addresses.get(slot), key)) {
        return slot;
      }
      next = this.#nexts.get(slot);
    }
    return -1;
  }

  #append(address: number, hash: number): void {
    const slot = this.#slotCount++;
    this.#addresses.set(slot, address);
    this.#hashes.set(slot, hash);
    this.#size++;
    if (this.#size > this.#bucketCount) {
      this.#split();
    }
    this.#pushTo(this.#bucketOf(hash), slot);
  }

  #pushTo(bucket: number, slot: number): void {
    this.#nexts.set(slot, this.#heads.get(bucket));
    this.#heads.set(bucket, slot + 1);
  }

  /** One bucket becomes two. */
  #split(): void {
    const low = this.#bucketCount - this.#roundCount;
    let next = this.#heads.get(low);
    this.#heads.set(low, 0);
    this.#heads.set(this.#bucketCount, 0);
    this.#bucketCount++;
    while (next !== 0) {
      const slot = next - 1;
      next = this.#nexts.get(slot);
      this.#pushTo(this.#hashes.get(slot) & (2 * this.#roundCount - 1), slot);
    }
    if (this.#bucketCount === 2 * this.#roundCount) {
      this.#roundCount = this.#bucketCount;
    }
  }

  /** Has what points to a slot point to another one, or to none. */
  #link(slot: number, target: number): void {
    const bucket = this.#bucketOf(this.#hashes.get(slot));
    let next = this.#heads.get(bucket);
    if (next === slot + 1) {
      this.#heads.set(bucket, target);
      return;
    }
    while (this.#nexts.get(next - 1) !== slot + 1) {
      next = this.#nexts.get(next - 1);
    }
    this.#nexts.set(next - 1, target);
  }

  // --- holes ---

  /** A few slots at a time, and none while a view walks them. */
  #closeHoles(): void {
    if (this.#view !== undefined) {
      return;
    }
    const holeCount = this.#slotCount - this.#size;
    if (this.#moveFrom < 0) {
      if (holeCount <= HOLE_COUNT_MIN || holeCount <= this.#slotCount / 2) {
        return;
      }
      this.#moveFrom = 0;
      this.#moveTo = 0;
    }
    for (let count = 0; count < MOVES_PER_CHANGE && this.#moveFrom < this.#slotCount; count++) {
      this.#move(this.#moveFrom++);
    }
    if (this.#moveFrom === this.#slotCount) {
      this.#slotCount = this.#moveTo;
      this.#moveFrom = -1;
    }
  }

  #move(from: number): void {
    const address = this.#addresses.get(from);
    if (address === 0) {
      return;
    }
    const to = this.#moveTo++;
    if (to !== from) {
      this.#link(from, to + 1);
      this.#addresses.set(to, address);
      this.#hashes.set(to, this.#hashes.get(from));
      this.#nexts.set(to, this.#nexts.get(from));
      this.#addresses.set(from, 0);
    }
  }
}

interface BytesViewParts {
  addressAt(slot: number): number;
  offer(address: number, output: SnapshotOutput): void;
  release(address: number): void;
  onClose(): void;
}

/** A map as it was. */
class BytesView implements SnapshotView {
  readonly #end: number;
  readonly #parts: BytesViewParts;
  // Entries that were replaced since, and that are still to be written.
  readonly #kept = new Map<number, number>();
  #slot = 0;
  #isClosed = false;

  constructor(end: number, parts: BytesViewParts) {
    this.#end = end;
    this.#parts = parts;
  }

  /** Whether the entry of a slot is part of the view, unwritten, and not kept yet. */
  awaits(slot: number): boolean {
    return slot >= this.#slot && slot < this.#end && !this.#kept.has(slot);
  }

  keep(slot: number, address: number): void {
    this.#kept.set(slot, address);
  }

  next(output: SnapshotOutput): boolean {
    while (this.#slot < this.#end) {
      const slot = this.#slot++;
      const kept = this.#kept.get(slot);
      const address = kept ?? this.#parts.addressAt(slot);
      if (address !== 0) {
        this.#parts.offer(address, output);
        this.#drop(slot, kept);
        return true;
      }
    }
    return false;
  }

  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      for (const [slot, address] of [...this.#kept]) {
        this.#drop(slot, address);
      }
      this.#parts.onClose();
    }
  }

  #drop(slot: number, address: number | undefined): void {
    if (address !== undefined) {
      this.#kept.delete(slot);
      this.#parts.release(address);
    }
  }
}

function noView(): DataView {
  return new DataView(new ArrayBuffer(0));
}

/** FNV-1a, mixed once more so that its low bits depend on all. */
function hashOf(bytes: Uint8Array): number {
  let hash = FNV_OFFSET;
  for (let index = 0; index < bytes.length; index++) {
    hash = Math.imul(hash ^ (bytes[index] as number), FNV_PRIME);
  }
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
