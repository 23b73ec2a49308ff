// virtual-file.ts: the bytes of one file: what is on the disk, and what only the page cache has.
//
// The file is sparse: pages of 4 KiB that exist only when they were written. Writes since the last
// sync are kept one by one, so that a power cut can choose, for each sector of 512 bytes, any
// content that the sector had since it was last durable. A sector is never mixed of two contents:
// it is atomic. Lengths are chosen likewise. How the choices are made is a TearMode; each power cut
// draws one mode per file, so that the plain cases (all or nothing lost, an exact prefix kept) are
// as frequent as arbitrary damage.
//
// This is weaker than any real file system: in the random modes a length may survive without its
// bytes (they read as zero), and bytes may survive without their order.

import { assert } from '../assert.js';
import { type Decay, DecayList } from './decay.js';
import type { Prng } from './prng.js';

export const PAGE_LENGTH = 4096;
export const SECTOR_LENGTH = 512;
/** Unsynced bytes beyond which the system writes back by itself, oldest and newest alike. */
export const WRITEBACK_LENGTH_MAX = 16 * 1024 * 1024;

/** What a power cut does to the unsynced writes of a file. */
export const TearMode = {
  KeepAll: 0,
  DropAll: 1,
  /** The writes up to some moment survive. */
  Prefix: 2,
  /** Each sector keeps the content of a moment of its own. */
  Scatter: 3,
  /** Each sector keeps its first or its last content. */
  Coin: 4,
} as const;
export type TearMode = (typeof TearMode)[keyof typeof TearMode];

/** What power cuts did; summed over a disk. */
export interface TearCounts {
  keptSectors: number;
  lostSectors: number;
  /** Writes of which some sectors survived and others did not. */
  tornWrites: number;
  /** Lengths that fell back. */
  lostLengths: number;
}

/** Stands for a page of zeros that hides a durable one. Never written. */
const ZERO_PAGE = new Uint8Array(PAGE_LENGTH);

/** A write, or a cut of the file (without bytes), since the last sync. */
interface UnsyncedRecord {
  readonly position: number;
  readonly end: number;
  readonly bytes: Uint8Array | undefined;
  readonly lengthAfter: number;
}

/** Chooses, for a sector, the last record whose effect survives. */
type SectorCut = (sector: number) => number;

export class VirtualFile {
  /** When the last submitted operation completes: operations on one file keep their order. */
  busyUntilNs = 0;
  /** Operations of this file that are submitted and have not completed. */
  pendingCount = 0;
  /** Operations of this file that wait for the disk to stop hanging. */
  hungCount = 0;
  readonly #decayed = new DecayList();
  readonly #durable = new Map<number, Uint8Array>();
  /** Pages of the page cache that differ from the durable ones. */
  readonly #overlay = new Map<number, Uint8Array>();
  /** Pages that the next sync writes; after a failed sync fewer than the overlay has. */
  readonly #dirty = new Set<number>();
  /** A page that is used no more: a file that is synced again and again needs no new ones. */
  #spare: Uint8Array | undefined = undefined;
  #records: UnsyncedRecord[] = [];
  #unsyncedLength = 0;
  #durableLength = 0;
  #length = 0;
  /** Pages that exist, or -1 when they must be counted again. */
  #pageCount = 0;

  /** Length as the page cache has it. */
  get length(): number {
    return this.#length;
  }

  /** Length that survives a power cut for certain, if nothing shortened the file since. */
  get durableLength(): number {
    return this.#durableLength;
  }

  get hasUnsynced(): boolean {
    return this.#records.length > 0;
  }

  /** Pages that exist, for the disk's capacity. */
  get pageCount(): number {
    if (this.#pageCount < 0) {
      this.#pageCount = this.#durable.size;
      for (const page of this.#overlay.keys()) {
        this.#pageCount += this.#durable.has(page) ? 0 : 1;
      }
    }
    return this.#pageCount;
  }

  /** Pages that a write would have to allocate. */
  newPageCount(position: number, length: number): number {
    let count = 0;
    for (let page = pageOf(position); page * PAGE_LENGTH < position + length; page++) {
      count += this.#overlay.has(page) || this.#durable.has(page) ? 0 : 1;
    }
    return count;
  }

