// log-purge.ts: gives up the beginning of the log, which snapshots hold.
//
// The record says first where the log begins, durably; then the segments before it are removed. A
// crash between the two leaves segments that nobody looks at, and the next start removes them.

import type { Storage } from '../ports/storage.js';
import type { Position } from '../position.js';
import { readDurableMark } from './durable-mark.js';
import { listSegments } from './log-cut.js';
import { type LogGeometry, segmentBaseOf, segmentFileName } from './log-geometry.js';
import type { SnapshotManifest } from './snapshot-manifest.js';
import { checkCompletion, type StorageTask, syncNames } from './storage-task.js';

/**
 * Where the log could begin: at the segment that holds the oldest of the kept snapshots' positions.
 *
 * @param floor what somebody still reads.
 */
export function purgePosition(
  manifest: Pick<SnapshotManifest, 'index'>,
  keptCount: number,
  floor: Position,
  geometry: LogGeometry,
): Position {
  const { logStartPosition, snapshots } = manifest.index;
  const oldest = snapshots.at(-keptCount);
  if (oldest === undefined) {
    return logStartPosition;
  }
  const needed = Math.min(oldest.logPosition, floor);
  return Math.max(logStartPosition, segmentBaseOf(needed, geometry.segmentLength));
}

/**
 * Purges the log before a position. Run it in SNAPSHOT_MANIFEST_QUEUE.
 *
 * @returns segments removed.
 */
export function* purgeLog(
  storage: Storage,
  manifest: SnapshotManifest,
  position: Position,
  geometry: LogGeometry,
): StorageTask<number> {
  const reading = yield* readDurableMark(storage);
  if (reading.kind !== 'found') {
    return 0;
  }
  // The mark is where recovery begins, and follows the log: it must lie in what is left.
  const marked = segmentBaseOf(reading.mark.durablePosition, geometry.segmentLength);
  const start = Math.min(position, marked);
  if (start > manifest.index.logStartPosition) {
    yield* manifest.write({ ...manifest.index, logStartPosition: start });
  }
  return yield* removeSegmentsBefore(storage, start, geometry);
}

/** Removes the segments that lie wholly before a position, from the first on. */
export function* removeSegmentsBefore(
  storage: Storage,
  position: Position,
  geometry: LogGeometry,
): StorageTask<number> {
  const bases = yield* listSegmentsBefore(storage, position, geometry);
  for (const base of bases) {
    const path = segmentFileName(base);
    checkCompletion(yield storage.remove(path), `remove ${path}`);
  }
  if (bases.length > 0) {
    yield* syncNames(storage);
  }
  return bases.length;
}

/** Bases of the segments that lie wholly before a position, ascending. */
export function* listSegmentsBefore(
  storage: Storage,
  position: Position,
  { segmentLength }: LogGeometry,
): StorageTask<readonly Position[]> {
  return (yield* listSegments(storage)).filter((base) => base + segmentLength <= position);
}
