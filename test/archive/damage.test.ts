// Damage below the end of the log: found everywhere at once, by the start and by the scrubber.

import test from 'tape';
import { DamageList } from '../../src/archive/damage-list.js';
import { DamageScan } from '../../src/archive/damage-scan.js';
import { CHUNK_LENGTH_MIN, CHUNK_SCRATCH_LENGTH } from '../../src/archive/log-walk.js';
import { RecordingLog, readRecordingLog } from '../../src/archive/recording-log.js';
import { verifyRepair, writeRepair } from '../../src/archive/repair-write.js';
import { Scrubber } from '../../src/archive/scrubber.js';
import { StorageTasks } from '../../src/archive/storage-task.js';
import type { Arena } from '../../src/memory/arena.js';
import { StorageResult } from '../../src/ports/storage.js';
import { type MemoryDisk, MemoryStorage } from '../support/memory-storage.js';
import {
  GEOMETRY,
  type LogImage,
  makeArena,
  makeChance,
  recover,
  runOn,
  TERM_LENGTH,
} from './archive-world.js';
import { directoryWith, setTerms } from './damaged-log.js';

const SEGMENT_LENGTH = GEOMETRY.segmentLength;

function segmentOf(position: number): string {
  return `0-${position - (position % SEGMENT_LENGTH)}.rec`;
}

function flip(disk: MemoryDisk, position: number): void {
  const bytes = disk.damage(segmentOf(position));
  const at = position % SEGMENT_LENGTH;
  bytes[at] = (bytes[at] as number) ^ 0x40;
}

/** The frame around a position: payloads of 500 bytes have no byte that a checksum leaves out. */
function frameAround(image: LogImage, position: number): { from: number; to: number } {
  const index = image.ends.findIndex((end) => end > position);
  return { from: image.ends[index - 1] ?? 0, to: image.ends[index] ?? 0 };
}

function soundDirectory(arena: Arena, end = 3 * SEGMENT_LENGTH + 9_000) {
  return directoryWith(
    arena,
    (log) => log.until(end, 480),
    (log) => log.position,
  );
}

function scanAll(disk: MemoryDisk, arena: Arena, end: number, chunkLength: number) {
  return runOn(disk, function* (storage) {
    const reading = yield* readRecordingLog(storage);
    const entries = reading.kind === 'found' ? reading.entries : [];
    const slabLength = chunkLength + CHUNK_SCRATCH_LENGTH;
    const chunk = arena.allocate(slabLength);
    const scan = new DamageScan(
      { arena, chunk, chunkLength, geometry: GEOMETRY, entries: () => entries },
      0,
      end,
    );
    while (!scan.isDone) {
      yield* scan.step(storage);
    }
    arena.release(chunk, slabLength);
    return scan.found;
  });
}

test('a list of damaged ranges joins what touches and takes out what is repaired', (t) => {
  const list = new DamageList([
    { from: 320, to: 640 },
    { from: 64, to: 96 },
  ]);
  t.notOk(list.add({ from: 352, to: 384 }), 'known already');
  t.ok(list.add({ from: 96, to: 128 }));
  t.deepEqual(list.ranges, [
    { from: 64, to: 128 },
    { from: 320, to: 640 },
  ]);
  list.remove(352, 416);
  t.deepEqual(list.ranges.slice(1), [
    { from: 320, to: 352 },
    { from: 416, to: 640 },
  ]);
  t.ok(list.covers(320));
  t.notOk(list.covers(352));
  t.equal(list.firstFrom(352), 416);
  t.equal(list.firstFrom(640), Number.POSITIVE_INFINITY);
  list.remove(100, Number.POSITIVE_INFINITY);
  t.deepEqual(list.ranges, [{ from: 64, to: 100 }]);
  t.end();
});

test('damage in many places is as many ranges, and all between them is kept (D5)', (t) => {
  const arena = makeArena();
  const { disk, image } = soundDirectory(arena);
  for (let seed = 1; seed <= 40; seed++) {
    const next = makeChance(seed);
    const damaged = disk.clone();
    const expected = new DamageList();
    const count = 1 + (next() % 8);
    for (let index = 0; index < count; index++) {
      // Not in the masked session and stream ids, nor in the padding at the end of a term.
      const frame = frameAround(image, next() % (image.position - 1024));
      if (frame.to - frame.from === 512) {
        flip(damaged, frame.from + 20 + (next() % 490));
        expected.add(frame);
      }
    }
    for (const chunkLength of [CHUNK_LENGTH_MIN, 1024 * 1024]) {
      const found = new DamageList(scanAll(damaged, arena, image.position, chunkLength));
      t.deepEqual(found.ranges, expected.ranges, `seed ${seed}, chunks of ${chunkLength}`);
    }
    const started = recover(damaged.clone(), arena, 'start');
    t.equal(started.appendPosition, image.position, 'the log keeps its end');
  }
  t.equal(arena.allocatedLength, makeArena().allocatedLength, 'memory is given back');
  t.end();
});

