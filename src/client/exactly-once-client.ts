// exactly-once-client.ts: requests that the cluster executes once, and their outcomes.
//
// A request is sent until its reply is here: to the leader, to the next leader, and over a new
// session when the old one is gone. That is safe, because every member knows what it has executed.
// Each request ends in one outcome: its reply, an error, or *unknown* by its deadline.

import { BACK_PRESSURED, CLOSED } from '../../assembly/layout/frame.js';
import { ErrorCode, PawlError } from '../errors.js';
import { hit, Mark } from '../marks.js';
import { REPLY_LIMITS, ReplyCode } from '../service/reply-cache.js';
import { type ClientHandlers, ClientState, type ClusterClient } from './cluster-client.js';
import type { ClientReply } from './egress-answers.js';
import { PendingRequests, type SentRequest } from './pending-requests.js';
import type { QueryClient } from './query-client.js';

/** Time from which an unanswered request is unknown, unless told otherwise. */
export const REQUEST_TIMEOUT_NS = 10_000_000_000;
/** An unanswered request is sent again after this, unless told otherwise. */
export const RETRY_INTERVAL_NS = 1_000_000_000;
/** A session that has ended is followed by a new one after this, unless told otherwise. */
export const REOPEN_DELAY_NS = 250_000_000;
/** What could not be sent is tried again after this. */
const RESEND_DELAY_NS = 1_000_000;
/** Bytes of all requests without an outcome, unless told otherwise. */
export const PENDING_BYTES_MAX = 64 * 1024 * 1024;

export interface ExactlyOnceOptions {
  /**
   * Greatest distance between the ids of the newest request and the oldest without an outcome. The
   * cluster retains as many replies to a client; more would let it drop one that is waited for.
   */
  readonly windowMax?: number;
  /** Bytes of all requests without an outcome. */
  readonly pendingBytesMax?: number;
  readonly requestTimeoutNs?: number;
  readonly retryIntervalNs?: number;
  readonly reopenDelayNs?: number;
}

/** Outcomes, called from the client's duty cycle. */
export interface ExactlyOnceHandlers {
  /** The answer; the bytes are valid during the call. */
  onAnswer(reply: ClientReply, view: DataView, offset: number, length: number): void;
  /**
   * There will be no answer. OUTCOME_UNKNOWN: it may have been executed, once, or not. TIMEOUT and
   * CLOSED: it was never sent. REPLY_DROPPED: the cluster does not retain whether or how it was
   * answered. REQUEST_REFUSED: by the service.
   */
  onFailed(requestId: number, reason: PawlError): void;
}

/** Opens a session; called again whenever one has ended. */
export type OpenSession = (handlers: ClientHandlers) => ClusterClient;

/** One client over any number of sessions. */
export class ExactlyOnceClient {
  readonly #openSession: OpenSession;
  readonly #handlers: ExactlyOnceHandlers;
  readonly #others: Partial<ClientHandlers>;
  readonly #queries: QueryClient | undefined;
  readonly #timeoutNs: number;
  readonly #retryIntervalNs: number;
  readonly #reopenDelayNs: number;
  readonly #pending: PendingRequests;
  #session: ClusterClient | undefined;
  #reopenAtNs = Number.NEGATIVE_INFINITY;
  #nowNs = 0;
  #isClosed = false;
  /** The id of the first session, or -1 before it is open. */
  #clientId = -1;
  // The cluster has forgotten the client: the next session gives it another id.
  #isForgotten = false;
  /** Sessions that were opened. */
  sessionCount = 0;
  /** Requests that were sent again. */
  retryCount = 0;
  /** Replies whose request had its outcome already. */
  lateCount = 0;

