// archive-truncate.ts: gives up the end of a log whose member does not run.
//
// The cluster may count on what this member has acknowledged, and what is given up here may be
// acknowledged: so the directory is treated as a copy of an earlier time is (restore.ts). It gives
// up its vote and becomes another incarnation before the first byte goes; its member catches up
// from the others, and a leader gives the vote back. A crash at any point leaves a directory
// without a vote, whose log ends at the cut or later: the command is run again, or the member is
// started.

import { ErrorCode, PawlError } from '../errors.js';
import type { Arena } from '../memory/arena.js';
import type { Entropy } from '../ports/entropy.js';
import type { Storage } from '../ports/storage.js';
import { type Position, TERM_NULL } from '../position.js';
import { BIRTH_PATH, type Birth, readBirth } from './birth.js';
import { readCatalog } from './catalog.js';
import { readDurableMark } from './durable-mark.js';
import { listSegments } from './log-cut.js';
import type { LogGeometry } from './log-geometry.js';
import { examineLog } from './log-recovery.js';
import { CHUNK_SCRATCH_LENGTH, lastFrameEnd, WALK_CHUNK_LENGTH } from './log-walk.js';
import { takeLock } from './member-directory.js';
import { readNodeState } from './node-state-file.js';
import { type FoundRecords, readRecords } from './record-recovery.js';
import { countTermsToKeep, RecordingLog, type TermEntry } from './recording-log.js';
import { giveUpPromises } from './restore.js';
import { EMPTY_INDEX, readSnapshotIndex, type SnapshotIndex } from './snapshot-manifest.js';
import { problemWithoutIndex } from './snapshot-recovery.js';
import type { StorageTask } from './storage-task.js';
import { truncateLog } from './truncate.js';

export interface ArchiveTruncateOptions {
  /** New end of the log: where a frame ends. */
  readonly position: Position;
  /** Tells what would be given up, and changes nothing. */
  readonly isDryRun: boolean;
  /** For the new incarnation. */
  readonly entropy: Entropy;
}

/** What was given up, or would be. */
export interface ArchiveTruncation {
  /** Where the log ended before, and ends now. */
  readonly formerEndPosition: Position;
  readonly endPosition: Position;
  /** Whole segments that went. */
  readonly segmentCount: number;
  readonly termIds: readonly number[];
  /** Below this nothing can be given up: it is committed. */
  readonly commitPosition: Position;
}

/** What the directory holds. */
interface FoundArchive {
  readonly birth: Birth;
  readonly geometry: LogGeometry;
  readonly records: FoundRecords;
  readonly index: SnapshotIndex;
  readonly bases: readonly Position[];
  readonly endPosition: Position;
  readonly commitPosition: Position;
}

/**
 * Gives up the log from a position on. Where that is its end, nothing changes.
 *
 * @throws PawlError ARGUMENT_OUT_OF_RANGE for a position that is beyond the log or in a frame,
 *   LIMIT_EXCEEDED for one below what is committed, or in a cluster of one; LOG_CORRUPT,
 *   RECORD_CORRUPT, DIRECTORY_IN_USE, DIRECTORY_NOT_BORN.
 */
export function* truncateArchive(
  storage: Storage,
  arena: Arena,
  options: ArchiveTruncateOptions,
): StorageTask<ArchiveTruncation> {
  yield* takeLock(storage);
  const slabLength = WALK_CHUNK_LENGTH + CHUNK_SCRATCH_LENGTH;
  const chunk = arena.allocate(slabLength);
  try {
    const found = yield* findArchive(storage, arena, chunk);
    const { position } = options;
    yield* checkPosition(storage, arena, chunk, found, position);
    const truncation = truncationOf(found, position);
    if (!options.isDryRun && position < found.endPosition) {
      yield* cut(storage, found, options);
    }
    return truncation;
  } finally {
    arena.release(chunk, slabLength);
  }
}

function* findArchive(storage: Storage, arena: Arena, chunk: number): StorageTask<FoundArchive> {
  const birth = yield* readBirth(storage);
  if (birth === undefined) {
    throw new PawlError(
      ErrorCode.DirectoryNotBorn,
      `there is no archive (it has no ${BIRTH_PATH}): name the data directory of a member`,
      'environment',
    );
  }
  const { geometry } = yield* readCatalog(storage);
  const index = yield* readRecordsOfPromises(storage);
  const { logStartPosition } = index;
  const records = yield* readRecords(storage, { logStartPosition, snapshotPosition: 0 });
  const { entries, mark } = records;
  const bases = yield* listSegments(storage);
  const walked = { arena, geometry, entries, mark, verifyFrom: 'start', logStartPosition } as const;
  const log = yield* examineLog(storage, walked, chunk, bases, false);
  if (log.health.kind === 'corrupt') {
    throw startFirst(ErrorCode.LogCorrupt, log.warnings.at(-1) ?? 'the log is damaged');
  }
  const snapshotPosition = index.snapshots.at(-1)?.logPosition ?? 0;
  return {
    ...{ birth, geometry, records, index, bases },
    endPosition: log.appendPosition,
    // A snapshot is of what was committed, which the mark may not know yet.
    commitPosition: Math.max(mark.commitPosition, snapshotPosition, logStartPosition),
  };
}

