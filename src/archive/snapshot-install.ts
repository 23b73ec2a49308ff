// snapshot-install.ts: makes a snapshot that came from another member this member's beginning.
//
// The recording is written as it comes and verified as a whole. Then one record names it as the
// only snapshot and its position as the start of the log: from there on the former log counts for
// nothing. What is left of it is removed by the next start, which finds that the mark, and so the
// log, ends before the log begins. Where the mark cannot be read, the terms tell: only a log that
// does not know the term of the snapshot is the former one. A crash at any point leaves the old
// member or the new one.

import { assert } from '../assert.js';
import type { Arena } from '../memory/arena.js';
import { SCAN_ENTRY_LENGTH, SCAN_HEADER_LENGTH, scanAreaLength } from '../memory/core.js';
import { type FileHandle, OpenMode, type Storage } from '../ports/storage.js';
import { type Position, TERM_NULL } from '../position.js';
import { SnapshotTermDecoder } from '../protocol/codecs/snapshot-term.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import { messageTemplateId } from '../protocol/message-header.js';
import {
  DurableMarkFile,
  type DurableMarkReading,
  INITIAL_MARK,
  readDurableMark,
} from './durable-mark.js';
import { listSegments, makeZeroSegment } from './log-cut.js';
import { type LogGeometry, segmentBaseOf, segmentFileName } from './log-geometry.js';
import { corrupt } from './record-recovery.js';
import { RecordingLog, readRecordingLog, type TermEntry } from './recording-log.js';
import type { SnapshotIndex } from './snapshot-manifest.js';
import { readSnapshotChunk } from './snapshot-reader.js';
import {
  recordingFileName,
  SNAPSHOT_CHUNK_LENGTH,
  type SnapshotEntry,
} from './snapshot-recording.js';
import {
  checkCompletion,
  closeFile,
  closeOnError,
  openFile,
  type StorageTask,
  syncFile,
  syncNames,
  writeFile,
} from './storage-task.js';

const FRAME_HEADER_LENGTH = 32;
const FRAMES_PER_CHUNK_MAX = SNAPSHOT_CHUNK_LENGTH / FRAME_HEADER_LENGTH;

/** Writes bytes of a recording at a position that continues it. They are synced at segment ends. */
export function* writeRecordingBytes(
  storage: Storage,
  geometry: LogGeometry,
  entry: SnapshotEntry,
  position: Position,
  bytes: Uint8Array,
): StorageTask<void> {
  const base = segmentBaseOf(position, geometry.segmentLength);
  const path = recordingFileName(entry.recordingId, base);
  const file = yield* openFile(storage, path, OpenMode.WriteOrCreate);
  const end = position + bytes.length;
  const isSyncDue = end === entry.length || end % geometry.segmentLength === 0;
  yield* closeOnError(
    storage,
    file,
    writePiece(storage, file, path, position - base, bytes, isSyncDue),
  );
  yield* closeFile(storage, file);
  if (end === entry.length) {
    yield* syncNames(storage);
  }
}

/** Writes bytes of one file of a recording; what a file held before it begins is dropped. */
function* writePiece(
  storage: Storage,
  file: FileHandle,
  path: string,
  offset: number,
  bytes: Uint8Array,
  isSyncDue: boolean,
): StorageTask<void> {
  if (offset === 0) {
    checkCompletion(yield storage.setLength(file, 0), `shorten ${path}`);
  }
  yield* writeFile(storage, file, path, offset, bytes);
  if (isSyncDue) {
    yield* syncFile(storage, file, path);
  }
}

/** Whether a record names an installed snapshot whose log the member does not have yet. */
export function isInstallPending(index: SnapshotIndex, durablePosition: Position): boolean {
  const { logStartPosition, snapshots } = index;
  // A later one was taken of a log that went on from here.
  const isInstalled = snapshots.at(-1)?.logPosition === logStartPosition;
  return logStartPosition > 0 && isInstalled && durablePosition < logStartPosition;
}

/**
 * Whether the log on the disk is the one before the install of a snapshot, and is to go.
 *
 * @throws PawlError RECORD_CORRUPT when neither mark nor terms can tell.
 */
export function* isInstallUnfinished(
  storage: Storage,
  index: SnapshotIndex,
  entry: SnapshotEntry,
  reading: DurableMarkReading,
): StorageTask<boolean> {
  const isFound = reading.kind === 'found';
  if (!isInstallPending(index, isFound ? reading.mark.durablePosition : 0)) {
    return false;
  }
  if (isFound && !reading.isDamaged) {
    return true;
  }
  const terms = yield* readRecordingLog(storage);
  if (terms.kind !== 'found' || terms.entries.some((term) => isTermOf(entry, term))) {
    return false;
  }
  if (terms.isTorn) {
    throw corrupt('durable-mark.dat is damaged and recording.log ends in an entry that is torn');
  }
  return true;
}

