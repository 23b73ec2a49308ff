// A leader learns that it still leads from answers that left after it had asked, and no others.

import test from 'tape';
import type { Election } from '../../src/consensus/election.js';
import { ElectionState } from '../../src/consensus/election-state.js';
import { NO_ROUND } from '../../src/consensus/read-rounds.js';
import { CALM, MS, VirtualCluster } from './virtual-cluster.js';

function settled(memberCount: number): VirtualCluster {
  const virtual = new VirtualCluster({ ...CALM, seed: 1, memberCount });
  virtual.startAll();
  if (!virtual.run(2000 * MS, () => virtual.isSettled())) {
    throw new Error(`the cluster did not settle\n${virtual.trace.join('\n')}`);
  }
  virtual.run(200 * MS);
  return virtual;
}

function electionOf(virtual: VirtualCluster, memberId?: number): Election {
  const member = memberId === undefined ? virtual.leader() : virtual.member(memberId);
  if (member?.election === undefined) {
    throw new Error('nobody leads');
  }
  return member.election;
}

/** Nobody hears anybody. */
function silence(virtual: VirtualCluster): void {
  for (const row of virtual.reachable) {
    row.fill(false);
  }
}

test('a quorum confirms a round, in one round trip', (t) => {
  for (const memberCount of [1, 2, 3, 5, 7]) {
    const virtual = settled(memberCount);
    const leader = electionOf(virtual);
    for (let expected = 1; expected <= 3; expected++) {
      const round = leader.reads.begin(virtual.now());
      t.equal(round, expected, 'rounds ascend');
      t.equal(leader.reads.confirmed, memberCount === 1 ? round : round - 1);
      virtual.run(2 * CALM.delayMaxNs);
      t.equal(leader.reads.confirmed, round, `${memberCount} members confirm round ${round}`);
    }
    t.equal(leader.counters.readRounds, 3);
  }
  t.end();
});

/** Probes that leave while something is done. */
function probesOf(virtual: VirtualCluster, action: () => void): number {
  const before = virtual.sentByKind.get('probe') ?? 0;
  action();
  return (virtual.sentByKind.get('probe') ?? 0) - before;
}

test('a round asks as many as make a quorum, and all of them now and then', (t) => {
  for (const [memberCount, quorumCount] of [
    [3, 1],
    [5, 2],
    [7, 3],
  ] as const) {
    const virtual = settled(memberCount);
    const leader = electionOf(virtual);
    const begin = () => probesOf(virtual, () => leader.reads.begin(virtual.now()));
    t.equal(begin(), memberCount - 1, 'the first asks all');
    virtual.run(2 * CALM.delayMaxNs);
    t.equal(begin(), quorumCount, `the next ones ${quorumCount} of ${memberCount - 1} others`);
    virtual.run(2 * CALM.delayMaxNs);
    t.equal(leader.reads.confirmed, 2);
    virtual.run(60 * MS);
    t.equal(begin(), memberCount - 1, 'and all when a status interval is over');
  }
  t.end();
});

test('who does not answer is waited for only a moment, and not asked first again', (t) => {
  const virtual = settled(3);
  const leader = electionOf(virtual);
  const begin = () => leader.reads.begin(virtual.now());
  begin();
  virtual.run(2 * CALM.delayMaxNs);
  // Whoever is asked: the one that answered first.
  const others = virtual.memberIds.filter((id) => id !== leader.leaderMemberId());
  const isAsked = (memberId: number) => {
    const row = virtual.reachable[leader.leaderMemberId()] as boolean[];
    row[memberId] = false;
    const round = begin();
    virtual.run(2 * CALM.delayMaxNs);
    row[memberId] = true;
    return leader.reads.confirmed < round;
  };
  const silent = others.find(isAsked) ?? -1;
  t.ok(silent >= 0, 'one of them alone is asked');
  (virtual.reachable[leader.leaderMemberId()] as boolean[])[silent] = false;
  virtual.run(20 * MS);
  const round = begin();
  const hasRound = () => leader.reads.confirmed === round;
  t.ok(virtual.run(5 * MS + 2 * CALM.delayMaxNs, hasRound), 'the other one is asked soon');
  const next = begin();
  virtual.run(2 * CALM.delayMaxNs);
  t.equal(leader.reads.confirmed, next, 'and first from then on');
  t.end();
});

