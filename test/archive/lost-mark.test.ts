// A durable mark that cannot be read says nothing of the log: not that there is none. Method: small
// logs behind snapshots on a disk in memory, every crash point of the start that finds no mark.

import test, { type Test } from 'tape';
import { describeDirectory } from '../../src/archive/describe.js';
import { segmentBases } from '../../src/archive/log-geometry.js';
import { readNodeState } from '../../src/archive/node-state-file.js';
import { isInstallPending } from '../../src/archive/snapshot-install.js';
import type { MemoryDisk } from '../support/memory-storage.js';
import {
  atEveryCrashPoint,
  bornDisk,
  GEOMETRY,
  LogImage,
  makeArena,
  runOn,
} from './archive-world.js';
import { endBefore, setMark, setTerms } from './damaged-log.js';
import {
  putLogFrom,
  putRecording,
  setIndex,
  start,
  startTask,
  type Term,
} from './snapshot-world.js';

const { segmentLength: SEGMENT_LENGTH } = GEOMETRY;
const LOG_TERM = 3;
const TERMS: readonly Term[] = [
  [0, 0],
  [LOG_TERM, 4_096],
];
/** Where an installed snapshot lies: within a segment, which begins with zeros. */
const INSTALLED = SEGMENT_LENGTH + 5_120;

const LOSSES: readonly (readonly [string, (disk: MemoryDisk) => void])[] = [
  ['is gone', (disk) => disk.delete('durable-mark.dat')],
  ['is damaged in both slots', (disk) => disk.damage('durable-mark.dat').fill(7)],
];

const arena = makeArena();

/** A log in LOG_TERM from a position on. */
function logFrom(position: number, end: number): LogImage {
  const image = new LogImage(arena);
  image.leadershipTermId = LOG_TERM;
  image.position = position;
  image.until(end, 700);
  image.close();
  return image;
}

/** A member that has installed a snapshot, and recorded and acknowledged log behind it. */
function installedDisk(): { disk: MemoryDisk; image: LogImage } {
  const { disk } = bornDisk();
  const entry = putRecording(disk, arena, 1, INSTALLED, TERMS);
  setIndex(disk, { logStartPosition: INSTALLED, snapshots: [entry] });
  setTerms(disk, TERMS);
  const image = logFrom(INSTALLED, 3 * SEGMENT_LENGTH + 20_000);
  putLogFrom(disk, image, INSTALLED);
  setMark(disk, image.position, LOG_TERM, image.position);
  return { disk, image };
}

/** A member that took snapshots of its own and purged the log before the first of them. */
function purgedDisk(startPosition: number): { disk: MemoryDisk; image: LogImage; end: number } {
  const { disk } = bornDisk();
  const image = logFrom(0, 3 * SEGMENT_LENGTH + 20_000);
  const positions = [startPosition + 3_000, startPosition + SEGMENT_LENGTH + 9_000].map((at) =>
    endBefore(image, at),
  );
  const terms: readonly Term[] = [[LOG_TERM, 0]];
  const snapshots = positions.map((at, index) => putRecording(disk, arena, index + 1, at, terms));
  setIndex(disk, { logStartPosition: startPosition, snapshots });
  setTerms(disk, terms);
  putLogFrom(disk, image, startPosition);
  setMark(disk, image.position, LOG_TERM, image.position);
  return { disk, image, end: image.position };
}

/** Whether a disk says that its member has a vote that it may use. */
function hasVote(disk: MemoryDisk): boolean {
  const reading = runOn(disk, readNodeState);
  return reading.kind === 'found' && reading.state.voting;
}

