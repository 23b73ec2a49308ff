// wire.ts: what members say to each other, read as it leaves them (I-1, I-2, I-3, I-4, I-8,
// I-11).
//
// A claim is judged when its frame is sent for the first time: what is sent again later was true
// then.

import {
  DATA_HEADER_LENGTH,
  DATA_SESSION_ID_OFFSET,
  DATA_STREAM_ID_OFFSET,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  FRAME_ALIGNMENT_MASK,
  FRAME_TYPE_DATA,
  FRAME_TYPE_OFFSET,
  FRAME_TYPE_PAD,
} from '../../../assembly/layout/frame.js';
import { APPEND_FLAG_NON_VOTING } from '../../consensus/election-effects.js';
import { AppendPositionDecoder } from '../../protocol/codecs/append-position.js';
import { CommitPositionDecoder } from '../../protocol/codecs/commit-position.js';
import { NewLeadershipTermDecoder } from '../../protocol/codecs/new-leadership-term.js';
import { RequestVoteDecoder } from '../../protocol/codecs/request-vote.js';
import { TemplateId } from '../../protocol/codecs/template-ids.js';
import { VoteDecoder } from '../../protocol/codecs/vote.js';
import { messageTemplateId } from '../../protocol/message-header.js';
import { CONSENSUS_STREAM_ID, LOG_STREAM_ID } from '../../protocol/streams.js';
import type { CommittedLog } from './committed-log.js';
import type { Promises } from './promises.js';
import type { SentLog } from './sent-log.js';
import type { Votes } from './votes.js';

const views = new WeakMap<ArrayBufferLike, DataView>();

/** A view of all the memory behind an array. */
export function viewOf(buffer: Uint8Array): DataView {
  let view = views.get(buffer.buffer);
  if (view === undefined) {
    view = new DataView(buffer.buffer);
    views.set(buffer.buffer, view);
  }
  return view;
}

/** No term buffer is longer. */
const TERM_LENGTH_MAX = 2 ** 30;

/** What a member has sent of one stream. */
interface SentStream {
  readonly firstTermId: number;
  /** Where its last frame begins, in bytes from the begin of the first term. */
  end: number;
}

/** Those who judge what is said. */
export interface WireJudges {
  readonly votes: Votes;
  readonly committed: CommittedLog;
  readonly promises: Promises;
  readonly sentLog: SentLog;
}

/** Reads the consensus stream and the log at their senders. */
export class Wire {
  readonly #votes: Votes;
  readonly #committed: CommittedLog;
  readonly #promises: Promises;
  readonly #sentLog: SentLog;
  /** What was sent of each stream, by sender and session. */
  readonly #sent: readonly Map<number, SentStream>[];
  readonly #terms: number[];
  readonly #requestVote = new RequestVoteDecoder();
  readonly #vote = new VoteDecoder();
  readonly #append = new AppendPositionDecoder();
  readonly #commit = new CommitPositionDecoder();
  readonly #newTerm = new NewLeadershipTermDecoder();

  constructor(memberCount: number, judges: WireJudges) {
    this.#votes = judges.votes;
    this.#committed = judges.committed;
    this.#promises = judges.promises;
    this.#sentLog = judges.sentLog;
    this.#sent = Array.from({ length: memberCount }, () => new Map<number, SentStream>());
    this.#terms = Array.from({ length: memberCount }, () => -1);
  }

  /** A member's process starts. */
  onStart(memberId: number): void {
    this.#sent[memberId]?.clear();
    this.#terms[memberId] = -1;
  }

  /** A datagram leaves a member. */
  onDatagram(memberId: number, buffer: Uint8Array, offset: number, length: number): void {
    const view = viewOf(buffer);
    const start = buffer.byteOffset + offset;
    const type = view.getUint16(start + FRAME_TYPE_OFFSET, true);
    if (length < DATA_HEADER_LENGTH || (type !== FRAME_TYPE_DATA && type !== FRAME_TYPE_PAD)) {
      return;
    }
    const streamId = view.getInt32(start + DATA_STREAM_ID_OFFSET, true);
    if (streamId === CONSENSUS_STREAM_ID) {
      this.#onConsensus(memberId, view, start, length);
    } else if (streamId === LOG_STREAM_ID) {
      this.#onLog(memberId, view, start, length);
    }
  }

