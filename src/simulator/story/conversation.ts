// conversation.ts: what members say to each other, and how much of everything is lost, for the
// story of a run.
//
// Elections, terms, admissions and catching up are told message by message; positions, which are
// said all the time, only when their term changes or after a while; the rest is counted.

import {
  DATA_HEADER_LENGTH,
  DATA_STREAM_ID_OFFSET,
  FRAME_ALIGNMENT_MASK,
  FRAME_TYPE_DATA,
  FRAME_TYPE_OFFSET,
} from '../../../assembly/layout/frame.js';
import { AppendPositionDecoder } from '../../protocol/codecs/append-position.js';
import { CanvassPositionDecoder } from '../../protocol/codecs/canvass-position.js';
import { CatchupRequestDecoder } from '../../protocol/codecs/catchup-request.js';
import { CommitPositionDecoder } from '../../protocol/codecs/commit-position.js';
import { NewLeadershipTermDecoder } from '../../protocol/codecs/new-leadership-term.js';
import { RequestVoteDecoder } from '../../protocol/codecs/request-vote.js';
import { TemplateId } from '../../protocol/codecs/template-ids.js';
import { VoteDecoder } from '../../protocol/codecs/vote.js';
import { messageTemplateId } from '../../protocol/message-header.js';
import { CONSENSUS_STREAM_ID } from '../../protocol/streams.js';
import { viewOf } from '../invariants/wire.js';
import type { Timeline } from '../timeline.js';
import type { World } from '../world.js';

const NS_PER_SECOND = 1_000_000_000;
/** What a member repeats is told again after this. */
const REPEAT_NS = 5 * NS_PER_SECOND;

/** What was said last between two members, of one kind. */
interface Said {
  readonly text: string;
  readonly timeNs: number;
  readonly isLost: boolean;
}

interface Traffic {
  sent: number;
  lost: number;
}

/** Listens to a world's network and tells its timeline. */
export class Conversation {
  readonly #world: World;
  readonly #timeline: Timeline;
  readonly #said = new Map<string, Said>();
  readonly #traffic = new Map<string, Traffic>();
  readonly #canvass = new CanvassPositionDecoder();
  readonly #requestVote = new RequestVoteDecoder();
  readonly #vote = new VoteDecoder();
  readonly #newTerm = new NewLeadershipTermDecoder();
  readonly #append = new AppendPositionDecoder();
  readonly #commit = new CommitPositionDecoder();
  readonly #catchup = new CatchupRequestDecoder();
  #secondEndNs = NS_PER_SECOND;

  constructor(world: World, timeline: Timeline) {
    this.#world = world;
    this.#timeline = timeline;
  }

