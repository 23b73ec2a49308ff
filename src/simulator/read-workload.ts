// read-workload.ts: queries of a simulated client, among its commands.
//
// A query reads a register, and how many commands the service had applied. Both are judged with the
// commands of all clients: a leader that answers when it leads no more is seen by either.

import type { ClusterClient } from '../client/cluster-client.js';
import { QueryClient } from '../client/query-client.js';
import type { HistoryJudge } from './linearizability/history-judge.js';
import type { Prng } from './prng.js';
import { drawRegisterKey } from './register-commands.js';
import type { TimeSource } from './virtual-clock.js';

const NS_PER_MS = 1_000_000;
/** Client, number of the query, and register, as i32. Some are longer, by bytes without meaning. */
const QUERY_LENGTH = 12;
/** A query that takes several frames, and so does its answer, which is as long. */
export const QUERY_LENGTH_MAX = 3_000;
/** Client, number of the query, number of commands, and what the register holds, as i32. */
export const QUERY_ANSWER_LENGTH = 16;
/** Queries that are asked at once, now and then. */
const BURST_MAX = 20;
const TIMEOUT_NS = 2_000 * NS_PER_MS;
const RETRY_INTERVAL_NS = 150 * NS_PER_MS;
/** Queries without an answer beyond which a client waits. */
const PENDING_COUNT_MAX = 64;

export interface ReadParts {
  readonly time: TimeSource;
  readonly history: HistoryJudge;
  /** How a query ended that was not answered. */
  onFailed(code: string): void;
}

/** The queries of one client over all its sessions. */
export class ReadWorkload {
  readonly #client: number;
  readonly #random: Prng;
  readonly #lengthRandom: Prng;
  /** One query in so many is longer than it has to be. */
  readonly #queriesPerLong: number;
  readonly #parts: ReadParts;
  readonly #intervalNs: number;
  readonly #body = new Uint8Array(QUERY_LENGTH_MAX);
  readonly #view = new DataView(this.#body.buffer);
  /** Number of each query of this session, and the register that it reads. */
  readonly #open = new Map<number, { readonly read: number; readonly key: number }>();
  #queries: QueryClient;
  #nextNs = 0;
  #readCount = 0;
  answeredCount = 0;

  /** @param intervalNs mean time between two queries; 0 for none. */
  constructor(client: number, random: Prng, parts: ReadParts, intervalNs: number) {
    this.#client = client;
    this.#random = random;
    this.#lengthRandom = random.fork('lengths');
    this.#queriesPerLong = random.fork('long queries').pick([25, 25, 1]);
    this.#parts = parts;
    this.#intervalNs = intervalNs;
    this.#queries = this.#makeClient();
  }

  /** The client's process starts: what was asked before has no answer any more. */
  start(): void {
    this.#open.clear();
    this.#queries = this.#makeClient();
  }

  /** What a session's client is to be given as handlers. */
  get queries(): QueryClient {
    return this.#queries;
  }

  /** Asks what is due, and sends it. @param nowNs in the time of the client's process. */
  doWork(client: ClusterClient, nowNs: number): number {
    if (this.#intervalNs === 0) {
      return 0;
    }
    if (this.#parts.time.nowNs >= this.#nextNs) {
      this.#ask(client, nowNs);
    }
    return this.#queries.doWork(client, nowNs);
  }

  /** When the next call has to be, in the time of the client's process. */
  deadlineNs(nowNs: number): number {
    if (this.#intervalNs === 0) {
      return Number.POSITIVE_INFINITY;
    }
    const waitNs = Math.max(0, this.#nextNs - this.#parts.time.nowNs);
    return Math.min(this.#queries.deadlineNs(), nowNs + waitNs);
  }

  #ask(client: ClusterClient, nowNs: number): void {
    const random = this.#random;
    const { history, time } = this.#parts;
    this.#nextNs = time.nowNs + random.below(2 * this.#intervalNs) + NS_PER_MS;
    const count = random.chance(1, 10) ? random.between(1, BURST_MAX) : 1;
    if (client.state !== 'connected') {
      return;
    }
    for (let index = 0; index < count && !history.isFull; index++) {
      const key = drawRegisterKey(random, time);
      const read = this.#readCount + 1;
      this.#view.setInt32(0, this.#client, true);
      this.#view.setInt32(4, read, true);
      this.#view.setInt32(8, key, true);
      const isRoomy = this.#queries.pendingCount < PENDING_COUNT_MAX;
      const body = this.#body.subarray(0, this.#drawLength());
      const queryId = isRoomy ? this.#queries.query(body, nowNs, TIMEOUT_NS) : -1;
      if (queryId > 0) {
        this.#readCount = read;
        this.#open.set(queryId, { read, key });
        history.onAsked(this.#client, read, key);
      }
    }
  }

  /**
   * Most are short and share messages; some have one of their own, in one frame or in several. All
   * of some clients' are long, which fill the room where queries wait.
   */
  #drawLength(): number {
    const random = this.#lengthRandom;
    return random.chance(1, this.#queriesPerLong)
      ? random.between(QUERY_LENGTH, QUERY_LENGTH_MAX)
      : QUERY_LENGTH;
  }

  #makeClient(): QueryClient {
    return new QueryClient(
      {
        onAnswer: ({ queryId }, view, offset) => this.#onAnswer(queryId, view, offset),
        onFailed: (queryId, reason) => {
          this.#open.delete(queryId);
          this.#parts.onFailed(reason.code);
        },
      },
      { queryRetryIntervalNs: RETRY_INTERVAL_NS },
    );
  }

  #onAnswer(queryId: number, view: DataView, offset: number): void {
    const asked = this.#open.get(queryId);
    this.#open.delete(queryId);
    const isOwn =
      view.getInt32(offset, true) === this.#client &&
      view.getInt32(offset + 4, true) === asked?.read;
    if (asked === undefined || !isOwn) {
      this.#parts.onFailed('ANSWER_OF_ANOTHER');
      return;
    }
    this.answeredCount++;
    const place = view.getInt32(offset + 8, true);
    const value = view.getInt32(offset + 12, true);
    this.#parts.history.onRead(this.#client, asked.read, asked.key, place, value);
  }
}
