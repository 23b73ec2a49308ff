// reads-bench.ts: linearizable reads without the log, beside reads through it.
//
// Both ask the same key/value service on the same three processes for the same keys, in turn, in
// one run: the machine's mood is the same for both.

import { ErrorCode, PawlError } from '../../errors.js';
import { Child } from '../child-process.js';
import { median, rounded } from '../latency.js';
import { isLeading, LocalCluster } from '../local-cluster.js';
import type { Progress } from '../output.js';
import type { ReadRun, ReadSpec } from './reads-process.js';

const MEMBER_COUNT = 3;
const LEADER_TIMEOUT_MS = 20_000;
const MIB = 1024 * 1024;
const WINDOW_LENGTH = 4 * MIB;
const STREAM_TERM_LENGTH = 8 * MIB;
/** Of each path: before that much the code of a turn is not compiled yet, at either. */
const WARM_UP_SECONDS = 3;
const ATTEMPT_COUNT_MAX = 3;
/**
 * Node takes 64 KiB from outside of its heap for each datagram, and a client that receives much has
 * a full collection of garbage for each 64 MiB of them, unless its young generation, with which
 * they are given back, is small.
 */
const CLIENT_NODE_ARGS = ['--max-semi-space-size=4'];
/** The rate of reads by query, over the rate of reads through the log. */
export const READ_RATIO_MIN = 5;

export interface ReadsBenchOptions {
  /** Reads without an answer at a time; one run of each path for each of them. */
  readonly windows: readonly number[];
  /** Seconds of a run. */
  readonly seconds: number;
  /** Runs of each path and window; the middle one counts. */
  readonly rounds: number;
  /** Bytes of a value. */
  readonly payload: number;
  readonly keys: number;
  readonly mtu: number;
  readonly durability: 'fsync' | 'page-cache';
  readonly directory?: string | undefined;
}

/** Reads per second, and latencies in microseconds. */
export type ReadFigures = Pick<ReadRun, 'rate' | 'p50' | 'p99' | 'max'>;

/** Both paths with as many reads in flight. */
export interface ReadsWindow {
  readonly window: number;
  readonly log: ReadFigures;
  readonly query: ReadFigures;
  /** Rate of queries over rate of reads through the log. */
  readonly ratio: number;
  /** Rounds of read probes for one query. */
  readonly roundsPerRead: number;
}

export interface ReadsBenchResult {
  readonly nodes: number;
  readonly durability: string;
  readonly mtu: number;
  readonly payload: number;
  readonly keys: number;
  readonly windows: readonly ReadsWindow[];
  /** The best rate of each path, whatever the window. */
  readonly maximum: { readonly log: number; readonly query: number };
  /** Of those two. */
  readonly ratio: number;
  readonly ratioMin: number;
  readonly holds: boolean;
}

interface Bench {
  readonly cluster: LocalCluster;
  readonly client: Child;
}

async function start(options: ReadsBenchOptions): Promise<Bench> {
  const { directory, durability, mtu } = options;
  const cluster = await LocalCluster.create({
    memberCount: MEMBER_COUNT,
    directory,
    cluster: { durability, egressTermLength: STREAM_TERM_LENGTH },
    member: {
      mtuLength: mtu,
      windowLength: WINDOW_LENGTH,
      streamTermLength: STREAM_TERM_LENGTH,
    },
    service: 'key-value',
  });
  try {
    await cluster.start();
    await cluster.waitForLeader(LEADER_TIMEOUT_MS);
    const entry = new URL('./reads-process.ts', import.meta.url);
    const client = new Child('bench client', entry, { nodeArgs: CLIENT_NODE_ARGS });
    await client.ask('connect', {
      ingressEndpoints: cluster.ingress,
      mtuLength: mtu,
      windowLength: WINDOW_LENGTH,
      ingressTermLength: STREAM_TERM_LENGTH,
    });
    return { cluster, client };
  } catch (error) {
    await cluster.killAll();
    cluster.remove();
    throw error;
  }
}

