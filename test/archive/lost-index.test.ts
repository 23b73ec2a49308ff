// snapshots.dat that cannot be read may have named every snapshot that is there, and the start of
// the log: nothing of either is removed, and a member that has neither yet starts all the same.

import test from 'tape';
import { deleteSnapshot, purgeArchive } from '../../src/archive/archive-purge.js';
import { truncateArchive } from '../../src/archive/archive-truncate.js';
import { describeDirectory } from '../../src/archive/describe.js';
import { segmentFileName } from '../../src/archive/log-geometry.js';
import { purgeLog } from '../../src/archive/log-purge.js';
import {
  EMPTY_INDEX,
  readSnapshotIndex,
  type SnapshotIndex,
  SnapshotManifest,
} from '../../src/archive/snapshot-manifest.js';
import type { StorageTask } from '../../src/archive/storage-task.js';
import { PawlError } from '../../src/errors.js';
import { exitCodeOf } from '../../src/host/exit-codes.js';
import { MemoryDisk, type MemoryStorage } from '../support/memory-storage.js';
import { SeededEntropy } from '../support/seeded-entropy.js';
import {
  atEveryCrashPoint,
  bootstrap,
  bornDisk,
  GEOMETRY,
  LogImage,
  makeArena,
  runOn,
} from './archive-world.js';
import { endBefore, setMark, setTerms } from './damaged-log.js';
import { putLogFrom, putRecording, setIndex, start, startTask } from './snapshot-world.js';

const { segmentLength: SEGMENT_LENGTH } = GEOMETRY;
const SECTOR_LENGTH = 512;
const RECORD = 'snapshots.dat';
const LOSSES: readonly (readonly [string, (disk: MemoryDisk) => void])[] = [
  ['is missing', (disk) => disk.delete(RECORD)],
  ['is damaged', (disk) => disk.damage(RECORD).fill(7)],
];

const arena = makeArena();

/** A member with two snapshots and the log from a position on. */
function snapshotDisk(logStartPosition: number): { disk: MemoryDisk; image: LogImage } {
  const { disk } = bornDisk();
  const image = new LogImage(arena);
  image.until(2 * SEGMENT_LENGTH + 20_000, 700);
  image.close();
  setTerms(disk, [[0, 0]]);
  putLogFrom(disk, image, logStartPosition);
  setMark(disk, image.position, 0, image.position);
  const snapshots = [3_000, 90_000].map((at, index) => {
    const position = endBefore(image, logStartPosition + at);
    return putRecording(disk, arena, index + 1, position, [[0, 0]]);
  });
  setIndex(disk, { logStartPosition, snapshots });
  return { disk, image };
}

function thrown(run: () => unknown): string {
  try {
    run();
    return 'nothing was thrown';
  } catch (error) {
    return error instanceof PawlError
      ? `${error.code}, exit code ${exitCodeOf(error)}: ${error.message}`
      : String(error);
  }
}

