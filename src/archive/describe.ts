// describe.ts: what a data directory holds, as plain data for the command line.
//
// Read-only: takes no lock, so that it works on a directory that is in use, and changes nothing, so
// that it can be run before anybody decides what to do about a damaged one. In use, the log may
// grow while it is read: what then looks like a torn tail is a write under way.

import { PawlError } from '../errors.js';
import type { Arena } from '../memory/arena.js';
import { OpenMode, type Storage } from '../ports/storage.js';
import { type LeadershipTermId, type Position, TERM_NULL } from '../position.js';
import { type Birth, readBirth } from './birth.js';
import { type CatalogEntry, readCatalog } from './catalog.js';
import { type DurableMark, type DurableMarkReading, readDurableMark } from './durable-mark.js';
import { listSegments } from './log-cut.js';
import { segmentFileName } from './log-geometry.js';
import { examineLog, type LogHealth, type LogRecoveryOptions } from './log-recovery.js';
import { CHUNK_SCRATCH_LENGTH, WALK_CHUNK_LENGTH } from './log-walk.js';
import { type NodeState, readNodeState } from './node-state-file.js';
import { provenMark } from './record-recovery.js';
import { readRecordingLog, type TermEntry, termEntryAt } from './recording-log.js';
import { EMPTY_INDEX, readSnapshotIndex, type SnapshotIndex } from './snapshot-manifest.js';
import { verifySnapshot } from './snapshot-reader.js';
import type { SnapshotEntry } from './snapshot-recording.js';
import { problemWithoutIndex } from './snapshot-recovery.js';
import { checkCompletion, closeFile, openFile, type StorageTask } from './storage-task.js';

/** A segment file of the log. */
export interface SegmentDescription {
  readonly name: string;
  readonly base: Position;
  readonly length: number;
}

/** A snapshot that the record names. */
export interface SnapshotDescription extends SnapshotEntry {
  /** Why it cannot be used; undefined when every byte is as the record says. */
  readonly problem: string | undefined;
}

/** What a data directory holds. A part that is missing or damaged is undefined and a problem. */
export interface DirectoryDescription {
  /** Undefined when the directory is blank. */
  readonly birth: Birth | undefined;
  readonly catalog: CatalogEntry | undefined;
  readonly nodeState: NodeState | undefined;
  readonly terms: readonly TermEntry[];
  readonly mark: DurableMark | undefined;
  readonly segments: readonly SegmentDescription[];
  /** Where the log begins: what was before has been purged, and is in every snapshot. */
  readonly logStartPosition: Position;
  /** The newest last. */
  readonly snapshots: readonly SnapshotDescription[];
  /** End of the valid log; undefined when it cannot be told. */
  readonly appendPosition: Position | undefined;
  /** Term of the log end; TERM_NULL when there is none. */
  readonly logTermId: LeadershipTermId;
  readonly health: LogHealth | undefined;
  /** What is wrong, in words; empty for a sound directory. */
  readonly problems: readonly string[];
}

/**
 * Describes a data directory without changing it.
 *
 * @param arena lends a chunk to read the log into.
 * @throws PawlError only when the device or a permission fails.
 */
export function* describeDirectory(
  storage: Storage,
  arena: Arena,
): StorageTask<DirectoryDescription> {
  const problems: string[] = [];
  const birth = yield* orProblem(readBirth(storage), problems);
  // The mark before the log: a log that grows meanwhile is never shorter than a mark read before.
  const markReading = yield* describeMark(storage, problems);
  const catalog = yield* orProblem(readCatalog(storage), problems);
  const nodeState = yield* describeNodeState(storage, problems);
  const terms = yield* describeTerms(storage, problems);
  const index = yield* describeIndex(storage, problems);
  const { logStartPosition } = index;
  const segments = yield* describeSegments(storage);
  const snapshots =
    catalog === undefined ? [] : yield* describeSnapshots(storage, arena, catalog, index, problems);
  const newest = snapshots.findLast((snapshot) => snapshot.problem === undefined);
  const proven = { logStartPosition, snapshotPosition: newest?.logPosition ?? 0 };
  const found = { entries: terms, mark: provenMark(markReading, proven), logStartPosition };
  const log =
    catalog === undefined
      ? undefined
      : yield* describeLog(storage, arena, catalog, found, segments);
  problems.push(...(log?.warnings ?? []));
  const last = log === undefined ? undefined : termEntryAt(terms, log.appendPosition);
  return {
    birth,
    catalog,
    nodeState,
    terms,
    mark: markReading.kind === 'found' ? markReading.mark : undefined,
    segments,
    logStartPosition,
    snapshots,
    appendPosition: log?.appendPosition,
    logTermId: last?.leadershipTermId ?? TERM_NULL,
    health: log?.health,
    problems: birth === undefined && segments.length === 0 ? [] : problems,
  };
}

