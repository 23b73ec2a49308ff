// Recorder: what it writes is the log, and what it calls durable is.
// Method: a log publication's buffer and a disk in memory; completions are held, failed, reordered.

import test from 'tape';
import { readDurableMark } from '../../src/archive/durable-mark.js';
import { MARK_INTERVAL_NS } from '../../src/archive/mark-writer.js';
import type { Durability } from '../../src/archive/recorder.js';
import {
  allocateRecorderControl,
  RECORDER_SLEEPING_OFFSET,
  RECORDER_WAKE_OFFSET,
  RecorderResult,
  RecorderStop,
} from '../../src/archive/recorder-control.js';
import { RecorderProxy } from '../../src/archive/recorder-proxy.js';
import { InvariantError } from '../../src/assert.js';
import { StorageResult } from '../../src/ports/storage.js';
import { GEOMETRY, makeArena, makeChance, recover, runOn, TERM_LENGTH } from './archive-world.js';
import { MS, RecorderWorld } from './recorder-world.js';

const LEVELS: readonly Durability[] = ['fsync', 'page-cache'];
const SEGMENT_LENGTH = GEOMETRY.segmentLength;

function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return Buffer.compare(left, right) === 0;
}

function markOf(world: RecorderWorld, isDurable = false): number {
  const disk = isDurable ? world.disk.crashed('drop') : world.disk.clone();
  const reading = runOn(disk, readDurableMark);
  return reading.kind === 'found' ? reading.mark.durablePosition : -1;
}

