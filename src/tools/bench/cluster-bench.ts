// cluster-bench.ts: measures a real cluster: three member processes, and a client in its own.

import type { IdleStrategy } from '../../host/event-loop.js';
import { Child } from '../child-process.js';
import { rounded } from '../latency.js';
import type { RunResult, RunSpec } from '../load-run.js';
import { LocalCluster } from '../local-cluster.js';
import { grouped, type Progress } from '../output.js';
import {
  type ClosedLoopResult,
  closedLoopResults,
  FloorChains,
  type FloorResult,
  maximumOf,
  runWindows,
  twoDigits,
  warmUp,
} from './floor-bench.js';
import type { LoadChain } from './floor-chain.js';

const MEMBER_COUNT = 3;
const LEADER_TIMEOUT_MS = 20_000;
const MIB = 1024 * 1024;
/** The targets against the floor: closed loop with one burst in flight, and the maximum. */
export const P50_RATIO_MAX = 2.0;
export const THROUGHPUT_RATIO_MIN = 0.5;
/** Windows and buffers that loopback takes; the same at every MTU. */
const WINDOW_LENGTH = 4 * MIB;
const STREAM_TERM_LENGTH = 8 * MIB;
/**
 * Where the log is purged behind snapshots: as a cluster that runs for long does it, so that what
 * is measured is not how fast a machine finds memory for its page cache.
 */
const SNAPSHOT_INTERVAL_LENGTH = 64 * MIB;
const SEGMENT_LENGTH = 64 * MIB;
const PACED_WARM_UP = { rate: 10_000, seconds: 2 };

export interface ClusterBenchOptions {
  readonly rates: readonly number[];
  readonly seconds: number;
  readonly durability: 'fsync' | 'page-cache';
  readonly mtu: number;
  readonly payload: number;
  readonly burst: number;
  readonly idle: IdleStrategy;
  readonly threads: 'shared' | 'dedicated';
  /** Whether the members purge their log behind snapshots. */
  readonly logRetention: 'all' | 'snapshots';
  /** Measures the floor in turn with the cluster, this many times; 0 leaves it out. */
  readonly floorRounds: number;
  readonly directory?: string | undefined;
}

/** One run of the open loop. Microseconds from the instant at which a message was due. */
export interface PacedResult
  extends Omit<RunResult, 'count' | 'duplicated' | 'clientCpuSeconds' | 'backPressured'> {
  readonly rate: number;
  readonly duplicated: number;
  /** Elections during the run: what was in flight then is unknown, and counts as lost here. */
  readonly leaderChanges: number;
  /** CPU seconds of all members and of the client for a million messages at this rate. */
  readonly cpuSecondsPerMillion: number;
  readonly clientCpuSecondsPerMillion: number;
}

/** The cluster beside the floor, measured in turn in one run. */
export interface FloorRatio {
  /** Cluster p50 / floor p50, one burst in flight. */
  readonly p50: number;
  /** Cluster maximum / floor maximum, messages per second. */
  readonly throughput: number;
  readonly p50Max: number;
  readonly throughputMin: number;
  readonly holds: boolean;
}

export interface ClusterBenchResult {
  readonly nodes: number;
  readonly media: 'udp';
  readonly mtu: number;
  readonly durability: string;
  readonly payload: number;
  readonly burst: number;
  readonly idle: IdleStrategy;
  /** Whether the members' services have threads of their own. */
  readonly threads: 'shared' | 'dedicated';
  readonly logRetention: 'all' | 'snapshots';
  readonly runs: readonly PacedResult[];
  readonly closedLoop: readonly ClosedLoopResult[];
  /** CPU seconds of the members for a million messages, over all runs. */
  readonly cpuSecondsPerMillion: number;
  /** Mean of the members at the end. */
  readonly rssMiBPerNode: number;
  readonly floor?: FloorResult;
  readonly ratio?: FloorRatio;
}

