// member-directory.ts: the data directory of a member, from birth to recovery.
//
// Start-up finds out what the member knows, repairs what a crash can have torn, and syncs or writes
// again all that it found before it reports it: what was only in the page cache may be gone after
// the next power cut, and a position that was reported or voted on must not be (B1, B12, B38,
// B41).

import { ErrorCode, PawlError } from '../errors.js';
import type { Arena } from '../memory/arena.js';
import type { Entropy } from '../ports/entropy.js';
import { type Storage, StorageResult } from '../ports/storage.js';
import { type LeadershipTermId, type Position, TERM_NULL } from '../position.js';
import { BIRTH_PATH, type Birth, type Opaque64, readBirth, writeBirth } from './birth.js';
import { readCatalog, writeCatalog } from './catalog.js';
import { noteDamage } from './damage-note.js';
import {
  type DurableMark,
  DurableMarkFile,
  INITIAL_MARK,
  readDurableMark,
} from './durable-mark.js';
import { checkGeometry, type LogGeometry, segmentBases, segmentFileName } from './log-geometry.js';
import { listSegmentsBefore, removeSegmentsBefore } from './log-purge.js';
import { type LogHealth, type RecoveredLog, recoverLog } from './log-recovery.js';
import { initialNodeState, NodeStateFile } from './node-state-file.js';
import { type FoundRecords, giveUpVoteForLostMark, readRecords } from './record-recovery.js';
import { RecordingLog } from './recording-log.js';
import { beginLogAt, isInstallUnfinished } from './snapshot-install.js';
import { confirmSnapshotIndex, type SnapshotManifest } from './snapshot-manifest.js';
import { recordingIdOf, type SnapshotEntry } from './snapshot-recording.js';
import { type FoundSnapshots, findSnapshots, openSnapshots } from './snapshot-recovery.js';
import { checkCompletion, type StorageTask } from './storage-task.js';

export type { LogHealth } from './log-recovery.js';

export const LOCK_PATH = 'lock';
/** No snapshot has a version this low. */
const NO_VERSIONS: readonly number[] = [];

/** Whose directory it is. */
export interface DirectoryIdentity {
  readonly clusterId: number;
  readonly memberId: number;
}

export interface BootstrapOptions extends DirectoryIdentity {
  readonly configurationHash: Opaque64;
  /** True for a member that is born with its cluster, false for one that joins it blank. */
  readonly voting: boolean;
  readonly geometry: LogGeometry;
  /** See Birth. */
  readonly egressTermLength: number;
  readonly mtuLength: number;
  readonly entropy: Entropy;
  /** Wall clock, milliseconds. */
  readonly wallMs: number;
  /** The lock is held by an earlier task over the same Storage. */
  readonly lockHeld?: boolean;
}

export interface OpenOptions extends DirectoryIdentity {
  /** Only the thread that created it may pass it: recovery allocates a chunk for a while. */
  readonly arena: Arena;
  /** What the configuration says; the log's own geometry, fixed at birth, must agree. */
  readonly geometry?: LogGeometry;
  /** Likewise. */
  readonly egressTermLength?: number;
  /** `mark`: verifies the last term below the mark; `start`: verifies the whole log. */
  readonly verifyFrom?: 'mark' | 'start';
  /**
   * Versions of the states that the services read, by service id. When they are given, the log is
   * needed and verified from the newest snapshot of at most these versions on: a start does not
   * depend on how long the log before it is.
   */
  readonly snapshotVersionsMax?: readonly number[];
  readonly lockHeld?: boolean;
}

