// node-network.ts: the datagram port over node:dgram.

import { createSocket, type Socket } from 'node:dgram';
import type { DatagramOptions, Network } from '../ports/network.js';
import { lookupNumeric, NodeDatagramSocket, type SocketHost } from './node-socket.js';
import { collectYoung } from './young-collection.js';

/** Socket buffer length to ask for, in bytes; a burst of a whole window fits into it. */
export const SOCKET_BUFFER_LENGTH = 4 * 1024 * 1024;

/**
 * Bytes of datagrams after which their buffers are freed: so few that V8 does not come to mark its
 * whole heap for them, and so many that a collection is a small part of the work.
 */
export const YOUNG_COLLECTION_LENGTH = 4 * 1024 * 1024;

/** How a NodeNetwork is tied to its process. */
export interface NodeNetworkOptions {
  /** Called when a datagram arrived or a socket changed its state: wakes the event loop. */
  readonly onReadable: () => void;
  /** Asked before every send; once true, every send answers SEND_NOT_READY. */
  readonly isPoisoned?: () => boolean;
  /** Replaces node:dgram in tests. */
  readonly createSocket?: (type: 'udp4' | 'udp6') => Socket;
  /** Frees the buffers of datagrams that were used. Replaced in tests. */
  readonly collectYoung?: () => void;
}

/** Opens UDP sockets of the operating system. */
export class NodeNetwork implements Network {
  readonly #host: SocketHost;
  readonly #sockets = new Set<NodeDatagramSocket>();
  readonly #collectYoung: () => void;
  #uncollectedLength = 0;

  constructor(options: NodeNetworkOptions) {
    this.#collectYoung = options.collectYoung ?? collectYoung;
    this.#host = {
      createSocket:
        options.createSocket ?? ((type) => createSocket({ type, lookup: lookupNumeric })),
      onReadable: options.onReadable,
      onReceived: (length) => this.#noteReceived(length),
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

  /**
   * The collection waits for an immediate, which comes after the one of the turn that this datagram
   * woke: by then it was used. What is still in use survives, and is freed late if it does twice.
   */
  #noteReceived(length: number): void {
    const before = this.#uncollectedLength;
    this.#uncollectedLength += length;
    if (before < YOUNG_COLLECTION_LENGTH && this.#uncollectedLength >= YOUNG_COLLECTION_LENGTH) {
      setImmediate(() => {
        this.#uncollectedLength = 0;
        this.#collectYoung();
      });
    }
  }

  /** Closes every socket. */
  close(): void {
    for (const socket of [...this.#sockets]) {
      socket.close();
    }
  }
}
