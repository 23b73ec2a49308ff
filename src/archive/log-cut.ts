// log-cut.ts: ends the log at a position, physically.
//
// What is behind the end of the log must be zero before a new frame is written there: valid frames
// of an older term that were left behind would rise again at the next recovery (B15). Segments go
// from the last to the first, so that a crash leaves a log that is longer, never one with a hole.

import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import { type FileHandle, OpenMode, type Storage } from '../ports/storage.js';
import { POSITION_NULL, type Position } from '../position.js';
import {
  isPreparedFileName,
  type LogGeometry,
  segmentBaseOf,
  segmentBases,
  segmentFileName,
} from './log-geometry.js';
import { readChunk, WALK_CHUNK_LENGTH } from './log-walk.js';
import {
  checkCompletion,
  checkSync,
  closeFile,
  openFile,
  openIfExists,
  type StorageTask,
  syncFile,
  syncNames,
} from './storage-task.js';

/** Lists the bases of the log's segments, ascending. */
export function* listSegments(storage: Storage): StorageTask<Position[]> {
  const listed = yield storage.list('');
  checkCompletion(listed, 'list the data directory');
  return segmentBases(listed.names);
}

/**
 * Removes the segments that begin at or behind a position, from the last to the first, and before
 * them what was made ahead of need.
 */
export function* removeSegmentsBehind(storage: Storage, position: Position): StorageTask<void> {
  const listed = yield storage.list('');
  checkCompletion(listed, 'list the data directory');
  const { names } = listed;
  const bases = segmentBases(names).filter((base) => base >= position);
  const paths = [...names.filter(isPreparedFileName), ...bases.reverse().map(segmentFileName)];
  for (const path of paths) {
    hit(Mark.TruncationRemovesSegment);
    checkCompletion(yield storage.remove(path), `remove ${path}`);
    yield* syncNames(storage);
  }
}

/**
 * Sets the rest of the segment that holds a position to zero, and syncs it. Nothing to do when
 * the log ends where a segment begins that is not there.
 */
export function* zeroSegmentBehind(
  storage: Storage,
  position: Position,
  geometry: LogGeometry,
): StorageTask<void> {
  const base = segmentBaseOf(position, geometry.segmentLength);
  const path = segmentFileName(base);
  const file =
    position === base
      ? yield* openIfExists(storage, path, OpenMode.Write)
      : yield* openFile(storage, path, OpenMode.Write);
  if (file === undefined) {
    return;
  }
  checkCompletion(yield storage.setLength(file, position - base), `shorten ${path}`);
  yield* syncFile(storage, file, path);
  checkCompletion(yield storage.setLength(file, geometry.segmentLength), `lengthen ${path}`);
  yield* syncFile(storage, file, path);
  yield* closeFile(storage, file);
}

/** Makes a segment that is missing, full of zeros, and syncs it with its name. */
export function* makeZeroSegment(
  storage: Storage,
  base: Position,
  geometry: LogGeometry,
): StorageTask<void> {
  const path = segmentFileName(base);
  const file = yield* openFile(storage, path, OpenMode.WriteOrCreate);
  checkCompletion(yield storage.setLength(file, geometry.segmentLength), `lengthen ${path}`);
  yield* syncFile(storage, file, path);
  yield* closeFile(storage, file);
  yield* syncNames(storage);
}

/** Syncs the segments that hold a range of the log, off the calling thread where the host can. */
export function* syncLogRange(
  storage: Storage,
  from: Position,
  to: Position,
  geometry: LogGeometry,
): StorageTask<void> {
  const { segmentLength } = geometry;
  for (let base = segmentBaseOf(from, segmentLength); base < to; base += segmentLength) {
    const path = segmentFileName(base);
    const file = yield* openFile(storage, path, OpenMode.Write);
    checkSync(yield storage.syncBackground(file), `sync ${path}`);
    yield* closeFile(storage, file);
  }
}

/** What lies behind the end of the valid frames. */
export interface TailReading {
  /** End of the last byte that is not zero; POSITION_NULL when all are. */
  readonly to: Position;
  /** The segment that holds the position has not its length. */
  readonly isShort: boolean;
}

/** Looks for bytes that are not zero from a position to the end of a list of segments. */
export function* readTail(
  storage: Storage,
  arena: Arena,
  chunk: number,
  position: Position,
  geometry: LogGeometry,
  bases: readonly Position[],
): StorageTask<TailReading> {
  const { segmentLength } = geometry;
  const firstBase = segmentBaseOf(position, segmentLength);
  let to = POSITION_NULL;
  let isShort = false;
  for (const base of bases) {
    if (base >= firstBase) {
      const path = segmentFileName(base);
      const file = yield* openFile(storage, path, OpenMode.Read);
      const size = yield storage.length(file);
      checkCompletion(size, `read the length of ${path}`);
      isShort ||= base === firstBase && size.value !== segmentLength;
      const from = Math.max(position, base);
      const end = base + Math.max(size.value, 0);
      const found = yield* lastByteSet(storage, file, base, from, end, arena, chunk);
      to = Math.max(to, found);
      yield* closeFile(storage, file);
    }
  }
  return { to, isShort };
}

function* lastByteSet(
  storage: Storage,
  file: FileHandle,
  base: Position,
  from: Position,
  end: Position,
  arena: Arena,
  chunk: number,
): StorageTask<Position> {
  let found = POSITION_NULL;
  for (let position = from; position < end; position += WALK_CHUNK_LENGTH) {
    const length = Math.min(WALK_CHUNK_LENGTH, end - position);
    yield* readChunk(storage, file, segmentFileName(base), position - base, arena, chunk, length);
    const last = lastIndexSet(arena, chunk, length);
    found = last < 0 ? found : position + last + 1;
  }
  return found;
}

/** Index of the last byte that is not zero, -1 when all are. */
function lastIndexSet(arena: Arena, address: number, length: number): number {
  const { i32, u8 } = arena;
  let end = address + length;
  while (end > address && (end & 3) !== 0) {
    if (u8[end - 1] !== 0) {
      return end - 1 - address;
    }
    end--;
  }
  let word = end >> 2;
  const firstWord = address >> 2;
  while (word > firstWord && i32[word - 1] === 0) {
    word--;
  }
  end = word << 2;
  while (end > address && u8[end - 1] === 0) {
    end--;
  }
  return end - 1 - address;
}