/** Whether every byte of a log from a position on is on a disk. */
function logBytes(disk: MemoryDisk, image: LogImage, from: number): boolean {
  const bases = new Set(segmentBases([...disk.names.keys()]));
  for (let at = from; at < image.position; ) {
    const base = at - (at % SEGMENT_LENGTH);
    const end = Math.min(image.position, base + SEGMENT_LENGTH);
    const found = bases.has(base) ? disk.file(`0-${base}.rec`) : new Uint8Array(0);
    const bytes = image.bytes.subarray(at, end);
    if (Buffer.compare(found.subarray(at - base, end - base), bytes) !== 0) {
      return false;
    }
    at = end;
  }
  return true;
}

function keepsLog(t: Test, disk: MemoryDisk, image: LogImage, from: number): void {
  const found = start(disk.clone(), arena);
  t.equal(found.appendPosition, image.position, 'all of the log is there');
  t.notOk(found.nodeState.state.voting, 'and the vote is not');
  t.match(found.warnings.join(), /the mark is lost; starting non-voting/);
  t.ok((found.snapshot?.logPosition ?? 0) >= from, 'it starts from its snapshot');
  const described = runOn(disk.clone(), (storage) => describeDirectory(storage, arena));
  t.equal(described.appendPosition, image.position, 'pawl describe tells the same end');
  let failures = 0;
  const states = atEveryCrashPoint(
    disk,
    startTask(arena),
    (after) => {
      const again = start(after, arena);
      const isKept = again.appendPosition === image.position && logBytes(after, image, from);
      failures += isKept && !again.nodeState.state.voting ? 0 : 1;
    },
    2,
  );
  t.equal(failures, 0, `nor at any of ${states} crash points of that start`);
}

for (const [what, lose] of LOSSES) {
  test(`a mark that ${what} takes no log behind an installed snapshot`, (t) => {
    const { disk, image } = installedDisk();
    t.ok(start(disk.clone(), arena).nodeState.state.voting, 'it had a vote');
    lose(disk);
    keepsLog(t, disk, image, INSTALLED);
    t.end();
  });

  test(`a mark that ${what} takes no log behind a purge`, (t) => {
    const { disk, image } = purgedDisk(SEGMENT_LENGTH);
    lose(disk);
    keepsLog(t, disk, image, SEGMENT_LENGTH);
    t.end();
  });

  test(`a mark that ${what} makes damage before the snapshot no torn tail`, (t) => {
    const { disk, image } = purgedDisk(SEGMENT_LENGTH);
    lose(disk);
    disk.damage(`0-${SEGMENT_LENGTH}.rec`).fill(0xee, 40_000, 40_100);
    const found = start(disk, arena);
    t.equal(found.appendPosition, image.position);
    t.equal(found.health.kind, 'corrupt', 'it is to be repaired');
    t.notOk(found.nodeState.state.voting);
    t.end();
  });

  test(`an install that a crash cut short, and whose mark ${what}, ends without a vote`, (t) => {
    const { disk } = bornDisk();
    const former = new LogImage(arena);
    former.until(2_048, 100);
    setTerms(disk, [
      [0, 0],
      [1, former.position],
    ]);
    former.leadershipTermId = 1;
    former.until(SEGMENT_LENGTH + 9_000, 700).writeTo(disk);
    former.close();
    t.ok(former.position > INSTALLED, 'what was not acknowledged may reach beyond the snapshot');
    const entry = putRecording(disk, arena, 1, INSTALLED, TERMS);
    setIndex(disk, { logStartPosition: INSTALLED, snapshots: [entry] });
    lose(disk);
    const check = (after: MemoryDisk): boolean => {
      const found = start(after, arena);
      return (
        found.appendPosition === INSTALLED &&
        found.logTermId === LOG_TERM &&
        !found.nodeState.state.voting
      );
    };
    t.ok(check(disk.clone()), 'the log begins at the snapshot');
    let failures = 0;
    const states = atEveryCrashPoint(
      disk,
      startTask(arena),
      (after) => {
        const isAnyGone = !after.has('0-0.rec') || !after.has(`0-${SEGMENT_LENGTH}.rec`);
        failures += isAnyGone && hasVote(after) ? 1 : 0;
        failures += check(after) ? 0 : 1;
      },
      2,
    );
    t.equal(failures, 0, `at every one of ${states} crash points`);
    t.end();
  });
}

