// node-network.ts: the datagram port over node:dgram.

import { createSocket, type Socket } from 'node:dgram';
import type { DatagramOptions, Network } from '../ports/network.js';
import { lookupNumeric, NodeDatagramSocket, type SocketHost } from './node-socket.js';

/** Socket buffer length to ask for, in bytes; a burst of a whole window fits into it. */
export const SOCKET_BUFFER_LENGTH = 4 * 1024 * 1024;

/** How a NodeNetwork is tied to its process. */
export interface NodeNetworkOptions {
  /** Called when a datagram arrived or a socket changed its state: wakes the event loop. */
  readonly onReadable: () => void;
  /** Asked before every send; once true, every send answers SEND_NOT_READY. */
  readonly isPoisoned?: () => boolean;
  /** Replaces node:dgram in tests. */
  readonly createSocket?: (type: 'udp4' | 'udp6') => Socket;
}

/** Opens UDP sockets of the operating system. */
export class NodeNetwork implements Network {
  readonly #host: SocketHost;
  readonly #sockets = new Set<NodeDatagramSocket>();

  constructor(options: NodeNetworkOptions) {
    this.#host = {
      createSocket:
        options.createSocket ?? ((type) => createSocket({ type, lookup: lookupNumeric })),
      onReadable: options.onReadable,
      isPoisoned: options.isPoisoned ?? (() => false),
      onClosed: (socket) => this.#sockets.delete(socket),
    };
  }

  open(options: DatagramOptions): NodeDatagramSocket {
    const socket = new NodeDatagramSocket(options, this.#host);
    if (socket.failure === undefined) {
      this.#sockets.add(socket);
    }
    return socket;
  }

  /** Closes every socket. */
  close(): void {
    for (const socket of [...this.#sockets]) {
      socket.close();
    }
  }
}
