// floor-bench.ts: measures the floor and the ping-pong that tells whether the floor is a good one.

import type { IdleStrategy } from '../../host/event-loop.js';
import { median, rounded } from '../latency.js';
import type { RunResult, RunSpec } from '../load-run.js';
import type { Progress } from '../output.js';
import { type LoadChain, startFloor, startPingPong } from './floor-chain.js';

/** A floor slower than this many ping-pongs would flatter what is compared with it. */
export const FLOOR_TO_PING_PONG_MAX = 5;
/** Bursts in flight in the closed loop; the last ones look for the maximum. */
export const WINDOW_BURSTS: readonly number[] = [1, 8, 64, 256];
const WARM_UP_SECONDS = 1;

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
  await chain.run(windowSpec({ ...options, seconds: WARM_UP_SECONDS }, 8));
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

/** What the runs of the floor and of its ping-pong say. */
export function concludeFloor(
  options: FloorBenchOptions,
  pingPong: readonly RunResult[],
  closedLoop: readonly ClosedLoopResult[],
): FloorResult {
  const one = closedLoopResult(options.burst, pingPong);
  const first = closedLoop[0];
  const p50 = first?.p50 ?? 0;
  const floorToPingPong = Math.round((p50 / one.p50) * 100) / 100;
  const lost = closedLoop.reduce((sum, run) => sum + run.lost, one.lost);
  const { mtu, payload, burst, idle } = options;
  return {
    media: 'udp',
    mtu,
    payload,
    burst,
    idle,
    pingPong: { p50: one.p50, p99: one.p99, achieved: one.achieved },
    closedLoop,
    p50,
    p99: first?.p99 ?? 0,
    maximum: Math.max(...closedLoop.map((run) => run.achieved)),
    floorToPingPong,
    isValid: lost === 0 && floorToPingPong <= FLOOR_TO_PING_PONG_MAX,
  };
}

/** Measures ping-pong and floor in turn, several times, and takes the middle of each. */
export async function benchFloor(
  options: FloorBenchOptions,
  progress: Progress,
): Promise<FloorResult> {
  const pingPong = await startPingPong(options);
  const floor = await startFloor(options);
  try {
    progress.step('warming up');
    await warmUp(pingPong, options);
    await warmUp(floor, options);
    const pingPongRuns: RunResult[] = [];
    const floorRuns: RunResult[][] = WINDOW_BURSTS.map(() => []);
    for (let round = 1; round <= options.rounds; round++) {
      progress.step(`round ${round} of ${options.rounds}`);
      pingPongRuns.push(await pingPong.run(windowSpec(options, 1)));
      for (const [index, bursts] of WINDOW_BURSTS.entries()) {
        floorRuns[index]?.push(await floor.run(windowSpec(options, bursts)));
      }
    }
    const closedLoop = floorRuns.map((runs, index) =>
      closedLoopResult((WINDOW_BURSTS[index] ?? 0) * options.burst, runs),
    );
    return concludeFloor(options, pingPongRuns, closedLoop);
  } finally {
    await Promise.all([pingPong.close(), floor.close()]);
  }
}
