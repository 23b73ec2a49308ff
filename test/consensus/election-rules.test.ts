// election-rules.test.ts: one election, driven by hand, for rules that a cluster seldom shows.

import test from 'tape';
import { HELLO_FLAG_LEAVING, HELLO_FLAG_VOTING } from '../../src/consensus/election-effects.js';
import { ElectionState } from '../../src/consensus/election-state.js';
import { LEADERSHIP_TERM_ID_MAX } from '../../src/consensus/message-gate.js';
import { Bench, MS, TERM_FOUR } from './election-bench.js';

test('a grant leaves only when it is durable, and is repeated to the same candidate alone', (t) => {
  // B1, B3 (an answer before the write) and B7, B8 (two votes in a term).
  const bench = new Bench();
  bench.request(4);
  t.deepEqual(bench.take(), ['persist']);
  bench.request(4);
  t.deepEqual(bench.take(), [], 'not even when asked again');
  bench.persisted();
  t.deepEqual(bench.take(), ['vote 1 4 3 960 true']);
  bench.request(4);
  t.deepEqual(bench.take(), ['vote 1 4 3 960 true'], 'a lost answer is repeated');
  bench.election.onRequestVote(2, 3, 960, 4, bench.nowNs);
  t.deepEqual(bench.take(), ['vote 2 4 3 960 false'], 'the other candidate of the term is refused');
  t.equal(bench.election.state(), ElectionState.FollowerBallot);
  t.end();
});

test('a candidate with less log, or in a term that is not greater, is refused', (t) => {
  // B14: a greater position does not outweigh a lower term.
  const bench = new Bench();
  for (const [termId, logTermId, position] of [
    [4, 3, 928],
    [4, 2, 99_999],
    [3, 3, 960],
    [2, 3, 960],
  ] as const) {
    bench.request(termId, logTermId, position);
    t.deepEqual(bench.take(), ['vote 1 3 3 960 false'], `term ${termId}, log ${logTermId}`);
  }
  t.equal(bench.election.candidateTermId(), 3, 'a refused term is not taken over');
  t.end();
});

test('a member that hears a leader grants nothing', (t) => {
  // B27: leader stickiness keeps a member that cannot hear the leader from disturbing the others.
  const bench = new Bench();
  bench.follow();
  bench.work(599 * MS);
  bench.take();
  bench.request(5);
  t.deepEqual(
    bench.take().filter((call) => call.startsWith('vote')),
    ['vote 1 4 4 960 false'],
  );
  t.equal(bench.election.leadershipTermId(), 4, 'and stays with it');
  t.end();
});

test('a member answers no candidate before its own log end is final', (t) => {
  // B1: what was acknowledged while recording must be in the log end that is compared.
  const bench = new Bench();
  bench.follow();
  bench.work(600 * MS);
  t.deepEqual(bench.take(), ['stop ']);
  bench.request(5, 4, 960);
  t.deepEqual(bench.take(), []);
  bench.election.onLogStopped(1920);
  bench.request(5, 4, 960);
  t.deepEqual(bench.take(), ['vote 1 4 4 1920 false'], 'by now it has more log');
  t.end();
});

test('a member without a vote gives none and does not stand', (t) => {
  // B12: it may have voted in that very term with the directory that it lost.
  const bench = new Bench({ voting: false });
  bench.request(4);
  bench.election.onCanvassPosition(1, 3, 960, 3, bench.nowNs);
  bench.election.onCanvassPosition(2, 3, 960, 3, bench.nowNs);
  bench.work(100 * MS);
  t.deepEqual(bench.take(), []);
  t.equal(bench.election.state(), ElectionState.Canvass);
  t.end();
});

test('a candidate asks when its own vote is durable and leads with a bare quorum', (t) => {
  const bench = new Bench();
  bench.election.onCanvassPosition(1, 3, 960, 3, bench.nowNs);
  bench.election.onCanvassPosition(2, 3, 900, 3, bench.nowNs);
  bench.work(0);
  t.deepEqual(bench.take(), ['persist'], 'all were heard: at once');
  bench.persisted();
  t.deepEqual(bench.take(), ['request 1 3 960 4', 'request 2 3 960 4']);
  bench.election.onVote(2, 0, 4, true, 3, 900, bench.nowNs);
  bench.work(0);
  t.deepEqual(bench.take(), ['entry 4 960']);
  bench.election.onTermEntryAppended();
  bench.work(0);
  t.deepEqual(bench.take(), ['open 4 960'], 'the log opens when the entry is durable');
  bench.election.onLeaderLogOpened(55, 1056);
  bench.work(0);
  const calls = bench.take();
  t.equal(calls.filter((call) => call.startsWith('term')).length, 2, 'only now others hear of it');
  t.equal(bench.election.leaderMemberId(), 0);
  t.notOk(bench.election.isIngressOpen());
  t.end();
});

