// Every storage operation of every task fails once, in every way in which an operation can fail.
//
// Whatever fails: the task ends with a typed error or does without, a failed sync is fatal and
// nothing is written after it, and the directory opens again afterwards with what it had promised.

import test from 'tape';
import { describeDirectory } from '../../src/archive/describe.js';
import { openDirectory, type RecoveredDirectory } from '../../src/archive/member-directory.js';
import { NodeStateFile, readNodeState } from '../../src/archive/node-state-file.js';
import { completeTask, type StorageTask, StorageTasks } from '../../src/archive/storage-task.js';
import { truncateLog } from '../../src/archive/truncate.js';
import { PawlError } from '../../src/errors.js';
import { StorageResult } from '../../src/ports/storage.js';
import { type MemoryDisk, MemoryStorage, type OperationKind } from '../support/memory-storage.js';
import {
  bootstrap,
  GEOMETRY,
  IDENTITY,
  type LogImage,
  makeArena,
  recover,
  TERM_LENGTH,
} from './archive-world.js';
import { directoryWith, endBefore, setTerms } from './damaged-log.js';

const FAILURES = [
  StorageResult.NotFound,
  StorageResult.AlreadyExists,
  StorageResult.NoSpace,
  StorageResult.InputOutput,
  StorageResult.Denied,
  StorageResult.Locked,
] as const;

/** Operations that change what is on the disk. */
const CHANGES: readonly OperationKind[] = ['write', 'setLength', 'rename', 'remove', 'sync'];

type MakeTask = (storage: MemoryStorage) => StorageTask<unknown>;

interface Failed {
  readonly disk: MemoryDisk;
  readonly kind: OperationKind;
  readonly result: number;
  /** How the task ended: with an error, or without. */
  readonly error: unknown;
  readonly poisoned: PawlError | undefined;
  /** Operations that came after the one that failed and change something. */
  readonly changesAfter: readonly string[];
  readonly label: string;
}

/** Runs a task on copies of a disk, each time with another operation that fails. */
function failEach(disk: MemoryDisk, make: MakeTask, check: (failed: Failed) => void): number {
  const rehearsal = new MemoryStorage(disk.clone());
  completeTask(new StorageTasks(rehearsal), make(rehearsal));
  for (let index = 0; index < rehearsal.operationCount; index++) {
    for (const result of FAILURES) {
      check(failAt(disk, make, index, result));
    }
  }
  return rehearsal.operationCount;
}

function failAt(disk: MemoryDisk, make: MakeTask, index: number, result: number): Failed {
  const storage = new MemoryStorage(disk.clone());
  const tasks = new StorageTasks(storage);
  const changesAfter: string[] = [];
  let count = 0;
  let kind: OperationKind = 'open';
  let label = '';
  storage.failure = (each, path) => {
    if (count++ === index) {
      kind = each;
      label = `${each} ${path} (operation ${index}, result ${result})`;
      return result;
    }
    if (count > index + 1 && CHANGES.includes(each)) {
      changesAfter.push(`${each} ${path}`);
    }
    return StorageResult.Ok;
  };
  let error: unknown;
  try {
    completeTask(tasks, make(storage));
  } catch (caught) {
    error = caught;
  }
  const { poisoned } = tasks;
  return { disk: storage.disk, kind, result, error, poisoned, changesAfter, label };
}

/** What is wrong with how a task took a failure; undefined when nothing is. */
function complaint({ changesAfter, error, kind, label, poisoned, result }: Failed) {
  if (error === undefined) {
    // A file or a name that is missing may be done without, and what cannot be read of the log is
    // read again in pieces, to find out which of them is damaged.
    const isReadAgain = kind === 'read' && label.includes('.rec');
    return result === StorageResult.NotFound || isReadAgain
      ? undefined
      : `${label} was not noticed`;
  }
  if (!(error instanceof PawlError)) {
    return `${label} ended with ${String(error)}`;
  }
  const isSync = kind === 'sync' || kind === 'syncDirectory';
  const isFatal = error.category === 'fatal';
  if ((isSync || result === StorageResult.InputOutput) && (!isFatal || poisoned !== error)) {
    return `${label} is ${error.category}, not fatal: ${error.message}`;
  }
  if (changesAfter.length > 0 && isFatal) {
    return `${label} was followed by ${changesAfter.join(', ')}`;
  }
  const needsRemedy = !error.message.includes(':');
  return needsRemedy ? `${label} names no remedy: ${error.message}` : undefined;
}