/** What a member knows when it starts. All of it is durable. */
export interface RecoveredDirectory {
  readonly birth: Birth;
  readonly nodeState: NodeStateFile;
  readonly recordingLog: RecordingLog;
  readonly mark: DurableMark;
  readonly geometry: LogGeometry;
  /** End of the valid log: where recording goes on. */
  readonly appendPosition: Position;
  /** Known to be committed, from the mark. */
  readonly commitPosition: Position;
  /** Term of the log end; TERM_NULL when the log has none. */
  readonly logTermId: LeadershipTermId;
  readonly health: LogHealth;
  /** Where the log begins; what was before it is in the snapshots. */
  readonly logStartPosition: Position;
  /** What the service starts from; undefined when it replays the log from its first byte. */
  readonly snapshot: SnapshotEntry | undefined;
  /** Versions of the services' states in it, by service id. */
  readonly snapshotVersions: readonly number[];
  readonly snapshots: SnapshotManifest;
  /** What was found wrong and what was done, in words. */
  readonly warnings: readonly string[];
}

/**
 * Makes a blank directory a member's. birth.dat comes last: a crash before leaves it blank, and
 * bootstrap can be run again.
 *
 * @throws PawlError DIRECTORY_ALREADY_BORN, DIRECTORY_FOREIGN, DIRECTORY_IN_USE.
 */
export function* bootstrapDirectory(
  storage: Storage,
  options: BootstrapOptions,
): StorageTask<Birth> {
  const { clusterId, memberId, configurationHash, voting, geometry, mtuLength } = options;
  const { egressTermLength } = options;
  checkGeometry(geometry);
  if (options.lockHeld !== true) {
    yield* takeLock(storage);
  }
  yield* refuseUnlessBlank(storage);
  const nodeState = yield* NodeStateFile.create(storage, initialNodeState(voting));
  yield* nodeState.close();
  const mark = yield* DurableMarkFile.create(storage, INITIAL_MARK);
  yield* mark.close();
  const recordingLog = yield* RecordingLog.create(storage);
  yield* recordingLog.close();
  yield* writeCatalog(storage, { geometry, mtuLength, startTimestampMs: options.wallMs });
  const incarnation = makeIncarnation(options.entropy);
  const identity = { clusterId, memberId, voting, incarnation, configurationHash };
  const birth = { ...identity, egressTermLength };
  yield* writeBirth(storage, birth);
  return birth;
}

/**
 * Opens a member's directory and recovers what it knows.
 *
 * @throws PawlError DIRECTORY_IN_USE, DIRECTORY_NOT_BORN, DIRECTORY_FOREIGN, CONFIGURATION_INVALID,
 *   RECORD_CORRUPT, SNAPSHOT_INVALID, STORAGE_FULL, STORAGE_FAILED.
 */
export function* openDirectory(
  storage: Storage,
  options: OpenOptions,
): StorageTask<RecoveredDirectory> {
  if (options.lockHeld !== true) {
    yield* takeLock(storage);
  }
  const birth = yield* readOwnBirth(storage, options);
  const { geometry } = yield* readCatalog(storage);
  checkConfigured(geometry, birth, options);
  const appVersionsMax = options.snapshotVersionsMax ?? NO_VERSIONS;
  const newest = yield* findSnapshots(storage, options.arena, geometry, { appVersionsMax });
  const { logStartPosition } = newest.index;
  if (newest.usable === undefined && logStartPosition > 0) {
    throw noSnapshotLeft(logStartPosition, newest.warnings);
  }
  yield* finishInstall(storage, options.arena, geometry, newest);
  const snapshotPosition = newest.usable?.logPosition ?? 0;
  const records = yield* readRecords(storage, { logStartPosition, snapshotPosition });
  const log = yield* recoverKnownLog(storage, options, geometry, records, newest);
  const limits = { appVersionsMax, logPositionMax: log.appendPosition };
  const isBeyond = snapshotPosition > log.appendPosition;
  const found = isBeyond ? yield* findSnapshots(storage, options.arena, geometry, limits) : newest;
  if (found.usable === undefined && logStartPosition > 0) {
    throw noSnapshotLeft(logStartPosition, found.warnings);
  }
  return yield* writeBack(storage, birth, geometry, records, log, found);
}

/**
 * A snapshot was installed, and the log does not begin there yet. A vote that does not count
 * without the mark is given up first, for the mark is written anew.
 */
