// A directory that a member had before, put back: it has a vote by its own record, and lacks what
// its successor acknowledged.

import test from 'tape';
import { CALM, MS, VirtualCluster } from './virtual-cluster.js';
import { VirtualLog } from './virtual-log.js';
import type { VirtualMember } from './virtual-member.js';

const ADMISSION = 3_000 * MS;
const FAIL_OVER = 1_500 * MS;

type Directory = VirtualMember['disk'];

function run(virtual: VirtualCluster, until: () => boolean, what: string): void {
  if (!virtual.run(ADMISSION, until)) {
    throw new Error(`${what}: it did not come to that\n${virtual.trace.slice(-40).join('\n')}`);
  }
}

function copyOf(disk: Directory): Directory {
  return {
    ...disk,
    nodeState: { ...disk.nodeState, incarnations: [...disk.nodeState.incarnations] },
    entries: [...disk.entries],
    log: new VirtualLog(disk.log.frames),
  };
}

/** Loses the directory of a member, and has its next one admitted. */
function replace(virtual: VirtualCluster, member: VirtualMember): void {
  member.crash();
  member.wipe();
  member.start();
  run(virtual, () => member.election?.isVoting() === true, 'an admission');
  run(virtual, () => member.disk.nodeState.voting, 'a durable vote');
  virtual.run(300 * MS);
}

/** Ends the leader's term, so that the next admission is in a later one. */
function changeLeader(virtual: VirtualCluster): void {
  const leader = virtual.leader() as VirtualMember;
  leader.crash();
  run(virtual, () => virtual.leader() !== undefined, 'another leader');
  leader.start();
  run(virtual, () => virtual.isSettled(), 'a settled cluster');
  virtual.run(200 * MS);
}

for (const isRestarted of [false, true]) {
  const title = isRestarted
    ? 'a former directory decides nothing with a member that was restarted since'
    : 'a former directory decides nothing with a member that saw it replaced';
  test(title, (t) => {
    const virtual = new VirtualCluster({ ...CALM, seed: 1, memberCount: 3 });
    virtual.startAll();
    run(virtual, () => virtual.isSettled(), 'a settled cluster');
    virtual.run(200 * MS);
    const leaderId = virtual.leader()?.memberId;
    const moved = virtual.members.find(({ memberId }) => memberId !== leaderId) as VirtualMember;
    replace(virtual, moved);
    const former = copyOf(moved.disk);
    changeLeader(virtual);
    replace(virtual, moved);
    t.ok(former.nodeState.voting && former.nodeState.admittedTermId >= 0, 'it was admitted');
    t.ok(moved.disk.nodeState.admittedTermId > former.nodeState.admittedTermId, 'in a former term');
    // Two commit without the third, with the directory that is there now.
    const others = virtual.members.filter((member) => member !== moved);
    const away = others.find((member) => member !== virtual.leader()) as VirtualMember;
    const stays = others.find((member) => member !== away) as VirtualMember;
    if (isRestarted) {
      away.crash();
    } else {
      for (const member of virtual.members) {
        virtual.link(away.memberId, member.memberId, false);
      }
    }
    const before = virtual.checker.committedPosition;
    run(virtual, () => virtual.checker.committedPosition > before + 2_000, 'commits of two');
    stays.crash();
    moved.crash();
    Object.assign(moved.disk, former);
    virtual.linkAll(true);
    if (isRestarted) {
      away.start();
    }
    moved.start();
    const isLed = virtual.run(FAIL_OVER, () => virtual.leader() !== undefined);
    t.notOk(isLed, 'nobody leads without what was committed');
    stays.start();
    run(virtual, () => virtual.members.every((m) => m.election?.isVoting()), 'all vote again');
    t.end();
  });
}
