// memory-storage.ts: a disk in memory that can lose power between any two operations.
//
// Operations take effect when they are submitted and complete at the next poll. Each file has what
// the page cache holds and what is on the disk; a crash chooses, per sector of 512 bytes, between
// the two. The names of the directory work the same way. Tests may hold completions back,
// fail operations, or end the "process" after a number of them.

import type {
  Completion,
  CompletionHandler,
  FileHandle,
  Storage,
  Ticket,
} from '../../src/ports/storage.js';
import { OpenMode, StorageResult } from '../../src/ports/storage.js';

export const SECTOR_LENGTH = 512;

/** What a crash does to bytes that no sync covered. */
export type CrashMode = 'keep' | 'drop' | 'tear';

export type OperationKind =
  | 'open'
  | 'close'
  | 'write'
  | 'read'
  | 'sync'
  | 'setLength'
  | 'length'
  | 'lock'
  | 'rename'
  | 'remove'
  | 'makeDirectory'
  | 'list'
  | 'syncDirectory'
  | 'freeSpace';

/** Thrown at the operation at which the process ends. */
export class PowerCut extends Error {}

/** A file: page cache and disk. */
class MemoryFile {
  bytes = new Uint8Array(0);
  durable = new Uint8Array(0);
  readonly dirty = new Set<number>();

  /** One array for page cache and disk, so that a test's damage is on both. */
  alias(): Uint8Array {
    this.sync();
    this.durable = this.bytes;
    return this.bytes;
  }

  setLength(length: number): void {
    const next = new Uint8Array(length);
    next.set(this.bytes.subarray(0, Math.min(length, this.bytes.length)));
    const from = Math.min(length, this.bytes.length);
    for (let at = from; at < Math.max(length, this.bytes.length); at += SECTOR_LENGTH) {
      this.dirty.add(Math.floor(at / SECTOR_LENGTH));
    }
    this.bytes = next;
  }

  write(position: number, bytes: Uint8Array): void {
    if (position + bytes.length > this.bytes.length) {
      this.setLength(position + bytes.length);
    }
    if (this.bytes === this.durable) {
      this.bytes = this.durable.slice();
    }
    this.bytes.set(bytes, position);
    const last = Math.floor((position + bytes.length - 1) / SECTOR_LENGTH);
    for (let sector = Math.floor(position / SECTOR_LENGTH); sector <= last; sector++) {
      this.dirty.add(sector);
    }
  }

  /** Copies what is dirty, where the whole file need not be: tests sync thousands of times. */
  sync(): void {
    const { bytes, durable } = this;
    if (durable === bytes || durable.length !== bytes.length) {
      this.durable = bytes.slice();
    } else {
      // A file that grew and shrank again has dirty sectors behind its end.
      const dirty = [...this.dirty].map((sector) => sector * SECTOR_LENGTH);
      for (const start of dirty.filter((each) => each < bytes.length)) {
        durable.set(bytes.subarray(start, start + SECTOR_LENGTH), start);
      }
    }
    this.dirty.clear();
  }

  crashed(mode: CrashMode, chance: () => boolean): MemoryFile {
    const after = new MemoryFile();
    const isLong = mode === 'keep' || (mode === 'tear' && chance());
    const bytes = new Uint8Array(isLong ? this.bytes.length : this.durable.length);
    bytes.set(this.durable.subarray(0, bytes.length));
    if (mode !== 'drop') {
      for (const sector of this.dirty) {
        if (mode === 'keep' || chance()) {
          const start = sector * SECTOR_LENGTH;
          const end = Math.min(start + SECTOR_LENGTH, bytes.length, this.bytes.length);
          if (start < end) {
            bytes.set(this.bytes.subarray(start, end), start);
          }
        }
      }
    }
    after.bytes = bytes;
    after.sync();
    return after;
  }
}

/** What survives processes: files by name, and the names that are on the disk. */
export class MemoryDisk {
  names = new Map<string, MemoryFile>();
  durableNames = new Map<string, MemoryFile>();
  pendingNames: ((names: Map<string, MemoryFile>) => void)[] = [];

