// A leader hands over to a member that it names, without a timeout, and loses nothing if it fails.

import test, { type Test } from 'tape';
import type { MemberId } from '../../src/consensus/election-effects.js';
import { TransferResult } from '../../src/consensus/leadership-transfer.js';
import { CALM, type ClusterOptions, MS, VirtualCluster } from './virtual-cluster.js';
import type { VirtualMember } from './virtual-member.js';

/** Longest time without a leader that takes ingress: half of what a request may take. */
const TRANSFER_MAX = 50 * MS;
/** Two status intervals: how long a leader waits for the member that it named. */
const PAUSE_MAX = 100 * MS;
/** Leader timeout, two election timeouts and some round trips. */
const FAIL_OVER = 1220 * MS;

function settled(memberCount: number, change: Partial<ClusterOptions> = {}): VirtualCluster {
  const virtual = new VirtualCluster({ ...CALM, seed: 1, memberCount, ...change });
  virtual.startAll();
  if (!virtual.run(2000 * MS, () => virtual.isSettled())) {
    throw new Error(`the cluster did not settle\n${virtual.trace.join('\n')}`);
  }
  virtual.run(200 * MS);
  return virtual;
}

function leaderOf(virtual: VirtualCluster): VirtualMember {
  const leader = virtual.leader();
  if (leader === undefined) {
    throw new Error('nobody leads');
  }
  return leader;
}

function begin(
  virtual: VirtualCluster,
  leader: VirtualMember,
  target: MemberId | undefined,
): TransferResult {
  const result = leader.election?.transferLeadership(target, virtual.now());
  leader.poke();
  return result ?? TransferResult.NotLeader;
}

function isLedBy(virtual: VirtualCluster, memberId: MemberId): boolean {
  return virtual.leader()?.memberId === memberId;
}

/** Hands over to every member in turn; the longest time that one took. */
function handAround(t: Test, virtual: VirtualCluster): number {
  let longestNs = 0;
  for (const target of [...virtual.memberIds, ...virtual.memberIds]) {
    const leader = leaderOf(virtual);
    if (leader.memberId === target) {
      continue;
    }
    const termId = leader.election?.leadershipTermId() ?? -1;
    const beganNs = virtual.now();
    t.equal(begin(virtual, leader, target), TransferResult.Started);
    t.ok(
      virtual.run(FAIL_OVER, () => isLedBy(virtual, target)),
      `member ${target} leads`,
    );
    longestNs = Math.max(longestNs, virtual.now() - beganNs);
    t.ok((leaderOf(virtual).election?.leadershipTermId() ?? -1) > termId, 'in a greater term');
    virtual.run(1000 * MS, () => virtual.isSettled());
    virtual.run(100 * MS);
  }
  return longestNs;
}

test('leadership goes to every member that is named, faster than any timeout', (t) => {
  for (const memberCount of [2, 3, 5, 7]) {
    for (let seed = 1; seed <= 5; seed++) {
      const longestNs = handAround(t, settled(memberCount, { seed }));
      const took = `${(longestNs / MS).toFixed(1)} ms at the longest`;
      t.ok(longestNs <= TRANSFER_MAX, `${memberCount} members, seed ${seed}: ${took}`);
    }
  }
  t.end();
});

test('one transfer costs one term, and nobody else stands meanwhile', (t) => {
  const virtual = settled(5);
  const leader = leaderOf(virtual);
  const termId = leader.election?.leadershipTermId() ?? -1;
  const target = (leader.memberId + 2) % 5;
  begin(virtual, leader, target);
  virtual.run(FAIL_OVER);
  t.ok(isLedBy(virtual, target));
  t.equal(leaderOf(virtual).election?.leadershipTermId(), termId + 1);
  t.ok(virtual.isSettled());
  t.end();
});

test('a leader appends nothing while it hands over', (t) => {
  const virtual = settled(3);
  const leader = leaderOf(virtual);
  const target = (leader.memberId + 1) % 3;
  virtual.link(leader.memberId, target, false);
  virtual.run(50 * MS);
  begin(virtual, leader, target);
  const end = leader.memoryLog().end();
  t.ok(leader.election?.isHandingOver());
  virtual.run(PAUSE_MAX - 5 * MS);
  t.equal(leader.memoryLog().end(), end);
  t.end();
});

