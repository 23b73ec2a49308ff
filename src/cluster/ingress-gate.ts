// ingress-gate.ts: which streams of clients a member takes, by its memory.
//
// What clients send must leave room for the log, without which the member is none, and for what the
// clients are answered with. Of many that come at once, those that find no room are told so at
// once: for each that has come and has no answer yet, the room of one is kept. Only for a while: a
// client asks for its session as soon as its stream is taken, and what strangers leave behind, or
// clients that are gone, would keep others out.

import type { Arena } from '../memory/arena.js';
import type { ClusterConfig } from './cluster-config.js';
import { roomForStream } from './memory-budget.js';

/** How long a stream that has come counts as one of a client that is still to be answered. */
const UNANSWERED_NS = 1_000_000_000;

/** How many streams come from clients, and how many lead to them. */
export interface ClientStreams {
  readonly ingressCount: number;
  readonly egressCount: number;
}

/** Decides about streams of clients. */
export class IngressGate {
  readonly #arena: Arena;
  readonly #config: ClusterConfig;
  readonly #streams: () => ClientStreams;
  /** When the youngest streams were taken, ascending. */
  #takenNs: number[] = [];

  constructor(arena: Arena, config: ClusterConfig, streams: () => ClientStreams) {
    this.#arena = arena;
    this.#config = config;
    this.#streams = streams;
  }

  /** Whether a stream is taken, or, to be told to the client, why not. */
  accept(termLength: number, nowNs: number): true | string {
    this.#takenNs = this.#takenNs.filter((takenNs) => nowNs - takenNs < UNANSWERED_NS);
    const { egressCount, ingressCount } = this.#streams();
    // Where more lead to clients than come from them, the one that comes is of a session that a new
    // leader has connected to already.
    const isAnswered = egressCount > ingressCount;
    const waitingCount = Math.min(this.#takenNs.length, Math.max(0, ingressCount - egressCount));
    const unansweredCount = isAnswered ? 0 : 1 + waitingCount;
    const answer = roomForStream(this.#arena, termLength, this.#config, unansweredCount);
    if (answer === true) {
      this.#takenNs.push(nowNs);
    }
    return answer;
  }
}