  /** Reads through the page cache. Returns the bytes read, fewer at the end of the file. */
  read(position: number, target: Uint8Array, offset: number, length: number): number {
    const count = Math.max(0, Math.min(length, this.#length - position));
    forEachPage(position, count, (page, inPage, done, run) => {
      copyPage(
        this.#overlay.get(page) ?? this.#durable.get(page),
        inPage,
        target,
        offset + done,
        run,
      );
    });
    return count;
  }

  /** Reads through the page cache what was written, past what has rotted since. */
  readTrue(position: number, target: Uint8Array, offset: number, length: number): number {
    const count = this.read(position, target, offset, length);
    this.#decayed.restore(position, target, offset, count);
    return count;
  }

  /** Reads what was made durable, past what has rotted since. */
  readDurableTrue(position: number, target: Uint8Array, offset: number, length: number): number {
    const count = this.readDurable(position, target, offset, length);
    this.#decayed.restore(position, target, offset, count);
    return count;
  }

  /** Reads what is durable. */
  readDurable(position: number, target: Uint8Array, offset: number, length: number): number {
    const count = Math.max(0, Math.min(length, this.#durableLength - position));
    forEachPage(position, count, (page, inPage, done, run) => {
      copyPage(this.#durable.get(page), inPage, target, offset + done, run);
    });
    return count;
  }

  /** Writes into the page cache. The bytes belong to the file from now on. */
  write(position: number, bytes: Uint8Array): void {
    const end = position + bytes.length;
    if (this.#pageCount >= 0) {
      this.#pageCount += this.newPageCount(position, bytes.length);
    }
    this.#length = Math.max(this.#length, end);
    this.#splitDecays(position, end);
    if (!this.#decayed.isEmpty && !this.#holds(position, bytes)) {
      this.#decayed.overwrite(position, bytes);
    }
    this.#records.push({ position, end, bytes, lengthAfter: this.#length });
    forEachPage(position, bytes.length, (page, inPage, done, run) => {
      this.#pageForWrite(page).set(bytes.subarray(done, done + run), inPage);
    });
    this.#unsyncedLength += bytes.length;
    if (this.#unsyncedLength > WRITEBACK_LENGTH_MAX) {
      this.sync();
    }
  }

  /** Cuts or extends the file; what is beyond the end reads as zero when it grows again. */
  setLength(length: number): void {
    const before = this.#length;
    this.#length = length;
    this.#splitDecays(length, before);
    const position = Math.min(length, before);
    this.#records.push({ position, end: before, bytes: undefined, lengthAfter: length });
    if (length >= before) {
      return;
    }
    const firstWhole = Math.ceil(length / PAGE_LENGTH);
    for (const page of pagesFrom(firstWhole, this.#overlay, this.#durable)) {
      this.#overlay.set(page, ZERO_PAGE);
      this.#dirty.add(page);
    }
    const partial = pageOf(length);
    if (partial < firstWhole && (this.#overlay.has(partial) || this.#durable.has(partial))) {
      this.#pageForWrite(partial).fill(0, length - partial * PAGE_LENGTH);
    }
  }

  /** Makes everything durable. */
  sync(): void {
    for (const page of this.#dirty) {
      const bytes = this.#overlay.get(page) as Uint8Array;
      const before = this.#durable.get(page);
      if (bytes === ZERO_PAGE) {
        this.#durable.delete(page);
        this.#pageCount -= this.#pageCount > 0 ? 1 : 0;
      } else {
        this.#durable.set(page, bytes);
      }
      this.#overlay.delete(page);
      this.#spare = before ?? this.#spare;
    }
    this.#durableLength = this.#length;
    this.#forgetRecords();
  }

  /**
   * A sync that fails: some of the writes become durable by chance, and the system forgets that the
   * others never did. They stay readable, a later sync succeeds without them, and the next power
   * cut loses them: the reason why a failed sync must never be retried.
   */
  failSync(random: Prng, counts: TearCounts): void {
    this.#tear(random, drawMode(random), counts);
    this.#forgetRecords();
  }

  /** Loses by chance what is not durable. */
  powerCut(random: Prng, mode: TearMode | undefined, counts: TearCounts): void {
    if (this.#records.length > 0) {
      this.#tear(random, mode ?? drawMode(random), counts);
    }
    this.#overlay.clear();
    this.#pageCount = -1;
    this.#forgetRecords();
    this.#length = this.#durableLength;
    this.busyUntilNs = 0;
    this.hungCount = 0;
  }

  /** Damages a byte on the disk and in the page cache, as bit rot that is read back. */
  flipBits(position: number, mask: number): void {
    assert(position < this.#length, 'a damaged byte is within the file');
    const page = pageOf(position);
    const inPage = position - page * PAGE_LENGTH;
    for (const pages of [this.#durable, this.#overlay]) {
      const bytes = pages.get(page);
      if (bytes !== undefined && bytes !== ZERO_PAGE) {
        bytes[inPage] = (bytes[inPage] as number) ^ mask;
      }
    }
  }

  /** Synced bytes become others by themselves: bit rot, or a write that was meant elsewhere. */
  decay(position: number, rotten: Uint8Array): void {
    assert(position + rotten.length <= this.#durableLength, 'what rots was durable');
    const truth = new Uint8Array(rotten.length);
    this.read(position, truth, 0, truth.length);
    forEachPage(position, rotten.length, (page, inPage, done, run) => {
      const bytes = rotten.subarray(done, done + run);
      this.#durablePage(page).set(bytes, inPage);
      const cached = this.#overlay.get(page);
      if (cached !== undefined && cached !== ZERO_PAGE) {
        cached.set(bytes, inPage);
      }
    });
    this.#pageCount = -1;
    this.#decayed.add({ position, truth, rotten: rotten.slice() }, SECTOR_LENGTH);
  }

  /** What has rotted and was not written again. */
  decays(): readonly Decay[] {
    return this.#decayed.alive(
      (position, target) => this.read(position, target, 0, target.length),
      (position, target) => this.readDurable(position, target, 0, target.length),
    );
  }

  /** Whether bytes are what is read already: what is rotten is written again as it is, too. */
  #holds(position: number, bytes: Uint8Array): boolean {
    const now = new Uint8Array(bytes.length);
    const count = this.read(position, now, 0, now.length);
    return count === now.length && bytes.every((byte, index) => byte === now[index]);
  }

  #splitDecays(from: number, to: number): void {
    if (!this.#decayed.isEmpty) {
      this.#decayed.splitAt(from);
      this.#decayed.splitAt(to);
    }
  }

  #forgetRecords(): void {
    if (this.#dirty.size > 0) {
      this.#dirty.clear();
    }
    this.#records.length = 0;
    this.#unsyncedLength = 0;
  }

  #pageForWrite(page: number): Uint8Array {
    this.#dirty.add(page);
    const cached = this.#overlay.get(page);
    if (cached !== undefined && cached !== ZERO_PAGE) {
      return cached;
    }
    const durable = cached === undefined ? this.#durable.get(page) : undefined;
    const bytes = this.#takePage(durable);
    this.#overlay.set(page, bytes);
    return bytes;
  }

  /** A page with a copy of another, or with zeros: the one that a sync replaced, or a new one. */
  #takePage(content: Uint8Array | undefined): Uint8Array {
    const spare = this.#spare;
    this.#spare = undefined;
    const bytes = spare ?? new Uint8Array(PAGE_LENGTH);
    if (content !== undefined) {
      bytes.set(content);
    } else if (spare !== undefined) {
      bytes.fill(0);
    }
    return bytes;
  }

  /** Applies the surviving part of the unsynced writes to the durable pages. */
  #tear(random: Prng, mode: TearMode, counts: TearCounts): void {
    this.#pageCount = -1;
    const records = this.#records;
    const last = records.length - 1;
    const prefix = random.below(records.length + 1) - 1;
    const cutOf = sectorCutOf(random, mode, prefix, last);
    for (let i = 0; i <= last; i++) {
      const record = records[i] as UnsyncedRecord;
      if (record.bytes === undefined) {
        this.#tearCut(record, i, cutOf);
      } else {
        this.#tearWrite(record, record.bytes, i, cutOf, counts);
      }
    }
    const lengthCut = mode <= TearMode.Prefix ? cutOf(0) : prefix;
    const length =
      lengthCut < 0 ? this.#durableLength : (records[lengthCut] as UnsyncedRecord).lengthAfter;
    counts.lostLengths += length < this.#length ? 1 : 0;
    this.#durableLength = length;
    this.#trimDurable();
  }

  #tearWrite(
    record: UnsyncedRecord,
    bytes: Uint8Array,
    index: number,
    cutOf: SectorCut,
    counts: TearCounts,
  ): void {
    let kept = 0;
    let lost = 0;
    forEachSector(record.position, record.end, (sector, from, to) => {
      if (index > cutOf(sector)) {
        lost++;
        return;
      }
      kept++;
      const page = this.#durablePage(pageOf(from));
      const run = bytes.subarray(from - record.position, to - record.position);
      page.set(run, from % PAGE_LENGTH);
    });
    counts.keptSectors += kept;
    counts.lostSectors += lost;
    counts.tornWrites += kept > 0 && lost > 0 ? 1 : 0;
  }

  /** Zeroes the surviving part of a cut, in pages that exist. */
  #tearCut(record: UnsyncedRecord, index: number, cutOf: SectorCut): void {
    for (const page of pagesFrom(pageOf(record.position), this.#durable)) {
      const start = Math.max(record.position, page * PAGE_LENGTH);
      const end = Math.min(record.end, (page + 1) * PAGE_LENGTH);
      forEachSector(start, end, (sector, from, to) => {
        if (index <= cutOf(sector)) {
          this.#durablePage(page).fill(0, from - page * PAGE_LENGTH, to - page * PAGE_LENGTH);
        }
      });
    }
  }

  #durablePage(page: number): Uint8Array {
    let bytes = this.#durable.get(page);
    if (bytes === undefined) {
      bytes = new Uint8Array(PAGE_LENGTH);
      this.#durable.set(page, bytes);
    }
    return bytes;
  }

  #trimDurable(): void {
    const firstWhole = Math.ceil(this.#durableLength / PAGE_LENGTH);
    for (const page of pagesFrom(firstWhole, this.#durable)) {
      this.#durable.delete(page);
    }
    const partial = pageOf(this.#durableLength);
    if (partial < firstWhole) {
      this.#durable.get(partial)?.fill(0, this.#durableLength - partial * PAGE_LENGTH);
    }
  }
}

function pageOf(position: number): number {
  return Math.floor(position / PAGE_LENGTH);
}

function drawMode(random: Prng): TearMode {
  return random.below(TearMode.Coin + 1) as TearMode;
}

function sectorCutOf(random: Prng, mode: TearMode, prefix: number, last: number): SectorCut {
  switch (mode) {
    case TearMode.KeepAll:
      return () => last;
    case TearMode.DropAll:
      return () => -1;
    case TearMode.Prefix:
      return () => prefix;
    default:
      break;
  }
  const cuts = new Map<number, number>();
  return (sector) => {
    let cut = cuts.get(sector);
    if (cut === undefined) {
      const coin = mode === TearMode.Coin ? (random.chance(1, 2) ? last : -1) : undefined;
      cut = coin ?? random.below(last + 2) - 1;
      cuts.set(sector, cut);
    }
    return cut;
  };
}

/** Existing pages from a number on, in ascending order: the order of draws must not vary. */
function pagesFrom(first: number, ...maps: readonly Map<number, Uint8Array>[]): number[] {
  const pages = new Set<number>();
  for (const map of maps) {
    for (const page of map.keys()) {
      if (page >= first) {
        pages.add(page);
      }
    }
  }
  return [...pages].sort((a, b) => a - b);
}

/** Calls back for the part of a range in each page: page, offset in it, bytes before, bytes. */
function forEachPage(
  position: number,
  length: number,
  visit: (page: number, inPage: number, done: number, run: number) => void,
): void {
  let done = 0;
  while (done < length) {
    const page = pageOf(position + done);
    const inPage = position + done - page * PAGE_LENGTH;
    const run = Math.min(length - done, PAGE_LENGTH - inPage);
    visit(page, inPage, done, run);
    done += run;
  }
}

/** Calls back for the part of a range in each sector. */
function forEachSector(
  position: number,
  end: number,
  visit: (sector: number, from: number, to: number) => void,
): void {
  let from = position;
  while (from < end) {
    const sector = Math.floor(from / SECTOR_LENGTH);
    const to = Math.min(end, (sector + 1) * SECTOR_LENGTH);
    visit(sector, from, to);
    from = to;
  }
}

function copyPage(
  page: Uint8Array | undefined,
  inPage: number,
  target: Uint8Array,
  offset: number,
  length: number,
): void {
  if (page === undefined) {
    target.fill(0, offset, offset + length);
  } else {
    target.set(page.subarray(inPage, inPage + length), offset);
  }
}