function* finishInstall(
  storage: Storage,
  arena: Arena,
  geometry: LogGeometry,
  found: FoundSnapshots,
): StorageTask<void> {
  const reading = yield* readDurableMark(storage);
  if (reading.kind !== 'found') {
    yield* giveUpVoteForLostMark(storage);
  }
  const { index, usable } = found;
  const { logStartPosition } = index;
  if (usable !== undefined && (yield* isInstallUnfinished(storage, index, usable, reading))) {
    yield* confirmSnapshotIndex(storage, index);
    yield* beginLogAt(storage, arena, geometry, usable);
  } else if (logStartPosition > 0) {
    const former = yield* listSegmentsBefore(storage, logStartPosition, geometry);
    if (former.length > 0) {
      yield* confirmSnapshotIndex(storage, index);
      yield* removeSegmentsBefore(storage, logStartPosition, geometry);
    }
  }
}

/**
 * Recovers the log from the snapshot on; all of it where no mark says what of it was synced, or no
 * record where it begins.
 */
function* recoverKnownLog(
  storage: Storage,
  { arena, verifyFrom }: OpenOptions,
  geometry: LogGeometry,
  { entries, isMarkFound, mark }: FoundRecords,
  { index, isIndexFound, usable }: FoundSnapshots,
): StorageTask<RecoveredLog> {
  const { logStartPosition } = index;
  const isPartKnown = isMarkFound && isIndexFound;
  if (!isMarkFound && mark.durablePosition > 0) {
    // What is below the position that the snapshot proves may be in the page cache alone.
    yield* noteDamage(storage);
  }
  return yield* recoverLog(storage, {
    arena,
    geometry,
    entries,
    mark,
    verifyFrom: isPartKnown ? (usable?.logPosition ?? verifyFrom ?? 'mark') : 'start',
    logStartPosition,
  });
}

/** Writes and syncs what was found, and what follows from it. */
function* writeBack(
  storage: Storage,
  birth: Birth,
  geometry: LogGeometry,
  records: FoundRecords,
  log: RecoveredLog,
  found: FoundSnapshots,
): StorageTask<RecoveredDirectory> {
  const isEndKnown = log.health.kind !== 'corrupt' || log.health.isEndKnown;
  const warnings = [...records.warnings, ...found.warnings, ...log.warnings];
  const snapshots = yield* openSnapshots(storage, found.index);
  const entries = records.entries.filter(
    (entry) => entry.termBaseLogPosition <= log.appendPosition,
  );
  const recordingLog = yield* RecordingLog.open(storage, entries);
  const logTermId = recordingLog.lastTerm()?.leadershipTermId ?? TERM_NULL;
  const mark = {
    durablePosition: log.appendPosition,
    // A snapshot is of what was committed, which the mark may not know yet.
    commitPosition: Math.min(
      Math.max(records.mark.commitPosition, found.usable?.logPosition ?? 0),
      log.appendPosition,
    ),
    leadershipTermId: logTermId,
  };
  yield* records.writeMark(mark);
  // What is damaged was promised, and its end is still known: the vote rests until it is repaired.
  // With the end gone as well, the member may have promised more than it can tell.
  const nodeState = yield* records.writeNodeState(
    isEndKnown ? records.nodeState : { ...records.nodeState, voting: false },
  );
  return {
    birth,
    nodeState,
    recordingLog,
    mark,
    geometry,
    appendPosition: log.appendPosition,
    commitPosition: mark.commitPosition,
    logTermId,
    health: log.health,
    logStartPosition: found.index.logStartPosition,
    snapshot: found.usable,
    snapshotVersions: found.appVersions,
    snapshots,
    warnings,
  };
}

function noSnapshotLeft(logStartPosition: Position, reasons: readonly string[]): PawlError {
  return new PawlError(
    ErrorCode.SnapshotInvalid,
    `the log begins at position ${logStartPosition}, and no snapshot can be used for what was ` +
      `before it (${reasons.join('; ')}): start the version of the service that wrote them, or ` +
      'let the member join anew from an empty directory',
    'corruption',
  );
}

