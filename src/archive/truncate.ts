// truncate.ts: gives up the end of the log that the cluster's leader does not have.
//
// Only between terms, only while nothing is recorded, never below a known commit position. The
// order:
//
//   1. the mark is lowered to the cut and synced, or a crash in step 2 would look like corruption;
//   2. segments behind the cut are removed from the last to the first, names synced;
//   3. the rest of the segment that holds the cut is set to zero and synced;
//   4. the recording log drops the terms whose base is at or beyond the cut, synced.
//
// A crash between the steps leaves a longer log of the old terms, which is truncated again.

import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import { hit, Mark } from '../marks.js';
import type { Storage } from '../ports/storage.js';
import { type LeadershipTermId, type Position, TERM_NULL } from '../position.js';
import { DurableMarkFile, readDurableMark } from './durable-mark.js';
import { removeSegmentsBehind, zeroSegmentBehind } from './log-cut.js';
import type { LogGeometry } from './log-geometry.js';
import { countTermsToKeep, type RecordingLog } from './recording-log.js';
import type { StorageTask } from './storage-task.js';

/** Queue of the truncations of the log. */
export const TRUNCATE_QUEUE = 'truncate';

/** What to cut, and what must hold. */
export interface TruncateOptions {
  /** New end of the log: where a frame ends. */
  readonly position: Position;
  readonly geometry: LogGeometry;
  readonly recordingLog: RecordingLog;
  /** Commit position that the member knows of the log it holds. */
  readonly knownCommitPosition: Position;
  /** A term to keep though its base is at the cut. */
  readonly keepTermId?: LeadershipTermId;
}

/** Truncates the log. Run it in TRUNCATE_QUEUE, while the recorder is stopped. */
export function* truncateLog(storage: Storage, options: TruncateOptions): StorageTask<void> {
  const { position, geometry, recordingLog } = options;
  const keepTermId = options.keepTermId ?? TERM_NULL;
  assert(position >= 0 && position % 32 === 0, 'a truncation ends where a frame ends');
  assert(
    position >= options.knownCommitPosition,
    'a truncation never goes below a known commit position',
  );
  const entries = recordingLog.entries();
  const keptCount = countTermsToKeep(entries, position, keepTermId);
  const lastKept = entries[keptCount - 1]?.leadershipTermId ?? TERM_NULL;
  yield* lowerMark(storage, position, lastKept);
  yield* removeSegmentsBehind(storage, position);
  yield* zeroSegmentBehind(storage, position, geometry);
  yield* recordingLog.truncate(position, keepTermId);
}

function* lowerMark(
  storage: Storage,
  position: Position,
  lastTermId: LeadershipTermId,
): StorageTask<void> {
  const reading = yield* readDurableMark(storage);
  if (reading.kind !== 'found') {
    throw new PawlError(
      ErrorCode.RecordCorrupt,
      `durable-mark.dat is ${reading.kind} while the member runs: something else changes this ` +
        'data directory; stop it, and start the member anew',
      'fatal',
    );
  }
  const { mark } = reading;
  assert(mark.commitPosition <= position, 'a truncation never undoes a commit');
  if (mark.durablePosition <= position && mark.leadershipTermId <= lastTermId) {
    return;
  }
  hit(Mark.TruncationLowersMark);
  const file = yield* DurableMarkFile.open(storage, mark, reading.sequence);
  yield* file.rewrite({
    durablePosition: Math.min(mark.durablePosition, position),
    commitPosition: Math.min(mark.commitPosition, position),
    leadershipTermId: Math.min(mark.leadershipTermId, lastTermId),
  });
  yield* file.close();
}
