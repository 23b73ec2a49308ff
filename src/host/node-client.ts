// node-client.ts: runs a client in this process, over Node's ports.

import {
  type ClientOptions,
  type ConcludedClientOptions,
  concludeClientOptions,
} from '../client/client-options.js';
import { type ClientHandlers, ClusterClient } from '../client/cluster-client.js';
import type { CredentialsSupplier } from '../client/credentials.js';
import { ErrorCode, PawlError } from '../errors.js';
import { Arena } from '../memory/arena.js';
import type { Agent } from '../ports/agent.js';
import { Transport } from '../transport/transport.js';
import { EventLoop, type IdleStrategy } from './event-loop.js';
import { NodeClock } from './node-clock.js';
import { NodeEntropy } from './node-entropy.js';
import { NodeNetwork } from './node-network.js';

/** Bytes of address space of a client's buffers; committed as they are used. */
export const CLIENT_MEMORY_LENGTH = 512 * 1024 * 1024;
const SOCKET_BUFFER_LENGTH = 4 * 1024 * 1024;

export interface NodeClientOptions extends ClientOptions {
  readonly idle?: IdleStrategy;
  /** Where the cluster asks its clients who they are. */
  readonly credentials?: CredentialsSupplier;
  /** What ended the client's loop, if anything but `close` does. */
  readonly onFatal?: (error: unknown) => void;
}

/** A client and the loop that drives it. Its functions may be passed on by themselves. */
export interface NodeClient {
  readonly client: ClusterClient;
  readonly clock: NodeClock;
  /** After an offer: lets it leave in the next turn. */
  readonly wake: () => void;
  /** Runs another agent on the client's loop. */
  addAgent(agent: Agent): void;
  /** Ends the session and the loop. Idempotent. */
  readonly close: () => void;
}

/**
 * Opens a session.
 *
 * @returns when the cluster has committed the session.
 * @throws PawlError TIMEOUT, SESSION_REFUSED, AUTHENTICATION_REJECTED, CONFIGURATION_INVALID.
 */
export function connectClient(
  options: NodeClientOptions,
  handlers: ClientHandlers,
): Promise<NodeClient> {
  return new Promise((resolve, reject) => {
    new LoopedClient(options, handlers, resolve, reject);
  });
}

/** The transport of a client, with memory of its own. */
export function makeClientTransport(
  options: ConcludedClientOptions,
  network: NodeNetwork,
): Transport {
  return new Transport({
    arena: Arena.create(CLIENT_MEMORY_LENGTH),
    network,
    entropy: new NodeEntropy(),
    config: {
      mtuLength: options.mtuLength,
      termLength: options.ingressTermLength,
      ipcTermLength: options.ingressTermLength,
      initialWindowLength: options.windowLength,
      socketBufferLength: SOCKET_BUFFER_LENGTH,
    },
  });
}

/** The client on an event loop of its own; settles the promise of its connection once. */
class LoopedClient implements NodeClient {
  readonly client: ClusterClient;
  readonly clock = new NodeClock();
  readonly #loop: EventLoop;
  readonly #network: NodeNetwork;
  readonly #onFatal: ((error: unknown) => void) | undefined;
  readonly #resolve: (client: NodeClient) => void;
  readonly #reject: (error: unknown) => void;
  #isSettled = false;

  constructor(
    options: NodeClientOptions,
    handlers: ClientHandlers,
    resolve: (client: NodeClient) => void,
    reject: (error: unknown) => void,
  ) {
    const { credentials, idle, onFatal, ...clientOptions } = options;
    const concluded = concludeClientOptions(clientOptions);
    this.#onFatal = onFatal;
    this.#resolve = resolve;
    this.#reject = reject;
    this.#loop = new EventLoop({
      clock: this.clock,
      onFatal: (error) => this.#fail(error),
      idleStrategy: idle ?? 'event',
    });
    this.#network = new NodeNetwork({ onReadable: this.#loop.wake });
    const transport = makeClientTransport(concluded, this.#network);
    const client = new ClusterClient({
      transport,
      entropy: new NodeEntropy(),
      options: concluded,
      credentials,
      handlers: this.#watched(handlers),
    });
    this.client = client;
    this.#loop.add({
      roleName: 'client',
      doWork: (nowNs) => client.doWork(nowNs),
      deadlineNs: () => client.deadlineNs(),
      close: () => {
        client.close();
        transport.close();
      },
    });
    this.#loop.wake();
  }

  readonly wake = (): void => {
    this.#loop.wake();
  };

  addAgent(agent: Agent): void {
    this.#loop.add(agent);
  }

  readonly close = (): void => {
    if (!this.#loop.isClosed) {
      this.client.close();
      // One more turn lets the close request leave.
      this.client.doWork(this.clock.nowNs());
      this.#end();
    }
  };

  #watched(handlers: ClientHandlers): ClientHandlers {
    return {
      ...handlers,
      onMessage: (view, offset, length, timestamp) =>
        handlers.onMessage(view, offset, length, timestamp),
      onConnected: (id) => {
        handlers.onConnected?.(id);
        if (!this.#isSettled) {
          this.#isSettled = true;
          this.#resolve(this);
        }
      },
      onClosed: (error) => {
        handlers.onClosed?.(error);
        if (!this.#isSettled) {
          this.#isSettled = true;
          this.#reject(error ?? new PawlError(ErrorCode.Closed, 'the client was closed'));
          setImmediate(() => this.#end());
        }
      },
    };
  }

  #fail(error: unknown): void {
    this.#network.close();
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
