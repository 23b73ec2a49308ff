// log-event-reader.ts: what the events of the log say, for whoever applies them.

import { isLogMessageValid } from '../cluster/log-events.js';
import type { Position } from '../position.js';
import { ClusterActionRequestDecoder } from '../protocol/codecs/cluster-action-request.js';
import type { CloseReason } from '../protocol/codecs/enumerations.js';
import { NewLeadershipTermEventDecoder } from '../protocol/codecs/new-leadership-term-event.js';
import { ServiceMessageHeaderDecoder } from '../protocol/codecs/service-message-header.js';
import { ServiceTimerEventDecoder } from '../protocol/codecs/service-timer-event.js';
import { SessionCloseEventDecoder } from '../protocol/codecs/session-close-event.js';
import { SessionMessageHeaderDecoder } from '../protocol/codecs/session-message-header.js';
import { SessionOpenEventDecoder } from '../protocol/codecs/session-open-event.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import { TimerEventDecoder } from '../protocol/codecs/timer-event.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
} from '../protocol/message-header.js';
import type { LeadershipTerm } from './clustered-service.js';
import type { OpenedSession } from './container-session.js';
import type { LoggedServiceMessage } from './service-messages.js';

const TWO_POW_32 = 2 ** 32;
/** Whose timers are events without a service id. */
const FIRST_SERVICE_ID = 0;

/** Applies events. Bytes are valid during the call; `offset` is that of the body. */
export interface LogEventHandler {
  onSessionMessage(
    view: DataView,
    offset: number,
    length: number,
    clusterSessionId: number,
    timestamp: number,
    position: Position,
  ): void;
  /** The whole message of a request, header included; header and block lie within it. */
  onRequest(view: DataView, offset: number, length: number): void;
  onSessionOpen(session: OpenedSession, timestamp: number): void;
  onSessionClose(id: number, timestamp: number, reason: CloseReason): void;
  onTimer(serviceId: number, correlationId: number, timestamp: number): void;
  onServiceMessage(
    message: LoggedServiceMessage,
    timestamp: number,
    view: DataView,
    offset: number,
    length: number,
  ): void;
  onClusterAction(action: number, leadershipTermId: number, timestamp: number): void;
  onNewLeadershipTerm(term: LeadershipTerm, timestamp: number): void;
}

/** Decodes whole messages of the log. */
export class LogEventReader {
  readonly #handler: LogEventHandler;
  readonly #messageHeader = new SessionMessageHeaderDecoder();
  readonly #openEvent = new SessionOpenEventDecoder();
  readonly #closeEvent = new SessionCloseEventDecoder();
  readonly #termEvent = new NewLeadershipTermEventDecoder();
  readonly #timerEvent = new TimerEventDecoder();
  readonly #serviceTimer = new ServiceTimerEventDecoder();
  readonly #serviceMessage = new ServiceMessageHeaderDecoder();
  readonly #actionEvent = new ClusterActionRequestDecoder();
  /** Messages without effect, because they end before their block or variable data do. */
  invalidCount = 0;

  constructor(handler: LogEventHandler) {
    this.#handler = handler;
  }

  /** @param position of the log after the message. */
  onMessage(view: DataView, offset: number, length: number, position: Position): void {
    const templateId = messageTemplateId(view, offset, length);
    if (!isLogMessageValid(templateId, view, offset, length)) {
      this.invalidCount++;
      return;
    }
    switch (templateId) {
      case TemplateId.SessionMessageHeader:
        this.#onLongMessage(view, offset, length, position);
        break;
      case TemplateId.ServiceMessageHeader:
        this.#onServiceMessage(view, offset, length);
        break;
      case TemplateId.RequestHeader:
        this.#handler.onRequest(view, offset, length);
        break;
      case TemplateId.SessionOpenEvent:
        this.#onSessionOpen(view, offset);
        break;
      case TemplateId.SessionCloseEvent:
        this.#onSessionClose(view, offset);
        break;
      case TemplateId.TimerEvent:
        this.#onTimer(this.#timerEvent.wrapAndApplyHeader(view, offset), FIRST_SERVICE_ID);
        break;
      case TemplateId.ServiceTimerEvent: {
        const event = this.#serviceTimer.wrapAndApplyHeader(view, offset);
        this.#onTimer(event, event.serviceId());
        break;
      }
      case TemplateId.ClusterActionRequest: {
        const event = this.#actionEvent.wrapAndApplyHeader(view, offset);
        this.#handler.onClusterAction(event.action(), event.leadershipTermId(), event.timestamp());
        break;
      }
      case TemplateId.NewLeadershipTermEvent:
        this.#onNewLeadershipTerm(view, offset, position);
        break;
      default:
        // Events of newer versions that this one has no part in.
        break;
    }
  }

  /** A message that was fragmented, whole again. */
  #onLongMessage(view: DataView, offset: number, length: number, position: Position): void {
    const header = this.#messageHeader.wrapAndApplyHeader(view, offset);
    const headLength = MESSAGE_HEADER_LENGTH + messageBlockLength(view, offset);
    this.#handler.onSessionMessage(
      view,
      offset + headLength,
      length - headLength,
      header.clusterSessionId(),
      header.timestamp(),
      position,
    );
  }

  #onServiceMessage(view: DataView, offset: number, length: number): void {
    const header = this.#serviceMessage.wrapAndApplyHeader(view, offset);
    const headLength = MESSAGE_HEADER_LENGTH + messageBlockLength(view, offset);
    this.#handler.onServiceMessage(
      { serviceId: header.serviceId(), sequence: header.sequence() },
      header.timestamp(),
      view,
      offset + headLength,
      length - headLength,
    );
  }

  #onSessionOpen(view: DataView, offset: number): void {
    const event = this.#openEvent.wrapAndApplyHeader(view, offset);
    const session = {
      id: event.clusterSessionId(),
      responseStreamId: event.responseStreamId(),
      responseChannel: event.responseChannel(),
      principal: event.encodedPrincipal(),
    };
    this.#handler.onSessionOpen(session, event.timestamp());
  }

  #onSessionClose(view: DataView, offset: number): void {
    const event = this.#closeEvent.wrapAndApplyHeader(view, offset);
    const reason = event.closeReason() as CloseReason;
    this.#handler.onSessionClose(event.clusterSessionId(), event.timestamp(), reason);
  }

  #onTimer(event: TimerEventDecoder | ServiceTimerEventDecoder, serviceId: number): void {
    const correlationId = (event.correlationIdHigh() | 0) * TWO_POW_32 + event.correlationIdLow();
    this.#handler.onTimer(serviceId, correlationId, event.timestamp());
  }

  #onNewLeadershipTerm(view: DataView, offset: number, position: Position): void {
    const event = this.#termEvent.wrapAndApplyHeader(view, offset);
    const term = {
      leadershipTermId: event.leadershipTermId(),
      termBaseLogPosition: event.termBaseLogPosition(),
      leaderMemberId: event.leaderMemberId(),
      logPosition: position,
    };
    this.#handler.onNewLeadershipTerm(term, event.timestamp());
  }
}
