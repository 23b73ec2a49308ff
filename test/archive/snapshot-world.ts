// snapshot-world.ts: member directories with snapshots and the log behind them.

import { segmentBaseOf } from '../../src/archive/log-geometry.js';
import { openDirectory, type RecoveredDirectory } from '../../src/archive/member-directory.js';
import { recordChecksum } from '../../src/archive/record-checksum.js';
import {
  EMPTY_INDEX,
  type SnapshotIndex,
  SnapshotManifest,
} from '../../src/archive/snapshot-manifest.js';
import {
  recordingFileName,
  SNAPSHOT_FORMAT_ONE_SERVICE,
  type SnapshotEntry,
} from '../../src/archive/snapshot-recording.js';
import type { StorageTask } from '../../src/archive/storage-task.js';
import type { Arena } from '../../src/memory/arena.js';
import { SnapshotTermEncoder } from '../../src/protocol/codecs/snapshot-term.js';
import { MESSAGE_HEADER_LENGTH } from '../../src/protocol/message-header.js';
import type { MemoryDisk, MemoryStorage } from '../support/memory-storage.js';
import { GEOMETRY, IDENTITY, LogImage, runOn } from './archive-world.js';

export const APP_VERSION = 4;

/** A leadership term: id and base. */
export type Term = readonly [number, number];

/** Writes the recording of a snapshot whose log has these terms; nothing names it yet. */
export function putRecording(
  disk: MemoryDisk,
  arena: Arena,
  recordingId: number,
  logPosition: number,
  terms: readonly Term[],
): SnapshotEntry {
  const [leadershipTermId, termBaseLogPosition] = terms.at(-1) as Term;
  const image = new LogImage(arena);
  image.leadershipTermId = leadershipTermId;
  image.data(100, recordingId);
  for (const [id, base] of terms) {
    image.message(termMessage(id, base));
  }
  image.until(3_000, 200);
  const bytes = image.bytes.slice(0, image.position);
  image.close();
  disk.put(recordingFileName(recordingId, 0), bytes);
  return {
    recordingId,
    logPosition,
    leadershipTermId,
    termBaseLogPosition,
    timestampMs: 0,
    length: bytes.length,
    hash: recordChecksum(bytes, 0, bytes.length),
    formatVersion: SNAPSHOT_FORMAT_ONE_SERVICE,
    appVersion: APP_VERSION,
  };
}

function termMessage(leadershipTermId: number, base: number): Uint8Array {
  const bytes = new Uint8Array(64);
  const length = new SnapshotTermEncoder()
    .wrapAndApplyHeader(new DataView(bytes.buffer), 0)
    .leadershipTermId(leadershipTermId)
    .termBaseLogPosition(base)
    .encodedLength();
  return bytes.subarray(0, MESSAGE_HEADER_LENGTH + length);
}

/** Has snapshots.dat say this. */
export function setIndex(disk: MemoryDisk, index: SnapshotIndex): void {
  runOn(disk, function* (storage): StorageTask<void> {
    const manifest = yield* SnapshotManifest.open(storage, EMPTY_INDEX);
    yield* manifest.write(index);
    yield* manifest.close();
  });
}

/** Writes the segments of a log that begins at a position. */
export function putLogFrom(disk: MemoryDisk, image: LogImage, from: number): void {
  const { segmentLength } = GEOMETRY;
  image.writeTo(disk);
  for (let base = 0; base < segmentBaseOf(from, segmentLength); base += segmentLength) {
    disk.delete(`0-${base}.rec`);
  }
}

/** Opens a directory, as a process of its own, whose service reads these snapshots. */
export function start(disk: MemoryDisk, arena: Arena): RecoveredDirectory {
  return runOn(disk, startTask(arena));
}

export function startTask(
  arena: Arena,
): (storage: MemoryStorage) => StorageTask<RecoveredDirectory> {
  const options = { ...IDENTITY, arena, snapshotVersionsMax: [APP_VERSION] };
  return (storage) => openDirectory(storage, options);
}
