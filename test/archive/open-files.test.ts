// A member that found no space goes on, and tries again: it may not keep a file open each time.

import test from 'tape';
import { SegmentWriter } from '../../src/archive/segment-writer.js';
import { writeRecordingBytes } from '../../src/archive/snapshot-install.js';
import type { SnapshotEntry } from '../../src/archive/snapshot-recording.js';
import { completeTask, StorageTasks } from '../../src/archive/storage-task.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { StorageResult } from '../../src/ports/storage.js';
import { MemoryStorage, type OperationKind } from '../support/memory-storage.js';
import { GEOMETRY } from './archive-world.js';

const ENTRY: SnapshotEntry = {
  recordingId: 4,
  logPosition: 960,
  leadershipTermId: 0,
  termBaseLogPosition: 0,
  timestampMs: 0,
  length: 256,
  hash: 0,
  formatVersion: 2,
  appVersion: 0,
};

/** The storage's operations of one kind find no space while this answers true. */
function withoutSpace(kind: OperationKind, isFull: () => boolean): MemoryStorage {
  const storage = new MemoryStorage();
  storage.failure = (each) => (each === kind && isFull() ? StorageResult.NoSpace : 0);
  return storage;
}

test('a piece of a snapshot that finds no space leaves no file open, and is written later', (t) => {
  for (const kind of ['setLength', 'write'] as const) {
    let isFull = true;
    const storage = withoutSpace(kind, () => isFull);
    const tasks = new StorageTasks(storage);
    const write = () =>
      completeTask(tasks, writeRecordingBytes(storage, GEOMETRY, ENTRY, 0, new Uint8Array(256)));
    try {
      write();
      t.fail('the disk is full');
    } catch (error) {
      t.equal((error as PawlError).code, ErrorCode.StorageFull, `no space to ${kind}`);
    }
    t.equal(storage.openCount, 0, 'nothing is open');
    isFull = false;
    write();
    t.equal(storage.openCount, 0, 'nothing is open after it either');
    t.equal(storage.disk.durableFile('4-0.rec').length, ENTRY.length, 'now it is on the disk');
  }
  t.end();
});

test('a segment that finds no space leaves no file open, however often it is tried', (t) => {
  let isFull = true;
  const storage = withoutSpace('setLength', () => isFull);
  const tasks = new StorageTasks(storage);
  const errors: PawlError[] = [];
  const segments = new SegmentWriter(tasks, GEOMETRY, false, (error) => errors.push(error));
  for (let attempt = 1; attempt <= 3; attempt++) {
    segments.prepare(0);
    tasks.poll();
    t.equal(errors.length, attempt, `attempt ${attempt} finds no space`);
    t.equal(storage.openCount, 0, 'nothing is open');
  }
  t.ok(
    errors.every((error) => error instanceof PawlError && error.code === ErrorCode.StorageFull),
    'and says so',
  );
  isFull = false;
  segments.prepare(0);
  tasks.poll();
  t.equal(segments.files.length, 1);
  t.equal(storage.openCount, 1, 'the one that is there is open');
  t.end();
});
