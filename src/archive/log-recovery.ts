// log-recovery.ts: finds the end of the recorded log after a crash.
//
// A bad frame at or above the durable mark is a torn tail: it is cut, wherever valid frames follow
// it. A bad frame below the mark is corruption: nothing is cut, for another member may need what
// is behind it (B41). Segments that a crash left behind the end hold nothing that counts.

import type { Arena } from '../memory/arena.js';
import { OpenMode, type Storage } from '../ports/storage.js';
import { POSITION_NULL, type Position } from '../position.js';
import type { DurableMark } from './durable-mark.js';
import { listSegments, readTail, removeSegmentsBehind, zeroSegmentBehind } from './log-cut.js';
import { type LogGeometry, segmentBaseOf, segmentFileName } from './log-geometry.js';
import { CHUNK_SCRATCH_LENGTH, WALK_CHUNK_LENGTH, walkLog } from './log-walk.js';
import type { TermEntry } from './recording-log.js';
import { closeFile, openFile, type StorageTask, syncFile, syncNames } from './storage-task.js';

/** How the log was found. */
export type LogHealth =
  | { readonly kind: 'sound' }
  /** Bytes in [from, to) were no frames of the log and were cut. */
  | { readonly kind: 'torn'; readonly from: Position; readonly to: Position }
  /** Below the mark, the log is not valid at `position`. Nothing was cut. */
  | { readonly kind: 'corrupt'; readonly position: Position; readonly reason: string };

export interface LogRecoveryOptions {
  readonly arena: Arena;
  readonly geometry: LogGeometry;
  readonly entries: readonly TermEntry[];
  readonly mark: DurableMark;
  readonly verifyFrom: 'mark' | 'start';
}

/** The end of the log, and how it was found. */
export interface RecoveredLog {
  readonly appendPosition: Position;
  readonly health: LogHealth;
  readonly warnings: readonly string[];
}

/** Walks the log, cuts a torn tail, and syncs what remains. */
export function* recoverLog(
  storage: Storage,
  options: LogRecoveryOptions,
): StorageTask<RecoveredLog> {
  const { arena } = options;
  const slabLength = WALK_CHUNK_LENGTH + CHUNK_SCRATCH_LENGTH;
  const chunk = arena.allocate(slabLength);
  try {
    const bases = yield* listSegments(storage);
    const found = yield* examineLog(storage, options, chunk, bases, true);
    return found.health.kind === 'corrupt'
      ? found
      : yield* cutAndSync(storage, options, found, bases);
  } finally {
    arena.release(chunk, slabLength);
  }
}

/** A log as it was found, before anything is cut. */
export interface ExaminedLog extends RecoveredLog {
  /** The segment of the end must be made zero, or given its length, behind the end. */
  readonly isCutNeeded: boolean;
}

/**
 * Finds the end of the valid log. Nothing is cut.
 *
 * @param isRewriting writes valid frames above the mark again, for recovery.
 */
export function* examineLog(
  storage: Storage,
  options: LogRecoveryOptions,
  chunk: number,
  bases: readonly Position[],
  isRewriting: boolean,
): StorageTask<ExaminedLog> {
  const { arena, geometry, entries, mark } = options;
  const { durablePosition } = mark;
  const from = options.verifyFrom === 'start' ? 0 : walkStart(durablePosition, geometry);
  const missing = firstMissing(bases, from, geometry);
  if (missing >= 0) {
    const reason = `${segmentFileName(missing)} is missing`;
    return corruptAt(missing, durablePosition, reason);
  }
  const rewriteFrom = isRewriting ? durablePosition : Number.MAX_SAFE_INTEGER;
  const walk = yield* walkLog(storage, { arena, chunk, geometry, entries, from, rewriteFrom });
  if (walk.end < durablePosition) {
    const path = segmentFileName(segmentBaseOf(walk.end, geometry.segmentLength));
    const reason = walk.isSegmentMissing ? `${path} is missing` : `no valid frame in ${path}`;
    return corruptAt(walk.end, durablePosition, reason);
  }
  const tail = yield* readTail(storage, arena, chunk, walk.end, geometry, bases);
  const isTorn = tail.to > walk.end;
  return {
    appendPosition: walk.end,
    health: isTorn ? { kind: 'torn', from: walk.end, to: tail.to } : { kind: 'sound' },
    warnings: isTorn
      ? [`torn tail from ${walk.end} to ${tail.to}, above the mark ${durablePosition}: cut`]
      : [],
    isCutNeeded: isTorn || tail.isShort,
  };
}

/** Start of the last term of the log buffer that begins below the mark: a frame starts there. */
function walkStart(durablePosition: Position, geometry: LogGeometry): Position {
  const last = Math.max(0, durablePosition - 1);
  return last - (last % geometry.termLength);
}

/** Base of the first segment below the walk that is missing, POSITION_NULL when all are there. */
function firstMissing(bases: readonly Position[], from: Position, geometry: LogGeometry): Position {
  const present = new Set(bases);
  const { segmentLength } = geometry;
  for (let base = 0; base < segmentBaseOf(from, segmentLength); base += segmentLength) {
    if (!present.has(base)) {
      return base;
    }
  }
  return POSITION_NULL;
}

function corruptAt(position: Position, durablePosition: Position, reason: string): ExaminedLog {
  return {
    appendPosition: position,
    health: { kind: 'corrupt', position, reason },
    warnings: [
      `the log is corrupt at position ${position}, below its durable mark ${durablePosition} ` +
        `(${reason}): nothing was cut; the member is non-voting until it has the range again`,
    ],
    isCutNeeded: false,
  };
}

function* cutAndSync(
  storage: Storage,
  options: LogRecoveryOptions,
  found: ExaminedLog,
  bases: readonly Position[],
): StorageTask<RecoveredLog> {
  const { geometry, mark } = options;
  const { appendPosition } = found;
  yield* removeSegmentsBehind(storage, appendPosition, geometry);
  if (found.isCutNeeded) {
    yield* zeroSegmentBehind(storage, appendPosition, geometry);
  }
  // What lies below the mark was synced before the mark was written. The rest, which the next mark
  // will claim, may be in the page cache alone.
  const firstBase = segmentBaseOf(mark.durablePosition, geometry.segmentLength);
  const lastBase = segmentBaseOf(appendPosition, geometry.segmentLength);
  for (const base of bases.filter((start) => start >= firstBase && start <= lastBase)) {
    const path = segmentFileName(base);
    const file = yield* openFile(storage, path, OpenMode.Write);
    yield* syncFile(storage, file, path);
    yield* closeFile(storage, file);
  }
  yield* syncNames(storage);
  return found;
}
