// log-recovery.ts: finds the end of the recorded log after a crash, and what is damaged before it.
//
// A bad frame at or above the durable mark is a torn tail: it is cut, wherever valid frames follow
// it. A bad frame below the mark is damage: the log keeps its end and every frame that is whole,
// and the damaged ranges are repaired in place from other members (B41). Segments that a crash left
// behind the end hold nothing that counts.

import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import { OpenMode, type Storage } from '../ports/storage.js';
import type { Position } from '../position.js';
import type { DamagedRange } from './damage-list.js';
import { isDamageNoted, noteDamage, removeDamageNote, rewriteSegments } from './damage-note.js';
import { DamageScan } from './damage-scan.js';
import type { DurableMark } from './durable-mark.js';
import {
  listSegments,
  makeZeroSegment,
  readTail,
  removeSegmentsBehind,
  zeroSegmentBehind,
} from './log-cut.js';
import { type LogGeometry, segmentBaseOf, segmentFileName } from './log-geometry.js';
import { CHUNK_SCRATCH_LENGTH, WALK_CHUNK_LENGTH, walkLog } from './log-walk.js';
import type { TermEntry } from './recording-log.js';
import { closeFile, openFile, type StorageTask, syncFile, syncNames } from './storage-task.js';

/** How the log was found. */
export type LogHealth =
  | { readonly kind: 'sound' }
  /** Bytes in [from, to) were no frames of the log and were cut. */
  | { readonly kind: 'torn'; readonly from: Position; readonly to: Position }
  /** Below the mark, some ranges are no frames of the log. Nothing of it was cut. */
  | {
      readonly kind: 'corrupt';
      /** Where the first of them begins. */
      readonly position: Position;
      readonly reason: string;
      readonly ranges: readonly DamagedRange[];
      /**
       * False when the damage reaches the mark and nothing valid follows: the log may have been
       * longer than what is left tells.
       */
      readonly isEndKnown: boolean;
    };

export interface LogRecoveryOptions {
  readonly arena: Arena;
  readonly geometry: LogGeometry;
  readonly entries: readonly TermEntry[];
  readonly mark: DurableMark;
  /** The last term below the mark, the whole log, or from a position where a frame starts. */
  readonly verifyFrom: 'mark' | 'start' | Position;
  /** Where the log begins: what was before it has been purged. Default 0. */
  readonly logStartPosition?: Position;
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
    const isNoted = yield* isDamageNoted(storage);
    const examined = isNoted ? ({ ...options, verifyFrom: 'start' } as const) : options;
    const found = yield* examineLog(storage, examined, chunk, bases, true);
    const isCorrupt = found.health.kind === 'corrupt';
    if (isCorrupt && !isNoted) {
      yield* noteDamage(storage);
    }
    if (isNoted) {
      hit(Mark.RecoveryRewritesNotedLog);
      yield* rewriteSegments(storage, bases, options.geometry, arena, chunk);
    }
    const recovered = yield* cutAndSync(storage, options, found, bases);
    if (isNoted && !isCorrupt) {
      yield* removeDamageNote(storage);
    }
    return recovered;
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
 * Finds the end of the log and the damage below its mark. Nothing is cut.
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
  const ranges = yield* examineBelowMark(storage, options, chunk, bases);
  const rewriteFrom = isRewriting ? durablePosition : Number.MAX_SAFE_INTEGER;
  const from = durablePosition;
  const walk = yield* walkLog(storage, { arena, chunk, geometry, entries, from, rewriteFrom });
  const tail = yield* readTail(storage, arena, chunk, walk.end, geometry, bases);
  const isTorn = tail.to > walk.end;
  const warnings = isTorn
    ? [`torn tail from ${walk.end} to ${tail.to}, above the mark ${durablePosition}: cut`]
    : [];
  const isCutNeeded = isTorn || tail.isShort;
  const appendPosition = walk.end;
  if (isTorn) {
    hit(Mark.RecoveryTornTail);
  }
  if (ranges.length > 0) {
    hit(Mark.RecoveryDamagedBelowMark);
    const isEndKnown = walk.end > durablePosition || ranges.at(-1)?.to !== durablePosition;
    const health = corruption(ranges, isEndKnown, bases, geometry);
    warnings.push(damageText(ranges, durablePosition, health.reason));
    return { appendPosition, health, warnings, isCutNeeded };
  }
  const health: LogHealth = isTorn
    ? { kind: 'torn', from: walk.end, to: tail.to }
    : { kind: 'sound' };
  return { appendPosition, health, warnings, isCutNeeded };
}

