// Small records: a crash at any point leaves the old or the new one, and damage is noticed.
// Method: run each task on a disk in memory, cut the power between any two operations, and read.

import test from 'tape';
import { readBirth } from '../../src/archive/birth.js';
import { readCatalog } from '../../src/archive/catalog.js';
import {
  DoubleSlotFile,
  decodeDoubleSlot,
  readDoubleSlot,
  SECTOR_LENGTH,
} from '../../src/archive/double-slot-file.js';
import { readDurableMark } from '../../src/archive/durable-mark.js';
import {
  initialNodeState,
  KNOWN_INCARNATION_COUNT_MAX,
  type NodeState,
  NodeStateFile,
  readNodeState,
} from '../../src/archive/node-state-file.js';
import { recordChecksum } from '../../src/archive/record-checksum.js';
import {
  decodeRecordingLog,
  RecordingLog,
  readRecordingLog,
} from '../../src/archive/recording-log.js';
import { completeTask, type StorageTask, StorageTasks } from '../../src/archive/storage-task.js';
import { InvariantError } from '../../src/assert.js';
import type { PawlError } from '../../src/errors.js';
import { StorageResult } from '../../src/ports/storage.js';
import { MemoryDisk, MemoryStorage } from '../support/memory-storage.js';
import {
  atEveryCrashPoint,
  bootstrap,
  bornDisk,
  GEOMETRY,
  IDENTITY,
  runOn,
} from './archive-world.js';

const FORMAT = { path: 'record.dat', magic: 0x1234, payloadLength: 24 };

function payload(value: number): DataView {
  const view = new DataView(new ArrayBuffer(24));
  for (let offset = 0; offset < 24; offset += 4) {
    view.setUint32(offset, value, true);
  }
  return view;
}

function* createRecord(storage: MemoryStorage): StorageTask<void> {
  const file = yield* DoubleSlotFile.create(storage, FORMAT, payload(1));
  yield* file.close();
  yield storage.syncDirectory('');
}

function* updateRecord(storage: MemoryStorage, value: number): StorageTask<void> {
  const reading = yield* readDoubleSlot(storage, FORMAT);
  if (reading.kind === 'found') {
    const file = yield* DoubleSlotFile.open(storage, FORMAT, reading.sequence);
    yield* file.write(payload(value));
    yield* file.close();
  }
}

function valueOn(disk: MemoryDisk): number {
  const reading = runOn(disk, (storage) => readDoubleSlot(storage, FORMAT));
  return reading.kind === 'found' ? reading.payload.getUint32(0, true) : -1;
}

test('the checksum of a record is crc32c', (t) => {
  const bytes = new TextEncoder().encode('123456789');
  t.equal(recordChecksum(bytes, 0, bytes.length), 0xe3069283);
  t.end();
});

test('a double slot is old or new after a crash at any point', (t) => {
  const disk = new MemoryDisk();
  runOn(disk, createRecord);
  for (let value = 2; value <= 5; value++) {
    const seen = new Set<number>();
    const states = atEveryCrashPoint(
      disk,
      (storage) => updateRecord(storage, value),
      (after, label, isComplete) => {
        const found = valueOn(after);
        seen.add(found);
        const isAllowed = found === value || (!isComplete && found === value - 1);
        if (!isAllowed) {
          t.fail(`value ${found} of ${value} at ${label}`);
        }
        const reading = runOn(after, (storage) => readDoubleSlot(storage, FORMAT));
        if (reading.kind !== 'found' || reading.isDamaged) {
          t.fail(`a crash is no damage: ${label}`);
        }
      },
      8,
    );
    t.deepEqual([...seen].sort(), [value - 1, value], `${states} states`);
    runOn(disk, (storage) => updateRecord(storage, value));
  }
  t.end();
});

test('every single-bit flip in either slot is detected or harmless', (t) => {
  const disk = new MemoryDisk();
  runOn(disk, createRecord);
  for (let value = 2; value <= 3; value++) {
    runOn(disk, (storage) => updateRecord(storage, value));
  }
  const bytes = disk.file(FORMAT.path);
  let undetected = 0;
  let wrong = 0;
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    const reading = decodeDoubleSlot(flipped, FORMAT);
    const found = reading.kind === 'found' ? reading.payload.getUint32(0, true) : -1;
    undetected += reading.kind === 'found' && !reading.isDamaged ? 1 : 0;
    wrong += found === 3 || found === 2 ? 0 : 1;
  }
  t.equal(undetected, 0, `${bytes.length * 8} flips, all detected`);
  t.equal(wrong, 0, 'the value is always one that was written');
  t.end();
});

