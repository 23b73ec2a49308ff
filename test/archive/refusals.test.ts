// What the archive refuses, and what it says then: each message names what was found.

import test from 'tape';
import { DIRECTORY_VERSION, readBirth } from '../../src/archive/birth.js';
import { describeDirectory } from '../../src/archive/describe.js';
import { checkGeometry } from '../../src/archive/log-geometry.js';
import { openDirectory } from '../../src/archive/member-directory.js';
import {
  initialNodeState,
  KNOWN_INCARNATION_COUNT_MAX,
  NodeStateFile,
  readNodeState,
} from '../../src/archive/node-state-file.js';
import { recordChecksum } from '../../src/archive/record-checksum.js';
import {
  RECORDING_LOG_ENTRY_COUNT_MAX,
  RecordingLog,
  type TermEntry,
} from '../../src/archive/recording-log.js';
import { LogReader } from '../../src/archive/segment-reader.js';
import {
  completeTask,
  openFile,
  type StorageTask,
  StorageTasks,
} from '../../src/archive/storage-task.js';
import { truncateLog } from '../../src/archive/truncate.js';
import { PawlError } from '../../src/errors.js';
import { OpenMode, StorageResult } from '../../src/ports/storage.js';
import { POSITION_NULL, TERM_NULL } from '../../src/position.js';
import { MemoryDisk, MemoryStorage } from '../support/memory-storage.js';
import {
  bootstrap,
  bornDisk,
  EGRESS_TERM_LENGTH,
  GEOMETRY,
  IDENTITY,
  makeArena,
  recover,
  runOn,
  TERM_LENGTH,
} from './archive-world.js';
import { directoryWith } from './damaged-log.js';
import { MS, RecorderWorld } from './recorder-world.js';

const arena = makeArena();

/** Code, category and message of what a function throws. */
function thrown(run: () => unknown): string {
  try {
    run();
    return 'nothing';
  } catch (error) {
    return error instanceof PawlError
      ? `${error.code} ${error.category} ${error.message}`
      : String(error);
  }
}

test('a directory of another version, or whose log is there without its birth, is foreign', (t) => {
  const { disk } = bornDisk();
  const newer = disk.clone();
  const bytes = newer.damage('birth.dat');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setUint32(4, DIRECTORY_VERSION + 1, true);
  view.setUint32(44, recordChecksum(bytes, 0, 44), true);
  t.match(
    thrown(() => runOn(newer, readBirth)),
    /^DIRECTORY_FOREIGN .* version 3, this program reads version 2/,
  );
  const endless = disk.clone();
  const birth = endless.damage('birth.dat');
  const birthView = new DataView(birth.buffer, birth.byteOffset, birth.length);
  birthView.setUint32(12, 0x7fff_ffff, true);
  birthView.setUint32(44, recordChecksum(birth, 0, 44), true);
  t.match(
    thrown(() => runOn(endless, readBirth)),
    /^RECORD_CORRUPT corruption birth.dat is damaged/,
    'a cluster id that no number holds',
  );
  const headless = disk.clone();
  headless.delete('birth.dat');
  headless.put('0-0.rec', new Uint8Array(GEOMETRY.segmentLength));
  t.match(
    thrown(() => runOn(headless, bootstrap)),
    /^DIRECTORY_FOREIGN environment .*has no birth.dat but holds 0-0.rec/,
  );
  t.match(
    thrown(() => runOn(disk.clone(), bootstrap)),
    /^DIRECTORY_ALREADY_BORN environment .*member 1 of cluster 7/,
  );
  t.end();
});

test('a geometry that cannot be, or is not that of the log, is refused with both', (t) => {
  const geometry = { termLength: TERM_LENGTH, segmentLength: TERM_LENGTH + 32 };
  t.match(
    thrown(() => checkGeometry(geometry)),
    /^CONFIGURATION_INVALID usage segment length is 65568 bytes: use a multiple/,
  );
  const { disk } = bornDisk();
  const openWith = (configured: typeof geometry): string =>
    thrown(() =>
      runOn(disk.clone(), (storage) =>
        openDirectory(storage, { ...IDENTITY, arena, geometry: configured }),
      ),
    );
  t.match(
    openWith({ termLength: 2 * TERM_LENGTH, segmentLength: 2 * TERM_LENGTH }),
    /^CONFIGURATION_INVALID usage .*term length is configured as 131072 .* born with 65536/,
  );
  t.match(
    openWith({ termLength: TERM_LENGTH, segmentLength: 4 * TERM_LENGTH }),
    /^CONFIGURATION_INVALID usage .*segment length is configured as 262144 .* born with 131072/,
  );
  t.match(
    thrown(() =>
      runOn(disk.clone(), (storage) =>
        openDirectory(storage, { ...IDENTITY, arena, egressTermLength: EGRESS_TERM_LENGTH / 2 }),
      ),
    ),
    /^CONFIGURATION_INVALID usage egressTermLength is configured as 131072 .* born with 262144/,
    'what services were answered depends on it',
  );
  t.end();
});

