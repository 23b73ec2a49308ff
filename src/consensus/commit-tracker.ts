// commit-tracker.ts: which byte of the log a quorum has made durable in one leader's term.
//
// P is committed once
//   (1) a quorum of voting members reported a *durable* position >= P in THIS term, which says that
//       their logs were reconciled with this leader first (B10), and
//   (2) P is at or beyond the end of the term's first event: what earlier terms left behind is
//   never
//       committed by counting copies of it (B9).
// The leader's own position is its recorder's durable one, like everybody's (B4, B5).

import { assert } from '../assert.js';
import { type LeadershipTermId, POSITION_NULL, type Position } from '../position.js';
import type { MemberId } from './election-effects.js';
import { quorumPosition, quorumSize } from './quorum.js';

const NEVER_NS = Number.NEGATIVE_INFINITY;

/** The positions of one leadership term, as its leader knows them. */
export class CommitTracker {
  readonly termId: LeadershipTermId;
  readonly eventEndPosition: Position;

  private readonly memberIds: readonly MemberId[];
  private readonly ownIndex: number;
  // Invariant: POSITION_NULL until the member acknowledged in this term while it had a vote.
  private readonly positions: Float64Array;
  private readonly scratch: Float64Array;
  private readonly heardNs: Float64Array;
  // Invariant: never falls.
  private committed: Position;

  /**
   * @param memberIds all configured members, the leader included.
   * @param eventEndPosition end of the term's NewLeadershipTermEvent.
   * @param commitPosition what the leader knew to be committed when its term began.
   */
  constructor(
    termId: LeadershipTermId,
    memberIds: readonly MemberId[],
    ownMemberId: MemberId,
    eventEndPosition: Position,
    commitPosition: Position,
    nowNs: number,
  ) {
    assert(commitPosition < eventEndPosition, 'a term begins beyond what was committed before it');
    this.termId = termId;
    this.memberIds = memberIds;
    this.ownIndex = memberIds.indexOf(ownMemberId);
    assert(this.ownIndex >= 0, `the leader ${ownMemberId} is a member`);
    this.eventEndPosition = eventEndPosition;
    this.committed = commitPosition;
    this.positions = new Float64Array(memberIds.length).fill(POSITION_NULL);
    this.scratch = new Float64Array(memberIds.length);
    // A new leader gives everybody one timeout to be heard for the first time.
    this.heardNs = new Float64Array(memberIds.length).fill(nowNs);
  }

  commitPosition(): Position {
    return this.committed;
  }

  /** What a member has acknowledged in this term; POSITION_NULL when nothing. */
  positionOf(memberId: MemberId): Position {
    return this.positions[this.indexOf(memberId)] ?? POSITION_NULL;
  }

  /** Takes the recorder's durable position as the leader's own acknowledgement. */
  onOwnDurablePosition(position: Position): void {
    this.positions[this.ownIndex] = Math.max(this.positions[this.ownIndex] ?? position, position);
  }

  /**
   * Takes an acknowledgement; the greatest of this term wins, so loss and reordering do no harm.
   *
   * @returns whether it counted.
   */
  onAppendPosition(
    memberId: MemberId,
    termId: LeadershipTermId,
    position: Position,
    nowNs: number,
  ): boolean {
    const index = this.indexOf(memberId);
    if (termId !== this.termId || index < 0 || index === this.ownIndex) {
      return false;
    }
    this.positions[index] = Math.max(this.positions[index] ?? POSITION_NULL, position);
    this.heardNs[index] = Math.max(this.heardNs[index] ?? nowNs, nowNs);
    return true;
  }

  /** A member lost its vote: nothing that it acknowledged counts any more. */
  forget(memberId: MemberId): void {
    const index = this.indexOf(memberId);
    if (index >= 0 && index !== this.ownIndex) {
      this.positions[index] = POSITION_NULL;
      this.heardNs[index] = NEVER_NS;
    }
  }

  /**
   * Another directory speaks for a member, which has said nothing yet: it has the rest of the
   * leader timeout for that.
   */
  forgetPosition(memberId: MemberId): void {
    const index = this.indexOf(memberId);
    if (index >= 0 && index !== this.ownIndex) {
      this.positions[index] = POSITION_NULL;
    }
  }

  /** Advances the commit position as far as the rule allows; true when it moved. */
  advance(): boolean {
    const reached = quorumPosition(this.positions, this.scratch);
    if (reached < this.eventEndPosition || reached <= this.committed) {
      return false;
    }
    this.committed = reached;
    return true;
  }

  /** Whether a quorum, the leader included, was heard in this term within the timeout. */
  hasActiveQuorum(nowNs: number, timeoutNs: number): boolean {
    return this.activeDeadlineNs(timeoutNs) > nowNs;
  }

  /** When the quorum is lost unless somebody is heard again. */
  activeDeadlineNs(timeoutNs: number): number {
    this.scratch.set(this.heardNs);
    this.scratch[this.ownIndex] = Number.POSITIVE_INFINITY;
    this.scratch.sort();
    const count = this.memberIds.length;
    return (this.scratch[count - quorumSize(count)] ?? NEVER_NS) + timeoutNs;
  }

  private indexOf(memberId: MemberId): number {
    return this.memberIds.indexOf(memberId);
  }
}