const arena = makeArena();
const MARK = 9000;

function build(image: LogImage): unknown {
  return image.until(GEOMETRY.segmentLength + 9000, 700);
}

/** A log of two segments, with its mark early. */
function soundDisk(): { disk: MemoryDisk; image: LogImage } {
  return directoryWith(arena, build, (log) => endBefore(log, MARK));
}

function* open(storage: MemoryStorage): StorageTask<RecoveredDirectory> {
  return yield* openDirectory(storage, { ...IDENTITY, arena });
}

/** Checks the tasks of one kind; `after` looks at each disk once the process has ended. */
function checkFailures(
  t: test.Test,
  disk: MemoryDisk,
  make: MakeTask,
  after: (disk: MemoryDisk, failed: Failed) => string | undefined,
): void {
  const complaints = new Set<string>();
  let cases = 0;
  const operations = failEach(disk, make, (failed) => {
    cases++;
    const found = complaint(failed) ?? afterCrashes(failed, after);
    if (found !== undefined) {
      complaints.add(found);
    }
  });
  t.ok(
    operations > 2,
    `${operations} operations failed in ${FAILURES.length} ways: ${cases} cases`,
  );
  t.deepEqual([...complaints], [], 'every one is taken as it should be');
}

function afterCrashes(
  failed: Failed,
  after: (disk: MemoryDisk, failed: Failed) => string | undefined,
): string | undefined {
  for (const mode of ['keep', 'drop'] as const) {
    const found = after(failed.disk.crashed(mode), failed);
    if (found !== undefined) {
      return `${failed.label}, then a crash (${mode}): ${found}`;
    }
  }
  return undefined;
}

/** The directory opens with at least a position. */
function opensWith(least: number, most: number): (disk: MemoryDisk) => string | undefined {
  return (disk) => {
    const found = recover(disk, arena);
    const { appendPosition, health } = found;
    const isWithin = appendPosition >= least && appendPosition <= most;
    return isWithin && health.kind !== 'corrupt'
      ? undefined
      : `the log is ${health.kind} up to ${appendPosition}`;
  };
}

test('bootstrap leaves a directory that is blank or born, whichever operation fails', (t) => {
  const blank = new MemoryStorage().disk;
  checkFailures(t, blank, bootstrap, (disk) => {
    const storage = new MemoryStorage(disk);
    const tasks = new StorageTasks(storage);
    if (!disk.has('birth.dat')) {
      completeTask(tasks, bootstrap(storage));
      return undefined;
    }
    const found = recover(disk, arena);
    return found.appendPosition === 0 && found.nodeState.state.voting ? undefined : 'it is not new';
  });
  t.end();
});

test('recovery of a sound log loses nothing, whichever operation fails', (t) => {
  const { disk, image } = soundDisk();
  checkFailures(t, disk, open, opensWith(endBefore(image, MARK), image.position));
  t.end();
});

test('recovery of a torn log keeps what lies below the mark, whichever operation fails', (t) => {
  const { disk, image } = soundDisk();
  disk.damage('0-0.rec').fill(0x55, TERM_LENGTH, TERM_LENGTH + 600);
  checkFailures(t, disk, open, opensWith(endBefore(image, MARK), TERM_LENGTH));
  t.end();
});

