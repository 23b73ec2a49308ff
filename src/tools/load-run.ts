// load-run.ts: one measured run over a target, from a description that can cross processes.

import type { Clock } from '../ports/clock.js';
import { LatencyRecorder, type LatencySummary, rounded } from './latency.js';
import type { LedgerSummary } from './ledger.js';
import { Load, type LoadShape, type LoadTarget, PacedSender, WindowSender } from './load.js';

const NS_PER_SECOND = 1e9;
/** Longest wait for the last echoes of a run. */
const DRAIN_NS_MAX = 10 * NS_PER_SECOND;
const POLL_MS = 2;

/** A run: a rate for the open loop, or messages in flight for the closed loop. */
export interface RunSpec extends LoadShape {
  readonly kind: 'paced' | 'window';
  /** Messages per second, or messages in flight (a multiple of the burst). */
  readonly value: number;
  readonly seconds: number;
}

export interface RunResult extends LatencySummary, Omit<LedgerSummary, 'acknowledged' | 'unknown'> {
  readonly received: number;
  /** Messages per second from the first one due to the last echo. */
  readonly achieved: number;
  readonly backPressured: number;
  /** CPU seconds of the client's process. */
  readonly clientCpuSeconds: number;
}

/** Runs loads one after another over one target. */
export class LoadRunner {
  readonly #target: LoadTarget;
  readonly #clock: Clock;
  #runId = 0;
  #load: Load | undefined;
  #windowSender: WindowSender | undefined;

  constructor(target: LoadTarget, clock: Clock) {
    this.#target = target;
    this.#clock = clock;
  }

  /** To be called with every message that the target receives. */
  onEcho(view: DataView, offset: number, length: number): void {
    this.#load?.onEcho(view, offset, length);
    this.#windowSender?.onEcho();
  }

  async run(spec: RunSpec): Promise<RunResult> {
    const recorder = new LatencyRecorder();
    this.#runId++;
    const load = new Load({
      target: this.#target,
      shape: spec,
      runId: this.#runId,
      clock: this.#clock,
      record: (latencyNs) => recorder.record(latencyNs),
    });
    this.#load = load;
    const cpuBefore = process.cpuUsage();
    const startNs = this.#clock.nowNs();
    const backPressured = await this.#send(load, spec);
    await this.#drain(load);
    const cpu = process.cpuUsage(cpuBefore);
    const { sent, acknowledged, unknown, lost, duplicated, reordered } = load.ledger.summary();
    const seconds = Math.max(1, load.lastEchoNs - startNs) / NS_PER_SECOND;
    return {
      sent,
      received: acknowledged,
      lost: lost + unknown,
      duplicated,
      reordered,
      achieved: rounded(acknowledged / seconds),
      ...recorder.summary(),
      backPressured,
      clientCpuSeconds: (cpu.user + cpu.system) / 1e6,
    };
  }

  async #send(load: Load, spec: RunSpec): Promise<number> {
    const durationNs = spec.seconds * NS_PER_SECOND;
    if (spec.kind === 'paced') {
      const sender = new PacedSender(load, this.#target, this.#clock, spec.value, spec.burst);
      await sender.run(durationNs);
      return sender.backPressuredCount;
    }
    const sender = new WindowSender(load, this.#target, this.#clock, spec.burst);
    this.#windowSender = sender;
    sender.start(Math.max(1, Math.round(spec.value / spec.burst)), durationNs);
    await until(() => sender.isOver, this.#clock, durationNs + DRAIN_NS_MAX);
    this.#windowSender = undefined;
    return 0;
  }

  async #drain(load: Load): Promise<void> {
    await until(() => load.ledger.outstandingCount === 0, this.#clock, DRAIN_NS_MAX);
  }
}

/**
 * Looks at a condition every few milliseconds.
 *
 * @returns whether it came true in time.
 */
export async function until(
  condition: () => boolean,
  clock: Clock,
  timeoutNs: number,
): Promise<boolean> {
  const endNs = clock.nowNs() + timeoutNs;
  while (!condition()) {
    if (clock.nowNs() >= endNs) {
      return false;
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS));
  }
  return true;
}
