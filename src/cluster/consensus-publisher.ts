// consensus-publisher.ts: encodes what consensus says to other members.
//
// Every message is one position or a few: losing one costs an interval, so a peer that cannot take
// it now is simply not told now, and that is counted.

import type { Opaque64 } from '../archive/birth.js';
import type { SnapshotEntry } from '../archive/snapshot-recording.js';
import type { MemberId, NewLeadershipTerm } from '../consensus/election-effects.js';
import type { Position } from '../position.js';
import { AppendPositionEncoder } from '../protocol/codecs/append-position.js';
import { CanvassPositionEncoder } from '../protocol/codecs/canvass-position.js';
import { CatchupRequestEncoder } from '../protocol/codecs/catchup-request.js';
import { CommitPositionEncoder } from '../protocol/codecs/commit-position.js';
import { LeadershipTransferEncoder } from '../protocol/codecs/leadership-transfer.js';
import { MemberAdmittedEncoder } from '../protocol/codecs/member-admitted.js';
import { MemberHelloEncoder } from '../protocol/codecs/member-hello.js';
import { MemberRefusedEncoder } from '../protocol/codecs/member-refused.js';
import { NewLeadershipTermEncoder } from '../protocol/codecs/new-leadership-term.js';
import { OutputHashEncoder } from '../protocol/codecs/output-hash.js';
import { ReadAcknowledgementEncoder } from '../protocol/codecs/read-acknowledgement.js';
import { ReadProbeEncoder } from '../protocol/codecs/read-probe.js';
import { RepairBlockEncoder } from '../protocol/codecs/repair-block.js';
import { RepairRequestEncoder } from '../protocol/codecs/repair-request.js';
import { RequestVoteEncoder } from '../protocol/codecs/request-vote.js';
import { SnapshotBlockEncoder } from '../protocol/codecs/snapshot-block.js';
import { SnapshotOfferEncoder } from '../protocol/codecs/snapshot-offer.js';
import { SnapshotRequestEncoder } from '../protocol/codecs/snapshot-request.js';
import { TerminationAckEncoder } from '../protocol/codecs/termination-ack.js';
import { TerminationPositionEncoder } from '../protocol/codecs/termination-position.js';
import { VoteEncoder } from '../protocol/codecs/vote.js';
import { VoterClockEncoder } from '../protocol/codecs/voter-clock.js';
import { formatHostPort } from '../protocol/host-port.js';
import { MESSAGE_HEADER_LENGTH } from '../protocol/message-header.js';
import { CONSENSUS_STREAM_ID } from '../protocol/streams.js';
import type { ExclusivePublication } from '../transport/exclusive-publication.js';
import type { Transport } from '../transport/transport.js';
import { type ClusterConfig, toOpaque64 } from './cluster-config.js';
import type { SnapshotPartRequest } from './install-source.js';
import type { RepairRequest } from './log-repair.js';
import type { OutputHashMessage } from './output-monitor.js';
import type { OutgoingPiece } from './repair-source.js';

const SCRATCH_LENGTH = 4096;
const LOG_RECORDING_ID = 0;
const FRAME_HEADER_LENGTH = 32;
/** Block, and the length in front of the frames, of a RepairBlock. */
const REPAIR_BLOCK_OVERHEAD = RepairBlockEncoder.BLOCK_LENGTH + 4;

