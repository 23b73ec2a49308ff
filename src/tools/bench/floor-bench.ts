// floor-bench.ts: measures the floor and the ping-pong that tells whether the floor is a good one.

import type { IdleStrategy } from '../../host/event-loop.js';
import { median, rounded } from '../latency.js';
import type { RunResult, RunSpec } from '../load-run.js';
import type { Progress } from '../output.js';
import { type LoadChain, startFloor, startPingPong, startRecordedFloor } from './floor-chain.js';
import { frameLengthOf } from './floor-record.js';

/** A floor slower than this many ping-pongs would flatter what is compared with it. */
export const FLOOR_TO_PING_PONG_MAX = 5;
/** Bursts in flight in the closed loop; the last ones look for the maximum. */
export const WINDOW_BURSTS: readonly number[] = [1, 8, 64, 256];
const WARM_UP_SECONDS = 1;
/** At full load a cluster grows quicker for some ten seconds: V8 compiles what it sees is busy. */
const FULL_LOAD_WARM_UP_SECONDS = 8;

export interface FloorBenchOptions {
  readonly payload: number;
  readonly burst: number;
  readonly mtu: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly idle: IdleStrategy;
}

export interface ClosedLoopResult {
  /** Messages in flight. */
  readonly window: number;
  /** Messages per second. */
  readonly achieved: number;
  readonly p50: number;
  readonly p99: number;
  readonly lost: number;
}

/** The floor with messages as long as their frames in a log, checked and written to files. */
export interface RecordedFloor {
  /** Bytes of a message. */
  readonly frameLength: number;
  readonly closedLoop: readonly ClosedLoopResult[];
  readonly p50: number;
  readonly maximum: number;
  /** Its maximum / that of the floor: what is left of it for a program that keeps a log. */
  readonly ratio: number;
}

export interface FloorResult {
  readonly media: 'udp';
  readonly mtu: number;
  readonly payload: number;
  readonly burst: number;
  readonly idle: IdleStrategy;
  readonly pingPong: { readonly p50: number; readonly p99: number; readonly achieved: number };
  readonly closedLoop: readonly ClosedLoopResult[];
  /** One burst in flight. */
  readonly p50: number;
  readonly p99: number;
  /** Most messages per second over all windows. */
  readonly maximum: number;
  readonly floorToPingPong: number;
  readonly isValid: boolean;
  /** Of `pawl bench floor` alone: its files would disturb a cluster that is measured in turn. */
  readonly recorded?: RecordedFloor;
}

/** One closed-loop run of one burst or more in flight. */
export function windowSpec(
  options: Pick<FloorBenchOptions, 'payload' | 'burst' | 'seconds'>,
  bursts: number,
): RunSpec {
  const { payload, burst, seconds } = options;
  return { kind: 'window', value: bursts * burst, seconds, payloadLength: payload, burst };
}

/** Runs that must not be counted: code is compiled, buffers are touched for the first time. */
export async function warmUp(
  chain: LoadChain,
  options: Pick<FloorBenchOptions, 'payload' | 'burst'>,
): Promise<void> {
  const fullLoad = Math.max(...WINDOW_BURSTS);
  await chain.run(windowSpec({ ...options, seconds: FULL_LOAD_WARM_UP_SECONDS }, fullLoad));
  await chain.run(windowSpec({ ...options, seconds: WARM_UP_SECONDS }, 1));
}

/** The middle of several runs at one window. */
export function closedLoopResult(window: number, runs: readonly RunResult[]): ClosedLoopResult {
  return {
    window,
    achieved: Math.round(median(runs.map((run) => run.achieved))),
    p50: rounded(median(runs.map((run) => run.p50))),
    p99: rounded(median(runs.map((run) => run.p99))),
    lost: runs.reduce((sum, run) => sum + run.lost, 0),
  };
}

/** Every window of a chain: its middle round. */
export function closedLoopResults(runs: WindowRuns, burst: number): readonly ClosedLoopResult[] {
  return runs.map((some, index) => closedLoopResult((WINDOW_BURSTS[index] ?? 0) * burst, some));
}

