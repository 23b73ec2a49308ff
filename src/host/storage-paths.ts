// storage-paths.ts: which paths the storage port takes.

import { assert } from '../assert.js';

/** A relative path of plain names: what can be written the same way on every file system. */
const PATH_PATTERN = /^[\w.-]+(?:\/[\w.-]+)*$/;
const NAME_PATTERN = /^[\w.-]+$/;
const PATH_LENGTH_MAX = 1024;

export function isPlainName(name: string): boolean {
  return NAME_PATTERN.test(name);
}

/** The path, which leads nowhere but below the data directory: asserted. */
export function checkedPath(path: string): string {
  const isPlain = PATH_PATTERN.test(path) && path.length <= PATH_LENGTH_MAX;
  const isBelow = path.split('/').every((name) => name !== '.' && name !== '..');
  assert(isPlain && isBelow, `paths are relative and made of plain names: '${path}'`);
  return path;
}
