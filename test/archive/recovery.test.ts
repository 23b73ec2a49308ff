// Recovery: a torn tail heals without an operator, corruption below the mark is reported and kept,
// ghosts do not rise. Method: exhaustive damage to small logs on a disk in memory.

import test from 'tape';
import { DAMAGE_NOTE_PATH } from '../../src/archive/damage-note.js';
import { openDirectory, type RecoveredDirectory } from '../../src/archive/member-directory.js';
import { RecordingLog, readRecordingLog } from '../../src/archive/recording-log.js';
import type { StorageTask } from '../../src/archive/storage-task.js';
import { PawlError } from '../../src/errors.js';
import type { MemoryDisk } from '../support/memory-storage.js';
import {
  atEveryCrashPoint,
  bornDisk,
  GEOMETRY,
  IDENTITY,
  LogImage,
  makeArena,
  makeChance,
  recover,
  runOn,
  TERM_LENGTH,
} from './archive-world.js';

const SEGMENT_LENGTH = GEOMETRY.segmentLength;

import { directoryWith, endBefore, setMark, setTerms } from './damaged-log.js';

test('an empty directory opens with an empty log', (t) => {
  const { disk, birth } = bornDisk();
  const found = recover(disk, makeArena());
  t.equal(found.appendPosition, 0);
  t.equal(found.logTermId, -1);
  t.equal(found.health.kind, 'sound');
  t.deepEqual(found.birth, birth);
  t.ok(found.nodeState.state.voting);
  t.deepEqual(found.warnings, []);
  t.end();
});

test('a sound log is found whole, from the mark and from the start', (t) => {
  const arena = makeArena();
  const build = (image: LogImage): unknown => image.until(2 * SEGMENT_LENGTH + 5000, 1300);
  const { disk, image } = directoryWith(arena, build, (log) =>
    endBefore(log, SEGMENT_LENGTH + 700),
  );
  for (const from of ['mark', 'start'] as const) {
    const found = recover(disk.clone(), arena, from);
    t.equal(found.appendPosition, image.position);
    t.equal(found.health.kind, 'sound');
    t.equal(found.mark.durablePosition, image.position, 'the mark claims what is synced now');
    t.equal(found.logTermId, 0);
  }
  t.end();
});

test('a tail torn at every offset above the mark is cut, and recovery is idempotent (D1)', (t) => {
  const arena = makeArena();
  const build = (image: LogImage): unknown => image.until(1600, 200).data(600).data(1);
  const { disk, image } = directoryWith(arena, build, (log) => endBefore(log, 800));
  const mark = endBefore(image, 800);
  const allocated = arena.allocatedLength;
  let cuts = 0;
  for (let at = mark; at < image.position; at++) {
    for (const value of [0, 0xff]) {
      const torn = disk.clone();
      const segment = torn.damage('0-0.rec');
      // A sector that was lost, or garbage of one byte: valid frames may follow it.
      const end = value === 0 ? Math.min(at + 512, image.position) : at + 1;
      const before = segment.slice(at, end);
      segment.fill(value, at, end);
      const isChanged = Buffer.compare(before, segment.subarray(at, end)) !== 0;
      const isPayloadPadding = !isWithinFrame(image, at);
      const found = recover(torn, arena);
      if (isChanged && !isPayloadPadding && found.appendPosition > at) {
        t.fail(`bytes at ${at} were accepted`);
      }
      const isEnd = image.ends.includes(found.appendPosition);
      if (!isEnd || found.appendPosition < mark || !segmentIsZeroFrom(torn, found)) {
        t.fail(`cut at ${found.appendPosition} for damage at ${at}`);
      }
      cuts += found.health.kind === 'torn' ? 1 : 0;
      const again = recover(torn.crashed('drop'), arena);
      if (again.appendPosition !== found.appendPosition || again.health.kind !== 'sound') {
        t.fail(`recovered twice at ${at}: ${again.appendPosition} ${again.health.kind}`);
      }
    }
  }
  t.ok(cuts > 2000, `${cuts} torn tails`);
  t.equal(arena.allocatedLength, allocated, 'recovery gives its memory back');
  t.end();
});

