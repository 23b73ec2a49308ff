// membership.ts: who the others are, and whose votes and positions count.
//
// A member that lost its directory does not know what it promised with the old one. So each
// directory has a random incarnation, the first one heard of a member is remembered durably, and
// another one later is a *learner*: it receives the log, but its votes and positions do not count
// until a leader has admitted it. When that was is remembered with it: a directory that was
// admitted before is a former one, and what its successor acknowledged is not in it. Nothing
// counts of a member that has not introduced itself.

import { hit, Mark } from '../marks.js';
import { type LeadershipTermId, POSITION_NULL, type Position, TERM_NULL } from '../position.js';
import type { ConsensusConfig } from './consensus-config.js';
import {
  HELLO_FLAG_LEAVING,
  HELLO_FLAG_VOTING,
  type KnownIncarnation,
  type MemberHello,
  type MemberId,
  RefusalReason,
} from './election-effects.js';
import type { NodeRecord } from './node-record.js';

export const MemberStanding = {
  /** No hello was heard in this life of the process: everything else of it is dropped. */
  Unknown: 0,
  /** Belongs to another cluster, or is configured otherwise: everything of it is dropped. */
  Refused: 1,
  /** Takes the log, but neither its votes nor its positions count. */
  Learner: 2,
  Voter: 3,
} as const;
export type MemberStanding = (typeof MemberStanding)[keyof typeof MemberStanding];

interface Peer {
  /** Incarnation of the last hello; undefined before the first. */
  incarnation: bigint | undefined;
  /** The last two hellos agree: one that a former directory sent long ago may come alone. */
  isConfirmed: boolean;
  isVoting: boolean;
  isLeaving: boolean;
  isRefused: boolean;
  /** An incarnation that is not the remembered one was heard, and no leader has admitted it. */
  isForeign: boolean;
  /** The incarnation that a leader admitted and that was not heard here yet. */
  expected: bigint | undefined;
  /** Sequence of the record that remembers the incarnation. */
  recordSequence: number;
}

/** The table of the other members. */
export class MemberTable {
  private readonly config: ConsensusConfig;
  private readonly record: NodeRecord;
  private readonly peers = new Map<MemberId, Peer>();

  constructor(config: ConsensusConfig, record: NodeRecord) {
    this.config = config;
    this.record = record;
    for (const memberId of config.memberIds) {
      if (memberId !== config.memberId) {
        this.peers.set(memberId, {
          incarnation: undefined,
          isConfirmed: false,
          isVoting: false,
          isLeaving: false,
          isRefused: false,
          isForeign: false,
          expected: undefined,
          recordSequence: 0,
        });
      }
    }
  }

  isPeer(memberId: MemberId): boolean {
    return this.peers.has(memberId);
  }

  /** Whether a hello is wanted of a member: it was not heard yet, or changed its incarnation. */
  isHelloWanted(memberId: MemberId): boolean {
    return this.peers.get(memberId)?.isConfirmed === false;
  }

  /** Whether a member was heard, but has to say once more who it is. */
  isInDoubt(memberId: MemberId): boolean {
    const peer = this.peers.get(memberId);
    return peer?.incarnation !== undefined && !peer.isConfirmed;
  }

  isLeaving(memberId: MemberId): boolean {
    return this.peers.get(memberId)?.isLeaving ?? false;
  }

  incarnationOf(memberId: MemberId): bigint | undefined {
    return this.peers.get(memberId)?.incarnation;
  }

  standingOf(memberId: MemberId): MemberStanding {
    const peer = this.peers.get(memberId);
    if (peer === undefined || (peer.incarnation === undefined && !peer.isRefused)) {
      return MemberStanding.Unknown;
    }
    if (peer.isRefused) {
      return MemberStanding.Refused;
    }
    const counts = peer.isVoting && !peer.isForeign && this.record.isDurable(peer.recordSequence);
    return counts ? MemberStanding.Voter : MemberStanding.Learner;
  }

