// election-effects.ts: everything that consensus asks of the world, and the records it passes.
//
// Consensus does no I/O. Messages leave through the send effects; disk and log work is asked for
// and answered later by the `on...` call named beside it. An answer may come at once, from within
// the effect: it is only noted, and acted upon by the next doWork. At most one log operation
// (stopLog, truncateLog, appendTermEntry, openLeaderLog) is outstanding at any time: a stopLog
// takes the place of an openLeaderLog, which is answered no more. joinLog answers nothing.

import type { LeadershipTermId, Position } from '../position.js';
import type { ElectionState, MemberRole } from './election-state.js';
import type { TermEntry } from './term-entries.js';

/** Identifies a configured member. Invariant: a 32-bit integer >= 0. */
export type MemberId = number;

/** Bits of the flags of MemberHello. */
export const HELLO_FLAG_LEAVING = 1;
/** The sender has a vote, by its own record. */
export const HELLO_FLAG_VOTING = 2;
/** The sender has not heard a hello from the receiver in this life of its process. */
export const HELLO_FLAG_REPLY_WANTED = 4;

/** Bit of the flags of CatchupRequest: the log is joined, the leader may start its destination. */
export const CATCHUP_FLAG_JOINED = 1;

/** Bits of the flags of AppendPosition. */
export const APPEND_FLAG_CATCHING_UP = 1;
export const APPEND_FLAG_NON_VOTING = 2;
/** The sender has little room left on its disk: it is not to lead if another can. */
export const APPEND_FLAG_LOW_SPACE = 4;

/** Why a member is refused; the values are those of the message MemberRefused. */
export const RefusalReason = {
  ClusterId: 1,
  Configuration: 2,
  Durability: 3,
  Incarnation: 4,
  ProtocolVersion: 5,
} as const;
export type RefusalReason = (typeof RefusalReason)[keyof typeof RefusalReason];

/** The first incarnation heard of a member, or the one a leader admitted. */
export interface KnownIncarnation {
  readonly memberId: MemberId;
  /** Opaque 64 bits, compared as unsigned. */
  readonly incarnation: bigint;
  /** Latest term in which it is known to have been admitted; TERM_NULL for none. */
  readonly admittedTermId: LeadershipTermId;
  /**
   * Position that its admission in that term named: a later one of that term names a greater.
   * POSITION_NULL for none.
   */
  readonly admittedPosition: Position;
}

/** The record in node-state.dat: one atomic write, because its parts rely on one another (B2). */
export interface NodeState {
  /** Greatest term voted in, stood in, or acknowledged in; TERM_NULL at birth. Never falls. */
  readonly candidateTermId: LeadershipTermId;
  /** Who got the vote of that term; MEMBER_NULL for nobody. */
  readonly votedForMemberId: MemberId;
  readonly voting: boolean;
  /** Term of the leader that last gave this member its vote; TERM_NULL when it has it by birth. */
  readonly admittedTermId: LeadershipTermId;
  /** Position that this admission named; POSITION_NULL for none. */
  readonly admittedPosition: Position;
  readonly incarnations: readonly KnownIncarnation[];
}

/** What recovery found. Everything in it is durable. */
export interface RecoveredState {
  readonly nodeState: NodeState;
  readonly termEntries: readonly TermEntry[];
  readonly durablePosition: Position;
  /** Commit position known to hold for this log: from the durable mark, at most durablePosition. */
  readonly commitPosition: Position;
  /** Incarnation of the own directory. */
  readonly incarnation: bigint;
  /** Where damage below the end of the log begins; absent while the log is whole. */
  readonly damagedPosition?: Position;
}

/** A leader's answer to a log end: how its log relates to the follower's last term. */
export interface NewLeadershipTerm {
  /**
   * L: the greatest term of the leader's log that is not above the follower's; TERM_NULL if none.
   */
  readonly logTermId: LeadershipTermId;
  /** The term after L in the leader's log; TERM_NULL when L is the leader's own term. */
  readonly nextTermId: LeadershipTermId;
  /** Base of that term, which is the end of L; POSITION_NULL when L is the leader's own term. */
  readonly nextTermBasePosition: Position;
  /** T, the leader's term. */
  readonly termId: LeadershipTermId;
  readonly termBasePosition: Position;
  /** Commit position that the leader knows of. */
  readonly commitPosition: Position;
  /** Transport session of the log publication of T. */
  readonly logSessionId: number;
  readonly leaderMemberId: MemberId;
}

