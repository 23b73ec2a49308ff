// convergence.ts: whether a cluster has come back to one state, and where it stands when not.

import type { Judges } from './judges.js';
import type { SimulatedCluster } from './simulated-cluster.js';
import type { SimulatedClient } from './workload.js';

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
