// One vote in a term, of one directory: what followed a lost one has votes of its own.

import test from 'tape';
import {
  initialNodeState,
  NODE_STATE_PATH,
  NodeStateFile,
} from '../../src/archive/node-state-file.js';
import type { StorageTask } from '../../src/archive/storage-task.js';
import { Judge } from '../../src/simulator/invariants/judge.js';
import { Votes } from '../../src/simulator/invariants/votes.js';
import type { FileView, VirtualDisk } from '../../src/simulator/virtual-disk.js';
import { runOn } from '../archive/archive-world.js';
import { MemoryDisk } from '../support/memory-storage.js';

const TERM = 13;
const MEMBER = 0;
const [SELF, OTHER] = [0, 1];

/** The bytes of a vote that is durable. */
function voteFor(candidateId: number): Uint8Array {
  const disk = new MemoryDisk();
  const voted = { candidateTermId: TERM, votedForMemberId: candidateId };
  runOn(disk, function* (storage): StorageTask<void> {
    yield* NodeStateFile.create(storage, { ...initialNodeState(true), ...voted });
  });
  return disk.file(NODE_STATE_PATH);
}

function viewOf(bytes: Uint8Array): FileView {
  return {
    length: bytes.length,
    bytes: () => bytes,
    read(position, target, offset, length) {
      const part = bytes.subarray(position, position + length);
      target.set(part, offset);
      return part.length;
    },
  };
}

/** A member votes for itself, loses its directory or not, and votes for another one. */
function votesTwice(isLost: boolean): string | undefined {
  const judge = new Judge({ nowNs: 0 });
  let bytes = voteFor(SELF);
  const disk = {
    snapshotDurable: (path: string) => (path === NODE_STATE_PATH ? viewOf(bytes) : undefined),
  };
  const votes = new Votes(judge, [disk as unknown as VirtualDisk]);
  votes.onVoteSent(MEMBER, SELF, TERM);
  if (isLost) {
    votes.onLostDirectory(MEMBER);
  }
  bytes = voteFor(OTHER);
  votes.onVoteSent(MEMBER, OTHER, TERM);
  return judge.violation?.invariant;
}

test('a member that votes twice in a term is seen', (t) => {
  t.equal(votesTwice(false), 'I-2');
  t.end();
});

test('a member that lost its directory may vote again: nobody counts its former vote', (t) => {
  t.equal(votesTwice(true), undefined);
  t.end();
});