test('only answers to this very round of this term count, each member once', (t) => {
  const virtual = settled(5);
  const leader = electionOf(virtual);
  const termId = leader.leadershipTermId();
  const [first = -1, second = -1] = virtual.memberIds.filter(
    (id) => id !== leader.leaderMemberId(),
  );
  leader.reads.begin(virtual.now());
  virtual.run(2 * CALM.delayMaxNs);
  silence(virtual);
  const round = leader.reads.begin(virtual.now());
  const isConfirmed = () => leader.reads.confirmed === round;
  leader.reads.onAcknowledgement(first, termId, round - 1);
  leader.reads.onAcknowledgement(second, termId, round - 1);
  t.notOk(isConfirmed(), 'answers to the round before, late or doubled, do not');
  leader.onAppendPosition(first, termId, 0, 0, virtual.now());
  leader.onAppendPosition(second, termId, 0, 0, virtual.now());
  t.notOk(isConfirmed(), 'acknowledgements of the log do not');
  leader.reads.onAcknowledgement(first, termId - 1, round);
  leader.reads.onAcknowledgement(second, termId - 1, round);
  t.notOk(isConfirmed(), 'answers of another term do not');
  leader.reads.onAcknowledgement(first, termId, round + 1);
  leader.reads.onAcknowledgement(second, termId, round + 1);
  t.notOk(isConfirmed(), 'answers to a round that was never begun do not');
  leader.reads.onAcknowledgement(99, termId, round);
  leader.reads.onAcknowledgement(first, termId, round);
  leader.reads.onAcknowledgement(first, termId, round);
  t.notOk(isConfirmed(), 'a stranger, and one member twice, are no quorum of five');
  leader.reads.onAcknowledgement(second, termId, round);
  t.ok(isConfirmed(), 'a second member is');
  t.end();
});

test('a lost probe is sent again', (t) => {
  const virtual = settled(3);
  const leader = electionOf(virtual);
  silence(virtual);
  const round = leader.reads.begin(virtual.now());
  virtual.run(100 * MS);
  t.notEqual(leader.reads.confirmed, round);
  for (const row of virtual.reachable) {
    row.fill(true);
  }
  t.ok(
    virtual.run(60 * MS, () => leader.reads.confirmed === round),
    'within a status interval',
  );
  t.end();
});

test('a new leader begins no round before the event of its term is committed', (t) => {
  const virtual = settled(3);
  const old = virtual.leader();
  old?.crash();
  const isReady = () =>
    virtual.members.some(({ election }) => election?.state() === ElectionState.LeaderReady);
  t.ok(virtual.run(5000 * MS, isReady), 'another leads, and has committed nothing yet');
  const next = virtual.members.find(
    ({ election }) => election?.state() === ElectionState.LeaderReady,
  );
  t.equal(next?.election?.reads.begin(virtual.now()), NO_ROUND);
  virtual.run(1000 * MS, () => next?.election?.isIngressOpen() === true);
  t.equal(next?.election?.reads.begin(virtual.now()), 1, 'then it does');
  t.end();
});

test('a member in a greater term tells the old leader so, and confirms nothing', (t) => {
  const virtual = settled(3);
  const old = electionOf(virtual);
  const oldId = old.leaderMemberId();
  const oldTermId = old.leadershipTermId();
  virtual.member(oldId).pause();
  t.ok(
    virtual.run(5000 * MS, () => (virtual.leader()?.memberId ?? oldId) !== oldId),
    'another leads',
  );
  virtual.run(200 * MS);
  const before = { ...Object.fromEntries(virtual.sentByKind) };
  for (const memberId of virtual.memberIds.filter((id) => id !== oldId)) {
    electionOf(virtual, memberId).reads.onProbe(oldId, oldTermId, 1, virtual.now());
  }
  t.equal(virtual.sentByKind.get('confirm') ?? 0, before.confirm ?? 0, 'nobody confirms');
  t.equal((virtual.sentByKind.get('vote') ?? 0) - (before.vote ?? 0), 2, 'both refuse');
  t.end();
});

test('a member that lost its directory confirms nothing until it has its vote again', (t) => {
  const virtual = settled(3);
  const leader = electionOf(virtual);
  const [blank = -1, other = -1] = virtual.memberIds.filter((id) => id !== leader.leaderMemberId());
  virtual.member(other).crash();
  virtual.member(blank).crash();
  virtual.member(blank).wipe();
  virtual.member(blank).start();
  virtual.run(100 * MS);
  const round = leader.reads.begin(virtual.now());
  virtual.run(200 * MS);
  t.ok(round > NO_ROUND && leader.reads.confirmed < round, 'it may have promised something else');
  t.end();
});
