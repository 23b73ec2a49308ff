// query-client.ts: queries, and their outcomes, over any number of leaders and sessions.
//
// A query changes nothing, so it is asked again whenever that may help: of the next leader, over
// the next session, or after a while. Any answer to any of its attempts is an answer to it. Each
// query ends by its deadline: with an answer, or with an error.

import { BACK_PRESSURED, CLOSED } from '../../assembly/layout/frame.js';
import { ErrorCode, PawlError } from '../errors.js';
import { hit, Mark } from '../marks.js';
import { QueryCode } from '../protocol/codecs/enumerations.js';
import { ClientState, type ClusterClient } from './cluster-client.js';
import type { ClientAnswer } from './egress-answers.js';
import { PendingQueries } from './pending-queries.js';

/** Queries without an outcome at a time, unless told otherwise. */
export const QUERY_COUNT_MAX = 16_384;
/** Bytes of all queries without an outcome, unless told otherwise. */
export const QUERY_BYTES_MAX = 16 * 1024 * 1024;
/** A query without a deadline of its own ends after this, unless told otherwise. */
export const QUERY_TIMEOUT_NS = 5_000_000_000;
/** An unanswered query is asked again after this, unless told otherwise. */
export const QUERY_RETRY_INTERVAL_NS = 500_000_000;
/** A leader that has too much to do is asked again after this, twice this, and so on. */
const BUSY_DELAY_NS = 2_000_000;
const BUSY_DELAY_MAX_NS = 256_000_000;
/** What could not be sent is tried again after this. */
const RESEND_DELAY_NS = 1_000_000;

export interface QueryOptions {
  readonly queryCountMax?: number;
  readonly queryBytesMax?: number;
  readonly queryTimeoutNs?: number;
  readonly queryRetryIntervalNs?: number;
}

/** Outcomes, called from the client's duty cycle. */
export interface QueryHandlers {
  /**
   * The answer, which holds at a position of the log; the bytes are valid during the call, and so
   * is `answer`.
   */
  onAnswer(answer: ClientAnswer, view: DataView, offset: number, length: number): void;
  /**
   * There is no answer. TIMEOUT: none came by the deadline; LIMIT_EXCEEDED: neither, because the
   * leader had too much to do; REQUEST_REFUSED: by the service; CLOSED, SESSION_CLOSED: the client
   * is.
   */
  onFailed(queryId: number, reason: PawlError): void;
}

/** The queries of one client. */
export class QueryClient {
  readonly #handlers: QueryHandlers;
  readonly #timeoutNs: number;
  readonly #retryIntervalNs: number;
  readonly #pending: PendingQueries;
  #nowNs = 0;
  #isConnected = false;
  #isClosed = false;
  readonly #decoder = new TextDecoder();
  /** Answers whose query had its outcome already. */
  lateCount = 0;