/** Takes the directory for this process. @throws PawlError DIRECTORY_IN_USE. */
export function* takeLock(storage: Storage): StorageTask<void> {
  const locked = yield storage.lock(LOCK_PATH);
  if (locked.result === StorageResult.Locked) {
    throw new PawlError(
      ErrorCode.DirectoryInUse,
      'another process runs on this data directory: stop it, or give this member a directory of ' +
        'its own',
      'environment',
    );
  }
  checkCompletion(locked, `lock ${LOCK_PATH}`);
}

function* refuseUnlessBlank(storage: Storage): StorageTask<void> {
  const born = yield* readBirth(storage);
  if (born !== undefined) {
    throw new PawlError(
      ErrorCode.DirectoryAlreadyBorn,
      `the data directory is already that of member ${born.memberId} of cluster ` +
        `${born.clusterId}: start the member on it, or bootstrap another directory`,
      'environment',
    );
  }
  const listed = yield storage.list('');
  checkCompletion(listed, 'list the data directory');
  const base = segmentBases(listed.names)[0];
  const recording = listed.names.find((name) => recordingIdOf(name) > 0);
  const held = base === undefined ? recording : segmentFileName(base);
  if (held !== undefined) {
    const what = base === undefined ? 'a snapshot' : 'a log segment';
    throw new PawlError(
      ErrorCode.DirectoryForeign,
      `the data directory has no ${BIRTH_PATH} but holds ${held}, ${what}: restore the file, or ` +
        'use an empty directory',
      'environment',
    );
  }
}

function* readOwnBirth(storage: Storage, identity: DirectoryIdentity): StorageTask<Birth> {
  const birth = yield* readBirth(storage);
  if (birth === undefined) {
    throw new PawlError(
      ErrorCode.DirectoryNotBorn,
      `the data directory is blank (it has no ${BIRTH_PATH}): run \`pawl bootstrap\` once for a ` +
        'member of a new cluster, or bootstrap it non-voting to join a cluster that runs',
      'environment',
    );
  }
  const { clusterId, memberId } = identity;
  if (birth.clusterId !== clusterId || birth.memberId !== memberId) {
    throw new PawlError(
      ErrorCode.DirectoryForeign,
      `the data directory is that of member ${birth.memberId} of cluster ` +
        `${birth.clusterId}, not of member ${memberId} of cluster ${clusterId}: correct the ` +
        'directory or the configuration',
      'environment',
    );
  }
  return birth;
}

function checkConfigured(found: LogGeometry, birth: Birth, options: OpenOptions): void {
  const { egressTermLength, geometry: configured } = options;
  checkGeometry(found);
  if (egressTermLength !== undefined && egressTermLength !== birth.egressTermLength) {
    throw new PawlError(
      ErrorCode.ConfigurationInvalid,
      `egressTermLength is configured as ${egressTermLength} bytes, and the log was born with ` +
        `${birth.egressTermLength}: what services were answered depends on it, so it is fixed ` +
        "for the log's life; configure that",
    );
  }
  if (configured !== undefined && configured.termLength !== found.termLength) {
    throw new PawlError(
      ErrorCode.ConfigurationInvalid,
      `the log's term length is configured as ${configured.termLength} bytes, and the log was ` +
        `born with ${found.termLength}: it is fixed for its life; configure that`,
    );
  }
  if (configured !== undefined && configured.segmentLength !== found.segmentLength) {
    throw new PawlError(
      ErrorCode.ConfigurationInvalid,
      `the segment length is configured as ${configured.segmentLength} bytes, and the log was ` +
        `born with ${found.segmentLength}: it is fixed for its life; configure that`,
    );
  }
}

/** A random incarnation that is not zero, which stands for none. */
export function makeIncarnation(entropy: Entropy): Opaque64 {
  const high = entropy.nextUint32() >>> 0;
  const low = entropy.nextUint32() >>> 0;
  return high === 0 && low === 0 ? { high: 0, low: 1 } : { high, low };
}
