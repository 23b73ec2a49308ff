// message-gate.ts: which messages of which members are listened to at all.
//
// What arrives from the network is never trusted to be possible: a message with an id, a term or a
// position that cannot be, or of a member that has not introduced itself, is counted and dropped.

import { hit, Mark } from '../marks.js';
import { POSITION_NULL, TERM_NULL } from '../position.js';
import type { ConsensusContext } from './consensus-context.js';
import type { MemberHello, MemberId } from './election-effects.js';
import { MemberStanding } from './membership.js';

/**
 * No cluster gets here by elections, and the terms after it are still exact: a greater one would
 * make everybody count on beyond what a number can hold.
 */
export const LEADERSHIP_TERM_ID_MAX = 2 ** 52;

export class MessageGate {
  private readonly context: ConsensusContext;

  constructor(context: ConsensusContext) {
    this.context = context;
  }

  /** Whether a message of a member with at least this standing is let in. */
  admits(memberId: MemberId, least: MemberStanding): boolean {
    const { counters, members } = this.context;
    if (!members.isPeer(memberId)) {
      counters.messagesInvalid++;
      return false;
    }
    const standing = members.standingOf(memberId);
    if (standing >= least) {
      return true;
    }
    if (standing === MemberStanding.Unknown) {
      hit(Mark.GateUnknownMember);
      counters.messagesUnknownMember++;
    } else {
      hit(Mark.GateLearnerVoteDropped);
      counters.messagesRefusedMember++;
    }
    return false;
  }

  /** Whether a term that must exist, and a log end that may be empty, are possible. */
  isPossible(termId: number, logTermId: number, logPosition: number): boolean {
    const isPossible =
      isTermOrNone(termId) &&
      Number.isSafeInteger(logTermId) &&
      logTermId >= TERM_NULL &&
      Number.isSafeInteger(logPosition) &&
      logPosition >= 0 &&
      (logTermId !== TERM_NULL || logPosition === 0);
    this.context.counters.messagesInvalid += isPossible ? 0 : 1;
    return isPossible;
  }

  /** Whether a member may have been admitted when its hello says so. */
  isPossibleAdmission({ admittedPosition, admittedTermId }: MemberHello): boolean {
    const isPossible =
      isTermOrNone(admittedTermId) &&
      Number.isSafeInteger(admittedPosition) &&
      admittedPosition >= POSITION_NULL;
    this.context.counters.messagesInvalid += isPossible ? 0 : 1;
    return isPossible;
  }

  /** Whether the term of a leader and a position of its log are possible. */
  isPossibleTerm(termId: number, position: number): boolean {
    const isPossible =
      isTermOrNone(termId) && termId > TERM_NULL && Number.isSafeInteger(position) && position >= 0;
    this.context.counters.messagesInvalid += isPossible ? 0 : 1;
    return isPossible;
  }

  /** Whether the relation of terms that a leader names is possible. */
  isPossibleReply(
    termId: number,
    logTermId: number,
    nextTermId: number,
    nextTermBasePosition: number,
  ): boolean {
    const hasNext = nextTermId !== TERM_NULL;
    const isOrdered = hasNext
      ? logTermId < nextTermId && nextTermId <= termId && nextTermBasePosition >= 0
      : logTermId === termId && nextTermBasePosition === POSITION_NULL;
    const isPossible = isOrdered && logTermId >= TERM_NULL && Number.isSafeInteger(nextTermId);
    this.context.counters.messagesInvalid += isPossible ? 0 : 1;
    return isPossible;
  }
}

function isTermOrNone(termId: number): boolean {
  return Number.isSafeInteger(termId) && termId >= TERM_NULL && termId <= LEADERSHIP_TERM_ID_MAX;
}
