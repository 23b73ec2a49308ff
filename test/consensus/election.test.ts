import test, { type Test } from 'tape';
import type { MemberId } from '../../src/consensus/election-effects.js';
import { ElectionState } from '../../src/consensus/election-state.js';
import { CALM, type ClusterOptions, MS, VirtualCluster } from './virtual-cluster.js';

const LEADER_TIMEOUT = 600 * MS;
const ELECTION_TIMEOUT = 300 * MS;
const STATUS_INTERVAL = 50 * MS;
/** The bound of a fail-over: leader timeout, two election timeouts and some round trips. */
const FAIL_OVER = LEADER_TIMEOUT + 2 * ELECTION_TIMEOUT + 20 * MS;

function cluster(memberCount: number, change: Partial<ClusterOptions> = {}): VirtualCluster {
  return new VirtualCluster({ ...CALM, seed: 1, memberCount, ...change });
}

function settled(memberCount: number, change: Partial<ClusterOptions> = {}): VirtualCluster {
  const virtual = cluster(memberCount, change);
  virtual.startAll();
  if (!virtual.run(1000 * MS, () => virtual.isSettled())) {
    throw new Error(`the cluster did not settle\n${virtual.trace.join('\n')}`);
  }
  virtual.run(200 * MS);
  return virtual;
}

function electsWithin(t: Test, virtual: VirtualCluster, boundNs: number, what: string): void {
  const startNs = virtual.now();
  const isElected = virtual.run(boundNs, () => virtual.leader() !== undefined);
  t.ok(isElected, `${what}: after ${((virtual.now() - startNs) / MS).toFixed(1)} ms`);
}

function lead(virtual: VirtualCluster): MemberId {
  const leader = virtual.leader();
  if (leader === undefined) {
    throw new Error('nobody leads');
  }
  return leader.memberId;
}

test('a single member elects itself by the same path and commits what its disk holds', (t) => {
  const virtual = cluster(1);
  virtual.startAll();
  electsWithin(t, virtual, 20 * MS, 'a leader');
  const { nodeState, entries } = virtual.member(0).disk;
  t.equal(nodeState.votedForMemberId, 0, 'its vote for itself is on disk');
  t.equal(entries.length, 1, 'and so is its term');
  virtual.run(500 * MS);
  t.ok(virtual.checker.committedPosition > 96);
  t.end();
});

test('a single member whose disk hangs commits nothing', (t) => {
  // B4: a client was answered before the write was durable.
  const virtual = settled(1);
  virtual.member(0).isDiskHung = true;
  const durable = virtual.member(0).disk.log.end();
  virtual.run(400 * MS);
  t.ok(virtual.member(0).memoryLog().end() > durable, 'it appends');
  t.ok(virtual.checker.committedPosition <= durable, 'it does not commit');
  t.end();
});

test('a cold start with all members elects within a status interval and two round trips', (t) => {
  const virtual = cluster(5);
  virtual.startAll();
  electsWithin(t, virtual, 2 * STATUS_INTERVAL, 'a leader');
  t.equal(virtual.checker.leaders.size, 1, 'in one ballot');
  t.end();
});

test('a bare quorum wins at once, without waiting out a ballot timeout for the dead', (t) => {
  for (const [memberCount, dead] of [
    [3, [2]],
    [3, [0]],
    [5, [1, 3]],
  ] as const) {
    const virtual = cluster(memberCount);
    for (const member of virtual.members) {
      if (!(dead as readonly number[]).includes(member.memberId)) {
        member.start();
      }
    }
    electsWithin(t, virtual, 3 * STATUS_INTERVAL, `${memberCount} members without ${dead}`);
  }
  t.end();
});

test('nobody is elected without a quorum, and no term grows', (t) => {
  const virtual = cluster(3);
  virtual.member(1).start();
  virtual.run(10_000 * MS);
  t.equal(virtual.leader(), undefined);
  t.equal(virtual.member(1).disk.nodeState.candidateTermId, -1);
  t.end();
});