for (const level of LEVELS) {
  test(`${level}: the recorded bytes are the log's, over segments and padding`, (t) => {
    const world = new RecorderWorld(level).lead(0).turn();
    t.notOk(world.proxy.isBusy());
    t.equal(world.proxy.lastResult(), RecorderResult.Ok);
    const next = makeChance(3);
    while (world.log.tailPosition < 3 * SEGMENT_LENGTH) {
      for (let count = next() % 20; count >= 0; count--) {
        world.append(next() % 4000, next() & 0xff);
      }
      world.offer().turn(2, MS);
      if (world.proxy.durablePosition() !== world.log.tailPosition) {
        t.fail(`durable ${world.proxy.durablePosition()} of ${world.log.tailPosition}`);
      }
    }
    const end = world.log.tailPosition;
    t.ok(equalBytes(world.recorded(end), world.appended.subarray(0, end)), `${end} bytes`);
    world.stop();
    t.notOk(world.proxy.isRecording());
    t.equal(world.proxy.lastResultPosition(), end);
    t.equal(markOf(world), end, 'the last mark is at the end');
    t.equal(world.storage.openCount, 3, 'vote, recording log and snapshots alone are open');
    const found = recover(world.disk.crashed('drop'), makeArena(), 'start');
    t.equal(found.appendPosition, end, 'after STOP all of it survives a power cut');
    t.equal(found.health.kind, 'sound');
    t.end();
  });

  test(`${level}: the mark claims what is synced, and follows in its interval`, (t) => {
    const world = new RecorderWorld(level).lead(0).turn();
    const next = makeChance(8);
    let marks = 0;
    for (let round = 0; round < 400; round++) {
      world.append(next() % 1300);
      world.proxy.setCommitPosition(world.proxy.durablePosition());
      world.offer().turn(1, 7 * MS);
      const mark = markOf(world, true);
      const durableBytes = world.recorded(mark, true);
      if (!equalBytes(durableBytes, world.appended.subarray(0, mark))) {
        t.fail(`the mark claims ${mark}`);
      }
      marks = Math.max(marks, mark);
    }
    t.ok(marks > 0 && world.proxy.durablePosition() - marks < 20 * 1408, 'it follows the log');
    t.ok(
      world.recorder.deadlineNs() <= world.nowNs + MARK_INTERVAL_NS,
      'the next one has its time',
    );
    world.turn(1, MARK_INTERVAL_NS).turn(1, MARK_INTERVAL_NS);
    t.equal(markOf(world, true), world.proxy.durablePosition(), 'an idle log is marked to its end');
    t.equal(world.recorder.deadlineNs(), Number.POSITIVE_INFINITY, 'then it rests');
    t.end();
  });

  test(`${level}: a failed write poisons the member, and nothing is acknowledged any more`, (t) => {
    const world = new RecorderWorld(level).lead(0).turn();
    world.append(100);
    world.offer().turn();
    const durable = world.proxy.durablePosition();
    world.storage.failure = (kind, path) =>
      kind === 'write' && path.endsWith('.rec') ? StorageResult.InputOutput : StorageResult.Ok;
    world.append(100);
    world.offer().turn();
    t.ok(world.proxy.isPoisoned());
    t.equal(world.recorder.failure?.code, 'STORAGE_FAILED');
    world.storage.failure = () => StorageResult.Ok;
    world.append(100);
    world.offer().stop().turn(3, MS);
    t.equal(world.proxy.durablePosition(), durable);
    t.ok(world.proxy.isBusy(), 'STOP is never acknowledged');
    t.end();
  });

  test(`${level}: a full disk stops the recording where it is, truthfully`, (t) => {
    const world = new RecorderWorld(level).lead(0).turn();
    world.append(100);
    world.offer().turn();
    const durable = world.proxy.durablePosition();
    world.storage.failure = (kind, path) =>
      kind === 'write' && path.endsWith('.rec') ? StorageResult.NoSpace : StorageResult.Ok;
    world.append(100);
    world.offer().turn();
    t.equal(world.proxy.stopReason(), RecorderStop.NoSpace);
    t.equal(world.proxy.stopPosition(), durable);
    t.notOk(world.proxy.isPoisoned());
    world.storage.failure = () => StorageResult.Ok;
    world.append(100);
    world.offer().turn(3, MS);
    t.equal(world.proxy.durablePosition(), durable, 'it does not go on by itself');
    world.stop();
    t.equal(world.proxy.lastResultPosition(), durable);
    world.lead(5, durable).turn();
    world.append(64);
    world.offer().turn();
    t.equal(world.proxy.stopReason(), RecorderStop.None);
    t.equal(
      world.proxy.durablePosition(),
      world.log.tailPosition,
      'and records again when started',
    );
    t.end();
  });

  test(`${level}: a frame of another leadership term stops the recording before it`, (t) => {
    const world = new RecorderWorld(level).lead(3).turn();
    world.append(100);
    world.append(200);
    const boundary = world.log.tailPosition;
    world.log.setChecksum(true, 4);
    world.append(300);
    world.append(300);
    world.offer().turn(2);
    t.equal(world.proxy.stopReason(), RecorderStop.OtherTerm);
    t.equal(world.proxy.stopPosition(), boundary);
    t.equal(world.proxy.durablePosition(), boundary);
    world.stop();
    t.equal(world.proxy.lastResultPosition(), boundary);
    t.ok(
      world
        .recorded(boundary + 400)
        .subarray(boundary)
        .every((byte) => byte === 0),
    );
    t.end();
  });
}

test('STOP is final: what comes later is not recorded', (t) => {
  const world = new RecorderWorld('fsync').lead(0).turn();
  world.append(100);
  world.offer();
  world.proxy.stop();
  world.turn();
  const durable = world.proxy.lastResultPosition();
  t.ok(durable === 0 || durable === world.log.tailPosition, 'before or after, never between');
  world.append(100);
  world.offer().turn(3, MS);
  t.equal(world.proxy.durablePosition(), durable);
  world.proxy.stop();
  world.turn();
  t.notOk(world.proxy.isBusy(), 'a stopped recorder acknowledges STOP at once');
  t.end();
});

test('a failed sync poisons the member, and is never tried again (B39)', (t) => {
  const world = new RecorderWorld('fsync').lead(0).turn();
  let syncs = 0;
  world.storage.failure = (kind, path) => {
    const isSync = kind === 'sync' && path.endsWith('.rec');
    syncs += isSync ? 1 : 0;
    return isSync ? StorageResult.InputOutput : StorageResult.Ok;
  };
  world.append(100);
  world.offer().turn();
  t.ok(world.proxy.isPoisoned());
  t.equal(world.proxy.durablePosition(), 0);
  t.equal(world.proxy.writtenPosition(), world.log.tailPosition, 'written is not durable');
  world.append(100);
  world.offer().turn(5, MS);
  t.equal(syncs, 1);
  t.end();
});