  /** Takes a hello of a configured member; answers why it is refused, or undefined. */
  onHello(hello: MemberHello): RefusalReason | undefined {
    const peer = this.peers.get(hello.memberId);
    if (peer === undefined) {
      return undefined;
    }
    const mismatch = this.mismatch(hello);
    if (mismatch !== undefined) {
      peer.isRefused = true;
      return mismatch;
    }
    peer.isRefused = false;
    const incarnation = BigInt.asUintN(64, hello.incarnation);
    peer.isConfirmed = peer.incarnation === incarnation;
    peer.incarnation = incarnation;
    peer.isVoting = (hello.flags & HELLO_FLAG_VOTING) !== 0;
    const before = this.record.knownIncarnation(hello.memberId);
    this.judgeIncarnation(peer, hello);
    // Whoever comes under this id with another directory does not speak for the one that is known.
    // A directory that takes the place of the one that is known cannot say for it that it leaves.
    const isKnown = before === undefined || before.incarnation === peer.incarnation;
    peer.isLeaving = isKnown && !peer.isForeign && (hello.flags & HELLO_FLAG_LEAVING) !== 0;
    return peer.isForeign && peer.isVoting ? RefusalReason.Incarnation : undefined;
  }

  /** A leader admitted a member with an incarnation; a leader may admit several in its term. */
  onAdmitted(
    memberId: MemberId,
    incarnation: bigint,
    termId: LeadershipTermId,
    position: Position,
  ): void {
    const peer = this.peers.get(memberId);
    const known = this.record.knownIncarnation(memberId);
    if (peer === undefined || (known !== undefined && isEarlier(termId, position, known))) {
      return;
    }
    const admitted = BigInt.asUintN(64, incarnation);
    peer.isForeign = peer.incarnation !== undefined && peer.incarnation !== admitted;
    peer.expected = peer.isForeign ? admitted : undefined;
    const admission = { admittedTermId: termId, admittedPosition: position };
    this.remember(peer, { memberId, incarnation: admitted, ...admission });
  }

  /** An acknowledgement says as well whether its sender has a vote. */
  onVotingFlag(memberId: MemberId, isVoting: boolean): void {
    const peer = this.peers.get(memberId);
    if (peer !== undefined) {
      peer.isVoting = isVoting;
    }
  }

  onLeaving(memberId: MemberId): void {
    const peer = this.peers.get(memberId);
    if (peer !== undefined) {
      peer.isLeaving = true;
    }
  }

  private judgeIncarnation(peer: Peer, hello: MemberHello): void {
    const { admittedPosition, admittedTermId, memberId } = hello;
    const incarnation = peer.incarnation as bigint;
    const known = this.record.knownIncarnation(memberId);
    const isAdmittedLater = isLater(admittedTermId, admittedPosition, known);
    if (known === undefined || isAdmittedLater) {
      // A leader gave this directory its vote while this member was not listening. Whether it still
      // has it, or lost it again: those that were admitted before have less.
      if (isAdmittedLater) {
        hit(Mark.MembershipAdmittedLater);
      }
      peer.isForeign = false;
      this.remember(peer, { memberId, incarnation, admittedTermId, admittedPosition });
    } else if (known.incarnation !== incarnation) {
      hit(Mark.MembershipForeign);
      peer.isForeign = true;
    } else if (peer.expected === peer.incarnation) {
      peer.isForeign = false;
    }
    peer.expected = peer.expected === peer.incarnation ? undefined : peer.expected;
  }

  private remember(peer: Peer, next: KnownIncarnation): void {
    const known = this.record.knownIncarnation(next.memberId);
    const isKnown =
      known?.incarnation === next.incarnation &&
      known.admittedTermId === next.admittedTermId &&
      known.admittedPosition === next.admittedPosition;
    if (!isKnown) {
      peer.recordSequence = this.record.rememberIncarnation(next);
    }
  }

  private mismatch(hello: MemberHello): RefusalReason | undefined {
    const own = this.config;
    if (hello.protocolVersion !== own.protocolVersion) {
      return RefusalReason.ProtocolVersion;
    }
    if (hello.clusterId !== own.clusterId) {
      return RefusalReason.ClusterId;
    }
    if (hello.durability !== own.durability) {
      return RefusalReason.Durability;
    }
    if (BigInt.asUintN(64, hello.configurationHash) !== own.configurationHash) {
      return RefusalReason.Configuration;
    }
    return undefined;
  }
}

/** Whether an admission came after the one that is known. */
function isLater(
  termId: LeadershipTermId,
  position: Position,
  known: KnownIncarnation | undefined,
): boolean {
  const knownTermId = known?.admittedTermId ?? TERM_NULL;
  return termId === knownTermId
    ? position > (known?.admittedPosition ?? POSITION_NULL)
    : termId > knownTermId;
}

/** Whether an admission came before the one that is known. */
function isEarlier(termId: LeadershipTermId, position: Position, known: KnownIncarnation): boolean {
  return termId === known.admittedTermId
    ? position < known.admittedPosition
    : termId < known.admittedTermId;
}
