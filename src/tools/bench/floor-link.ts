// floor-link.ts: the least that carries messages over one connected UDP socket.
//
// Messages of one fixed length are copied into a ring once and leave from there, as many whole ones
// in a datagram as fit. Nothing is numbered, acknowledged or sent again: on loopback, with less in
// flight than the sockets hold, nothing is lost, and where it is the run says so.

import type { DatagramSocket, Network, SocketAddress } from '../../ports/network.js';

/** Bytes of a ring. */
export const RING_LENGTH_MAX = 16 * 1024 * 1024;
const SOCKET_BUFFER_LENGTH = 4 * 1024 * 1024;
const INBOX_LENGTH_MAX = 64 * 1024 * 1024;

/** Most datagrams taken from a socket in one turn. */
export const POLL_LIMIT = 4_096;

/** Both addresses of a connection, seen from one side. */
export interface LinkEnds {
  readonly local: SocketAddress;
  readonly remote: SocketAddress;
}

/** Opens one end of a connection. */
export function openLink(network: Network, ends: LinkEnds): DatagramSocket {
  return network.open({
    host: ends.local.host,
    port: ends.local.port,
    remote: ends.remote,
    sendBufferLength: SOCKET_BUFFER_LENGTH,
    receiveBufferLength: SOCKET_BUFFER_LENGTH,
    inboxLengthMax: INBOX_LENGTH_MAX,
  });
}

/** Messages of one length in the order in which they came, by byte position. */
export class MessageRing {
  readonly bytes: Uint8Array;
  readonly capacity: number;
  readonly #stride: number;
  readonly #datagramLength: number;
  #end = 0;

  /** @param mtu most bytes of a datagram. @param memory RING_LENGTH_MAX bytes to use. */
  constructor(
    messageLength: number,
    mtu: number,
    memory: Uint8Array = new Uint8Array(RING_LENGTH_MAX),
  ) {
    this.#stride = messageLength;
    this.#datagramLength = Math.max(1, Math.floor(mtu / messageLength)) * messageLength;
    this.capacity = Math.floor(RING_LENGTH_MAX / messageLength) * messageLength;
    this.bytes = memory.subarray(0, this.capacity);
  }

  get stride(): number {
    return this.#stride;
  }

  /** Position behind the last message. */
  get end(): number {
    return this.#end;
  }

  offsetOf(position: number): number {
    return position % this.capacity;
  }

  /** Copies whole messages to the end. */
  append(source: Uint8Array, offset: number, length: number): void {
    const at = this.#end % this.capacity;
    const first = Math.min(length, this.capacity - at);
    this.bytes.set(source.subarray(offset, offset + first), at);
    if (first < length) {
      this.bytes.set(source.subarray(offset + first, offset + length), 0);
    }
    this.#end += length;
  }

  /** Sends from a position on; returns the position up to which the socket took it. */
  send(socket: DatagramSocket, from: number): number {
    let position = from;
    while (position < this.#end) {
      const offset = position % this.capacity;
      const contiguous = Math.min(this.#end - position, this.capacity - offset);
      const length = Math.min(contiguous, this.#datagramLength);
      if (socket.send(this.bytes, offset, length) < 0) {
        break;
      }
      position += length;
    }
    return position;
  }
}