test('more incarnations than the record holds are refused before anything is written', (t) => {
  const incarnations = Array.from({ length: KNOWN_INCARNATION_COUNT_MAX + 1 }, (_, memberId) => ({
    memberId,
    incarnation: { high: 0, low: memberId + 1 },
    admittedTermId: TERM_NULL,
    admittedPosition: POSITION_NULL,
  }));
  const { disk } = bornDisk();
  const before = disk.contents();
  const write = function* (storage: MemoryStorage): StorageTask<void> {
    const reading = yield* readNodeState(storage);
    if (reading.kind === 'found') {
      const file = yield* NodeStateFile.open(storage, reading.state, reading.sequence);
      yield* file.write({ ...initialNodeState(true), incarnations });
    }
  };
  t.match(
    thrown(() => runOn(disk, write)),
    /^LIMIT_EXCEEDED usage 16 incarnations to remember: at most 15;/,
  );
  t.equal(runOn(disk, readNodeState).kind, 'found', 'the record is whole');
  t.equal(before.size, disk.contents().size);
  t.end();
});

test('a record with more incarnations than it has room for is lost', (t) => {
  const { disk } = bornDisk();
  const bytes = disk.damage('node-state.dat');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  view.setInt32(512 + 16 + 32, KNOWN_INCARNATION_COUNT_MAX + 1, true);
  view.setUint32(512 + 508, recordChecksum(bytes, 512, 508), true);
  t.equal(runOn(disk, readNodeState).kind, 'lost');
  t.end();
});

test('a record that says of an incarnation what no admission can be is lost', (t) => {
  const incarnation = { memberId: 0, incarnation: { high: 0, low: 1 } };
  for (const [admittedTermId, admittedPosition] of [
    [-2, 0],
    [0, -2],
  ] as const) {
    const { disk } = bornDisk();
    const known = { ...incarnation, admittedTermId, admittedPosition };
    runOn(disk, (storage) =>
      NodeStateFile.create(storage, { ...initialNodeState(true), incarnations: [known] }),
    );
    t.equal(runOn(disk, readNodeState).kind, 'lost');
  }
  t.end();
});

test('a directory of the layout before is refused, and its vote not read as one of this', (t) => {
  const { disk } = bornDisk();
  const birth = disk.damage('birth.dat');
  new DataView(birth.buffer, birth.byteOffset).setUint32(4, 1, true);
  new DataView(birth.buffer, birth.byteOffset).setUint32(44, recordChecksum(birth, 0, 44), true);
  const vote = disk.damage('node-state.dat');
  const view = new DataView(vote.buffer, vote.byteOffset);
  view.setUint32(512 + 4, 1, true);
  view.setUint32(512 + 508, recordChecksum(vote, 512, 508), true);
  const before = disk.contents();
  t.match(
    thrown(() => recover(disk, arena)),
    /^DIRECTORY_FOREIGN environment .*layout version 1, this program reads version 2/,
  );
  t.equal(runOn(disk, readNodeState).kind, 'lost');
  t.deepEqual(disk.contents(), before, 'nothing of it was changed');
  t.end();
});

test('a recording log with an invalid entry before a valid one is refused with its index', (t) => {
  const { disk } = directoryWith(
    arena,
    (log) => log.until(3000, 100),
    (log) => log.position,
  );
  runOn(disk, function* (storage): StorageTask<void> {
    const log = yield* RecordingLog.open(storage, recover(disk, arena).recordingLog.entries());
    yield* log.append(3, 3000, 0);
  });
  disk.damage('recording.log')[9] = 0x77;
  t.match(
    thrown(() => recover(disk, arena)),
    /^RECORD_CORRUPT corruption recording.log is damaged at entry 0/,
  );
  const description = runOn(disk, (storage) => describeDirectory(storage, arena));
  t.ok(
    description.problems.some((problem) => problem.includes('recording.log')),
    'describe says so as well',
  );
  t.end();
});

test('a recording log that is full takes no further term', (t) => {
  const entries: TermEntry[] = Array.from(
    { length: RECORDING_LOG_ENTRY_COUNT_MAX },
    (_, index) => ({
      leadershipTermId: index,
      termBaseLogPosition: 0,
      logPosition: -1,
      timestampMs: 0,
    }),
  );
  const { disk } = bornDisk();
  const append = function* (storage: MemoryStorage): StorageTask<void> {
    const log = yield* RecordingLog.open(storage, entries);
    yield* log.append(entries.length, 0, 0);
  };
  t.match(
    thrown(() => runOn(disk, append)),
    /^LIMIT_EXCEEDED environment the recording log has 1048576 terms, which is its limit/,
  );
  t.end();
});