test('two damaged slots are a lost record, and a missing file is told apart', (t) => {
  const disk = new MemoryDisk();
  runOn(disk, createRecord);
  runOn(disk, (storage) => updateRecord(storage, 2));
  const bytes = disk.damage(FORMAT.path);
  bytes.fill(0xff, 100, 101);
  bytes.fill(0xff, 612, 613);
  t.equal(runOn(disk, (storage) => readDoubleSlot(storage, FORMAT)).kind, 'lost');
  disk.delete(FORMAT.path);
  t.equal(runOn(disk, (storage) => readDoubleSlot(storage, FORMAT)).kind, 'missing');
  t.end();
});

test('records whose numbers cannot be are lost, though their checksums fit', (t) => {
  const smallest = new Uint8Array(8);
  smallest[7] = 0x80;
  const greatest = new Uint8Array(8).fill(0xff);
  greatest[7] = 0x7f;
  const beyond = Uint8Array.of(0, 0, 0, 0, 0, 0, 0x20, 0);
  // Each pair adds up to an exact number, though neither is one.
  const cases = [
    ['node-state.dat', 'a candidate term below none', [[16, Uint8Array.of(0xfe)]]],
    [
      'node-state.dat',
      'terms that cancel out',
      [
        [16, smallest],
        [32, greatest],
      ],
    ],
    ['durable-mark.dat', 'a commit position beyond the durable one', [[24, Uint8Array.of(32)]]],
    ['durable-mark.dat', 'a position beyond exact numbers', [[16, beyond]]],
    ['durable-mark.dat', 'a sequence that cannot be counted on', [[8, beyond]]],
  ] as const;
  for (const [file, what, edits] of cases) {
    const { disk } = bornDisk();
    const bytes = disk.damage(file);
    // The first record lies in the second slot.
    for (const [at, value] of edits) {
      bytes.set(value, SECTOR_LENGTH + at);
    }
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    view.setUint32(SECTOR_LENGTH + 508, recordChecksum(bytes, SECTOR_LENGTH, 508), true);
    const reading = runOn<{ kind: string }>(
      disk,
      file === 'node-state.dat' ? readNodeState : readDurableMark,
    );
    t.equal(reading.kind, 'lost', `${file}: ${what}`);
  }
  t.end();
});

test('a vote is old or new after a crash at any point, and survives once it is written', (t) => {
  const before: NodeState = {
    ...initialNodeState(true),
    candidateTermId: 3,
    incarnations: Array.from({ length: KNOWN_INCARNATION_COUNT_MAX }, (_, memberId) => ({
      memberId,
      incarnation: { high: 1, low: 0xffffffff - memberId },
      admittedTermId: memberId - 1,
      admittedPosition: memberId === 0 ? -1 : 2 ** 52 + memberId,
    })),
  };
  const vote: NodeState = { ...before, candidateTermId: 4, votedForMemberId: 2 };
  const disk = new MemoryDisk();
  runOn(disk, function* (storage) {
    yield* (yield* NodeStateFile.create(storage, before)).close();
    yield storage.syncDirectory('');
  });
  const states = atEveryCrashPoint(
    disk,
    function* (storage) {
      const found = yield* readNodeState(storage);
      if (found.kind === 'found') {
        const file = yield* NodeStateFile.open(storage, found.state, found.sequence);
        yield* file.write(vote);
      }
    },
    (after, label, isComplete) => {
      const found = runOn(after, readNodeState);
      const state = found.kind === 'found' ? found.state : undefined;
      const expected = state?.candidateTermId === 4 || isComplete ? vote : before;
      t.deepEqual(state, expected, label);
    },
    2,
  );
  t.ok(states > 10);
  t.end();
});

test('a vote never changes within its term, and a candidate term never falls (B7, B8)', (t) => {
  const storage = new MemoryStorage();
  const tasks = new StorageTasks(storage);
  const file = completeTask(tasks, NodeStateFile.create(storage, initialNodeState(true)));
  const voted = { ...initialNodeState(true), candidateTermId: 5, votedForMemberId: 1 };
  completeTask(tasks, file.write(voted));
  const writing = (state: NodeState) => () => completeTask(tasks, file.write(state));
  t.throws(writing({ ...voted, votedForMemberId: 2 }), InvariantError);
  t.throws(writing({ ...voted, votedForMemberId: -1 }), InvariantError);
  t.throws(writing({ ...voted, candidateTermId: 4 }), InvariantError);
  t.doesNotThrow(writing({ ...voted, candidateTermId: 6, votedForMemberId: -1 }));
  t.equal(file.state.candidateTermId, 6);
  t.end();
});