test('a leader whose log does not open in time gives it up, and then answers as any other', (t) => {
  const bench = new Bench();
  bench.stand();
  bench.election.onVote(1, 0, 4, true, 3, 960, bench.nowNs);
  bench.work(0);
  bench.election.onTermEntryAppended();
  bench.work(0);
  t.deepEqual(bench.take(), ['entry 4 960', 'open 4 960']);
  bench.work(600 * MS);
  const givenUp = bench.take();
  t.deepEqual(
    givenUp.filter((call) => !call.startsWith('transfer')),
    ['stop '],
  );
  t.equal(bench.election.state(), ElectionState.Canvass);
  bench.request(5, 4, 960);
  t.deepEqual(bench.take(), [], 'its log end is not final yet');
  bench.election.onLogStopped(960);
  bench.request(5, 4, 960);
  t.deepEqual(bench.take(), ['persist']);
  bench.persisted();
  t.deepEqual(bench.take(), ['vote 1 5 4 960 true']);
  t.end();
});

test('a leader whose log did not open in time lets the others stand first', (t) => {
  const bench = new Bench();
  bench.stand();
  bench.election.onVote(1, 0, 4, true, 3, 960, bench.nowNs);
  bench.work(0);
  bench.election.onTermEntryAppended();
  bench.work(0);
  bench.work(600 * MS);
  bench.election.onLogStopped(960);
  bench.take();
  const standsNs = bench.nowNs + 600 * MS;
  while (!bench.take().includes('persist')) {
    bench.election.onCanvassPosition(1, 3, 960, 4, bench.nowNs);
    bench.election.onCanvassPosition(2, 3, 960, 4, bench.nowNs);
    bench.work(10 * MS);
  }
  t.ok(bench.nowNs >= standsNs, `it stands at ${bench.nowNs / MS} ms, by ${standsNs / MS}`);
  t.equal(bench.election.candidateTermId(), 5);
  t.end();
});

test('a vote that arrives after the ballot has ended is not counted', (t) => {
  // A process that slept in its ballot may find votes that their givers have since lost.
  const bench = new Bench();
  bench.stand();
  bench.nowNs += 300 * MS;
  bench.election.onVote(1, 0, 4, true, 3, 960, bench.nowNs);
  bench.work(0);
  t.equal(bench.election.state(), ElectionState.Canvass);
  t.end();
});

test('votes of another term, for another candidate, or of strangers do not count', (t) => {
  const bench = new Bench();
  bench.stand();
  bench.election.onVote(1, 0, 3, true, 3, 960, bench.nowNs);
  bench.election.onVote(1, 2, 4, true, 3, 960, bench.nowNs);
  bench.election.onVote(0, 0, 4, true, 3, 960, bench.nowNs);
  bench.election.onVote(9, 0, 4, true, 3, 960, bench.nowNs);
  bench.work(0);
  t.equal(bench.election.state(), ElectionState.CandidateBallot);
  t.equal(bench.election.counters.messagesInvalid, 2);
  t.end();
});

test('a candidate that is refused with a greater term gives up', (t) => {
  const bench = new Bench();
  bench.stand();
  bench.election.onVote(1, 0, 9, false, 3, 960, bench.nowNs);
  t.equal(bench.election.state(), ElectionState.Canvass);
  t.end();
});

test('who is asked for a vote before its log is at rest leaves the candidate its ballot', (t) => {
  // Else a deposed leader would raise the term above the one that is just being won.
  const bench = new Bench();
  bench.follow();
  bench.work(600 * MS);
  t.equal(bench.election.state(), ElectionState.Canvass, 'its leader fell silent');
  bench.election.onRequestVote(2, 4, 960, 5, bench.nowNs);
  bench.election.onLogStopped(960);
  bench.election.onCanvassPosition(1, 4, 960, 4, bench.nowNs);
  bench.election.onCanvassPosition(2, 4, 960, 4, bench.nowNs);
  bench.work(MS);
  t.equal(bench.election.state(), ElectionState.Canvass, 'it does not stand against it');
  bench.election.onRequestVote(2, 4, 960, 5, bench.nowNs);
  t.equal(bench.election.state(), ElectionState.FollowerBallot, 'it is asked again, and votes');
  t.end();
});

test('a member that hears heartbeats it cannot answer does not stand', (t) => {
  // B27: without links back to the leader it would raise a term for nothing.
  const bench = new Bench();
  bench.election.onCommitPosition(1, 4, 960, bench.nowNs);
  bench.election.onCanvassPosition(2, 3, 960, 3, bench.nowNs);
  bench.work(100 * MS);
  t.deepEqual(bench.take(), []);
  t.equal(bench.election.state(), ElectionState.Canvass);
  t.end();
});

