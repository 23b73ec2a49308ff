// consensus-adapter.ts: decodes what other members say, and hands it to the election.
//
// Anything that is not a whole, valid message of a kind we know is counted and dropped.

import type { SnapshotEntry } from '../archive/snapshot-recording.js';
import type { Election } from '../consensus/election.js';
import { AppendPositionDecoder } from '../protocol/codecs/append-position.js';
import { CanvassPositionDecoder } from '../protocol/codecs/canvass-position.js';
import { CatchupRequestDecoder } from '../protocol/codecs/catchup-request.js';
import { CommitPositionDecoder } from '../protocol/codecs/commit-position.js';
import { LeadershipTransferDecoder } from '../protocol/codecs/leadership-transfer.js';
import { MemberAdmittedDecoder } from '../protocol/codecs/member-admitted.js';
import { MemberHelloDecoder } from '../protocol/codecs/member-hello.js';
import { MemberRefusedDecoder } from '../protocol/codecs/member-refused.js';
import { NewLeadershipTermDecoder } from '../protocol/codecs/new-leadership-term.js';
import { OutputHashDecoder } from '../protocol/codecs/output-hash.js';
import { ReadAcknowledgementDecoder } from '../protocol/codecs/read-acknowledgement.js';
import { ReadProbeDecoder } from '../protocol/codecs/read-probe.js';
import { RepairBlockDecoder } from '../protocol/codecs/repair-block.js';
import { RepairRequestDecoder } from '../protocol/codecs/repair-request.js';
import { RequestVoteDecoder } from '../protocol/codecs/request-vote.js';
import { SnapshotBlockDecoder } from '../protocol/codecs/snapshot-block.js';
import { SnapshotOfferDecoder } from '../protocol/codecs/snapshot-offer.js';
import { SnapshotRequestDecoder } from '../protocol/codecs/snapshot-request.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import { TerminationAckDecoder } from '../protocol/codecs/termination-ack.js';
import { TerminationPositionDecoder } from '../protocol/codecs/termination-position.js';
import { VoteDecoder } from '../protocol/codecs/vote.js';
import { VoterClockDecoder } from '../protocol/codecs/voter-clock.js';
import { messageTemplateId } from '../protocol/message-header.js';
import type { FragmentHandler } from '../transport/fragment-header.js';
import type { Subscription } from '../transport/subscription.js';
import type { ClockAgreement } from './clock-agreement.js';
import type { Installs } from './installs.js';
import type { LogCare } from './log-care.js';
import type { Outputs } from './outputs.js';
import type { Shutdown } from './shutdown.js';

/** Messages of other members that one duty cycle takes. */
export const CONSENSUS_FRAGMENT_LIMIT = 256;

/** Tells of a refusal, which an operator has to act on. */
export type RefusalHandler = (
  fromMemberId: number,
  refusedMemberId: number,
  reason: number,
) => void;

/** Polls the consensus stream. */
export class ConsensusAdapter {
  readonly #subscription: Subscription;
  readonly #election: Election;
  readonly #onRefused: RefusalHandler;
  readonly #logCare: LogCare;
  readonly #hello = new MemberHelloDecoder();
  readonly #refused = new MemberRefusedDecoder();
  readonly #admitted = new MemberAdmittedDecoder();
  readonly #transfer = new LeadershipTransferDecoder();
  readonly #canvass = new CanvassPositionDecoder();
  readonly #requestVote = new RequestVoteDecoder();
  readonly #vote = new VoteDecoder();
  readonly #voterClock = new VoterClockDecoder();
  readonly #newTerm = new NewLeadershipTermDecoder();
  readonly #catchup = new CatchupRequestDecoder();
  readonly #append = new AppendPositionDecoder();
  readonly #commit = new CommitPositionDecoder();
  readonly #readProbe = new ReadProbeDecoder();
  readonly #readAcknowledgement = new ReadAcknowledgementDecoder();
  readonly #repairRequest = new RepairRequestDecoder();
  readonly #repairBlock = new RepairBlockDecoder();
  readonly #installs: Installs;
  readonly #clocks: ClockAgreement;
  readonly #snapshotOffer = new SnapshotOfferDecoder();
  readonly #snapshotRequest = new SnapshotRequestDecoder();
  readonly #snapshotBlock = new SnapshotBlockDecoder();
  readonly #shutdown: Shutdown;
  readonly #terminationPosition = new TerminationPositionDecoder();
  readonly #terminationAck = new TerminationAckDecoder();
  readonly #outputs: Outputs;
  readonly #outputHash = new OutputHashDecoder();
  #nowNs = 0;
  /** Messages that were not valid, or of a kind that this version does not know. */
  invalidCount = 0;

