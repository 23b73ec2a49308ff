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
  REQUEST_HEAD_LENGTH,
} from '../services/key-value-messages.js';

const NS_PER_SECOND = 1e9;
/** Reads without an answer at a time, at most. */
export const WINDOW_MAX = 16_384;
const OUTCOME_TIMEOUT_NS = 10 * NS_PER_SECOND;
/** In place of a result of the service: none came. */
const NO_OUTCOME = -1;
/** Operations are told apart by so many last digits of their numbers; a power of two. */
const PLACE_COUNT = 8 * WINDOW_MAX;
const PLACE_MASK = PLACE_COUNT - 1;
/** A key is its number in so many decimal digits. */
const KEY_DIGITS = 8;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;
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

/**
 * Requests of one key after the other, each written in place of the last: bodies that lie ready by
 * the thousand are read from memory that is far away by then, at the cost of both paths.
 */
class RequestBody {
  readonly bytes: Uint8Array;
  readonly #keyCount: number;
  readonly #lastDigit: number;
  #key = 0;

  constructor(operation: KeyValueOperation, keyCount: number, payload: number) {
    const key = '0'.repeat(KEY_DIGITS);
    const value = new Uint8Array(payload).fill(0x70);
    this.bytes = encodeRequest({ operation, key, value });
    this.#keyCount = keyCount;
    this.#lastDigit = REQUEST_HEAD_LENGTH + KEY_DIGITS - 1;
  }

  /** Goes on to the next key, and from the last to the first. */
  next(): void {
    const { bytes } = this;
    let at = this.#lastDigit;
    this.#key++;
    if (this.#key === this.#keyCount) {
      this.#key = 0;
      bytes.fill(DIGIT_0, at + 1 - KEY_DIGITS, at + 1);
      return;
    }
    for (; bytes[at] === DIGIT_9; at--) {
      bytes[at] = DIGIT_0;
    }
    bytes[at] = (bytes[at] as number) + 1;
  }
}

/**
 * Keeps a window of operations open, and takes their times.
 *
 * The clock is read once for all outcomes of a duty cycle, behind the last of them and before the
 * operations that take their place: no latency is shown shorter than it was, and reading the clock
 * costs neither path more than what it measures.
 */
class ReadDriver {
  readonly #session: NodeClient;
  readonly #requests: RequestClient;
  readonly #queries: QueryClient;
  // By the last digits of its number: which operation was sent, and when.
  readonly #sentIds = new Float64Array(PLACE_COUNT);
  readonly #sentNs = new Float64Array(PLACE_COUNT);
  /** Operations that have their outcome since the clock was read last. */
  readonly #ended = new Float64Array(WINDOW_MAX);
  #endedCount = 0;
  #body = new RequestBody(KeyValueOperation.Get, 1, 0);
  #recorder = new LatencyRecorder();
  #isQuery = false;
  /** Operations to send, now or later. */
  #left = 0;
  /** Operations that are to be sent now. */
  #owed = 0;
  #open = 0;
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
    const operation = isFill ? KeyValueOperation.Put : KeyValueOperation.Get;
    this.#body = new RequestBody(operation, spec.keys, isFill ? spec.payload : 0);
    this.#recorder = new LatencyRecorder();
    this.#isQuery = spec.path === 'query';
    this.#failed = 0;
    this.#left = isFill ? spec.keys : Number.POSITIVE_INFINITY;
    this.#startNs = this.#session.clock.nowNs();
    this.#endNs = isFill ? Number.POSITIVE_INFINITY : this.#startNs + spec.seconds * NS_PER_SECOND;
    this.#owed = isFill ? Math.min(FILL_WINDOW, spec.keys) : spec.window;
    return new Promise((done) => {
      this.#done = done;
      this.#session.wake();
    });
  }

  /** An operation has its outcome. */
  onOutcome(id: number, result: number): void {
    this.#ended[this.#endedCount++] = id;
    this.#failed += result === KeyValueResult.Ok ? 0 : 1;
  }

  /** Others take the place of what has its outcome. */
  doWork(): number {
    if (this.#done === undefined || (this.#endedCount === 0 && this.#owed === 0)) {
      return 0;
    }
    const nowNs = this.#session.clock.nowNs();
    const work = this.#record(nowNs);
    if (nowNs >= this.#endNs) {
      this.#left = 0;
    }
    this.#send(nowNs);
    if (this.#open === 0 && this.#left === 0) {
      this.#finish(nowNs);
    }
    return work;
  }

  /** Takes the times of what has ended. What was sent at one time and ends at one took as long. */
  #record(nowNs: number): number {
    const count = this.#endedCount;
    let latencyNs = 0;
    let equalCount = 0;
    for (let index = 0; index < count; index++) {
      const id = this.#ended[index] as number;
      const place = id & PLACE_MASK;
      if (this.#sentIds[place] !== id) {
        // It was sent so long ago that another has its place.
        this.#failed++;
        continue;
      }
      const ownNs = nowNs - (this.#sentNs[place] as number);
      if (ownNs !== latencyNs && equalCount > 0) {
        this.#recorder.record(latencyNs, equalCount);
        equalCount = 0;
      }
      latencyNs = ownNs;
      equalCount++;
    }
    if (equalCount > 0) {
      this.#recorder.record(latencyNs, equalCount);
    }
    this.#endedCount = 0;
    this.#open -= count;
    this.#owed += count;
    return count;
  }

  #send(nowNs: number): void {
    this.#owed = Math.min(this.#owed, this.#left);
    while (this.#owed > 0) {
      const body = this.#body.bytes;
      const id = this.#isQuery
        ? this.#queries.query(body, nowNs)
        : this.#requests.request(body, nowNs);
      if (id <= 0) {
        // The stream is full for a moment: what is on its way makes room.
        setImmediate(this.#session.wake);
        return;
      }
      const place = id & PLACE_MASK;
      this.#sentIds[place] = id;
      this.#sentNs[place] = nowNs;
      this.#body.next();
      this.#left--;
      this.#owed--;
      this.#open++;
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
    doWork: (nowNs) =>
      (driver?.doWork() ?? 0) + requests.doWork(nowNs) + queries.doWork(session.client, nowNs),
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
