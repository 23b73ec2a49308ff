// storage-queue.test.ts: tasks of one queue, and what each knows of those before it.

import test from 'tape';
import { SNAPSHOT_CHUNK_LENGTH, type SnapshotEntry } from '../../src/archive/snapshot-recording.js';
import { SNAPSHOT_SYNC_LENGTH, SnapshotWriter } from '../../src/archive/snapshot-writer.js';
import { checkCompletion, type StorageTask, StorageTasks } from '../../src/archive/storage-task.js';
import { StorageResult } from '../../src/ports/storage.js';
import { MemoryDisk, MemoryStorage } from '../support/memory-storage.js';
import { GEOMETRY, makeArena } from './archive-world.js';

const arena = makeArena();
const MESSAGE_LENGTH = 1_000;
/** More than two chunks of a snapshot. */
const MESSAGE_COUNT = 150;
/** What can find a disk full. A sync that fails is fatal, whatever it fails of. */
const ROOM_KINDS: readonly string[] = ['open', 'setLength', 'write'];

test('a task of a queue starts when the outcome of the one before was told', (t) => {
  for (const failing of [-1, 0, 1, 2]) {
    const storage = new MemoryStorage(new MemoryDisk());
    const tasks = new StorageTasks(storage);
    const told: string[] = [];
    function* list(id: number): StorageTask<number> {
      told.push(`start ${id}`);
      const listed = yield storage.list('');
      checkCompletion(
        id === failing ? { ...listed, result: StorageResult.NoSpace } : listed,
        'list',
      );
      return id;
    }
    for (const id of [0, 1, 2]) {
      tasks.run(
        list(id),
        (value) => told.push(`done ${value}`),
        (error) => told.push(`failed ${id} ${error.code}`),
        'queue',
      );
    }
    while (tasks.poll() > 0) {
      // Each poll takes the tasks on.
    }
    const expected = [0, 1, 2].flatMap((id) => [
      `start ${id}`,
      id === failing ? `failed ${id} STORAGE_FULL` : `done ${id}`,
    ]);
    t.deepEqual(told, expected, failing < 0 ? 'all succeed' : `task ${failing} fails`);
    t.equal(tasks.pendingCount, 0, 'nothing is left');
  }
  t.end();
});

test('what a task of a queue runs when it ends comes after those that wait', (t) => {
  const storage = new MemoryStorage(new MemoryDisk());
  const tasks = new StorageTasks(storage);
  const done: string[] = [];
  function* list(): StorageTask<void> {
    yield storage.list('');
  }
  const run = (name: string, onDone: () => void): void => {
    const fail = (error: Error): void => t.fail(error.message);
    tasks.run(
      list(),
      () => {
        done.push(name);
        onDone();
      },
      fail,
      'queue',
    );
  };
  run('first', () => run('third', () => undefined));
  run('second', () => undefined);
  while (tasks.poll() > 0) {
    // Each poll takes the tasks on.
  }
  t.deepEqual(done, ['first', 'second', 'third']);
  t.equal(tasks.pendingCount, 0, 'nothing is left');
  t.end();
});

/** Writes a snapshot on a disk whose operation of a number finds no room. */
function writeSnapshot(failing: number): {
  written: Pick<SnapshotEntry, 'length' | 'hash'> | undefined;
  writer: SnapshotWriter;
  label: string;
  operations: number;
  open: number;
} {
  const storage = new MemoryStorage(new MemoryDisk());
  const tasks = new StorageTasks(storage);
  const writer = new SnapshotWriter({
    tasks,
    arena,
    geometry: GEOMETRY,
    recordingId: 1,
    leadershipTermId: 0,
  });
  let count = 0;
  let open = 0;
  let label = 'nothing fails';
  storage.failure = (kind, path) => {
    const isFailing = count === failing && ROOM_KINDS.includes(kind);
    label = isFailing ? `${kind} ${path} fails (operation ${count})` : label;
    count++;
    open += isFailing ? 0 : Number(kind === 'open') - Number(kind === 'close');
    return isFailing ? StorageResult.NoSpace : StorageResult.Ok;
  };
  const message = new Uint8Array(MESSAGE_LENGTH).fill(7);
  for (let index = 0; index < MESSAGE_COUNT; index++) {
    writer.append(message, message.length);
  }
  let written: Pick<SnapshotEntry, 'length' | 'hash'> | undefined;
  writer.finish((result) => {
    written = result;
  });
  while (tasks.poll() > 0) {
    // Each poll takes the tasks on.
  }
  return { written, writer, label, operations: count, open };
}

test('a snapshot of which any operation finds no room is never complete', (t) => {
  const whole = writeSnapshot(-1);
  t.ok((whole.written?.length ?? 0) > MESSAGE_COUNT * MESSAGE_LENGTH, 'without a failure it is');
  let failedCount = 0;
  for (let failing = 0; failing < whole.operations; failing++) {
    const { written, writer, label, open } = writeSnapshot(failing);
    if (label === 'nothing fails') {
      continue;
    }
    failedCount++;
    t.equal(written, undefined, label);
    t.equal(writer.failure?.code, 'STORAGE_FULL', 'and the reason is kept');
    t.equal(open, 0, 'no file stays open');
  }
  t.ok(failedCount > 5, `${failedCount} operations failed`);
  t.end();
});

test('a snapshot is synced a piece at a time, so that a sync of the log waits for no more', (t) => {
  const storage = new MemoryStorage(new MemoryDisk());
  const tasks = new StorageTasks(storage);
  const writer = new SnapshotWriter({
    tasks,
    arena,
    geometry: { termLength: SNAPSHOT_SYNC_LENGTH, segmentLength: 8 * SNAPSHOT_SYNC_LENGTH },
    recordingId: 1,
    leadershipTermId: 0,
  });
  let unsynced = 0;
  let most = 0;
  storage.failure = (kind) => {
    unsynced = kind.startsWith('sync')
      ? 0
      : unsynced + (kind === 'write' ? SNAPSHOT_CHUNK_LENGTH : 0);
    most = Math.max(most, unsynced);
    return StorageResult.Ok;
  };
  const message = new Uint8Array(MESSAGE_LENGTH).fill(7);
  for (let index = 0; index < (5 * SNAPSHOT_SYNC_LENGTH) / MESSAGE_LENGTH; index++) {
    writer.append(message, message.length);
    while (writer.pendingLength > 0 && tasks.poll() > 0) {
      // What is handed over is written.
    }
  }
  t.equal(most, SNAPSHOT_SYNC_LENGTH, `${most} bytes at most were not synced`);
  writer.finish(() => undefined);
  while (tasks.poll() > 0) {
    // Each poll takes the tasks on.
  }
  t.equal(unsynced, 0, 'at the end all is synced');
  t.end();
});
