// file-lock.ts: an exclusive lock on a file that ends with the process, however it ends.
//
// Node has no call for such a lock. A file with a process id in it is not one: ids are reused, mean
// nothing in another container, and two starters may both find the file stale. So the kernel is
// made to hold the lock:
// - macOS, the BSDs and Windows have an exclusive mode of `open`, passed through as a number.
// - Linux: the program `flock` (util-linux, busybox) locks the open file that it inherits from us.
//   The lock belongs to that open file, not to the program, and stays when the program has ended,
//   until our process ends. It also holds between containers that share the directory.
// - Linux, always and besides: a socket in the abstract namespace, named after the file's device
//   and inode, which the kernel removes with the process. It alone protects where `flock` is not
//   installed or the file system refuses it; then only within one network namespace.
// The process id is written into the file for the reader of an error message and is never trusted.

import { spawnSync } from 'node:child_process';
import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  openSync,
  readFileSync,
  writeSync,
} from 'node:fs';
import { createServer, type Server } from 'node:net';
import { errnoOf } from './network-errors.js';

/** O_EXLOCK of macOS and the BSDs, UV_FS_O_EXLOCK of libuv on Windows; Node does not name them. */
const EXCLUSIVE_FLAGS: Readonly<Record<string, number>> = {
  darwin: 0x20,
  freebsd: 0x20,
  openbsd: 0x20,
  win32: 0x10000000,
};
/** What those systems answer when another process has the file. */
const EXCLUSIVE_ERRNOS = ['EAGAIN', 'EWOULDBLOCK', 'EBUSY'];
/** Exit code of `flock -n` when another process has the lock. */
const FLOCK_CONFLICT = 1;
const FLOCK_TIMEOUT_MS = 5000;
const FILE_MODE = 0o600;

/** Another process holds the lock. */
export class LockedError extends Error {
  constructor(path: string, holder: string) {
    super(`${path} is locked by ${holder === '' ? 'another process' : `process ${holder}`}`);
    this.name = 'LockedError';
  }
}

/** How a lock is taken; tests turn off one of the two ways of Linux. */
export interface FileLockOptions {
  readonly useFlock?: boolean;
  readonly useSocket?: boolean;
}

/** A lock that is held until `release`, or until the process ends. */
export class FileLock {
  readonly #file: number;
  readonly #server: Server | undefined;

  private constructor(file: number, server: Server | undefined) {
    this.#file = file;
    this.#server = server;
  }

  /**
   * Takes the lock, or says at once that another has it.
   *
   * @param path the file, which is created when it is missing and is never removed.
   * @param done called in a later turn of the event loop with the lock, or with a LockedError, or
   * with an error of the system.
   */
  static acquire(
    path: string,
    options: FileLockOptions,
    done: (outcome: FileLock | Error) => void,
  ): void {
    let file: number;
    try {
      file = openLockFile(path);
    } catch (error) {
      const failure = asError(error);
      setImmediate(() => done(failure));
      return;
    }
    const isLinux = process.platform === 'linux';
    if (isLinux && options.useFlock !== false && isLockedByOther(file)) {
      closeSync(file);
      const failure = new LockedError(path, readHolder(path));
      setImmediate(() => done(failure));
    } else if (isLinux && options.useSocket !== false) {
      listen(path, file, (server) => done(hold(file, server)));
    } else {
      setImmediate(() => done(hold(file, undefined)));
    }

    function hold(held: number, server: Server | Error | undefined): FileLock | Error {
      const failure = server instanceof Error ? server : writeHolder(held);
      if (failure === undefined && !(server instanceof Error)) {
        return new FileLock(held, server);
      }
      closeSync(held);
      return failure as Error;
    }
  }

  release(): void {
    this.#server?.close();
    closeSync(this.#file);
  }
}

/** @throws LockedError where `open` itself takes the lock, or an error of the system. */
function openLockFile(path: string): number {
  const exclusive = EXCLUSIVE_FLAGS[process.platform] ?? 0;
  const flags =
    constants.O_RDWR |
    constants.O_CREAT |
    (constants.O_NOFOLLOW ?? 0) |
    (constants.O_NONBLOCK ?? 0) |
    exclusive;
  try {
    return openSync(path, flags, FILE_MODE);
  } catch (error) {
    if (exclusive !== 0 && EXCLUSIVE_ERRNOS.includes(errnoOf(error))) {
      throw new LockedError(path, readHolder(path));
    }
    throw error;
  }
}

/** Locks our open file by the program `flock`; false also when there is no such program. */
function isLockedByOther(file: number): boolean {
  const result = spawnSync('flock', ['-n', '-x', '3'], {
    stdio: ['ignore', 'ignore', 'ignore', file],
    timeout: FLOCK_TIMEOUT_MS,
  });
  return result.status === FLOCK_CONFLICT;
}

function listen(path: string, file: number, done: (outcome: Server | Error) => void): void {
  const { dev, ino } = fstatSync(file, { bigint: true });
  const server = createServer((connection) => connection.destroy());
  server.unref();
  server.once('error', (error) => {
    const isLocked = errnoOf(error) === 'EADDRINUSE';
    done(isLocked ? new LockedError(path, readHolder(path)) : error);
  });
  server.once('listening', () => done(server));
  server.listen({ path: `\0pawl-lock-${dev}-${ino}`, exclusive: true });
}

/** Writes our process id; returns the error when that fails, because then nothing else would go. */
function writeHolder(file: number): Error | undefined {
  try {
    ftruncateSync(file, 0);
    writeSync(file, `${process.pid}\n`, 0);
    return undefined;
  } catch (error) {
    return asError(error);
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** The process id that the holder wrote; '' when it cannot be read. */
function readHolder(path: string): string {
  try {
    return /^\d+/.exec(readFileSync(path, 'utf8'))?.[0] ?? '';
  } catch (error) {
    // The text is a courtesy; the answer "locked" stands without it.
    return errnoOf(error) === '' ? String(error) : '';
  }
}
