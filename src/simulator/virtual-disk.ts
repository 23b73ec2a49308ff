// virtual-disk.ts: the disk of one node. It outlives the processes that use it.
//
// A killed process leaves the page cache as it is, with those of its submitted operations that the
// system had got to. A power cut leaves what was durable and, by chance, parts of the rest: see
// virtual-file.ts for bytes and lengths and virtual-directory.ts for names.

import { assert } from '../assert.js';
import type { Decay } from './decay.js';
import type { Prng } from './prng.js';
import {
  INSTANT_STORAGE,
  type StorageFaultHook,
  type StorageLatency,
} from './storage-operation.js';
import type { TraceHash } from './trace-hash.js';
import { DirectoryTree, VirtualDirectory } from './virtual-directory.js';
import { PAGE_LENGTH, type TearCounts, type TearMode, VirtualFile } from './virtual-file.js';
import type { VirtualProcess } from './virtual-process.js';
import type { VirtualStorage } from './virtual-storage.js';

/** Capacity of a disk by default: 1 TiB, which no run fills. */
export const DISK_CAPACITY_BYTES = 2 ** 40;

/** What happened to a disk. */
export interface DiskCounts extends TearCounts {
  powerCuts: number;
  syncs: number;
  failedOperations: number;
  lostNameChanges: number;
  /** Times that bytes changed by themselves. */
  decays: number;
}

/** A file as an inspector sees it. It is a view: later operations show through. */
export interface FileView {
  readonly length: number;
  /** Copies bytes; returns how many there were. */
  read(position: number, target: Uint8Array, offset: number, length: number): number;
  /** All bytes, copied. */
  bytes(): Uint8Array;
}

export class VirtualDisk {
  readonly random: Prng;
  readonly trace: TraceHash;
  readonly counts: DiskCounts = {
    powerCuts: 0,
    syncs: 0,
    failedOperations: 0,
    lostNameChanges: 0,
    decays: 0,
    keptSectors: 0,
    lostSectors: 0,
    tornWrites: 0,
    lostLengths: 0,
  };
  capacityBytes: number;
  latency: StorageLatency = INSTANT_STORAGE;
  /** Asked about every operation when it is submitted. */
  faultHook: StorageFaultHook | undefined = undefined;
  /** What the next power cuts do to each file; undefined lets chance choose per file. */
  tearMode: TearMode | undefined = undefined;
  tree = new DirectoryTree();
  #isHung = false;
  readonly #storages: VirtualStorage[] = [];
  readonly #locks = new Map<string, VirtualProcess>();

  constructor(random: Prng, trace: TraceHash, capacityBytes = DISK_CAPACITY_BYTES) {
    this.random = random;
    this.trace = trace;
    this.capacityBytes = capacityBytes;
  }

  get isHung(): boolean {
    return this.#isHung;
  }

  /** Bytes of capacity that no file uses. */
  get freeBytes(): number {
    let pageCount = 0;
    for (const file of this.tree.files()) {
      pageCount += file.pageCount;
    }
    return Math.max(0, this.capacityBytes - pageCount * PAGE_LENGTH);
  }

  /** No operation completes from now on. */
  hang(): void {
    this.#isHung = true;
  }

  /** Lets everything that hung complete, in the order of submission. */
  resume(): void {
    this.#isHung = false;
    for (const storage of this.#storages) {
      storage.resume();
    }
  }

  /** Registers a port; called by it. */
  attach(storage: VirtualStorage): void {
    this.#storages.push(storage);
  }

  /** Takes the lock of a path for a process; false when it is taken. */
  lock(path: string, process: VirtualProcess): boolean {
    if (this.#locks.has(path)) {
      return false;
    }
    this.#locks.set(path, process);
    return true;
  }

