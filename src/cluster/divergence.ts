// divergence.ts: who is odd, when members have put out different things by one position.
//
// A majority of the whole cluster that agrees is right, and whoever differs from it is odd. Where
// no majority agrees, nobody can say who is right, and all are named.

import type { MemberId } from '../consensus/election-effects.js';
import { quorumSize } from '../consensus/quorum.js';
import type { Hash64 } from './output-history.js';
import type { FirstDifference } from './peer-outputs.js';

/** A difference between members, as it is told. */
export interface Divergence extends FirstDifference {
  readonly serviceId: number;
  /** Members whose output is known at the position. */
  readonly memberIds: readonly MemberId[];
  /** Those that differ from the majority; empty where no majority agrees. */
  readonly oddMemberIds: readonly MemberId[];
}

/** Members that a majority overrules; undefined when no majority agrees. */
export function oddMembers(
  hashes: ReadonlyMap<MemberId, Hash64>,
  memberCount: number,
): MemberId[] | undefined {
  const groups = new Map<string, MemberId[]>();
  for (const [memberId, { high, low }] of hashes) {
    const key = `${high}:${low}`;
    groups.set(key, [...(groups.get(key) ?? []), memberId]);
  }
  const agreeing = [...groups.values()].find((group) => group.length >= quorumSize(memberCount));
  return agreeing === undefined
    ? undefined
    : [...hashes.keys()]
        .filter((memberId) => !agreeing.includes(memberId))
        .sort((one, other) => one - other);
}

function membersText(memberIds: readonly MemberId[]): string {
  return memberIds.length === 1
    ? `member ${memberIds[0]}`
    : `members ${memberIds.slice(0, -1).join(', ')} and ${memberIds.at(-1)}`;
}

function placeText({ equalAt, isExact, position }: FirstDifference): string {
  if (isExact) {
    return `from the event at log position ${position} on`;
  }
  return equalAt < 0
    ? `from log position ${position} or an earlier one on`
    : `from an event between log positions ${equalAt} and ${position} on`;
}

/** What an operator reads. */
export function divergenceText(divergence: Divergence): string {
  const { memberIds, oddMemberIds, serviceId } = divergence;
  const service = serviceId === 0 ? '' : `service ${serviceId}, `;
  const place = placeText(divergence);
  const who =
    oddMemberIds.length > 0
      ? `${membersText(oddMemberIds)} put out something else than the majority, ${place}`
      : `${membersText(memberIds)} do not put out the same, ${place}, and no majority agrees`;
  return (
    `divergence: ${service}${who}. The service depends on something that is not in the log, ` +
    'such as a clock, chance, or its role: see docs/protocol/divergence.md'
  );
}
