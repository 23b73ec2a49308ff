// sessions-bench.ts: what a session costs: memory in each member, time to open, and latency of
// others.

import { formatHostPort } from '../../protocol/host-port.js';
import { parseIngressEndpoints } from '../../protocol/member-endpoints.js';
import { Child } from '../child-process.js';
import { rounded } from '../latency.js';
import type { RunResult, RunSpec } from '../load-run.js';
import { LocalCluster } from '../local-cluster.js';
import { grouped, type Progress } from '../output.js';
import type { FleetReport, FleetSpec } from './session-process.js';

const MEMBER_COUNT = 3;
const LEADER_TIMEOUT_MS = 20_000;
const MIB = 1024 * 1024;
const KIB = 1024;
/** The shortest term there is: a session's streams take three each. */
const STREAM_TERM_LENGTH = 64 * KIB;
const LOG_TERM_LENGTH = 4 * MIB;
const MEMORY_LENGTH = 2_047 * MIB;
const PAYLOAD_LENGTH = 200;
const BURST = 10;
/** Time in which memory and streams come to rest. */
const REST_MS = 1_500;

export interface SessionsBenchOptions {
  /** Idle sessions, ascending. */
  readonly counts: readonly number[];
  readonly rate: number;
  readonly seconds: number;
  readonly durability: 'fsync' | 'page-cache';
  readonly directory?: string | undefined;
}

/** With so many idle sessions open. */
export interface SessionsFigures {
  readonly sessions: number;
  /** Opened a second, from what was open before. */
  readonly connectsPerSecond: number;
  /** Resident bytes of a member above those without sessions, divided by the sessions. */
  readonly leaderBytesPerSession: number;
  readonly followerBytesPerSession: number;
  /** Bytes of the arena's address space, likewise. */
  readonly leaderArenaBytesPerSession: number;
  /** CPU of the leader while the load runs, in processors. */
  readonly leaderCpu: number;
  /** Of a client that sends, microseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly lost: number;
}

export interface SessionsBenchResult {
  readonly nodes: number;
  readonly durability: string;
  readonly rate: number;
  readonly streamTermLength: number;
  /** The client that sends has the cluster to itself. */
  readonly few: Pick<SessionsFigures, 'p50' | 'p99' | 'leaderCpu' | 'lost'>;
  readonly runs: readonly SessionsFigures[];
  /** Of the last run to none, p99. */
  readonly p99Ratio: number;
  /** Why no more sessions could be opened; absent where all were. */
  readonly stoppedBy?: string;
}

interface Usage {
  readonly residentBytes: readonly number[];
  readonly arenaBytes: readonly number[];
  readonly cpuSeconds: readonly number[];
}

class SessionsBench {
  readonly #cluster: LocalCluster;
  readonly #load: Child;
  readonly #fleet: Child;
  readonly #leaderId: number;
  readonly #options: SessionsBenchOptions;

  private constructor(
    cluster: LocalCluster,
    load: Child,
    fleet: Child,
    leaderId: number,
    options: SessionsBenchOptions,
  ) {
    this.#cluster = cluster;
    this.#load = load;
    this.#fleet = fleet;
    this.#leaderId = leaderId;
    this.#options = options;
  }

  static async start(options: SessionsBenchOptions): Promise<SessionsBench> {
    const countMax = Math.max(...options.counts) + 2;
    const cluster = await LocalCluster.create({
      memberCount: MEMBER_COUNT,
      directory: options.directory,
      cluster: {
        durability: options.durability,
        sessionCountMax: countMax,
        logTermLength: LOG_TERM_LENGTH,
        egressTermLength: STREAM_TERM_LENGTH,
        segmentLength: 4 * LOG_TERM_LENGTH,
      },
      member: { streamTermLength: STREAM_TERM_LENGTH, memoryLength: MEMORY_LENGTH },
    });
    try {
      await cluster.start();
      const leader = await cluster.waitForLeader(LEADER_TIMEOUT_MS);
      const endpoint = parseIngressEndpoints(cluster.ingress).get(leader.memberId);
      const load = new Child('bench client', new URL('./load-process.ts', import.meta.url));
      const fleet = new Child('bench sessions', new URL('./session-process.ts', import.meta.url));
      const spec: FleetSpec = {
        leader: endpoint === undefined ? '' : formatHostPort(endpoint),
        countMax,
        termLength: STREAM_TERM_LENGTH,
        memoryLength: MEMORY_LENGTH,
      };
      await load.ask('connect', {
        kind: 'cluster',
        options: { ingressEndpoints: cluster.ingress },
      });
      await fleet.ask('connect', spec);
      return new SessionsBench(cluster, load, fleet, leader.memberId, options);
    } catch (error) {
      await cluster.killAll();
      cluster.remove();
      throw error;
    }
  }