test('a member that is cut off is waited for only for the pause, and no term is lost', (t) => {
  const virtual = settled(3);
  const leader = leaderOf(virtual);
  const target = (leader.memberId + 1) % 3;
  const termId = leader.election?.leadershipTermId();
  virtual.link(leader.memberId, target, false);
  virtual.run(50 * MS);
  const end = leader.memoryLog().end();
  t.equal(begin(virtual, leader, target), TransferResult.Started);
  virtual.run(PAUSE_MAX + 50 * MS);
  t.notOk(leader.election?.isHandingOver(), 'it goes on leading');
  t.equal(leader.election?.counters.transfersFailed, 1);
  t.equal(leader.election?.leadershipTermId(), termId);
  t.ok(leader.memoryLog().end() > end, 'and takes ingress again');
  virtual.link(leader.memberId, target, true);
  virtual.run(500 * MS);
  t.equal(begin(virtual, leader, target), TransferResult.Started, 'it can be tried again');
  t.ok(virtual.run(FAIL_OVER, () => isLedBy(virtual, target)));
  t.end();
});

test('a target that dies with the hint costs an ordinary election', (t) => {
  const virtual = settled(3);
  const leader = leaderOf(virtual);
  const target = virtual.member((leader.memberId + 1) % 3);
  begin(virtual, leader, target.memberId);
  t.ok(virtual.run(PAUSE_MAX, () => virtual.sentByKind.has('transfer')));
  target.crash();
  const bound = FAIL_OVER;
  t.ok(
    virtual.run(bound, () => virtual.leader() !== undefined),
    'another leads',
  );
  t.notEqual(leaderOf(virtual).memberId, target.memberId);
  t.end();
});

test('who cannot lead is refused, and so is a second transfer', (t) => {
  const virtual = settled(3);
  const leader = leaderOf(virtual);
  const target = virtual.member((leader.memberId + 1) % 3);
  const other = virtual.member((leader.memberId + 2) % 3);
  t.equal(begin(virtual, target, leader.memberId), TransferResult.NotLeader);
  t.equal(begin(virtual, leader, leader.memberId), TransferResult.UnknownTarget);
  t.equal(begin(virtual, leader, 9), TransferResult.UnknownTarget);
  other.leave();
  virtual.run(20 * MS);
  t.equal(begin(virtual, leader, other.memberId), TransferResult.TargetUnfit);
  virtual.link(leader.memberId, target.memberId, false);
  virtual.run(50 * MS);
  t.equal(begin(virtual, leader, target.memberId), TransferResult.Started);
  t.equal(begin(virtual, leader, target.memberId), TransferResult.UnderWay);
  t.end();
});

test('where nobody is fit to lead, a transfer that names nobody is refused', (t) => {
  const alone = settled(1);
  t.equal(begin(alone, leaderOf(alone), undefined), TransferResult.TargetUnfit);
  const virtual = settled(3);
  const leader = leaderOf(virtual);
  for (const member of virtual.members.filter((one) => one !== leader)) {
    member.leave();
  }
  virtual.run(20 * MS);
  t.equal(begin(virtual, leader, undefined), TransferResult.TargetUnfit);
  t.end();
});

test('a hint of another term or of a member that is not followed is dropped', (t) => {
  const virtual = settled(3);
  const leader = leaderOf(virtual);
  const follower = virtual.member((leader.memberId + 1) % 3);
  const third = (leader.memberId + 2) % 3;
  const termId = leader.election?.leadershipTermId() ?? -1;
  const hear = (from: MemberId, term: number) => {
    follower.receive((election) =>
      election.onLeadershipTransfer(from, term, follower.memberId, virtual.now()),
    );
  };
  hear(third, termId);
  hear(leader.memberId, termId - 1);
  hear(leader.memberId, termId + 1);
  hear(leader.memberId, -5);
  hear(9, termId);
  virtual.run(1000 * MS);
  t.equal(leaderOf(virtual).memberId, leader.memberId);
  t.equal(leaderOf(virtual).election?.leadershipTermId(), termId);
  t.end();
});

test('under loss, delay and kills, transfers break no invariant and leave a leader behind', (t) => {
  for (let seed = 1; seed <= 60; seed++) {
    const memberCount = 2 + (seed % 4);
    const virtual = settled(memberCount, {
      seed,
      lossRate: 0.05,
      duplicateRate: 0.1,
      delayMaxNs: 20 * MS,
      staleDelayMaxNs: 2000 * MS,
      syncDelayMaxNs: 15 * MS,
    });
    const { random } = virtual;
    for (let round = 0; round < 20; round++) {
      const leader = virtual.leader();
      if (leader !== undefined) {
        begin(virtual, leader, random.below(memberCount));
      }
      virtual.run(random.below(150) * MS);
      const victim = virtual.member(random.below(memberCount));
      if (random.chance(0.2) && victim.isRunning()) {
        victim.crash();
        virtual.run(random.below(100) * MS);
        victim.start();
      }
      virtual.run(random.below(800) * MS);
    }
    const isLed = virtual.run(20_000 * MS, () => virtual.isSettled());
    t.ok(isLed, `seed ${seed}: ${memberCount} members agree on a leader`);
  }
  t.end();
});
