// node-client.ts: runs a client in this process, over Node's ports.

import { type ClientOptions, concludeClientOptions } from '../client/client-options.js';
import { type ClientHandlers, ClusterClient } from '../client/cluster-client.js';
import { ErrorCode, PawlError } from '../errors.js';
import { Arena } from '../memory/arena.js';
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
  /** What ended the client's loop, if anything but `close` does. */
  readonly onFatal?: (error: unknown) => void;
}

/** A client and the loop that drives it. */
export interface NodeClient {
  readonly client: ClusterClient;
  readonly clock: NodeClock;
  /** After an offer: lets it leave in the next turn. */
  wake(): void;
  /** Ends the session and the loop. Idempotent. */
  close(): void;
}

/**
 * Opens a session.
 *
 * @returns when the cluster has committed the session.
 * @throws PawlError TIMEOUT, SESSION_REFUSED, CONFIGURATION_INVALID.
 */
export function connectClient(
  options: NodeClientOptions,
  handlers: ClientHandlers,
): Promise<NodeClient> {
  const { idle, onFatal, ...clientOptions } = options;
  const concluded = concludeClientOptions(clientOptions);
  return new Promise((resolve, reject) => {
    const clock = new NodeClock();
    let isSettled = false;
    const fail = (error: unknown): void => {
      network.close();
      if (isSettled) {
        onFatal?.(error);
      } else {
        isSettled = true;
        reject(error);
      }
    };
    const loop = new EventLoop({ clock, onFatal: fail, idleStrategy: idle ?? 'event' });
    const network = new NodeNetwork({ onReadable: loop.wake });
    const arena = Arena.create(CLIENT_MEMORY_LENGTH);
    const transport = new Transport({
      arena,
      network,
      entropy: new NodeEntropy(),
      config: {
        mtuLength: concluded.mtuLength,
        initialWindowLength: concluded.windowLength,
        socketBufferLength: SOCKET_BUFFER_LENGTH,
      },
    });
    const close = (): void => {
      if (!loop.isClosed) {
        client.close();
        // One more turn lets the close request leave.
        client.doWork(clock.nowNs());
        loop.close();
        network.close();
      }
    };
    const client = new ClusterClient({
      transport,
      entropy: new NodeEntropy(),
      options: concluded,
      handlers: {
        ...handlers,
        onMessage: (view, offset, length, timestamp) =>
          handlers.onMessage(view, offset, length, timestamp),
        onConnected: (id) => {
          handlers.onConnected?.(id);
          if (!isSettled) {
            isSettled = true;
            resolve({ client, clock, wake: loop.wake, close });
          }
        },
        onClosed: (error) => {
          handlers.onClosed?.(error);
          if (!isSettled) {
            isSettled = true;
            loop.close();
            network.close();
            reject(error ?? new PawlError(ErrorCode.Closed, 'the client was closed'));
          }
        },
      },
    });
    loop.add({
      roleName: 'client',
      doWork: (nowNs) => client.doWork(nowNs),
      deadlineNs: () => client.deadlineNs(),
      close: () => {
        client.close();
        transport.close();
      },
    });
    loop.wake();
  });
}