test('nothing is durable before its sync (B5), and one sync covers all writes', (t) => {
  const world = new RecorderWorld('fsync').lead(0).turn();
  world.storage.hold = (kind, path) => kind === 'sync' && path.endsWith('.rec');
  world.append(100);
  world.offer().turn();
  const first = world.proxy.writtenPosition();
  t.equal(world.proxy.durablePosition(), 0);
  for (let count = 0; count < 10; count++) {
    world.append(500);
    world.offer().turn();
  }
  t.equal(world.storage.held.length, 1, 'one sync under way');
  world.storage.releaseHeld();
  world.turn();
  t.equal(world.proxy.durablePosition(), first, 'it covers what was written before it');
  t.equal(world.storage.held.length, 1, 'and the next covers the ten that waited');
  world.storage.releaseHeld();
  world.turn();
  t.equal(world.proxy.durablePosition(), world.log.tailPosition);
  t.end();
});

test('writes that complete out of order never let the position pass a hole (B6)', (t) => {
  for (const level of LEVELS) {
    const world = new RecorderWorld(level).lead(0).turn();
    world.storage.hold = (kind, path) => kind === 'write' && path.endsWith('.rec');
    const ends: number[] = [];
    for (let count = 0; count < 5; count++) {
      world.append(700);
      world.offer().turn();
      ends.push(world.log.tailPosition);
    }
    t.equal(world.storage.held.length, 5);
    const [first, ...rest] = world.storage.held;
    world.storage.held = rest;
    world.storage.releaseHeld(true);
    world.turn(2);
    t.equal(world.proxy.writtenPosition(), 0, `${level}: four of five, the first is missing`);
    t.equal(world.proxy.durablePosition(), 0);
    world.storage.held = first === undefined ? [] : [first];
    world.storage.releaseHeld();
    world.turn(2);
    t.equal(world.proxy.durablePosition(), ends[4]);
  }
  t.end();
});

test('a batch that crosses segments goes to both, and a new one is synced first', (t) => {
  const world = new RecorderWorld('fsync').lead(0).turn();
  while (world.log.tailPosition < SEGMENT_LENGTH - 3000) {
    world.append(1300);
    world.offer().turn();
  }
  const order: string[] = [];
  world.storage.failure = (kind, path) => {
    order.push(`${kind} ${path}`);
    return StorageResult.Ok;
  };
  for (let count = 0; count < 6; count++) {
    world.append(1300);
  }
  world.offer().turn();
  const end = world.log.tailPosition;
  t.ok(end > SEGMENT_LENGTH);
  t.equal(world.proxy.durablePosition(), end);
  t.ok(equalBytes(world.recorded(end, true), world.appended.subarray(0, end)));
  const name = `0-${SEGMENT_LENGTH}.rec`;
  t.ok(order.includes('write 0-0.rec') && order.includes(`write ${name}`), order.join(', '));
  t.ok(world.disk.durableNames.has(name), 'its name survives');
  t.equal(world.disk.durableFile(name).length, SEGMENT_LENGTH, 'with its length');
  t.end();
});

test('what is under way in the next segment does not count with the last one (B6)', (t) => {
  const world = new RecorderWorld('fsync').lead(0).turn();
  while (world.log.tailPosition < SEGMENT_LENGTH - 3000) {
    world.append(1300);
    world.offer().turn();
  }
  const name = `0-${SEGMENT_LENGTH}.rec`;
  world.storage.hold = (kind, path) => kind === 'write' && path === name;
  while (world.log.tailPosition <= SEGMENT_LENGTH) {
    world.append(1300);
    world.offer().turn();
  }
  world.turn(3);
  t.equal(world.storage.held.length > 0, true);
  t.equal(world.proxy.durablePosition(), SEGMENT_LENGTH);
  world.append(1300);
  world.offer().turn();
  t.equal(world.proxy.durablePosition(), SEGMENT_LENGTH);
  world.storage.hold = () => false;
  world.storage.releaseHeld();
  world.turn();
  t.equal(world.proxy.durablePosition(), world.log.tailPosition);
  t.end();
});

test('a segment whose creation cannot be synced poisons the member (B38, B39)', (t) => {
  for (const level of LEVELS) {
    const world = new RecorderWorld(level);
    world.storage.failure = (kind, path) =>
      kind === 'sync' && path.endsWith('.next') ? StorageResult.InputOutput : StorageResult.Ok;
    world.lead(0).turn();
    t.ok(world.proxy.isPoisoned(), level);
    t.ok(world.proxy.isBusy(), 'START is never acknowledged');
  }
  t.end();
});

