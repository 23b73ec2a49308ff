// connect.ts: the client that most programs want: requests as promises.

import type { ClientHandlers } from '../client/cluster-client.js';
import { OrderShell } from '../client/order-shell.js';
import type { RequestClientOptions } from '../client/request-client.js';
import { type Answer, RequestShell } from '../client/request-shell.js';
import { connectClient, type NodeClient, type NodeClientOptions } from './node-client.js';

const NS_PER_MS = 1_000_000;
/** How long an order waits for its answer, unless told otherwise. */
const ORDER_TIMEOUT_MS = 5_000;

export interface ConnectOptions extends NodeClientOptions {
  readonly requests?: RequestClientOptions;
  readonly handlers?: Partial<Omit<ClientHandlers, 'onMessage'>>;
}

/** A session that carries requests. */
export interface RequestSession {
  readonly clusterSessionId: number;
  /** Requests without an outcome. */
  readonly outstandingCount: number;
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
  /** Ends the session; what is unanswered becomes unknown. Idempotent. */
  close(): void;
}

/**
 * Opens a session for requests.
 *
 * @throws PawlError TIMEOUT, SESSION_REFUSED, CONFIGURATION_INVALID.
 */
export async function connect(options: ConnectOptions): Promise<RequestSession> {
  const { handlers, requests, ...clientOptions } = options;
  let connected: NodeClient | undefined;
  const shell = new RequestShell(
    () => connected?.clock.nowNs() ?? 0,
    () => connected?.wake(),
    requests,
  );
  const orders = new OrderShell();
  connected = await connectClient(
    clientOptions,
    shell.requests.clientHandlers({
      ...handlers,
      onAdminResponse: (response) => {
        orders.onResponse(response);
        handlers?.onAdminResponse?.(response);
      },
      onClosed: (error) => {
        orders.onClosed();
        handlers?.onClosed?.(error);
      },
    }),
  );
  const session = connected;
  orders.bind(session.client);
  shell.requests.bind(session.client);
  session.addAgent({
    roleName: 'requests',
    doWork: (nowNs) => shell.requests.doWork(nowNs) + orders.doWork(nowNs),
    deadlineNs: () => Math.min(shell.requests.deadlineNs(), orders.deadlineNs()),
    close() {
      // What is unanswered was reported when the session closed.
    },
  });
  return {
    clusterSessionId: session.client.clusterSessionId,
    get outstandingCount() {
      return shell.requests.outstandingCount;
    },
    request: (body) => shell.request(body),
    orderSnapshot: (timeoutMs = ORDER_TIMEOUT_MS) => {
      const order = orders.snapshot(session.clock.nowNs() + timeoutMs * NS_PER_MS);
      session.wake();
      return order;
    },
    close: session.close,
  };
}
