// log-walk.ts: walks recorded frames and tells where the valid ones end.
//
// A frame is valid at a position when its geometry, term id and offset, crc and leadership term are
// what the position and the recording log demand. Whether an invalid one is a torn tail or
// corruption is for the caller to say, who knows the mark.

import { assert } from '../assert.js';
import type { Arena } from '../memory/arena.js';
import { BLOCK_ADVANCE_OFFSET, BLOCK_AREA_LENGTH } from '../memory/core.js';
import { type FileHandle, OpenMode, type Storage } from '../ports/storage.js';
import type { Position } from '../position.js';
import {
  LOG_INITIAL_TERM_ID,
  type LogGeometry,
  segmentBaseOf,
  segmentFileName,
} from './log-geometry.js';
import { type TermEntry, termEntryAt } from './recording-log.js';
import { checkCompletion, closeFile, openIfExists, type StorageTask } from './storage-task.js';

/** Bytes read at a time. Must hold the longest frame, which is a datagram of 64 KiB. */
export const WALK_CHUNK_LENGTH = 1024 * 1024;
/** Chunks must hold the longest frame whole. */
export const CHUNK_LENGTH_MIN = 64 * 1024;
/** Bytes behind a chunk that the verification uses. */
export const CHUNK_SCRATCH_LENGTH = BLOCK_AREA_LENGTH;

const FRAME_HEADER_LENGTH = 32;

/** Where and how a walk ended. */
export interface WalkResult {
  /** End of the valid frames. */
  readonly end: Position;
  /** The segment that would hold `end` is missing. */
  readonly isSegmentMissing: boolean;
}

/** What to walk. */
export interface WalkOptions {
  readonly arena: Arena;
  /** Slab of WALK_CHUNK_LENGTH + CHUNK_SCRATCH_LENGTH bytes. */
  readonly chunk: number;
  readonly geometry: LogGeometry;
  readonly entries: readonly TermEntry[];
  /** Where a frame starts. */
  readonly from: Position;
  /** Valid frames from here on are written again: they may be in the page cache alone. */
  readonly rewriteFrom: Position;
}

/**
 * Length of the prefix of bytes in the arena that are valid frames of the log at a position.
 *
 * @param scratch BLOCK_AREA_LENGTH bytes, 8-byte aligned.
 * @returns position bytes: beyond `length` when padding ends the bytes. A frame that is not whole
 *   in the bytes ends the prefix: read on there, and a result of 0 is then an invalid frame.
 */
export function verifyFrames(
  arena: Arena,
  geometry: LogGeometry,
  entries: readonly TermEntry[],
  address: number,
  length: number,
  position: Position,
  scratch: number,
): number {
  let offset = 0;
  while (offset < length) {
    const at = position + offset;
    const entry = termEntryAt(entries, at);
    if (entry === undefined) {
      break;
    }
    const next = entries[entries.indexOf(entry) + 1];
    const termRemaining =
      next === undefined ? Number.MAX_SAFE_INTEGER : next.termBaseLogPosition - at;
    const rangeLength = Math.min(length - offset, termRemaining);
    const valid = arena.core.verifyBytes(
      address + offset,
      rangeLength,
      at,
      geometry.termLength,
      LOG_INITIAL_TERM_ID,
      entry.leadershipTermId | 0,
    );
    if (valid > termRemaining) {
      // Padding of an older term that reaches over the base of the next is not of this log.
      return offset + lengthBeforePadding(arena, address + offset, rangeLength, scratch);
    }
    offset += valid;
    if (valid < rangeLength) {
      break;
    }
  }
  return offset;
}

/** Bytes of valid frames before the padding frame that reaches beyond them. */
function lengthBeforePadding(
  arena: Arena,
  address: number,
  length: number,
  scratch: number,
): number {
  let offset = 0;
  for (;;) {
    const block = arena.core.nextBlockBytes(address + offset, length - offset, length, scratch);
    const advance = arena.i32[(scratch + BLOCK_ADVANCE_OFFSET) >> 2] as number;
    assert(block >= FRAME_HEADER_LENGTH, 'padding that was verified is found again');
    if (offset + advance > length) {
      return offset + block - FRAME_HEADER_LENGTH;
    }
    offset += advance;
  }
}

