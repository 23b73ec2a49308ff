// virtual-storage.ts: the storage port of one thread of a simulated process.
//
// An operation takes effect when it completes, after a latency of its own; operations of one file
// complete in the order of submission, all others as their latencies fall. When the process ends,
// the operations that have not completed are each done or not done by chance, in order per file and
// perhaps in part; their tickets complete for nobody.

import { assert } from '../assert.js';
import {
  type Completion,
  type CompletionHandler,
  type FileHandle,
  OpenMode,
  type Storage,
  StorageResult,
  type Ticket,
} from '../ports/storage.js';
import { drawDelay } from './delay.js';
import { type EventAction, EventKind, WorldEvent } from './event-heap.js';
import type { Prng } from './prng.js';
import { latencyOf, OperationKind, StorageOperation } from './storage-operation.js';
import { VirtualDirectory } from './virtual-directory.js';
import type { VirtualDisk } from './virtual-disk.js';
import { PAGE_LENGTH, SECTOR_LENGTH, VirtualFile } from './virtual-file.js';
import type { VirtualProcess } from './virtual-process.js';
import type { VirtualThread } from './virtual-thread.js';

/** Files that one thread may hold open, as a process's limit on descriptors. */
export const OPEN_FILE_COUNT_MAX = 4096;
/** What a read's target holds until the read completes. */
const SCRIBBLE = 0xa5;

interface OpenFile {
  readonly file: VirtualFile;
  readonly path: string;
  readonly isWritable: boolean;
}

export class VirtualStorage implements Storage, EventAction {
  readonly process: VirtualProcess;
  readonly #thread: VirtualThread;
  readonly #disk: VirtualDisk;
  readonly #random: Prng;
  readonly #files = new Map<FileHandle, OpenFile>();
  /** Submitted and not completed, in the order of submission. */
  readonly #pending = new Set<StorageOperation>();
  #hung: StorageOperation[] = [];
  #completed: StorageOperation[] = [];
  #completedHead = 0;
  #isWakeWanted = false;
  #lastTicket = 0;
  #lastHandle = 0;
  readonly #completion: Completion = { ticket: 0, result: 0, value: 0, names: [] };

  constructor(thread: VirtualThread, disk: VirtualDisk, random: Prng) {
    this.#thread = thread;
    this.process = thread.process;
    this.#disk = disk;
    this.#random = random;
    disk.attach(this);
  }

  /** Whether something completed in this turn, when it was submitted, and was not polled. */
  takeWake(): boolean {
    const isWanted = this.#isWakeWanted && this.#completedHead < this.#completed.length;
    this.#isWakeWanted = false;
    return isWanted;
  }

  /** Operations that have not completed. */
  get pendingCount(): number {
    return this.#pending.size;
  }

  open(path: string, mode: OpenMode): Ticket {
    const operation = this.#newOperation(OperationKind.Open, path);
    operation.mode = mode;
    return this.#submit(operation);
  }

  close(file: FileHandle): Ticket {
    const operation = this.#newFileOperation(OperationKind.Close, file);
    this.#files.delete(file);
    return this.#submit(operation);
  }

  write(
    file: FileHandle,
    position: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): Ticket {
    const operation = this.#newFileOperation(OperationKind.Write, file);
    setRange(operation, position, buffer, offset, length);
    operation.bytes = buffer.slice(offset, offset + length);
    return this.#submit(operation);
  }

  read(
    file: FileHandle,
    position: number,
    buffer: Uint8Array,
    offset: number,
    length: number,
  ): Ticket {
    const operation = this.#newFileOperation(OperationKind.Read, file);
    setRange(operation, position, buffer, offset, length);
    // Whoever looks before the completion sees what was never in the file. Bytes beyond the end of
    // the file are left alone, as a real read leaves them.
    const fileLength = (operation.file as VirtualFile).length;
    const count = Math.max(0, Math.min(length, fileLength - position));
    buffer.fill(SCRIBBLE, offset, offset + count);
    return this.#submit(operation);
  }

  sync(file: FileHandle): Ticket {
    return this.#submit(this.#newFileOperation(OperationKind.Sync, file));
  }

