// node-storage.ts: the storage port over node:fs.
//
// Operations run inside the call that submits them, and their completions wait for the next poll: a
// synchronous call costs a quarter of a round trip through Node's thread pool, and does not queue
// behind other work there. The calling duty cycle pays for it. That is why the recorder, which
// syncs, runs in a worker of its own where durability is `fsync`. What may take long goes on while
// the duty cycle does: `syncBackground`, `syncDirectory`, `remove` (a segment that goes takes tens
// of milliseconds with it) and `lock`; not where no event loop runs between duty cycles.
//
// While a background sync of a file runs, later operations on that file take effect at once, but
// their completions wait behind its completion, as the port promises; its close waits as well.
//
// A sync that failed may have lost pages that the kernel now calls clean, and the next sync would
// report success. So the first failure poisons this object: from then on whatever would write or
// sync answers InputOutput without being tried. Reads go on, for reports.

import * as nodeFs from 'node:fs';
import { join } from 'node:path';
import { assert } from '../assert.js';
import {
  type CompletionHandler,
  type FileHandle,
  OpenMode,
  type Storage,
  StorageResult,
  type Ticket,
} from '../ports/storage.js';
import { CompletionQueue } from './completion-queue.js';
import { FileLock, type FileLockOptions, LockedError } from './file-lock.js';
import { assertRange, notAFile, type StorageFileSystem, SyncError } from './storage-calls.js';
import { resultOfError } from './storage-errors.js';
import { checkedPath, isPlainName } from './storage-paths.js';

const FILE_MODE = 0o600;
const DIRECTORY_MODE = 0o700;

const { O_RDONLY, O_RDWR, O_CREAT, O_EXCL } = nodeFs.constants;
/** A symbolic link in the place of a file is refused; a pipe there does not stop the process. */
const SAFE_FLAGS = (nodeFs.constants.O_NOFOLLOW ?? 0) | (nodeFs.constants.O_NONBLOCK ?? 0);
const OPEN_FLAGS: Record<OpenMode, number> = {
  [OpenMode.Read]: O_RDONLY | SAFE_FLAGS,
  [OpenMode.Write]: O_RDWR | SAFE_FLAGS,
  [OpenMode.Create]: O_RDWR | O_CREAT | O_EXCL | SAFE_FLAGS,
  [OpenMode.WriteOrCreate]: O_RDWR | O_CREAT | SAFE_FLAGS,
};

/** How a NodeStorage is tied to its thread. */
export interface NodeStorageOptions {
  /** Called for every operation that completed: wakes the event loop. Cheap when called often. */
  readonly onCompleted?: () => void;
  /** False where no event loop runs between duty cycles (a worker that sleeps): syncs at once. */
  readonly background?: boolean;
  readonly fileSystem?: StorageFileSystem;
  readonly lock?: FileLockOptions;
}

/** What waits behind the background sync of a file. */
interface Deferred {
  readonly kind: 'done' | 'close' | 'sync';
  readonly ticket: Ticket;
  readonly result: number;
  readonly value: number;
  /** True for what is not promised once the sync before it has failed. */
  readonly isChange: boolean;
}

interface OpenFile {
  readonly descriptor: number;
  /** Undefined while no background sync runs. */
  deferred: Deferred[] | undefined;
}

/** Files below one directory. The directory exists: see `openDataDirectory`. */
export class NodeStorage implements Storage {
  readonly #directory: string;
  readonly #fs: StorageFileSystem;
  readonly #options: NodeStorageOptions;
  readonly #completions = new CompletionQueue();
  readonly #files = new Map<FileHandle, OpenFile>();
  readonly #locks: FileLock[] = [];
  #lastTicket: Ticket = 0;
  #lastHandle: FileHandle = 0;
  /** Value of the operation that ran last. */
  #value = 0;
  #isPoisoned = false;
  readonly #removals = new Set<Promise<void>>();
  #isClosed = false;
  #lastFailure: Error | undefined;

