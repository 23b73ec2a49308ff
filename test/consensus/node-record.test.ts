import fc from 'fast-check';
import test from 'tape';
import type { NodeState } from '../../src/consensus/election-effects.js';
import { NodeRecord } from '../../src/consensus/node-record.js';

const BIRTH: NodeState = {
  candidateTermId: -1,
  votedForMemberId: -1,
  voting: true,
  admittedTermId: -1,
  admittedPosition: -1,
  incarnations: [],
};

function record(recovered: Partial<NodeState> = {}): { record: NodeRecord; written: NodeState[] } {
  const written: NodeState[] = [];
  return {
    record: new NodeRecord({ ...BIRTH, ...recovered }, (state) => written.push(state)),
    written,
  };
}

test('term and vote change in one record, and are durable only when the disk says so', (t) => {
  // B1 and B2.
  const { record: node, written } = record();
  const sequence = node.vote(4, 2);
  t.deepEqual(written, [{ ...BIRTH, candidateTermId: 4, votedForMemberId: 2 }]);
  t.notOk(node.isDurable(sequence));
  t.notOk(node.isSettled());
  node.onPersisted(sequence);
  t.ok(node.isDurable(sequence) && node.isSettled());
  t.end();
});

test('a vote is given once per term, and terms never fall', (t) => {
  // B7 (a vote cleared within its term) and B8 (a term reset downwards).
  const { record: node } = record({ candidateTermId: 4, votedForMemberId: 2 });
  t.throws(() => node.vote(4, 1), /not given again/);
  t.throws(() => node.vote(4, 2), /not given again/);
  t.throws(() => node.vote(3, 1), /not given again/);
  t.throws(() => node.joinTerm(3), /not below/);
  node.joinTerm(4);
  t.equal(node.votedForMemberId(), 2, 'joining the term keeps its vote');
  node.joinTerm(5);
  t.equal(node.votedForMemberId(), -1);
  t.end();
});

test('a term that was joined without a vote still has it', (t) => {
  const { record: node } = record();
  node.joinTerm(5);
  node.vote(5, 1);
  t.equal(node.votedForMemberId(), 1);
  t.throws(() => node.vote(5, 2), /not given again/);
  t.end();
});

test('a vote that came back counts when that is durable, in no lower term', (t) => {
  const { record: node } = record({ candidateTermId: 4, voting: false });
  t.throws(() => node.vote(5, 1), /without a vote/);
  const sequence = node.gainVote(6, 640);
  t.ok(node.isVoting());
  t.notOk(node.hasDurableVote());
  node.onPersisted(sequence);
  t.ok(node.hasDurableVote());
  t.equal(node.candidateTermId(), 6);
  t.throws(() => node.vote(4, 1), /not given again/);
  const admitted = () => [node.admittedTermId(), node.admittedPosition()];
  t.deepEqual(admitted(), [6, 640]);
  node.gainVote(5, 960);
  node.gainVote(6, 320);
  t.deepEqual(admitted(), [6, 640], 'an earlier admission that comes late changes nothing');
  node.gainVote(6, 960);
  t.deepEqual(admitted(), [6, 960]);
  node.gainVote(7, 96);
  t.deepEqual(admitted(), [7, 96]);
  t.end();
});

test('whatever is asked for, the written records keep one vote per term', (t) => {
  const operation = fc.record({
    kind: fc.constantFrom('vote', 'join', 'lose', 'gain', 'remember'),
    termId: fc.integer({ min: 0, max: 6 }),
    memberId: fc.integer({ min: 0, max: 3 }),
  });
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 40 }), (operations) => {
      const { record: node, written } = record();
      for (const { kind, termId, memberId } of operations) {
        try {
          if (kind === 'vote') node.vote(termId, memberId);
          if (kind === 'join') node.joinTerm(termId);
          if (kind === 'lose') node.loseVote();
          if (kind === 'gain') node.gainVote(termId, 96 * memberId);
          if (kind === 'remember') {
            const incarnation = BigInt(termId);
            const admission = { admittedTermId: termId, admittedPosition: -1 };
            node.rememberIncarnation({ memberId, incarnation, ...admission });
          }
        } catch (error) {
          if ((error as Error).name !== 'InvariantError') throw error;
        }
      }
      let before = BIRTH;
      for (const after of written) {
        const isSameTerm = after.candidateTermId === before.candidateTermId;
        const isKept =
          before.votedForMemberId === -1 || after.votedForMemberId === before.votedForMemberId;
        if (after.candidateTermId < before.candidateTermId || (isSameTerm && !isKept)) {
          return false;
        }
        before = after;
      }
      return true;
    }),
    { seed: 5, numRuns: 3000 },
  );
  t.pass('3000 runs');
  t.end();
});
