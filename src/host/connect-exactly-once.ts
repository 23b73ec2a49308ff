// connect-exactly-once.ts: exactly-once requests as promises, over Node's ports.
//
// The client opens session after session by itself, also after the whole cluster was restarted.
// Each promise ends: with the reply, or with an error by its deadline.

import { concludeClientOptions } from '../client/client-options.js';
import { type ClientHandlers, ClusterClient } from '../client/cluster-client.js';
import { ExactlyOnceClient, type ExactlyOnceOptions } from '../client/exactly-once-client.js';
import type { QueryOptions } from '../client/query-client.js';
import { type QueryAnswer, type QueryRequestOptions, QueryShell } from '../client/query-shell.js';
import { ErrorCode, PawlError } from '../errors.js';
import { EventLoop } from './event-loop.js';
import { makeClientTransport, type NodeClientOptions } from './node-client.js';
import { NodeClock } from './node-clock.js';
import { NodeEntropy } from './node-entropy.js';
import { NodeNetwork } from './node-network.js';

export interface ConnectExactlyOnceOptions extends NodeClientOptions {
  readonly requests?: ExactlyOnceOptions;
  readonly queries?: QueryOptions;
}

/** The reply to a request, copied out of shared memory. */
export interface RequestReply {
  readonly bytes: Uint8Array;
  /** Log time at which the request was executed, milliseconds since 1970. */
  readonly timestamp: number;
  /** Log position after the request: the reply holds there. */
  readonly logPosition: number;
}

/** A client whose requests are executed exactly once. */
export interface ExactlyOnceConnection {
  /** The client over all its sessions: the id of the first one. */
  readonly clientId: number;
  /** Requests without an outcome. */
  readonly pendingCount: number;
  /** Sessions that were opened so far. */
  readonly sessionCount: number;
  /**
   * Makes a request, which is sent as often as needed.
   *
   * @throws PawlError OUTCOME_UNKNOWN: it was executed once or not at all; TIMEOUT, CLOSED or
   *   LIMIT_EXCEEDED: it was not sent; REPLY_DROPPED; REQUEST_REFUSED; MESSAGE_TOO_LONG.
   */
  request(body: Uint8Array): Promise<RequestReply>;
  /** Queries without an answer. */
  readonly pendingQueryCount: number;
  /** Reads from the service's state, linearizably and without the log. See QueryShell.query. */
  query(body: Uint8Array, options?: QueryRequestOptions): Promise<QueryAnswer>;
  /** Ends the session; what is pending ends with an error. Idempotent. */
  close(): void;
}

/**
 * Opens the first session.
 *
 * @throws PawlError TIMEOUT, SESSION_REFUSED, AUTHENTICATION_REJECTED, CONFIGURATION_INVALID: later
 *   sessions are tried for until `close`, the first one is not.
 */
export function connectExactlyOnce(
  options: ConnectExactlyOnceOptions,
): Promise<ExactlyOnceConnection> {
  return new Promise((resolve, reject) => {
    new Connection(options, resolve, reject);
  });
}

interface Waiting {
  resolve(reply: RequestReply): void;
  reject(error: unknown): void;
}

class Connection implements ExactlyOnceConnection {
  readonly #client: ExactlyOnceClient;
  readonly #clock = new NodeClock();
  readonly #loop: EventLoop;
  readonly #network: NodeNetwork;
  readonly #waiting = new Map<number, Waiting>();
  readonly #queries: QueryShell;
  readonly #onFatal: ((error: unknown) => void) | undefined;
  readonly #resolve: (connection: ExactlyOnceConnection) => void;
  readonly #reject: (error: unknown) => void;
  #isSettled = false;