/** A part's value, or undefined with its complaint noted. */
function* orProblem<T>(part: StorageTask<T>, problems: string[]): StorageTask<T | undefined> {
  try {
    return yield* part;
  } catch (error) {
    if (!(error instanceof PawlError) || error.category === 'fatal') {
      throw error;
    }
    problems.push(error.message);
    return undefined;
  }
}

function* describeMark(storage: Storage, problems: string[]): StorageTask<DurableMarkReading> {
  const reading = yield* readDurableMark(storage);
  if (reading.kind !== 'found') {
    problems.push(`durable-mark.dat is ${reading.kind}`);
  } else if (reading.isDamaged) {
    problems.push('durable-mark.dat has a damaged slot');
  }
  return reading;
}

function* describeNodeState(
  storage: Storage,
  problems: string[],
): StorageTask<NodeState | undefined> {
  const reading = yield* readNodeState(storage);
  if (reading.kind !== 'found') {
    problems.push(`node-state.dat is ${reading.kind}: the vote is lost`);
    return undefined;
  }
  if (reading.isDamaged) {
    problems.push('node-state.dat has a damaged slot, which may have held a newer vote');
  }
  return reading.state;
}

function* describeTerms(storage: Storage, problems: string[]): StorageTask<readonly TermEntry[]> {
  const reading = yield* readRecordingLog(storage);
  switch (reading.kind) {
    case 'found':
      if (reading.isTorn) {
        problems.push('recording.log ends in a torn entry');
      }
      return reading.entries;
    case 'missing':
      problems.push('recording.log is missing');
      return [];
    case 'corrupt':
      problems.push(`recording.log is damaged at entry ${reading.entryIndex}: ${reading.reason}`);
      return [];
  }
}

function* describeIndex(storage: Storage, problems: string[]): StorageTask<SnapshotIndex> {
  const reading = yield* readSnapshotIndex(storage);
  const problem =
    reading.kind === 'found' ? undefined : yield* problemWithoutIndex(storage, reading.kind);
  if (problem !== undefined) {
    problems.push(problem.message);
  } else if (reading.kind === 'lost') {
    problems.push('snapshots.dat is damaged: no snapshot is known, nor where the log begins');
  } else if (reading.kind === 'found' && reading.isDamaged) {
    problems.push('snapshots.dat has a damaged slot');
  }
  return reading.kind === 'found' ? reading.index : EMPTY_INDEX;
}

function* describeSnapshots(
  storage: Storage,
  arena: Arena,
  { geometry }: CatalogEntry,
  index: SnapshotIndex,
  problems: string[],
): StorageTask<readonly SnapshotDescription[]> {
  const snapshots: SnapshotDescription[] = [];
  for (const entry of index.snapshots) {
    const problem = yield* verifySnapshot(storage, arena, geometry, entry);
    snapshots.push({ ...entry, problem });
    if (problem !== undefined) {
      const which = `the snapshot of position ${entry.logPosition}`;
      problems.push(`${which} (recording ${entry.recordingId}) cannot be used: ${problem}`);
    }
  }
  return snapshots;
}

function* describeSegments(storage: Storage): StorageTask<readonly SegmentDescription[]> {
  const segments: SegmentDescription[] = [];
  for (const base of yield* listSegments(storage)) {
    const name = segmentFileName(base);
    const file = yield* openFile(storage, name, OpenMode.Read);
    const size = yield storage.length(file);
    checkCompletion(size, `read the length of ${name}`);
    segments.push({ name, base, length: size.value });
    yield* closeFile(storage, file);
  }
  return segments;
}

function* describeLog(
  storage: Storage,
  arena: Arena,
  { geometry }: CatalogEntry,
  found: Pick<LogRecoveryOptions, 'entries' | 'mark' | 'logStartPosition'>,
  segments: readonly SegmentDescription[],
): ReturnType<typeof examineLog> {
  const slabLength = WALK_CHUNK_LENGTH + CHUNK_SCRATCH_LENGTH;
  const chunk = arena.allocate(slabLength);
  const bases = segments.map((segment) => segment.base);
  try {
    const options = { arena, geometry, ...found, verifyFrom: 'start' as const };
    return yield* examineLog(storage, options, chunk, bases, false);
  } finally {
    arena.release(chunk, slabLength);
  }
}
