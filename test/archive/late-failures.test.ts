// What fails after the start: at the end of a recording, in a scrub, in a snapshot that is read.

import test from 'tape';
import { deleteSnapshot, purgeArchive } from '../../src/archive/archive-purge.js';
import { DamageList } from '../../src/archive/damage-list.js';
import { openDirectory } from '../../src/archive/member-directory.js';
import { Scrubber } from '../../src/archive/scrubber.js';
import { SnapshotManifest } from '../../src/archive/snapshot-manifest.js';
import { SnapshotReader } from '../../src/archive/snapshot-reader.js';
import { recordingFileName, type SnapshotEntry } from '../../src/archive/snapshot-recording.js';
import { completeTask, StorageTasks } from '../../src/archive/storage-task.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { StorageResult } from '../../src/ports/storage.js';
import { type MemoryDisk, MemoryStorage } from '../support/memory-storage.js';
import { bornDisk, GEOMETRY, IDENTITY, makeArena, recover, runOn } from './archive-world.js';
import { MS, RecorderWorld } from './recorder-world.js';

/** A snapshot that a record may name, and no file holds. */
const MISSING: SnapshotEntry = {
  recordingId: 3,
  logPosition: 0,
  leadershipTermId: 0,
  termBaseLogPosition: 0,
  timestampMs: 0,
  length: 256,
  hash: 1,
  formatVersion: 2,
  appVersion: 0,
};

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'nothing was thrown';
  } catch (error) {
    return error instanceof PawlError ? `${error.code}: ${error.message}` : String(error);
  }
}

test('a recording whose end cannot be noted poisons the recorder', (t) => {
  for (const [path, kind] of [
    ['durable-mark.dat', 'sync'],
    ['durable-mark.dat', 'close'],
    ['0-0.rec', 'close'],
  ] as const) {
    const world = new RecorderWorld('fsync').lead(0).turn();
    world.append(100);
    world.offer().turn();
    world.storage.failure = (each, name) =>
      each === kind && name === path ? StorageResult.InputOutput : StorageResult.Ok;
    world.stop().turn(3, MS);
    t.ok(world.proxy.isPoisoned(), `${kind} of ${path}`);
    t.ok(world.proxy.isClosing(), 'it never comes to rest');
  }
  t.end();
});

test('a scrub that the system denies ends the member, and gives its memory back', (t) => {
  const arena = makeArena();
  const before = arena.allocatedLength;
  const { disk } = bornDisk();
  const { recordingLog } = recover(disk, arena);
  const storage = new MemoryStorage(disk);
  storage.failure = (kind) => (kind === 'open' ? StorageResult.Denied : StorageResult.Ok);
  const tasks = new StorageTasks(storage);
  const errors: PawlError[] = [];
  const scrubber = new Scrubber({
    tasks,
    arena,
    geometry: GEOMETRY,
    recordingLog,
    damage: new DamageList(),
    cycleNs: 0,
    bytesPerSecond: 1024 * 1024,
    onFound: () => t.fail('what was not read is not damaged'),
    onFatal: (error) => errors.push(error),
  });
  scrubber.doWork(0, 4096);
  scrubber.close();
  tasks.poll();
  t.equal(errors.length, 1);
  t.equal(errors[0]?.code, ErrorCode.StorageFailed);
  t.match(String(errors[0]?.message), /could not open 0-0.rec: the system denied it/);
  t.equal(arena.allocatedLength, before);
  t.end();
});

test('a snapshot that cannot be opened says so, and is not read on', (t) => {
  const arena = makeArena();
  const before = arena.allocatedLength;
  const storage = new MemoryStorage();
  storage.failure = (kind) => (kind === 'open' ? StorageResult.Denied : StorageResult.Ok);
  const tasks = new StorageTasks(storage);
  const reader = new SnapshotReader(tasks, arena, GEOMETRY, MISSING);
  const take = () => t.fail('nothing is delivered');
  t.equal(reader.poll(take), 1, 'a read begins');
  t.equal(reader.poll(take), 0, 'and is waited for');
  tasks.poll();
  t.match(String(reader.failure), /could not open 3-0.rec: the system denied it/);
  t.equal(reader.poll(take), 0, 'it is not tried again');
  t.notOk(reader.isDone);
  reader.close();
  t.equal(arena.allocatedLength, before, 'its memory is given back');
  t.end();
});