  constructor(
    openSession: OpenSession,
    handlers: ExactlyOnceHandlers,
    options: ExactlyOnceOptions = {},
    others: Partial<ClientHandlers> = {},
    queries?: QueryClient,
  ) {
    this.#openSession = openSession;
    this.#handlers = handlers;
    this.#others = others;
    this.#queries = queries;
    this.#timeoutNs = options.requestTimeoutNs ?? REQUEST_TIMEOUT_NS;
    this.#retryIntervalNs = options.retryIntervalNs ?? RETRY_INTERVAL_NS;
    this.#reopenDelayNs = options.reopenDelayNs ?? REOPEN_DELAY_NS;
    this.#pending = new PendingRequests(
      options.windowMax ?? REPLY_LIMITS.repliesPerClientMax,
      options.pendingBytesMax ?? PENDING_BYTES_MAX,
    );
  }

  /** Requests without an outcome. */
  get pendingCount(): number {
    return this.#pending.count;
  }

  /** The client over all its sessions; -1 before the first one is open. */
  get clientId(): number {
    return this.#clientId;
  }

  /** The session of now; undefined while there is none. */
  get session(): ClusterClient | undefined {
    return this.#session;
  }

  /**
   * Accepts a request: it is sent as soon and as often as needed.
   *
   * @param body is copied.
   * @returns its id (positive), or BACK_PRESSURED when too much is without an outcome, or CLOSED.
   * @throws PawlError MESSAGE_TOO_LONG, as far as that is known: only an open session knows.
   */
  request(body: Uint8Array, nowNs: number): number {
    if (this.#isClosed) {
      return CLOSED;
    }
    const session = this.#session;
    const longest = session?.maxRequestLength ?? 0;
    if (longest > 0 && body.length > longest) {
      throw tooLong(body.length, longest);
    }
    const request = this.#pending.add(body, nowNs + this.#timeoutNs);
    if (request === undefined) {
      return BACK_PRESSURED;
    }
    this.#nowNs = Math.max(this.#nowNs, nowNs);
    if (session?.state === ClientState.Connected && !this.#isForgotten) {
      this.#sendDue(session);
    }
    return request.requestId;
  }

  /** One duty cycle, the session's included. */
  doWork(nowNs: number): number {
    this.#nowNs = nowNs;
    let work = this.#expire(nowNs);
    const session = this.#currentSession(nowNs);
    if (session !== undefined) {
      work += session.doWork(nowNs);
      if (session.state === ClientState.Connected) {
        this.#pending.retry(nowNs - this.#retryIntervalNs);
        work += this.#isForgotten ? this.#leave(session) : this.#sendDue(session);
      }
      work += this.#queries?.doWork(session, nowNs) ?? 0;
      if (session.state === ClientState.Closed) {
        this.#dropSession(session);
      }
    } else {
      this.#queries?.doWork(undefined, nowNs);
    }
    return work;
  }

  /** When doWork has to be called again even if nothing arrives, nanoseconds. */
  deadlineNs(): number {
    if (this.#isClosed) {
      return Number.POSITIVE_INFINITY;
    }
    const session = this.#session;
    const sessionNs = session === undefined ? this.#reopenAtNs : session.deadlineNs();
    const queriesNs = this.#queries?.deadlineNs() ?? Number.POSITIVE_INFINITY;
    return Math.min(sessionNs, this.#sendNs(), this.#pending.deadlineNs(), queriesNs);
  }

  /** When there is something to send. */
  #sendNs(): number {
    if (this.#session?.state !== ClientState.Connected) {
      return Number.POSITIVE_INFINITY;
    }
    const isStuck = !this.#isForgotten && this.#pending.nextDue() !== undefined;
    const dueNs = isStuck ? this.#nowNs + RESEND_DELAY_NS : Number.POSITIVE_INFINITY;
    return Math.min(dueNs, this.#pending.oldestSentNs() + this.#retryIntervalNs);
  }

  /** Ends the session; what has no outcome gets one. Idempotent. */
  close(): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#session?.close();
    this.#queries?.close(new PawlError(ErrorCode.Closed, 'the client was closed by its owner'));
    for (const request of [...this.#pending.values()]) {
      this.#fail(request, expiry(request, 'the client was closed by its owner'));
    }
  }

  // --- the session ---

  #currentSession(nowNs: number): ClusterClient | undefined {
    if (this.#session === undefined && !this.#isClosed && nowNs >= this.#reopenAtNs) {
      this.#session = this.#openSession(this.#sessionHandlers());
      this.sessionCount++;
    }
    return this.#session;
  }

  #sessionHandlers(): ClientHandlers {
    const others = this.#others;
    return {
      ...others,
      onMessage: (view, offset, length, timestamp) =>
        others.onMessage?.(view, offset, length, timestamp),
      onReply: (reply, view, offset, length) => this.#onReply(reply, view, offset, length),
      onQueryAnswer: (answer, view, offset, length) =>
        this.#queries?.onAnswer(answer, view, offset, length),
      onConnected: (sessionId) => {
        if (this.#clientId < 0 || this.#isForgotten) {
          this.#clientId = sessionId;
          this.#isForgotten = false;
        }
        this.#pending.retry(Number.POSITIVE_INFINITY);
        this.#queries?.onNewLeader();
        others.onConnected?.(sessionId);
      },
      onNewLeader: (termId, memberId) => {
        this.#pending.retry(Number.POSITIVE_INFINITY);
        this.#queries?.onNewLeader();
        others.onNewLeader?.(termId, memberId);
      },
    };
  }

  #dropSession(session: ClusterClient): void {
    hit(Mark.ClientReopensSession);
    session.release();
    this.#session = undefined;
    this.#reopenAtNs = this.#nowNs + this.#reopenDelayNs;
  }

  // --- requests ---

  #sendDue(session: ClusterClient): number {
    let work = 0;
    for (let next = this.#pending.nextDue(); next !== undefined; next = this.#pending.nextDue()) {
      // What was sent under a former id of the client is not sent under another.
      const isMine = next.attempts === 0 || next.clientId === this.#clientId;
      if (isMine && next.body.length > session.maxRequestLength) {
        // Its owner may make another request there, which sends what is due behind this one.
        this.#fail(next, tooLong(next.body.length, session.maxRequestLength));
        work++;
        continue;
      }
      if (isMine && !this.#send(session, next)) {
        return work;
      }
      this.#pending.settle(next, this.#nowNs);
      work++;
    }
    return work;
  }

  #send(session: ClusterClient, request: SentRequest): boolean {
    const numbers = {
      clientId: this.#clientId,
      requestId: request.requestId,
      lowestUnansweredRequestId: this.#pending.lowestRequestId(),
    };
    if (session.offerRequest(numbers, request.body) < 0) {
      return false;
    }
    if (request.attempts > 0) {
      hit(Mark.ClientRequestRetried);
      this.retryCount++;
    }
    request.clientId = this.#clientId;
    request.attempts++;
    return true;
  }

  #onReply(reply: ClientReply, view: DataView, offset: number, length: number): void {
    const request = this.#pending.get(reply.requestId);
    if (request === undefined) {
      this.lateCount++;
    } else if (reply.code === ReplyCode.Forgotten) {
      this.#onForgotten(request);
    } else if (reply.code === ReplyCode.Ok) {
      this.#pending.remove(request);
      this.#handlers.onAnswer(reply, view, offset, length);
    } else {
      this.#fail(request, refusal(request, reply.code));
    }
  }

  /** The cluster has forgotten the client under which the request was sent. */
  #onForgotten(request: SentRequest): void {
    if (request.attempts === 0) {
      this.lateCount++;
      return;
    }
    hit(Mark.ClientForgotten);
    if (request.clientId === this.#clientId && !this.#isForgotten) {
      this.#becomeAnother();
    }
    if (request.attempts === 1) {
      // The only message with it was refused: it was not executed, and may be sent anew.
      this.#pending.restart(request);
    } else {
      this.#fail(request, refusal(request, ReplyCode.Forgotten));
    }
  }

  #becomeAnother(): void {
    const session = this.#session;
    if (session !== undefined && session.clusterSessionId !== this.#clientId) {
      this.#clientId = session.clusterSessionId;
    } else {
      this.#isForgotten = true;
    }
  }

  /** Everything that is on its way gets its answer before the session is given up for a new one. */
  #leave(session: ClusterClient): number {
    for (const { attempts } of this.#pending.values()) {
      if (attempts > 0) {
        return 0;
      }
    }
    session.close();
    return 1;
  }

  #expire(nowNs: number): number {
    let work = 0;
    for (let next = this.#pending.first(); next !== undefined; next = this.#pending.first()) {
      if (next.deadlineNs > nowNs) {
        break;
      }
      this.#fail(next, expiry(next, 'no answer came in time'));
      work++;
    }
    return work;
  }

  #fail(request: SentRequest, reason: PawlError): void {
    this.#pending.remove(request);
    this.#handlers.onFailed(request.requestId, reason);
  }
}

