// introductions.ts: how members tell each other who they are, and lose or regain their vote by it.

import { hit, Mark } from '../marks.js';
import type { LeadershipTermId, Position } from '../position.js';
import type { ConsensusContext } from './consensus-context.js';
import {
  HELLO_FLAG_LEAVING,
  HELLO_FLAG_REPLY_WANTED,
  HELLO_FLAG_VOTING,
  type MemberHello,
  type MemberId,
} from './election-effects.js';
import { MemberStanding } from './membership.js';

/** Whoever counts what other members say. */
interface Listener {
  forget(memberId: MemberId): void;
}

/** Those that count at present. */
export interface Listeners {
  readonly board: Listener;
  readonly candidacy: Listener | undefined;
  readonly leader: Listener | undefined;
}

export class Introductions {
  private readonly context: ConsensusContext;
  private readonly ownIncarnation: bigint;
  private helloNs = Number.NEGATIVE_INFINITY;
  private isLeaving = false;
  /** The vote came back, and the others are to hear of it once that is durable. */
  private hasVoteToAnnounce = false;

  constructor(context: ConsensusContext, ownIncarnation: bigint) {
    this.context = context;
    this.ownIncarnation = BigInt.asUintN(64, ownIncarnation);
  }

  deadlineNs(): number {
    return this.helloNs + this.context.config.electionStatusIntervalNs;
  }

  flags(to: MemberId): number {
    const { members, record } = this.context;
    return (
      (this.isLeaving ? HELLO_FLAG_LEAVING : 0) |
      (record.hasDurableVote() ? HELLO_FLAG_VOTING : 0) |
      (members.isHelloWanted(to) ? HELLO_FLAG_REPLY_WANTED : 0)
    );
  }

  /** Once per status interval: in an election to everybody, else to those that are in doubt. */
  doWork(isInElection: boolean, nowNs: number): void {
    if (nowNs < this.deadlineNs()) {
      return;
    }
    if (isInElection) {
      this.sendToAll(nowNs);
      return;
    }
    for (const memberId of this.context.others) {
      if (this.context.members.isInDoubt(memberId)) {
        hit(Mark.IntroductionInDoubt);
        this.helloNs = nowNs;
        this.sendHello(memberId);
      }
    }
  }

  /** Whether hellos are due although no election is under way. */
  hasDoubts(): boolean {
    return this.context.others.some((memberId) => this.context.members.isInDoubt(memberId));
  }

  /** A vote that was given back is announced as soon as it is durable. */
  announceVote(nowNs: number): void {
    if (this.hasVoteToAnnounce && this.context.record.hasDurableVote()) {
      this.hasVoteToAnnounce = false;
      this.sendToAll(nowNs);
    }
  }

  leave(nowNs: number): void {
    this.isLeaving = true;
    this.sendToAll(nowNs);
  }

  /** Takes a hello; true when its sender leaves. */
  onHello(hello: MemberHello, listeners: Listeners): boolean {
    const { counters, effects, members } = this.context;
    if (!members.isPeer(hello.memberId)) {
      counters.messagesInvalid++;
      return false;
    }
    const former = members.incarnationOf(hello.memberId);
    const refusal = members.onHello(hello);
    if (former !== undefined && former !== members.incarnationOf(hello.memberId)) {
      hit(Mark.IntroductionReplaced);
      listeners.board.forget(hello.memberId);
      listeners.candidacy?.forget(hello.memberId);
      listeners.leader?.forget(hello.memberId);
    }
    if (refusal !== undefined) {
      hit(Mark.IntroductionForeignIncarnation);
      effects.sendMemberRefused(hello.memberId, refusal);
    }
    if (members.standingOf(hello.memberId) === MemberStanding.Refused) {
      counters.messagesRefusedMember++;
      return false;
    }
    if ((hello.flags & HELLO_FLAG_REPLY_WANTED) !== 0) {
      this.sendHello(hello.memberId);
    }
    return members.isLeaving(hello.memberId);
  }

  /** The others know another directory under this id: this one may not know what it promised. */
  loseVote(): boolean {
    const { record } = this.context;
    if (!record.isVoting()) {
      return false;
    }
    hit(Mark.IntroductionVoteLost);
    record.loseVote();
    this.hasVoteToAnnounce = false;
    return true;
  }

  /** The own log is whole again: the vote counts as before. */
  wakeVote(): void {
    const { record } = this.context;
    record.setVoteResting(false);
    this.hasVoteToAnnounce = record.isVoting();
  }

  /** The leader that this member follows gives its vote back, for this incarnation only. */
  gainVote(incarnation: bigint, termId: LeadershipTermId, position: Position): void {
    const { log, record } = this.context;
    const isMeant = BigInt.asUintN(64, incarnation) === this.ownIncarnation;
    const isWanted = !record.isVoting() && !record.isVoteResting();
    if (isMeant && isWanted && log.durablePosition() >= position) {
      hit(Mark.IntroductionVoteGained);
      record.gainVote(termId, position);
      this.hasVoteToAnnounce = true;
    }
  }

  private sendToAll(nowNs: number): void {
    this.helloNs = nowNs;
    for (const memberId of this.context.others) {
      this.sendHello(memberId);
    }
  }

  private sendHello(to: MemberId): void {
    const { effects, record } = this.context;
    const flags = this.flags(to);
    effects.sendMemberHello(to, flags, record.admittedTermId(), record.admittedPosition());
  }
}
