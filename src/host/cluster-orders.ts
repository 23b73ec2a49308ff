// cluster-orders.ts: an operator's orders to a member that leads, and what becomes of them.

import { ControlResult, type SuspensionAction } from '../cluster/cluster-control.js';
import type { MemberStatus } from '../cluster/member.js';
import type { MemberOrders } from '../cluster/member-orders.js';
import { ShutdownState } from '../cluster/shutdown.js';
import { ErrorCode, PawlError } from '../errors.js';
import { ClusterAction } from '../protocol/codecs/enumerations.js';

/** How long a suspension or resumption is watched: longer than an election takes. */
export const SUSPENSION_TIMEOUT_MS = 5_000;
const POLL_MS = 5;

/** The member that is told. */
export interface OrderedMember {
  status(): MemberStatus;
  orders(): MemberOrders;
  isClosed(): boolean;
  requestSnapshot(): void;
  orderSuspension(action: SuspensionAction): ControlResult;
  orderShutdown(): ControlResult;
}

/** Where all members end, and who has said so. */
export interface ShutdownOutcome {
  readonly logPosition: number;
  readonly acknowledged: readonly number[];
}

function refusal(message: string): PawlError {
  return new PawlError(ErrorCode.OrderRefused, message, 'environment');
}

function late(what: string, timeoutMs: number): PawlError {
  return new PawlError(
    ErrorCode.Timeout,
    `${what} within ${timeoutMs} ms: look at pawl cluster status and try again`,
    'environment',
  );
}

/** What to do where the member that was told does not lead. */
function notLeader({ leaderMemberId, memberId }: MemberStatus): PawlError {
  const isElsewhere = leaderMemberId >= 0 && leaderMemberId !== memberId;
  const remedy = isElsewhere ? `ask member ${leaderMemberId}` : 'wait until there is a leader';
  return refusal(`member ${memberId} does not lead, or is not ready: ${remedy}`);
}

function checkLeads(member: OrderedMember): void {
  const status = member.status();
  if (status.role !== 'leader' || !status.isIngressOpen) {
    throw notLeader(status);
  }
}

/** Asks again and again until there is an answer. */
async function until<T>(look: () => T | undefined, what: string, timeoutMs: number): Promise<T> {
  for (let waitedMs = 0; waitedMs < timeoutMs; waitedMs += POLL_MS) {
    const found = look();
    if (found !== undefined) {
      return found;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  throw late(what, timeoutMs);
}

function checkTerm(member: OrderedMember, termId: number, what: string): void {
  const status = member.status();
  if (member.isClosed() || status.role !== 'leader' || status.leadershipTermId !== termId) {
    throw refusal(
      `${what}: member ${status.memberId} ceased to lead meanwhile; ask the next leader`,
    );
  }
}

/**
 * Makes a snapshot an event of the log.
 *
 * @returns the position of which every member takes one; it is committed.
 * @throws PawlError ORDER_REFUSED or TIMEOUT saying why it did not come to that.
 */
export async function orderSnapshot(member: OrderedMember, timeoutMs: number): Promise<number> {
  checkLeads(member);
  const before = member.orders();
  const { leadershipTermId } = member.status();
  if (!before.canTakeSnapshot) {
    throw refusal('the service takes no snapshots: give it onTakeSnapshot');
  }
  member.requestSnapshot();
  return until(
    () => {
      checkTerm(member, leadershipTermId, 'the snapshot may have been ordered or not');
      const { snapshotServedPosition, snapshotsServed } = member.orders();
      const isServed = snapshotsServed > before.snapshotsServed;
      const isThere = member.status().servicePosition >= snapshotServedPosition;
      return isServed && isThere ? snapshotServedPosition : undefined;
    },
    'the snapshot did not become an event of the log, because the leader writes another one,',
    timeoutMs,
  );
}

/**
 * Suspends or resumes the cluster.
 *
 * @returns the position from which on it is so.
 * @throws PawlError ORDER_REFUSED or TIMEOUT saying why it did not come to that.
 */
export async function orderSuspension(
  member: OrderedMember,
  action: SuspensionAction,
): Promise<number> {
  checkLeads(member);
  const { leadershipTermId } = member.status();
  const isWanted = action === ClusterAction.Suspend;
  const word = isWanted ? 'suspended' : 'resumed';
  const result = member.orderSuspension(action);
  if (result === ControlResult.AlreadySo) {
    throw refusal(
      isWanted
        ? 'the cluster is suspended already: resume it with pawl cluster resume'
        : 'the cluster is not suspended: there is nothing to resume',
    );
  }
  if (result === ControlResult.UnderWay) {
    throw refusal('another order is being carried out: wait until it has been');
  }
  if (result !== ControlResult.Ordered) {
    throw notLeader(member.status());
  }
  return until(
    () => {
      checkTerm(member, leadershipTermId, `the cluster may have been ${word} or not`);
      const { suspensionPosition } = member.orders();
      return member.status().isSuspended === isWanted ? suspensionPosition : undefined;
    },
    `the cluster was not ${word}, because no majority has confirmed it,`,
    SUSPENSION_TIMEOUT_MS,
  );
}

/**
 * Has all members take a snapshot and end at one position.
 *
 * @returns when everybody that is to end knows it.
 * @throws PawlError ORDER_REFUSED or TIMEOUT saying why it did not come to that.
 */
export async function orderShutdown(
  member: OrderedMember,
  timeoutMs: number,
): Promise<ShutdownOutcome> {
  checkLeads(member);
  const result = member.orderShutdown();
  if (result === ControlResult.UnderWay) {
    throw refusal('a shutdown is under way: wait until the members have ended');
  }
  if (result !== ControlResult.Ordered) {
    throw notLeader(member.status());
  }
  const { leadershipTermId } = member.status();
  return until(
    () => {
      const { shutdownAcknowledged, shutdownPosition } = member.orders();
      const { shutdownState } = member.status();
      const isEnding =
        shutdownState === ShutdownState.Ending || shutdownState === ShutdownState.Ended;
      if (isEnding) {
        return { logPosition: shutdownPosition, acknowledged: shutdownAcknowledged };
      }
      checkTerm(member, leadershipTermId, 'the shutdown was given up');
      return undefined;
    },
    'the members did not bring their snapshots to an end',
    timeoutMs,
  );
}