test('a leader that looks for a leader is none: it may be voted for, and others may stand', (t) => {
  // Heartbeats that a broken link had kept back arrive with the canvass position behind them.
  const bench = new Bench();
  bench.election.onCommitPosition(1, 3, 960, bench.nowNs);
  bench.election.onCanvassPosition(1, 3, 960, 3, bench.nowNs);
  bench.election.onRequestVote(1, 3, 960, 4, bench.nowNs);
  t.equal(bench.election.state(), ElectionState.FollowerBallot);
  const other = new Bench();
  other.election.onCommitPosition(1, 3, 960, other.nowNs);
  other.election.onCanvassPosition(2, 3, 960, 3, other.nowNs);
  other.election.onRequestVote(2, 3, 960, 4, other.nowNs);
  t.equal(other.election.state(), ElectionState.Canvass, 'the leader of others still counts');
  t.end();
});

test('a deposed leader is told the greater term', (t) => {
  const bench = new Bench();
  bench.election.onCommitPosition(1, 2, 960, bench.nowNs);
  bench.election.onNewLeadershipTerm(
    { ...TERM_FOUR, termId: 2, logTermId: 2, nextTermId: -1, nextTermBasePosition: -1 },
    bench.nowNs,
  );
  t.deepEqual(bench.take(), ['vote 1 3 3 960 false', 'vote 1 3 3 960 false']);
  t.end();
});

test('nothing is acknowledged in a term before the term is durable', (t) => {
  const bench = new Bench();
  bench.election.onNewLeadershipTerm(TERM_FOUR, bench.nowNs);
  bench.work(0);
  t.deepEqual(bench.take(), ['persist']);
  bench.persisted();
  t.deepEqual(bench.take(), ['entry 4 960', 'append 1 4 960 1']);
  t.end();
});

test('a committed log is never cut, whatever a leader says', (t) => {
  // B13: the process ends rather than obey.
  const bench = new Bench();
  bench.follow();
  bench.election.onCommitPosition(1, 4, 960, bench.nowNs);
  bench.work(600 * MS);
  bench.election.onLogStopped(960);
  const conflicting = { ...TERM_FOUR, termId: 7, logTermId: 2, nextTermId: 7, leaderMemberId: 2 };
  bench.election.onNewLeadershipTerm({ ...conflicting, nextTermBasePosition: 96 }, bench.nowNs);
  bench.election.doWork(bench.nowNs);
  t.throws(() => bench.persisted(), /keeps the committed 960/);
  t.end();
});

test('messages that cannot be, and those of strangers, are counted and dropped', (t) => {
  const bench = new Bench();
  const before = { ...bench.election.counters };
  bench.election.onCanvassPosition(9, 3, 960, 3, 0);
  bench.election.onCanvassPosition(1, 3, -32, 3, 0);
  bench.election.onCanvassPosition(1, -1, 32, 3, 0);
  bench.election.onRequestVote(1, 3, 960, 2 ** 53, 0);
  bench.election.onCommitPosition(1, -1, 0, 0);
  bench.election.onAppendPosition(1, Number.NaN, 0, 0, 0);
  bench.election.onNewLeadershipTerm({ ...TERM_FOUR, nextTermId: 3 }, 0);
  bench.election.onNewLeadershipTerm({ ...TERM_FOUR, commitPosition: -1 }, 0);
  bench.election.onRequestVote(1, 3, 960, LEADERSHIP_TERM_ID_MAX + 1, 0);
  bench.election.onMemberAdmitted(1, 1n, 4, Number.NaN, 0);
  t.equal(bench.election.counters.messagesInvalid - before.messagesInvalid, 10);
  bench.work(0);
  t.deepEqual(bench.take(), []);
  t.end();
});

test('an admission or a hello with a number that cannot be leaves no trace', (t) => {
  const bench = new Bench();
  bench.follow();
  const hello = {
    memberId: 2,
    clusterId: 7,
    admittedPosition: -1,
    incarnation: 22n,
    configurationHash: 99n,
    durability: 0,
    protocolVersion: 1,
    flags: HELLO_FLAG_VOTING,
  };
  const before = bench.election.counters.messagesInvalid;
  bench.election.onMemberAdmitted(2, 22n, 4, Number.NaN, 0);
  bench.election.onMemberHello({ ...hello, admittedTermId: 2 ** 63 }, 0);
  bench.election.onMemberHello({ ...hello, admittedTermId: Number.NaN }, 0);
  bench.election.onMemberHello({ ...hello, admittedTermId: 4, admittedPosition: 2 ** 63 }, 0);
  t.equal(bench.election.counters.messagesInvalid - before, 4, 'they are counted');
  bench.take();
  bench.election.onMemberAdmitted(2, 22n, 4, 960, 0);
  t.deepEqual(bench.take(), ['persist'], 'a later admission of that term still counts');
  t.end();
});

test('a follower whose leader says good-bye asks the others at once', (t) => {
  const bench = new Bench();
  bench.follow();
  bench.hello(1, HELLO_FLAG_VOTING | HELLO_FLAG_LEAVING);
  t.equal(bench.election.state(), ElectionState.Canvass);
  bench.election.onLogStopped(960);
  bench.election.onCanvassPosition(2, 4, 960, 4, bench.nowNs);
  bench.work(0);
  t.deepEqual(bench.take(), ['stop ', 'persist'], 'and stands without waiting for the leaver');
  t.end();
});
