// judge-recovery.ts: what a member may miss when it starts: what the nemesis took, and no more.

import type { RecoveredDirectory } from '../archive/member-directory.js';
import type { Judge } from './invariants/judge.js';
import type { Nemesis } from './nemesis.js';
import type { SimulatedMember } from './simulated-cluster.js';

/** Judges what a start found of a member's log and vote. */
export function judgeRecovery(
  nemesis: Nemesis,
  judge: Judge,
  member: SimulatedMember,
  { health, nodeState, warnings }: RecoveredDirectory,
): void {
  const { memberId } = member;
  const isCorrupt = health.kind === 'corrupt';
  const { voting } = nodeState.state;
  if (!isCorrupt && voting) {
    nemesis.onWhole(member);
  }
  const isDamaged = (isCorrupt && !nemesis.damage.rottenMembers.has(memberId)) || !voting;
  if (isDamaged && !nemesis.losses.blankMembers.has(memberId)) {
    judge.report(
      'recovery',
      `member ${memberId} finds its log ${health.kind} or its vote lost, and nothing was ` +
        `damaged: ${warnings.join('; ')}`,
    );
  }
}