  /** The disk after a power cut. `chance` decides for each sector and each name in mode `tear`. */
  crashed(mode: CrashMode, chance: () => boolean = () => true): MemoryDisk {
    const survivors = new Map<MemoryFile, MemoryFile>();
    const names = new Map(this.durableNames);
    for (const change of this.pendingNames) {
      // Names are lost one by one: no order among them is promised without a sync.
      if (mode === 'keep' || (mode === 'tear' && chance())) {
        change(names);
      }
    }
    const disk = new MemoryDisk();
    for (const [name, file] of names) {
      const survivor = survivors.get(file) ?? file.crashed(mode, chance);
      survivors.set(file, survivor);
      disk.names.set(name, survivor);
      disk.durableNames.set(name, survivor);
    }
    return disk;
  }

  /** A copy with nothing unsynced. */
  clone(): MemoryDisk {
    return this.crashed('keep');
  }

  /** Bytes of a file as the page cache has them, to look at. */
  file(name: string): Uint8Array {
    return this.#named(name).bytes;
  }

  /** Bytes of a file to change, on the disk as well as in the page cache. */
  damage(name: string): Uint8Array {
    return this.#named(name).alias();
  }

  has(name: string): boolean {
    return this.names.has(name);
  }

  /** Bytes of a file that survive a power cut for certain. */
  durableFile(name: string): Uint8Array {
    return this.durableNames.get(name)?.durable ?? new Uint8Array(0);
  }

  /** Replaces a file's bytes, on the disk. */
  put(name: string, bytes: Uint8Array): void {
    const file = new MemoryFile();
    file.bytes = bytes.slice();
    file.sync();
    this.names.set(name, file);
    this.durableNames.set(name, file);
  }

  delete(name: string): void {
    this.names.delete(name);
    this.durableNames.delete(name);
  }

  /** Names and contents, for comparison. */
  contents(): Map<string, string> {
    const entries = [...this.names].map(
      ([name, file]) => [name, Buffer.from(file.bytes).toString('base64')] as const,
    );
    return new Map(entries.sort(([left], [right]) => (left < right ? -1 : 1)));
  }

  apply(change: (names: Map<string, MemoryFile>) => void): void {
    change(this.names);
    this.pendingNames.push(change);
  }

  syncNames(): void {
    this.durableNames = new Map(this.names);
    this.pendingNames = [];
  }

  create(name: string): void {
    const file = new MemoryFile();
    this.apply((names) => names.set(name, file));
  }

  #named(name: string): MemoryFile {
    const file = this.names.get(name);
    if (file === undefined) {
      throw new Error(`no file ${name}`);
    }
    return file;
  }
}

/** A completion that waits to be polled. */
export interface Queued extends Completion {
  readonly kind: OperationKind;
  readonly path: string;
}

/** One process's view of a MemoryDisk. */
export class MemoryStorage implements Storage {
  readonly disk: MemoryDisk;
  /** Operations submitted so far. */
  operationCount = 0;
  /** The operation with this number ends the process with PowerCut before it takes effect. */
  cutAt = Number.POSITIVE_INFINITY;
  /** Answers a result other than Ok to make an operation fail without effect. */
  failure: (kind: OperationKind, path: string) => number = () => StorageResult.Ok;
  /** Answers true to hold a completion back until `releaseHeld`. */
  hold: (kind: OperationKind, path: string) => boolean = () => false;
  held: Queued[] = [];
  isLockedElsewhere = false;
  #queue: Queued[] = [];
  #ticket = 0;
  #handle = 0;
  readonly #open = new Map<FileHandle, { path: string; file: MemoryFile }>();

  constructor(disk: MemoryDisk = new MemoryDisk()) {
    this.disk = disk;
  }

  get openCount(): number {
    return this.#open.size;
  }

  /** Queues held completions, the last first when `isReversed`. */
  releaseHeld(isReversed = false): void {
    const released = isReversed ? this.held.reverse() : this.held;
    this.#queue.push(...released);
    this.held = [];
  }