/** A run, and what it was for the members. */
interface Measured {
  readonly result: RunResult;
  readonly memberCpuSeconds: number;
  /** Elections during the run: what was in flight then is unknown, and counts as lost here. */
  readonly leaderChanges: number;
}

/** Members and their client, with the CPU time that a run has cost. */
class BenchCluster implements LoadChain {
  readonly cluster: LocalCluster;
  readonly #client: Child;
  #messageCount = 0;
  #cpuSeconds = 0;

  private constructor(cluster: LocalCluster, client: Child) {
    this.cluster = cluster;
    this.#client = client;
  }

  static async start(options: ClusterBenchOptions): Promise<BenchCluster> {
    const cluster = await LocalCluster.create({
      memberCount: MEMBER_COUNT,
      directory: options.directory,
      cluster: {
        durability: options.durability,
        egressTermLength: STREAM_TERM_LENGTH,
        segmentLength: SEGMENT_LENGTH,
      },
      member: {
        logRetention: options.logRetention,
        snapshotIntervalLength: SNAPSHOT_INTERVAL_LENGTH,
        snapshotCountKept: 1,
        mtuLength: options.mtu,
        windowLength: WINDOW_LENGTH,
        streamTermLength: STREAM_TERM_LENGTH,
        threads: options.threads,
      },
      idle: options.idle,
    });
    try {
      await cluster.start();
      await cluster.waitForLeader(LEADER_TIMEOUT_MS);
      const client = new Child('bench client', new URL('./load-process.ts', import.meta.url));
      await client.ask('connect', {
        kind: 'cluster',
        options: {
          ingressEndpoints: cluster.ingress,
          mtuLength: options.mtu,
          windowLength: WINDOW_LENGTH,
          ingressTermLength: STREAM_TERM_LENGTH,
          idle: options.idle,
        },
      });
      return new BenchCluster(cluster, client);
    } catch (error) {
      await cluster.killAll();
      cluster.remove();
      throw error;
    }
  }

  /** CPU seconds of the members for a million messages, over all runs. */
  get cpuSecondsPerMillion(): number {
    return perMillion(this.#cpuSeconds, this.#messageCount);
  }

  async run(spec: RunSpec): Promise<RunResult> {
    return (await this.measure(spec)).result;
  }

  async measure(spec: RunSpec): Promise<Measured> {
    const before = await this.#readUsage();
    const result = await this.#client.ask<RunResult>('run', spec);
    const after = await this.#readUsage();
    const memberCpuSeconds = after.cpuSeconds - before.cpuSeconds;
    this.#cpuSeconds += memberCpuSeconds;
    this.#messageCount += result.received;
    const leaderChanges = after.leadershipTermId - before.leadershipTermId;
    return { result, memberCpuSeconds, leaderChanges };
  }

  /** What was used before the measurement does not count. */
  resetUsage(): void {
    this.#cpuSeconds = 0;
    this.#messageCount = 0;
  }

  async residentMiBPerNode(): Promise<number> {
    const reports = await this.cluster.reports();
    const sum = reports.reduce((total, report) => total + report.process.residentBytes, 0);
    return rounded(sum / reports.length / MIB);
  }

  async close(): Promise<void> {
    await this.#client.release();
    await this.cluster.stop();
    await this.cluster.killAll();
    this.cluster.remove();
  }

  async #readUsage(): Promise<{ cpuSeconds: number; leadershipTermId: number }> {
    const reports = await this.cluster.reports();
    const cpuSeconds = reports.reduce((sum, report) => sum + report.process.cpuSeconds, 0);
    const terms = reports.map((report) => report.status.leadershipTermId);
    return { cpuSeconds, leadershipTermId: Math.max(...terms) };
  }
}

function perMillion(seconds: number, messageCount: number): number {
  return messageCount === 0 ? 0 : Math.round((seconds / messageCount) * 1e6 * 1000) / 1000;
}