for (const [what, lose] of LOSSES) {
  test(`snapshots that a record may have named stay where it ${what}`, (t) => {
    const { disk } = snapshotDisk(SEGMENT_LENGTH);
    t.ok(start(disk.clone(), arena).snapshot !== undefined, 'it would start from one');
    lose(disk);
    const before = disk.contents();
    const told = thrown(() => start(disk, arena));
    t.match(told, new RegExp(`^RECORD_CORRUPT, exit code 5: snapshots.dat ${what}, and 1-0.rec`));
    t.match(told, /Nothing was changed\..* join anew from an empty directory/);
    t.deepEqual(disk.contents(), before, 'nothing has changed');
    const described = runOn(disk, (storage) => describeDirectory(storage, arena));
    t.match(described.problems.join(), new RegExp(`snapshots.dat ${what}, and 1-0.rec`));
    t.end();
  });

  test(`all of the log is replayed where the record ${what}, if no segment is gone`, (t) => {
    const { disk, image } = snapshotDisk(0);
    const holed = disk.clone();
    lose(disk);
    const found = start(disk, arena);
    t.equal(found.snapshot, undefined);
    t.equal(found.appendPosition, image.position);
    t.equal(found.health.kind, 'sound');
    t.match(found.warnings.join(), new RegExp(`snapshots.dat ${what}: no snapshot is known`));
    lose(holed);
    holed.delete(segmentFileName(SEGMENT_LENGTH));
    t.match(
      thrown(() => start(holed, arena)),
      /^RECORD_CORRUPT, exit code 5/,
      'what is gone may be in a snapshot alone',
    );
    t.end();
  });

  test(`no order gives up anything where the record ${what}`, (t) => {
    const { disk } = snapshotDisk(0);
    lose(disk);
    const before = disk.contents();
    const purge = (storage: MemoryStorage) =>
      purgeArchive(storage, arena, { keptCount: 1, isDryRun: false });
    const remove = (storage: MemoryStorage) => deleteSnapshot(storage, arena, 1);
    const entropy = new SeededEntropy(1);
    const truncate = (storage: MemoryStorage) =>
      truncateArchive(storage, arena, { position: 0, isDryRun: false, entropy });
    const orders: ((storage: MemoryStorage) => StorageTask<unknown>)[] = [purge, remove, truncate];
    for (const order of orders) {
      t.match(
        thrown(() => runOn(disk, order)),
        /^RECORD_CORRUPT/,
      );
      t.deepEqual(disk.contents(), before, 'nothing has changed');
    }
    t.end();
  });

  test(`a log that does not begin at 0 stays where the record ${what}`, (t) => {
    const { disk } = snapshotDisk(SEGMENT_LENGTH);
    disk.delete('1-0.rec');
    disk.delete('2-0.rec');
    lose(disk);
    const before = disk.contents();
    t.match(
      thrown(() => start(disk, arena)),
      new RegExp(
        `^RECORD_CORRUPT.* snapshots.dat ${what}, and the log begins at ${SEGMENT_LENGTH}`,
      ),
    );
    t.deepEqual(disk.contents(), before, 'nothing has changed');
    t.end();
  });

  test(`all of the log is replayed where the record ${what} and the snapshots were moved`, (t) => {
    const { disk, image } = snapshotDisk(0);
    lose(disk);
    disk.delete('1-0.rec');
    disk.delete('2-0.rec');
    const damaged = disk.clone();
    const found = start(disk, arena);
    t.equal(found.appendPosition, image.position);
    t.equal(found.health.kind, 'sound');
    t.equal(found.snapshot, undefined);
    t.ok(found.nodeState.state.voting);
    t.deepEqual(start(disk, arena).warnings, [], 'the record is whole again');
    damaged.damage('0-0.rec').fill(0, 0, 5_000);
    const { health } = start(damaged, arena);
    t.ok(health.kind === 'corrupt' && health.position === 0, 'it is verified from its first byte');
    t.end();
  });
}

/** A member whose log is whole, and its snapshots, behind the first segment. */
function unpurgedDisk(): { disk: MemoryDisk; end: number; index: SnapshotIndex } {
  const { disk, image } = snapshotDisk(0);
  const snapshots = [3_000, 90_000].map((at, number) => {
    const position = endBefore(image, SEGMENT_LENGTH + at);
    return putRecording(disk, arena, number + 1, position, [[0, 0]]);
  });
  const index = { logStartPosition: 0, snapshots };
  disk.delete(RECORD);
  setIndex(disk, index);
  return { disk, end: image.position, index };
}

/** Where the log begins with one or the other slot of the record damaged; fails if it is not. */
function startWithRottenSlots(disk: MemoryDisk, end: number): number[] {
  return [0, 1].map((slot) => {
    const rotten = disk.clone();
    rotten.damage(RECORD).fill(7, slot * SECTOR_LENGTH, (slot + 1) * SECTOR_LENGTH);
    const { appendPosition, health, logStartPosition, snapshot } = start(rotten, arena);
    const isWhole = health.kind === 'sound' && appendPosition === end;
    const isBeginAsSaid = rotten.has('0-0.rec') === (logStartPosition === 0);
    return isWhole && isBeginAsSaid && snapshot?.recordingId === 2 ? logStartPosition : -1;
  });
}

