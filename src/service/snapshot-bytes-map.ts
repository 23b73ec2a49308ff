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
import { SNAPSHOT_RECORD_LENGTH_MAX } from '../cluster/service-host.js';
import { ErrorCode, PawlError } from '../errors.js';
import { type EntryPlace, EntrySlabs } from './entry-slabs.js';
import { SlotRows, startOf } from './slot-rows.js';
import type { SnapshotOutput, SnapshotView } from './snapshot-publication.js';

const VALUE_LENGTH_OFFSET = 0;
const KEY_LENGTH_OFFSET = 4;
const ENTRY_HEAD_LENGTH = 8;
/** What a record has before the key. */
const RECORD_HEAD_LENGTH = 4;
/** Key and value of an entry together, bytes. */
const ENTRY_LENGTH_MAX = SNAPSHOT_RECORD_LENGTH_MAX - RECORD_HEAD_LENGTH;
// Fields of a row, which is that of a slot and that of a bucket.
/** Of a slot: address of the entry; 0 for a hole. */
const ADDRESS = 0;
/** Of a slot: hash of its key. */
const HASH = 1;
/** Of a slot: the next slot of its bucket plus one. */
const NEXT = 2;
/** Of a bucket: its first slot plus one. */
const HEAD = 3;
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
  /** Rows of slots, and of buckets: both are fields of the same rows. */
  readonly #rows = new SlotRows();
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

  constructor() {
    this.#rows.reach(BUCKET_COUNT_MIN - 1);
  }

  get size(): number {
    return this.#size;
  }

  /** Bytes of memory that entries take, with what is free for others. */
  get entryBytes(): number {
    return this.#slabs.byteLength;
  }

  has(key: Uint8Array): boolean {
    return this.#find(key, 0, key.length, hashOf(key, 0, key.length)) >= 0;
  }

  /** The value of a key: a view of the map's memory, valid until the map changes. */
  get(key: Uint8Array): Uint8Array | undefined {
    return this.getAt(key, 0, key.length);
  }

  /** The same, of a key that is part of something longer, such as a message. */
  getAt(bytes: Uint8Array, start: number, length: number): Uint8Array | undefined {
    const slot = this.#find(bytes, start, length, hashOf(bytes, start, length));
    return slot < 0 ? undefined : this.#valueAt(this.#rows.get(slot, ADDRESS));
  }

  /**
   * Sets the value of a key: in its place, or behind all others when it is new. Copies both.
   *
   * @throws PawlError LIMIT_EXCEEDED, and changes nothing, when key and value have more than 16 MiB
   *   less 4 bytes together: no snapshot could hold the entry.
   */
  set(key: Uint8Array, value: Uint8Array): this {
    checkLength(key.length, value.length);
    const hash = hashOf(key, 0, key.length);
    const slot = this.#find(key, 0, key.length, hash);
    const address = this.#write(key, value);
    if (slot >= 0) {
      this.#giveUp(slot);
      this.#rows.set(slot, ADDRESS, address);
    } else {
      this.#append(address, hash);
    }
    this.#closeHoles();
    return this;
  }

  /** Returns whether the key was there. */
  delete(key: Uint8Array): boolean {
    const slot = this.#find(key, 0, key.length, hashOf(key, 0, key.length));
    if (slot < 0) {
      return false;
    }
    this.#giveUp(slot);
    this.#link(slot, this.#rows.get(slot, NEXT));
    this.#rows.set(slot, ADDRESS, 0);
    this.#size--;
    this.#closeHoles();
    return true;
  }

  /** Visits all entries in the order of insertion. The map must not be changed meanwhile. */
  forEach(handler: BytesEntryHandler): void {
    for (let slot = 0; slot < this.#slotCount; slot++) {
      const address = this.#rows.get(slot, ADDRESS);
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
      addressAt: (slot) => this.#rows.get(slot, ADDRESS),
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
    const address = this.#rows.get(slot, ADDRESS);
    const view = this.#view;
    if (view?.awaits(slot) === true) {
      view.keep(slot, address);
    } else {
      this.#slabs.release(address, this.#lengthAt(address));
    }
  }

  #isKey(address: number, key: Uint8Array, start: number, length: number): boolean {
    const place = this.#place;
    this.#slabs.locate(address, place);
    const { bytes, offset, view } = place;
    if (view.getUint32(offset + KEY_LENGTH_OFFSET, true) !== length) {
      return false;
    }
    const own = offset + ENTRY_HEAD_LENGTH;
    for (let index = 0; index < length; index++) {
      if (bytes[own + index] !== key[start + index]) {
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

  #find(key: Uint8Array, start: number, length: number, hash: number): number {
    let next = this.#rows.get(this.#bucketOf(hash), HEAD);
    while (next !== 0) {
      const slot = next - 1;
      const chunk = this.#rows.chunkOf(slot);
      const row = startOf(slot);
      if (
        chunk[row + HASH] === hash &&
        this.#isKey(chunk[row + ADDRESS] as number, key, start, length)
      ) {
        return slot;
      }
      next = chunk[row + NEXT] as number;
    }
    return -1;
  }

  #append(address: number, hash: number): void {
    const slot = this.#slotCount++;
    this.#rows.reach(slot);
    this.#rows.set(slot, ADDRESS, address);
    this.#rows.set(slot, HASH, hash);
    this.#size++;
    if (this.#size > this.#bucketCount) {
      this.#split();
    }
    this.#pushTo(this.#bucketOf(hash), slot);
  }

  #pushTo(bucket: number, slot: number): void {
    this.#rows.set(slot, NEXT, this.#rows.get(bucket, HEAD));
    this.#rows.set(bucket, HEAD, slot + 1);
  }

  /** One bucket becomes two. */
  #split(): void {
    const low = this.#bucketCount - this.#roundCount;
    this.#rows.reach(this.#bucketCount);
    let next = this.#rows.get(low, HEAD);
    this.#rows.set(low, HEAD, 0);
    this.#rows.set(this.#bucketCount, HEAD, 0);
    this.#bucketCount++;
    while (next !== 0) {
      const slot = next - 1;
      next = this.#rows.get(slot, NEXT);
      this.#pushTo(this.#rows.get(slot, HASH) & (2 * this.#roundCount - 1), slot);
    }
    if (this.#bucketCount === 2 * this.#roundCount) {
      this.#roundCount = this.#bucketCount;
    }
  }

  /** Has what points to a slot point to another one, or to none. */
  #link(slot: number, target: number): void {
    const bucket = this.#bucketOf(this.#rows.get(slot, HASH));
    let next = this.#rows.get(bucket, HEAD);
    if (next === slot + 1) {
      this.#rows.set(bucket, HEAD, target);
      return;
    }
    while (this.#rows.get(next - 1, NEXT) !== slot + 1) {
      next = this.#rows.get(next - 1, NEXT);
    }
    this.#rows.set(next - 1, NEXT, target);
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
    const address = this.#rows.get(from, ADDRESS);
    if (address === 0) {
      return;
    }
    const to = this.#moveTo++;
    if (to !== from) {
      this.#link(from, to + 1);
      this.#rows.set(to, ADDRESS, address);
      this.#rows.set(to, HASH, this.#rows.get(from, HASH));
      this.#rows.set(to, NEXT, this.#rows.get(from, NEXT));
      this.#rows.set(from, ADDRESS, 0);
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

function checkLength(keyLength: number, valueLength: number): void {
  if (keyLength + valueLength > ENTRY_LENGTH_MAX) {
    throw new PawlError(
      ErrorCode.LimitExceeded,
      `a key of ${keyLength} bytes and a value of ${valueLength} are longer than the ` +
        `${ENTRY_LENGTH_MAX} bytes of an entry that a snapshot can hold: refuse the value, or ` +
        'set its parts under keys of their own',
    );
  }
}

function noView(): DataView {
  return new DataView(new ArrayBuffer(0));
}

/** FNV-1a, mixed once more so that its low bits depend on all. */
function hashOf(bytes: Uint8Array, start: number, length: number): number {
  const end = start + length;
  let hash = FNV_OFFSET;
  for (let index = start; index < end; index++) {
    hash = Math.imul(hash ^ (bytes[index] as number), FNV_PRIME);
  }
  hash ^= hash >>> 15;
  hash = Math.imul(hash, 0x2c1b3c6d);
  return (hash ^ (hash >>> 13)) >>> 0;
}