  /** Begins to listen. Listening changes nothing in the run. */
  begin(): void {
    this.#world.network.onTraffic = (source, destination, buffer, offset, length, isLost) => {
      this.#count(source.name, destination.name, isLost);
      this.#onDatagram(source.name, destination.name, buffer, offset, length, isLost);
    };
  }

  #count(from: string, to: string, isLost: boolean): void {
    if (this.#world.nowNs >= this.#secondEndNs) {
      this.#tellTraffic();
      this.#secondEndNs = this.#world.nowNs + NS_PER_SECOND;
    }
    const key = `${from} to ${to}`;
    const traffic = this.#traffic.get(key) ?? { sent: 0, lost: 0 };
    traffic.sent++;
    traffic.lost += isLost ? 1 : 0;
    this.#traffic.set(key, traffic);
  }

  #tellTraffic(): void {
    const all = [...this.#traffic];
    const sum = (of: (traffic: Traffic) => number): number =>
      all.reduce((total, [, traffic]) => total + of(traffic), 0);
    const lost = all
      .filter(([, traffic]) => traffic.lost > 0)
      .map(([key, traffic]) => `${traffic.lost} of ${traffic.sent} ${key}`);
    const text = lost.length === 0 ? 'none lost' : `lost ${lost.join(', ')}`;
    this.#timeline.add('network', `${sum(({ sent }) => sent)} datagrams in a second, ${text}`);
    this.#traffic.clear();
  }

  #onDatagram(
    from: string,
    to: string,
    buffer: Uint8Array,
    offset: number,
    length: number,
    isLost: boolean,
  ): void {
    const view = viewOf(buffer);
    const start = buffer.byteOffset + offset;
    for (let at = start; at + DATA_HEADER_LENGTH < start + length; ) {
      const frameLength = view.getInt32(at, true);
      const isConsensus =
        view.getUint16(at + FRAME_TYPE_OFFSET, true) === FRAME_TYPE_DATA &&
        view.getInt32(at + DATA_STREAM_ID_OFFSET, true) === CONSENSUS_STREAM_ID;
      if (!isConsensus || frameLength <= DATA_HEADER_LENGTH) {
        return;
      }
      const text = this.#textOf(view, at + DATA_HEADER_LENGTH, frameLength - DATA_HEADER_LENGTH);
      if (text !== undefined) {
        this.#tell(from, to, text, isLost);
      }
      at += (frameLength + FRAME_ALIGNMENT_MASK) & ~FRAME_ALIGNMENT_MASK;
    }
  }

  /** Of the words of a message, the first two say its kind: `votes for`, `commit position`. */
  #tell(from: string, to: string, text: string, isLost: boolean): void {
    const kind = text.split(' ', 2).join(' ');
    const key = `${from} ${to} ${kind}`;
    const last = this.#said.get(key);
    const { nowNs } = this.#world;
    const isNew =
      last === undefined ||
      nowNs - last.timeNs >= REPEAT_NS ||
      (!isPosition(kind) && (last.text !== text || last.isLost !== isLost)) ||
      (isPosition(kind) && termOf(last.text) !== termOf(text));
    if (isNew) {
      this.#said.set(key, { text, timeNs: nowNs, isLost });
      this.#timeline.addMessage(from, to, text, isLost);
    }
  }

  #textOf(view: DataView, offset: number, length: number): string | undefined {
    switch (messageTemplateId(view, offset, length)) {
      case TemplateId.CanvassPosition: {
        const message = this.#canvass.wrapAndApplyHeader(view, offset);
        return `canvass: log ${message.logPosition()} of term ${message.logLeadershipTermId()}`;
      }
      case TemplateId.RequestVote: {
        const message = this.#requestVote.wrapAndApplyHeader(view, offset);
        return (
          `asks for a vote in term ${message.candidateTermId()}, log ${message.logPosition()} of ` +
          `term ${message.logLeadershipTermId()}`
        );
      }
      case TemplateId.Vote: {
        const message = this.#vote.wrapAndApplyHeader(view, offset);
        const verb = message.vote() ? 'votes for' : 'refuses member';
        return `${verb} ${message.candidateMemberId()} in term ${message.candidateTermId()}`;
      }
      case TemplateId.NewLeadershipTerm: {
        const message = this.#newTerm.wrapAndApplyHeader(view, offset);
        return (
          `new term ${message.leadershipTermId()} from ${message.termBaseLogPosition()} on, led ` +
          `by member ${message.leaderMemberId()}`
        );
      }
      default:
        return this.#positionText(view, offset, length);
    }
  }

  #positionText(view: DataView, offset: number, length: number): string | undefined {
    switch (messageTemplateId(view, offset, length)) {
      case TemplateId.AppendPosition: {
        const message = this.#append.wrapAndApplyHeader(view, offset);
        return `append position ${message.logPosition()} in term ${message.leadershipTermId()}`;
      }
      case TemplateId.CommitPosition: {
        const message = this.#commit.wrapAndApplyHeader(view, offset);
        return `commit position ${message.logPosition()} in term ${message.leadershipTermId()}`;
      }
      case TemplateId.CatchupRequest: {
        const message = this.#catchup.wrapAndApplyHeader(view, offset);
        return `asks to catch up from ${message.logPosition()}`;
      }
      case TemplateId.MemberHello:
        return 'says hello';
      case TemplateId.MemberRefused:
        return 'refuses it as a member';
      case TemplateId.MemberAdmitted:
        return 'admits it as a voter';
      case TemplateId.TerminationPosition:
        return 'will leave';
      default:
        return undefined;
    }
  }
}

function isPosition(kind: string): boolean {
  return kind === 'append position' || kind === 'commit position';
}

function termOf(text: string): string | undefined {
  return /term (-?\d+)$/.exec(text)?.[1];
}
