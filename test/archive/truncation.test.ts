// Truncation: the end of the log goes, physically, or the old log stays. Method: power cuts between
// any two operations of small truncations on a disk in memory.

import test from 'tape';
import { describeDirectory } from '../../src/archive/describe.js';
import { openDirectory } from '../../src/archive/member-directory.js';
import { readNodeState } from '../../src/archive/node-state-file.js';
import { RecordingLog, readRecordingLog } from '../../src/archive/recording-log.js';
import type { StorageTask } from '../../src/archive/storage-task.js';
import { truncateLog } from '../../src/archive/truncate.js';
import { InvariantError } from '../../src/assert.js';
import type { Arena } from '../../src/memory/arena.js';
import type { MemoryStorage } from '../support/memory-storage.js';
import {
  atEveryCrashPoint,
  bornDisk,
  GEOMETRY,
  IDENTITY,
  LogImage,
  makeArena,
  recover,
  runOn,
} from './archive-world.js';

const SEGMENT_LENGTH = GEOMETRY.segmentLength;

import { directoryWith, endBefore, setMark, setTerms } from './damaged-log.js';

function truncateOn(
  arena: Arena,
  position: number,
  commit = 0,
): (storage: MemoryStorage) => StorageTask<void> {
  return function* (storage): StorageTask<void> {
    const found = yield* openDirectory(storage, { ...IDENTITY, arena });
    yield* truncateLog(storage, {
      position,
      geometry: GEOMETRY,
      recordingLog: found.recordingLog,
      knownCommitPosition: commit,
    });
  };
}

test('a truncation leaves the old log or a prefix of it after a crash at any point (B15)', (t) => {
  const arena = makeArena();
  const { disk } = bornDisk();
  const image = new LogImage(arena).until(SEGMENT_LENGTH - 3000, 700);
  const firstEnd = image.position;
  image.leadershipTermId = 2;
  image.until(2 * SEGMENT_LENGTH + 2000, 700).writeTo(disk);
  setTerms(disk, [
    [0, 0],
    [2, firstEnd],
  ]);
  setMark(disk, image.position, 2);
  const cut = endBefore(image, firstEnd - 5000);
  const states = atEveryCrashPoint(
    disk,
    truncateOn(arena, cut),
    (after, label, isComplete) => {
      if (isComplete) {
        t.deepEqual(
          [...after.names.keys()].filter((name) => name.endsWith('.rec')),
          ['0-0.rec'],
          'segments behind are gone before anybody recovers',
        );
        const terms = runOn(after.clone(), readRecordingLog);
        t.equal(terms.kind === 'found' && terms.entries.length, 1, 'and so is the term');
      }
      const found = recover(after, arena);
      const position = found.appendPosition;
      const isPrefix =
        image.ends.includes(position) && position >= cut && found.health.kind !== 'corrupt';
      if (!isPrefix || (isComplete && position !== cut) || !found.nodeState.state.voting) {
        t.fail(`${label}: ${position}, ${found.health.kind}`);
      }
      if (isComplete) {
        t.equal(found.logTermId, 0);
        t.ok(
          after
            .file('0-0.rec')
            .subarray(cut)
            .every((byte) => byte === 0),
          'no ghost is left',
        );
      }
    },
    1,
  );
  t.ok(states > 100, `${states} states`);
  t.end();
});

test('a ghost behind a truncation does not rise when shorter frames take its place (B15)', (t) => {
  const arena = makeArena();
  const { disk, image } = directoryWith(
    arena,
    (log) => log.until(20_000, 500),
    (log) => log.position,
  );
  const cut = endBefore(image, 10_000);
  runOn(disk, truncateOn(arena, cut));
  const after = new LogImage(arena);
  after.until(cut, 500);
  after.leadershipTermId = 7;
  after.data(60).data(60);
  disk.damage('0-0.rec').set(after.bytes.subarray(cut, after.position), cut);
  runOn(disk, function* (storage): StorageTask<void> {
    const reading = yield* readRecordingLog(storage);
    const log = yield* RecordingLog.open(storage, reading.kind === 'found' ? reading.entries : []);
    yield* log.append(7, cut, 0);
  });
  const found = recover(disk, arena);
  t.equal(found.appendPosition, after.position);
  t.equal(found.health.kind, 'sound', 'nothing is behind it');
  t.end();
});

test('a truncation that is told to keep a term that is not there leaves a mark that fits', (t) => {
  const arena = makeArena();
  const { disk } = bornDisk();
  const image = new LogImage(arena).until(9000, 500);
  const cut = image.position;
  image.leadershipTermId = 2;
  image.until(15_000, 500).writeTo(disk);
  setTerms(disk, [
    [0, 0],
    [2, cut],
  ]);
  setMark(disk, image.position, 2);
  runOn(disk, function* (storage): StorageTask<void> {
    const found = yield* openDirectory(storage, { ...IDENTITY, arena });
    yield* truncateLog(storage, {
      position: cut,
      geometry: GEOMETRY,
      recordingLog: found.recordingLog,
      knownCommitPosition: 0,
      keepTermId: 3,
    });
  });
  const found = recover(disk, arena);
  t.equal(found.appendPosition, cut);
  t.equal(found.logTermId, 0);
  t.equal(found.mark.leadershipTermId, 0);
  t.end();
});

test('a truncation below a known commit position is a broken invariant (B13)', (t) => {
  const arena = makeArena();
  const { disk, image } = directoryWith(
    arena,
    (log) => log.until(20_000, 500),
    (log) => log.position,
  );
  const cut = endBefore(image, 10_000);
  t.throws(() => runOn(disk.clone(), truncateOn(arena, cut, cut + 32)), InvariantError);
  setMark(disk, image.position, 0, cut + 32);
  t.throws(() => runOn(disk.clone(), truncateOn(arena, cut)), InvariantError, 'the mark knows');
  t.equal(recover(disk, arena).appendPosition, image.position);
  t.end();
});

test('describe tells what a directory holds and changes nothing', (t) => {
  const arena = makeArena();
  const { disk, image } = directoryWith(
    arena,
    (log) => log.until(20_000, 500),
    (log) => endBefore(log, 9000),
  );
  disk.damage('0-0.rec').fill(3, image.position, image.position + 40);
  const before = disk.contents();
  const described = runOn(disk, (storage) => {
    storage.isLockedElsewhere = true;
    return describeDirectory(storage, arena);
  });
  t.deepEqual(disk.contents(), before);
  t.equal(described.birth?.memberId, 1);
  t.equal(described.appendPosition, image.position);
  t.equal(described.health?.kind, 'torn');
  t.deepEqual(described.segments, [{ name: '0-0.rec', base: 0, length: SEGMENT_LENGTH }]);
  t.equal(described.mark?.durablePosition, endBefore(image, 9000));
  t.equal(described.logTermId, 0);
  disk.damage('0-0.rec').fill(9, 300, 310);
  const damaged = runOn(disk, (storage) => describeDirectory(storage, arena));
  t.equal(damaged.health?.kind, 'corrupt');
  t.ok(damaged.problems.some((problem) => problem.includes('below its durable mark')));
  t.equal(runOn(disk, readNodeState).kind, 'found');
  t.end();
});