test('a mark whose newer slot is damaged takes no log that was purged up to it', (t) => {
  // The older slot names what was purged since.
  for (const isInstalled of [false, true]) {
    const { disk, image } = isInstalled ? installedDisk() : purgedDisk(SEGMENT_LENGTH);
    const from = isInstalled ? INSTALLED : SEGMENT_LENGTH;
    setMark(disk, 4_096, LOG_TERM, 4_096);
    disk.damage('durable-mark.dat').fill(9, 0, 512);
    const found = start(disk, arena);
    t.equal(found.appendPosition, image.position);
    t.ok(logBytes(disk, image, from));
    t.match(found.warnings.join(), /durable-mark.dat had a damaged slot/);
  }
  t.end();
});

test('an install is pending while its snapshot is the newest, and the log ends before', (t) => {
  const { disk } = bornDisk();
  const installed = putRecording(disk, arena, 1, INSTALLED, TERMS);
  const later = putRecording(disk, arena, 2, INSTALLED + 4_096, TERMS);
  const index = { logStartPosition: INSTALLED, snapshots: [installed] };
  t.ok(isInstallPending(index, INSTALLED - 32));
  t.notOk(isInstallPending(index, INSTALLED));
  t.notOk(
    isInstallPending({ ...index, snapshots: [installed, later] }, 0),
    'the log was there when the later one was taken',
  );
  t.notOk(isInstallPending({ ...index, snapshots: [later] }, 0));
  t.end();
});

test('where neither mark nor terms tell whose log it is, nothing of it goes', (t) => {
  const { disk, image } = installedDisk();
  disk.delete('durable-mark.dat');
  disk.damage('recording.log').fill(0x55, 64 + 20, 64 + 24);
  t.throws(() => start(disk, arena), /durable-mark.dat is damaged and recording.log ends in an/);
  t.ok(logBytes(disk, image, INSTALLED), 'the log is as it was');
  t.notOk(hasVote(disk), 'and the vote is given up');
  t.end();
});

test('a start that can use no snapshot changes nothing of the log', (t) => {
  const { disk } = purgedDisk(SEGMENT_LENGTH);
  disk.delete('durable-mark.dat');
  for (const id of [1, 2]) {
    disk.damage(`${id}-0.rec`).fill(9, 500, 600);
  }
  const before = disk.contents();
  t.throws(() => start(disk, arena), /no snapshot can be used/);
  const after = disk.contents();
  for (const [name, content] of before) {
    t.ok(name === 'node-state.dat' || after.get(name) === content, `${name} is as it was`);
  }
  t.end();
});

test('a member whose only snapshot is of log that was torn away does not start', (t) => {
  const { disk } = bornDisk();
  const image = logFrom(0, SEGMENT_LENGTH + 20_000);
  const terms: readonly Term[] = [[LOG_TERM, 0]];
  const mark = endBefore(image, SEGMENT_LENGTH + 9_000);
  const snapshotAt = endBefore(image, SEGMENT_LENGTH + 15_000);
  const entry = putRecording(disk, arena, 1, snapshotAt, terms);
  setIndex(disk, { logStartPosition: SEGMENT_LENGTH, snapshots: [entry] });
  setTerms(disk, terms);
  putLogFrom(disk, image, SEGMENT_LENGTH);
  setMark(disk, mark, LOG_TERM, mark);
  t.equal(start(disk.clone(), arena).snapshot?.logPosition, snapshotAt, 'the whole log reaches it');
  disk.damage(`0-${SEGMENT_LENGTH}.rec`).fill(0, mark - SEGMENT_LENGTH);
  t.throws(
    () => start(disk, arena),
    new RegExp(`the log begins at position ${SEGMENT_LENGTH}, and no snapshot can be used`),
  );
  t.end();
});
