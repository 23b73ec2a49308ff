// damaged-log.ts: member directories with small logs, for tests that damage and cut them.

import { DurableMarkFile, readDurableMark } from '../../src/archive/durable-mark.js';
import { RecordingLog } from '../../src/archive/recording-log.js';
import { EMPTY_INDEX, SnapshotManifest } from '../../src/archive/snapshot-manifest.js';
import type { StorageTask } from '../../src/archive/storage-task.js';
import type { Arena } from '../../src/memory/arena.js';
import type { MemoryDisk, MemoryStorage } from '../support/memory-storage.js';
import { bornDisk, LogImage, runOn } from './archive-world.js';

export function setTerms(disk: MemoryDisk, terms: readonly (readonly [number, number])[]): void {
  runOn(disk, function* (storage): StorageTask<void> {
    const log = yield* RecordingLog.open(storage, []);
    for (const [term, base] of terms) {
      yield* log.append(term, base, 0);
    }
  });
}

export function setMark(
  disk: MemoryDisk,
  durablePosition: number,
  leadershipTermId = 0,
  commit = 0,
): void {
  runOn(disk, function* (storage: MemoryStorage): StorageTask<void> {
    const reading = yield* readDurableMark(storage);
    if (reading.kind === 'found') {
      const file = yield* DurableMarkFile.open(storage, reading.mark, reading.sequence);
      yield* file.rewrite({ durablePosition, commitPosition: commit, leadershipTermId });
    }
  });
}

/** Makes the record of snapshots, as the first start does. */
export function setNoSnapshots(disk: MemoryDisk): void {
  runOn(disk, function* (storage): StorageTask<void> {
    const manifest = yield* SnapshotManifest.open(storage, EMPTY_INDEX);
    yield* manifest.close();
  });
}

/** A directory with one leadership term and a log, and no snapshot. */
export function directoryWith(
  arena: Arena,
  build: (image: LogImage) => void,
  mark: (image: LogImage) => number,
): { disk: MemoryDisk; image: LogImage } {
  const { disk } = bornDisk();
  const image = new LogImage(arena);
  build(image);
  setTerms(disk, [[0, 0]]);
  image.writeTo(disk);
  setMark(disk, mark(image));
  setNoSnapshots(disk);
  image.close();
  return { disk, image };
}

export function endBefore(image: LogImage, position: number): number {
  return Math.max(0, ...image.ends.filter((end) => end <= position));
}
