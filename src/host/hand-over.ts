// hand-over.ts: an operator's order to hand leadership over, and what becomes of it.

import type { MemberStatus } from '../cluster/member.js';
import { TransferResult } from '../consensus/leadership-transfer.js';
import { ErrorCode, PawlError } from '../errors.js';

/** How long a transfer of leadership is watched: longer than an election takes. */
export const TRANSFER_TIMEOUT_MS = 3_000;
const POLL_MS = 5;

/** The member that is told to hand over. */
export interface Leading {
  begin(targetMemberId: number): TransferResult;
  status(): MemberStatus;
  isClosed(): boolean;
}

function failure(what: string): PawlError {
  return new PawlError(
    ErrorCode.Timeout,
    `leadership was not handed over: ${what}; look at pawl cluster status and try again`,
    'environment',
  );
}

/** Why a transfer was not even begun. */
function refusal(result: TransferResult, status: MemberStatus, target: number): PawlError {
  const { leaderMemberId, memberId } = status;
  const isLeaderElsewhere = leaderMemberId >= 0 && leaderMemberId !== memberId;
  const remedy = isLeaderElsewhere
    ? `ask member ${leaderMemberId}`
    : 'wait until there is a leader';
  const texts: Readonly<Record<number, string>> = {
    [TransferResult.NotLeader]: `member ${memberId} does not lead: ${remedy}`,
    [TransferResult.UnknownTarget]: `member ${target} is no other member of this cluster: name one`,
    [TransferResult.TargetUnfit]: `member ${target} has no vote, or does not follow: wait for it`,
    [TransferResult.UnderWay]: 'another transfer is under way: wait until it has ended',
  };
  return new PawlError(ErrorCode.LimitExceeded, texts[result] ?? String(result), 'environment');
}

/** What has become of a transfer; undefined while it is under way. */
function outcome(status: MemberStatus, termId: number, target: number): number | undefined {
  const { isHandingOver, leaderMemberId, leadershipTermId, memberId, role } = status;
  if (leadershipTermId > termId) {
    if (leaderMemberId === target) {
      return leadershipTermId;
    }
    throw failure(`member ${leaderMemberId} was elected instead`);
  }
  if (role === 'leader' && !isHandingOver) {
    throw failure(
      `member ${target} did not acknowledge all of the log in time, and member ` +
        `${memberId} leads on`,
    );
  }
  return undefined;
}

/**
 * Hands leadership over and waits until the other leads.
 *
 * @returns the term in which it leads.
 * @throws PawlError LIMIT_EXCEEDED or TIMEOUT saying why it did not come to that.
 */
export async function handOver(member: Leading, target: number): Promise<number> {
  const termId = member.status().leadershipTermId;
  const result = member.begin(target);
  if (result !== TransferResult.Started) {
    throw refusal(result, member.status(), target);
  }
  for (let waitedMs = 0; waitedMs < TRANSFER_TIMEOUT_MS; waitedMs += POLL_MS) {
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    const ledTermId = member.isClosed() ? undefined : outcome(member.status(), termId, target);
    if (ledTermId !== undefined) {
      return ledTermId;
    }
  }
  throw failure(`nobody led within ${TRANSFER_TIMEOUT_MS} ms`);
}
