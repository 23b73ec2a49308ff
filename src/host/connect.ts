// connect.ts: the client that most programs want: requests as promises.

import type { ClientHandlers } from '../client/cluster-client.js';
import type { RequestClientOptions } from '../client/request-client.js';
import { type Answer, RequestShell } from '../client/request-shell.js';
import { connectClient, type NodeClient, type NodeClientOptions } from './node-client.js';

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
  connected = await connectClient(clientOptions, shell.requests.clientHandlers(handlers));
  const session = connected;
  shell.requests.bind(session.client);
  session.addAgent({
    roleName: 'requests',
    doWork: (nowNs) => shell.requests.doWork(nowNs),
    deadlineNs: () => shell.requests.deadlineNs(),
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
    close: session.close,
  };
}
