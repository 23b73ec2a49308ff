// peer-proofs.ts: what the consensus of a member knows of others, for messages beside its own.
//
// Such a message is let in on the same proof as one of the consensus: its sender has introduced
// itself as a member of this cluster, and where it speaks as the leader, it is the one that this
// member follows in that very term.

import { hit, Mark } from '../marks.js';
import type { LeadershipTermId } from '../position.js';
import type { ConsensusContext } from './consensus-context.js';
import type { MemberId } from './election-effects.js';
import type { ElectionMachine } from './election-machine.js';
import { MemberStanding } from './membership.js';
import type { MessageGate } from './message-gate.js';

export class PeerProofs {
  readonly #context: ConsensusContext;
  readonly #gate: MessageGate;
  readonly #machine: ElectionMachine;

  constructor(context: ConsensusContext, gate: MessageGate, machine: ElectionMachine) {
    this.#context = context;
    this.#gate = gate;
    this.#machine = machine;
  }

  /** Whether a member has introduced itself as one of this cluster. Counts it when not. */
  isIntroduced(memberId: MemberId): boolean {
    return this.#gate.admits(memberId, MemberStanding.Learner);
  }

  /** Whether a message is of the leader of a term that this member follows. Counts it when not. */
  isFollowed(from: MemberId, termId: LeadershipTermId): boolean {
    if (!this.isIntroduced(from)) {
      return false;
    }
    const { follower } = this.#machine;
    const isFollowed = follower?.termId === termId && follower.leaderMemberId === from;
    if (!isFollowed) {
      hit(Mark.PeerNotFollowed);
      this.#context.counters.messagesStale++;
    }
    return isFollowed;
  }

  /** Whether a member has said last that it ends. */
  isLeaving(memberId: MemberId): boolean {
    return this.#context.members.isLeaving(memberId);
  }
}