  syncBackground(file: FileHandle): Ticket {
    return this.sync(file);
  }

  setLength(file: FileHandle, length: number): Ticket {
    assert(Number.isSafeInteger(length) && length >= 0, 'a file length is an integer from 0');
    const operation = this.#newFileOperation(OperationKind.SetLength, file);
    operation.length = length;
    return this.#submit(operation);
  }

  length(file: FileHandle): Ticket {
    return this.#submit(this.#newFileOperation(OperationKind.Length, file));
  }

  lock(path: string): Ticket {
    return this.#submit(this.#newOperation(OperationKind.Lock, path));
  }

  rename(from: string, to: string): Ticket {
    const operation = this.#newOperation(OperationKind.Rename, from);
    operation.targetPath = to;
    return this.#submit(operation);
  }

  remove(path: string): Ticket {
    return this.#submit(this.#newOperation(OperationKind.Remove, path));
  }

  makeDirectory(path: string): Ticket {
    return this.#submit(this.#newOperation(OperationKind.MakeDirectory, path));
  }

  list(directory: string): Ticket {
    return this.#submit(this.#newOperation(OperationKind.List, directory));
  }

  syncDirectory(directory: string): Ticket {
    return this.#submit(this.#newOperation(OperationKind.SyncDirectory, directory));
  }

  freeSpace(): Ticket {
    return this.#submit(this.#newOperation(OperationKind.FreeSpace, ''));
  }

  poll(handler: CompletionHandler, limit: number): number {
    const completion = this.#completion;
    let count = 0;
    while (count < limit && this.#completedHead < this.#completed.length) {
      const operation = this.#completed[this.#completedHead] as StorageOperation;
      this.#completedHead++;
      count++;
      completion.ticket = operation.ticket;
      completion.result = operation.result;
      completion.value = operation.value;
      completion.names = operation.names;
      handler(completion);
    }
    if (this.#completedHead > 0 && this.#completedHead === this.#completed.length) {
      this.#completed.length = 0;
      this.#completedHead = 0;
    }
    return count;
  }

  /** An operation's time has come. */
  runEvent(event: WorldEvent): void {
    const operation = event.subject as StorageOperation;
    if (!this.#pending.has(operation)) {
      return;
    }
    if (operation.isHung || this.#disk.isHung || (operation.file?.hungCount ?? 0) > 0) {
      this.#hung.push(operation);
      if (operation.file !== undefined) {
        operation.file.hungCount++;
      }
      return;
    }
    this.#complete(operation);
  }

  /** Completes what hung. Called by the disk. */
  resume(): void {
    const hung = this.#hung;
    this.#hung = [];
    for (const operation of hung) {
      if (operation.file !== undefined) {
        operation.file.hungCount--;
      }
      operation.isHung = false;
    }
    for (const operation of hung) {
      this.#complete(operation);
    }
  }

  /** The process has ended. Called by the disk. */
  abandon(): void {
    const stopped = new Set<VirtualFile>();
    for (const operation of this.#pending) {
      const { file } = operation;
      if (file !== undefined && stopped.has(file)) {
        continue;
      }
      if (!operation.isHung && this.#random.chance(3, 4)) {
        this.#apply(operation);
      } else if (file !== undefined) {
        stopped.add(file);
        this.#applyPart(operation);
      }
    }
    for (const { file } of this.#pending) {
      if (file !== undefined) {
        file.busyUntilNs = 0;
        file.pendingCount--;
      }
    }
    this.#pending.clear();
    for (const operation of this.#hung) {
      if (operation.file !== undefined) {
        operation.file.hungCount--;
      }
    }
    this.#hung = [];
    this.#completed = [];
    this.#completedHead = 0;
  }

  #newOperation(kind: OperationKind, path: string): StorageOperation {
    this.#lastTicket++;
    return new StorageOperation(this.#lastTicket, kind, path);
  }