test('one rotten slot of the record costs nothing, whatever was given up', (t) => {
  const { disk, end, index } = unpurgedDisk();
  const seen = new Set<number>();
  const states = atEveryCrashPoint(
    disk,
    function* (storage): StorageTask<void> {
      const manifest = yield* SnapshotManifest.open(storage, index);
      yield* purgeLog(storage, manifest, SEGMENT_LENGTH, GEOMETRY);
      yield* manifest.close();
    },
    (after, label, isComplete) => {
      for (const logStartPosition of startWithRottenSlots(after, end)) {
        seen.add(logStartPosition);
        if (logStartPosition < 0 || (isComplete && logStartPosition === 0)) {
          t.fail(`${label}: the log begins at ${logStartPosition}`);
        }
      }
    },
  );
  t.deepEqual([...seen].sort(), [0, SEGMENT_LENGTH], `in ${states} states`);
  t.end();
});

test('a start gives nothing up that only one slot of the record allows', (t) => {
  const { disk, end, index } = unpurgedDisk();
  const before = disk.clone();
  setIndex(disk, { ...index, logStartPosition: SEGMENT_LENGTH });
  // A crash came when one of them was written, and the segment was to be removed.
  const sequences = [0, 1].map((slot) => disk.file(RECORD)[slot * SECTOR_LENGTH + 8] as number);
  const newer = (sequences[0] as number) > (sequences[1] as number) ? 0 : SECTOR_LENGTH;
  const older = SECTOR_LENGTH - newer;
  disk.damage(RECORD).set(before.file(RECORD).subarray(older, older + SECTOR_LENGTH), older);
  const reading = runOn(disk, readSnapshotIndex);
  t.ok(reading.kind === 'found' && reading.index.logStartPosition === SEGMENT_LENGTH);
  let failures = 0;
  const states = atEveryCrashPoint(disk, startTask(arena), (after, label) => {
    if (startWithRottenSlots(after, end).some((logStartPosition) => logStartPosition < 0)) {
      failures++;
      t.comment(label);
    }
  });
  t.equal(failures, 0, `${states} states`);
  t.end();
});

test('a member starts after a crash at any point of its birth and of its first start', (t) => {
  let failures = 0;
  const birth = atEveryCrashPoint(
    new MemoryDisk(),
    (storage) => bootstrap(storage),
    (after) => {
      if (!after.has('birth.dat')) {
        runOn(after, (storage) => bootstrap(storage));
      }
      failures += start(after, arena).nodeState.state.voting ? 0 : 1;
    },
  );
  const { disk } = bornDisk();
  const first = atEveryCrashPoint(disk, startTask(arena), (after) => {
    const { appendPosition, nodeState } = start(after, arena);
    failures += nodeState.state.voting && appendPosition === 0 ? 0 : 1;
  });
  t.equal(failures, 0, `${birth} states of the birth, ${first} of the first start`);
  t.end();
});

test('a member starts after a crash at any point of its first snapshot', (t) => {
  const { disk, image } = snapshotDisk(0);
  disk.delete('1-0.rec');
  disk.delete('2-0.rec');
  disk.delete(RECORD);
  start(disk, arena);
  const entry = putRecording(disk, arena, 1, endBefore(image, 3_000), [[0, 0]]);
  const seen = new Set<number>();
  const states = atEveryCrashPoint(
    disk,
    function* (storage): StorageTask<void> {
      const manifest = yield* SnapshotManifest.open(storage, EMPTY_INDEX);
      yield* manifest.write({ logStartPosition: 0, snapshots: [entry] });
      yield* manifest.close();
    },
    (after) => {
      const { appendPosition, snapshot } = start(after, arena);
      seen.add(snapshot?.recordingId ?? 0);
      if (appendPosition !== image.position || (snapshot === undefined && after.has('1-0.rec'))) {
        t.fail(`the log ends at ${appendPosition}`);
      }
    },
  );
  t.deepEqual([...seen].sort(), [0, 1], `with and without it, in ${states} states`);
  t.end();
});

test('a directory that holds snapshots and no birth is not born', (t) => {
  const disk = new MemoryDisk();
  putRecording(disk, arena, 1, 4_096, [[0, 0]]);
  const before = disk.contents();
  t.match(
    thrown(() => runOn(disk, (storage) => bootstrap(storage))),
    /^DIRECTORY_FOREIGN.* no birth.dat but holds 1-0.rec, a snapshot/,
  );
  t.deepEqual(
    [...disk.contents()].filter(([name]) => name !== 'lock'),
    [...before],
  );
  t.end();
});
