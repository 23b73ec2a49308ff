// convergence.ts: whether a cluster has come back to one state, and where it stands when not.

import type { MemberStatus } from '../cluster/member.js';
import type { Judges } from './judges.js';
import type { SimulatedCluster } from './simulated-cluster.js';
import type { SimulatedClient } from './workload.js';

/** What of a member tells who leads, and whom it follows. */
export interface Standing {
  readonly member:
    | {
        status(): Pick<MemberStatus, 'isIngressOpen' | 'isVoting' | 'leadershipTermId' | 'state'>;
      }
    | undefined;
}

/**
 * The member that takes ingress. Of two it is the one of the later term: the other one was away,
 * and has not heard of it.
 */
export function latestLeader<T extends Standing>(members: readonly T[]): T | undefined {
  let latest: T | undefined;
  let latestTermId = Number.NEGATIVE_INFINITY;
  for (const one of members) {
    const status = one.member?.status();
    if (status?.isIngressOpen === true && status.leadershipTermId > latestTermId) {
      latest = one;
      latestTermId = status.leadershipTermId;
    }
  }
  return latest;
}

/** Whether every member has a vote and does its normal work, all in one term. */
export function areInOneTerm(members: readonly Standing[]): boolean {
  const statuses = members.map(({ member }) => member?.status());
  return statuses.every(
    (status) =>
      status?.isVoting === true &&
      status.state === 'CLOSED' &&
      status.leadershipTermId === statuses[0]?.leadershipTermId,
  );
}

/**
 * Whether all members run, vote, have the same log to its end, can read all of it back, and are in
 * the same state.
 */
export function areMembersEqual(cluster: SimulatedCluster, judges: Judges): boolean {
  const states = cluster.members.map(({ member, memberId }) => {
    const status = member?.status();
    const isBehind = status === undefined || status.servicePosition < status.appendPosition;
    if (isBehind || !status.isVoting) {
      return undefined;
    }
    const { appendPosition, commitPosition, sessionCount } = status;
    return `${appendPosition} ${commitPosition} ${sessionCount} ${judges.stateOf(memberId)}`;
  });
  return (
    states.every((state) => state !== undefined && state === states[0]) &&
    cluster.members.every(({ memberId }) => judges.committed.isReadable(memberId))
  );
}

/** Where every member and client stands, in words. */
export function describeCluster(
  cluster: SimulatedCluster,
  clients: readonly SimulatedClient[],
  judges: Judges,
): string {
  const members = cluster.members.map(({ member, memberId }) => {
    const status = member?.status();
    if (status === undefined) {
      return `member ${memberId} is down`;
    }
    return (
      `member ${memberId}${status.isVoting ? '' : ' without vote'} ${status.state} ` +
      `${status.role} term ${status.leadershipTermId} append ${status.appendPosition} durable ` +
      `${status.durablePosition} commit ${status.commitPosition} service ` +
      `${status.servicePosition} sessions ${status.sessionCount} health ${status.health} ` +
      `state ${judges.stateOf(memberId)}`
    );
  });
  const answers = clients.map(
    ({ answeredSequence, id, sentCount }) =>
      `client ${id} sent ${sentCount} answered ${answeredSequence}`,
  );
  return [...members, ...answers].join('; ');
}