  constructor(directory: string, options: NodeStorageOptions = {}) {
    this.#directory = directory;
    this.#options = options;
    this.#fs = options.fileSystem ?? nodeFs;
  }

  get directory(): string {
    return this.#directory;
  }
  /** True after a sync failed: nothing is written any more. */
  get isPoisoned(): boolean {
    return this.#isPoisoned;
  }
  /** The system's error behind the last result that was not Ok; it names the call and the path. */
  get lastFailure(): Error | undefined {
    return this.#lastFailure;
  }
  get openFileCount(): number {
    return this.#files.size;
  }

  /** Whether an operation may go on while the duty cycle does. */
  get #mayGoOn(): boolean {
    return this.#options.background !== false && !this.#isPoisoned;
  }

  open(path: string, mode: OpenMode): Ticket {
    const isReading = mode === OpenMode.Read || mode === OpenMode.Write;
    return this.#run(!isReading, () => {
      const descriptor = this.#fs.openSync(this.#resolve(path), OPEN_FLAGS[mode], FILE_MODE);
      if (!this.#fs.fstatSync(descriptor).isFile()) {
        this.#fs.closeSync(descriptor);
        throw notAFile(path);
      }
      this.#lastHandle += 1;
      this.#files.set(this.#lastHandle, { descriptor, deferred: undefined });
      return this.#lastHandle;
    });
  }

  close(file: FileHandle): Ticket {
    const open = this.#fileOf(file);
    this.#files.delete(file);
    const ticket = this.#nextTicket();
    if (open.deferred !== undefined) {
      open.deferred.push({ kind: 'close', ticket, result: 0, value: 0, isChange: false });
    } else {
      this.#complete(ticket, this.#closeNow(open), 0);
    }
    return ticket;
  }

  write(
    file: FileHandle,
    position: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): Ticket {
    assertRange(position, buffer, offset, length);
    return this.#runOn(file, true, (open) => {
      let done = 0;
      while (done < length) {
        const at = offset + done;
        const count = this.#fs.writeSync(
          open.descriptor,
          buffer,
          at,
          length - done,
          position + done,
        );
        assert(count > 0, 'a write that takes no byte reports an error');
        done += count;
      }
      return done;
    });
  }

  read(
    file: FileHandle,
    position: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): Ticket {
    assertRange(position, buffer, offset, length);
    return this.#runOn(file, false, (open) => {
      let done = 0;
      while (done < length) {
        const at = offset + done;
        const count = this.#fs.readSync(
          open.descriptor,
          buffer,
          at,
          length - done,
          position + done,
        );
        if (count === 0) {
          break;
        }
        done += count;
      }
      return done;
    });
  }

  sync(file: FileHandle): Ticket {
    return this.#runOn(file, true, (open) => {
      this.#poisonOnFailure(() => this.#fs.fdatasyncSync(open.descriptor));
      return 0;
    });
  }

  syncBackground(file: FileHandle): Ticket {
    if (!this.#mayGoOn) {
      return this.sync(file);
    }
    const open = this.#fileOf(file);
    const ticket = this.#nextTicket();
    if (open.deferred !== undefined) {
      open.deferred.push({ kind: 'sync', ticket, result: 0, value: 0, isChange: true });
    } else {
      this.#startSync(open, ticket);
    }
    return ticket;
  }

  setLength(file: FileHandle, length: number): Ticket {
    assert(Number.isSafeInteger(length) && length >= 0, 'a length is an integer from 0');
    return this.#runOn(file, true, (open) => {
      this.#fs.ftruncateSync(open.descriptor, length);
      return 0;
    });
  }

  length(file: FileHandle): Ticket {
    return this.#runOn(file, false, (open) => this.#fs.fstatSync(open.descriptor).size);
  }

  lock(path: string): Ticket {
    const ticket = this.#nextTicket();
    FileLock.acquire(this.#resolve(path), this.#options.lock ?? {}, (outcome) => {
      if (outcome instanceof FileLock) {
        this.#keepLock(outcome);
        this.#complete(ticket, StorageResult.Ok, 0);
      } else {
        this.#complete(ticket, this.#failed(outcome), 0);
      }
    });
    return ticket;
  }

  rename(from: string, to: string): Ticket {
    return this.#run(true, () => {
      this.#fs.renameSync(this.#resolve(from), this.#resolve(to));
      return 0;
    });
  }

  remove(path: string): Ticket {
    const resolved = this.#resolve(path);
    if (!this.#mayGoOn) {
      return this.#run(true, () => {
        this.#fs.unlinkSync(resolved);
        return 0;
      });
    }
    const ticket = this.#nextTicket();
    const removal = new Promise<void>((resolve) => {
      this.#fs.unlink(resolved, (error) => {
        this.#removals.delete(removal);
        this.#complete(ticket, error === null ? StorageResult.Ok : this.#failed(error), 0);
        resolve();
      });
    });
    this.#removals.add(removal);
    return ticket;
  }

  makeDirectory(path: string): Ticket {
    return this.#run(true, () => {
      this.#fs.mkdirSync(this.#resolve(path), DIRECTORY_MODE);
      return 0;
    });
  }

  /** Names that this port could not open (such as `lost+found`) are not ours and are left out. */
  list(directory: string): Ticket {
    let names: readonly string[] = [];
    const ticket = this.#nextTicket();
    const result = this.#attempt(false, () => {
      const all = this.#fs.readdirSync(this.#resolveDirectory(directory));
      // Plain ASCII, so that the order of code units is the order of bytes.
      names = all.filter(isPlainName).sort();
      return names.length;
    });
    this.#complete(ticket, result, this.#value, names);
    return ticket;
  }

  syncDirectory(directory: string): Ticket {
    const path = this.#resolveDirectory(directory);
    // Windows cannot open a directory, and makes names durable with the file.
    if (process.platform === 'win32') {
      return this.#run(true, () => 0);
    }
    return this.#mayGoOn ? this.#syncNames(path) : this.#run(true, () => this.#syncNamesNow(path));
  }

  freeSpace(): Ticket {
    return this.#run(false, () => {
      const { bavail, bsize } = this.#fs.statfsSync(this.#directory);
      return bavail * bsize;
    });
  }

  /** Completions that wait for a poll. */
  get completionCount(): number {
    return this.#completions.count;
  }

  poll(handler: CompletionHandler, limit: number): number {
    return this.#completions.poll(handler, limit);
  }

  /** Closes all files. Locks are held on: others may still write below the directory. */
  closeFiles(): void {
    for (const file of [...this.#files.keys()]) {
      this.close(file);
    }
  }

  /**
   * Resolves when no file is being removed any more: whoever had the directory before that could
   * lose one that it has just made.
   */
  async removed(): Promise<void> {
    await Promise.all(this.#removals);
  }

  /** Closes all files and releases all locks. Background syncs end by themselves. */
  end(): void {
    this.#isClosed = true;
    this.closeFiles();
    for (const lock of this.#locks.splice(0)) {
      lock.release();
    }
  }

  #run(isChange: boolean, operation: () => number): Ticket {
    const ticket = this.#nextTicket();
    const result = this.#attempt(isChange, operation);
    this.#complete(ticket, result, this.#value);
    return ticket;
  }

  #runOn(file: FileHandle, isChange: boolean, operation: (open: OpenFile) => number): Ticket {
    const open = this.#fileOf(file);
    const ticket = this.#nextTicket();
    const result = this.#attempt(isChange, () => operation(open));
    const value = this.#value;
    if (open.deferred === undefined) {
      this.#complete(ticket, result, value);
    } else {
      open.deferred.push({ kind: 'done', ticket, result, value, isChange });
    }
    return ticket;
  }

  #attempt(isChange: boolean, operation: () => number): StorageResult {
    this.#value = 0;
    if (isChange && this.#isPoisoned) {
      return StorageResult.InputOutput;
    }
    try {
      this.#value = operation();
      return StorageResult.Ok;
    } catch (error) {
      return this.#failed(error);
    }
  }

  #failed(error: unknown): StorageResult {
    const result = error instanceof LockedError ? StorageResult.Locked : resultOfError(error);
    this.#lastFailure = error as Error;
    return error instanceof SyncError ? StorageResult.InputOutput : result;
  }

  #poisonOnFailure(sync: () => void): void {
    try {
      sync();
    } catch (error) {
      this.#isPoisoned = true;
      throw new SyncError(error);
    }
  }

  #syncNamesNow(path: string): number {
    const descriptor = this.#fs.openSync(path, O_RDONLY);
    try {
      this.#poisonOnFailure(() => this.#fs.fsyncSync(descriptor));
    } finally {
      this.#fs.closeSync(descriptor);
    }
    return 0;
  }

  #syncNames(path: string): Ticket {
    let descriptor = -1;
    const ticket = this.#nextTicket();
    const result = this.#attempt(true, () => {
      descriptor = this.#fs.openSync(path, O_RDONLY);
      return 0;
    });
    if (result !== StorageResult.Ok) {
      this.#complete(ticket, result, 0);
      return ticket;
    }
    this.#fs.fsync(descriptor, (error) => {
      this.#fs.closeSync(descriptor);
      this.#complete(ticket, this.#syncResult(error), 0);
    });
    return ticket;
  }

  #startSync(open: OpenFile, ticket: Ticket): void {
    open.deferred ??= [];
    this.#fs.fdatasync(open.descriptor, (error) => {
      this.#complete(ticket, this.#syncResult(error), 0);
      this.#resume(open);
    });
  }

  /** A sync in the background has ended. */
  #syncResult(error: Error | null | undefined): StorageResult {
    if (error !== null && error !== undefined) {
      this.#isPoisoned = true;
      this.#lastFailure = error;
    }
    return this.#isPoisoned ? StorageResult.InputOutput : StorageResult.Ok;
  }

  /** Completes what waited behind a background sync, up to the next one. */
  #resume(open: OpenFile): void {
    const deferred = open.deferred ?? [];
    open.deferred = undefined;
    for (let next = deferred.shift(); next !== undefined; next = deferred.shift()) {
      if (next.kind === 'close') {
        this.#complete(next.ticket, this.#closeNow(open), 0);
      } else if (next.kind === 'done') {
        const isLost = this.#isPoisoned && next.isChange;
        const result = isLost ? StorageResult.InputOutput : next.result;
        this.#complete(next.ticket, result, next.value);
      } else if (this.#isPoisoned) {
        this.#complete(next.ticket, StorageResult.InputOutput, 0);
      } else {
        open.deferred = deferred;
        this.#startSync(open, next.ticket);
        return;
      }
    }
  }

  #complete(ticket: Ticket, result: number, value: number, names?: readonly string[]): void {
    this.#completions.push(ticket, result, value, names);
    this.#options.onCompleted?.();
  }

  #closeNow(open: OpenFile): StorageResult {
    try {
      this.#fs.closeSync(open.descriptor);
      return StorageResult.Ok;
    } catch (error) {
      return this.#failed(error);
    }
  }

  #keepLock(lock: FileLock): void {
    if (this.#isClosed) {
      lock.release();
    } else {
      this.#locks.push(lock);
    }
  }

  #fileOf(file: FileHandle): OpenFile {
    const open = this.#files.get(file);
    assert(open !== undefined, 'a file is used between its open and its close');
    return open;
  }

  #nextTicket(): Ticket {
    this.#lastTicket += 1;
    return this.#lastTicket;
  }

  #resolve(path: string): string {
    return join(this.#directory, checkedPath(path));
  }

  #resolveDirectory(directory: string): string {
    return directory === '' ? this.#directory : this.#resolve(directory);
  }
}