  constructor(
    subscription: Subscription,
    election: Election,
    onRefused: RefusalHandler,
    logCare: LogCare,
    installs: Installs,
    clocks: ClockAgreement,
    outputs: Outputs,
    shutdown: Shutdown,
  ) {
    this.#subscription = subscription;
    this.#election = election;
    this.#onRefused = onRefused;
    this.#logCare = logCare;
    this.#installs = installs;
    this.#clocks = clocks;
    this.#shutdown = shutdown;
    this.#outputs = outputs;
  }

  poll(nowNs: number): number {
    this.#nowNs = nowNs;
    return this.#subscription.poll(this.#onFragment, CONSENSUS_FRAGMENT_LIMIT);
  }

  readonly #onFragment: FragmentHandler = (view, offset, length) => {
    if (!this.#dispatch(view, offset, length, this.#nowNs)) {
      this.invalidCount++;
    }
  };

  /** False when the message is not valid. */
  #dispatch(view: DataView, offset: number, length: number, nowNs: number): boolean {
    const election = this.#election;
    switch (messageTemplateId(view, offset, length)) {
      case TemplateId.AppendPosition: {
        if (!AppendPositionDecoder.isValid(view, offset, length)) return false;
        const message = this.#append.wrapAndApplyHeader(view, offset);
        election.onAppendPosition(
          message.followerMemberId(),
          message.leadershipTermId(),
          message.logPosition(),
          message.flags(),
          nowNs,
        );
        return true;
      }
      case TemplateId.CommitPosition: {
        if (!CommitPositionDecoder.isValid(view, offset, length)) return false;
        const message = this.#commit.wrapAndApplyHeader(view, offset);
        election.onCommitPosition(
          message.leaderMemberId(),
          message.leadershipTermId(),
          message.logPosition(),
          nowNs,
        );
        return true;
      }
      case TemplateId.CanvassPosition: {
        if (!CanvassPositionDecoder.isValid(view, offset, length)) return false;
        const message = this.#canvass.wrapAndApplyHeader(view, offset);
        election.onCanvassPosition(
          message.followerMemberId(),
          message.logLeadershipTermId(),
          message.logPosition(),
          message.leadershipTermId(),
          nowNs,
        );
        return true;
      }
      default:
        return this.#dispatchReads(view, offset, length, nowNs);
    }
  }

  #dispatchReads(view: DataView, offset: number, length: number, nowNs: number): boolean {
    const { reads } = this.#election;
    switch (messageTemplateId(view, offset, length)) {
      case TemplateId.ReadProbe: {
        if (!ReadProbeDecoder.isValid(view, offset, length)) return false;
        const message = this.#readProbe.wrapAndApplyHeader(view, offset);
        const termId = message.leadershipTermId();
        reads.onProbe(message.leaderMemberId(), termId, message.round(), nowNs);
        return true;
      }
      case TemplateId.ReadAcknowledgement: {
        if (!ReadAcknowledgementDecoder.isValid(view, offset, length)) return false;
        const message = this.#readAcknowledgement.wrapAndApplyHeader(view, offset);
        const termId = message.leadershipTermId();
        reads.onAcknowledgement(message.memberId(), termId, message.round());
        return true;
      }
      default:
        return this.#dispatchBallot(view, offset, length, nowNs);
    }
  }

  #dispatchBallot(view: DataView, offset: number, length: number, nowNs: number): boolean {
    const election = this.#election;
    switch (messageTemplateId(view, offset, length)) {
      case TemplateId.RequestVote: {
        if (!RequestVoteDecoder.isValid(view, offset, length)) return false;
        const message = this.#requestVote.wrapAndApplyHeader(view, offset);
        election.onRequestVote(
          message.candidateMemberId(),
          message.logLeadershipTermId(),
          message.logPosition(),
          message.candidateTermId(),
          nowNs,
        );
        return true;
      }
      case TemplateId.Vote: {
        if (!VoteDecoder.isValid(view, offset, length)) return false;
        const message = this.#vote.wrapAndApplyHeader(view, offset);
        election.onVote(
          message.followerMemberId(),
          message.candidateMemberId(),
          message.candidateTermId(),
          message.vote(),
          message.logLeadershipTermId(),
          message.logPosition(),
          nowNs,
        );
        return true;
      }
      case TemplateId.VoterClock: {
        if (!VoterClockDecoder.isValid(view, offset, length)) return false;
        const message = this.#voterClock.wrapAndApplyHeader(view, offset);
        const [termId, wallMs] = [message.candidateTermId(), message.timestamp()];
        if (!Number.isSafeInteger(termId) || !Number.isSafeInteger(wallMs)) return false;
        this.#clocks.onVoterClock(message.memberId(), termId, wallMs);
        return true;
      }
      case TemplateId.NewLeadershipTerm: {
        if (!NewLeadershipTermDecoder.isValid(view, offset, length)) return false;
        this.#onNewLeadershipTerm(this.#newTerm.wrapAndApplyHeader(view, offset), nowNs);
        return true;
      }
      case TemplateId.CatchupRequest: {
        if (!CatchupRequestDecoder.isValid(view, offset, length)) return false;
        const message = this.#catchup.wrapAndApplyHeader(view, offset);
        election.onCatchupRequest(
          message.followerMemberId(),
          message.leadershipTermId(),
          message.logLeadershipTermId(),
          message.logPosition(),
          message.flags(),
          nowNs,
        );
        return true;
      }
      default:
        return this.#dispatchMembership(view, offset, length, nowNs);
    }
  }

  #dispatchMembership(view: DataView, offset: number, length: number, nowNs: number): boolean {
    switch (messageTemplateId(view, offset, length)) {
      case TemplateId.MemberHello: {
        if (!MemberHelloDecoder.isValid(view, offset, length)) return false;
        this.#onMemberHello(this.#hello.wrapAndApplyHeader(view, offset), nowNs);
        return true;
      }
      case TemplateId.MemberRefused: {
        if (!MemberRefusedDecoder.isValid(view, offset, length)) return false;
        const message = this.#refused.wrapAndApplyHeader(view, offset);
        const [from, refused] = [message.memberId(), message.refusedMemberId()];
        this.#election.onMemberRefused(from, refused, message.reason(), nowNs);
        this.#onRefused(from, refused, message.reason());
        return true;
      }
      case TemplateId.MemberAdmitted: {
        if (!MemberAdmittedDecoder.isValid(view, offset, length)) return false;
        const message = this.#admitted.wrapAndApplyHeader(view, offset);
        this.#election.onMemberAdmitted(
          message.memberId(),
          BigInt.asUintN(64, message.incarnation()),
          message.leadershipTermId(),
          message.logPosition(),
          nowNs,
        );
        return true;
      }
      case TemplateId.LeadershipTransfer: {
        if (!LeadershipTransferDecoder.isValid(view, offset, length)) return false;
        const message = this.#transfer.wrapAndApplyHeader(view, offset);
        this.#election.onLeadershipTransfer(
          message.leaderMemberId(),
          message.leadershipTermId(),
          message.targetMemberId(),
          nowNs,
        );
        return true;
      }
      default:
        return this.#dispatchRepair(view, offset, length, nowNs);
    }
  }

  #dispatchRepair(view: DataView, offset: number, length: number, nowNs: number): boolean {
    switch (messageTemplateId(view, offset, length)) {
      case TemplateId.RepairRequest: {
        if (!RepairRequestDecoder.isValid(view, offset, length)) return false;
        const message = this.#repairRequest.wrapAndApplyHeader(view, offset);
        return this.#logCare.onRepairRequest(message.memberId(), {
          requestId: message.requestId(),
          leadershipTermId: message.leadershipTermId(),
          position: message.logPosition(),
          lengthBytes: message.lengthBytes(),
        });
      }
      case TemplateId.RepairBlock: {
        if (!RepairBlockDecoder.isValid(view, offset, length)) return false;
        const message = this.#repairBlock.wrapAndApplyHeader(view, offset);
        const piece = {
          requestId: message.requestId(),
          position: message.logPosition(),
          code: message.code(),
          blockLength: message.blockLength(),
          blockOffset: message.blockOffset(),
          view,
          offset: message.framesOffset(),
          length: message.framesLength(),
        };
        // One that is not waited for any more is late, not wrong.
        this.#logCare.onRepairBlock(message.memberId(), piece, nowNs);
        return true;
      }
      default:
        return this.#dispatchSnapshot(view, offset, length, nowNs);
    }
  }

  #dispatchSnapshot(view: DataView, offset: number, length: number, nowNs: number): boolean {
    switch (messageTemplateId(view, offset, length)) {
      case TemplateId.SnapshotOffer: {
        if (!SnapshotOfferDecoder.isValid(view, offset, length)) return false;
        const message = this.#snapshotOffer.wrapAndApplyHeader(view, offset);
        const termId = message.leadershipTermId();
        return this.#installs.onOffer(message.memberId(), termId, entryOf(message), nowNs);
      }
      case TemplateId.SnapshotRequest: {
        if (!SnapshotRequestDecoder.isValid(view, offset, length)) return false;
        const message = this.#snapshotRequest.wrapAndApplyHeader(view, offset);
        const request = {
          logPosition: message.logPosition(),
          offsetBytes: message.offsetBytes(),
          lengthBytes: message.lengthBytes(),
        };
        return this.#installs.onRequest(message.memberId(), request, nowNs);
      }
      case TemplateId.SnapshotBlock: {
        if (!SnapshotBlockDecoder.isValid(view, offset, length)) return false;
        const message = this.#snapshotBlock.wrapAndApplyHeader(view, offset);
        const start = view.byteOffset + message.dataOffset();
        return this.#installs.onBlock(
          message.memberId(),
          message.logPosition(),
          message.offsetBytes(),
          new Uint8Array(view.buffer, start, message.dataLength()),
          nowNs,
        );
      }
      default:
        return this.#dispatchShutdown(view, offset, length, nowNs);
    }
  }

  #dispatchShutdown(view: DataView, offset: number, length: number, nowNs: number): boolean {
    switch (messageTemplateId(view, offset, length)) {
      case TemplateId.TerminationPosition: {
        if (!TerminationPositionDecoder.isValid(view, offset, length)) return false;
        const message = this.#terminationPosition.wrapAndApplyHeader(view, offset);
        // One of an earlier term is late, not wrong.
        this.#shutdown.onTerminationPosition(
          message.leaderMemberId(),
          message.leadershipTermId(),
          message.logPosition(),
          nowNs,
        );
        return true;
      }
      case TemplateId.TerminationAck: {
        if (!TerminationAckDecoder.isValid(view, offset, length)) return false;
        const message = this.#terminationAck.wrapAndApplyHeader(view, offset);
        this.#shutdown.onTerminationAck(
          message.memberId(),
          message.leadershipTermId(),
          message.logPosition(),
        );
        return true;
      }
      default:
        return this.#dispatchOutputs(view, offset, length, nowNs);
    }
  }

  #dispatchOutputs(view: DataView, offset: number, length: number, nowNs: number): boolean {
    if (!OutputHashDecoder.isValid(view, offset, length)) return false;
    const message = this.#outputHash.wrapAndApplyHeader(view, offset);
    const claim = {
      position: message.logPosition(),
      hash: { low: message.hashLow(), high: message.hashHigh() },
      serviceId: message.serviceId(),
      flags: message.flags(),
    };
    return this.#outputs.onOutputHash(message.memberId(), claim, nowNs);
  }

  #onNewLeadershipTerm(message: NewLeadershipTermDecoder, nowNs: number): void {
    this.#election.onNewLeadershipTerm(
      {
        logTermId: message.logLeadershipTermId(),
        nextTermId: message.nextLeadershipTermId(),
        nextTermBasePosition: message.nextTermBaseLogPosition(),
        termId: message.leadershipTermId(),
        termBasePosition: message.termBaseLogPosition(),
        commitPosition: message.commitPosition(),
        logSessionId: message.logSessionId(),
        leaderMemberId: message.leaderMemberId(),
      },
      nowNs,
    );
  }

  #onMemberHello(message: MemberHelloDecoder, nowNs: number): void {
    this.#election.onMemberHello(
      {
        memberId: message.memberId(),
        clusterId: message.clusterId(),
        admittedTermId: message.leadershipTermId(),
        admittedPosition: message.admittedPosition(),
        incarnation: BigInt.asUintN(64, message.incarnation()),
        configurationHash: BigInt.asUintN(64, message.configurationHash()),
        durability: message.durability(),
        protocolVersion: message.protocolVersion(),
        flags: message.flags(),
      },
      nowNs,
    );
  }
}

/** The snapshot that an offer describes. It has no recording here yet. */
function entryOf(message: SnapshotOfferDecoder): SnapshotEntry {
  return {
    recordingId: 0,
    logPosition: message.logPosition(),
    leadershipTermId: message.logLeadershipTermId(),
    termBaseLogPosition: message.termBaseLogPosition(),
    timestampMs: message.timestamp(),
    length: message.lengthBytes(),
    hash: message.hash(),
    formatVersion: message.formatVersion(),
    appVersion: message.appVersion(),
  };
}