/** Every damaged range below the mark, as far down as is to be verified. */
function* examineBelowMark(
  storage: Storage,
  options: LogRecoveryOptions,
  chunk: number,
  bases: readonly Position[],
): StorageTask<DamagedRange[]> {
  const { arena, entries, geometry, mark } = options;
  const { segmentLength } = geometry;
  const from = Math.min(mark.durablePosition, walkFrom(options, mark.durablePosition));
  const present = new Set(bases);
  const ranges: DamagedRange[] = [];
  const firstBase = segmentBaseOf(options.logStartPosition ?? 0, segmentLength);
  for (let base = firstBase; base < segmentBaseOf(from, segmentLength); base += segmentLength) {
    if (!present.has(base)) {
      hit(Mark.RecoverySegmentMissing);
      ranges.push({ from: base, to: base + segmentLength });
    }
  }
  const scan = new DamageScan(
    { arena, chunk, chunkLength: WALK_CHUNK_LENGTH, geometry, entries: () => entries },
    from,
    mark.durablePosition,
  );
  while (!scan.isDone) {
    yield* scan.step(storage);
  }
  ranges.push(...scan.found);
  if (ranges.length > 0 && options.verifyFrom !== 'start') {
    // What is damaged may begin before the part that was looked at, and all that is not said to be
    // damaged counts as this member's own.
    const wholly = { ...options, verifyFrom: 'start' } as const;
    return yield* examineBelowMark(storage, wholly, chunk, bases);
  }
  return ranges;
}

function walkFrom(options: LogRecoveryOptions, durablePosition: Position): Position {
  const { geometry, logStartPosition = 0, verifyFrom } = options;
  if (verifyFrom === 'start') {
    return logStartPosition;
  }
  const from = verifyFrom === 'mark' ? walkStart(durablePosition, geometry) : verifyFrom;
  return Math.max(logStartPosition, from);
}

/** Start of the last term of the log buffer that begins below the mark: a frame starts there. */
function walkStart(durablePosition: Position, geometry: LogGeometry): Position {
  const last = Math.max(0, durablePosition - 1);
  return last - (last % geometry.termLength);
}

function corruption(
  ranges: readonly DamagedRange[],
  isEndKnown: boolean,
  bases: readonly Position[],
  geometry: LogGeometry,
): LogHealth & { kind: 'corrupt' } {
  const position = ranges[0]?.from ?? 0;
  const base = segmentBaseOf(position, geometry.segmentLength);
  const path = segmentFileName(base);
  const reason = bases.includes(base) ? `no valid frame in ${path}` : `${path} is missing`;
  return { kind: 'corrupt', position, reason, ranges, isEndKnown };
}

function damageText(
  ranges: readonly DamagedRange[],
  durablePosition: Position,
  reason: string,
): string {
  const bytes = ranges.reduce((sum, range) => sum + range.to - range.from, 0);
  const first = ranges[0]?.from ?? 0;
  return (
    `the log is corrupt at position ${first}, below its durable mark ${durablePosition} ` +
    `(${reason}): ${bytes} bytes in ${ranges.length} ranges. Nothing of it was cut; the member ` +
    'does not vote until it has them again from the others'
  );
}

function* cutAndSync(
  storage: Storage,
  options: LogRecoveryOptions,
  found: ExaminedLog,
  bases: readonly Position[],
): StorageTask<RecoveredLog> {
  const { geometry, mark } = options;
  const { appendPosition } = found;
  const startBase = segmentBaseOf(options.logStartPosition ?? 0, geometry.segmentLength);
  for (let base = startBase; base < appendPosition; base += geometry.segmentLength) {
    if (!bases.includes(base)) {
      // Its range is damaged as a whole: what is repaired is written into it.
      yield* makeZeroSegment(storage, base, geometry);
    }
  }
  yield* removeSegmentsBehind(storage, appendPosition);
  if (found.isCutNeeded) {
    yield* zeroSegmentBehind(storage, appendPosition, geometry);
  }
  // What lies below the mark was synced before the mark was written. The rest, which the next mark
  // will claim, may be in the page cache alone.
  const firstBase = segmentBaseOf(mark.durablePosition, geometry.segmentLength);
  for (const base of bases.filter((start) => start >= firstBase && start < appendPosition)) {
    const path = segmentFileName(base);
    const file = yield* openFile(storage, path, OpenMode.Write);
    yield* syncFile(storage, file, path);
    yield* closeFile(storage, file);
  }
  yield* syncNames(storage);
  return found;
}