test('a misdirected block, a stale term and a zeroed stretch are damage (D6)', (t) => {
  const arena = makeArena();
  const { disk, image } = soundDirectory(arena);
  const at = 20 * 512;
  const cases: [string, (bytes: Uint8Array) => void][] = [
    ['a block of another place', (bytes) => bytes.copyWithin(at, 40 * 512, 41 * 512)],
    ['zeros', (bytes) => bytes.fill(0, at, at + 512)],
    ['another term', (bytes) => bytes.fill(1, at + 28, at + 29)],
  ];
  for (const [label, act] of cases) {
    const damaged = disk.clone();
    act(damaged.damage('0-0.rec'));
    const found = scanAll(damaged, arena, image.position, CHUNK_LENGTH_MIN);
    t.deepEqual(found, [{ from: at, to: at + 512 }], label);
  }
  t.end();
});

test('damage that reaches the mark hides how long the log was, and costs the vote', (t) => {
  const arena = makeArena();
  const { disk, image } = soundDirectory(arena, 20_000);
  const last = frameAround(image, image.position - 1);
  flip(disk, last.from + 100);
  const found = recover(disk, arena, 'start');
  t.equal(found.health.kind === 'corrupt' && found.health.isEndKnown, false);
  t.equal(found.appendPosition, image.position, 'its end is at the mark');
  t.notOk(found.nodeState.state.voting);
  t.end();
});

test('a block proves itself by place, term and checksum, or is refused', (t) => {
  const arena = makeArena();
  const { image } = soundDirectory(arena, 20_000);
  const entries = [
    { leadershipTermId: 0, termBaseLogPosition: 0, logPosition: -1, timestampMs: 0 },
  ];
  const slab = arena.allocate(64 * 1024 + CHUNK_SCRATCH_LENGTH);
  const verify = (position: number, length: number, terms = entries): number =>
    verifyRepair(arena, GEOMETRY, terms, slab, length, position);
  arena.u8.set(image.bytes.subarray(1024, 4096), slab);
  t.equal(verify(1024, 3072), 3072);
  t.equal(verify(2048, 3072), 0, 'frames of another place');
  t.equal(verify(1024, 3000), 0, 'a frame that is not whole');
  const other = [{ ...(entries[0] as (typeof entries)[0]), leadershipTermId: 3 }];
  t.equal(verify(1024, 3072, other), 0, 'frames of another term');
  arena.u8[slab + 2000] = (arena.u8[slab + 2000] as number) ^ 1;
  t.equal(verify(1024, 3072), 0, 'a flipped bit');
  t.end();
});

test('a repaired range is durable before it counts as sound', (t) => {
  const arena = makeArena();
  const { disk, image } = soundDirectory(arena, 20_000);
  const frame = frameAround(image, 6_000);
  flip(disk, 6_000);
  const slab = arena.allocate(64 * 1024 + CHUNK_SCRATCH_LENGTH);
  const length = frame.to - frame.from;
  arena.u8.set(image.bytes.subarray(frame.from, frame.to), slab);
  runOn(disk, (storage) => writeRepair(storage, GEOMETRY, arena, slab, length, frame.from));
  t.equal(recover(disk.crashed('drop'), arena, 'start').health.kind, 'sound');
  t.end();
});

/** A scrubber over a disk whose log ends at a position. */
function scrubberOn(disk: MemoryDisk, arena: Arena, cycleNs: number) {
  const storage = new MemoryStorage(disk);
  const tasks = new StorageTasks(storage);
  const damage = new DamageList();
  const recordingLog = runOn(disk.clone(), function* (own) {
    const reading = yield* readRecordingLog(own);
    return yield* RecordingLog.open(own, reading.kind === 'found' ? reading.entries : []);
  });
  const scrubber = new Scrubber({
    tasks,
    arena,
    geometry: GEOMETRY,
    recordingLog,
    damage,
    cycleNs,
    bytesPerSecond: 1024 * 1024,
    onFound: () => undefined,
    onFatal: (error) => {
      throw error;
    },
  });
  return { damage, scrubber, tasks };
}