test('a segment whose name cannot be made durable poisons before a frame counts', (t) => {
  for (const level of LEVELS) {
    for (const failing of ['rename', 'syncDirectory']) {
      const world = new RecorderWorld(level).lead(0).turn();
      world.storage.failure = (kind) =>
        kind === failing ? StorageResult.InputOutput : StorageResult.Ok;
      world.append(100);
      world.offer().turn();
      t.ok(world.proxy.isPoisoned(), `${level}, ${failing}`);
      t.equal(world.proxy.durablePosition(), 0, 'nothing is acknowledged');
    }
  }
  t.end();
});

test('a segment gets its name with its first frame: none is ever empty', (t) => {
  for (const level of LEVELS) {
    const world = new RecorderWorld(level).lead(0).turn();
    t.ok(world.disk.has('0-0.next') && !world.disk.has('0-0.rec'), 'made, and not named');
    world.append(100);
    world.offer().turn();
    t.ok(world.disk.has('0-0.rec') && !world.disk.has('0-0.next'), 'named with the first frame');
    const next = `0-${SEGMENT_LENGTH}`;
    while (!world.disk.has(`${next}.next`)) {
      world.append(1000);
      world.offer().turn();
    }
    t.ok(world.log.tailPosition < SEGMENT_LENGTH, 'the next one is made ahead of need');
    while (world.log.tailPosition <= SEGMENT_LENGTH) {
      t.notOk(world.disk.has(`${next}.rec`), `not named at ${world.log.tailPosition}`);
      world.append(1000);
      world.offer().turn();
    }
    t.ok(world.disk.has(`${next}.rec`));
  }
  t.end();
});

test('the mark commits what is committed and held here', (t) => {
  const world = new RecorderWorld('fsync').lead(0).turn();
  world.append(100);
  world.proxy.setCommitPosition(1_000_000);
  world.offer().turn(2, MARK_INTERVAL_NS);
  const reading = runOn(world.disk.clone(), readDurableMark);
  t.equal(reading.kind === 'found' && reading.mark.commitPosition, world.log.tailPosition);
  t.equal(world.recorder.deadlineNs(), Number.POSITIVE_INFINITY);
  t.end();
});

test('a recording that goes on in the middle of a segment leaves what is before it alone', (t) => {
  const world = new RecorderWorld('fsync').lead(0).turn();
  for (let count = 0; count < 30; count++) {
    world.append(900);
  }
  world.offer().turn().stop();
  const first = world.proxy.durablePosition();
  const disk = world.disk.crashed('drop');
  const next = new RecorderWorld('fsync', disk).lead(2).turn();
  t.equal(next.directory.appendPosition, first);
  next.append(50);
  next.append(1200);
  next.offer().turn().stop();
  const end = next.proxy.durablePosition();
  const expected = world.appended.slice(0, end);
  expected.set(next.appended.subarray(first, end), first);
  t.ok(equalBytes(next.recorded(end), expected));
  const found = recover(disk.crashed('drop'), makeArena(), 'start');
  t.equal(found.appendPosition, end);
  t.equal(found.logTermId, 2);
  t.end();
});

test('STOP is acknowledged ahead of its last mark, and START begins behind it', (t) => {
  const world = new RecorderWorld('fsync').lead(0).turn();
  world.append(100);
  world.offer().turn();
  const end = world.proxy.durablePosition();
  world.storage.hold = (kind, path) => kind === 'sync' && path === 'durable-mark.dat';
  const told = world.progressCount;
  world.stop();
  t.notOk(world.proxy.isRecording(), 'what is recorded is final');
  t.ok(world.progressCount > told, 'and the owner is told');
  t.equal(world.proxy.lastResultPosition(), end);
  t.ok(world.proxy.isClosing(), 'the mark is on its way');
  world.lead(1, end).turn(3, MS);
  t.ok(world.proxy.isBusy(), 'the next recording waits for it');
  world.storage.hold = () => false;
  world.storage.releaseHeld();
  world.turn(3, MS);
  t.notOk(world.proxy.isBusy() || world.proxy.isClosing(), 'then it begins');
  t.equal(markOf(world, true), end);
  t.end();
});

