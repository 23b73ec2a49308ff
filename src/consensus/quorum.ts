// quorum.ts: how many members decide, and which position that many have reached.
//
// Every path that counts members (votes, commit, activity, admission) uses this file (B26). The
// position is found by a full sort of a few numbers: keeping "sorted progress" incrementally once
// committed without a quorum (B11).

import { assert } from '../assert.js';
import { POSITION_NULL, type Position } from '../position.js';

/** More members than this slow every commit and make no cluster safer. */
export const MEMBER_COUNT_MAX = 7;

/**
 * Members that decide among `memberCount` configured ones; non-voting members are configured too.
 */
export function quorumSize(memberCount: number): number {
  assert(
    Number.isInteger(memberCount) && memberCount >= 1 && memberCount <= MEMBER_COUNT_MAX,
    `member count ${memberCount} is from 1 to ${MEMBER_COUNT_MAX}`,
  );
  return Math.floor(memberCount / 2) + 1;
}

/**
 * The greatest position that a quorum has reached.
 *
 * @param positions one per configured member, POSITION_NULL where unknown or not counted.
 * @param scratch as long as positions; overwritten, so that no call allocates.
 * @returns the quorum-th largest, POSITION_NULL when fewer than a quorum are known.
 */
export function quorumPosition(positions: Float64Array, scratch: Float64Array): Position {
  assert(scratch.length === positions.length, 'the scratch is as long as the positions');
  const memberCount = positions.length;
  scratch.set(positions);
  scratch.sort();
  const position = scratch[memberCount - quorumSize(memberCount)];
  assert(
    position !== undefined && position >= POSITION_NULL,
    'positions are known or POSITION_NULL',
  );
  return position;
}