  constructor(handlers: QueryHandlers, options: QueryOptions = {}) {
    this.#handlers = handlers;
    this.#timeoutNs = options.queryTimeoutNs ?? QUERY_TIMEOUT_NS;
    this.#retryIntervalNs = options.queryRetryIntervalNs ?? QUERY_RETRY_INTERVAL_NS;
    this.#pending = new PendingQueries(
      options.queryCountMax ?? QUERY_COUNT_MAX,
      options.queryBytesMax ?? QUERY_BYTES_MAX,
    );
  }

  /** Queries that were asked again. */
  get retryCount(): number {
    return this.#pending.retryCount;
  }

  /** Queries without an outcome. */
  get pendingCount(): number {
    return this.#pending.count;
  }

  /**
   * Accepts a query: it is sent in the next duty cycle, and as often as needed.
   *
   * @param body is copied.
   * @param timeoutNs from now to its deadline.
   * @returns its id (positive), or BACK_PRESSURED when too much is without an outcome, or CLOSED.
   */
  query(body: Uint8Array, nowNs: number, timeoutNs = this.#timeoutNs): number {
    if (this.#isClosed) {
      return CLOSED;
    }
    return this.#pending.add(body, nowNs + timeoutNs) || BACK_PRESSURED;
  }

  /** Another member leads, or another session is open: whoever was asked before may be gone. */
  onNewLeader(): void {
    this.#pending.sendAgain();
  }

  /** For the handlers of a session. */
  onAnswer(answer: ClientAnswer, view: DataView, offset: number, length: number): void {
    const pending = this.#pending;
    const { code, queryId } = answer;
    if (code === QueryCode.Ok) {
      if (pending.remove(queryId)) {
        this.#handlers.onAnswer(answer, view, offset, length);
      } else {
        this.lateCount++;
      }
    } else if (!pending.has(queryId)) {
      this.lateCount++;
    } else if (code === QueryCode.Busy) {
      hit(Mark.ClientQueryRefused);
      const delayNs = BUSY_DELAY_NS * 2 ** (pending.historyOf(queryId).attempts - 1);
      pending.onBusy(queryId, this.#nowNs + Math.min(delayNs, BUSY_DELAY_MAX_NS));
    } else {
      const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, length);
      // A copy: a decoder takes no shared memory.
      const text = code === QueryCode.Failed ? this.#decoder.decode(bytes.slice()) : '';
      this.#fail(queryId, refusal(queryId, code, text));
    }
  }

  /** One duty cycle. @param session undefined while there is none. */
  doWork(session: ClusterClient | undefined, nowNs: number): number {
    this.#nowNs = nowNs;
    this.#pending.look(nowNs, (queryId) => this.#expire(queryId));
    this.#isConnected = session?.state === ClientState.Connected;
    return session !== undefined && this.#isConnected ? this.#sendDue(session) : 0;
  }

  /** When doWork has to be called again even if nothing arrives, nanoseconds. */
  deadlineNs(): number {
    const isStuck = this.#isConnected && this.#pending.firstDueId() > 0;
    const dueNs = isStuck ? this.#nowNs + RESEND_DELAY_NS : Number.POSITIVE_INFINITY;
    return Math.min(dueNs, this.#pending.nextLookNs());
  }

  /** What has no outcome gets this one; nothing more is accepted. Idempotent. */
  close(reason: PawlError): void {
    this.#isClosed = true;
    for (const queryId of this.#pending.ids()) {
      this.#fail(queryId, reason);
    }
  }

  #sendDue(session: ClusterClient): number {
    const pending = this.#pending;
    const retryCount = pending.retryCount;
    let work = 0;
    for (;;) {
      const length = pending.firstDueLength();
      if (length > session.maxQueryLength) {
        this.#fail(pending.firstDueId(), tooLong(length, session.maxQueryLength));
        work++;
      } else if (length < 0 || !session.offerQueries(pending)) {
        break;
      } else {
        work += pending.onSent(this.#nowNs, this.#retryIntervalNs);
      }
    }
    if (pending.retryCount > retryCount) {
      hit(Mark.ClientQueryRetried);
    }
    return work;
  }

  #expire(queryId: number): void {
    const { attempts, isBusy } = this.#pending.historyOf(queryId);
    this.#fail(queryId, expiry(queryId, attempts, isBusy));
  }

  #fail(queryId: number, reason: PawlError): void {
    this.#pending.remove(queryId);
    this.#handlers.onFailed(queryId, reason);
  }
}

function tooLong(length: number, lengthMax: number): PawlError {
  return new PawlError(
    ErrorCode.MessageTooLong,
    `the query has ${length} bytes: at most ${lengthMax} fit; split it, or raise ingressTermLength`,
  );
}

function expiry(queryId: number, attempts: number, isBusy: boolean): PawlError {
  const name = `query ${queryId}`;
  if (isBusy) {
    return new PawlError(
      ErrorCode.LimitExceeded,
      `${name} was refused ${attempts} times until its deadline, because too many queries ` +
        'waited at the leader: ask less at a time, or raise queryCountMax or queryBytesMax there',
      'environment',
    );
  }
  const what = attempts === 0 ? 'could not be sent' : `was sent ${attempts} times`;
  return new PawlError(
    ErrorCode.Timeout,
    `${name} ${what} and was not answered by its deadline: check that a majority of the members ` +
      'runs, or give it more time. It changes nothing: it may be asked again at once',
    'environment',
  );
}

function refusal(queryId: number, code: number, text: string): PawlError {
  const name = `query ${queryId}`;
  const reasons: ReadonlyMap<number, string> = new Map([
    [
      QueryCode.NotServed,
      'was refused: the service has no onQuery; give it one, or send a request',
    ],
    [QueryCode.Unanswered, 'was not answered by the service: let onQuery call reply'],
    [QueryCode.Failed, `failed: the service threw ${text}`],
  ]);
  const reason = reasons.get(code) ?? `was refused with the unknown code ${code}`;
  return new PawlError(ErrorCode.RequestRefused, `${name} ${reason}`);
}