/** Whether a byte is covered by a frame's checksum: not between its end and its alignment. */
function isWithinFrame(image: LogImage, at: number): boolean {
  let start = 0;
  for (const end of image.ends) {
    if (at < end) {
      const length = new DataView(image.bytes.buffer).getInt32(start, true);
      const masked = at >= start + 12 && at < start + 20;
      return at < start + length && !masked;
    }
    start = end;
  }
  return false;
}

const ZEROS = new Uint8Array(SEGMENT_LENGTH);

function segmentIsZeroFrom(disk: MemoryDisk, found: RecoveredDirectory): boolean {
  const segment = disk.file('0-0.rec');
  const rest = segment.subarray(found.appendPosition);
  return (
    segment.length === SEGMENT_LENGTH && Buffer.compare(rest, ZEROS.subarray(0, rest.length)) === 0
  );
}

test('recovery of a torn log survives a crash at any point of itself', (t) => {
  const arena = makeArena();
  const build = (image: LogImage): unknown => image.until(SEGMENT_LENGTH + 4000, 1000);
  const { disk, image } = directoryWith(arena, build, (log) =>
    endBefore(log, SEGMENT_LENGTH - 9000),
  );
  disk.damage('0-0.rec').fill(0xee, SEGMENT_LENGTH - 5000, SEGMENT_LENGTH - 4000);
  const expected = endBefore(image, SEGMENT_LENGTH - 5000);
  const states = atEveryCrashPoint(
    disk,
    (storage) => openDirectory(storage, { ...IDENTITY, arena }),
    (after, label) => {
      const found = recover(after, arena);
      t.equal(found.appendPosition, expected, label);
      t.notOk(after.has(`0-${SEGMENT_LENGTH}.rec`), 'the segment behind is gone');
      t.ok(found.nodeState.state.voting, 'a crash is no reason to lose the vote');
    },
    1,
  );
  t.ok(states > 50);
  t.end();
});

test('damage below the mark is reported with its position, and nothing is cut (B41)', (t) => {
  const arena = makeArena();
  const build = (image: LogImage): unknown => image.until(SEGMENT_LENGTH + 8000, 700);
  const { disk, image } = directoryWith(arena, build, (log) =>
    endBefore(log, SEGMENT_LENGTH + 6000),
  );
  const next = makeChance(5);
  for (let round = 0; round < 200; round++) {
    const at = SEGMENT_LENGTH + (next() % 5500);
    if (!isWithinFrame(image, at)) {
      continue;
    }
    const damaged = disk.clone();
    const segment = damaged.damage(`0-${SEGMENT_LENGTH}.rec`);
    segment[at - SEGMENT_LENGTH] = (segment[at - SEGMENT_LENGTH] as number) ^ 0x10;
    const before = damaged.contents();
    const found = recover(damaged, arena);
    const position = endBefore(image, at);
    t.deepEqual(
      [found.health.kind, found.health.kind === 'corrupt' && found.health.position],
      ['corrupt', position],
    );
    t.equal(found.appendPosition, image.position, 'the log keeps its end');
    const end = image.ends.find((one) => one > position) ?? 0;
    t.deepEqual(found.health.kind === 'corrupt' && found.health.ranges, [
      { from: position, to: end },
    ]);
    t.ok(found.nodeState.state.voting, 'the vote rests, it is not lost');
    t.equal(
      damaged.contents().get(`0-${SEGMENT_LENGTH}.rec`),
      before.get(`0-${SEGMENT_LENGTH}.rec`),
    );
    const again = recover(damaged.crashed('drop'), arena);
    t.equal(again.health.kind, 'corrupt', 'it stays corrupt until it is repaired');
  }
  t.end();
});

test('damage far below the mark is found when the whole log is verified', (t) => {
  const arena = makeArena();
  const build = (image: LogImage): unknown => image.until(SEGMENT_LENGTH + 8000, 700);
  const { disk, image } = directoryWith(arena, build, (log) => log.position);
  disk.damage('0-0.rec')[10_000] = 0x77;
  t.equal(recover(disk.clone(), arena).health.kind, 'sound', 'not walked from the mark');
  const found = recover(disk, arena, 'start');
  t.deepEqual(
    found.health.kind === 'corrupt' ? found.health.position : -1,
    endBefore(image, 10_000),
  );
  t.end();
});

