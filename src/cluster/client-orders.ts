// client-orders.ts: what clients ask for beside messages: sessions, their ends, and admin orders.
//
// All of it is rare, and comes from strangers: what is not whole and possible is counted and
// dropped.

import { hit, Mark } from '../marks.js';
import { AdminRequestDecoder } from '../protocol/codecs/admin-request.js';
import { ChallengeResponseDecoder } from '../protocol/codecs/challenge-response.js';
import { AdminRequestType, AdminResponseCode, EventCode } from '../protocol/codecs/enumerations.js';
import { SessionCloseRequestDecoder } from '../protocol/codecs/session-close-request.js';
import { SessionConnectRequestDecoder } from '../protocol/codecs/session-connect-request.js';
import { SessionKeepAliveDecoder } from '../protocol/codecs/session-keep-alive.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import type { AuthorisationService } from './authenticator.js';
import type { AppliedSessions } from './cluster-session.js';
import type { Egress } from './egress.js';
import type { LeaderSessions } from './leader-sessions.js';
import { SESSION_DETAIL_LENGTH_MAX, type SessionDetails } from './log-publisher.js';
import type { Responder } from './responder.js';
import { isUsableResponseChannel } from './response-channel.js';
import type { SessionAdmission } from './session-admission.js';
import type { SnapshotSchedule } from './snapshot-schedule.js';

/** Major version of the session protocol that is understood. */
const SESSION_PROTOCOL_MAJOR = 0;
/** `protocolId` of orders, for the AuthorisationService. */
const CLUSTER_PROTOCOL_ID = AdminRequestDecoder.SCHEMA_ID;

/** Where a member that does not lead sends clients. */
export interface Redirect {
  readonly leadershipTermId: number;
  readonly leaderMemberId: number;
  readonly ingressEndpoints: string;
}

/** When and in which term a leader hears something. */
export interface Hearing {
  readonly leadershipTermId: number;
  /** Log time, milliseconds. */
  readonly timestamp: number;
  readonly nowNs: number;
}

/** What became of a message: taken, to be taken again when the log has room, or dropped. */
export type OrderResult = 'taken' | 'back-pressured' | 'rejected';

export interface ClientOrdersParts {
  readonly applied: AppliedSessions;
  readonly sessions: LeaderSessions;
  readonly admission: SessionAdmission;
  readonly authorisation: AuthorisationService;
  readonly schedule: SnapshotSchedule;
  readonly egress: Egress;
  readonly responder: Responder;
}

/** Decodes and carries out. */
export class ClientOrders {
  readonly #parts: ClientOrdersParts;
  readonly #connect = new SessionConnectRequestDecoder();
  readonly #challengeResponse = new ChallengeResponseDecoder();
  readonly #closeRequest = new SessionCloseRequestDecoder();
  readonly #keepAlive = new SessionKeepAliveDecoder();
  readonly #adminRequest = new AdminRequestDecoder();

  constructor(parts: ClientOrdersParts) {
    this.#parts = parts;
  }

  /** One whole message to a leader that takes ingress. */
  onMessage(
    templateId: number,
    view: DataView,
    offset: number,
    length: number,
    hearing: Hearing,
  ): OrderResult {
    switch (templateId) {
      case TemplateId.SessionConnectRequest:
        return this.#onConnect(view, offset, length, hearing);
      case TemplateId.ChallengeResponse:
        return this.#onChallengeResponse(view, offset, length, hearing);
      case TemplateId.SessionCloseRequest:
        return this.#onCloseRequest(view, offset, length, hearing);
      case TemplateId.SessionKeepAlive:
        return this.#onKeepAlive(view, offset, length, hearing);
      case TemplateId.AdminRequest:
        return this.#onAdminRequest(view, offset, length, hearing);
      default:
        return 'rejected';
    }
  }

  /** One whole message to a member that does not lead. */
  onMessageToFollower(
    templateId: number,
    view: DataView,
    offset: number,
    length: number,
    redirect: Redirect | undefined,
    nowNs: number,
  ): OrderResult {
    if (templateId === TemplateId.SessionKeepAlive) {
      const id = this.#sessionOfKeepAlive(view, offset, length);
      const termId = redirect?.leadershipTermId ?? -1;
      return id !== undefined && this.#tellClosed(id, termId, nowNs) ? 'taken' : 'rejected';
    }
    const request =
      templateId === TemplateId.SessionConnectRequest
        ? this.#decodeConnect(view, offset, length)
        : undefined;
    if (request === undefined) {
      return 'rejected';
    }
    // Without a leader there is nothing to say: the client asks again.
    if (redirect !== undefined) {
      hit(Mark.IngressRedirect);
      const { ingressEndpoints, leaderMemberId, leadershipTermId } = redirect;
      const { responder } = this.#parts;
      const code = EventCode.Redirect;
      responder.answer(request, code, ingressEndpoints, leadershipTermId, leaderMemberId, nowNs);
    }
    return 'taken';
  }

