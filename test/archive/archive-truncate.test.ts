// The end of a stopped member's log given up by an operator: nothing committed, and never with the
// vote that may have promised it. Method: power cuts between any two operations, on a disk in
// memory.

import test, { type Test } from 'tape';
import {
  type ArchiveTruncateOptions,
  type ArchiveTruncation,
  truncateArchive,
} from '../../src/archive/archive-truncate.js';
import { type Birth, readBirth } from '../../src/archive/birth.js';
import { NodeStateFile, readNodeState } from '../../src/archive/node-state-file.js';
import { readRecordingLog } from '../../src/archive/recording-log.js';
import { SnapshotManifest } from '../../src/archive/snapshot-manifest.js';
import {
  SNAPSHOT_FORMAT_VERSION,
  type SnapshotEntry,
} from '../../src/archive/snapshot-recording.js';
import type { StorageTask } from '../../src/archive/storage-task.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import type { Arena } from '../../src/memory/arena.js';
import { MemoryDisk, type MemoryStorage } from '../support/memory-storage.js';
import { SeededEntropy } from '../support/seeded-entropy.js';
import {
  atEveryCrashPoint,
  bootstrap,
  bornDisk,
  GEOMETRY,
  LogImage,
  makeArena,
  recover,
  runOn,
  TERM_LENGTH,
} from './archive-world.js';
import { endBefore, setMark, setTerms } from './damaged-log.js';

const SEGMENT_LENGTH = GEOMETRY.segmentLength;
const LOG_TERM_2 = 2;

interface World {
  readonly arena: Arena;
  readonly disk: MemoryDisk;
  readonly image: LogImage;
  readonly birth: Birth;
  /** Where term 2 begins. */
  readonly secondBase: number;
}

/** Three members' worth of knowledge, two terms and a log of more than two segments. */
function makeWorld(commit: number): World {
  const arena = makeArena();
  const { birth, disk } = bornDisk();
  const image = new LogImage(arena).until(SEGMENT_LENGTH - 3000, 1000);
  const secondBase = image.position;
  image.leadershipTermId = LOG_TERM_2;
  image.until(2 * SEGMENT_LENGTH + 2000, 1000).writeTo(disk);
  setTerms(disk, [
    [0, 0],
    [LOG_TERM_2, secondBase],
  ]);
  setMark(disk, image.position, LOG_TERM_2, endBefore(image, commit));
  meetOthers(disk);
  return { arena, disk, image, birth, secondBase };
}

function meetOthers(disk: MemoryDisk): void {
  runOn(disk, function* (storage): StorageTask<void> {
    const reading = yield* readNodeState(storage);
    if (reading.kind === 'found') {
      const known = { memberId: 0, incarnation: { high: 1, low: 2 } };
      const incarnations = [{ ...known, admittedTermId: 3, admittedPosition: 4096 }];
      const state = { ...reading.state, incarnations };
      const file = yield* NodeStateFile.open(storage, state, reading.sequence);
      yield* file.close();
    }
  });
}

function truncating(
  arena: Arena,
  position: number,
  options: Partial<ArchiveTruncateOptions> = {},
): (storage: MemoryStorage) => StorageTask<ArchiveTruncation> {
  const entropy = new SeededEntropy(5);
  return (storage) =>
    truncateArchive(storage, arena, { position, isDryRun: false, entropy, ...options });
}

function refuse(
  t: Test,
  run: () => unknown,
  code: ErrorCode,
  pattern: RegExp,
  message: string,
): void {
  try {
    run();
    t.fail(`${message}: nothing was thrown`);
  } catch (error) {
    t.equal(error instanceof PawlError && error.code, code, `${message}: ${String(error)}`);
    t.match(String(error), pattern);
  }
}

test('the end of a log goes and with it the vote, and a dry run tells it before', (t) => {
  const { arena, birth, disk, image, secondBase } = makeWorld(10_000);
  const cut = endBefore(image, secondBase - 5_000);
  const before = disk.contents();
  const planned = runOn(disk, truncating(arena, cut, { isDryRun: true }));
  t.deepEqual(disk.contents(), before, 'a dry run changes nothing');
  t.deepEqual(planned, {
    formerEndPosition: image.position,
    endPosition: cut,
    segmentCount: 2,
    termIds: [LOG_TERM_2],
    commitPosition: endBefore(image, 10_000),
  });
  t.deepEqual(runOn(disk, truncating(arena, cut)), planned);
  const found = recover(disk, arena, 'start');
  t.equal(found.appendPosition, cut);
  t.equal(found.health.kind, 'sound');
  t.equal(found.logTermId, 0);
  t.equal(found.nodeState.state.voting, false, 'it may have acknowledged what is gone');
  t.equal(found.nodeState.state.incarnations.length, 1, 'whom it knew it knows');
  t.notDeepEqual(found.birth.incarnation, birth.incarnation, 'and it is another incarnation');
  t.deepEqual(
    runOn(disk, truncating(arena, cut)),
    { ...planned, formerEndPosition: cut, segmentCount: 0, termIds: [] },
    'a second time there is nothing to give up',
  );
  t.end();
});