  open(path: string, mode: OpenMode): Ticket {
    return this.#submit('open', path, () => {
      const exists = this.disk.names.has(path);
      if (!exists && (mode === OpenMode.Read || mode === OpenMode.Write)) {
        return StorageResult.NotFound;
      }
      if (exists && mode === OpenMode.Create) {
        return StorageResult.AlreadyExists;
      }
      if (!exists) {
        this.disk.create(path);
      }
      const handle = ++this.#handle;
      this.#open.set(handle, { path, file: this.disk.names.get(path) as MemoryFile });
      return { value: handle };
    });
  }

  close(file: FileHandle): Ticket {
    return this.#submit('close', this.#of(file).path, () => {
      this.#open.delete(file);
      return StorageResult.Ok;
    });
  }

  write(
    file: FileHandle,
    position: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): Ticket {
    const target = this.#of(file);
    return this.#submit('write', target.path, () => {
      target.file.write(position, buffer.subarray(offset, offset + length));
      return StorageResult.Ok;
    });
  }

  read(
    file: FileHandle,
    position: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): Ticket {
    const target = this.#of(file);
    return this.#submit('read', target.path, () => {
      const bytes = target.file.bytes.subarray(position, position + length);
      buffer.set(bytes, offset);
      return { value: bytes.length };
    });
  }

  sync(file: FileHandle): Ticket {
    const target = this.#of(file);
    return this.#submit('sync', target.path, () => {
      target.file.sync();
      return StorageResult.Ok;
    });
  }

  syncBackground(file: FileHandle): Ticket {
    return this.sync(file);
  }

  setLength(file: FileHandle, length: number): Ticket {
    const target = this.#of(file);
    return this.#submit('setLength', target.path, () => {
      target.file.setLength(length);
      return StorageResult.Ok;
    });
  }

  length(file: FileHandle): Ticket {
    const target = this.#of(file);
    return this.#submit('length', target.path, () => ({ value: target.file.bytes.length }));
  }

  lock(path: string): Ticket {
    return this.#submit('lock', path, () =>
      this.isLockedElsewhere ? StorageResult.Locked : StorageResult.Ok,
    );
  }

  rename(from: string, to: string): Ticket {
    return this.#submit('rename', from, () => {
      const file = this.disk.names.get(from);
      if (file === undefined) {
        return StorageResult.NotFound;
      }
      this.disk.apply((names) => {
        names.delete(from);
        names.set(to, file);
      });
      return StorageResult.Ok;
    });
  }

  remove(path: string): Ticket {
    return this.#submit('remove', path, () => {
      if (!this.disk.names.has(path)) {
        return StorageResult.NotFound;
      }
      this.disk.apply((names) => names.delete(path));
      return StorageResult.Ok;
    });
  }

  makeDirectory(path: string): Ticket {
    return this.#submit('makeDirectory', path, () => StorageResult.Ok);
  }

  list(directory: string): Ticket {
    return this.#submit('list', directory, () => ({ names: [...this.disk.names.keys()].sort() }));
  }

  syncDirectory(directory: string): Ticket {
    return this.#submit('syncDirectory', directory, () => {
      this.disk.syncNames();
      return StorageResult.Ok;
    });
  }

  freeSpace(): Ticket {
    return this.#submit('freeSpace', '', () => ({ value: 2 ** 40 }));
  }

  poll(handler: CompletionHandler, limit: number): number {
    const batch = this.#queue.splice(0, limit);
    const reused: Completion = { ticket: 0, result: 0, value: 0, names: [] };
    for (const queued of batch) {
      reused.ticket = queued.ticket;
      reused.result = queued.result;
      reused.value = queued.value;
      reused.names = queued.names;
      handler(reused);
    }
    return batch.length;
  }

  #of(file: FileHandle): { path: string; file: MemoryFile } {
    const target = this.#open.get(file);
    if (target === undefined) {
      throw new Error(`handle ${file} is not open`);
    }
    return target;
  }

  #submit(
    kind: OperationKind,
    path: string,
    effect: () => number | { value?: number; names?: readonly string[] },
  ): Ticket {
    if (this.operationCount >= this.cutAt) {
      throw new PowerCut();
    }
    this.operationCount++;
    const failed = this.failure(kind, path);
    const outcome = failed === StorageResult.Ok ? effect() : failed;
    const ticket = ++this.#ticket;
    const queued: Queued =
      typeof outcome === 'number'
        ? { kind, path, ticket, result: outcome, value: 0, names: [] }
        : {
            kind,
            path,
            ticket,
            result: StorageResult.Ok,
            value: outcome.value ?? 0,
            names: outcome.names ?? [],
          };
    (this.hold(kind, path) ? this.held : this.#queue).push(queued);
    return ticket;
  }
}