function tooLong(length: number, lengthMax: number): PawlError {
  return new PawlError(
    ErrorCode.MessageTooLong,
    `the request has ${length} bytes: at most ${lengthMax} fit; split it, or raise ` +
      'ingressTermLength',
  );
}

function expiry(request: SentRequest, why: string): PawlError {
  if (request.attempts === 0) {
    return new PawlError(
      ErrorCode.Timeout,
      `request ${request.requestId} was not sent: ${why}. Check that a majority of the members ` +
        'runs; it may be made again at once',
      'environment',
    );
  }
  return new PawlError(
    ErrorCode.OutcomeUnknown,
    `the outcome of request ${request.requestId} is unknown: ${why}. It was sent ` +
      `${request.attempts} times and was executed once or not at all: ask the service for its ` +
      'state',
    'environment',
  );
}

function refusal(request: SentRequest, code: number): PawlError {
  const name = `request ${request.requestId}`;
  if (code === ReplyCode.NotServed) {
    return new PawlError(
      ErrorCode.RequestRefused,
      `${name} was not executed: the service has no onRequest; give it one, or send a message`,
    );
  }
  if (code === ReplyCode.Unanswered) {
    return new PawlError(
      ErrorCode.RequestRefused,
      `${name} was executed, and the service gave no answer: let onRequest call reply`,
    );
  }
  if (code === ReplyCode.Foreign) {
    return new PawlError(
      ErrorCode.RequestRefused,
      `${name} was not executed: the id of this client belongs to another principal; connect ` +
        'with the credentials of its first session, or as a new client',
    );
  }
  return new PawlError(
    ErrorCode.ReplyDropped,
    `the reply to ${name} is not retained (code ${code}), so the request is not executed again; ` +
      'whether it ever was, the service may know: wait less before a retry, or for fewer requests',
    'environment',
  );
}