  #newFileOperation(kind: OperationKind, handle: FileHandle): StorageOperation {
    if (this.process.isEnded) {
      this.process.beforeEffect();
    }
    const open = this.#files.get(handle);
    assert(open !== undefined, `file handle ${handle} is open`);
    const operation = this.#newOperation(kind, open.path);
    operation.file = open.file;
    operation.isWritable = open.isWritable;
    return operation;
  }

  #submit(operation: StorageOperation): Ticket {
    this.process.beforeEffect();
    const { world } = this.process.node;
    const fault = this.#disk.faultHook?.(operation);
    operation.faultResult = fault?.result ?? StorageResult.Ok;
    operation.isHung = fault?.isHung ?? false;
    const { latency } = this.#disk;
    const delay = latencyOf(latency, operation.kind);
    let timeNs = world.nowNs + drawDelay(delay, this.#random) + (fault?.delayNs ?? 0);
    const { file } = operation;
    if (latency.isAtSubmit === true && timeNs === world.nowNs && this.#isFree(operation)) {
      this.#finish(operation);
      if (this.#thread.isInTurn) {
        // Most are polled before the turn is over.
        this.#isWakeWanted = true;
      } else {
        this.#thread.wake();
      }
      return operation.ticket;
    }
    if (file !== undefined) {
      timeNs = Math.max(timeNs, file.busyUntilNs);
      file.busyUntilNs = timeNs;
      file.pendingCount++;
    }
    this.#pending.add(operation);
    // The system completes operations of a paused process: the event belongs to no process.
    const nodeId = this.process.nodeId;
    world.push(new WorldEvent(EventKind.Storage, this, operation, nodeId, undefined), timeNs);
    return operation.ticket;
  }

  /** Nothing keeps an operation from being done at once. */
  #isFree(operation: StorageOperation): boolean {
    const isFailing = operation.faultResult !== StorageResult.Ok;
    const isWaiting = operation.isHung || this.#disk.isHung;
    return !isFailing && !isWaiting && (operation.file?.pendingCount ?? 0) === 0;
  }

  #complete(operation: StorageOperation): void {
    this.#checkHeldBytes(operation);
    this.#pending.delete(operation);
    if (operation.file !== undefined) {
      operation.file.pendingCount--;
    }
    this.#finish(operation);
    this.#thread.wake();
  }

  /** Does an operation and leaves its completion for the next poll. */
  #finish(operation: StorageOperation): void {
    this.#apply(operation);
    this.#disk.counts.failedOperations += operation.result < 0 ? 1 : 0;
    const { trace } = this.#disk;
    trace.addWord((operation.kind << 16) ^ operation.ticket);
    trace.addInteger(operation.position);
    trace.addBytes(operation.bytes, 0, operation.bytes.length);
    trace.addWord(operation.result);
    trace.addInteger(operation.value);
    this.#completed.push(operation);
  }

  /** The bytes of a write may not change before it completes: a real disk may read them late. */
  #checkHeldBytes(operation: StorageOperation): void {
    const { bytes, buffer, offset } = operation;
    const { length } = bytes;
    for (let i = 0; i < length; i++) {
      if (bytes[i] !== buffer[offset + i]) {
        assert(false, `bytes given to write ${operation.path} are held until its completion`);
      }
    }
  }

  /** Does an operation, or fails it. */
  #apply(operation: StorageOperation): void {
    if (operation.faultResult !== StorageResult.Ok) {
      operation.result = operation.faultResult;
      this.#applyPart(operation);
      return;
    }
    if (operation.file === undefined) {
      operation.result = this.#applyToPath(operation);
    } else {
      operation.result = this.#applyToFile(operation, operation.file);
    }
  }

  /** What is left of an operation that failed, or was cut short by the end of the process. */
  #applyPart(operation: StorageOperation): void {
    const { file, position, bytes } = operation;
    if (file === undefined) {
      return;
    }
    if (operation.kind === OperationKind.Sync && operation.faultResult !== StorageResult.Ok) {
      file.failSync(this.#random, this.#disk.counts);
    }
    if (operation.kind === OperationKind.Write && bytes.length > 0) {
      const end = position + this.#random.below(bytes.length + 1);
      const length = Math.max(0, end - (end % SECTOR_LENGTH) - position);
      if (length > 0) {
        file.write(position, bytes.slice(0, length));
      }
    }
  }

  #applyToFile(operation: StorageOperation, file: VirtualFile): StorageResult {
    const { position, bytes, buffer, offset, length } = operation;
    switch (operation.kind) {
      case OperationKind.Write:
        return this.#write(operation, file, position, bytes);
      case OperationKind.Read:
        operation.value = file.read(position, buffer, offset, length);
        return StorageResult.Ok;
      case OperationKind.Sync:
        this.#disk.counts.syncs++;
        file.sync();
        return StorageResult.Ok;
      case OperationKind.SetLength:
        if (!operation.isWritable) {
          return StorageResult.Denied;
        }
        file.setLength(length);
        return StorageResult.Ok;
      case OperationKind.Length:
        operation.value = file.length;
        return StorageResult.Ok;
      default:
        assert(operation.kind === OperationKind.Close, 'every file operation is known');
        return StorageResult.Ok;
    }
  }

  #write(
    operation: StorageOperation,
    file: VirtualFile,
    position: number,
    bytes: Uint8Array,
  ): StorageResult {
    if (!operation.isWritable) {
      return StorageResult.Denied;
    }
    const newLength = file.newPageCount(position, bytes.length) * PAGE_LENGTH;
    if (newLength > 0 && newLength > this.#disk.freeBytes) {
      return StorageResult.NoSpace;
    }
    file.write(position, bytes);
    return StorageResult.Ok;
  }

  #applyToPath(operation: StorageOperation): StorageResult {
    const { path } = operation;
    const { tree } = this.#disk;
    switch (operation.kind) {
      case OperationKind.Open:
        return this.#open(operation);
      case OperationKind.Lock:
        return this.#disk.lock(path, this.process) ? StorageResult.Ok : StorageResult.Locked;
      case OperationKind.Rename:
        return tree.rename(path, operation.targetPath);
      case OperationKind.Remove:
        return tree.remove(path);
      case OperationKind.MakeDirectory:
        return tree.add(path, new VirtualDirectory());
      case OperationKind.FreeSpace:
        operation.value = this.#disk.freeBytes;
        return StorageResult.Ok;
      default:
        return this.#applyToDirectory(operation);
    }
  }

  #applyToDirectory(operation: StorageOperation): StorageResult {
    const directory = this.#disk.tree.find(operation.path);
    if (!(directory instanceof VirtualDirectory)) {
      return StorageResult.NotFound;
    }
    if (operation.kind === OperationKind.List) {
      operation.names = [...directory.entries.keys()].sort();
    } else {
      assert(operation.kind === OperationKind.SyncDirectory, 'every path operation is known');
      this.#disk.counts.syncs++;
      this.#disk.tree.sync(directory);
    }
    return StorageResult.Ok;
  }

  #open(operation: StorageOperation): StorageResult {
    const { path, mode } = operation;
    const { tree } = this.#disk;
    let entry = tree.find(path);
    if (entry === undefined) {
      if (mode === OpenMode.Read || mode === OpenMode.Write) {
        return StorageResult.NotFound;
      }
      entry = new VirtualFile();
      const result = tree.add(path, entry);
      if (result !== StorageResult.Ok) {
        return result;
      }
    } else if (mode === OpenMode.Create) {
      return StorageResult.AlreadyExists;
    }
    if (entry instanceof VirtualDirectory || this.#files.size >= OPEN_FILE_COUNT_MAX) {
      return StorageResult.Denied;
    }
    this.#lastHandle++;
    operation.value = this.#lastHandle;
    this.#files.set(this.#lastHandle, { file: entry, path, isWritable: mode !== OpenMode.Read });
    return StorageResult.Ok;
  }
}

function setRange(
  operation: StorageOperation,
  position: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
): void {
  assert(Number.isSafeInteger(position) && position >= 0, 'a file position is an integer from 0');
  assert(
    offset >= 0 && length >= 0 && offset + length <= buffer.length,
    'the bytes of an operation lie within their buffer',
  );
  operation.position = position;
  operation.buffer = buffer;
  operation.offset = offset;
  operation.length = length;
}