test('a crash at any point leaves a sound log, and no vote with a shorter one', (t) => {
  const { arena, birth, disk, image, secondBase } = makeWorld(10_000);
  const cut = endBefore(image, secondBase - 5_000);
  const states = atEveryCrashPoint(
    disk,
    truncating(arena, cut),
    (after, label, isComplete) => {
      const born = runOn(after.clone(), readBirth);
      const found = recover(after.clone(), arena, 'start');
      const { appendPosition: end, health, nodeState } = found;
      const isPrefix = image.ends.includes(end) && end >= cut && health.kind !== 'corrupt';
      const isOther = born?.incarnation.low !== birth.incarnation.low;
      const isShort = end < image.position;
      const isHonest = !nodeState.state.voting || (!isShort && !isOther);
      if (!isPrefix || !isHonest || (isShort && !isOther) || (isComplete && end !== cut)) {
        t.fail(`${label}: ends at ${end}, ${health.kind}, other ${isOther}`);
      }
      // As the message says: the command is run again.
      const again = runOn(after, truncating(arena, cut));
      if (again.endPosition !== cut || recover(after, arena, 'start').appendPosition !== cut) {
        t.fail(`${label}: a second run ends at ${again.endPosition}`);
      }
    },
    1,
  );
  t.ok(states > 100, `${states} states`);
  t.end();
});

test('what is committed, or in a snapshot, is never given up', (t) => {
  const { arena, disk, image } = makeWorld(50_000);
  const commit = endBefore(image, 50_000);
  const before = disk.contents();
  refuse(
    t,
    () => runOn(disk, truncating(arena, endBefore(image, commit - 32))),
    ErrorCode.LimitExceeded,
    new RegExp(
      `what is below ${commit} is committed: it can never .*use a position from ${commit}`,
    ),
    'below the commit position',
  );
  t.deepEqual(disk.contents(), before);
  t.equal(runOn(disk.clone(), truncating(arena, commit)).endPosition, commit, 'up to it is fine');
  const snapshotPosition = endBefore(image, 90_000);
  runOn(disk, function* (storage): StorageTask<void> {
    const index = { logStartPosition: 0, snapshots: [] };
    const manifest = yield* SnapshotManifest.open(storage, index);
    const entry: SnapshotEntry = {
      ...{ recordingId: 1, logPosition: snapshotPosition, leadershipTermId: 0 },
      ...{ termBaseLogPosition: 0, timestampMs: 0, length: 64, hash: 0 },
      ...{ formatVersion: SNAPSHOT_FORMAT_VERSION, appVersion: 0 },
    };
    yield* manifest.write({ ...index, snapshots: [entry] });
    yield* manifest.close();
  });
  refuse(
    t,
    () => runOn(disk, truncating(arena, commit)),
    ErrorCode.LimitExceeded,
    new RegExp(`what is below ${snapshotPosition} is committed`),
    'a snapshot is of what is committed',
  );
  t.end();
});

test('a position beyond the log, or within a frame, is refused with one that can be used', (t) => {
  const { arena, disk, image } = makeWorld(1_000);
  const end = image.position;
  const cases: [number, RegExp][] = [
    [end + 32, new RegExp(`is to end at ${end + 32}, and it ends at ${end} already`)],
    [endBefore(image, 20_000) + 32, new RegExp(`use ${endBefore(image, 20_000)}, where one does`)],
    [endBefore(image, 20_000) + 7, /no frame ends at/],
    // The last frame of a term buffer is padding.
    [TERM_LENGTH - 32, /no frame ends at 65504: use \d+, where/],
  ];
  for (const [position, pattern] of cases) {
    const run = (): unknown => runOn(disk.clone(), truncating(arena, position));
    refuse(t, run, ErrorCode.ArgumentOutOfRange, pattern, String(position));
  }
  for (const position of [TERM_LENGTH, endBefore(image, TERM_LENGTH - 32), SEGMENT_LENGTH]) {
    const copy = disk.clone();
    runOn(copy, truncating(arena, position));
    t.equal(recover(copy, arena, 'start').appendPosition, position, `${position} is a frame's end`);
  }
  t.end();
});

test('nobody but the only member of a cluster has its log: nothing of it is given up', (t) => {
  const arena = makeArena();
  const disk = new MemoryDisk();
  runOn(disk, (storage) => bootstrap(storage));
  const image = new LogImage(arena).until(9_000, 500).writeTo(disk);
  setTerms(disk, [[0, 0]]);
  refuse(
    t,
    () => runOn(disk, truncating(arena, endBefore(image, 5_000))),
    ErrorCode.LimitExceeded,
    /knows no other: all that the only member of a cluster has recorded is committed/,
    'a cluster of one',
  );
  t.end();
});

test('damage, a lost record and a directory that is none are told, and nothing is cut', (t) => {
  const { arena, disk, image } = makeWorld(1_000);
  const cut = endBefore(image, 20_000);
  const rotten = disk.clone();
  rotten.damage('0-0.rec').fill(9, 300, 310);
  refuse(
    t,
    () => runOn(rotten, truncating(arena, cut)),
    ErrorCode.LogCorrupt,
    /the log is corrupt .* start the member first, so that it is repaired/,
    'a damaged log',
  );
  for (const path of ['durable-mark.dat', 'node-state.dat', 'snapshots.dat']) {
    const lost = disk.clone();
    if (path === 'snapshots.dat') {
      lost.put(path, new Uint8Array(1_024).fill(3));
    } else {
      lost.delete(path);
    }
    refuse(
      t,
      () => runOn(lost, truncating(arena, cut)),
      ErrorCode.RecordCorrupt,
      new RegExp(`${path.replace('.', '\\.')} cannot be read: what may be given up is not known`),
      path,
    );
    const reading = runOn(lost, readRecordingLog);
    t.equal(reading.kind === 'found' && reading.entries.length, 2, 'the terms are all there');
  }
  refuse(
    t,
    () => runOn(new MemoryDisk(), truncating(arena, cut)),
    ErrorCode.DirectoryNotBorn,
    /there is no archive \(it has no birth\.dat\): name the data directory of a member/,
    'a blank directory',
  );
  t.end();
});