/** Take frames of the log from a leader, record them, and report progress by onLogProgress. */
export interface LogJoin {
  readonly leaderMemberId: MemberId;
  /** The leader's term T: acknowledgements name it. */
  readonly termId: LeadershipTermId;
  readonly logSessionId: number;
  /** First byte to take: the own durable position. */
  readonly position: Position;
  /** The term whose frames are to be taken; frames of any other term end the recording. */
  readonly logTermId: LeadershipTermId;
  /** Record nothing at or beyond this position; POSITION_NULL for the live log of T. */
  readonly limitPosition: Position;
}

/** A hello as it was heard. */
export interface MemberHello {
  readonly memberId: MemberId;
  readonly clusterId: number;
  /** When the sender was admitted last. The term is carried in the field leadershipTermId. */
  readonly admittedTermId: LeadershipTermId;
  readonly admittedPosition: Position;
  readonly incarnation: bigint;
  readonly configurationHash: bigint;
  readonly durability: number;
  readonly protocolVersion: number;
  readonly flags: number;
}

export interface ElectionEffects {
  /** The agent adds cluster id, incarnation, configuration hash, durability and version. */
  /** Whether the own disk has little room left; not said means no. */
  isSpaceLow?(): boolean;
  sendMemberHello(
    to: MemberId,
    flags: number,
    admittedTermId: LeadershipTermId,
    admittedPosition: Position,
  ): void;
  sendMemberRefused(to: MemberId, reason: RefusalReason): void;
  sendMemberAdmitted(
    to: MemberId,
    memberId: MemberId,
    incarnation: bigint,
    termId: LeadershipTermId,
    position: Position,
  ): void;
  sendCanvassPosition(
    to: MemberId,
    logTermId: LeadershipTermId,
    logPosition: Position,
    candidateTermId: LeadershipTermId,
  ): void;
  sendRequestVote(
    to: MemberId,
    logTermId: LeadershipTermId,
    logPosition: Position,
    candidateTermId: LeadershipTermId,
  ): void;
  /** A refusal carries the sender's own candidate term. */
  sendVote(
    to: MemberId,
    candidateTermId: LeadershipTermId,
    logTermId: LeadershipTermId,
    logPosition: Position,
    granted: boolean,
  ): void;
  sendNewLeadershipTerm(to: MemberId, message: NewLeadershipTerm): void;
  sendCatchupRequest(
    to: MemberId,
    termId: LeadershipTermId,
    logTermId: LeadershipTermId,
    logPosition: Position,
    flags: number,
  ): void;
  sendAppendPosition(
    to: MemberId,
    termId: LeadershipTermId,
    position: Position,
    flags: number,
  ): void;
  sendCommitPosition(to: MemberId, termId: LeadershipTermId, position: Position): void;
  /** The sender asks whether it still leads the term. */
  sendReadProbe(to: MemberId, termId: LeadershipTermId, round: number): void;
  /** The sender follows that leader, now: after the round has begun. */
  sendReadAcknowledgement(to: MemberId, termId: LeadershipTermId, round: number): void;
  /** The sender, which led the term, leads no more; the target is to stand. */
  sendLeadershipTransfer(to: MemberId, termId: LeadershipTermId, target: MemberId): void;

  /** Write and sync the record; answered by onNodeStatePersisted(sequence), in order. */
  persistNodeState(state: NodeState, sequence: number): void;
  /**
   * Stop recording; a leader also closes the log publication, a follower its subscription to the
   * log. An openLeaderLog that was not answered is given up. Answered by onLogStopped with the
   * final durable position, after which nothing is written.
   */
  stopLog(): void;
  /**
   * Cut the log to the position and drop every entry of a term above lastTermId, also one whose
   * base is the position itself; entries up to lastTermId stay. Zeroed and synced. Answered by
   * onTruncated. Only asked for while the log is stopped.
   */
  truncateLog(position: Position, lastTermId: LeadershipTermId): void;
  /** Append (term, base) to the recording log and sync. Answered by onTermEntryAppended. */
  appendTermEntry(termId: LeadershipTermId, basePosition: Position): void;
  /**
   * Open the log publication at the base, start the recorder, append NewLeadershipTermEvent.
   * Answered by onLeaderLogOpened(logSessionId, position behind the event).
   */
  openLeaderLog(termId: LeadershipTermId, basePosition: Position): void;
  /** Replaces an earlier join: subscribe to the leader's log and record it. */
  joinLog(join: LogJoin): void;
  /**
   * The follower's log is a prefix of the own one up to the position: (re)start its destination.
   */
  startDestination(memberId: MemberId, position: Position): void;

  onStateChange(state: ElectionState, reason: string): void;
  onRoleChange(role: MemberRole, termId: LeadershipTermId): void;
}
