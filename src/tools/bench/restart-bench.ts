// restart-bench.ts: how long a cluster takes to serve again: from a snapshot, behind logs of
// several lengths, and with one of three members missing.
//
// The state is the same behind every log, and so is what is replayed after the snapshot: if the
// time grows with the log before it, something reads that log. A figure is the time from the start
// of the first process to the answer that a new client gets.

import { median, rounded } from '../latency.js';
import { isLeading, isSettled, LocalCluster } from '../local-cluster.js';
import type { Progress } from '../output.js';
import { KeyValueLoad, waitUntil } from './key-value-load.js';

const MEMBER_COUNT = 3;
const LEADER_TIMEOUT_MS = 30_000;
const SETTLE_TIMEOUT_MS = 120_000;
const SNAPSHOT_TIMEOUT_MS = 120_000;
const MIB = 1024 * 1024;
/** Bytes of a value: few puts make a long log. */
const VALUE_LENGTH = 4_096;
/** Messages behind the snapshot, which a start replays. */
const TAIL_COUNT = 200;
/** A cold start with one of three members missing takes at most this. */
export const COLD_START_MAX_MS = 3_000;

export interface RestartBenchOptions {
  /** Bytes of log before the snapshot, MiB, ascending. */
  readonly lengths: readonly number[];
  /** Keys of the state: the same behind every log. */
  readonly keys: number;
  /** Starts for each figure. */
  readonly starts: number;
  readonly mtu: number;
  readonly durability: 'fsync' | 'page-cache';
  readonly directory?: string | undefined;
}

/** Starts on one state; milliseconds to the first answer. */
export interface StartTimes {
  readonly p50: number;
  readonly max: number;
  readonly all: readonly number[];
}

export interface RestartRun {
  /** Where the snapshot stands in the log, bytes. */
  readonly logBytes: number;
  readonly snapshotBytes: number;
  /** All members start. */
  readonly restart: StartTimes;
}

export interface RestartBenchResult {
  readonly nodes: number;
  readonly keys: number;
  readonly durability: string;
  readonly runs: readonly RestartRun[];
  /** The longest log's median to the shortest log's. */
  readonly growth: number;
  /** Two of three members start; the third is missing. */
  readonly coldStart: StartTimes & { readonly maxAllowed: number; readonly holds: boolean };
}

/** A cluster with a log that grows. */
class GrowingCluster {
  readonly cluster: LocalCluster;
  readonly #options: RestartBenchOptions;
  readonly #snapshots = new Map<number, number>();
  #load: KeyValueLoad | undefined;

  private constructor(cluster: LocalCluster, options: RestartBenchOptions) {
    this.cluster = cluster;
    this.#options = options;
  }

  static async create(options: RestartBenchOptions): Promise<GrowingCluster> {
    const { directory, durability, mtu } = options;
    const cluster = await LocalCluster.create({
      memberCount: MEMBER_COUNT,
      directory,
      cluster: { durability },
      member: { mtuLength: mtu, windowLength: 4 * MIB, snapshotIntervalLength: 0 },
      service: 'key-value',
      onEvent: (memberId, event) => {
        if (event.event === 'snapshot') {
          growing.#snapshots.set(memberId, Number(event.length));
        }
      },
    });
    const growing = new GrowingCluster(cluster, options);
    return growing;
  }

  async connect(): Promise<KeyValueLoad> {
    const { keys, mtu } = this.#options;
    const { ingress } = this.cluster;
    this.#load?.close();
    this.#load = await KeyValueLoad.connect({ ingress, mtu, keys, valueLength: VALUE_LENGTH });
    return this.#load;
  }

  /** Puts the same keys again and again until the log has a length, and takes a snapshot there. */
  async growTo(logBytes: number, progress: Progress): Promise<RestartRun['snapshotBytes']> {
    const { keys } = this.#options;
    const load = await this.connect();
    const position = async (): Promise<number> =>
      (await this.cluster.statuses()).find(isLeading)?.appendPosition ?? 0;
    for (let end = await position(); end < logBytes; end = await position()) {
      progress.live(`  log of ${Math.round(end / MIB)} of ${Math.round(logBytes / MIB)} MiB`);
      await load.put(0, keys, () => undefined);
    }
    await this.#settle();
    this.#snapshots.clear();
    const leader = await this.cluster.waitForLeader(LEADER_TIMEOUT_MS);
    await leader.requestSnapshot();
    const isTaken = (): boolean => this.#snapshots.size === MEMBER_COUNT;
    await waitUntil(isTaken, 'every member to have its snapshot', SNAPSHOT_TIMEOUT_MS);
    await load.put(0, Math.min(keys, TAIL_COUNT), () => undefined);
    await this.#settle();
    return Math.max(...this.#snapshots.values());
  }

  /** Stops all, and measures from the start of some to the first answer. */
  async measureStarts(memberCount: number, what: string, progress: Progress): Promise<StartTimes> {
    const all: number[] = [];
    for (let start = 1; start <= this.#options.starts; start++) {
      this.#load?.close();
      await this.cluster.killAll();
      const beganMs = performance.now();
      const members = this.cluster.members.slice(0, memberCount);
      const started = Promise.all(members.map((member) => member.start()));
      const load = await this.connect();
      await load.putOne(0);
      all.push(rounded(performance.now() - beganMs));
      await started;
      progress.live(`  ${what}, start ${start} of ${this.#options.starts}: ${all.at(-1)} ms`);
    }
    return { p50: rounded(median(all)), max: Math.max(...all), all };
  }

  /** Brings back who is missing. */
  async complete(): Promise<void> {
    const missing = this.cluster.members.filter((member) => !member.isRunning);
    await Promise.all(missing.map((member) => member.start()));
    await this.#settle();
  }

  async dispose(): Promise<void> {
    this.#load?.close();
    await this.cluster.killAll();
    this.cluster.remove();
  }

  async #settle(): Promise<void> {
    await this.cluster.waitFor(
      'all members to have all of the log',
      (all) => isSettled(all, MEMBER_COUNT),
      SETTLE_TIMEOUT_MS,
    );
  }
}

/**
 * Measures starts.
 *
 * @throws PawlError when a member does not start or nobody answers.
 */
export async function benchRestart(
  options: RestartBenchOptions,
  progress: Progress,
): Promise<RestartBenchResult> {
  const growing = await GrowingCluster.create(options);
  try {
    await growing.cluster.start();
    await growing.cluster.waitForLeader(LEADER_TIMEOUT_MS);
    const runs: RestartRun[] = [];
    for (const mebibytes of options.lengths) {
      const snapshotBytes = await growing.growTo(mebibytes * MIB, progress);
      const statuses = await growing.cluster.statuses();
      const logBytes = Math.max(...statuses.map(({ snapshotPosition }) => snapshotPosition));
      const what = `log of ${mebibytes} MiB`;
      const restart = await growing.measureStarts(MEMBER_COUNT, what, progress);
      await growing.complete();
      runs.push({ logBytes, snapshotBytes, restart });
    }
    const cold = await growing.measureStarts(MEMBER_COUNT - 1, 'one missing', progress);
    const first = runs[0]?.restart.p50 ?? 0;
    const last = runs.at(-1)?.restart.p50 ?? 0;
    return {
      nodes: MEMBER_COUNT,
      keys: options.keys,
      durability: options.durability,
      runs,
      growth: Math.round((last / first) * 100) / 100,
      coldStart: { ...cold, maxAllowed: COLD_START_MAX_MS, holds: cold.max < COLD_START_MAX_MS },
    };
  } finally {
    await growing.dispose();
  }
}
