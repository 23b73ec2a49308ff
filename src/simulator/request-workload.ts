// request-workload.ts: clients that make exactly-once requests, and retry them by themselves.

import { ExactlyOnceClient, type ExactlyOnceOptions } from '../client/exactly-once-client.js';
import type { Requests } from './invariants/requests.js';
import type { Prng } from './prng.js';
import type { ArenaPool } from './simulated-cluster.js';
import { startSimulatedRequester } from './simulated-requester.js';
import { credentialsOf } from './simulated-security.js';
import type { Timeline } from './timeline.js';
import type { VirtualNode } from './virtual-node.js';
import type { World } from './world.js';

const NS_PER_MS = 1_000_000;
/** Requester and its sequence, as i32; the rest is filling. */
export const REQUEST_HEADER_LENGTH = 8;
/** Requester, sequence and number in the order of all requests, as i32, before the filling. */
export const REQUEST_REPLY_LENGTH = 12;
/** Longest request: with its header it fits into an eighth of a small term. */
const LONG_LENGTH_MAX = 7_000;
const SHORT_LENGTH_MAX = 200;
/** Soon enough to lose a session in each longer trouble. */
const IMPATIENT = { connectTimeoutMs: 2_000, newLeaderTimeoutMs: 2_000, keepAliveIntervalMs: 300 };

/** How requesters behave. */
export interface RequestOptions {
  readonly requesterCount: number;
  /** Mean time between two requests of a requester. */
  readonly intervalNs: number;
  readonly requestTimeoutNs: number;
  readonly retryIntervalNs: number;
  /** Requests without an outcome at a time. */
  readonly windowMax: number;
  /** Chance of a long request, in millionths. */
  readonly longPerMillion: number;
  /** Chance that a copy of a request that has its reply is sent with the next, in millionths. */
  readonly strayPerMillion: number;
}

export interface RequesterParts {
  readonly world: World;
  readonly arenas: ArenaPool;
  readonly ingressEndpoints: string;
  readonly requests: Requests;
  readonly timeline: Timeline;
  readonly isAuthenticated: boolean;
}

/** One requester; its process lives as long as the run. */
export class SimulatedRequester {
  readonly id: number;
  readonly node: VirtualNode;
  readonly #parts: RequesterParts;
  readonly #options: RequestOptions;
  readonly #random: Prng;
  readonly #view = new DataView(new ArrayBuffer(LONG_LENGTH_MAX));
  #client: ExactlyOnceClient | undefined;
  readonly #strayRandom: Prng;
  /** Client and request of the last reply. */
  #replied = { clientId: -1, requestId: 0 };
  #nextNs = 0;
  /** Requests made: the sequence of the last one, and the client's id of it. */
  madeCount = 0;
  /** Greatest sequence that was answered. */
  answeredSequence = 0;

  constructor(id: number, parts: RequesterParts, options: RequestOptions) {
    this.id = id;
    this.#parts = parts;
    this.#options = options;
    this.#random = parts.world.random.fork(`requester ${id}`);
    this.#strayRandom = parts.world.random.fork(`strays of requester ${id}`);
    this.node = parts.world.addNode({ name: `requester ${id}` });
  }

  /** Requests that were sent again. */
  get retryCount(): number {
    return this.#client?.retryCount ?? 0;
  }

  start(): void {
    const { arenas, ingressEndpoints, isAuthenticated } = this.#parts;
    const credentials = isAuthenticated ? credentialsOf(this.node.name) : undefined;
    startSimulatedRequester(
      this.node,
      arenas,
      { ...IMPATIENT, ingressEndpoints, credentials },
      {
        make: (open) => {
          this.#client = new ExactlyOnceClient(open, this, this.#clientOptions(), {
            onConnected: (sessionId) =>
              this.#parts.timeline.add(this.node.name, `has session ${sessionId}`),
          });
          return this.#client;
        },
        onTurn: (client, nowNs) => this.#onTurn(client, nowNs),
        nextTurnNs: () => this.#nextNs,
      },
    );
  }

  /** Leaves: what is open becomes unknown. */
  stop(): void {
    this.node.stop();
  }

  onAnswer(
    reply: { readonly requestId: number; readonly logPosition: number },
    view: DataView,
    offset: number,
  ): void {
    const requester = view.getInt32(offset, true);
    const sequence = view.getInt32(offset + 4, true);
    const order = view.getInt32(offset + 8, true);
    this.answeredSequence = Math.max(this.answeredSequence, reply.requestId);
    this.#replied = { clientId: this.#client?.clientId ?? -1, requestId: reply.requestId };
    // Sequences are the client's own ids: what comes back has to be what was asked.
    const isOwn = requester === this.id && sequence === reply.requestId;
    const answered = { requester: this.id, sequence: reply.requestId, order: isOwn ? order : -1 };
    this.#parts.requests.onAnswer(answered, reply.logPosition);
  }

  onFailed(requestId: number, reason: { readonly code: string }): void {
    this.#parts.requests.onFailed(this.id, requestId, reason.code);
  }

  #clientOptions(): ExactlyOnceOptions {
    const { requestTimeoutNs, retryIntervalNs, windowMax } = this.#options;
    return { requestTimeoutNs, retryIntervalNs, windowMax };
  }

  #onTurn(client: ExactlyOnceClient, nowNs: number): number {
    if (nowNs < this.#nextNs) {
      return 0;
    }
    this.#nextNs = nowNs + this.#random.below(2 * this.#options.intervalNs) + NS_PER_MS;
    const sequence = this.madeCount + 1;
    if (this.#strayRandom.chance(this.#options.strayPerMillion, 1_000_000)) {
      this.#sendStray(client);
    }
    const bytes = this.#write(sequence);
    const result = client.request(bytes, nowNs);
    if (result !== sequence) {
      return 0;
    }
    this.madeCount = sequence;
    const { requests, world } = this.#parts;
    requests.onMade(this.id, sequence, world.nowNs + this.#options.requestTimeoutNs);
    return 1;
  }

  /**
   * A retry that was long on its way, as from a queue between client and cluster: its client has
   * had the reply since, and may have told that it needs it no more. It must not be executed. Of
   * what was unanswered it says nothing: replies come in any order, and those that its client still
   * waits for must stay.
   */
  #sendStray(client: ExactlyOnceClient): void {
    const { clientId, requestId } = this.#replied;
    if (clientId >= 0 && clientId === client.clientId) {
      const numbers = { clientId, requestId, lowestUnansweredRequestId: 0 };
      client.session?.offerRequest(numbers, this.#header(requestId));
    }
  }

  #header(sequence: number): Uint8Array {
    this.#view.setInt32(0, this.id, true);
    this.#view.setInt32(4, sequence, true);
    return new Uint8Array(this.#view.buffer, 0, REQUEST_HEADER_LENGTH);
  }

  #write(sequence: number): Uint8Array {
    const isLong = this.#random.chance(this.#options.longPerMillion, 1_000_000);
    const longest = isLong ? LONG_LENGTH_MAX : SHORT_LENGTH_MAX;
    const length = this.#random.between(REQUEST_HEADER_LENGTH, longest);
    const bytes = new Uint8Array(this.#view.buffer, 0, length);
    bytes.fill(sequence & 0xff, REQUEST_HEADER_LENGTH);
    this.#header(sequence);
    return bytes;
  }
}
