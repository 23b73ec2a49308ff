// storage-errors.ts: what an errno of the file system means to the storage port.

import { StorageResult } from '../ports/storage.js';
import { errnoOf } from './network-errors.js';

const RESULT_OF_ERRNO: Readonly<Record<string, StorageResult>> = {
  ENOENT: StorageResult.NotFound,
  EEXIST: StorageResult.AlreadyExists,
  ENOSPC: StorageResult.NoSpace,
  EDQUOT: StorageResult.NoSpace,
  EACCES: StorageResult.Denied,
  EPERM: StorageResult.Denied,
  EROFS: StorageResult.Denied,
  EMFILE: StorageResult.Denied,
  ENFILE: StorageResult.Denied,
  ENOTDIR: StorageResult.Denied,
  EISDIR: StorageResult.Denied,
  ENOTEMPTY: StorageResult.Denied,
  EBUSY: StorageResult.Denied,
  ELOOP: StorageResult.Denied,
  EXDEV: StorageResult.Denied,
  EFBIG: StorageResult.Denied,
  ENAMETOOLONG: StorageResult.Denied,
  ETXTBSY: StorageResult.Denied,
};

/**
 * Result of an operation that failed. What is not known is a failure of the device: it must not be
 * taken for something that an operator can mend while the member goes on.
 *
 * @throws the error itself when it is not the system's: that is a mistake of this program.
 */
export function resultOfError(error: unknown): StorageResult {
  const errno = errnoOf(error);
  if (!/^E[A-Z0-9]+$/.test(errno)) {
    throw error;
  }
  return RESULT_OF_ERRNO[errno] ?? StorageResult.InputOutput;
}
