// network.ts: the datagram port.
//
// Polled, as every port: nothing above it holds a callback, a promise or a timer per packet. An
// endpoint is opened at once and reports its state when asked.

/** A peer's address: numeric IPv4 or IPv6 host, and UDP port. */
export interface SocketAddress {
  readonly host: string;
  readonly port: number;
}

/** How a datagram socket is opened. */
export interface DatagramOptions {
  /** Local numeric address to bind. */
  readonly host: string;
  /** Local port; 0 lets the system choose. */
  readonly port: number;
  /** When given, the socket is connected: it sends to and receives from this peer alone. */
  readonly remote?: SocketAddress;
  /** Requested socket buffer lengths in bytes; the system may grant less. */
  readonly sendBufferLength: number;
  readonly receiveBufferLength: number;
  /** Most bytes that may wait in the user-space inbox before datagrams are dropped and counted. */
  readonly inboxLengthMax: number;
}

export const SocketState = {
  /** Bind (or connect) is under way; sends are refused with SEND_NOT_READY. */
  Opening: 0,
  Open: 1,
  /** `failure` says why. Terminal. */
  Failed: 2,
  Closed: 3,
} as const;
export type SocketState = (typeof SocketState)[keyof typeof SocketState];

/** Result codes of `send`: bytes accepted (the datagram's length), or one of these. */
export const SEND_NOT_READY = -1;
/**
 * More than the named limit of bytes is still held by the socket; try again in a later duty cycle.
 */
export const SEND_BACK_PRESSURED = -2;
/** The socket refused this datagram (for example too long for the path); counted, not retried. */
export const SEND_FAILED = -3;

/**
 * Receives one datagram. The bytes are valid during the call only: they are copied (in one batch)
 * into a term buffer, or dropped.
 *
 * `sourceKey` is a positive integer that stands for the source address on this socket. It is never
 * reused for another address while the socket is open, but may be forgotten when many are known;
 * `addressOf` resolves it, so no address object is made per packet.
 */
export type DatagramHandler = (
  buffer: Uint8Array,
  offset: number,
  length: number,
  sourceKey: number,
) => void;

/** One UDP socket. */
export interface DatagramSocket {
  readonly state: SocketState;
  /** The reason after Failed; undefined otherwise. */
  readonly failure: Error | undefined;
  /** Address that was bound, with the port that the system chose; undefined before Open. */
  readonly localAddress: SocketAddress | undefined;
  /** Datagrams dropped because the inbox was full. */
  readonly droppedCount: number;
  /**
   * Sends `buffer[offset, offset + length)` as one datagram to the connected peer. The socket may
   * read the bytes until `heldBytes` returns to 0: they must not be reused before.
   */
  send(buffer: Uint8Array, offset: number, length: number): number;
  /** Sends to the peer behind a key, on a socket that is not connected. */
  sendTo(buffer: Uint8Array, offset: number, length: number, destinationKey: number): number;
  /** A key for an address, for `sendTo`. The same address gives the same key. */
  keyOf(address: SocketAddress): number;
  addressOf(key: number): SocketAddress;
  /** Bytes given to `send` that the socket still reads. */
  heldBytes(): number;
  /** Delivers up to `limit` received datagrams in arrival order; returns how many. */
  poll(handler: DatagramHandler, limit: number): number;
  /** Idempotent. Bytes still held are released by the port when the system is done with them. */
  close(): void;
}

/** Opens sockets. Never throws for a bad address: the socket reports Failed with the reason. */
export interface Network {
  open(options: DatagramOptions): DatagramSocket;
}
