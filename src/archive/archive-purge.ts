// archive-purge.ts: gives up log and snapshots of a member that does not run.
//
// As while it runs: the record says first what counts from now on, durably; then files are removed.
// A crash between the two leaves files that nobody looks at, and the next start removes them.

import { ErrorCode, PawlError } from '../errors.js';
import type { Arena } from '../memory/arena.js';
import type { Storage } from '../ports/storage.js';
import type { Position } from '../position.js';
import { readCatalog } from './catalog.js';
import { readDurableMark } from './durable-mark.js';
import type { LogGeometry } from './log-geometry.js';
import { listSegmentsBefore, purgePosition, removeSegmentsBefore } from './log-purge.js';
import { takeLock } from './member-directory.js';
import {
  EMPTY_INDEX,
  readSnapshotIndex,
  type SnapshotIndex,
  SnapshotManifest,
} from './snapshot-manifest.js';
import { verifySnapshot } from './snapshot-reader.js';
import type { SnapshotEntry } from './snapshot-recording.js';
import { problemWithoutIndex, removeRecordings } from './snapshot-recovery.js';
import type { StorageTask } from './storage-task.js';

/** What was given up, or would be. */
export interface ArchivePurge {
  /** Where the log begins now. */
  readonly logStartPosition: Position;
  readonly segmentCount: number;
  readonly segmentBytes: number;
  /** Recordings of the snapshots that were removed. */
  readonly snapshotIds: readonly number[];
  /** Positions of those that are kept. */
  readonly keptPositions: readonly Position[];
}

export interface ArchivePurgeOptions {
  /** Snapshots that are kept, from 1. */
  readonly keptCount: number;
  /** Tells what would be given up, and changes nothing. */
  readonly isDryRun: boolean;
}

/**
 * Gives up the log that the kept snapshots hold, and older snapshots. Every snapshot that is kept
 * is read as a whole before anything goes.
 *
 * @throws PawlError DIRECTORY_IN_USE, SNAPSHOT_INVALID, RECORD_CORRUPT.
 */
export function* purgeArchive(
  storage: Storage,
  arena: Arena,
  options: ArchivePurgeOptions,
): StorageTask<ArchivePurge> {
  yield* takeLock(storage);
  const { geometry } = yield* readCatalog(storage);
  const index = yield* readIndex(storage);
  const kept = index.snapshots.slice(-options.keptCount);
  yield* checkUsable(storage, arena, geometry, kept);
  const reading = yield* readDurableMark(storage);
  const floor = reading.kind === 'found' ? reading.mark.durablePosition : 0;
  const position = purgePosition({ index }, kept.length, floor, geometry);
  const gone = yield* listSegmentsBefore(storage, position, geometry);
  const isKept = (id: number): boolean => kept.some((entry) => entry.recordingId === id);
  if (!options.isDryRun) {
    yield* rewrite(storage, index, { logStartPosition: position, snapshots: kept });
    yield* removeSegmentsBefore(storage, position, geometry);
    yield* removeRecordings(storage, (id) => !isKept(id));
  }
  return {
    logStartPosition: position,
    segmentCount: gone.length,
    segmentBytes: gone.length * geometry.segmentLength,
    snapshotIds: index.snapshots.map((entry) => entry.recordingId).filter((id) => !isKept(id)),
    keptPositions: kept.map((entry) => entry.logPosition),
  };
}

/**
 * Removes one snapshot.
 *
 * @throws PawlError ARGUMENT_OUT_OF_RANGE when there is no such snapshot, LIMIT_EXCEEDED when the
 *   log does not reach back behind it and no other one that is whole does, DIRECTORY_IN_USE.
 */
export function* deleteSnapshot(
  storage: Storage,
  arena: Arena,
  recordingId: number,
): StorageTask<SnapshotEntry> {
  yield* takeLock(storage);
  const { geometry } = yield* readCatalog(storage);
  const index = yield* readIndex(storage);
  const entry = index.snapshots.find((one) => one.recordingId === recordingId);
  if (entry === undefined) {
    const ids = index.snapshots.map((one) => one.recordingId).join(', ');
    throw new PawlError(
      ErrorCode.ArgumentOutOfRange,
      `recording ${recordingId} is no snapshot of this archive: ` +
        `it has ${ids === '' ? 'none' : ids}`,
    );
  }
  const snapshots = index.snapshots.filter((one) => one !== entry);
  if (index.logStartPosition > 0 && !(yield* hasUsable(storage, arena, geometry, snapshots))) {
    throw new PawlError(
      ErrorCode.LimitExceeded,
      `the log begins at ${index.logStartPosition}, and no other snapshot that is whole holds ` +
        'what was before: the member could not start any more; keep this one',
    );
  }
  yield* rewrite(storage, index, { ...index, snapshots });
  yield* removeRecordings(storage, (id) => id === recordingId);
  return entry;
}

function* readIndex(storage: Storage): StorageTask<SnapshotIndex> {
  const reading = yield* readSnapshotIndex(storage);
  if (reading.kind === 'lost') {
    throw new PawlError(
      ErrorCode.RecordCorrupt,
      'snapshots.dat is damaged: what may be given up is not known; start the member first, ' +
        'or let it join anew from an empty directory',
      'corruption',
    );
  }
  if (reading.kind === 'missing') {
    const problem = yield* problemWithoutIndex(storage, reading.kind);
    if (problem !== undefined) {
      throw problem;
    }
    return EMPTY_INDEX;
  }
  return reading.index;
}

function* checkUsable(
  storage: Storage,
  arena: Arena,
  geometry: LogGeometry,
  kept: readonly SnapshotEntry[],
): StorageTask<void> {
  for (const entry of kept) {
    const problem = yield* verifySnapshot(storage, arena, geometry, entry);
    if (problem !== undefined) {
      throw new PawlError(
        ErrorCode.SnapshotInvalid,
        `the snapshot of position ${entry.logPosition} (recording ${entry.recordingId}) would be ` +
          `kept and cannot be used: ${problem}. Nothing was given up; start the member and have ` +
          'a new one taken',
        'corruption',
      );
    }
  }
}

function* hasUsable(
  storage: Storage,
  arena: Arena,
  geometry: LogGeometry,
  snapshots: readonly SnapshotEntry[],
): StorageTask<boolean> {
  for (const entry of snapshots) {
    if ((yield* verifySnapshot(storage, arena, geometry, entry)) === undefined) {
      return true;
    }
  }
  return false;
}

function* rewrite(
  storage: Storage,
  before: SnapshotIndex,
  after: SnapshotIndex,
): StorageTask<void> {
  const manifest = yield* SnapshotManifest.open(storage, before);
  yield* manifest.write(after);
  yield* manifest.close();
}
