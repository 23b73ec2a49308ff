// snapshot-recovery.ts: what a member that starts knows of its snapshots.
//
// A snapshot counts when the record names it and every byte of it is what was written. One that is
// damaged, or newer than this program or its service, is passed over: an older one and a longer
// replay of the log give the same state. Files that no record names are what a crash left; those
// that a record which cannot be read may have named are not touched.

import { ErrorCode, PawlError } from '../errors.js';
import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import type { Storage } from '../ports/storage.js';
import type { Position } from '../position.js';
import { type LogGeometry, segmentBases } from './log-geometry.js';
import {
  EMPTY_INDEX,
  readSnapshotIndex,
  type SnapshotIndex,
  SnapshotManifest,
} from './snapshot-manifest.js';
import { recordingIdOf, type SnapshotEntry } from './snapshot-recording.js';
import { checkSnapshot } from './snapshot-services.js';
import { checkCompletion, type StorageTask, syncNames } from './storage-task.js';

/** What was found of snapshots. */
export interface FoundSnapshots {
  readonly index: SnapshotIndex;
  /** False when there was none that could be read, and nothing that it may have named. */
  readonly isIndexFound: boolean;
  /** The newest that can be used; undefined for a replay of the whole log. */
  readonly usable: SnapshotEntry | undefined;
  /** Versions of the states in it, by service id. */
  readonly appVersions: readonly number[];
  readonly warnings: readonly string[];
}

/** What a snapshot must be for this member to load it. */
export interface SnapshotLimits {
  /** Versions of the states that the services of this program read, by service id. */
  readonly appVersionsMax: readonly number[];
  /** End of the log: a snapshot beyond it is of events that the log does not hold. */
  readonly logPositionMax?: Position;
}

/**
 * Why nothing may be done without the record; undefined when there is nothing that a record that
 * cannot be read may have named.
 */
export function* problemWithoutIndex(
  storage: Storage,
  kind: 'missing' | 'lost',
): StorageTask<PawlError | undefined> {
  const unnamed = yield* findUnnamed(storage);
  return unnamed === undefined ? undefined : recordLost(kind, unnamed);
}

/**
 * What only the record can tell of, in words: snapshots, or a log whose beginning is gone.
 * Undefined when there is neither, as before the first start is done.
 */
function* findUnnamed(storage: Storage): StorageTask<string | undefined> {
  const listed = yield storage.list('');
  checkCompletion(listed, 'list the data directory');
  const { names } = listed;
  const recording = names.filter((name) => recordingIdOf(name) > 0).sort()[0];
  const base = segmentBases(names)[0];
  if (recording !== undefined) {
    return `${recording} is there`;
  }
  return base === undefined || base === 0 ? undefined : `the log begins at ${base}`;
}

/**
 * Whether all segments are there from the first on: then the snapshots can be done without. A log
 * that begins elsewhere lacks the first one: purges give up whole segments, and no snapshot that
 * lies within the first one is installed.
 */
function* isLogWhole(storage: Storage, { segmentLength }: LogGeometry): StorageTask<boolean> {
  const listed = yield storage.list('');
  checkCompletion(listed, 'list the data directory');
  const bases = segmentBases(listed.names);
  return bases.length > 0 && bases.every((base, index) => base === index * segmentLength);
}

function recordLost(kind: 'missing' | 'lost', what: string): PawlError {
  return new PawlError(
    ErrorCode.RecordCorrupt,
    `${textOf(kind)}, and ${what}: which snapshots are whole, and where the log begins, is not ` +
      'known without it. Nothing was changed. A member whose log has all segments from the first ' +
      'on replays it when it is started; let another join anew from an empty directory',
    'corruption',
  );
}

function textOf(kind: 'missing' | 'lost'): string {
  return `snapshots.dat is ${kind === 'missing' ? 'missing' : 'damaged'}`;
}

/**
 * Reads the record, and finds the newest snapshot that is whole. Nothing is changed.
 *
 * @throws PawlError RECORD_CORRUPT when it cannot be read and may have named what is there.
 */
export function* findSnapshots(
  storage: Storage,
  arena: Arena,
  geometry: LogGeometry,
  limits: SnapshotLimits,
): StorageTask<FoundSnapshots> {
  const reading = yield* readSnapshotIndex(storage);
  const warnings: string[] = [];
  const isIndexFound = reading.kind === 'found';
  if (!isIndexFound) {
    const problem = yield* problemWithoutIndex(storage, reading.kind);
    if (problem !== undefined && !(yield* isLogWhole(storage, geometry))) {
      throw problem;
    }
    if (problem !== undefined || reading.kind === 'lost') {
      warnings.push(`${textOf(reading.kind)}: no snapshot is known`);
    }
  } else if (reading.isDamaged) {
    // The other one names nothing that is gone: both are written before anything is removed.
    hit(Mark.RecoverySnapshotsSlotDamaged);
    warnings.push('snapshots.dat had a damaged slot: the other one is used');
  }
  const index = isIndexFound ? reading.index : EMPTY_INDEX;
  for (const entry of [...index.snapshots].reverse()) {
    const refused = refusalOf(entry, limits);
    const check =
      refused === undefined
        ? yield* checkSnapshot(storage, arena, geometry, entry, limits.appVersionsMax)
        : { reason: refused, isWhole: true };
    if ('appVersions' in check) {
      return { index, isIndexFound, usable: entry, appVersions: check.appVersions, warnings };
    }
    warnings.push(
      `the snapshot at position ${entry.logPosition} (recording ${entry.recordingId}) is not ` +
        `used: ${check.reason}`,
    );
  }
  return { index, isIndexFound, usable: undefined, appVersions: [], warnings };
}

function refusalOf(entry: SnapshotEntry, limits: SnapshotLimits): string | undefined {
  const { appVersionsMax, logPositionMax = Number.MAX_SAFE_INTEGER } = limits;
  const appVersionMax = appVersionsMax[0] ?? -1;
  if (entry.logPosition > logPositionMax) {
    return `the log ends before it, at ${logPositionMax}`;
  }
  return entry.appVersion > appVersionMax
    ? `its state is of version ${entry.appVersion}, and the service reads up to ${appVersionMax}`
    : undefined;
}

/** Opens the record for writing, and removes the files that it does not name. */
export function* openSnapshots(
  storage: Storage,
  index: SnapshotIndex,
): StorageTask<SnapshotManifest> {
  const manifest = yield* SnapshotManifest.open(storage, index);
  const named = new Set(index.snapshots.map((entry) => entry.recordingId));
  yield* removeRecordings(storage, (id) => !named.has(id));
  return manifest;
}

/** Removes the files of recordings. Only after the record has ceased to name them. */
export function* removeRecordings(
  storage: Storage,
  isGone: (recordingId: number) => boolean,
): StorageTask<void> {
  const listed = yield storage.list('');
  checkCompletion(listed, 'list the data directory');
  const names = listed.names.filter((name) => {
    const id = recordingIdOf(name);
    return id > 0 && isGone(id);
  });
  for (const name of names) {
    checkCompletion(yield storage.remove(name), `remove ${name}`);
  }
  if (names.length > 0) {
    yield* syncNames(storage);
  }
}
