// snapshot-bench.ts: what clients notice of a snapshot: a key/value store of some size, puts at a
// rate, and their latencies before, during and after a snapshot that every member takes.

import { LatencyRecorder, type LatencySummary, rounded } from '../latency.js';
import { isSettled, LocalCluster } from '../local-cluster.js';
import type { Progress } from '../output.js';
import { KeyValueLoad, waitUntil } from './key-value-load.js';

const MEMBER_COUNT = 3;
const LEADER_TIMEOUT_MS = 20_000;
const SETTLE_TIMEOUT_MS = 120_000;
const SNAPSHOT_TIMEOUT_MS = 1_800_000;
const WARM_UP_MS = 5_000;
/** A snapshot may make the slowest hundredth of commits this much slower. */
export const SNAPSHOT_RATIO_MAX = 2;
const MIB = 1024 * 1024;
const GIB = 1024 * MIB;

export interface SnapshotBenchOptions {
  readonly keys: number;
  /** Bytes of a value. */
  readonly value: number;
  /** Puts per second while latencies are measured. */
  readonly rate: number;
  /** Length of the measurements before and after, seconds. */
  readonly seconds: number;
  readonly mtu: number;
  readonly durability: 'fsync' | 'page-cache';
  readonly directory?: string | undefined;
}

/** What one member says of its snapshot. */
export interface MemberSnapshot {
  readonly memberId: number;
  readonly bytes: number;
  /** From the request to the record that makes it count. */
  readonly tookMs: number;
  /** For how long the service stood still, to freeze its state. */
  readonly pauseMs: number;
  /** Longest step in which the frozen state was encoded. */
  readonly longestStepMs: number;
}

export interface SnapshotBenchResult {
  readonly nodes: number;
  readonly keys: number;
  readonly valueBytes: number;
  /** Bytes of all values. */
  readonly stateBytes: number;
  readonly rate: number;
  readonly mtu: number;
  readonly durability: string;
  /** Latencies from when a put was due to its answer, microseconds. */
  readonly before: LatencySummary;
  readonly during: LatencySummary;
  readonly after: LatencySummary;
  /** p99 during the snapshot to p99 before it. */
  readonly ratio: number;
  readonly ratioMax: number;
  readonly holds: boolean;
  readonly snapshots: readonly MemberSnapshot[];
  readonly rssMiBPerNode: number;
  readonly fillSeconds: number;
  /** Puts that had to be sent again. */
  readonly unknown: number;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

interface Written {
  readonly bytes: number;
  readonly atMs: number;
}

/** Measures for a time. */
async function measure(load: KeyValueLoad, run: () => Promise<void>): Promise<LatencySummary> {
  const recorder = new LatencyRecorder();
  load.recorder = recorder;
  await run();
  load.recorder = undefined;
  return recorder.summary();
}

async function takeSnapshot(cluster: LocalCluster, written: Map<number, Written>): Promise<void> {
  const leader = await cluster.waitForLeader(LEADER_TIMEOUT_MS);
  await leader.requestSnapshot();
  await waitUntil(
    () => written.size === MEMBER_COUNT,
    'every member to have its snapshot',
    SNAPSHOT_TIMEOUT_MS,
  );
}

async function memberSnapshots(
  cluster: LocalCluster,
  written: ReadonlyMap<number, Written>,
  beganMs: number,
): Promise<readonly MemberSnapshot[]> {
  const statuses = await cluster.statuses();
  return statuses.map(({ counters, memberId }) => {
    const own = written.get(memberId);
    return {
      memberId,
      bytes: own?.bytes ?? 0,
      tookMs: rounded((own?.atMs ?? beganMs) - beganMs),
      pauseMs: (counters.snapshotPauseNs ?? 0) / 1e6,
      longestStepMs: (counters.snapshotLongestStepNs ?? 0) / 1e6,
    };
  });
}

/** Puts every key once, and waits until all members have them. */
async function fill(
  cluster: LocalCluster,
  load: KeyValueLoad,
  keys: number,
  progress: Progress,
): Promise<number> {
  const beganMs = performance.now();
  await load.put(0, keys, (done) => progress.live(`  put ${done} of ${keys} keys`));
  await cluster.waitFor(
    'all members to have all keys',
    (all) => isSettled(all, MEMBER_COUNT),
    SETTLE_TIMEOUT_MS,
  );
  return rounded((performance.now() - beganMs) / 1_000);
}

/**
 * Measures a snapshot.
 *
 * @throws PawlError when a put is not answered or a member takes no snapshot.
 */
export async function benchSnapshot(
  options: SnapshotBenchOptions,
  progress: Progress,
): Promise<SnapshotBenchResult> {
  const { directory, durability, keys, mtu, rate, seconds, value } = options;
  const written = new Map<number, Written>();
  const cluster = await LocalCluster.create({
    memberCount: MEMBER_COUNT,
    directory,
    cluster: { durability },
    member: { mtuLength: mtu, windowLength: 4 * MIB, snapshotIntervalLength: 0 },
    service: 'key-value',
    onEvent: (memberId, event) => {
      if (event.event === 'snapshot') {
        written.set(memberId, { bytes: Number(event.length), atMs: performance.now() });
      }
    },
  });
  let load: KeyValueLoad | undefined;
  try {
    await cluster.start();
    await cluster.waitForLeader(LEADER_TIMEOUT_MS);
    const { ingress } = cluster;
    load = await KeyValueLoad.connect({ ingress, mtu, keys, valueLength: value });
    const fillSeconds = await fill(cluster, load, keys, progress);
    load.start(rate);
    await pause(WARM_UP_MS);
    progress.live('  before the snapshot');
    const before = await measure(load, () => pause(seconds * 1_000));
    progress.live('  during the snapshot');
    const beganMs = performance.now();
    const during = await measure(load, () => takeSnapshot(cluster, written));
    progress.live('  after the snapshot');
    const after = await measure(load, () => pause(seconds * 1_000));
    await load.stop();
    const reports = await cluster.reports();
    const resident = Math.max(...reports.map(({ process }) => process.residentBytes));
    const ratio = Math.round((during.p99 / before.p99) * 100) / 100;
    return {
      nodes: MEMBER_COUNT,
      keys,
      valueBytes: value,
      stateBytes: keys * value,
      rate,
      mtu,
      durability,
      before,
      during,
      after,
      ratio,
      ratioMax: SNAPSHOT_RATIO_MAX,
      holds: ratio <= SNAPSHOT_RATIO_MAX,
      snapshots: await memberSnapshots(cluster, written, beganMs),
      rssMiBPerNode: Math.round(resident / MIB),
      fillSeconds,
      unknown: load.unknownCount,
    };
  } finally {
    load?.close();
    await cluster.killAll();
    cluster.remove();
  }
}

/** Keys of 256 bytes that make one gibibyte. */
export const SNAPSHOT_KEYS = GIB / 256;
