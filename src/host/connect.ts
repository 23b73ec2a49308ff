// connect.ts: the client that most programs want: requests and queries as promises.

import type { ClientHandlers } from '../client/cluster-client.js';
import { OrderShell } from '../client/order-shell.js';
import type { QueryOptions } from '../client/query-client.js';
import { type QueryAnswer, type QueryRequestOptions, QueryShell } from '../client/query-shell.js';
import type { RequestClientOptions } from '../client/request-client.js';
import { type Answer, RequestShell } from '../client/request-shell.js';
import { ErrorCode, PawlError } from '../errors.js';
import { connectClient, type NodeClient, type NodeClientOptions } from './node-client.js';

const NS_PER_MS = 1_000_000;
/** How long an order waits for its answer, unless told otherwise. */
const ORDER_TIMEOUT_MS = 5_000;

export interface ConnectOptions extends NodeClientOptions {
  readonly requests?: RequestClientOptions;
  readonly queries?: QueryOptions;
  readonly handlers?: Partial<Omit<ClientHandlers, 'onMessage' | 'onQueryAnswer'>>;
}

/** A session that carries requests and queries. */
export interface RequestSession {
  readonly clusterSessionId: number;
  /** Requests without an outcome. */
  readonly outstandingCount: number;
  /** Queries without an answer. */
  readonly pendingQueryCount: number;
  /** See RequestShell.request. */
  request(body: Uint8Array): Promise<Answer>;
  /**
   * Has the cluster take a snapshot, where its AuthorisationService lets this client.
   *
   * @returns when the leader has accepted the order; the snapshot follows.
   * @throws PawlError ORDER_REFUSED when it is denied or cannot be; TIMEOUT when nothing was heard,
   *   or SESSION_CLOSED: it may have been ordered or not.
   */
  orderSnapshot(timeoutMs?: number): Promise<void>;
  /** Reads from the service's state, linearizably and without the log. See QueryShell.query. */
  query(body: Uint8Array, options?: QueryRequestOptions): Promise<QueryAnswer>;
  /** Ends the session; what is unanswered becomes unknown. Idempotent. */
  close(): void;
}

/**
 * Opens a session for requests and queries.
 *
 * @throws PawlError TIMEOUT, SESSION_REFUSED, CONFIGURATION_INVALID.
 */
export async function connect(options: ConnectOptions): Promise<RequestSession> {
  const { handlers, onFatal, queries, requests, ...clientOptions } = options;
  let connected: NodeClient | undefined;
  const nowNs = () => connected?.clock.nowNs() ?? 0;
  const wake = () => connected?.wake();
  const shell = new RequestShell(nowNs, wake, requests);
  const reads = new QueryShell(nowNs, wake, queries);
  const orders = new OrderShell();
  const handlersWith = (others: ConnectOptions['handlers']) =>
    shell.requests.clientHandlers(orders.clientHandlers(queryHandlers(reads, others)));
  connected = await connectClient(
    {
      ...clientOptions,
      onFatal: (error) => {
        // The loop has ended: nobody else tells those who wait.
        handlersWith({}).onClosed?.(hasFailed(error));
        onFatal?.(error);
      },
    },
    handlersWith(handlers),
  );
  const session = connected;
  orders.bind(session.client);
  shell.requests.bind(session.client);
  session.addAgent({
    roleName: 'requests, queries and orders',
    doWork: (now) =>
      shell.requests.doWork(now) + reads.queries.doWork(session.client, now) + orders.doWork(now),
    deadlineNs: () =>
      Math.min(shell.requests.deadlineNs(), reads.queries.deadlineNs(), orders.deadlineNs()),
    close() {
      // What is unanswered was reported when the session closed.
    },
  });
  return {
    clusterSessionId: session.client.clusterSessionId,
    get outstandingCount() {
      return shell.requests.outstandingCount;
    },
    get pendingQueryCount() {
      return reads.queries.pendingCount;
    },
    request: (body) => shell.request(body),
    orderSnapshot: (timeoutMs = ORDER_TIMEOUT_MS) => {
      const order = orders.snapshot(session.clock.nowNs() + timeoutMs * NS_PER_MS);
      session.wake();
      return order;
    },
    query: (body, queryOptions) => reads.query(body, queryOptions),
    close: session.close,
  };
}

function hasFailed(cause: unknown): PawlError {
  const what = cause instanceof Error ? cause.message : String(cause);
  return new PawlError(
    ErrorCode.SessionClosed,
    `the client has failed: ${what}; open a new session`,
    'environment',
    { cause },
  );
}

function queryHandlers(reads: QueryShell, others: ConnectOptions['handlers'] = {}) {
  const { queries } = reads;
  const handlers: Partial<ClientHandlers> = {
    ...others,
    onQueryAnswer: (answer, view, offset, length) => queries.onAnswer(answer, view, offset, length),
    onNewLeader: (termId, memberId) => {
      queries.onNewLeader();
      others.onNewLeader?.(termId, memberId);
    },
    onClosed: (error) => {
      queries.close(
        error ?? new PawlError(ErrorCode.SessionClosed, 'the session was closed by its owner'),
      );
      others.onClosed?.(error);
    },
  };
  return handlers;
}