test('when the leader dies, the next one leads within the fail-over bound', (t) => {
  for (let seed = 1; seed <= 40; seed++) {
    const virtual = settled(3, { seed });
    const termId = virtual.checker.greatestTerm();
    virtual.member(lead(virtual)).crash();
    const isElected = virtual.run(FAIL_OVER, () => virtual.leader() !== undefined);
    if (!isElected || virtual.checker.greatestTerm() > termId + 1) {
      t.fail(`seed ${seed}\n${virtual.trace.slice(-30).join('\n')}`);
    }
  }
  t.pass('40 times, each in one ballot');
  t.end();
});

test('when the leader leaves, the next one leads without waiting for a timeout', (t) => {
  const virtual = settled(3);
  const old = virtual.member(lead(virtual));
  old.leave();
  const hasNext = () => (virtual.leader()?.memberId ?? old.memberId) !== old.memberId;
  const startNs = virtual.now();
  t.ok(virtual.run(4 * STATUS_INTERVAL, hasNext), `${(virtual.now() - startNs) / MS} ms`);
  t.equal(old.election?.state(), ElectionState.Left);
  t.ok(old.election?.ownLog.isStopped());
  t.end();
});

test('the member with the most log wins', (t) => {
  const virtual = settled(3);
  const old = lead(virtual);
  const [behind, ahead] = virtual.memberIds.filter((id) => id !== old) as [number, number];
  virtual.link(old, behind, false);
  virtual.link(ahead, behind, false);
  virtual.run(300 * MS);
  virtual.member(old).crash();
  virtual.member(behind).crash();
  virtual.linkAll(true);
  virtual.member(behind).start();
  t.ok(virtual.member(ahead).disk.log.end() > virtual.member(behind).disk.log.end());
  electsWithin(t, virtual, FAIL_OVER, 'a leader');
  t.equal(virtual.leader()?.memberId, ahead);
  t.end();
});

test('a leader that was cut off steps down and its tail is cut when it returns', (t) => {
  const virtual = settled(3);
  const old = lead(virtual);
  for (const other of virtual.memberIds) {
    if (other !== old) {
      virtual.link(old, other, false);
    }
  }
  const committed = virtual.checker.committedPosition;
  virtual.run(LEADER_TIMEOUT + 150 * MS);
  t.notOk(virtual.member(old).election?.isIngressOpen(), 'it stepped down');
  t.ok(virtual.member(old).disk.log.end() > committed, 'it has a tail that nobody else has');
  virtual.run(FAIL_OVER);
  t.notEqual(virtual.leader()?.memberId, old);
  virtual.linkAll(true);
  t.ok(virtual.run(FAIL_OVER, () => virtual.isSettled()));
  t.ok(virtual.checker.truncations > 0, 'the tail was cut');
  t.end();
});

test('a new leader that cannot read its own tail gives up, and another one cuts it', (t) => {
  const virtual = settled(3);
  const old = virtual.member(lead(virtual));
  const others = virtual.members.filter((member) => member !== old);
  for (const other of others) {
    other.crash();
  }
  virtual.run(LEADER_TIMEOUT + 150 * MS);
  const { committedPosition } = virtual.checker;
  t.ok(old.disk.log.end() > committedPosition, 'it has a tail that nobody else has');
  old.unreadablePosition = committedPosition;
  for (const other of others) {
    other.start();
  }
  const isOpening = () => old.election?.state() === ElectionState.LeaderLogReplication;
  t.ok(virtual.run(FAIL_OVER, isOpening), 'it has the most log, and is elected');
  const termId = virtual.checker.greatestTerm();
  electsWithin(t, virtual, LEADER_TIMEOUT + FAIL_OVER, 'one whose log can be read');
  t.notEqual(virtual.leader()?.memberId, old.memberId);
  t.ok(
    virtual.run(FAIL_OVER, () => virtual.isSettled()),
    'the other follows without a restart',
  );
  t.ok(virtual.checker.greatestTerm() <= termId + 2, 'it did not win again and again');
  t.ok(virtual.checker.truncations > 0, 'the tail was cut');
  t.end();
});

