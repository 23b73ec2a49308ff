// egress-connection.ts: a leader's connection to one client, and how it is opened.

import { hit, Mark } from '../marks.js';
import type { ExclusivePublication } from '../transport/exclusive-publication.js';
import type { Transport } from '../transport/transport.js';
import type { ClusterConfig } from './cluster-config.js';
import type { EgressQueue } from './egress-queue.js';
import { EGRESS_SPARE_COUNT, reserveLengthOf } from './memory-budget.js';
import { egressChannelOf } from './response-channel.js';

/** A closed connection answers for what was lost on its way for so long. */
const LINGER_NS = 1_000_000_000;
/** Connections that are opened in one duty cycle: a new leader has many to open at once. */
const OPEN_COUNT_MAX = 64;

/** What a connection says before any message. */
export const Greeting = { None: 0, AwaitCommit: 1, Opened: 2, NewLeader: 3 } as const;
export type Greeting = (typeof Greeting)[keyof typeof Greeting];

/** What egress needs to know of a session. */
export interface EgressSession {
  readonly id: number;
  readonly correlationIdHigh: number;
  readonly correlationIdLow: number;
  readonly responseStreamId: number;
  readonly responseChannel: string;
}

/** A session's way to its client. */
export interface Connection {
  readonly session: EgressSession;
  /** Undefined until it is its turn, and there is memory for it. */
  publication: ExclusivePublication | undefined;
  readonly queue: EgressQueue;
  greeting: Greeting;
  /** When this leader last presented itself. */
  presentedNs: number;
  hasOverflowed: boolean;
}

export interface EgressHooks {
  /** The client did not take its egress: the leader closes the session by a log event. */
  onOverflow(sessionId: number): void;
  /** A service asked for the end of a session. Called on every member. */
  onCloseRequest(sessionId: number): void;
  /** Whether the client has sent anything that names this leader's term. */
  isHeard(sessionId: number): boolean;
}

/** Opens connections, so many in a duty cycle, as long as there is memory. */
export class EgressOpener {
  readonly #transport: Transport;
  readonly #config: ClusterConfig;
  readonly #reserveLength: number;
  #openedCount = 0;
  /** Whether some have to wait for the next duty cycle. */
  hasMore = false;

  constructor(transport: Transport, config: ClusterConfig) {
    this.#transport = transport;
    this.#config = config;
    this.#reserveLength = reserveLengthOf(config);
  }

  startTurn(): void {
    this.#openedCount = 0;
    this.hasMore = false;
  }

  /** Whether there is memory for one more session, and for answers beside. */
  hasRoom(): boolean {
    return this.#hasRoomFor(1 + EGRESS_SPARE_COUNT);
  }

  /** What clients are answered with leaves the log its reserve, as what they send does. */
  #hasRoomFor(count: number): boolean {
    const { egressTermLength } = this.#config;
    return this.#transport.canAddPublication(egressTermLength, count - 1, this.#reserveLength);
  }

  /** Undefined when it has to wait: for its turn, or for memory that others give back. */
  open(session: EgressSession): ExclusivePublication | undefined {
    const { egressTermLength, member } = this.#config;
    if (!this.#hasRoomFor(1)) {
      hit(Mark.EgressWaitsForMemory);
      return undefined;
    }
    if (this.#openedCount >= OPEN_COUNT_MAX) {
      this.hasMore = true;
      return undefined;
    }
    this.#openedCount++;
    const channel = egressChannelOf(session.responseChannel);
    return this.#transport.addPublication(channel, session.responseStreamId, {
      termLength: egressTermLength,
      mtuLength: member.mtuLength,
      lingerNs: LINGER_NS,
      isFailureTold: false,
    });
  }
}
