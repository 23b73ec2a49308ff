// A copied data directory that is made fit to be started again, at every crash point.

import test from 'tape';
import { readBirth } from '../../src/archive/birth.js';
import { readNodeState } from '../../src/archive/node-state-file.js';
import { restoreDirectory } from '../../src/archive/restore.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { TERM_NULL } from '../../src/position.js';
import { MemoryDisk } from '../support/memory-storage.js';
import { SeededEntropy } from '../support/seeded-entropy.js';
import { atEveryCrashPoint, bornDisk, runOn } from './archive-world.js';

function codeOf(run: () => unknown): string {
  try {
    run();
    return 'nothing was thrown';
  } catch (error) {
    return error instanceof PawlError ? error.code : String(error);
  }
}

test('a restored directory has no vote and another incarnation, and keeps its terms', (t) => {
  const { disk, birth } = bornDisk();
  const before = runOn(disk, readNodeState);
  const restored = runOn(disk, (storage) => restoreDirectory(storage, new SeededEntropy(5)));
  t.notDeepEqual(restored.incarnation, birth.incarnation);
  t.equal(restored.memberId, birth.memberId, 'it is the same member');
  const found = runOn(disk, readBirth);
  t.deepEqual(found, restored, 'and durable');
  const after = runOn(disk, readNodeState);
  const [old, now] = [before, after].map((one) => (one.kind === 'found' ? one.state : undefined));
  t.equal(old?.voting, true, 'the copy had a vote');
  t.equal(now?.voting, false, 'it has none now');
  t.equal(now?.admittedTermId, TERM_NULL);
  t.equal(now?.candidateTermId, old?.candidateTermId, 'no term is forgotten');
  const again = runOn(disk, (storage) => restoreDirectory(storage, new SeededEntropy(6)));
  t.notDeepEqual(again.incarnation, restored.incarnation, 'a second time gives another one');
  t.end();
});

test('whatever a crash leaves of a restore has no vote as soon as it is another one', (t) => {
  const { disk, birth } = bornDisk();
  const states = atEveryCrashPoint(
    disk,
    (storage) => restoreDirectory(storage, new SeededEntropy(5)),
    (after, label, isComplete) => {
      const found = runOn(after, readBirth);
      const state = runOn(after, readNodeState);
      const isOther = found?.incarnation.low !== birth.incarnation.low;
      const hasVote = state.kind === 'found' && state.state.voting;
      if (found === undefined || (isOther && hasVote) || (isComplete && !isOther)) {
        t.fail(`${label}: other ${isOther}, vote ${hasVote}`);
      }
      const restored = runOn(after, (storage) => restoreDirectory(storage, new SeededEntropy(7)));
      if (restored.voting) {
        t.fail(`${label}: the command cannot be run again`);
      }
    },
  );
  t.ok(states > 50, `${states} states of the disk`);
  t.end();
});

test('a vote that is lost, a directory that is none, and one in use are told apart', (t) => {
  const { disk } = bornDisk();
  disk.delete('node-state.dat');
  const restored = runOn(disk, (storage) => restoreDirectory(storage, new SeededEntropy(5)));
  t.equal(restored.voting, false, 'without a vote file it is restored as well');
  const state = runOn(disk, readNodeState);
  t.equal(state.kind === 'found' && state.state.voting, false);
  const blank = (): unknown =>
    runOn(new MemoryDisk(), (storage) => restoreDirectory(storage, new SeededEntropy(5)));
  t.equal(codeOf(blank), ErrorCode.DirectoryNotBorn);
  t.end();
});