  open(count: number): Promise<FleetReport> {
    return this.#fleet.ask<FleetReport>('open', count);
  }

  /** Runs the load. */
  async measure() {
    const { rate, seconds } = this.#options;
    const spec: RunSpec = {
      kind: 'paced',
      value: rate,
      seconds,
      payloadLength: PAYLOAD_LENGTH,
      burst: BURST,
    };
    const before = await this.usage();
    const beganMs = performance.now();
    const { lost, p50, p99 } = await this.#load.ask<RunResult>('run', spec);
    const after = await this.usage();
    const cpuSeconds = this.#ofLeader(after.cpuSeconds) - this.#ofLeader(before.cpuSeconds);
    const leaderCpu = rounded((cpuSeconds / (performance.now() - beganMs)) * 1_000);
    return { p50, p99, lost, leaderCpu };
  }

  async usage(): Promise<Usage> {
    const reports = await this.#cluster.reports();
    return {
      residentBytes: reports.map(({ process }) => process.residentBytes),
      arenaBytes: reports.map(({ status }) => status.counters.arenaBytes ?? 0),
      cpuSeconds: reports.map(({ process }) => process.cpuSeconds),
    };
  }

  /** Bytes that so many sessions cost the leader, and a follower in the mean. */
  costs(before: Usage, after: Usage, sessions: number) {
    const grown = (name: 'residentBytes' | 'arenaBytes') =>
      after[name].map((bytes, id) => (bytes - (before[name][id] ?? 0)) / sessions);
    const resident = grown('residentBytes');
    const followers = resident.filter((_, id) => id !== this.#leaderId);
    const mean = followers.reduce((sum, bytes) => sum + bytes, 0) / followers.length;
    return {
      leaderBytesPerSession: Math.round(this.#ofLeader(resident)),
      followerBytesPerSession: Math.round(mean),
      leaderArenaBytesPerSession: Math.round(this.#ofLeader(grown('arenaBytes'))),
    };
  }

  #ofLeader(values: readonly number[]): number {
    return values[this.#leaderId] ?? 0;
  }

  async close(): Promise<void> {
    await this.#fleet.release();
    await this.#load.release();
    await this.#cluster.stop();
    await this.#cluster.killAll();
    this.#cluster.remove();
  }
}

const rest = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, REST_MS));

/** Measures with more and more idle sessions. */
export async function benchSessions(
  options: SessionsBenchOptions,
  progress: Progress,
): Promise<SessionsBenchResult> {
  progress.step('starting three members');
  const bench = await SessionsBench.start(options);
  try {
    // What is touched once stays resident: the load runs before anything is compared.
    await bench.measure();
    await rest();
    const empty = await bench.usage();
    progress.step(`${grouped(options.rate)} messages/s without other sessions`);
    const few = await bench.measure();
    const runs: SessionsFigures[] = [];
    let openCount = 0;
    let stoppedBy: string | undefined;
    for (const count of options.counts) {
      progress.step(`${grouped(count)} idle sessions`);
      const report = await bench.open(count);
      const opened = report.openCount - openCount;
      openCount = report.openCount;
      stoppedBy = report.failure;
      if (openCount === 0) {
        break;
      }
      await rest();
      const costs = bench.costs(empty, await bench.usage(), openCount);
      const connectsPerSecond = Math.round(opened / report.seconds);
      runs.push({ sessions: openCount, connectsPerSecond, ...costs, ...(await bench.measure()) });
      if (stoppedBy !== undefined) {
        break;
      }
    }
    return {
      nodes: MEMBER_COUNT,
      durability: options.durability,
      rate: options.rate,
      streamTermLength: STREAM_TERM_LENGTH,
      few,
      runs,
      p99Ratio: rounded((runs.at(-1)?.p99 ?? few.p99) / few.p99),
      ...(stoppedBy === undefined ? {} : { stoppedBy }),
    };
  } finally {
    await bench.close();
  }
}
