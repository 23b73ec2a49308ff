// damage-note.ts: a name in the data directory that says that the log may not be whole.
//
// It is there, durably, from before a repair writes anything until a start has found the log whole.
// A segment that was lost is made anew, with zeros, before it is repaired: its name would make it
// look sound. And a repair whose sync failed is in the page cache and nowhere else: whoever reads
// it back sees whole frames that a power cut takes away. So a start that finds the note verifies
// all of the log and writes all of it again.

import type { Arena } from '../memory/arena.js';
import { OpenMode, type Storage } from '../ports/storage.js';
import type { Position } from '../position.js';
import { type LogGeometry, segmentFileName } from './log-geometry.js';
import { WALK_CHUNK_LENGTH } from './log-walk.js';
import {
  checkCompletion,
  closeFile,
  openFile,
  openIfExists,
  type StorageTask,
  syncFile,
  syncNames,
} from './storage-task.js';

export const DAMAGE_NOTE_PATH = 'log-damaged';

export function* isDamageNoted(storage: Storage): StorageTask<boolean> {
  const file = yield* openIfExists(storage, DAMAGE_NOTE_PATH, OpenMode.Read);
  if (file !== undefined) {
    yield* closeFile(storage, file);
  }
  return file !== undefined;
}

/** Makes the note, durably. Idempotent. */
export function* noteDamage(storage: Storage): StorageTask<void> {
  const file = yield* openFile(storage, DAMAGE_NOTE_PATH, OpenMode.WriteOrCreate);
  yield* syncFile(storage, file, DAMAGE_NOTE_PATH);
  yield* closeFile(storage, file);
  yield* syncNames(storage);
}

/** The log is whole. */
export function* removeDamageNote(storage: Storage): StorageTask<void> {
  checkCompletion(yield storage.remove(DAMAGE_NOTE_PATH), `remove ${DAMAGE_NOTE_PATH}`);
  yield* syncNames(storage);
}

/**
 * Writes segments again as they are read, and syncs them. What cannot be read stays as it is: it is
 * found damaged in any case.
 *
 * @param chunk address of WALK_CHUNK_LENGTH bytes.
 */
export function* rewriteSegments(
  storage: Storage,
  bases: readonly Position[],
  geometry: LogGeometry,
  arena: Arena,
  chunk: number,
): StorageTask<void> {
  for (const base of bases) {
    const path = segmentFileName(base);
    const file = yield* openFile(storage, path, OpenMode.Write);
    for (let offset = 0; offset < geometry.segmentLength; offset += WALK_CHUNK_LENGTH) {
      const length = Math.min(WALK_CHUNK_LENGTH, geometry.segmentLength - offset);
      const read = yield storage.read(file, offset, arena.u8, chunk, length);
      if (read.value > 0) {
        const what = `write ${read.value} bytes at ${offset} of ${path} again`;
        checkCompletion(yield storage.write(file, offset, arena.u8, chunk, read.value), what);
      }
    }
    yield* syncFile(storage, file, path);
    yield* closeFile(storage, file);
  }
}