test('a missing segment below the mark is corruption, one above it is the end of the log', (t) => {
  const arena = makeArena();
  const build = (image: LogImage): unknown => image.until(2 * SEGMENT_LENGTH + 8000, 700);
  const marked = directoryWith(arena, build, (log) => log.position).disk;
  marked.delete('0-0.rec');
  const lost = recover(marked, arena);
  t.deepEqual(lost.health.kind === 'corrupt' && lost.health.ranges, [
    { from: 0, to: SEGMENT_LENGTH },
  ]);
  t.ok(marked.has('0-0.rec'), 'it is there to be written into');
  const { disk, image } = directoryWith(arena, build, (log) => endBefore(log, 9000));
  disk.delete(`0-${SEGMENT_LENGTH}.rec`);
  const found = recover(disk, arena);
  t.equal(found.appendPosition, SEGMENT_LENGTH);
  t.ok(image.ends.includes(SEGMENT_LENGTH));
  t.notOk(disk.has(`0-${2 * SEGMENT_LENGTH}.rec`), 'what was behind the hole is gone');
  t.end();
});

test('a missing or shortened segment is corrupt from where its loss begins', (t) => {
  const arena = makeArena();
  for (const spoil of ['remove', 'shorten'] as const) {
    const { disk, image } = directoryWith(
      arena,
      (log) => log.until(SEGMENT_LENGTH + 5000, 700),
      (log) => endBefore(log, TERM_LENGTH + 9000),
    );
    const path = '0-0.rec';
    if (spoil === 'remove') {
      disk.delete(path);
    } else {
      disk.put(path, disk.file(path).slice(0, 3000));
    }
    const { health } = recover(disk, arena);
    const from = health.kind === 'corrupt' ? health.ranges[0]?.from : undefined;
    t.equal(health.kind, 'corrupt', spoil);
    t.equal(from, spoil === 'remove' ? 0 : endBefore(image, 3000), 'at the first loss');
  }
  t.end();
});

test('a lost segment stays damage until it is repaired, however often the member starts', (t) => {
  const arena = makeArena();
  const { disk, image } = directoryWith(
    arena,
    (log) => log.until(2 * SEGMENT_LENGTH + 8000, 700),
    (log) => log.position,
  );
  const lost = disk.file('0-0.rec').slice();
  disk.delete('0-0.rec');
  for (let start = 1; start <= 3; start++) {
    const { health } = recover(disk, arena);
    const ranges = health.kind === 'corrupt' ? health.ranges : [];
    t.deepEqual(ranges, [{ from: 0, to: SEGMENT_LENGTH }], `start ${start}`);
  }
  disk.put('0-0.rec', lost);
  t.equal(recover(disk, arena).health.kind, 'sound', 'once it is there again');
  t.notOk(disk.has(DAMAGE_NOTE_PATH), 'the note is gone');
  t.equal(recover(disk, arena).appendPosition, image.position);
  t.end();
});

test('a log that ends in padding at every alignment is found whole (B34)', (t) => {
  const arena = makeArena();
  for (let gap = 32; gap <= 2048; gap += 32) {
    for (const hasMore of [false, true]) {
      const build = (image: LogImage): void => {
        image.until(TERM_LENGTH - 4096, 480);
        image.data(TERM_LENGTH - gap - image.position - 32);
        image.pad();
        if (hasMore) {
          image.data(10).pad(gap);
        }
      };
      const { disk, image } = directoryWith(arena, build, (log) => endBefore(log, 1024));
      const found = recover(disk, arena);
      if (found.appendPosition !== image.position || found.health.kind !== 'sound') {
        t.fail(`gap ${gap}: ${found.appendPosition} of ${image.position}, ${found.health.kind}`);
      }
      const marked = directoryWith(arena, build, (log) => log.position);
      if (recover(marked.disk, arena).appendPosition !== marked.image.position) {
        t.fail(`gap ${gap} below the mark`);
      }
    }
  }
  const { disk, image } = directoryWith(
    arena,
    (log) => log.until(SEGMENT_LENGTH - 50_000, 900).pad(),
    (log) => endBefore(log, 1024),
  );
  t.equal(recover(disk, arena).appendPosition, SEGMENT_LENGTH, 'at the end of a segment');
  t.equal(image.position, SEGMENT_LENGTH);
  t.end();
});

