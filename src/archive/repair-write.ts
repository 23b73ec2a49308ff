// repair-write.ts: puts frames of another member in the place of damaged ones.
//
// What makes them the very frames that were lost: a position of a leadership term was written once,
// by one leader. So a frame that names this position, carries the term that the own recording log
// has for it, and agrees with its checksum is the frame that was there, whoever it comes from.

import { assert } from '../assert.js';
import type { Arena } from '../memory/arena.js';
import { OpenMode, type Storage } from '../ports/storage.js';
import type { Position } from '../position.js';
import { isDamageNoted, noteDamage } from './damage-note.js';
import { type LogGeometry, segmentBaseOf, segmentFileName } from './log-geometry.js';
import { CHUNK_SCRATCH_LENGTH, verifyFrames } from './log-walk.js';
import type { TermEntry } from './recording-log.js';
import {
  checkCompletion,
  checkSync,
  closeFile,
  openFile,
  type StorageTask,
} from './storage-task.js';

/** Bytes of frames that are asked for, sent and written at a time. */
export const REPAIR_BLOCK_LENGTH_MAX = 64 * 1024;
/** A block in memory, and what its verification uses. */
export const REPAIR_SLAB_LENGTH = REPAIR_BLOCK_LENGTH_MAX + CHUNK_SCRATCH_LENGTH;

/**
 * Position bytes of a block of frames for a position (padding whole); 0 unless all of its bytes are
 * frames of the own log there.
 *
 * @param address of the block, in a slab of REPAIR_SLAB_LENGTH bytes.
 */
export function verifyRepair(
  arena: Arena,
  geometry: LogGeometry,
  entries: readonly TermEntry[],
  address: number,
  length: number,
  position: Position,
): number {
  const segmentEnd = segmentBaseOf(position, geometry.segmentLength) + geometry.segmentLength;
  const scratch = address + REPAIR_BLOCK_LENGTH_MAX;
  const valid = verifyFrames(arena, geometry, entries, address, length, position, scratch);
  return valid >= length && position + valid <= segmentEnd ? valid : 0;
}

/**
 * Writes verified frames and syncs them, with a note before that the log may not be whole. Run it
 * in TRUNCATE_QUEUE.
 */
export function* writeRepair(
  storage: Storage,
  geometry: LogGeometry,
  arena: Arena,
  address: number,
  length: number,
  position: Position,
): StorageTask<void> {
  const base = segmentBaseOf(position, geometry.segmentLength);
  const path = segmentFileName(base);
  assert(position - base + length <= geometry.segmentLength, 'a repair stays in its segment');
  if (!(yield* isDamageNoted(storage))) {
    yield* noteDamage(storage);
  }
  const file = yield* openFile(storage, path, OpenMode.Write);
  checkCompletion(
    yield storage.write(file, position - base, arena.u8, address, length),
    `write ${length} bytes at ${position - base} of ${path} again`,
  );
  checkSync(yield storage.syncBackground(file), `sync ${path}`);
  yield* closeFile(storage, file);
}
