// user-queries.ts: what one client of a user's workload asks, and what it thinks of the answers.

import type { ClusterClient } from '../../client/cluster-client.js';
import { QueryClient } from '../../client/query-client.js';
import { ErrorCode, type PawlError } from '../../errors.js';
import type { Position } from '../../position.js';
import type { Prng } from '../prng.js';
import type { TimeSource } from '../virtual-clock.js';
import type { ClientReads } from '../workload.js';

const NS_PER_MS = 1_000_000;
const TIMEOUT_NS = 2_000 * NS_PER_MS;
const RETRY_INTERVAL_NS = 150 * NS_PER_MS;
/** Queries that are asked at once, now and then. */
const BURST_MAX = 5;
/** Queries without an answer beyond which a client waits. */
const PENDING_COUNT_MAX = 32;

/** An answer as it reached its client. */
export interface ClientAnswer {
  readonly sessionId: number;
  readonly query: Uint8Array;
  readonly answer: Uint8Array;
  readonly logPosition: Position;
  /** What had been applied somewhere when it was asked. */
  readonly appliedPosition: Position;
}

export interface UserQueriesParts {
  readonly time: TimeSource;
  readonly random: Prng;
  /** Mean time between two moments at which the workload is asked for queries. */
  readonly intervalNs: number;
  /** Position of the last event that an instance of the service has handled. */
  readonly appliedPosition: () => Position;
  readonly sessionId: () => number;
  /** The workload's next query; undefined for none. */
  readonly next: () => Uint8Array | undefined;
  readonly onAnswer: (answer: ClientAnswer) => void;
  readonly onRefused: (reason: PawlError, query: Uint8Array) => void;
}

interface OpenQuery {
  readonly query: Uint8Array;
  readonly appliedPosition: Position;
}

/** The queries of one client over all its sessions. */
export class UserQueries implements ClientReads {
  readonly #parts: UserQueriesParts;
  readonly #open = new Map<number, OpenQuery>();
  #queries: QueryClient;
  #nextNs = 0;
  answeredCount = 0;

  constructor(parts: UserQueriesParts) {
    this.#parts = parts;
    this.#queries = this.#makeClient();
  }

  start(): void {
    this.#open.clear();
    this.#queries = this.#makeClient();
  }

  get queries(): QueryClient {
    return this.#queries;
  }

  doWork(client: ClusterClient, nowNs: number): number {
    const { intervalNs, random, time } = this.#parts;
    if (time.nowNs >= this.#nextNs) {
      this.#nextNs = time.nowNs + random.below(2 * intervalNs) + NS_PER_MS;
      const count = random.chance(1, 10) ? random.between(1, BURST_MAX) : 1;
      for (let index = 0; index < count && client.state === 'connected'; index++) {
        this.#ask(nowNs);
      }
    }
    return this.#queries.doWork(client, nowNs);
  }

  deadlineNs(nowNs: number): number {
    const waitNs = Math.max(0, this.#nextNs - this.#parts.time.nowNs);
    return Math.min(this.#queries.deadlineNs(), nowNs + waitNs);
  }

  #ask(nowNs: number): void {
    const { appliedPosition, next } = this.#parts;
    const query = this.#queries.pendingCount < PENDING_COUNT_MAX ? next() : undefined;
    const queryId = query === undefined ? -1 : this.#queries.query(query, nowNs, TIMEOUT_NS);
    if (query !== undefined && queryId > 0) {
      this.#open.set(queryId, { query, appliedPosition: appliedPosition() });
    }
  }

  #makeClient(): QueryClient {
    return new QueryClient(
      {
        onAnswer: ({ logPosition, queryId }, view, offset, length) => {
          const bytes = new Uint8Array(view.buffer, view.byteOffset + offset, length).slice();
          this.#onAnswer(queryId, bytes, logPosition);
        },
        onFailed: (queryId, reason) => this.#onFailed(queryId, reason),
      },
      { queryRetryIntervalNs: RETRY_INTERVAL_NS },
    );
  }

  #onAnswer(queryId: number, answer: Uint8Array, logPosition: Position): void {
    const asked = this.#open.get(queryId);
    this.#open.delete(queryId);
    if (asked !== undefined) {
      this.answeredCount++;
      const sessionId = this.#parts.sessionId();
      this.#parts.onAnswer({ ...asked, sessionId, answer, logPosition });
    }
  }

  /** One that found no room, or no answer in time, changes nothing and says nothing. */
  #onFailed(queryId: number, reason: PawlError): void {
    const asked = this.#open.get(queryId);
    this.#open.delete(queryId);
    const isLate = reason.code === ErrorCode.Timeout || reason.code === ErrorCode.LimitExceeded;
    if (asked !== undefined && !isLate) {
      this.#parts.onRefused(reason, asked.query);
    }
  }
}