  /** Forgets a process that has ended; the page cache stays. Called by the node. */
  endProcess(process: VirtualProcess): void {
    for (let i = this.#storages.length - 1; i >= 0; i--) {
      const storage = this.#storages[i] as VirtualStorage;
      if (storage.process === process) {
        this.#storages.splice(i, 1);
        storage.abandon();
      }
    }
    for (const [path, owner] of [...this.#locks]) {
      if (owner === process) {
        this.#locks.delete(path);
      }
    }
  }

  /** Loses by chance what is not durable. No process may be using the disk. */
  powerCut(): void {
    assert(this.#storages.length === 0, 'the processes of a disk end before its power is cut');
    this.counts.powerCuts++;
    this.counts.lostNameChanges += this.tree.powerCut(this.random);
    for (const file of this.tree.files()) {
      file.powerCut(this.random, this.tearMode, this.counts);
    }
    this.#isHung = false;
  }

  /** Loses everything, as a replaced disk. No process may be using it. Returns what was there. */
  reformat(): DirectoryTree {
    return this.exchange(new DirectoryTree());
  }

  /** Has other files from now on. No process may be using it. Returns what was there. */
  exchange(tree: DirectoryTree): DirectoryTree {
    assert(this.#storages.length === 0, 'the processes of a disk end before it is exchanged');
    const before = this.tree;
    this.tree = tree;
    this.#isHung = false;
    return before;
  }

  /**
   * The file that is certain to be at a path after a power cut, with what was made durable of it:
   * past what has rotted since.
   */
  snapshotDurable(path: string): FileView | undefined {
    const entry = this.tree.findDurable(path);
    return entry instanceof VirtualFile ? new DurableView(entry) : undefined;
  }

  /**
   * The file at a path as the page cache has it: what survives the end of a process. Past what has
   * rotted since.
   */
  snapshotCached(path: string): FileView | undefined {
    const entry = this.tree.find(path);
    return entry instanceof VirtualFile ? new CachedView(entry) : undefined;
  }

  /** The file at a path as whoever reads it finds it, with what has rotted. */
  snapshotRaw(path: string): FileView | undefined {
    const entry = this.tree.find(path);
    return entry instanceof VirtualFile ? new RawView(entry) : undefined;
  }

  /** Names that a power cut is certain to leave in a directory, in byte order. */
  listDurable(path: string): string[] {
    const entry = this.tree.findDurable(path);
    return entry instanceof VirtualDirectory ? [...entry.durableEntries.keys()].sort() : [];
  }

  /** Names in a directory, in byte order. */
  listCached(path: string): string[] {
    const entry = this.tree.find(path);
    return entry instanceof VirtualDirectory ? [...entry.entries.keys()].sort() : [];
  }

  /** Durable bytes of a file become others by themselves. */
  decay(path: string, position: number, bytes: Uint8Array): void {
    const entry = this.tree.find(path);
    assert(entry instanceof VirtualFile, `file ${path} exists when it rots`);
    this.counts.decays++;
    entry.decay(position, bytes);
  }

  /** Whether something of a file would be lost with the power. */
  hasUnsynced(path: string): boolean {
    const entry = this.tree.find(path);
    return entry instanceof VirtualFile && entry.hasUnsynced;
  }

  /** What has rotted in a file and was not written again. */
  decays(path: string): readonly Decay[] {
    const entry = this.tree.find(path);
    return entry instanceof VirtualFile ? entry.decays() : [];
  }

  /** Whether something has rotted and was not written again. */
  get hasDecays(): boolean {
    return [...this.tree.files()].some((file) => file.decays().length > 0);
  }

  /** Damages one byte of a file, on the disk and in the page cache, for all who look. */
  flipBits(path: string, position: number, mask: number): void {
    const entry = this.tree.find(path);
    assert(entry instanceof VirtualFile, `file ${path} exists when it is damaged`);
    entry.flipBits(position, mask);
  }
}

abstract class View implements FileView {
  protected readonly file: VirtualFile;

  constructor(file: VirtualFile) {
    this.file = file;
  }

  get length(): number {
    return this.file.length;
  }

  abstract read(position: number, target: Uint8Array, offset: number, length: number): number;

  bytes(): Uint8Array {
    const bytes = new Uint8Array(this.length);
    this.read(0, bytes, 0, bytes.length);
    return bytes;
  }
}

class DurableView extends View {
  override get length(): number {
    return this.file.durableLength;
  }

  read(position: number, target: Uint8Array, offset: number, length: number): number {
    return this.file.readDurableTrue(position, target, offset, length);
  }
}

class CachedView extends View {
  read(position: number, target: Uint8Array, offset: number, length: number): number {
    return this.file.readTrue(position, target, offset, length);
  }
}

class RawView extends View {
  read(position: number, target: Uint8Array, offset: number, length: number): number {
    return this.file.read(position, target, offset, length);
  }
}