/** Runs of one chain: [window][round]. */
export type WindowRuns = readonly (readonly RunResult[])[];

/** Runs every window, in turn on every chain, as often as asked for: [chain][window][round]. */
export async function runWindows(
  chains: readonly LoadChain[],
  options: Pick<FloorBenchOptions, 'payload' | 'burst' | 'seconds'>,
  rounds: number,
  progress: Progress,
): Promise<WindowRuns[]> {
  const runs: RunResult[][][] = chains.map(() => WINDOW_BURSTS.map(() => []));
  for (let round = 1; round <= rounds; round++) {
    progress.step(`closed loop, round ${round} of ${rounds}`);
    for (const [index, bursts] of WINDOW_BURSTS.entries()) {
      for (const [number, chain] of chains.entries()) {
        runs[number]?.[index]?.push(await chain.run(windowSpec(options, bursts)));
      }
    }
  }
  return runs;
}

/** The floor, the ping-pong and, if asked for, the floor that records, in this order, warm. */
export class FloorChains {
  readonly all: readonly LoadChain[];
  readonly #options: FloorBenchOptions;

  private constructor(options: FloorBenchOptions, all: readonly LoadChain[]) {
    this.#options = options;
    this.all = all;
  }

  static async start(options: FloorBenchOptions, withRecorded: boolean): Promise<FloorChains> {
    const all: LoadChain[] = [];
    const chains = new FloorChains(options, all);
    try {
      all.push(await startFloor(options));
      all.push(await startPingPong(options));
      if (withRecorded) {
        all.push(await startRecordedFloor(options));
      }
      for (const chain of all) {
        await warmUp(chain, options);
      }
      return chains;
    } catch (error) {
      await chains.close();
      throw error;
    }
  }

  /** What their runs say. */
  conclude(runs: readonly WindowRuns[]): FloorResult {
    const [floor = [], pingPong = [], recorded] = runs;
    const { burst, idle, mtu, payload } = this.#options;
    const one = closedLoopResult(burst, pingPong[0] ?? []);
    const closedLoop = closedLoopResults(floor, burst);
    const { p50 = 0, p99 = 0 } = closedLoop[0] ?? {};
    const maximum = maximumOf(closedLoop);
    const floorToPingPong = twoDigits(p50 / one.p50);
    const lost = closedLoop.reduce((sum, run) => sum + run.lost, one.lost);
    return {
      media: 'udp',
      mtu,
      payload,
      burst,
      idle,
      pingPong: { p50: one.p50, p99: one.p99, achieved: one.achieved },
      closedLoop,
      p50,
      p99,
      maximum,
      floorToPingPong,
      isValid: lost === 0 && floorToPingPong <= FLOOR_TO_PING_PONG_MAX,
      ...(recorded === undefined
        ? {}
        : { recorded: concludeRecorded(payload, closedLoopResults(recorded, burst), maximum) }),
    };
  }

  async close(): Promise<void> {
    await Promise.all(this.all.map((chain) => chain.close()));
  }
}

function concludeRecorded(
  payload: number,
  closedLoop: readonly ClosedLoopResult[],
  floorMaximum: number,
): RecordedFloor {
  const maximum = maximumOf(closedLoop);
  return {
    frameLength: frameLengthOf(payload),
    closedLoop,
    p50: closedLoop[0]?.p50 ?? 0,
    maximum,
    ratio: twoDigits(maximum / floorMaximum),
  };
}

/** Most messages per second over all windows. */
export function maximumOf(closedLoop: readonly ClosedLoopResult[]): number {
  return Math.max(...closedLoop.map((run) => run.achieved));
}

/** A ratio, as it is told. */
export function twoDigits(value: number): number {
  return Math.round(value * 100) / 100;
}

/** Measures ping-pong and floors in turn, several times, and takes the middle of each. */
export async function benchFloor(
  options: FloorBenchOptions,
  progress: Progress,
): Promise<FloorResult> {
  progress.step('warming up');
  const chains = await FloorChains.start(options, true);
  try {
    return chains.conclude(await runWindows(chains.all, options, options.rounds, progress));
  } finally {
    await chains.close();
  }
}