test('an old leader that wakes up commits nothing and follows the new one', (t) => {
  // P4: a stopped process finds itself deposed at first contact.
  const virtual = settled(3);
  const old = virtual.member(lead(virtual));
  old.pause();
  t.ok(
    virtual.run(FAIL_OVER, () => (virtual.leader()?.memberId ?? old.memberId) !== old.memberId),
    'another leads',
  );
  const oldCommit = old.election?.commitPosition() ?? 0;
  virtual.run(500 * MS);
  old.resume();
  old.offer();
  virtual.run(5 * MS);
  t.ok((old.election?.consumablePosition() ?? 0) <= virtual.checker.committedPosition);
  t.notOk(old.election?.isIngressOpen(), 'it leads no more');
  t.ok((old.election?.commitPosition() ?? 0) >= oldCommit);
  t.ok(virtual.run(FAIL_OVER, () => virtual.isSettled()));
  t.end();
});

test('a leader whose disk makes no progress steps down', (t) => {
  // B28: heartbeats of an independent loop kept a leader with a dead disk in office.
  const virtual = settled(3);
  const old = lead(virtual);
  virtual.member(old).isDiskHung = true;
  const hasNext = () => (virtual.leader()?.memberId ?? old) !== old;
  t.ok(virtual.run(2 * LEADER_TIMEOUT + FAIL_OVER, hasNext), 'another leads');
  const committed = virtual.checker.committedPosition;
  virtual.run(1000 * MS);
  t.ok(virtual.checker.committedPosition > committed, 'and commits');
  t.end();
});

test('a follower whose disk hangs delays nobody', (t) => {
  const virtual = settled(3);
  const follower = virtual.memberIds.find((id) => id !== lead(virtual)) as number;
  const termId = virtual.checker.greatestTerm();
  virtual.member(follower).isDiskHung = true;
  const committed = virtual.checker.committedPosition;
  virtual.run(3000 * MS);
  t.ok(virtual.checker.committedPosition > committed);
  t.equal(virtual.checker.greatestTerm(), termId);
  t.end();
});

test('a chain of three keeps its leader and its term', (t) => {
  // B27, the outage of 2020-11-02: two members cannot see each other, the third sees both.
  for (let seed = 1; seed <= 20; seed++) {
    const virtual = settled(3, { seed });
    const leaderId = lead(virtual);
    const [middle, end] = virtual.memberIds.filter((id) => id !== leaderId) as [number, number];
    const termId = virtual.checker.greatestTerm();
    virtual.link(leaderId, end, false);
    virtual.run(60_000 * MS);
    if (virtual.leader()?.memberId !== leaderId || virtual.checker.greatestTerm() !== termId) {
      t.fail(`seed ${seed}: the middle is ${middle}\n${virtual.trace.slice(-30).join('\n')}`);
    }
  }
  t.pass('20 seeds, 60 s each, no new term');
  t.end();
});

test('a chain of three that starts as one elects a stable leader', (t) => {
  for (let seed = 1; seed <= 20; seed++) {
    const virtual = cluster(3, { seed });
    virtual.link(0, 2, false);
    virtual.startAll();
    virtual.run(3_000 * MS);
    const termId = virtual.checker.greatestTerm();
    const leaderId = virtual.leader()?.memberId;
    virtual.run(60_000 * MS);
    const isStable =
      leaderId !== undefined &&
      virtual.leader()?.memberId === leaderId &&
      virtual.checker.greatestTerm() === termId &&
      termId <= 2;
    if (!isStable) {
      t.fail(`seed ${seed} term ${termId}\n${virtual.trace.slice(-30).join('\n')}`);
    }
  }
  t.pass('20 seeds');
  t.end();
});

test('of five members where only one reaches a quorum, that one leads, in few terms', (t) => {
  // B27, the second graph of 2020: the leader can reach only the hub, everybody else too.
  for (let hub = 0; hub < 5; hub++) {
    const virtual = settled(5, { seed: hub + 1, clientIntervalNs: 0 });
    const termId = virtual.checker.greatestTerm();
    virtual.linkAll(false);
    for (const id of virtual.memberIds) {
      virtual.link(hub, id, true);
    }
    virtual.run(10_000 * MS);
    t.equal(virtual.leader()?.memberId, hub, `hub ${hub} leads`);
    const stableTermId = virtual.checker.greatestTerm();
    t.ok(stableTermId <= termId + 2, `${stableTermId - termId} new terms`);
    virtual.run(60_000 * MS);
    t.equal(virtual.checker.greatestTerm(), stableTermId, 'no more in a minute');
  }
  t.end();
});

