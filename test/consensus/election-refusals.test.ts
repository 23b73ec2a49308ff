// One election, driven by hand: what it refuses, and what it says when a leader is gone.

import test from 'tape';
import {
  HELLO_FLAG_LEAVING,
  HELLO_FLAG_VOTING,
  type MemberHello,
} from '../../src/consensus/election-effects.js';
import { ElectionState } from '../../src/consensus/election-state.js';
import { MEMBER_NULL } from '../../src/position.js';
import { DurabilityLevel } from '../../src/protocol/codecs/enumerations.js';
import { Bench, MS, TERM_FOUR } from './election-bench.js';

test('at level page-cache, who kept a committed log that a quorum lost ends and says so', (t) => {
  const bench = new Bench({}, DurabilityLevel.PageCache);
  bench.follow();
  bench.election.onCommitPosition(1, 4, 960, bench.nowNs);
  bench.work(600 * MS);
  bench.election.onLogStopped(960);
  const shorter = { ...TERM_FOUR, termId: 7, logTermId: 2, nextTermId: 7, leaderMemberId: 2 };
  bench.election.onNewLeadershipTerm({ ...shorter, nextTermBasePosition: 96 }, bench.nowNs);
  bench.election.doWork(bench.nowNs);
  bench.take();
  t.throws(
    () => bench.persisted(),
    /leader 2 of term 7 has no log from position 0 on .* up to 960/,
  );
  t.deepEqual(bench.take(), [], 'nothing was cut');
  t.end();
});

test('hellos of strangers and of members that are configured otherwise count for nothing', (t) => {
  const bench = new Bench();
  const before = { ...bench.election.counters };
  bench.hello(9, HELLO_FLAG_VOTING);
  t.equal(bench.election.counters.messagesInvalid - before.messagesInvalid, 1);
  const others: Partial<MemberHello>[] = [
    { clusterId: 8 },
    { configurationHash: 10n },
    { durability: DurabilityLevel.PageCache },
    { protocolVersion: 2 },
  ];
  for (const other of others) {
    bench.hello(1, HELLO_FLAG_VOTING, other);
  }
  const refused = bench.election.counters.messagesRefusedMember - before.messagesRefusedMember;
  t.equal(refused, others.length);
  const told = bench.take().map((call) => call.replace(/ \d+$/, ''));
  t.deepEqual(told, Array(others.length).fill('refused 1'), 'each is told');
  bench.election.onCanvassPosition(1, 3, 960, 3, bench.nowNs);
  bench.work(0);
  t.equal(bench.election.state(), ElectionState.Canvass, 'it is of no quorum');
  t.end();
});

test('a probe of a leader that is not followed is stale', (t) => {
  const bench = new Bench();
  bench.follow();
  const before = bench.election.counters.messagesStale;
  bench.election.reads.onProbe(2, 4, 1, bench.nowNs);
  bench.election.reads.onProbe(2, 5, 1, bench.nowNs);
  bench.election.reads.onAcknowledgement(2, 4, 1);
  t.equal(bench.election.counters.messagesStale - before, 3);
  t.deepEqual(bench.take(), []);
  t.end();
});

test('a follower says why its leader leads no more', (t) => {
  const why = (end: (bench: Bench) => void): string | undefined => {
    const bench = new Bench();
    bench.follow();
    end(bench);
    return bench.reasons.at(-1);
  };
  const transfer = (target: number) => (bench: Bench) =>
    bench.election.onLeadershipTransfer(1, 4, target, bench.nowNs);
  t.equal(why(transfer(2)), 'CANVASS: leader 1 handed over to member 2');
  t.equal(why(transfer(MEMBER_NULL)), 'CANVASS: leader 1 stepped down');
  t.equal(
    why((bench) => bench.hello(1, HELLO_FLAG_VOTING | HELLO_FLAG_LEAVING)),
    'CANVASS: leader 1 left',
  );
  t.end();
});
