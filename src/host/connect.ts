// connect.ts: the client that most programs want: requests and queries as promises.

import type { ClientHandlers } from '../client/cluster-client.js';
import type { QueryOptions } from '../client/query-client.js';
import { type QueryAnswer, type QueryRequestOptions, QueryShell } from '../client/query-shell.js';
import type { RequestClientOptions } from '../client/request-client.js';
import { type Answer, RequestShell } from '../client/request-shell.js';
import { ErrorCode, PawlError } from '../errors.js';
import { connectClient, type NodeClient, type NodeClientOptions } from './node-client.js';

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
  const { handlers, queries, requests, ...clientOptions } = options;
  let connected: NodeClient | undefined;
  const nowNs = () => connected?.clock.nowNs() ?? 0;
  const wake = () => connected?.wake();
  const shell = new RequestShell(nowNs, wake, requests);
  const reads = new QueryShell(nowNs, wake, queries);
  connected = await connectClient(
    clientOptions,
    shell.requests.clientHandlers(queryHandlers(reads, handlers)),
  );
  const session = connected;
  shell.requests.bind(session.client);
  session.addAgent({
    roleName: 'requests and queries',
    doWork: (now) => shell.requests.doWork(now) + reads.queries.doWork(session.client, now),
    deadlineNs: () => Math.min(shell.requests.deadlineNs(), reads.queries.deadlineNs()),
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
    query: (body, queryOptions) => reads.query(body, queryOptions),
    close: session.close,
  };
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
