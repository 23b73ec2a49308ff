// storage-task.ts: disk work of several steps, over a port that is polled.
//
// A task is a generator that yields the ticket of one operation and is resumed with its completion.
// So a sequence such as "write, sync, rename, sync the directory" reads from top to bottom, waits
// for nothing, and runs unchanged in the simulator. StorageTasks is the only poller of its Storage.

import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import {
  type Completion,
  type CompletionHandler,
  type FileHandle,
  type OpenMode,
  type Storage,
  StorageResult,
  type Ticket,
} from '../ports/storage.js';

/** Disk work of several steps: yields tickets, is resumed with their completions. */
export type StorageTask<T> = Generator<Ticket, T, Completion>;

/** Completions taken in one call of the port. */
const POLL_LIMIT = 64;
/** Rounds of one poll: a storage that completes at submit finishes whole tasks within one poll. */
const POLL_ROUNDS_MAX = 1024;

/** A task under way. Invariant: started once, and waits for exactly one ticket until it ends. */
interface RunningTask {
  start(): void;
}

/** Waits for a ticket: a task, or the handler of a bare operation. */
type Waiter = (completion: Completion) => void;

/** Runs tasks over one Storage, and routes its completions. */
export class StorageTasks {
  readonly storage: Storage;
  readonly #waiters = new Map<Ticket, Waiter>();
  // Tasks that wait for their turn, by queue. A key is present while one of its tasks is under way.
  readonly #queues = new Map<string, RunningTask[]>();
  // Completions are reused by the port, and tasks submit more while they run: so they are copied.
  readonly #inbox: Completion[] = [];
  #inboxLength = 0;
  #taskCount = 0;
  #poisoned: PawlError | undefined;
  readonly #onCompletion: CompletionHandler = (completion) => this.#take(completion);

  constructor(storage: Storage) {
    this.storage = storage;
  }

  /** Operations and tasks that have not ended. */
  get pendingCount(): number {
    return this.#taskCount + this.#waiters.size;
  }

  /** Set once a sync or another operation failed for good: nothing is tried again after that. */
  get poisoned(): PawlError | undefined {
    return this.#poisoned;
  }

  /**
   * Starts a task.
   *
   * @param onDone called with its value in a later poll, or at once when it needs no operation.
   * @param onError called with the PawlError that ended it.
   * @param queueKey tasks of one key run one after another, in the order of `run`, each when the
   *   outcome of the one before was told; '' for none.
   */
  run<T>(
    task: StorageTask<T>,
    onDone: (value: T) => void,
    onError: (error: PawlError) => void,
    queueKey = '',
  ): void {
    // The outcome is told before the next of the queue starts: what makes a file count must know
    // that a write of it has failed.
    const end = (tell: () => void): void => {
      this.#taskCount--;
      tell();
      this.#startNext(queueKey);
    };
    const step = (completion: Completion | undefined): void => {
      let outcome: IteratorResult<Ticket, T>;
      try {
        outcome = completion === undefined ? task.next(...EMPTY_ARGUMENTS) : task.next(completion);
      } catch (error) {
        if (!(error instanceof PawlError)) {
          throw error;
        }
        if (error.category === 'fatal') {
          this.poison(error);
        }
        end(() => onError(error));
        return;
      }
      if (outcome.done) {
        const { value } = outcome;
        end(() => onDone(value));
      } else {
        this.#wait(outcome.value, step);
      }
    };
    const start = (): void => {
      const poisoned = this.#poisoned;
      if (poisoned === undefined) {
        step(undefined);
      } else {
        end(() => onError(poisoned));
      }
    };
    this.#taskCount++;
    this.#enqueue(queueKey, { start });
  }

  /** Fails every later task with an error: what the storage holds is not known any more. */
  poison(error: PawlError): void {
    this.#poisoned ??= error;
  }

  /** Names who gets the completion of an operation that was submitted outside of a task. */
  expect(ticket: Ticket, handler: CompletionHandler): void {
    this.#wait(ticket, handler);
  }

