// record-recovery.ts: reads the small records at start-up and decides what is known.
//
// A slot of the vote that does not hold what the protocol left there may have held a newer vote,
// and a lost mark may have covered acknowledged bytes: such a member starts non-voting, and that is
// durable before anything of its log is changed. A lost or damaged record never makes it forget
// silently (B1, B12).

import { ErrorCode, PawlError } from '../errors.js';
import { hit, Mark } from '../marks.js';
import type { Storage } from '../ports/storage.js';
import { type Position, TERM_NULL } from '../position.js';
import {
  type DurableMark,
  DurableMarkFile,
  type DurableMarkReading,
  INITIAL_MARK,
  readDurableMark,
} from './durable-mark.js';
import {
  initialNodeState,
  type NodeState,
  NodeStateFile,
  type NodeStateReading,
  readNodeState,
} from './node-state-file.js';
import { readRecordingLog, type TermEntry } from './recording-log.js';
import { type StorageTask, syncNames } from './storage-task.js';

/** What is known of the log without its mark: it was committed and held here. */
export interface ProvenPositions {
  /** What was before it has been purged, or was never here. */
  readonly logStartPosition: Position;
  /** The snapshot that is started from; 0 for none. */
  readonly snapshotPosition: Position;
}

/** What the records of a directory say, and how to write them back. */
export interface FoundRecords {
  readonly nodeState: NodeState;
  readonly entries: readonly TermEntry[];
  /** Raised to what is proven otherwise, where it cannot be read or an older one was found. */
  readonly mark: DurableMark;
  readonly isMarkFound: boolean;
  readonly warnings: readonly string[];
  /** Writes node-state.dat to both slots, anew when it was lost. */
  writeNodeState(state: NodeState): StorageTask<NodeStateFile>;
  /** Writes durable-mark.dat to both slots, anew when it was lost. */
  writeMark(mark: DurableMark): StorageTask<void>;
}

/**
 * Reads vote, recording log and mark without changing them.
 *
 * @throws PawlError RECORD_CORRUPT when the recording log is lost or contradicts itself or the
 *   mark.
 */
export function* readRecords(storage: Storage, proven: ProvenPositions): StorageTask<FoundRecords> {
  const warnings: string[] = [];
  const nodeStateReading = yield* readNodeState(storage);
  const markReading = yield* readDurableMark(storage);
  const entries = yield* readTerms(storage, markReading, warnings);
  const mark = provenMark(markReading, proven);
  noteMark(markReading, warnings);
  const nodeState = judgeNodeState(nodeStateReading, markReading, entries, warnings);
  return {
    nodeState,
    entries,
    mark,
    isMarkFound: markReading.kind === 'found',
    warnings,
    *writeNodeState(state: NodeState): StorageTask<NodeStateFile> {
      if (nodeStateReading.kind === 'found') {
        return yield* NodeStateFile.open(storage, state, nodeStateReading.sequence);
      }
      const file = yield* NodeStateFile.create(storage, state);
      yield* syncNames(storage);
      return file;
    },
    *writeMark(next: DurableMark): StorageTask<void> {
      const isFound = markReading.kind === 'found';
      const file = isFound
        ? yield* DurableMarkFile.open(storage, next, markReading.sequence)
        : yield* DurableMarkFile.create(storage, next);
      if (isFound) {
        yield* file.rewrite(next);
      } else {
        yield* syncNames(storage);
      }
      yield* file.close();
    },
  };
}

/**
 * The mark that recovery goes by. What is found is taken as it is. The older of two slots may name
 * what has been purged since, and no slot says nothing: then the log ends at what is proven, or
 * later, and was durable up to there.
 */
export function provenMark(reading: DurableMarkReading, proven: ProvenPositions): DurableMark {
  if (reading.kind === 'found' && !reading.isDamaged) {
    return reading.mark;
  }
  const { logStartPosition, snapshotPosition } = proven;
  const isFound = reading.kind === 'found';
  const mark = isFound ? reading.mark : INITIAL_MARK;
  const position = isFound ? logStartPosition : Math.max(logStartPosition, snapshotPosition);
  return {
    ...mark,
    durablePosition: Math.max(mark.durablePosition, position),
    commitPosition: Math.max(mark.commitPosition, position),
  };
}

/**
 * Gives up the vote of a member that lost its mark, durably. A vote whose own record is damaged
 * does not count as it is.
 */
export function* giveUpVoteForLostMark(storage: Storage): StorageTask<void> {
  const reading = yield* readNodeState(storage);
  if (reading.kind === 'found' && reading.state.voting && !reading.isDamaged) {
    const state = { ...reading.state, voting: false };
    const file = yield* NodeStateFile.open(storage, state, reading.sequence);
    yield* file.close();
  }
}

function* readTerms(
  storage: Storage,
  markReading: DurableMarkReading,
  warnings: string[],
): StorageTask<readonly TermEntry[]> {
  const reading = yield* readRecordingLog(storage);
  if (reading.kind === 'missing') {
    throw corrupt('recording.log is missing');
  }
  if (reading.kind === 'corrupt') {
    throw corrupt(`recording.log is damaged at entry ${reading.entryIndex}: ${reading.reason}`);
  }
  if (reading.isTorn) {
    hit(Mark.RecoveryRecordingLogTorn);
    warnings.push(
      `recording.log ended in a torn entry behind ${reading.entries.length} valid ones: dropped`,
    );
  }
  const { entries } = reading;
  const markTermId = markReading.kind === 'found' ? markReading.mark.leadershipTermId : TERM_NULL;
  const isKnown = entries.some((entry) => entry.leadershipTermId === markTermId);
  // The entry of a term is durable before the mark names the term: one that is gone was damaged.
  if (markTermId !== TERM_NULL && !isKnown) {
    throw corrupt(`recording.log lacks leadership term ${markTermId}, which the mark names`);
  }
  return entries;
}

/** Of a directory whose log cannot be told from what is not of it. */
export function corrupt(what: string): PawlError {
  return new PawlError(
    ErrorCode.RecordCorrupt,
    `${what}: the log cannot be told from ghosts without it; let the member join anew from an ` +
      'empty directory, non-voting',
    'corruption',
  );
}

function noteMark(reading: DurableMarkReading, warnings: string[]): void {
  if (reading.kind !== 'found') {
    warnings.push(
      `durable-mark.dat is ${reading.kind}: nothing is known about what this member acknowledged`,
    );
  } else if (reading.isDamaged) {
    hit(Mark.RecoveryMarkSlotDamaged);
    warnings.push('durable-mark.dat had a damaged slot: the other one is used');
  }
}

function judgeNodeState(
  reading: NodeStateReading,
  markReading: DurableMarkReading,
  entries: readonly TermEntry[],
  warnings: string[],
): NodeState {
  const lastTermId = entries[entries.length - 1]?.leadershipTermId ?? TERM_NULL;
  if (reading.kind !== 'found') {
    hit(Mark.RecoveryVoteLost);
    warnings.push(`node-state.dat is ${reading.kind}: the vote is lost; starting non-voting`);
    return { ...initialNodeState(false), candidateTermId: lastTermId };
  }
  const { state } = reading;
  if (reading.isDamaged) {
    hit(Mark.RecoveryVoteSlotDamaged);
    warnings.push(
      'node-state.dat had a damaged slot, which may have held a newer vote; starting non-voting',
    );
    return { ...state, voting: false };
  }
  if (markReading.kind !== 'found') {
    warnings.push('the mark is lost; starting non-voting');
    return { ...state, voting: false };
  }
  return state;
}
