// directory-error.ts: names the data directory in errors that come from below the storage port,
// where all paths are relative to it.

import { ErrorCode, PawlError } from '../errors.js';

const DIRECTORY_CODES: readonly ErrorCode[] = [
  ErrorCode.DirectoryNotBorn,
  ErrorCode.DirectoryForeign,
  ErrorCode.DirectoryInUse,
  ErrorCode.DirectoryAlreadyBorn,
  ErrorCode.LogCorrupt,
  ErrorCode.RecordCorrupt,
  ErrorCode.StorageFailed,
  ErrorCode.StorageFull,
];

/** The same error with the directory in its message; every other error as it is. */
export function withDirectory(error: unknown, directory: string): unknown {
  if (
    !(error instanceof PawlError) ||
    !DIRECTORY_CODES.includes(error.code) ||
    error.message.includes(directory)
  ) {
    return error;
  }
  return new PawlError(error.code, `${directory}: ${error.message}`, error.category, {
    cause: error,
  });
}