test('a frame of another leadership term than the recording log names is not of the log', (t) => {
  const arena = makeArena();
  const { disk } = bornDisk();
  const image = new LogImage(arena).until(3000, 100);
  const base = image.position;
  setTerms(disk, [
    [4, 0],
    [9, base],
  ]);
  const rewritten = new LogImage(arena);
  rewritten.leadershipTermId = 4;
  rewritten.until(3000, 100);
  rewritten.leadershipTermId = 9;
  rewritten.until(4000, 100);
  const good = rewritten.position;
  rewritten.leadershipTermId = 4;
  rewritten.until(6000, 100).writeTo(disk);
  setMark(disk, base, 9);
  const found = recover(disk, arena);
  t.equal(found.appendPosition, good);
  t.deepEqual(found.health, {
    kind: 'torn',
    from: good,
    to: found.health.kind === 'torn' ? found.health.to : 0,
  });
  t.equal(found.logTermId, 9);
  t.end();
});

test('padding of an old term that reaches over the base of the next is not of the log', (t) => {
  const arena = makeArena();
  const { disk } = bornDisk();
  const image = new LogImage(arena).until(3000, 100);
  const end = image.position;
  image.pad(640).writeTo(disk);
  setTerms(disk, [
    [0, 0],
    [1, end + 320],
  ]);
  setMark(disk, end);
  const found = recover(disk, arena);
  t.equal(found.appendPosition, end);
  t.deepEqual(
    found.recordingLog.entries().map((entry) => entry.leadershipTermId),
    [0],
  );
  t.end();
});

test('terms that begin beyond the recovered log are dropped from the recording log', (t) => {
  const arena = makeArena();
  const { disk, image } = directoryWith(
    arena,
    (log) => log.until(9000, 100),
    (log) => endBefore(log, 5000),
  );
  const end = image.position;
  runOn(disk, function* (storage): StorageTask<void> {
    const reading = yield* readRecordingLog(storage);
    const log = yield* RecordingLog.open(storage, reading.kind === 'found' ? reading.entries : []);
    yield* log.append(1, end, 0);
    yield* log.append(2, end + 32, 0);
  });
  const found = recover(disk, arena);
  t.equal(found.logTermId, 1, 'a term that begins at the end is kept');
  t.deepEqual(
    found.recordingLog.entries().map((entry) => entry.leadershipTermId),
    [0, 1],
  );
  t.end();
});

test('a half written entry of the recording log is dropped, and told of', (t) => {
  const arena = makeArena();
  const { disk, image } = directoryWith(
    arena,
    (log) => log.until(9000, 100),
    (log) => log.position,
  );
  const end = image.position;
  runOn(disk, function* (storage): StorageTask<void> {
    const reading = yield* readRecordingLog(storage);
    const log = yield* RecordingLog.open(storage, reading.kind === 'found' ? reading.entries : []);
    yield* log.append(4, end, 0);
  });
  disk.damage('recording.log').fill(0, 64 + 40, 128);
  const found = recover(disk, arena);
  t.equal(found.appendPosition, end, 'the log is whole');
  t.deepEqual(
    found.recordingLog.entries().map((entry) => entry.leadershipTermId),
    [0],
    'the term before is the last',
  );
  t.match(
    found.warnings.join(),
    /recording.log ended in a torn entry behind 1 valid ones: dropped/,
  );
  t.end();
});