test('the scrubber finds rot within a round, and reads no faster than it may', (t) => {
  const arena = makeArena();
  const { disk, image } = soundDirectory(arena);
  const { damage, scrubber, tasks } = scrubberOn(disk, arena, 10e9);
  flip(disk, 3 * TERM_LENGTH + 700);
  const frame = frameAround(image, 3 * TERM_LENGTH + 700);
  let nowNs = 0;
  scrubber.doWork(nowNs, image.position);
  t.equal(scrubber.deadlineNs(), 10e9, 'the start has just read all of it');
  let steps = 0;
  while (scrubber.roundCount === 0 && steps < 100) {
    nowNs = Math.max(nowNs, scrubber.deadlineNs());
    const before = scrubber.scrubbedBytes;
    steps += scrubber.doWork(nowNs, image.position);
    tasks.poll();
    t.ok(scrubber.scrubbedBytes - before <= CHUNK_LENGTH_MIN, 'one chunk a turn');
  }
  t.deepEqual(damage.ranges, [frame]);
  t.equal(scrubber.scrubbedBytes, image.position, 'all of it was read once');
  const leastNs = 10e9 + ((steps - 1) * CHUNK_LENGTH_MIN * 1e9) / (1024 * 1024);
  t.ok(nowNs >= leastNs, `${nowNs} of ${leastNs} ns`);
  scrubber.close();
  t.end();
});

test('what a reader complains about is looked at at once, and what is cut is no damage', (t) => {
  const arena = makeArena();
  const { disk, image } = soundDirectory(arena);
  const { damage, scrubber, tasks } = scrubberOn(disk, arena, 1e15);
  const settle = (): void => {
    while (scrubber.doWork(0, image.position) + tasks.poll() > 0) {
      // Each turn takes one step.
    }
  };
  flip(disk, 2 * TERM_LENGTH + 700);
  scrubber.suspect(2 * TERM_LENGTH + 512);
  t.ok(scrubber.isInDoubt(2 * TERM_LENGTH + 512), 'until it was looked at');
  settle();
  t.equal(damage.ranges.length, 1);
  t.equal(scrubber.scrubbedBytes, TERM_LENGTH, 'one term was read');
  scrubber.suspect(512);
  settle();
  t.notOk(scrubber.isInDoubt(512), 'a false alarm');
  scrubber.rest(TERM_LENGTH);
  scrubber.suspect(5 * TERM_LENGTH);
  t.equal(scrubber.doWork(0, image.position), 0, 'it rests while the log is cut');
  scrubber.resume(TERM_LENGTH);
  t.deepEqual(damage.ranges, []);
  scrubber.doWork(0, TERM_LENGTH);
  t.notOk(scrubber.isInDoubt(5 * TERM_LENGTH), 'there is no log any more');
  scrubber.close();
  t.end();
});

test('a terms table with several leaders is followed across a damaged base', (t) => {
  const arena = makeArena();
  let base = 0;
  const { disk, image } = directoryWith(
    arena,
    (log) => {
      log.until(9_000, 480);
      base = log.position;
      log.leadershipTermId = 4;
      log.until(20_000, 480);
    },
    (log) => log.position,
  );
  setTerms(disk, [
    [0, 0],
    [4, base],
  ]);
  flip(disk, base - 100);
  flip(disk, base + 100);
  const found = scanAll(disk, arena, image.position, CHUNK_LENGTH_MIN);
  t.deepEqual(found, [{ from: base - 512, to: base + 512 }]);
  t.end();
});

test('a sector that cannot be read is damage, and what lies around it is kept', (t) => {
  const arena = makeArena();
  const { disk, image } = soundDirectory(arena, 30_000);
  // The read of the chunk fails, and of the pieces that follow the third one.
  let readCount = 0;
  const found = runOn(disk, function* (storage) {
    const reading = yield* readRecordingLog(storage);
    const entries = reading.kind === 'found' ? reading.entries : [];
    storage.failure = (kind) => {
      readCount += kind === 'read' ? 1 : 0;
      const isBad = kind === 'read' && (readCount === 1 || readCount === 4);
      return isBad ? StorageResult.InputOutput : StorageResult.Ok;
    };
    const chunkLength = CHUNK_LENGTH_MIN;
    const chunk = arena.allocate(chunkLength + CHUNK_SCRATCH_LENGTH);
    const options = { arena, chunk, chunkLength, geometry: GEOMETRY, entries: () => entries };
    const scan = new DamageScan(options, 0, image.position);
    while (!scan.isDone) {
      yield* scan.step(storage);
    }
    return scan.found;
  });
  t.deepEqual(found, [{ from: 8_192, to: 12_288 }], 'the third piece of 4 KiB, and its frames');
  t.end();
});
