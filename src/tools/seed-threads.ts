// seed-threads.ts: runs seeds of the simulator on several threads, each seed whole on one of them.
//
// A thread gets its next seed when it has reported the last one. Reports arrive in any order and
// are passed on in the order of the seeds, so that what is made of them is what one thread makes.
// Threads share nothing: each has globals, marks and memory of its own, and ends with the process
// whatever ends that.

import type { Worker } from 'node:worker_threads';
import { startThread } from '../host/worker-thread.js';
import { describeError } from '../simulator/describe-error.js';
import { lostSeed, type SeedPlan, type SeedReport } from '../simulator/seed-run.js';
import { STORIES_MAX } from '../simulator/seed-sums.js';

/** What a thread is sent: a seed, or that there are no more. */
export type SeedOrder = { readonly seed: number; readonly isTold: boolean } | 'end';

export interface SeedThreadsOptions {
  readonly plan: SeedPlan;
  /** Threads at most; there are never more than seeds. */
  readonly jobs: number;
  /** What the threads run, literally `new URL(literal, import.meta.url)`. */
  readonly entry?: URL;
  /** Gets every report, in the order of the seeds. */
  readonly onReport: (report: SeedReport) => void;
  /** Told after each seed, in whatever order they end, how many have ended and failed. */
  readonly onSeed?: (endedCount: number, failureCount: number) => void;
}

/**
 * Runs the seeds of a plan, and resolves when all threads have ended.
 *
 * A thread that dies or throws fails the seed that it had (`lostSeed`) and ends the run: the other
 * threads end at once, and of the seeds that have no report by then there will be none.
 */
export async function runOnThreads(options: SeedThreadsOptions): Promise<void> {
  await new SeedThreads(options).run();
}

class SeedThreads {
  readonly #options: SeedThreadsOptions;
  readonly #threads = new Set<Worker>();
  /** Reports of seeds behind one that still runs. */
  readonly #early = new Map<number, SeedReport>();
  /** How many seeds have been handed out, passed on, have ended, and failed. */
  #orderCount = 0;
  #passedCount = 0;
  #endedCount = 0;
  #failureCount = 0;
  #isGivenUp = false;

  constructor(options: SeedThreadsOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { jobs, plan } = this.#options;
    const count = Math.min(jobs, plan.count);
    await Promise.all(Array.from({ length: count }, () => this.#runThread()));
  }

  /** Resolves when the thread has ended. */
  #runThread(): Promise<void> {
    const { entry = new URL('./simulate-worker.ts', import.meta.url), plan } = this.#options;
    const thread = startThread(entry, { workerData: plan, name: 'simulate' });
    this.#threads.add(thread);
    let seed = this.#giveSeed(thread);
    thread.on('message', (report: SeedReport) => {
      this.#onEnded(report);
      seed = this.#giveSeed(thread);
    });
    thread.on('error', (error) => this.#onDeath(seed, describeError(error)));
    return new Promise((resolve) => {
      thread.on('exit', (code) => {
        this.#threads.delete(thread);
        this.#onDeath(seed, `its thread ended with code ${code} and without a report`);
        resolve();
      });
    });
  }

  /** @returns the seed; undefined when all are handed out. */
  #giveSeed(thread: Worker): number | undefined {
    const { plan } = this.#options;
    const seed = this.#orderCount < plan.count ? plan.first + this.#orderCount++ : undefined;
    // Of the failures known by now all seeds are lower: there may be more, and a story too many.
    const isTold = this.#failureCount < STORIES_MAX;
    const order: SeedOrder = seed === undefined ? 'end' : { seed, isTold };
    thread.postMessage(order);
    return seed;
  }

  #onEnded(report: SeedReport): void {
    if (this.#isGivenUp) {
      return;
    }
    this.#endedCount++;
    this.#failureCount += report.violation === undefined ? 0 : 1;
    this.#early.set(report.seed, report);
    this.#passOn();
    this.#options.onSeed?.(this.#endedCount, this.#failureCount);
  }

  #passOn(): void {
    const { onReport, plan } = this.#options;
    for (;;) {
      const report = this.#early.get(plan.first + this.#passedCount);
      if (report === undefined) {
        return;
      }
      this.#early.delete(report.seed);
      this.#passedCount++;
      onReport(report);
    }
  }

  /** A thread without a seed may end; with one it has died. */
  #onDeath(seed: number | undefined, message: string): void {
    if (seed === undefined || this.#isGivenUp) {
      return;
    }
    this.#isGivenUp = true;
    for (const thread of this.#threads) {
      void thread.terminate();
    }
    this.#early.set(seed, lostSeed(this.#options.plan, seed, message));
    const left = [...this.#early.values()].sort((one, other) => one.seed - other.seed);
    for (const report of left) {
      this.#options.onReport(report);
    }
  }
}