  /**
   * Collects completions and runs what waited for them. Call it in every duty cycle.
   *
   * @returns how many completions there were.
   */
  poll(): number {
    let total = 0;
    for (let round = 0; round < POLL_ROUNDS_MAX; round++) {
      this.storage.poll(this.#onCompletion, POLL_LIMIT);
      const count = this.#inboxLength;
      if (count === 0) {
        break;
      }
      this.#inboxLength = 0;
      total += count;
      for (let index = 0; index < count; index++) {
        this.#deliver(this.#inbox[index] as Completion);
      }
    }
    return total;
  }

  #take(completion: Completion): void {
    const slot = this.#inbox[this.#inboxLength];
    if (slot === undefined) {
      this.#inbox.push({ ...completion });
    } else {
      slot.ticket = completion.ticket;
      slot.result = completion.result;
      slot.value = completion.value;
      slot.names = completion.names;
    }
    this.#inboxLength++;
  }

  #deliver(completion: Completion): void {
    // Nobody waits for the closes with which a host ends a storage.
    const waiter = this.#waiters.get(completion.ticket);
    if (waiter !== undefined) {
      this.#waiters.delete(completion.ticket);
      waiter(completion);
    }
  }

  #wait(ticket: Ticket, waiter: Waiter): void {
    assert(!this.#waiters.has(ticket), 'a ticket has one waiter');
    this.#waiters.set(ticket, waiter);
  }

  #enqueue(queueKey: string, task: RunningTask): void {
    if (queueKey === '') {
      task.start();
      return;
    }
    const waiting = this.#queues.get(queueKey);
    if (waiting === undefined) {
      this.#queues.set(queueKey, []);
      task.start();
    } else {
      waiting.push(task);
    }
  }

  #startNext(queueKey: string): void {
    const waiting = this.#queues.get(queueKey);
    if (waiting === undefined) {
      return;
    }
    const next = waiting.shift();
    if (next === undefined) {
      this.#queues.delete(queueKey);
    } else {
      next.start();
    }
  }
}

/** A generator's first `next` takes no value; the type of Completion would demand one. */
const EMPTY_ARGUMENTS = [] as unknown as [Completion];

/**
 * Runs a task over a storage that completes operations when they are submitted: the command line's
 * files, and tests.
 *
 * @throws PawlError that ended the task, or STORAGE_FAILED when the storage makes no progress.
 */
export function completeTask<T>(tasks: StorageTasks, task: StorageTask<T>): T {
  const outcome: { value?: T; error?: PawlError; done: boolean } = { done: false };
  tasks.run(
    task,
    (value) => {
      outcome.value = value;
      outcome.done = true;
    },
    (error) => {
      outcome.error = error;
      outcome.done = true;
    },
  );
  while (!outcome.done && tasks.poll() > 0) {
    // Each poll runs every step whose operation has completed.
  }
  if (outcome.error !== undefined) {
    throw outcome.error;
  }
  if (!outcome.done) {
    throw new PawlError(ErrorCode.StorageFailed, 'the storage did not complete at submit', 'fatal');
  }
  return outcome.value as T;
}

/**
 * Throws what a failed operation means to an operator.
 *
 * @param action verb and object, such as `sync node-state.dat`.
 */
export function checkCompletion(completion: Completion, action: string): void {
  if (completion.result !== StorageResult.Ok) {
    throw storageError(completion.result, action);
  }
}

