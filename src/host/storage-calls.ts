// storage-calls.ts: the calls of node:fs that the storage port makes, and how they fail.

import type * as nodeFs from 'node:fs';
import { assert } from '../assert.js';

/** The calls that this port makes; tests make single ones fail. */
export type StorageFileSystem = Pick<
  typeof nodeFs,
  | 'closeSync'
  | 'fdatasync'
  | 'fdatasyncSync'
  | 'fstatSync'
  | 'fsync'
  | 'fsyncSync'
  | 'ftruncateSync'
  | 'mkdirSync'
  | 'openSync'
  | 'readdirSync'
  | 'readSync'
  | 'renameSync'
  | 'statfsSync'
  | 'unlink'
  | 'unlinkSync'
  | 'writeSync'
>;

/** A sync that failed, whatever the errno: no space is no better than a broken device here. */
export class SyncError extends Error {
  readonly code: string;

  constructor(cause: unknown) {
    super(`sync failed: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.name = 'SyncError';
    this.code = (cause as NodeJS.ErrnoException).code ?? '';
  }
}

export function notAFile(path: string): Error {
  const error: NodeJS.ErrnoException = new Error(`${path} is not a regular file`);
  error.code = 'EISDIR';
  return error;
}

export function assertRange(
  position: number,
  buffer: Uint8Array,
  offset: number,
  length: number,
): void {
  assert(Number.isSafeInteger(position) && position >= 0, 'a file position is an integer from 0');
  assert(
    Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0,
    'a range of bytes is made of integers from 0',
  );
  assert(offset + length <= buffer.length, 'a range of bytes lies within its buffer');
}
