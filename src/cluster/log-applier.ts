// log-applier.ts: the consensus module's own reading of the committed log.
//
// It keeps the replicated session state. It reads the same bytes as the services, bounded by the
// same position, so what it holds is what every member holds at that position.

import { hit, Mark } from '../marks.js';
import type { Position } from '../position.js';
import { ClusterActionRequestDecoder } from '../protocol/codecs/cluster-action-request.js';
import { CloseReason } from '../protocol/codecs/enumerations.js';
import { SessionCloseEventDecoder } from '../protocol/codecs/session-close-event.js';
import { SessionOpenEventDecoder } from '../protocol/codecs/session-open-event.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import { messageTemplateId } from '../protocol/message-header.js';
import { SESSION_TIMED_OUT } from '../protocol/streams.js';
import type { ClusterControl } from './cluster-control.js';
import type { AppliedSessions, ClosedSession } from './cluster-session.js';
import { type SnapshotEvent, snapshotEventOf } from './cluster-snapshot.js';
import type { LeaderSessions } from './leader-sessions.js';
import { isLogMessageValid } from './log-events.js';
import type { FragmentHandler, LiveLog, LogPoller } from './log-poller.js';
import { MessageAssembler, type MessageHandler } from './message-assembler.js';

const FLAG_BEGIN = 0x80;
const FLAGS_UNFRAGMENTED = 0xc0;
const FRAGMENT_LIMIT = 8_192;
/** Bytes of log between two positions that are noted. */
const NOTED_INTERVAL_LENGTH = 64 * 1024;

const CLOSE_DETAILS: ReadonlyMap<number, string> = new Map([
  [CloseReason.ClientAction, 'closed by the client'],
  [CloseReason.ServiceAction, 'closed by the service'],
  [CloseReason.Timeout, `${SESSION_TIMED_OUT}: no message or keep-alive arrived in time`],
]);

/** What is applied here. Each may be longer than a frame of the leader that appended it. */
const APPLIED_TEMPLATES: ReadonlySet<number> = new Set([
  TemplateId.SessionOpenEvent,
  TemplateId.SessionCloseEvent,
  TemplateId.ClusterActionRequest,
]);

/** Applies session events. */
export class LogApplier {
  readonly #poller: LogPoller;
  readonly #applied: AppliedSessions;
  readonly #leader: LeaderSessions;
  readonly #openEvent = new SessionOpenEventDecoder();
  readonly #closeEvent = new SessionCloseEventDecoder();
  readonly #actionEvent = new ClusterActionRequestDecoder();
  readonly #control: ClusterControl;
  readonly #onSnapshotEvent: (event: SnapshotEvent) => void;
  // Closes that the service has not reached yet: its last replies are still to leave before them.
  readonly #closes: (ClosedSession & { readonly position: Position })[] = [];
  readonly #assembler: MessageAssembler;
  // Whether the message whose parts are read is applied here, when it is whole.
  #isApplied = false;
  #isIngressOpen = false;
  #nowMs = 0;
  /** Messages without effect, here and in services, because they are not whole. */
  invalidCount = 0;
  // Where frames start: the last one noted, and the one before, which is a while behind.
  #noted: Position;
  #behind: Position;

  /**
   * @param messageLengthMax of the log, bytes: what services do not assemble is not applied here.
   * @param onSnapshotEvent is told of a snapshot event while the state is that of its position.
   */
  constructor(
    poller: LogPoller,
    applied: AppliedSessions,
    leader: LeaderSessions,
    control: ClusterControl,
    messageLengthMax: number,
    onSnapshotEvent: (event: SnapshotEvent) => void,
  ) {
    this.#poller = poller;
    this.#applied = applied;
    this.#leader = leader;
    this.#control = control;
    this.#onSnapshotEvent = onSnapshotEvent;
    this.#assembler = new MessageAssembler(this.#onMessage, messageLengthMax);
    this.#noted = poller.position;
    this.#behind = poller.position;
  }