test('a failed sync is fatal, and is never tried again (B39)', (t) => {
  const storage = new MemoryStorage();
  const tasks = new StorageTasks(storage);
  const file = completeTask(tasks, NodeStateFile.create(storage, initialNodeState(true)));
  let syncs = 0;
  storage.failure = (kind) => {
    syncs += kind === 'sync' ? 1 : 0;
    return kind === 'sync' && syncs === 1 ? StorageResult.InputOutput : StorageResult.Ok;
  };
  const errors: PawlError[] = [];
  const write = (): void => {
    const task = file.write({ ...initialNodeState(true), candidateTermId: 1 });
    tasks.run(
      task,
      () => t.fail('a write after a failed sync'),
      (error) => errors.push(error),
    );
    tasks.poll();
  };
  write();
  write();
  t.deepEqual(
    errors.map((error) => [error.code, error.category]),
    [
      ['STORAGE_FAILED', 'fatal'],
      ['STORAGE_FAILED', 'fatal'],
    ],
  );
  t.equal(syncs, 1);
  t.end();
});

test('tasks of one queue run one after another, others at once', (t) => {
  const storage = new MemoryStorage();
  const tasks = new StorageTasks(storage);
  const order: string[] = [];
  const step = function* (name: string): StorageTask<void> {
    order.push(`${name} begins`);
    yield storage.freeSpace();
    order.push(`${name} ends`);
  };
  const fail = (): void => t.fail('no task fails');
  tasks.run(step('a'), () => undefined, fail, 'queue');
  tasks.run(step('b'), () => undefined, fail, 'queue');
  tasks.run(step('c'), () => undefined, fail);
  t.deepEqual(order, ['a begins', 'c begins']);
  tasks.poll();
  t.deepEqual(order.slice(2), ['a ends', 'b begins', 'c ends', 'b ends']);
  t.equal(tasks.pendingCount, 0);
  t.end();
});

test('bootstrap leaves a blank or a born directory after a crash at any point', (t) => {
  let born = 0;
  const states = atEveryCrashPoint(new MemoryDisk(), bootstrap, (after, label, isComplete) => {
    const birth = runOn(after, readBirth);
    if (birth === undefined) {
      t.notOk(isComplete, `${label}: blank`);
      // It can be run again, on whatever the crash left.
      runOn(after, bootstrap);
    } else {
      born++;
    }
    const found = runOn(after, readBirth);
    t.equal(found?.memberId, IDENTITY.memberId, label);
    t.deepEqual(runOn(after, readCatalog).geometry, GEOMETRY);
    t.equal(runOn(after, readNodeState).kind, 'found');
    t.equal(runOn(after, readRecordingLog).kind, 'found');
  });
  t.ok(born > 0 && states > born, `${states} states, ${born} born`);
  t.end();
});

test('the catalog is laid out as an Aeron archive lays it out', (t) => {
  const { disk } = bornDisk();
  const bytes = disk.file('archive.catalog');
  const view = new DataView(bytes.buffer);
  t.equal(view.getInt32(0, true), 0x030100, 'version 3.1.0');
  t.equal(view.getInt32(4, true), 32);
  t.equal(view.getBigInt64(8, true), 1n, 'next recording id');
  t.equal(view.getInt32(16, true), 64, 'alignment');
  const length = view.getInt32(32, true);
  t.equal((32 + length) % 64, 0, 'the entry is aligned');
  t.equal(view.getInt32(36, true), 1, 'valid');
  t.equal(view.getUint32(40, true), recordChecksum(bytes, 64, length));
  t.equal(view.getBigInt64(64 + 16, true), 0n, 'recording id');
  t.equal(view.getBigInt64(64 + 48, true), -1n, 'stop position: active');
  t.equal(view.getInt32(64 + 60, true), GEOMETRY.segmentLength);
  t.equal(view.getInt32(64 + 64, true), GEOMETRY.termLength);
  t.end();
});

// --- recording log ---

function* appendTerms(
  storage: MemoryStorage,
  terms: readonly [number, number][],
): StorageTask<void> {
  const reading = yield* readRecordingLog(storage);
  const entries = reading.kind === 'found' ? reading.entries : [];
  const log = yield* RecordingLog.open(storage, entries);
  for (const [term, base] of terms) {
    yield* log.append(term, base, 1000);
  }
}

function diskWithTerms(terms: readonly [number, number][]): MemoryDisk {
  const { disk } = bornDisk();
  runOn(disk, (storage) => appendTerms(storage, terms));
  return disk;
}

function termsOf(disk: MemoryDisk): number[] {
  const reading = runOn(disk, readRecordingLog);
  return reading.kind === 'found' ? reading.entries.map((entry) => entry.leadershipTermId) : [-1];
}

const TWELVE_TERMS = Array.from({ length: 12 }, (_, index): [number, number] => [
  index * 2,
  index * 320,
]);