/** Publications to the other members, and the encoders. */
export class ConsensusPublisher {
  readonly #transport: Transport;
  readonly #config: ClusterConfig;
  readonly #memberId: MemberId;
  readonly #incarnation: bigint;
  readonly #publications = new Map<MemberId, ExclusivePublication>();
  readonly #scratch: number;
  readonly #hello = new MemberHelloEncoder();
  readonly #refused = new MemberRefusedEncoder();
  readonly #admitted = new MemberAdmittedEncoder();
  readonly #transfer = new LeadershipTransferEncoder();
  readonly #canvass = new CanvassPositionEncoder();
  readonly #requestVote = new RequestVoteEncoder();
  readonly #vote = new VoteEncoder();
  readonly #voterClock = new VoterClockEncoder();
  readonly #newTerm = new NewLeadershipTermEncoder();
  readonly #catchup = new CatchupRequestEncoder();
  readonly #append = new AppendPositionEncoder();
  readonly #terminationPosition = new TerminationPositionEncoder();
  readonly #terminationAck = new TerminationAckEncoder();
  readonly #commit = new CommitPositionEncoder();
  readonly #readProbe = new ReadProbeEncoder();
  readonly #readAcknowledgement = new ReadAcknowledgementEncoder();
  readonly #repairRequest = new RepairRequestEncoder();
  readonly #repairBlock = new RepairBlockEncoder();
  readonly #snapshotOffer = new SnapshotOfferEncoder();
  readonly #snapshotRequest = new SnapshotRequestEncoder();
  readonly #snapshotBlock = new SnapshotBlockEncoder();
  readonly #outputHash = new OutputHashEncoder();
  // Noted for the end of the turn: one position for all, because they all follow this leader.
  readonly #commitTargets = new Set<MemberId>();
  #commitTermId = -1;
  #commitPosition: Position = 0;
  /** Messages that a peer could not be told: not connected, or its window was full. */
  undeliveredCount = 0;

  constructor(transport: Transport, config: ClusterConfig, incarnation: Opaque64) {
    this.#transport = transport;
    this.#config = config;
    this.#memberId = config.member.memberId;
    this.#incarnation = toOpaque64(incarnation);
    this.#scratch = transport.arena.allocate(SCRATCH_LENGTH);
    for (const peer of config.endpoints) {
      if (peer.memberId !== this.#memberId) {
        this.#publications.set(peer.memberId, this.#open(formatHostPort(peer.consensus)));
      }
    }
  }

  close(): void {
    for (const publication of this.#publications.values()) {
      publication.close();
    }
    this.#transport.arena.release(this.#scratch, SCRATCH_LENGTH);
  }

