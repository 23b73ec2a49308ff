import fc from 'fast-check';
import test from 'tape';
import { CommitTracker } from '../../src/consensus/commit-tracker.js';

const TERM = 5;
const EVENT_END = 1096;

function tracker(memberCount = 3): CommitTracker {
  const memberIds = Array.from({ length: memberCount }, (_, index) => index);
  return new CommitTracker(TERM, memberIds, 0, EVENT_END, 900, 0);
}

test('nothing is committed before a quorum has acknowledged in the term', (t) => {
  const commits = tracker();
  commits.onOwnDurablePosition(5000);
  t.notOk(commits.advance());
  t.equal(commits.commitPosition(), 900, 'what was committed before stays committed');
  commits.onAppendPosition(1, TERM, 2000, 1);
  t.ok(commits.advance());
  t.equal(commits.commitPosition(), 2000);
  t.end();
});

test('positions of another term do not count', (t) => {
  // B10: counted positions of another term lose an acknowledged write.
  const commits = tracker();
  commits.onOwnDurablePosition(5000);
  t.notOk(commits.onAppendPosition(1, TERM - 1, 5000, 1));
  t.notOk(commits.onAppendPosition(2, TERM + 1, 5000, 1));
  t.notOk(commits.advance());
  t.end();
});

test('log of earlier terms is not committed by counting its copies', (t) => {
  // B9 (Raft figure 8): only the end of the own event, durable on a quorum, commits what is before.
  const commits = tracker();
  commits.onOwnDurablePosition(EVENT_END);
  commits.onAppendPosition(1, TERM, EVENT_END - 32, 1);
  commits.onAppendPosition(2, TERM, EVENT_END - 32, 1);
  t.notOk(commits.advance());
  commits.onAppendPosition(1, TERM, EVENT_END, 2);
  t.ok(commits.advance());
  t.equal(commits.commitPosition(), EVENT_END);
  t.end();
});

test('a single member commits only what its own disk holds', (t) => {
  // B4 and B5: the own position comes from the recorder, not from what was appended.
  const commits = tracker(1);
  t.notOk(commits.advance());
  commits.onOwnDurablePosition(EVENT_END - 32);
  t.notOk(commits.advance());
  commits.onOwnDurablePosition(EVENT_END);
  t.ok(commits.advance());
  t.end();
});

test('late and doubled acknowledgements never take a position back', (t) => {
  const commits = tracker();
  commits.onOwnDurablePosition(9000);
  commits.onAppendPosition(1, TERM, 4000, 10);
  commits.advance();
  commits.onAppendPosition(1, TERM, 2000, 11);
  commits.onOwnDurablePosition(100);
  t.notOk(commits.advance());
  t.equal(commits.commitPosition(), 4000);
  t.equal(commits.positionOf(1), 4000);
  t.end();
});

test('a member that lost its vote does not count', (t) => {
  const commits = tracker();
  commits.onOwnDurablePosition(9000);
  commits.onAppendPosition(1, TERM, 4000, 10);
  commits.forget(1);
  t.notOk(commits.advance());
  t.ok(commits.hasActiveQuorum(599, 600), 'the other is given its first timeout');
  t.notOk(commits.hasActiveQuorum(600, 600));
  t.end();
});

test('a quorum is active while enough members were heard within the timeout', (t) => {
  const commits = tracker(5);
  commits.onAppendPosition(1, TERM, 0, 1000);
  commits.onAppendPosition(2, TERM, 0, 1200);
  t.equal(commits.activeDeadlineNs(600), 1600);
  t.ok(commits.hasActiveQuorum(1599, 600));
  t.notOk(commits.hasActiveQuorum(1600, 600));
  t.end();
});

test('the commit position equals the definition for random acknowledgements', (t) => {
  const acknowledgement = fc.record({
    member: fc.integer({ min: 0, max: 4 }),
    term: fc.constantFrom(TERM - 1, TERM, TERM, TERM, TERM + 1),
    position: fc.integer({ min: 0, max: 40 }).map((units) => units * 96),
  });
  fc.assert(
    fc.property(fc.array(acknowledgement, { maxLength: 60 }), (acknowledgements) => {
      const commits = tracker(5);
      const best = [-1, -1, -1, -1, -1];
      let expected = 900;
      for (const { member, term, position } of acknowledgements) {
        if (member === 0) {
          commits.onOwnDurablePosition(position);
          best[0] = Math.max(best[0] as number, position);
        } else {
          commits.onAppendPosition(member, term, position, 1);
          best[member] = term === TERM ? Math.max(best[member] as number, position) : best[member]!;
        }
        for (const candidate of best) {
          const count = best.filter((other) => other >= candidate).length;
          expected =
            count >= 3 && candidate >= EVENT_END ? Math.max(expected, candidate) : expected;
        }
        commits.advance();
        if (commits.commitPosition() !== expected) {
          return false;
        }
      }
      return true;
    }),
    { seed: 20240607, numRuns: 2000 },
  );
  t.pass('2000 runs');
  t.end();
});