test('an appended term is there or not after a crash at any point', (t) => {
  const disk = diskWithTerms([
    [0, 0],
    [3, 64],
  ]);
  atEveryCrashPoint(
    disk,
    (storage) => appendTerms(storage, [[4, 64]]),
    (after, label, isComplete) => {
      const found = termsOf(after);
      t.deepEqual(found, found.length === 3 || isComplete ? [0, 3, 4] : [0, 3], label);
    },
  );
  t.end();
});

test('where a term begins, the one before ends: both or neither, by one sync', (t) => {
  for (const count of [0, 1, 7, 8, 9]) {
    const before = TWELVE_TERMS.slice(0, count);
    const disk = diskWithTerms(before);
    const [term, base] = TWELVE_TERMS[count] as [number, number];
    let syncs = 0;
    const begin = function* (storage: MemoryStorage): StorageTask<void> {
      const reading = yield* readRecordingLog(storage);
      const entries = reading.kind === 'found' ? reading.entries : [];
      const log = yield* RecordingLog.open(storage, entries);
      syncs = 0;
      storage.failure = (kind) => {
        syncs += kind === 'sync' ? 1 : 0;
        return StorageResult.Ok;
      };
      yield* log.begin(term, base, 1000);
    };
    atEveryCrashPoint(disk, begin, (after, label, isComplete) => {
      const reading = runOn(after, readRecordingLog);
      const entries = reading.kind === 'found' ? reading.entries : [];
      const hasBegun = entries.length === count + 1;
      const isEnded = count === 0 || entries[count - 1]?.logPosition === base;
      if ((!hasBegun && isComplete) || (hasBegun && !isEnded) || entries.length < count) {
        t.fail(`${count} terms before, ${label}: ${JSON.stringify(entries)}`);
      }
    });
    runOn(disk, begin);
    t.equal(syncs, count === 8 ? 2 : 1, `${syncs} syncs behind ${count} terms`);
  }
  t.end();
});

test('a truncated recording log is a prefix of its terms after a crash at any point', (t) => {
  const disk = diskWithTerms(TWELVE_TERMS);
  const all = termsOf(disk);
  for (const cut of [0, 320, 321, 8 * 320, 11 * 320, 11 * 320 + 1]) {
    const kept = TWELVE_TERMS.filter(([, base]) => base < cut).length;
    atEveryCrashPoint(
      disk,
      function* (storage) {
        const reading = yield* readRecordingLog(storage);
        const log = yield* RecordingLog.open(
          storage,
          reading.kind === 'found' ? reading.entries : [],
        );
        yield* log.truncate(cut);
      },
      (after, label, isComplete) => {
        const found = termsOf(after);
        const isPrefix = found.every((term, index) => term === all[index]);
        const isRight = isComplete ? found.length === kept : found.length >= kept;
        if (!isPrefix || !isRight) {
          t.fail(`cut ${cut}, ${label}: ${found.join()}`);
        }
      },
    );
  }
  t.pass('prefixes only');
  t.end();
});

test('a truncation keeps the term it is told to, and opens the one it shortens', (t) => {
  const storage = new MemoryStorage();
  const tasks = new StorageTasks(storage);
  const log = completeTask(tasks, RecordingLog.create(storage));
  for (const [term, base] of [
    [0, 0],
    [1, 320],
    [2, 640],
    [5, 640],
    [6, 960],
  ] as const) {
    completeTask(tasks, log.append(term, base, 0));
  }
  completeTask(tasks, log.closeTerm(2, 640));
  completeTask(tasks, log.closeTerm(5, 960));
  completeTask(tasks, log.truncate(640, 5));
  t.deepEqual(
    log.entries().map((entry) => entry.leadershipTermId),
    [0, 1, 2, 5],
  );
  t.equal(log.lastTerm()?.logPosition, -1, 'its end was beyond the cut');
  t.equal(log.termAt(639)?.leadershipTermId, 1);
  t.equal(log.termAt(640)?.leadershipTermId, 5, 'an empty term has no frames');
  t.deepEqual(runOn(storage.disk, readRecordingLog), {
    kind: 'found',
    entries: log.entries(),
    isTorn: false,
  });
  completeTask(tasks, log.truncate(640));
  t.deepEqual(
    log.entries().map((entry) => entry.leadershipTermId),
    [0, 1],
  );
  t.end();
});

test('an invalid last entry is torn, an invalid one before a valid one is corruption', (t) => {
  const bytes = diskWithTerms(TWELVE_TERMS).file('recording.log');
  let torn = 0;
  let corrupt = 0;
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
    const reading = decodeRecordingLog(flipped);
    const isLast = bit >> 3 >= bytes.length - 64;
    torn += isLast && reading.kind === 'found' && reading.isTorn ? 1 : 0;
    corrupt += !isLast && reading.kind === 'corrupt' ? 1 : 0;
  }
  t.equal(torn, 64 * 8);
  t.equal(corrupt, (bytes.length - 64) * 8);
  t.end();
});
