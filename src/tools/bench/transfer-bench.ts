// transfer-bench.ts: how long requests wait when leadership is handed over, under load.
//
// Three processes with the default times and one client that makes exactly-once requests at a rate.
// Leadership goes round: each order is given as `pawl cluster transfer` gives it. A figure is the
// slowest of the requests that were due from just before an order until just after its answer.

import { connectExactlyOnce, type ExactlyOnceConnection } from '../../host/connect-exactly-once.js';
import { askMember } from '../../host/control-client.js';
import { NodeClock } from '../../host/node-clock.js';
import { LatencyRecorder, type LatencySummary, median, rounded } from '../latency.js';
import { LocalCluster } from '../local-cluster.js';
import type { TransferReport } from '../node-process.js';
import type { Progress } from '../output.js';
import { encodeRequest, KeyValueOperation } from '../services/key-value-messages.js';
import { waitUntil } from './key-value-load.js';

const MEMBER_COUNT = 3;
const LEADER_TIMEOUT_MS = 20_000;
const ANSWER_TIMEOUT_MS = 20_000;
/** Load before the first order: code is compiled, buffers are touched. */
const WARM_UP_MS = 2_000;
/** Load before and after an order that counts with it. */
const MARGIN_MS = 250;
/** Load between one order's margin and the next one's. */
const STEADY_MS = 250;
const NS_PER_MS = 1e6;
/** No request may be slower while leadership is handed over. */
export const TRANSFER_MAX_MS = 100;

export interface TransferBenchOptions {
  readonly transfers: number;
  /** Requests per second. */
  readonly rate: number;
  /** Bytes of a value. */
  readonly payload: number;
  readonly mtu: number;
  readonly durability: 'fsync' | 'page-cache';
  readonly directory?: string | undefined;
}

/** Milliseconds of the slowest request of each transfer. */
export interface TransferBenchResult {
  readonly transfers: number;
  readonly p50: number;
  readonly max: number;
  readonly maxAllowed: number;
  readonly holds: boolean;
  /** Each transfer, in order. */
  readonly all: readonly number[];
  /** From the order to the new leader's ingress, in order. */
  readonly tookMs: readonly number[];
  /** Latencies of the requests between transfers, microseconds. */
  readonly steady: LatencySummary;
  readonly rate: number;
  readonly payload: number;
  readonly mtu: number;
  readonly durability: string;
  readonly nodes: number;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Requests at a rate; latencies count from when one was due. */
class RequestLoad {
  readonly #connection: ExactlyOnceConnection;
  readonly #clock = new NodeClock();
  readonly #intervalNs: number;
  readonly #body: Uint8Array;
  readonly steady = new LatencyRecorder();
  #timer: NodeJS.Timeout | undefined;
  #dueNs = 0;
  /** Begin of the transfer under way; infinite while there is none. */
  #fromNs = Number.POSITIVE_INFINITY;
  #slowestNs = 0;
  #error: unknown;

  constructor(connection: ExactlyOnceConnection, rate: number, payload: number) {
    this.#connection = connection;
    this.#intervalNs = 1e9 / rate;
    const value = new Uint8Array(payload).fill(0x2e);
    this.#body = encodeRequest({ operation: KeyValueOperation.Put, key: 'key', value });
  }

  start(): void {
    this.#dueNs = this.#clock.nowNs();
    this.#timer = setInterval(() => this.#turn(), 1);
  }

  /** Latencies count to the transfer that begins, or between transfers again. */
  beginTransfer(): void {
    this.#fromNs = this.#clock.nowNs();
    this.#slowestNs = 0;
  }

  /** Resolves with the slowest request that was due meanwhile, milliseconds. */
  async endTransfer(): Promise<number> {
    const endNs = this.#clock.nowNs();
    const isAnswered = (): boolean => this.#error !== undefined || this.#oldestNs() > endNs;
    await waitUntil(isAnswered, 'the answers to what was asked meanwhile', ANSWER_TIMEOUT_MS);
    if (this.#error !== undefined) {
      throw this.#error;
    }
    this.#fromNs = Number.POSITIVE_INFINITY;
    return rounded(this.#slowestNs / NS_PER_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  readonly #unanswered = new Set<number>();

  #oldestNs(): number {
    for (const dueNs of this.#unanswered) {
      return dueNs;
    }
    return this.#clock.nowNs();
  }

  #turn(): void {
    for (; this.#dueNs <= this.#clock.nowNs(); this.#dueNs += this.#intervalNs) {
      const dueNs = this.#dueNs;
      this.#unanswered.add(dueNs);
      this.#connection.request(this.#body).then(
        () => this.#note(dueNs),
        (error: unknown) => {
          this.#error ??= error;
        },
      );
    }
  }

  #note(dueNs: number): void {
    const tookNs = this.#clock.nowNs() - dueNs;
    this.#unanswered.delete(dueNs);
    if (dueNs >= this.#fromNs) {
      this.#slowestNs = Math.max(this.#slowestNs, tookNs);
    } else if (this.#fromNs === Number.POSITIVE_INFINITY) {
      this.steady.record(tookNs);
    }
  }
}

/** One order. Returns how long the member says that it took, milliseconds. */
async function transferOnce(cluster: LocalCluster): Promise<number> {
  const leader = await cluster.waitForLeader(LEADER_TIMEOUT_MS);
  const target = (leader.memberId + 1) % MEMBER_COUNT;
  const order = [leader.directory, 'transfer', target, LEADER_TIMEOUT_MS] as const;
  const { tookMs } = await askMember<TransferReport>(...order);
  return rounded(tookMs);
}

/**
 * Measures transfers.
 *
 * @throws PawlError when a transfer does not come off or a request is not answered.
 */
export async function benchTransfer(
  options: TransferBenchOptions,
  progress: Progress,
): Promise<TransferBenchResult> {
  const { directory, durability, mtu, payload, rate, transfers } = options;
  const cluster = await LocalCluster.create({
    memberCount: MEMBER_COUNT,
    directory,
    cluster: { durability },
    member: { mtuLength: mtu },
    service: 'key-value',
  });
  let connection: ExactlyOnceConnection | undefined;
  let load: RequestLoad | undefined;
  try {
    await cluster.start();
    await cluster.waitForLeader(LEADER_TIMEOUT_MS);
    connection = await connectExactlyOnce({ ingressEndpoints: cluster.ingress, mtuLength: mtu });
    load = new RequestLoad(connection, rate, payload);
    load.start();
    await pause(WARM_UP_MS);
    const all: number[] = [];
    const tookMs: number[] = [];
    for (let transfer = 1; transfer <= transfers; transfer++) {
      await pause(STEADY_MS);
      load.beginTransfer();
      await pause(MARGIN_MS);
      tookMs.push(await transferOnce(cluster));
      await pause(MARGIN_MS);
      all.push(await load.endTransfer());
      progress.live(`  transfer ${transfer} of ${transfers}: ${all.at(-1)} ms`);
    }
    const [p50, max] = [rounded(median(all)), Math.max(...all)];
    const figures = { transfers, p50, max, maxAllowed: TRANSFER_MAX_MS, all, tookMs };
    const steady = load.steady.summary();
    const holds = max <= TRANSFER_MAX_MS;
    return { ...figures, holds, steady, rate, payload, mtu, durability, nodes: MEMBER_COUNT };
  } finally {
    load?.stop();
    connection?.close();
    await cluster.killAll();
    cluster.remove();
  }
}