/**
 * Where the last valid frame ends that ends at a position or before it.
 *
 * @param options `from` is where a frame starts, at or before the position.
 */
export function* lastFrameEnd(
  storage: Storage,
  options: Omit<WalkOptions, 'rewriteFrom'>,
  position: Position,
): StorageTask<Position> {
  const { arena, chunk, entries, geometry } = options;
  const scratch = chunk + WALK_CHUNK_LENGTH;
  let end = options.from;
  while (end < position) {
    const base = segmentBaseOf(end, geometry.segmentLength);
    const path = segmentFileName(base);
    const file = yield* openIfExists(storage, path, OpenMode.Read);
    if (file === undefined) {
      return end;
    }
    const rest = Math.min(position, base + geometry.segmentLength) - end;
    const length = Math.min(WALK_CHUNK_LENGTH, rest);
    yield* readChunk(storage, file, path, end - base, arena, chunk, length);
    yield* closeFile(storage, file);
    const valid = verifyFrames(arena, geometry, entries, chunk, length, end, scratch);
    if (valid === 0) {
      return end;
    }
    if (end + valid > position) {
      return end + lengthBeforePadding(arena, chunk, length, scratch);
    }
    end += valid;
  }
  return end;
}

/** Walks the log's segments from a position to the last valid frame. */
export function* walkLog(storage: Storage, options: WalkOptions): StorageTask<WalkResult> {
  const { segmentLength } = options.geometry;
  let position = options.from;
  for (;;) {
    const base = segmentBaseOf(position, segmentLength);
    const mode = options.rewriteFrom < base + segmentLength ? OpenMode.Write : OpenMode.Read;
    const file = yield* openIfExists(storage, segmentFileName(base), mode);
    if (file === undefined) {
      return { end: position, isSegmentMissing: true };
    }
    position = yield* walkSegment(storage, file, base, position, options);
    yield* closeFile(storage, file);
    if (position < base + segmentLength) {
      return { end: position, isSegmentMissing: false };
    }
  }
}

function* walkSegment(
  storage: Storage,
  file: FileHandle,
  base: Position,
  from: Position,
  options: WalkOptions,
): StorageTask<Position> {
  const { arena, chunk, geometry, entries } = options;
  const path = segmentFileName(base);
  const end = base + geometry.segmentLength;
  const scratch = chunk + WALK_CHUNK_LENGTH;
  let position = from;
  while (position < end) {
    const length = Math.min(WALK_CHUNK_LENGTH, end - position);
    yield* readChunk(storage, file, path, position - base, arena, chunk, length);
    const valid = verifyFrames(arena, geometry, entries, chunk, length, position, scratch);
    if (valid === 0) {
      break;
    }
    const rewriteOffset = Math.max(0, options.rewriteFrom - position);
    const rewriteEnd = Math.min(valid, length);
    if (rewriteOffset < rewriteEnd) {
      const offset = position - base + rewriteOffset;
      const address = chunk + rewriteOffset;
      checkCompletion(
        yield storage.write(file, offset, arena.u8, address, rewriteEnd - rewriteOffset),
        `write again what was found in ${path}`,
      );
    }
    position += valid;
  }
  return position;
}

/** Reads a range of a file into the arena; what is behind the end of the file reads as zero. */
export function* readChunk(
  storage: Storage,
  file: FileHandle,
  path: string,
  offset: number,
  arena: Arena,
  address: number,
  length: number,
): StorageTask<void> {
  const completion = yield storage.read(file, offset, arena.u8, address, length);
  checkCompletion(completion, `read ${length} bytes at ${offset} of ${path}`);
  arena.u8.fill(0, address + completion.value, address + length);
}
