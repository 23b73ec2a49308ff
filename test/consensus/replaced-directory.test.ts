// A directory that takes the place of another one under the same member id inherits nothing of what
// that one has promised: it may know less.

import test from 'tape';
import { HELLO_FLAG_VOTING } from '../../src/consensus/election-effects.js';
import { ElectionState } from '../../src/consensus/election-state.js';
import { Bench, MS } from './election-bench.js';

/** A directory of member 1 that was admitted after the one that is known. */
const LATER = { incarnation: 11n, admittedTermId: 3, admittedPosition: 960 };

function replaced(bench: Bench): void {
  bench.hello(1, HELLO_FLAG_VOTING, LATER);
  bench.persisted();
}

/** A leader that has less of its log durably than member 1 has acknowledged. */
function acknowledged(): Bench {
  const bench = new Bench();
  bench.lead();
  bench.election.onLogProgress(4_000, 4_992, bench.nowNs);
  bench.election.onAppendPosition(1, 4, 4_992, 0, bench.nowNs);
  bench.work(0);
  return bench;
}

test('what a directory has acknowledged does not count for the one that replaces it', (t) => {
  const bench = acknowledged();
  t.equal(bench.election.commitPosition(), 4_000, 'as far as the own disk');
  replaced(bench);
  bench.election.onLogProgress(4_992, 4_992, bench.nowNs);
  bench.work(0);
  t.equal(bench.election.commitPosition(), 4_000, 'nobody else is known to have more');
  bench.election.onAppendPosition(1, 4, 3_008, 0, bench.nowNs);
  bench.work(0);
  t.equal(bench.election.commitPosition(), 4_000, 'it has less');
  bench.election.onAppendPosition(1, 4, 4_992, 0, bench.nowNs);
  bench.work(0);
  t.equal(bench.election.commitPosition(), 4_992, 'now it has as much');
  bench.election.onAppendPosition(1, 4, 5_024, 0, bench.nowNs);
  bench.hello(1, HELLO_FLAG_VOTING, LATER);
  bench.election.onLogProgress(5_024, 5_024, bench.nowNs);
  bench.work(0);
  t.equal(bench.election.commitPosition(), 5_024, 'hearing it again takes nothing away');
  t.end();
});

test('a directory that is not known takes away what the known one has acknowledged', (t) => {
  const bench = acknowledged();
  bench.hello(1, 0, { incarnation: 99n });
  bench.election.onLogProgress(4_992, 4_992, bench.nowNs);
  bench.work(0);
  t.equal(bench.election.commitPosition(), 4_000);
  t.end();
});

test('a vote of a directory that was replaced is not counted', (t) => {
  const bench = new Bench();
  bench.stand();
  bench.election.onVote(1, 0, 4, true, 3, 960, bench.nowNs);
  replaced(bench);
  t.equal(bench.election.state(), ElectionState.CandidateBallot);
  bench.election.onVote(1, 0, 4, true, 3, 960, bench.nowNs);
  bench.work(0);
  t.equal(bench.election.state(), ElectionState.LeaderLogReplication, 'it votes for itself');
  t.end();
});

test('a log end that a directory reported says nothing of the one that replaced it', (t) => {
  const bench = new Bench();
  bench.election.onCanvassPosition(1, 3, 960, 3, bench.nowNs);
  replaced(bench);
  bench.work(100 * MS);
  t.equal(bench.election.state(), ElectionState.Canvass, 'nobody is known to vote for it');
  bench.election.onCanvassPosition(1, 3, 960, 3, bench.nowNs);
  bench.work(100 * MS);
  t.equal(bench.election.state(), ElectionState.Nominate);
  t.end();
});

test('a directory that replaced another one has the leader timeout to speak for itself', (t) => {
  const bench = new Bench();
  bench.lead();
  bench.election.onLogProgress(1_056, 1_056, bench.nowNs);
  bench.work(400 * MS);
  bench.election.onAppendPosition(1, 4, 960, 0, bench.nowNs);
  bench.work(300 * MS);
  replaced(bench);
  t.equal(bench.election.leaderMemberId(), 0, 'its leader has no quorum without it');
  bench.work(299 * MS);
  t.equal(bench.election.leaderMemberId(), 0);
  bench.work(2 * MS);
  t.equal(bench.election.state(), ElectionState.Canvass, 'it has said nothing');
  t.end();
});