test('a snapshot that is given up while it is read keeps its memory until the read ends', (t) => {
  const arena = makeArena();
  const before = arena.allocatedLength;
  const storage = new MemoryStorage();
  storage.disk.put(recordingFileName(MISSING.recordingId, 0), new Uint8Array(MISSING.length));
  storage.hold = (kind) => kind === 'read';
  const tasks = new StorageTasks(storage);
  const reader = new SnapshotReader(tasks, arena, GEOMETRY, MISSING);
  reader.poll(() => t.fail('nothing is delivered'));
  tasks.poll();
  reader.close();
  t.ok(arena.allocatedLength > before, 'the disk still writes to it');
  storage.hold = () => false;
  storage.releaseHeld();
  tasks.poll();
  t.equal(arena.allocatedLength, before);
  t.match(String(reader.failure), /3-0.rec has no valid frame/);
  t.end();
});

/** A directory whose log was purged up to a position, with a snapshot whose file is not there. */
function purgedDisk(logStartPosition: number): MemoryDisk {
  const { disk } = bornDisk();
  const snapshots = [{ ...MISSING, logPosition: logStartPosition }];
  runOn(disk, function* (storage) {
    const empty = { logStartPosition: 0, snapshots: [] };
    const manifest = yield* SnapshotManifest.open(storage, empty);
    yield* manifest.write({ logStartPosition, snapshots });
    yield* manifest.close();
  });
  return disk;
}

test('a member whose purged log is in no snapshot that can be used does not start', (t) => {
  const arena = makeArena();
  const storage = new MemoryStorage(purgedDisk(960));
  const open = openDirectory(storage, { ...IDENTITY, arena, snapshotVersionsMax: [0] });
  const told = codeOf(() => completeTask(new StorageTasks(storage), open));
  t.match(told, /^SNAPSHOT_INVALID: the log begins at position 960, and no snapshot can be used/);
  t.match(told, /recording 3.*3-0.rec is missing.*join anew from an empty directory/);
  t.end();
});

test('an archive whose record of snapshots is damaged is not purged', (t) => {
  const arena = makeArena();
  const disk = purgedDisk(960);
  disk.damage('snapshots.dat').fill(7);
  const files = disk.contents();
  const purge = (storage: MemoryStorage) =>
    purgeArchive(storage, arena, { keptCount: 1, isDryRun: false });
  t.match(
    codeOf(() => runOn(disk, purge)),
    /^RECORD_CORRUPT: snapshots.dat is damaged: what may be given up is not known/,
  );
  t.deepEqual(disk.contents(), files, 'nothing has changed');
  t.end();
});

test('what a purge would keep and cannot read, or must keep, keeps everything', (t) => {
  const arena = makeArena();
  const disk = purgedDisk(960);
  const files = disk.contents();
  const purge = (storage: MemoryStorage) =>
    purgeArchive(storage, arena, { keptCount: 1, isDryRun: false });
  t.match(
    codeOf(() => runOn(disk, purge)),
    /^SNAPSHOT_INVALID: .*recording 3\) would be kept and cannot be used: 3-0.rec is missing/,
  );
  const remove = (recordingId: number) => (storage: MemoryStorage) =>
    deleteSnapshot(storage, arena, recordingId);
  t.match(
    codeOf(() => runOn(disk, remove(9))),
    /^ARGUMENT_OUT_OF_RANGE: recording 9 is no snapshot of this archive: it has 3/,
  );
  t.match(
    codeOf(() => runOn(disk, remove(3))),
    /^LIMIT_EXCEEDED: the log begins at 960, and no other snapshot that is whole holds/,
  );
  t.match(
    codeOf(() => runOn(bornDisk().disk, remove(1))),
    /^ARGUMENT_OUT_OF_RANGE: recording 1 is no snapshot of this archive: it has none/,
  );
  t.deepEqual(disk.contents(), files, 'nothing has changed');
  t.end();
});
