// failover-bench.ts: how long clients wait when the leader dies: kill -9, again and again, under
// load.
//
// Three processes with the default times, one client that sends all the while. A figure is the time
// from the signal to the first answer that a new leader gives. The dead member comes back before
// the next kill, so that all three are there for each.

import { ErrorCode, PawlError } from '../../errors.js';
import { Traffic } from '../demo/traffic.js';
import { median, rounded } from '../latency.js';
import { isLeading, LocalCluster } from '../local-cluster.js';
import type { Progress } from '../output.js';

const MEMBER_COUNT = 3;
const LEADER_TIMEOUT_MS = 20_000;
const CATCH_UP_TIMEOUT_MS = 30_000;
/** Load before each kill: the cluster works when it is hit. */
const STEADY_MS = 300;
const ANSWER_POLL_MS = 2;

export interface FailoverBenchOptions {
  readonly kills: number;
  /** Messages per second. */
  readonly rate: number;
  readonly payload: number;
  readonly burst: number;
  readonly mtu: number;
  readonly durability: 'fsync' | 'page-cache';
  readonly directory?: string | undefined;
}

/** Milliseconds from the kill of the leader to the next answer. */
export interface FailoverBenchResult {
  readonly kills: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly min: number;
  /** Each kill, in order. */
  readonly all: readonly number[];
  readonly rate: number;
  readonly payload: number;
  readonly burst: number;
  readonly mtu: number;
  readonly durability: string;
  readonly nodes: number;
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** The value that a share of all is not above. */
function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right);
  return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0;
}

async function awaitAnswer(traffic: Traffic): Promise<number> {
  const endMs = Date.now() + LEADER_TIMEOUT_MS;
  while (traffic.failoverMs < 0) {
    if (traffic.error !== undefined) {
      throw traffic.error;
    }
    if (Date.now() > endMs) {
      throw new PawlError(
        ErrorCode.Timeout,
        `no answer came within ${LEADER_TIMEOUT_MS} ms of the kill: see the members' output`,
        'environment',
      );
    }
    await pause(ANSWER_POLL_MS);
  }
  return traffic.failoverMs;
}

/** Kills the leader, waits for the next answer, and brings the dead member back. */
async function killOnce(cluster: LocalCluster, traffic: Traffic): Promise<number> {
  await pause(STEADY_MS);
  const leader = await cluster.waitForLeader(LEADER_TIMEOUT_MS);
  traffic.noteKill();
  await leader.kill();
  const tookMs = await awaitAnswer(traffic);
  await leader.start();
  const target = (await cluster.statuses()).find(isLeading)?.commitPosition ?? 0;
  await cluster.waitFor(
    `member ${leader.memberId} to follow again`,
    (all) =>
      all.every(({ state, servicePosition }) => state === 'CLOSED' && servicePosition >= target),
    CATCH_UP_TIMEOUT_MS,
  );
  return tookMs;
}

/**
 * Measures fail-overs.
 *
 * @throws PawlError when a member does not come back or nobody answers.
 */
export async function benchFailover(
  options: FailoverBenchOptions,
  progress: Progress,
): Promise<FailoverBenchResult> {
  const { burst, directory, durability, kills, mtu, payload, rate } = options;
  const cluster = await LocalCluster.create({
    memberCount: MEMBER_COUNT,
    directory,
    cluster: { durability },
    member: { mtuLength: mtu },
  });
  let traffic: Traffic | undefined;
  try {
    await cluster.start();
    await cluster.waitForLeader(LEADER_TIMEOUT_MS);
    const { ingress } = cluster;
    traffic = await Traffic.connect({ ingress, mtu, rate, burst, payloadLength: payload });
    traffic.start();
    const all: number[] = [];
    for (let kill = 1; kill <= kills; kill++) {
      all.push(rounded(await killOnce(cluster, traffic)));
      progress.live(`  kill ${kill} of ${kills}: ${all.at(-1)} ms`);
    }
    await traffic.finish();
    const [p50, p99] = [rounded(median(all)), percentile(all, 0.99)];
    const figures = { kills, p50, p99, max: Math.max(...all), min: Math.min(...all), all };
    return { ...figures, rate, payload, burst, mtu, durability, nodes: MEMBER_COUNT };
  } finally {
    traffic?.close();
    await cluster.killAll();
    cluster.remove();
  }
}
