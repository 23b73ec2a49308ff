// udp-proxy.ts: a network that misbehaves on purpose, between two programs on loopback.
//
// It listens on a port of its own and forwards to a target; what the target answers goes back to
// whoever wrote. Each direction loses, duplicates and holds back datagrams by a seeded stream of
// chance. The dice are thrown by ordinal, four per datagram: the same seed does the same to the
// n-th datagram of a direction, whatever happened to the others. Which datagram is the n-th is up
// to the programs and the system, so a run is not repeated bit by bit.

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { Prng } from '../../src/simulator/prng.js';

const HOST = '127.0.0.1';
const SOCKET_BUFFER_LENGTH = 4 * 1024 * 1024;
const TWO_POW_32 = 0x1_0000_0000;
/** A datagram that is held back goes on after at most this many others of its direction. */
const HOLD_COUNT_MAX = 8;
/** ... or after this time, so that the last one of a burst is not held for ever. */
const HOLD_MS_MAX = 5;
/** Programs that one proxy tells apart. */
const PEER_COUNT_MAX = 1024;

/** What a direction does to datagrams: probabilities from 0 to 1. */
export interface UdpFaults {
  readonly loss?: number;
  readonly duplication?: number;
  readonly reordering?: number;
}

/** What happened to the datagrams of one direction. */
export interface UdpProxyCounters {
  received: number;
  forwarded: number;
  lost: number;
  duplicated: number;
  reordered: number;
}

export interface UdpProxyOptions {
  /** Where the proxy forwards to, on loopback. */
  readonly targetPort: number;
  readonly seed: number;
  /** From whoever writes to the proxy, to the target. */
  readonly forward?: UdpFaults;
  /** From the target back. */
  readonly backward?: UdpFaults;
}

interface Held {
  readonly dueOrdinal: number;
  readonly send: () => void;
}

/** The fate of the datagrams that go one way. */
class Direction {
  readonly counters: UdpProxyCounters = {
    received: 0,
    forwarded: 0,
    lost: 0,
    duplicated: 0,
    reordered: 0,
  };
  faults: UdpFaults;
  readonly #dice: Prng;
  #held: Held[] = [];
  #timer: NodeJS.Timeout | undefined;

  constructor(dice: Prng, faults: UdpFaults) {
    this.#dice = dice;
    this.faults = faults;
  }

  /** Takes one datagram; `send` forwards it once. */
  take(send: () => void): void {
    const { loss = 0, duplication = 0, reordering = 0 } = this.faults;
    const counters = this.counters;
    counters.received += 1;
    const isLost = this.#throw(loss);
    const isDuplicated = this.#throw(duplication);
    const isHeld = this.#throw(reordering);
    const holdCount = 1 + (this.#dice.nextUint32() % HOLD_COUNT_MAX);
    if (isLost) {
      counters.lost += 1;
    } else if (isHeld) {
      counters.reordered += 1;
      this.#hold({ dueOrdinal: counters.received + holdCount, send: () => this.#forward(send) });
    } else {
      this.#forward(send);
    }
    if (isDuplicated && !isLost) {
      counters.duplicated += 1;
      this.#forward(send);
    }
    if (this.#held.length > 0) {
      this.#release(counters.received);
    }
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#held = [];
  }

  #throw(probability: number): boolean {
    return this.#dice.nextUint32() < probability * TWO_POW_32;
  }

  #forward(send: () => void): void {
    this.counters.forwarded += 1;
    send();
  }

  #hold(held: Held): void {
    this.#held.push(held);
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#release(Infinity);
    }, HOLD_MS_MAX);
  }

  #release(ordinal: number): void {
    const due = this.#held.filter((held) => held.dueOrdinal <= ordinal);
    if (due.length > 0) {
      this.#held = this.#held.filter((held) => held.dueOrdinal > ordinal);
      for (const held of due) {
        held.send();
      }
    }
  }
}

/** Forwards datagrams between any number of writers and one target. */
export class UdpProxy {
  readonly #options: UdpProxyOptions;
  readonly #front: Socket;
  /** One socket to the target for each writer, so that answers find their way back. */
  readonly #backs = new Map<string, Socket>();
  readonly #forward: Direction;
  readonly #backward: Direction;
  #isClosed = false;

  private constructor(options: UdpProxyOptions) {
    const dice = new Prng(options.seed);
    this.#options = options;
    this.#forward = new Direction(dice.fork('forward'), options.forward ?? {});
    this.#backward = new Direction(dice.fork('backward'), options.backward ?? {});
    this.#front = openSocket();
  }

  /** Starts a proxy on a port that the system chooses. */
  static async start(options: UdpProxyOptions): Promise<UdpProxy> {
    const proxy = new UdpProxy(options);
    proxy.#front.on('message', (bytes, from) => proxy.#takeForward(bytes, from));
    const listening = once(proxy.#front, 'listening');
    proxy.#front.bind(0, HOST);
    await listening;
    return proxy;
  }

  /** Write here instead of to the target. */
  get port(): number {
    return (this.#front.address() as AddressInfo).port;
  }

  get forwardCounters(): UdpProxyCounters {
    return this.#forward.counters;
  }

  get backwardCounters(): UdpProxyCounters {
    return this.#backward.counters;
  }

  /** Changes what happens from the next datagram on; a loss of 1 cuts a direction. */
  setFaults(faults: { readonly forward?: UdpFaults; readonly backward?: UdpFaults }): void {
    this.#forward.faults = faults.forward ?? this.#forward.faults;
    this.#backward.faults = faults.backward ?? this.#backward.faults;
  }

  /** Drops what is held back, and ends. Idempotent. */
  close(): void {
    if (this.#isClosed) {
      return;
    }
    this.#isClosed = true;
    this.#forward.close();
    this.#backward.close();
    for (const socket of [this.#front, ...this.#backs.values()]) {
      socket.close();
    }
  }

  #takeForward(bytes: Buffer, from: RemoteInfo): void {
    const key = `${from.address}:${from.port}`;
    const back = this.#backs.get(key) ?? this.#openBack(key, from);
    if (back !== undefined) {
      const { targetPort } = this.#options;
      this.#forward.take(() => this.#send(back, bytes, targetPort));
    }
  }

  #openBack(key: string, from: RemoteInfo): Socket | undefined {
    if (this.#backs.size >= PEER_COUNT_MAX) {
      return undefined;
    }
    const back = openSocket();
    back.on('message', (bytes) => {
      this.#backward.take(() => this.#send(this.#front, bytes, from.port));
    });
    back.bind(0, HOST);
    this.#backs.set(key, back);
    return back;
  }

  #send(socket: Socket, bytes: Buffer, port: number): void {
    if (!this.#isClosed) {
      socket.send(bytes, port, HOST, ignoreSendError);
    }
  }
}

function openSocket(): Socket {
  const socket = createSocket({
    type: 'udp4',
    recvBufferSize: SOCKET_BUFFER_LENGTH,
    sendBufferSize: SOCKET_BUFFER_LENGTH,
    // Addresses are numeric already: no resolver, and no turn of the event loop per datagram.
    lookup: (host, _options, callback) => callback(null, host, 4),
  });
  // A target that is gone answers with an error; to this network it is a loss like any other.
  socket.on('error', ignoreSendError);
  return socket;
}

function ignoreSendError(): undefined {
  return undefined;
}