test('a member that cannot be heard, or cannot hear, does not disturb', (t) => {
  // N6: links that work in one direction only.
  for (const direction of ['deaf', 'mute'] as const) {
    const virtual = settled(3);
    const leaderId = lead(virtual);
    const termId = virtual.checker.greatestTerm();
    const lame = virtual.memberIds.find((id) => id !== leaderId) as number;
    for (const other of virtual.memberIds) {
      if (other !== lame) {
        const [from, to] = direction === 'deaf' ? [other, lame] : [lame, other];
        virtual.linkOneWay(from, to, false);
      }
    }
    virtual.run(30_000 * MS);
    t.equal(virtual.checker.greatestTerm(), termId, `${direction}: no new term`);
    virtual.linkAll(true);
    t.ok(
      virtual.run(FAIL_OVER, () => virtual.isSettled()),
      `${direction}: it returns`,
    );
    t.ok(virtual.checker.greatestTerm() <= termId + 1, `${direction}: at most one new term`);
  }
  t.end();
});

test('a leader that can send and not hear gives way within the bound', (t) => {
  // N6: it keeps the most log and everybody hears that, but it can never win again.
  for (let seed = 1; seed <= 20; seed++) {
    const virtual = settled(3, { seed });
    const old = lead(virtual);
    for (const other of virtual.memberIds) {
      virtual.linkOneWay(other, old, other === old);
    }
    const hasNext = () => (virtual.leader()?.memberId ?? old) !== old;
    if (!virtual.run(2 * LEADER_TIMEOUT + FAIL_OVER, hasNext)) {
      t.fail(`seed ${seed}\n${virtual.trace.slice(-30).join('\n')}`);
    }
    const termId = virtual.checker.greatestTerm();
    virtual.run(30_000 * MS);
    t.equal(virtual.checker.greatestTerm(), termId, `seed ${seed}: stable in term ${termId}`);
  }
  t.end();
});

test('members that were partitioned come back without disturbing the leader', (t) => {
  const virtual = settled(5);
  const leaderId = lead(virtual);
  const termId = virtual.checker.greatestTerm();
  const minority = virtual.memberIds.filter((id) => id !== leaderId).slice(0, 2);
  for (let flap = 0; flap < 20; flap++) {
    for (const id of minority) {
      for (const other of virtual.memberIds) {
        if (!minority.includes(other)) {
          virtual.link(id, other, flap % 2 === 1);
        }
      }
    }
    virtual.run(1_500 * MS);
  }
  virtual.linkAll(true);
  virtual.run(1_000 * MS);
  t.equal(virtual.checker.greatestTerm(), termId, 'no new term');
  t.ok(virtual.isSettled());
  t.end();
});

test('when all die at once and restart, nothing committed is lost and the term is greater', (t) => {
  // B1: terms and votes that were not durable collapse when all restart.
  for (let seed = 1; seed <= 30; seed++) {
    const virtual = settled(3, { seed });
    virtual.run(virtual.random.below(200) * MS);
    const committed = virtual.checker.committedPosition;
    const termId = virtual.checker.greatestTerm();
    for (const member of virtual.members) {
      member.crash();
    }
    virtual.startAll();
    const isBack = virtual.run(FAIL_OVER, () => virtual.isSettled());
    if (!isBack || virtual.checker.greatestTerm() <= termId) {
      t.fail(`seed ${seed}`);
    }
    virtual.run(200 * MS);
    if (
      virtual.members.some((member) => (member.election?.consumablePosition() ?? 0) < committed)
    ) {
      t.fail(`seed ${seed}: committed ${committed} is gone`);
    }
  }
  t.pass('30 seeds');
  t.end();
});

test('a wiped member takes part again only after a leader has admitted it', (t) => {
  // B12, B22: a member that lost what it promised must not vote as if it knew.
  const virtual = settled(3);
  const wiped = virtual.member(virtual.memberIds.find((id) => id !== lead(virtual)) as number);
  wiped.crash();
  wiped.wipe();
  wiped.start();
  virtual.run(300 * MS);
  t.notOk(wiped.election?.isVoting(), 'not at once');
  t.ok(
    virtual.run(3_000 * MS, () => wiped.election?.isVoting() === true),
    'admitted',
  );
  virtual.run(200 * MS);
  t.equal(wiped.disk.nodeState.admittedTermId, virtual.checker.greatestTerm());
  for (const other of virtual.members) {
    const known = other.disk.nodeState.incarnations.find((i) => i.memberId === wiped.memberId);
    t.ok(other === wiped || known?.incarnation === wiped.disk.incarnation, 'its new incarnation');
  }
  const third = virtual.members.find((m) => m !== wiped && m.memberId !== lead(virtual));
  third?.crash();
  const committed = virtual.checker.committedPosition;
  virtual.run(500 * MS);
  t.ok(virtual.checker.committedPosition > committed, 'its acknowledgements count again');
  t.end();
});