function pacedSpec(options: ClusterBenchOptions, rate: number, seconds: number): RunSpec {
  const { payload, burst } = options;
  return { kind: 'paced', value: rate, seconds, payloadLength: payload, burst };
}

async function runPaced(
  bench: BenchCluster,
  options: ClusterBenchOptions,
  progress: Progress,
): Promise<readonly PacedResult[]> {
  const results: PacedResult[] = [];
  for (const rate of options.rates) {
    progress.step(`open loop, ${grouped(rate)} messages/s for ${options.seconds} s`);
    const spec = pacedSpec(options, rate, options.seconds);
    const { result, memberCpuSeconds, leaderChanges } = await bench.measure(spec);
    const { clientCpuSeconds, count: _count, backPressured: _backPressured, ...rest } = result;
    results.push({
      rate,
      ...rest,
      leaderChanges,
      cpuSecondsPerMillion: perMillion(memberCpuSeconds, result.received),
      clientCpuSecondsPerMillion: perMillion(clientCpuSeconds, result.received),
    });
  }
  return results;
}

/** How the cluster stands beside the floor. */
export function ratioOf(closedLoop: readonly ClosedLoopResult[], floor: FloorResult): FloorRatio {
  const maximum = maximumOf(closedLoop);
  const p50 = twoDigits((closedLoop[0]?.p50 ?? 0) / floor.p50);
  const throughput = twoDigits(maximum / floor.maximum);
  return {
    p50,
    throughput,
    p50Max: P50_RATIO_MAX,
    throughputMin: THROUGHPUT_RATIO_MIN,
    holds: p50 <= P50_RATIO_MAX && throughput >= THROUGHPUT_RATIO_MIN,
  };
}

async function runClosedLoop(
  bench: BenchCluster,
  options: ClusterBenchOptions,
  progress: Progress,
): Promise<Pick<ClusterBenchResult, 'closedLoop' | 'floor' | 'ratio'>> {
  if (options.floorRounds === 0) {
    const [runs] = await runWindows([bench], options, 1, progress);
    return { closedLoop: closedLoopResults(runs ?? [], options.burst) };
  }
  const rounds = options.floorRounds;
  const floors = await FloorChains.start({ ...options, rounds }, false);
  try {
    const runs = await runWindows([bench, ...floors.all], options, rounds, progress);
    const closedLoop = closedLoopResults(runs[0] ?? [], options.burst);
    const floor = floors.conclude(runs.slice(1));
    return { closedLoop, floor, ratio: ratioOf(closedLoop, floor) };
  } finally {
    await floors.close();
  }
}

/** Measures a cluster, and on request the floor in turn with it. */
export async function benchCluster(
  options: ClusterBenchOptions,
  progress: Progress,
): Promise<ClusterBenchResult> {
  progress.step('starting three members and a client');
  const bench = await BenchCluster.start(options);
  try {
    progress.step('warming up');
    await bench.run(pacedSpec(options, PACED_WARM_UP.rate, PACED_WARM_UP.seconds));
    await warmUp(bench, options);
    bench.resetUsage();
    const runs = await runPaced(bench, options, progress);
    const closedLoop = await runClosedLoop(bench, options, progress);
    const { mtu, durability, payload, burst, idle, threads, logRetention } = options;
    return {
      nodes: MEMBER_COUNT,
      media: 'udp',
      mtu,
      durability,
      payload,
      burst,
      idle,
      threads,
      logRetention,
      runs,
      cpuSecondsPerMillion: bench.cpuSecondsPerMillion,
      rssMiBPerNode: await bench.residentMiBPerNode(),
      ...closedLoop,
    };
  } finally {
    await bench.close();
  }
}

/** Messages that a result has not accounted for. */
export function lostCount(result: ClusterBenchResult): number {
  const paced = result.runs.reduce(
    (sum, run) => sum + run.lost + run.reordered + run.duplicated,
    0,
  );
  return result.closedLoop.reduce((sum, run) => sum + run.lost, paced);
}
