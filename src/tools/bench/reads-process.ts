// reads-process.ts: the client of `bench reads`, in a process of its own.
//
// One session, one loop. Reads through the log are the requests of `connect`, the others its
// queries: the polled clients below the promises, which cost the same for both.

import { QueryClient } from '../../client/query-client.js';
import { RequestClient } from '../../client/request-client.js';
import type { PawlError } from '../../errors.js';
import { connectClient, type NodeClient, type NodeClientOptions } from '../../host/node-client.js';
import { serveParent } from '../child-process.js';
import { LatencyRecorder, rounded } from '../latency.js';
import {
  encodeRequest,
  KeyValueOperation,
  KeyValueResult,
} from '../services/key-value-messages.js';

const NS_PER_SECOND = 1e9;
/** Reads without an answer at a time, at most. */
export const WINDOW_MAX = 16_384;
const OUTCOME_TIMEOUT_NS = 10 * NS_PER_SECOND;
/** In place of a result of the service: none came. */
const NO_OUTCOME = -1;
/** Keys are written so many at a time. */
const FILL_WINDOW = 256;

export interface ReadSpec {
  /** `fill` writes every key once. */
  readonly path: 'log' | 'query' | 'fill';
  /** Reads without an answer at a time. */
  readonly window: number;
  readonly seconds: number;
  readonly keys: number;
  /** Bytes of a value. */
  readonly payload: number;
}

/** One run. Latencies in microseconds. */
export interface ReadRun {
  readonly count: number;
  /** Reads per second. */
  readonly rate: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  /** Reads that ended without a value: 0 in a run that counts. */
  readonly failed: number;
}

/** Keeps a window of operations open, and takes their times. */
class ReadDriver {
  readonly #session: NodeClient;
  readonly #requests: RequestClient;
  readonly #queries: QueryClient;
  readonly #sentNs = new Map<number, number>();
  #bodies: Uint8Array[] = [];
  #recorder = new LatencyRecorder();
  #isQuery = false;
  #next = 0;
  #left = 0;
  #endNs = 0;
  #startNs = 0;
  #failed = 0;
  #done: ((run: ReadRun) => void) | undefined;

  constructor(session: NodeClient, requests: RequestClient, queries: QueryClient) {
    this.#session = session;
    this.#requests = requests;
    this.#queries = queries;
  }

  run(spec: ReadSpec): Promise<ReadRun> {
    const isFill = spec.path === 'fill';
    const value = new Uint8Array(spec.payload).fill(0x70);
    const operation = isFill ? KeyValueOperation.Put : KeyValueOperation.Get;
    this.#bodies = Array.from({ length: spec.keys }, (_, index) => {
      const key = `key ${index}`;
      return encodeRequest(isFill ? { operation, key, value } : { operation, key });
    });
    this.#recorder = new LatencyRecorder();
    this.#isQuery = spec.path === 'query';
    this.#next = 0;
    this.#failed = 0;
    this.#left = isFill ? spec.keys : Number.POSITIVE_INFINITY;
    this.#startNs = this.#session.clock.nowNs();
    this.#endNs = isFill ? Number.POSITIVE_INFINITY : this.#startNs + spec.seconds * NS_PER_SECOND;
    return new Promise((done) => {
      this.#done = done;
      const window = isFill ? Math.min(FILL_WINDOW, spec.keys) : spec.window;
      for (let index = 0; index < window; index++) {
        this.#send();
      }
      this.#session.wake();
    });
  }

  /** An operation has its outcome: the next one takes its place. */
  onOutcome(id: number, result: number): void {
    const nowNs = this.#session.clock.nowNs();
    this.#recorder.record(nowNs - (this.#sentNs.get(id) ?? nowNs));
    this.#sentNs.delete(id);
    this.#failed += result === KeyValueResult.Ok ? 0 : 1;
    if (nowNs < this.#endNs && this.#left > 0) {
      this.#send();
    } else if (this.#sentNs.size === 0) {
      this.#finish(nowNs);
    }
  }

  #send(): void {
    const body = this.#bodies[this.#next % this.#bodies.length] as Uint8Array;
    const nowNs = this.#session.clock.nowNs();
    const id = this.#isQuery
      ? this.#queries.query(body, nowNs)
      : this.#requests.request(body, nowNs);
    if (id > 0) {
      this.#next++;
      this.#left--;
      this.#sentNs.set(id, nowNs);
    } else {
      // The stream is full for a moment: what is on its way makes room.
      setImmediate(() => {
        this.#send();
        this.#session.wake();
      });
    }
  }

  #finish(nowNs: number): void {
    const { count, max, p50, p99 } = this.#recorder.summary();
    const rate = Math.round(count / ((nowNs - this.#startNs) / NS_PER_SECOND));
    const run = { count, rate, p50: rounded(p50), p99: rounded(p99), max, failed: this.#failed };
    this.#done?.(run);
    this.#done = undefined;
  }
}

let driver: ReadDriver | undefined;

function failProcess(error: unknown): void {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exit(1);
}

async function connect(value: unknown): Promise<void> {
  const options = value as NodeClientOptions;
  const requests = new RequestClient(
    {
      onAnswer: (id, view, offset) => driver?.onOutcome(id, view.getUint8(offset)),
      onUnknown: (id) => driver?.onOutcome(id, NO_OUTCOME),
    },
    { outstandingCountMax: WINDOW_MAX, requestTimeoutNs: OUTCOME_TIMEOUT_NS },
  );
  const queries = new QueryClient(
    {
      onAnswer: ({ queryId }, view, offset) => driver?.onOutcome(queryId, view.getUint8(offset)),
      onFailed: (queryId) => driver?.onOutcome(queryId, NO_OUTCOME),
    },
    {
      queryCountMax: WINDOW_MAX,
      queryTimeoutNs: OUTCOME_TIMEOUT_NS,
      // A retry would be counted as a read of its own; nothing is lost here.
      queryRetryIntervalNs: OUTCOME_TIMEOUT_NS,
    },
  );
  const session = await connectClient(
    { ...options, onFatal: failProcess },
    requests.clientHandlers({
      onQueryAnswer: (answer, view, offset, length) =>
        queries.onAnswer(answer, view, offset, length),
      onClosed: (error: PawlError | undefined) => failProcess(error ?? 'the session was closed'),
    }),
  );
  requests.bind(session.client);
  session.addAgent({
    roleName: 'reads',
    doWork: (nowNs) => requests.doWork(nowNs) + queries.doWork(session.client, nowNs),
    deadlineNs: () => Math.min(requests.deadlineNs(), queries.deadlineNs()),
    close: () => undefined,
  });
  driver = new ReadDriver(session, requests, queries);
}

function run(value: unknown): Promise<ReadRun> {
  if (driver === undefined) {
    throw new Error('connect comes before run');
  }
  return driver.run(value as ReadSpec);
}

serveParent({ connect, run }, () => process.exit(0));