test('a member that is wiped twice in one term counts again after the second admission', (t) => {
  const virtual = settled(3);
  const termId = virtual.checker.greatestTerm();
  const wiped = virtual.member(virtual.memberIds.find((id) => id !== lead(virtual)) as number);
  for (let round = 0; round < 2; round++) {
    wiped.crash();
    wiped.wipe();
    wiped.start();
    virtual.run(3_000 * MS, () => wiped.election?.isVoting() === true);
    virtual.run(200 * MS);
  }
  t.ok(wiped.election?.isVoting());
  t.equal(virtual.checker.greatestTerm(), termId, 'all of it in one term');
  virtual.members.find((one) => one !== wiped && one.memberId !== lead(virtual))?.crash();
  const committed = virtual.checker.committedPosition;
  virtual.run(2_000 * MS);
  t.ok(virtual.checker.committedPosition > committed, 'its acknowledgements count');
  t.ok(wiped.election?.isVoting(), 'nobody takes its vote away');
  t.end();
});

test('a wiped member that was born voting by mistake is told, and loses its vote', (t) => {
  const virtual = settled(3);
  const wiped = virtual.member(virtual.memberIds.find((id) => id !== lead(virtual)) as number);
  wiped.crash();
  wiped.wipe(true);
  wiped.start();
  virtual.run(100 * MS);
  t.equal(wiped.disk.nodeState.voting, false);
  t.ok(
    virtual.run(3_000 * MS, () => wiped.election?.isVoting() === true),
    'admitted later',
  );
  t.end();
});

test('an idle leader is told when an admission waits for something to be committed', (t) => {
  const virtual = settled(3, { clientIntervalNs: 0 });
  const leader = virtual.member(lead(virtual));
  const wiped = virtual.member(virtual.memberIds.find((id) => id !== leader.memberId) as number);
  wiped.crash();
  wiped.wipe();
  wiped.start();
  virtual.run(5_000 * MS);
  t.notOk(wiped.election?.isVoting());
  t.ok(leader.election?.admissionWaitsForLog());
  leader.offer();
  t.ok(virtual.run(500 * MS, () => wiped.election?.isVoting() === true));
  t.notOk(leader.election?.admissionWaitsForLog());
  t.end();
});

test('a follower that loses the image of the log goes on without an election', (t) => {
  const virtual = settled(3);
  const follower = virtual.member(virtual.memberIds.find((id) => id !== lead(virtual)) as number);
  const termId = virtual.checker.greatestTerm();
  follower.election?.onLogLost(virtual.now());
  follower.poke();
  t.equal(follower.election?.state(), ElectionState.FollowerCatchup);
  t.ok(virtual.run(300 * MS, () => follower.election?.state() === ElectionState.Closed));
  t.equal(virtual.checker.greatestTerm(), termId);
  t.end();
});

test('in the steady state only log, append and commit positions are sent', (t) => {
  const virtual = settled(3);
  virtual.sentByKind.clear();
  virtual.run(5_000 * MS);
  virtual.sentByKind.delete('nak');
  t.deepEqual([...virtual.sentByKind.keys()].sort(), ['append', 'commit', 'log']);
  t.end();
});

test('a steady cluster of idle members wakes only for its heartbeats', (t) => {
  const virtual = settled(3, { clientIntervalNs: 0 });
  virtual.sentByKind.clear();
  virtual.run(10_000 * MS);
  const append = virtual.sentByKind.get('append') ?? 0;
  const commit = virtual.sentByKind.get('commit') ?? 0;
  t.ok(append >= 190 && append <= 210, `${append} append positions in 10 s from two followers`);
  t.ok(commit >= 190 && commit <= 210, `${commit} commit positions in 10 s to two followers`);
  t.end();
});