  /** Where a frame starts, at least a few events before what is applied, if there are so many. */
  get positionBehind(): Position {
    return this.#behind;
  }

  get position(): Position {
    return this.#poller.position;
  }

  setLive(live: LiveLog | undefined): void {
    this.#poller.setLive(live);
  }

  /** Applies events up to a position. `isIngressOpen` and `nowMs` are the leader's. */
  poll(limit: Position, isIngressOpen: boolean, nowMs: number): number {
    this.#isIngressOpen = isIngressOpen;
    this.#nowMs = nowMs;
    const work = this.#poller.pollEvents(this.#onFragment, limit, FRAGMENT_LIMIT);
    if (this.position - this.#noted >= NOTED_INTERVAL_LENGTH) {
      this.#behind = this.#noted;
      this.#noted = this.position;
    }
    return work;
  }

  /** The service has consumed up to a position: clients of sessions closed before it are told. */
  finishCloses(servicePosition: Position): void {
    for (let next = this.#closes[0]; next !== undefined; next = this.#closes[0]) {
      if (next.position > servicePosition) {
        return;
      }
      this.#leader.onClosed(next.session.id, next.detail);
      this.#applied.rememberClosed(next);
      this.#closes.shift();
    }
  }

  close(): void {
    this.#poller.close();
  }

  // Session state depends on events alone: the messages of clients are passed over unread, and the
  // parts of long ones are not gathered.
  readonly #onFragment: FragmentHandler = (view, offset, length, flags, position) => {
    if ((flags & FLAG_BEGIN) !== 0) {
      this.#isApplied =
        flags === FLAGS_UNFRAGMENTED ||
        APPLIED_TEMPLATES.has(messageTemplateId(view, offset, length));
    }
    if (this.#isApplied) {
      this.#assembler.onFragment(view, offset, length, flags, position);
    }
  };

  readonly #onMessage: MessageHandler = (view, offset, length, position) => {
    const templateId = messageTemplateId(view, offset, length);
    if (!isLogMessageValid(templateId, view, offset, length)) {
      this.invalidCount++;
      return;
    }
    switch (templateId) {
      case TemplateId.SessionOpenEvent:
        this.#onOpen(this.#openEvent.wrapAndApplyHeader(view, offset), position);
        break;
      case TemplateId.SessionCloseEvent:
        this.#onClose(this.#closeEvent.wrapAndApplyHeader(view, offset), position);
        break;
      case TemplateId.ClusterActionRequest:
        this.#onAction(this.#actionEvent.wrapAndApplyHeader(view, offset), position);
        break;
      default:
        break;
    }
  };

  #onAction(event: ClusterActionRequestDecoder, position: Position): void {
    this.#control.onEvent(event.action(), position);
    const snapshot = snapshotEventOf(event, position);
    if (snapshot !== undefined) {
      this.#onSnapshotEvent(snapshot);
    }
  }

  #onOpen(event: SessionOpenEventDecoder, position: Position): void {
    const session = {
      id: event.clusterSessionId(),
      openedPosition: position,
      correlationIdHigh: event.correlationIdHigh(),
      correlationIdLow: event.correlationIdLow(),
      responseStreamId: event.responseStreamId(),
      responseChannel: event.responseChannel(),
      encodedPrincipal: event.encodedPrincipal(),
    };
    this.#applied.open(session);
    this.#leader.onOpened(session, this.#isIngressOpen, this.#nowMs);
  }

  #onClose(event: SessionCloseEventDecoder, position: Position): void {
    const session = this.#applied.close(event.clusterSessionId());
    if (session !== undefined) {
      const detail = CLOSE_DETAILS.get(event.closeReason()) ?? 'closed';
      this.#closes.push({ position, session, detail });
      if (!this.#isIngressOpen) {
        // Before its ingress opens a leader sends no replies: there are none to wait for, and a log
        // that is read again would connect to all the clients that ever were.
        hit(Mark.SessionClosedBeforeIngress);
        this.#leader.onClosed(session.id, detail);
      }
    }
  }
}