test('recovery of lost records stays non-voting, whichever operation fails', (t) => {
  const { disk } = soundDisk();
  disk.delete('node-state.dat');
  disk.damage('durable-mark.dat').fill(1, 0, 1024);
  checkFailures(t, disk, open, (after) => {
    const { state } = recover(after, arena).nodeState;
    return state.voting ? 'it has a vote' : undefined;
  });
  t.end();
});

test('a truncation leaves the longer or the shorter log, whichever operation fails', (t) => {
  const { disk, image } = soundDisk();
  setTerms(disk, [
    [0, 0],
    [3, endBefore(image, GEOMETRY.segmentLength)],
  ]);
  recover(disk, arena);
  const position = endBefore(image, 12_000);
  const truncate: MakeTask = function* (storage) {
    const { geometry, recordingLog } = yield* open(storage);
    yield* truncateLog(storage, { position, geometry, recordingLog, knownCommitPosition: 0 });
  };
  checkFailures(t, disk, truncate, opensWith(position, image.position));
  t.end();
});

test('a vote is the old or the new one, whichever operation fails', (t) => {
  const { disk } = soundDisk();
  const vote: MakeTask = function* (storage) {
    const { nodeState } = yield* open(storage);
    yield* nodeState.write({ ...nodeState.state, candidateTermId: 9, votedForMemberId: 2 });
    yield* nodeState.close();
  };
  checkFailures(t, disk, vote, (after, failed) => {
    const { state } = recover(after, arena).nodeState;
    const isOld = state.candidateTermId === -1 && state.votedForMemberId === -1;
    const isNew = state.candidateTermId === 9 && state.votedForMemberId === 2;
    const isKept = failed.error !== undefined || isNew || failed.result === StorageResult.NotFound;
    return (isOld || isNew) && isKept ? undefined : `the vote is ${JSON.stringify(state)}`;
  });
  t.end();
});

test('a term of the recording log is there or not, whichever operation fails', (t) => {
  const { disk, image } = soundDisk();
  const append: MakeTask = function* (storage) {
    const { recordingLog } = yield* open(storage);
    yield* recordingLog.append(4, image.position, 77);
    yield* recordingLog.close();
  };
  checkFailures(t, disk, append, (after) => {
    const terms = recover(after, arena).recordingLog.entries();
    return terms[0]?.leadershipTermId === 0 && terms.length <= 2 ? undefined : 'a term is lost';
  });
  t.end();
});

test('describe tells of a device that fails and complains about everything else', (t) => {
  const { disk } = soundDisk();
  const describe: MakeTask = (storage) => describeDirectory(storage, arena);
  let typed = 0;
  let told = 0;
  failEach(disk, describe, ({ changesAfter, error, label, result }) => {
    if (changesAfter.length > 0) {
      t.fail(`${label} was followed by ${changesAfter.join(', ')}`);
    }
    if (error !== undefined && !(error instanceof PawlError)) {
      t.fail(`${label} ended with ${String(error)}`);
    }
    const isReadAgain = label.startsWith('read 0-');
    if (error === undefined && result === StorageResult.InputOutput && !isReadAgain) {
      t.fail(`${label} was not noticed`);
    }
    typed += error === undefined ? 0 : 1;
    told += error === undefined ? 1 : 0;
  });
  t.ok(typed > 0 && told > 0, `${typed} were errors, ${told} were described`);
  t.end();
});

test('a node state that cannot be opened for writing is not forgotten', (t) => {
  const { disk } = soundDisk();
  const storage = new MemoryStorage(disk);
  const tasks = new StorageTasks(storage);
  const reading = completeTask(tasks, readNodeState(storage));
  storage.failure = (kind) => (kind === 'open' ? StorageResult.Denied : StorageResult.Ok);
  t.throws(() => {
    if (reading.kind === 'found') {
      completeTask(tasks, NodeStateFile.open(storage, reading.state, reading.sequence));
    }
  }, /could not open node-state.dat: the system denied it; check owner/);
  storage.failure = () => StorageResult.Ok;
  t.equal(completeTask(tasks, readNodeState(storage)).kind, 'found');
  t.end();
});
