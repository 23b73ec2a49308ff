// data-directory.ts: the directory of a member, checked before anything relies on it.

import { accessSync, constants, existsSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { ErrorCode, PawlError } from '../errors.js';
import { errnoOf } from './network-errors.js';

const DIRECTORY_MODE = 0o700;

const REMEDIES: Readonly<Record<string, string>> = {
  ENOENT: 'create it with `pawl bootstrap`, or name the right directory',
  EACCES: 'give the user of this process the right to read, write and enter it',
  EPERM: 'give the user of this process the right to read, write and enter it',
  EROFS: 'mount its file system for writing',
  ENOTDIR: 'name a directory, not a file or a path through one',
  EEXIST: 'name a directory, not a file',
  ELOOP: 'name a path without a circle of symbolic links',
  ENOSPC: 'free space on its file system',
  ENAMETOOLONG: 'choose a shorter path',
};

function directoryError(path: string, cause: unknown): PawlError {
  const errno = errnoOf(cause);
  const remedy = REMEDIES[errno] ?? 'see the system log for its device';
  const code =
    errno === 'ENOENT'
      ? ErrorCode.DirectoryNotBorn
      : errno === 'ENOSPC'
        ? ErrorCode.StorageFull
        : ErrorCode.StorageFailed;
  const text = errno === '' ? String(cause) : errno;
  return new PawlError(
    code,
    `data directory ${path} cannot be used (${text}): ${remedy}`,
    'environment',
    { cause },
  );
}

/**
 * Makes a directory and those above it. Node's own recursive mkdir never returns on a file system
 * that refuses new names with ENOENT, as /proc does.
 */
function makeDirectories(path: string): void {
  if (existsSync(path) && statSync(path).isDirectory()) {
    return;
  }
  const parent = dirname(path);
  if (parent !== path && !existsSync(parent)) {
    makeDirectories(parent);
  }
  mkdirSync(path, { mode: DIRECTORY_MODE });
}

/**
 * Finds a data directory and checks that this process may read, write and enter it.
 *
 * @param path absolute, or relative to the working directory.
 * @param create makes the directory, and those above it, when it is missing.
 * @returns its real path, so that links which change later do not move a running member.
 * @throws PawlError DIRECTORY_NOT_BORN, STORAGE_FAILED or STORAGE_FULL with the remedy.
 */
export function openDataDirectory(path: string, create: boolean): string {
  try {
    if (create) {
      makeDirectories(resolve(path));
    }
    const real = realpathSync(path);
    if (!statSync(real).isDirectory()) {
      throw Object.assign(new Error(`${real} is not a directory`), { code: 'ENOTDIR' });
    }
    accessSync(real, constants.R_OK | constants.W_OK | constants.X_OK);
    return real;
  } catch (error) {
    throw directoryError(path, error);
  }
}