/** The PawlError of a StorageResult that is not Ok. */
export function storageError(result: number, action: string): PawlError {
  switch (result) {
    case StorageResult.NoSpace:
      return new PawlError(
        ErrorCode.StorageFull,
        `could not ${action}: the disk is full or a quota is reached; free space and start again`,
        'environment',
      );
    case StorageResult.Denied:
      return new PawlError(
        ErrorCode.StorageFailed,
        `could not ${action}: the system denied it; check owner, permissions, read-only mounts ` +
          'and the limit on open files',
        'environment',
      );
    case StorageResult.Locked:
      return new PawlError(
        ErrorCode.DirectoryInUse,
        `could not ${action}: another process runs on this data directory; stop it, or use ` +
          'another directory',
        'environment',
      );
    case StorageResult.NotFound:
      return new PawlError(
        ErrorCode.StorageFailed,
        `could not ${action}: there is no such file; restore the data directory`,
        'environment',
      );
    case StorageResult.AlreadyExists:
      return new PawlError(
        ErrorCode.StorageFailed,
        `could not ${action}: it exists already; look at what wrote it before removing it`,
        'environment',
      );
    default:
      return new PawlError(
        ErrorCode.StorageFailed,
        `could not ${action}: the device failed (result ${result}); what it holds is not known ` +
          'any more, so it is never tried again: check the device, then start the member anew',
        'fatal',
      );
  }
}

/** Opens a file. */
export function* openFile(storage: Storage, path: string, mode: OpenMode): StorageTask<FileHandle> {
  const completion = yield storage.open(path, mode);
  checkCompletion(completion, `open ${path}`);
  return completion.value;
}

/** Opens a file, or answers undefined when it is missing. */
export function* openIfExists(
  storage: Storage,
  path: string,
  mode: OpenMode,
): StorageTask<FileHandle | undefined> {
  const completion = yield storage.open(path, mode);
  if (completion.result === StorageResult.NotFound) {
    return undefined;
  }
  checkCompletion(completion, `open ${path}`);
  return completion.value;
}

/** Closes a file. */
export function* closeFile(storage: Storage, file: FileHandle): StorageTask<void> {
  checkCompletion(yield storage.close(file), 'close a file');
}

/** Does work on a file that is open, and closes it when that fails: who goes on opens it anew. */
export function* closeOnError<T>(
  storage: Storage,
  file: FileHandle,
  work: StorageTask<T>,
): StorageTask<T> {
  try {
    return yield* work;
  } catch (error) {
    // What the work failed with is what counts, whether the close succeeds or not.
    yield storage.close(file);
    throw error;
  }
}

/** Writes a range. */
export function* writeFile(
  storage: Storage,
  file: FileHandle,
  path: string,
  position: number,
  bytes: Uint8Array,
): StorageTask<void> {
  checkCompletion(
    yield storage.write(file, position, bytes, 0, bytes.length),
    `write ${bytes.length} bytes at ${position} of ${path}`,
  );
}

/**
 * Syncs a file. A failure is fatal whatever its kind: pages may have been dropped, and a second
 * sync would report success without them.
 */
export function* syncFile(storage: Storage, file: FileHandle, path: string): StorageTask<void> {
  checkSync(yield storage.sync(file), `sync ${path}`);
}

/** Syncs the names of the data directory. A failure is fatal, as for files. */
export function* syncNames(storage: Storage): StorageTask<void> {
  checkSync(yield storage.syncDirectory(''), 'sync the data directory');
}

/** Throws for a failed sync: always fatal. */
export function checkSync(completion: Completion, action: string): void {
  if (completion.result !== StorageResult.Ok) {
    throw storageError(StorageResult.InputOutput, action);
  }
}

/** Reads at most `lengthMax` bytes from the start of a file; undefined when it is missing. */
export function* readWholeFile(
  storage: Storage,
  path: string,
  openMode: OpenMode,
  lengthMax: number,
): StorageTask<Uint8Array | undefined> {
  const file = yield* openIfExists(storage, path, openMode);
  if (file === undefined) {
    return undefined;
  }
  const size = yield storage.length(file);
  checkCompletion(size, `read the length of ${path}`);
  const length = Math.min(size.value, lengthMax);
  const bytes = new Uint8Array(length);
  if (length > 0) {
    const read = yield storage.read(file, 0, bytes, 0, length);
    checkCompletion(read, `read ${path}`);
  }
  yield* closeFile(storage, file);
  return bytes;
}