test('describe complains about what is damaged, and gives up when the device fails', (t) => {
  const { disk } = bornDisk();
  const damaged = disk.clone();
  damaged.damage('birth.dat')[9] = 0x77;
  damaged.damage('archive.catalog')[40] = 0x77;
  damaged.put('0-0.rec', new Uint8Array(GEOMETRY.segmentLength));
  const description = runOn(damaged, (storage) => describeDirectory(storage, arena));
  t.equal(description.birth, undefined);
  t.equal(description.catalog, undefined);
  t.ok(description.problems.length >= 2, description.problems.join('; '));
  const broken = thrown(() =>
    runOn(disk, (storage) => {
      storage.failure = (kind, path) =>
        kind === 'read' && path === 'birth.dat' ? StorageResult.InputOutput : StorageResult.Ok;
      return describeDirectory(storage, arena);
    }),
  );
  t.match(broken, /^STORAGE_FAILED fatal could not read birth.dat: the device failed/);
  t.end();
});

test('a mark that is lost while the member runs ends it: nothing is truncated or recorded', (t) => {
  const { disk, image } = directoryWith(
    arena,
    (log) => log.until(9000, 100),
    (log) => log.position,
  );
  const truncate = function* (storage: MemoryStorage): StorageTask<void> {
    const { geometry, recordingLog } = yield* openDirectory(storage, { ...IDENTITY, arena });
    disk.damage('durable-mark.dat').fill(1);
    const position = image.ends[3] ?? 0;
    yield* truncateLog(storage, { position, geometry, recordingLog, knownCommitPosition: 0 });
  };
  t.match(
    thrown(() => runOn(disk, truncate)),
    /^RECORD_CORRUPT fatal durable-mark.dat is lost while the member runs/,
  );
  const world = new RecorderWorld('fsync');
  world.disk.damage('durable-mark.dat').fill(1);
  world.lead(0).turn(3, MS);
  t.ok(world.proxy.isPoisoned(), 'a recorder does not begin without it');
  t.match(String(world.recorder.failure?.message), /durable-mark.dat is lost/);
  t.end();
});

test('a mark, a segment or a close that fails later poisons the recorder (B39)', (t) => {
  const cases = [
    ['durable-mark.dat', 'write'],
    ['durable-mark.dat', 'sync'],
    ['0-131072.rec', 'open'],
    ['0-0.rec', 'close'],
  ] as const;
  for (const [path, kind] of cases) {
    const world = new RecorderWorld('fsync').lead(0).turn();
    world.storage.failure = (each, name) =>
      each === kind && name === path ? StorageResult.InputOutput : StorageResult.Ok;
    for (let count = 0; count < 400 && !world.proxy.isPoisoned(); count++) {
      world.append(700);
      world.offer().turn(1, 10 * MS);
    }
    t.ok(world.proxy.isPoisoned(), `${kind} of ${path}`);
    const durable = world.proxy.durablePosition();
    world.turn(5, 200 * MS);
    t.equal(world.proxy.durablePosition(), durable, 'nothing is durable after it');
  }
  t.end();
});

test('a reader says what the device refused, and that it failed', (t) => {
  const { disk } = directoryWith(
    arena,
    (log) => log.until(9000, 100),
    (log) => log.position,
  );
  for (const [kind, expected] of [
    ['open', /could not open 0-0.rec: the system denied it/],
    ['read', /the device could not read 0-0.rec \(result -5\)/],
  ] as const) {
    const storage = new MemoryStorage(disk.clone());
    const tasks = new StorageTasks(storage);
    const { recordingLog } = completeTask(tasks, openDirectory(storage, { ...IDENTITY, arena }));
    const reader = new LogReader({
      tasks,
      arena,
      geometry: GEOMETRY,
      recordingLog,
      chunkLength: TERM_LENGTH,
    });
    storage.failure = (each) => (each === kind ? StorageResult.Denied : StorageResult.Ok);
    reader.read(0, 8192);
    tasks.poll();
    t.match(String(reader.failure?.reason), expected, kind);
    reader.close();
  }
  t.end();
});

test('a storage that completes nothing is reported, and does not hang the caller', (t) => {
  const storage = new MemoryStorage(new MemoryDisk());
  storage.hold = () => true;
  const tasks = new StorageTasks(storage);
  const task = openFile(storage, 'a', OpenMode.WriteOrCreate);
  t.match(
    thrown(() => completeTask(tasks, task)),
    /^STORAGE_FAILED fatal the storage did not complete at submit/,
  );
  t.end();
});