function isTermOf(entry: SnapshotEntry, term: TermEntry): boolean {
  return (
    term.leadershipTermId === entry.leadershipTermId &&
    term.termBaseLogPosition === entry.termBaseLogPosition
  );
}

/**
 * Begins the log at the position of an installed snapshot: removes what was before, and writes the
 * terms, the first segment and the mark. It can be done again after a crash.
 */
export function* beginLogAt(
  storage: Storage,
  arena: Arena,
  geometry: LogGeometry,
  entry: SnapshotEntry,
): StorageTask<void> {
  for (const base of (yield* listSegments(storage)).reverse()) {
    const path = segmentFileName(base);
    checkCompletion(yield storage.remove(path), `remove ${path}`);
  }
  yield* syncNames(storage);
  // The mark names a term of the former log: it must not be compared with the new terms.
  yield* writeMark(storage, INITIAL_MARK);
  const terms = yield* readTerms(storage, arena, geometry, entry);
  const recordingLog = yield* RecordingLog.open(storage, terms);
  yield* recordingLog.close();
  const base = segmentBaseOf(entry.logPosition, geometry.segmentLength);
  if (base < entry.logPosition) {
    yield* makeZeroSegment(storage, base, geometry);
  }
  yield* writeMark(storage, {
    durablePosition: entry.logPosition,
    commitPosition: entry.logPosition,
    leadershipTermId: terms.at(-1)?.leadershipTermId ?? TERM_NULL,
  });
}

function* writeMark(storage: Storage, mark: typeof INITIAL_MARK): StorageTask<void> {
  const reading = yield* readDurableMark(storage);
  if (reading.kind !== 'found') {
    const made = yield* DurableMarkFile.create(storage, mark);
    yield* syncNames(storage);
    yield* made.close();
    return;
  }
  const file = yield* DurableMarkFile.open(storage, reading.mark, reading.sequence);
  yield* file.rewrite(mark);
  yield* file.close();
}

/** The leadership terms that a snapshot names: they are among its first messages. */
function* readTerms(
  storage: Storage,
  arena: Arena,
  geometry: LogGeometry,
  entry: SnapshotEntry,
): StorageTask<TermEntry[]> {
  const slabLength = SNAPSHOT_CHUNK_LENGTH + scanAreaLength(FRAMES_PER_CHUNK_MAX);
  const chunk = arena.allocate(slabLength);
  const terms: TermEntry[] = [];
  try {
    let isMore = true;
    for (let position = 0; isMore && position < entry.length; position += SNAPSHOT_CHUNK_LENGTH) {
      const reason = yield* readSnapshotChunk(storage, { arena, geometry, entry, chunk }, position);
      assert(reason === undefined, `a snapshot that was verified is read again: ${reason ?? ''}`);
      const length = Math.min(SNAPSHOT_CHUNK_LENGTH, entry.length - position);
      isMore = collectTerms(arena, chunk, length, terms);
    }
  } finally {
    arena.release(chunk, slabLength);
  }
  return terms.map((term, index) => ({
    ...term,
    logPosition: terms[index + 1]?.termBaseLogPosition ?? -1,
  }));
}

/** Adds the terms of a chunk; false once what follows them has begun. */
function collectTerms(arena: Arena, chunk: number, length: number, terms: TermEntry[]): boolean {
  const { core, i32, view } = arena;
  const decoder = new SnapshotTermDecoder();
  const area = chunk + SNAPSHOT_CHUNK_LENGTH;
  const count = core.scanBytes(chunk, length, FRAMES_PER_CHUNK_MAX, area);
  for (let index = 0; index < count; index++) {
    const at = (area + SCAN_HEADER_LENGTH + index * SCAN_ENTRY_LENGTH) >> 2;
    const payload = (i32[at] as number) + FRAME_HEADER_LENGTH;
    const payloadLength = (i32[at + 1] as number) - FRAME_HEADER_LENGTH;
    const templateId = messageTemplateId(view, payload, payloadLength);
    if (templateId === TemplateId.SnapshotTerm) {
      const term = decoder.wrapAndApplyHeader(view, payload);
      terms.push({
        leadershipTermId: term.leadershipTermId(),
        termBaseLogPosition: term.termBaseLogPosition(),
        logPosition: -1,
        timestampMs: 0,
      });
    } else if (terms.length > 0) {
      return false;
    }
  }
  return true;
}