test('a recovered position survives the next power cut, though it was only cached', (t) => {
  const arena = makeArena();
  const { disk, image } = directoryWith(
    arena,
    (log) => log.until(9000, 100),
    (log) => endBefore(log, 5000),
  );
  const storage = image.bytes.slice(0, image.position);
  // The process died, not the machine: the segment's bytes above the mark are in the page cache.
  const cached = disk.clone();
  const file = cached.names.get('0-0.rec');
  const mark = endBefore(image, 5000);
  file?.durable.fill(0, mark);
  for (let sector = Math.floor(mark / 512); sector <= 20; sector++) {
    file?.dirty.add(sector);
  }
  t.equal(recover(cached, arena).appendPosition, storage.length);
  t.equal(recover(cached.crashed('drop'), arena).appendPosition, storage.length);
  t.end();
});

test('a lost or damaged vote makes the member non-voting, with a warning (B1, B12)', (t) => {
  const arena = makeArena();
  const damage: [string, (disk: MemoryDisk) => void][] = [
    ['one slot', (disk) => disk.damage('node-state.dat').fill(1, 700, 701)],
    ['the other slot', (disk) => disk.damage('node-state.dat').fill(1, 20, 21)],
    ['both slots', (disk) => disk.damage('node-state.dat').fill(1, 20, 701)],
    ['missing', (disk) => disk.delete('node-state.dat')],
    ['mark missing', (disk) => disk.delete('durable-mark.dat')],
    ['mark lost', (disk) => disk.damage('durable-mark.dat').fill(1, 20, 701)],
  ];
  for (const [label, act] of damage) {
    const { disk } = directoryWith(
      arena,
      (log) => log.until(9000, 100),
      (log) => log.position,
    );
    recover(disk, arena);
    act(disk);
    const found = recover(disk, arena);
    t.notOk(found.nodeState.state.voting, label);
    t.equal(found.warnings.length > 0, true, found.warnings.join('; '));
    const again = recover(disk.crashed('drop'), arena);
    t.notOk(again.nodeState.state.voting, `${label}: still`);
    t.deepEqual(again.warnings, [], 'the record is whole again');
    t.equal(again.appendPosition, 9000 - (9000 % 160) + 160);
  }
  t.end();
});

test('a directory that is blank, foreign, in use or corrupt is refused', (t) => {
  const arena = makeArena();
  const { disk } = bornDisk();
  const open = (target: MemoryDisk, identity = IDENTITY, locked = false): string => {
    try {
      runOn(target, (storage) => {
        storage.isLockedElsewhere = locked;
        return openDirectory(storage, { ...identity, arena });
      });
      return 'opened';
    } catch (error) {
      return error instanceof PawlError ? `${error.code} ${error.category}` : String(error);
    }
  };
  t.equal(open(disk.clone()), 'opened');
  t.equal(open(new (disk.constructor as new () => MemoryDisk)()), 'DIRECTORY_NOT_BORN environment');
  t.equal(open(disk.clone(), { clusterId: 8, memberId: 1 }), 'DIRECTORY_FOREIGN environment');
  t.equal(open(disk.clone(), { clusterId: 7, memberId: 2 }), 'DIRECTORY_FOREIGN environment');
  t.equal(open(disk.clone(), IDENTITY, true), 'DIRECTORY_IN_USE environment');
  for (const name of ['birth.dat', 'archive.catalog']) {
    const damaged = disk.clone();
    damaged.damage(name)[40] = 99;
    t.equal(open(damaged), 'RECORD_CORRUPT corruption', name);
  }
  const lost = disk.clone();
  lost.delete('recording.log');
  t.equal(open(lost), 'RECORD_CORRUPT corruption');
  t.equal(open(new (disk.constructor as new () => MemoryDisk)()), 'DIRECTORY_NOT_BORN environment');
  t.end();
});

test('a last term that the mark names and the recording log lost is corruption', (t) => {
  const arena = makeArena();
  const { disk, image } = directoryWith(
    arena,
    (log) => log.until(9000, 100),
    (log) => log.position,
  );
  setTerms(disk, [
    [0, 0],
    [3, image.position],
  ]);
  setMark(disk, image.position, 3);
  disk.damage('recording.log')[70] = 1;
  t.throws(() => recover(disk, arena), /lacks leadership term 3/);
  t.end();
});