/** Without these it is not known what was promised. Returns what snapshots there are. */
function* readRecordsOfPromises(storage: Storage): StorageTask<SnapshotIndex> {
  const mark = yield* readDurableMark(storage);
  const nodeState = yield* readNodeState(storage);
  const index = yield* readSnapshotIndex(storage);
  const isIndexLost =
    index.kind === 'lost' ||
    (index.kind === 'missing' && (yield* problemWithoutIndex(storage, index.kind)) !== undefined);
  if (mark.kind !== 'found' || nodeState.kind !== 'found' || isIndexLost) {
    const names = [
      ...(mark.kind === 'found' ? [] : ['durable-mark.dat']),
      ...(nodeState.kind === 'found' ? [] : ['node-state.dat']),
      ...(isIndexLost ? ['snapshots.dat'] : []),
    ];
    throw startFirst(ErrorCode.RecordCorrupt, `${names.join(' and ')} cannot be read`);
  }
  return index.kind === 'found' ? index.index : EMPTY_INDEX;
}

function startFirst(code: ErrorCode, what: string): PawlError {
  return new PawlError(
    code,
    `${what}: what may be given up is not known; start the member first, so that it is repaired ` +
      'from the others',
    'corruption',
  );
}

function* checkPosition(
  storage: Storage,
  arena: Arena,
  chunk: number,
  found: FoundArchive,
  position: Position,
): StorageTask<void> {
  const { commitPosition, endPosition, geometry, index, records } = found;
  if (position > endPosition) {
    throw outOfRange(`the log is to end at ${position}, and it ends at ${endPosition} already`);
  }
  if (position < commitPosition) {
    throw new PawlError(
      ErrorCode.LimitExceeded,
      `the log is to end at ${position}, and what is below ${commitPosition} is committed: it ` +
        `can never be given up; use a position from ${commitPosition} to ${endPosition}`,
    );
  }
  const { termLength } = geometry;
  const from = Math.max(position - (position % termLength), index.logStartPosition);
  const walked = { arena, chunk, geometry, entries: records.entries, from };
  const end = yield* lastFrameEnd(storage, walked, position);
  if (end !== position) {
    throw outOfRange(`no frame ends at ${position}: use ${end}, where one does, or another`);
  }
  // Nobody else has it, and nobody else could give the vote back.
  if (position < endPosition && records.nodeState.incarnations.length === 0) {
    throw new PawlError(
      ErrorCode.LimitExceeded,
      `the log ends at ${endPosition}, and this member knows no other: all that the only member ` +
        'of a cluster has recorded is committed, and can never be given up',
    );
  }
}

function outOfRange(message: string): PawlError {
  return new PawlError(ErrorCode.ArgumentOutOfRange, message);
}

function termsBehind(found: FoundArchive, position: Position): readonly TermEntry[] {
  const { entries } = found.records;
  return entries.slice(countTermsToKeep(entries, position, TERM_NULL));
}

function truncationOf(found: FoundArchive, position: Position): ArchiveTruncation {
  const { bases, commitPosition, endPosition } = found;
  const isCut = position < endPosition;
  return {
    formerEndPosition: endPosition,
    endPosition: position,
    segmentCount: isCut ? bases.filter((base) => base >= position).length : 0,
    termIds: isCut ? termsBehind(found, position).map((term) => term.leadershipTermId) : [],
    commitPosition,
  };
}

function* cut(
  storage: Storage,
  found: FoundArchive,
  { entropy, position }: ArchiveTruncateOptions,
): StorageTask<void> {
  const { birth, commitPosition, geometry, records } = found;
  yield* giveUpPromises(storage, birth, entropy);
  // Written anew, and without what a torn append left.
  const recordingLog = yield* RecordingLog.open(storage, records.entries);
  yield* truncateLog(storage, {
    ...{ position, geometry, recordingLog },
    knownCommitPosition: commitPosition,
  });
  yield* recordingLog.close();
}