test('a term is recorded at once, and its mark follows in the interval of marks', (t) => {
  const world = new RecorderWorld('fsync');
  const marksBefore = world.disk.clone().file('durable-mark.dat');
  world.lead(3).turn();
  world.append(100);
  world.offer().turn(3);
  t.equal(world.proxy.durablePosition(), world.log.tailPosition, 'it is durable');
  t.ok(equalBytes(world.disk.file('durable-mark.dat'), marksBefore), 'no mark was waited for');
  world.turn(2, MARK_INTERVAL_NS);
  const reading = runOn(world.disk.crashed('drop'), readDurableMark);
  t.equal(reading.kind === 'found' && reading.mark.leadershipTermId, 3, 'then the mark names it');
  t.end();
});

test('what a power cut leaves is always a prefix that holds every durable position', (t) => {
  const arena = makeArena();
  for (let seed = 0; seed < 60; seed++) {
    const next = makeChance(seed);
    const world = new RecorderWorld('fsync').lead(0).turn();
    world.storage.hold = (kind, path) =>
      path.endsWith('.rec') && kind === 'sync' && next() % 3 === 0;
    const rounds = 30 + (next() % 120);
    for (let round = 0; round < rounds; round++) {
      world.append(next() % 2500);
      world.offer().turn(1, 13 * MS);
      if (next() % 4 === 0) {
        world.storage.releaseHeld();
      }
      if (world.log.tailPosition - world.proxy.durablePosition() > TERM_LENGTH) {
        world.storage.releaseHeld();
        world.turn();
      }
    }
    const durable = world.proxy.durablePosition();
    const disk = world.disk.crashed('tear', () => next() % 2 === 0);
    const found = recover(disk, arena);
    const end = found.appendPosition;
    if (found.health.kind === 'corrupt' || end < durable || end > world.log.tailPosition) {
      t.fail(`seed ${seed}: ${end}, durable ${durable}, ${found.health.kind}`);
    }
    if (
      !equalBytes(
        disk.file('0-0.rec').subarray(0, Math.min(end, SEGMENT_LENGTH)),
        world.appended.subarray(0, Math.min(end, SEGMENT_LENGTH)),
      )
    ) {
      t.fail(`seed ${seed}: other bytes`);
    }
  }
  t.pass('60 power cuts');
  t.end();
});

test('the owner cannot break the order of commands', (t) => {
  const world = new RecorderWorld('fsync').lead(0);
  t.throws(() => world.proxy.stop(), InvariantError, 'START is not acknowledged');
  world.turn();
  t.throws(() => world.proxy.start(world.log.meta, 0, 1), InvariantError, 'it is recording');
  world.offer(64);
  t.throws(() => world.proxy.setRecordLimit(32), InvariantError);
  t.end();
});

test('a recorder on another thread is woken only while it sleeps', (t) => {
  const arena = makeArena();
  const control = allocateRecorderControl(arena);
  let wakes = 0;
  const notify = (): void => {
    wakes++;
  };
  const proxy = new RecorderProxy({ arena, control, notify });
  const sleeping = (control + RECORDER_SLEEPING_OFFSET) >> 2;
  const wake = (control + RECORDER_WAKE_OFFSET) >> 2;
  proxy.setRecordLimit(32);
  t.deepEqual([wakes, arena.i32[wake]], [0, 1], 'awake: the counter moves, nobody is notified');
  arena.i32[sleeping] = 1;
  proxy.setRecordLimit(64);
  proxy.setRecordLimit(64);
  t.deepEqual([wakes, arena.i32[wake]], [1, 2], 'asleep: notified, and only for news');
  proxy.stop();
  t.deepEqual([wakes, arena.i32[wake]], [2, 3], 'commands wake too');
  t.end();
});

test('the owner hears of every acknowledgement and every position', (t) => {
  const world = new RecorderWorld('fsync');
  world.turn();
  t.equal(world.progressCount, 0);
  world.lead(0).turn();
  t.equal(world.progressCount, 1);
  world.append(100);
  world.offer().turn();
  t.equal(world.progressCount, 2);
  world.turn();
  t.equal(world.progressCount, 2);
  t.end();
});