  #onLog(memberId: number, view: DataView, start: number, length: number): void {
    for (let at = start; at < start + length; ) {
      const frameLength = view.getInt32(at, true);
      if (frameLength < DATA_HEADER_LENGTH) {
        // A heartbeat, which names the end of what was sent.
        return;
      }
      this.#sentLog.onFrame(memberId, view, at, frameLength);
      at += (frameLength + FRAME_ALIGNMENT_MASK) & ~FRAME_ALIGNMENT_MASK;
    }
  }

  #onConsensus(memberId: number, view: DataView, start: number, length: number): void {
    for (let at = start; at < start + length; ) {
      const frameLength = view.getInt32(at, true);
      if (frameLength <= DATA_HEADER_LENGTH) {
        return;
      }
      const isData = view.getUint16(at + FRAME_TYPE_OFFSET, true) === FRAME_TYPE_DATA;
      if (isData && this.#isNew(memberId, view, at)) {
        this.#onMessage(memberId, view, at + DATA_HEADER_LENGTH, frameLength - DATA_HEADER_LENGTH);
      }
      at += (frameLength + FRAME_ALIGNMENT_MASK) & ~FRAME_ALIGNMENT_MASK;
    }
  }

  #isNew(memberId: number, view: DataView, at: number): boolean {
    const streams = this.#sent[memberId] as Map<number, SentStream>;
    const sessionId = view.getInt32(at + DATA_SESSION_ID_OFFSET, true);
    const termId = view.getInt32(at + DATA_TERM_ID_OFFSET, true);
    const termOffset = view.getInt32(at + DATA_TERM_OFFSET_OFFSET, true);
    let stream = streams.get(sessionId);
    if (stream === undefined) {
      // Initial term ids are random: terms are counted from the first one that is seen, or the
      // numbers would be too great to be told apart.
      stream = { firstTermId: termId, end: Number.NEGATIVE_INFINITY };
      streams.set(sessionId, stream);
    }
    const end = ((termId - stream.firstTermId) | 0) * TERM_LENGTH_MAX + termOffset;
    if (end <= stream.end) {
      return false;
    }
    stream.end = end;
    return true;
  }

  #onMessage(memberId: number, view: DataView, offset: number, length: number): void {
    switch (messageTemplateId(view, offset, length)) {
      case TemplateId.RequestVote: {
        const message = this.#requestVote.wrapAndApplyHeader(view, offset);
        this.#votes.onVoteSent(memberId, memberId, message.candidateTermId());
        break;
      }
      case TemplateId.Vote: {
        const message = this.#vote.wrapAndApplyHeader(view, offset);
        if (message.vote()) {
          const candidateId = message.candidateMemberId();
          this.#votes.onVoteSent(memberId, candidateId, message.candidateTermId());
        }
        break;
      }
      case TemplateId.AppendPosition: {
        const message = this.#append.wrapAndApplyHeader(view, offset);
        const isVoting = (message.flags() & APPEND_FLAG_NON_VOTING) === 0;
        const position = message.logPosition();
        this.#onAppendPosition(memberId, message.leadershipTermId(), position, isVoting);
        break;
      }
      case TemplateId.CommitPosition: {
        const message = this.#commit.wrapAndApplyHeader(view, offset);
        this.#votes.onLeader(memberId, message.leadershipTermId());
        break;
      }
      case TemplateId.NewLeadershipTerm: {
        const message = this.#newTerm.wrapAndApplyHeader(view, offset);
        this.#votes.onLeader(memberId, message.leadershipTermId());
        break;
      }
      default:
        break;
    }
  }

  #onAppendPosition(memberId: number, termId: number, position: number, isVoting: boolean): void {
    if (!this.#votes.onTermAcknowledged(memberId, termId)) {
      return;
    }
    if (isVoting) {
      this.#promises.onAcknowledged(memberId, termId, position);
    }
    if (termId !== this.#terms[memberId]) {
      this.#terms[memberId] = termId;
      this.#committed.onTermChange(memberId);
    }
    this.#committed.onAcknowledged(memberId, position);
  }
}