  #onConnect(view: DataView, offset: number, length: number, hearing: Hearing): OrderResult {
    const request = this.#decodeConnect(view, offset, length);
    const { leadershipTermId, nowNs, timestamp } = hearing;
    const { admission, responder } = this.#parts;
    if (request === undefined) {
      return 'rejected';
    }
    const major = request.version >> 16;
    if (major !== SESSION_PROTOCOL_MAJOR) {
      const detail =
        `protocol version ${major} is not understood: ` +
        `use a client of major version ${SESSION_PROTOCOL_MAJOR}`;
      responder.answer(request, EventCode.Error, detail, leadershipTermId, -1, nowNs);
      return 'taken';
    }
    const { encodedCredentials, version: _version, ...details } = request;
    return admission.onConnect(details, encodedCredentials, timestamp, nowNs);
  }

  #onChallengeResponse(
    view: DataView,
    offset: number,
    length: number,
    { nowNs, timestamp }: Hearing,
  ): OrderResult {
    if (!ChallengeResponseDecoder.isValid(view, offset, length)) {
      return 'rejected';
    }
    const response = this.#challengeResponse.wrapAndApplyHeader(view, offset);
    const isTaken = this.#parts.admission.onChallengeResponse(
      response.clusterSessionId(),
      response.correlationIdHigh(),
      response.correlationIdLow(),
      response.encodedCredentials(),
      timestamp,
      nowNs,
    );
    return isTaken ? 'taken' : 'rejected';
  }

  #onCloseRequest(
    view: DataView,
    offset: number,
    length: number,
    { timestamp }: Hearing,
  ): OrderResult {
    if (!SessionCloseRequestDecoder.isValid(view, offset, length)) {
      return 'rejected';
    }
    const id = this.#closeRequest.wrapAndApplyHeader(view, offset).clusterSessionId();
    const { sessions } = this.#parts;
    const isTaken = !Number.isSafeInteger(id) || sessions.closeByClient(id, timestamp);
    if (!isTaken) {
      // It waits for room in the log, as a message would: its session does not time out meanwhile.
      sessions.touch(id, timestamp);
    }
    return isTaken ? 'taken' : 'back-pressured';
  }

  #onKeepAlive(view: DataView, offset: number, length: number, hearing: Hearing): OrderResult {
    const id = this.#sessionOfKeepAlive(view, offset, length);
    if (id === undefined) {
      return 'rejected';
    }
    const { leadershipTermId, nowNs, timestamp } = hearing;
    // One that names another term comes from a client that does not know this leader yet.
    if (this.#keepAlive.leadershipTermId() === leadershipTermId) {
      this.#parts.sessions.touch(id, timestamp);
    }
    this.#tellClosed(id, leadershipTermId, nowNs);
    return 'taken';
  }

  #sessionOfKeepAlive(view: DataView, offset: number, length: number): number | undefined {
    if (!SessionKeepAliveDecoder.isValid(view, offset, length)) {
      return undefined;
    }
    const id = this.#keepAlive.wrapAndApplyHeader(view, offset).clusterSessionId();
    return Number.isSafeInteger(id) ? id : undefined;
  }

  /** A client that speaks of a session that the log has closed did not hear of that. */
  #tellClosed(id: number, leadershipTermId: number, nowNs: number): boolean {
    const closed = this.#parts.applied.closed(id);
    if (closed === undefined) {
      return false;
    }
    hit(Mark.SessionClosedToldAgain);
    const { detail, session } = closed;
    const code = EventCode.Closed;
    this.#parts.responder.answer(session, code, detail, leadershipTermId, -1, nowNs, id);
    return true;
  }

  #onAdminRequest(
    view: DataView,
    offset: number,
    length: number,
    { leadershipTermId, timestamp }: Hearing,
  ): OrderResult {
    if (!AdminRequestDecoder.isValid(view, offset, length)) {
      return 'rejected';
    }
    const request = this.#adminRequest.wrapAndApplyHeader(view, offset);
    const id = request.clusterSessionId();
    const session = Number.isSafeInteger(id) ? this.#parts.applied.get(id) : undefined;
    const isOpen = session !== undefined && this.#parts.sessions.touch(id, timestamp);
    if (!isOpen || request.leadershipTermId() !== leadershipTermId) {
      return 'rejected';
    }
    const type = request.requestType();
    const correlation = {
      correlationIdHigh: request.correlationIdHigh(),
      correlationIdLow: request.correlationIdLow(),
    };
    const [code, message] = this.#carryOut(type, session.encodedPrincipal);
    this.#parts.egress.offerAdminResponse(id, correlation, type, code, message);
    return 'taken';
  }

  #carryOut(type: number, principal: Uint8Array): readonly [AdminResponseCode, string] {
    const { authorisation, schedule } = this.#parts;
    const actionId = AdminRequestDecoder.TEMPLATE_ID;
    if (!authorisation.isAuthorised(CLUSTER_PROTOCOL_ID, actionId, type, principal)) {
      hit(Mark.AdminRequestDenied);
      const reason = 'this client may not give the order: the AuthorisationService denies it';
      return [AdminResponseCode.UnauthorisedAccess, reason];
    }
    if (type !== AdminRequestType.Snapshot) {
      return [AdminResponseCode.Error, `order ${type} is not known: only 0, a snapshot, is`];
    }
    if (!schedule.canTake) {
      return [AdminResponseCode.Error, 'the service takes no snapshots: give it onTakeSnapshot'];
    }
    hit(Mark.AdminRequestGranted);
    schedule.request();
    return [AdminResponseCode.Ok, ''];
  }

  #decodeConnect(view: DataView, offset: number, length: number): ConnectRequest | undefined {
    if (!SessionConnectRequestDecoder.isValid(view, offset, length)) {
      return undefined;
    }
    const request = this.#connect.wrapAndApplyHeader(view, offset);
    const isShort = request.responseChannelLength() <= SESSION_DETAIL_LENGTH_MAX;
    const responseChannel = isShort ? request.responseChannel() : '';
    if (!isUsableResponseChannel(responseChannel)) {
      return undefined;
    }
    return {
      correlationIdHigh: request.correlationIdHigh(),
      correlationIdLow: request.correlationIdLow(),
      responseStreamId: request.responseStreamId(),
      responseChannel,
      encodedPrincipal: new Uint8Array(0),
      encodedCredentials: request.encodedCredentials(),
      version: request.version(),
    };
  }
}

interface ConnectRequest extends SessionDetails {
  readonly encodedCredentials: Uint8Array;
  readonly version: number;
}