  constructor(
    options: ConnectExactlyOnceOptions,
    resolve: (connection: ExactlyOnceConnection) => void,
    reject: (error: unknown) => void,
  ) {
    const { credentials, idle, onFatal, queries, requests, ...clientOptions } = options;
    const concluded = concludeClientOptions(clientOptions);
    this.#onFatal = onFatal;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#loop = new EventLoop({
      clock: this.#clock,
      onFatal: (error) => this.#fail(error),
      idleStrategy: idle ?? 'event',
    });
    this.#network = new NodeNetwork({ onReadable: this.#loop.wake });
    this.#queries = new QueryShell(() => this.#clock.nowNs(), this.#loop.wake, queries);
    const transport = makeClientTransport(concluded, this.#network);
    const entropy = new NodeEntropy();
    const open = (handlers: ClientHandlers): ClusterClient =>
      new ClusterClient({ transport, entropy, options: concluded, handlers, credentials });
    const client = new ExactlyOnceClient(
      open,
      {
        onAnswer: ({ logPosition, requestId, timestamp }, view, offset, length) => {
          const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, length).slice();
          this.#take(requestId)?.resolve({ bytes, timestamp, logPosition });
        },
        onFailed: (requestId, reason) => this.#take(requestId)?.reject(reason),
      },
      requests,
      { onConnected: () => this.#onConnected(), onClosed: (error) => this.#onClosed(error) },
      this.#queries.queries,
    );
    this.#client = client;
    this.#loop.add({
      roleName: 'exactly-once client',
      doWork: (nowNs) => client.doWork(nowNs),
      deadlineNs: () => client.deadlineNs(),
      close: () => {
        client.close();
        transport.close();
      },
    });
    this.#loop.wake();
  }

  get clientId(): number {
    return this.#client.clientId;
  }

  get pendingCount(): number {
    return this.#client.pendingCount;
  }

  get sessionCount(): number {
    return this.#client.sessionCount;
  }

  request(body: Uint8Array): Promise<RequestReply> {
    return new Promise((resolve, reject) => {
      if (this.#loop.isClosed) {
        reject(new PawlError(ErrorCode.Closed, 'the request was not sent: the client is closed'));
        return;
      }
      const requestId = this.#client.request(body, this.#clock.nowNs());
      if (requestId > 0) {
        this.#waiting.set(requestId, { resolve, reject });
        this.#loop.wake();
        return;
      }
      reject(
        new PawlError(
          ErrorCode.LimitExceeded,
          'the request was not sent: too much is pending; wait for outcomes first',
        ),
      );
    });
  }

  get pendingQueryCount(): number {
    return this.#queries.queries.pendingCount;
  }

  query(body: Uint8Array, options?: QueryRequestOptions): Promise<QueryAnswer> {
    return this.#queries.query(body, options);
  }

  close(): void {
    if (!this.#loop.isClosed) {
      const { session } = this.#client;
      this.#client.close();
      // One more turn lets the close request leave.
      session?.doWork(this.#clock.nowNs());
      this.#end();
    }
  }

  #onConnected(): void {
    if (!this.#isSettled) {
      this.#isSettled = true;
      this.#resolve(this);
    }
  }

  #onClosed(error: PawlError | undefined): void {
    if (!this.#isSettled) {
      this.#isSettled = true;
      this.#reject(error ?? new PawlError(ErrorCode.Closed, 'the client was closed'));
      setImmediate(() => this.#end());
    }
  }

  #take(requestId: number): Waiting | undefined {
    const waiting = this.#waiting.get(requestId);
    this.#waiting.delete(requestId);
    return waiting;
  }

  /** The loop has ended: nothing that is waited for comes any more. */
  #fail(error: unknown): void {
    this.#network.close();
    for (const waiting of this.#waiting.values()) {
      waiting.reject(error);
    }
    this.#waiting.clear();
    this.#queries.fail(error);
    if (this.#isSettled) {
      this.#onFatal?.(error);
    } else {
      this.#isSettled = true;
      this.#reject(error);
    }
  }

  #end(): void {
    this.#loop.close();
    this.#network.close();
  }
}