  memberHello(to: MemberId, flags: number, admittedTermId: number, admittedPosition: number): void {
    const { consensus } = this.#config;
    this.#hello
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .clusterId(consensus.clusterId)
      .leadershipTermId(admittedTermId)
      .admittedPosition(admittedPosition)
      .incarnation(this.#incarnation)
      .configurationHash(consensus.configurationHash)
      .memberId(this.#memberId)
      .durability(consensus.durability)
      .flags(flags)
      .protocolVersion(consensus.protocolVersion);
    this.#send(to, this.#hello.encodedLength());
  }

  memberRefused(to: MemberId, reason: number): void {
    this.#refused
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .memberId(this.#memberId)
      .refusedMemberId(to)
      .reason(reason)
      .putDetail('');
    this.#send(to, this.#refused.encodedLength());
  }

  memberAdmitted(
    to: MemberId,
    memberId: MemberId,
    incarnation: bigint,
    termId: number,
    position: Position,
  ): void {
    this.#admitted
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .leadershipTermId(termId)
      .memberId(memberId)
      .incarnation(incarnation)
      .logPosition(position);
    this.#send(to, this.#admitted.encodedLength());
  }

  canvassPosition(
    to: MemberId,
    logTermId: number,
    logPosition: Position,
    candidateTermId: number,
  ): void {
    this.#canvass
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .logLeadershipTermId(logTermId)
      .logPosition(logPosition)
      .leadershipTermId(candidateTermId)
      .followerMemberId(this.#memberId)
      .protocolVersion(this.#config.consensus.protocolVersion);
    this.#send(to, this.#canvass.encodedLength());
  }

  requestVote(
    to: MemberId,
    logTermId: number,
    logPosition: Position,
    candidateTermId: number,
  ): void {
    this.#requestVote
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .logLeadershipTermId(logTermId)
      .logPosition(logPosition)
      .candidateTermId(candidateTermId)
      .candidateMemberId(this.#memberId)
      .protocolVersion(this.#config.consensus.protocolVersion);
    this.#send(to, this.#requestVote.encodedLength());
  }

  vote(
    to: MemberId,
    candidateTermId: number,
    logTermId: number,
    logPosition: Position,
    granted: boolean,
  ): void {
    this.#vote
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .candidateTermId(candidateTermId)
      .logLeadershipTermId(logTermId)
      .logPosition(logPosition)
      .candidateMemberId(to)
      .followerMemberId(this.#memberId)
      .vote(granted);
    this.#send(to, this.#vote.encodedLength());
  }

  /** @param wallMs this member's wall clock, milliseconds since 1970. */
  voterClock(to: MemberId, candidateTermId: number, wallMs: number): void {
    this.#voterClock
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .candidateTermId(candidateTermId)
      .timestamp(wallMs)
      .memberId(this.#memberId);
    this.#send(to, this.#voterClock.encodedLength());
  }

  newLeadershipTerm(to: MemberId, message: NewLeadershipTerm): void {
    this.#newTerm
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .logLeadershipTermId(message.logTermId)
      .nextLeadershipTermId(message.nextTermId)
      .nextTermBaseLogPosition(message.nextTermBasePosition)
      .nextLogPosition(message.nextTermBasePosition)
      .leadershipTermId(message.termId)
      .termBaseLogPosition(message.termBasePosition)
      .logPosition(message.commitPosition)
      .leaderRecordingId(LOG_RECORDING_ID)
      .leaderMemberId(message.leaderMemberId)
      .logSessionId(message.logSessionId)
      .commitPosition(message.commitPosition);
    this.#send(to, this.#newTerm.encodedLength());
  }

  catchupRequest(
    to: MemberId,
    termId: number,
    logTermId: number,
    position: Position,
    flags: number,
  ): void {
    this.#catchup
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .leadershipTermId(termId)
      .logLeadershipTermId(logTermId)
      .logPosition(position)
      .followerMemberId(this.#memberId)
      .flags(flags);
    this.#send(to, this.#catchup.encodedLength());
  }

  appendPosition(to: MemberId, termId: number, position: Position, flags: number): void {
    this.#append
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .leadershipTermId(termId)
      .logPosition(position)
      .followerMemberId(this.#memberId)
      .flags(flags);
    this.#send(to, this.#append.encodedLength());
  }

  /** Whether a member has its ear here. */
  isConnected(to: MemberId): boolean {
    return this.#publications.get(to)?.isConnected === true;
  }

  /** The sender, which leads, wants everybody to end at a position. */
  terminationPosition(to: MemberId, termId: number, position: Position): void {
    this.#terminationPosition
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .leadershipTermId(termId)
      .logPosition(position)
      .leaderMemberId(this.#memberId);
    this.#send(to, this.#terminationPosition.encodedLength());
  }

  /** The sender is ready to end there. */
  terminationAck(to: MemberId, termId: number, position: Position): void {
    this.#terminationAck
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .leadershipTermId(termId)
      .logPosition(position)
      .memberId(this.#memberId);
    this.#send(to, this.#terminationAck.encodedLength());
  }

  leadershipTransfer(to: MemberId, termId: number, target: MemberId): void {
    this.#transfer
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .leadershipTermId(termId)
      .leaderMemberId(this.#memberId)
      .targetMemberId(target)
      .protocolVersion(this.#config.consensus.protocolVersion);
    this.#send(to, this.#transfer.encodedLength());
  }

  readProbe(to: MemberId, termId: number, round: number): void {
    this.#readProbe
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .leadershipTermId(termId)
      .round(round)
      .leaderMemberId(this.#memberId);
    this.#send(to, this.#readProbe.encodedLength());
  }

  readAcknowledgement(to: MemberId, termId: number, round: number): void {
    this.#readAcknowledgement
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .leadershipTermId(termId)
      .round(round)
      .memberId(this.#memberId);
    this.#send(to, this.#readAcknowledgement.encodedLength());
  }

  /** Longest piece of frames that one datagram of the consensus stream carries, bytes. */
  get repairPieceLengthMax(): number {
    const payloadLength = Math.min(this.#mtuLength - FRAME_HEADER_LENGTH, SCRATCH_LENGTH);
    return payloadLength - MESSAGE_HEADER_LENGTH - REPAIR_BLOCK_OVERHEAD;
  }

  repairRequest(to: MemberId, request: RepairRequest): void {
    this.#repairRequest
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .leadershipTermId(request.leadershipTermId)
      .logPosition(request.position)
      .requestId(request.requestId)
      .memberId(this.#memberId)
      .lengthBytes(request.lengthBytes);
    this.#send(to, this.#repairRequest.encodedLength());
  }

  snapshotOffer(to: MemberId, termId: number, entry: SnapshotEntry): void {
    this.#snapshotOffer
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .leadershipTermId(termId)
      .logPosition(entry.logPosition)
      .logLeadershipTermId(entry.leadershipTermId)
      .termBaseLogPosition(entry.termBaseLogPosition)
      .timestamp(entry.timestampMs)
      .lengthBytes(entry.length)
      .hash(entry.hash)
      .formatVersion(entry.formatVersion)
      .appVersion(entry.appVersion)
      .memberId(this.#memberId);
    this.#send(to, this.#snapshotOffer.encodedLength());
  }

  snapshotRequest(to: MemberId, request: SnapshotPartRequest): void {
    this.#snapshotRequest
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .logPosition(request.logPosition)
      .offsetBytes(request.offsetBytes)
      .lengthBytes(request.lengthBytes)
      .memberId(this.#memberId);
    this.#send(to, this.#snapshotRequest.encodedLength());
  }

  /** False when the peer cannot take it now: the piece is sent again. */
  snapshotBlock(
    to: MemberId,
    logPosition: Position,
    offsetBytes: number,
    address: number,
    length: number,
  ): boolean {
    this.#snapshotBlock
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .logPosition(logPosition)
      .offsetBytes(offsetBytes)
      .memberId(this.#memberId)
      .putData(this.#transport.arena.u8.subarray(address, address + length));
    return this.#send(to, this.#snapshotBlock.encodedLength());
  }

  outputHash(to: MemberId, { flags, hash, position, serviceId }: OutputHashMessage): void {
    this.#outputHash
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .logPosition(position)
      .hashLow(hash.low)
      .hashHigh(hash.high)
      .memberId(this.#memberId)
      .serviceId(serviceId)
      .flags(flags);
    this.#send(to, this.#outputHash.encodedLength());
  }

  /** False when the peer cannot take it now: the piece is sent again. */
  repairBlock(to: MemberId, piece: OutgoingPiece): boolean {
    const { address, length } = piece;
    this.#repairBlock
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .requestId(piece.requestId)
      .logPosition(piece.position)
      .memberId(this.#memberId)
      .code(piece.code)
      .blockLength(piece.blockLength)
      .blockOffset(piece.blockOffset)
      .putFrames(this.#transport.arena.u8.subarray(address, address + length));
    return this.#send(to, this.#repairBlock.encodedLength());
  }

  /**
   * Notes a commit position; `flush` sends it. It is the last thing that a turn says: replies to
   * clients, which wait for it, leave before the followers hear of what they need not answer.
   */
  commitPosition(to: MemberId, termId: number, position: Position): void {
    this.#commitTermId = termId;
    this.#commitPosition = position;
    this.#commitTargets.add(to);
  }

  /** Sends the commit positions that were noted. */
  flush(): void {
    if (this.#commitTargets.size === 0) {
      // Most turns end here; clearing a set makes it anew.
      return;
    }
    for (const to of this.#commitTargets) {
      this.#sendCommitPosition(to, this.#commitTermId, this.#commitPosition);
    }
    this.#commitTargets.clear();
  }

  #sendCommitPosition(to: MemberId, termId: number, position: Position): void {
    this.#commit
      .wrapAndApplyHeader(this.#view, this.#scratch)
      .leadershipTermId(termId)
      .logPosition(position)
      .leaderMemberId(this.#memberId);
    this.#send(to, this.#commit.encodedLength());
  }

  get #view(): DataView {
    return this.#transport.arena.view;
  }

  get #mtuLength(): number {
    const { member } = this.#config;
    return Math.min(member.mtuLength, member.streamTermLength / 8);
  }

  #open(endpoint: string): ExclusivePublication {
    const { member } = this.#config;
    return this.#transport.addPublication(`aeron:udp?endpoint=${endpoint}`, CONSENSUS_STREAM_ID, {
      termLength: member.streamTermLength,
      mtuLength: this.#mtuLength,
      // The term bits of a consensus frame mean nothing; its checksum does.
      checksum: { leadershipTermId: 0 },
    });
  }

  #send(to: MemberId, blockLength: number): boolean {
    const publication = this.#publications.get(to);
    const length = MESSAGE_HEADER_LENGTH + blockLength;
    if (publication === undefined || publication.offerAt(this.#scratch, length) < 0) {
      this.undeliveredCount++;
      return false;
    }
    return true;
  }
}