/** A run in which every read has found its value: where the leader changed, another one. */
async function runOnce(bench: Bench, spec: ReadSpec): Promise<ReadRun> {
  let run: ReadRun | undefined;
  for (let attempt = 0; attempt < ATTEMPT_COUNT_MAX; attempt++) {
    run = await bench.client.ask<ReadRun>('run', spec);
    if (run.failed === 0) {
      return run;
    }
  }
  throw new PawlError(
    ErrorCode.Timeout,
    `${run?.failed} of ${run?.count} reads had no value in the last of ${ATTEMPT_COUNT_MAX} runs ` +
      `with ${spec.window} in flight: use smaller windows, or a machine with less to do`,
    'environment',
  );
}

/** Rounds of read probes that the leader has begun so far. */
async function roundsOf(cluster: LocalCluster): Promise<number> {
  const statuses = await cluster.statuses();
  return statuses.find(isLeading)?.counters.readRounds ?? 0;
}

/** The run whose rate is the middle one. */
function middleOf(runs: readonly ReadRun[]): ReadFigures {
  const rate = median(runs.map((run) => run.rate));
  const distance = (run: ReadRun) => Math.abs(run.rate - rate);
  const sorted = [...runs].sort((left, right) => distance(left) - distance(right));
  const { max = 0, p50 = 0, p99 = 0 } = sorted[0] ?? {};
  return { rate: Math.round(rate), p50, p99, max };
}

async function runWindow(
  bench: Bench,
  options: ReadsBenchOptions,
  window: number,
  progress: Progress,
): Promise<ReadsWindow> {
  const { keys, payload, rounds, seconds } = options;
  const log: ReadRun[] = [];
  const query: ReadRun[] = [];
  const before = await roundsOf(bench.cluster);
  for (let round = 1; round <= rounds; round++) {
    progress.step(`${window} in flight, round ${round} of ${rounds}`);
    const spec = { window, seconds, keys, payload };
    log.push(await runOnce(bench, { ...spec, path: 'log' }));
    query.push(await runOnce(bench, { ...spec, path: 'query' }));
  }
  const readRounds = (await roundsOf(bench.cluster)) - before;
  const readCount = query.reduce((sum, run) => sum + run.count, 0);
  const [ofLog, ofQuery] = [middleOf(log), middleOf(query)];
  return {
    window,
    log: ofLog,
    query: ofQuery,
    ratio: ratioOf(ofQuery.rate, ofLog.rate),
    roundsPerRead: Math.round((readRounds / Math.max(1, readCount)) * 1e5) / 1e5,
  };
}

function ratioOf(query: number, log: number): number {
  return rounded(query / Math.max(1, log));
}

/**
 * Measures reads.
 *
 * @throws PawlError when a read finds nothing or the cluster does not start.
 */
export async function benchReads(
  options: ReadsBenchOptions,
  progress: Progress,
): Promise<ReadsBenchResult> {
  const { durability, keys, mtu, payload } = options;
  progress.step('starting three members and a client');
  const bench = await start(options);
  try {
    progress.step(`writing ${keys} keys of ${payload} bytes`);
    const spec = { window: 64, seconds: WARM_UP_SECONDS, keys, payload };
    await runOnce(bench, { ...spec, path: 'fill' });
    progress.step('warming up');
    await runOnce(bench, { ...spec, path: 'log' });
    await runOnce(bench, { ...spec, path: 'query' });
    const windows: ReadsWindow[] = [];
    for (const window of options.windows) {
      windows.push(await runWindow(bench, options, window, progress));
    }
    const maximum = {
      log: Math.max(...windows.map(({ log }) => log.rate)),
      query: Math.max(...windows.map(({ query }) => query.rate)),
    };
    const ratio = ratioOf(maximum.query, maximum.log);
    return {
      ...{ nodes: MEMBER_COUNT, durability, mtu, payload, keys, windows, maximum, ratio },
      ratioMin: READ_RATIO_MIN,
      holds: ratio >= READ_RATIO_MIN,
    };
  } finally {
    await bench.client.release();
    await bench.cluster.killAll();
    bench.cluster.remove();
  }
}
