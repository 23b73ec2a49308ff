// seed-progress.ts: how far a run of many seeds has come, now and then.

import { grouped } from './output.js';

/** A line comes when this part of the seeds has ended since the last one, */
const STEP_PART = 0.05;
/** but not sooner than this after it, so that a short run says nothing, */
const QUIET_MS = 2_000;
/** and when it has been silent for this long, so that a long one does. */
const SILENCE_MS_MAX = 60_000;
const MS_PER_SECOND = 1_000;

export interface SeedProgressOptions {
  readonly seedCount: number;
  /** Wall clock in milliseconds. */
  readonly nowMs: () => number;
  readonly print: (line: string) => void;
}

export class SeedProgress {
  readonly #options: SeedProgressOptions;
  readonly #startMs: number;
  #printedMs: number;
  #printedCount = 0;

  constructor(options: SeedProgressOptions) {
    this.#options = options;
    this.#startMs = options.nowMs();
    this.#printedMs = this.#startMs;
  }

  /** Called after each seed. The last one says nothing: the result does. */
  readonly onSeed = (endedCount: number, failureCount: number): void => {
    const { nowMs, print, seedCount } = this.#options;
    const now = nowMs();
    const silentMs = now - this.#printedMs;
    const isStep = endedCount - this.#printedCount >= seedCount * STEP_PART;
    const isDue = (isStep && silentMs >= QUIET_MS) || silentMs >= SILENCE_MS_MAX;
    if (!isDue || endedCount >= seedCount) {
      return;
    }
    this.#printedMs = now;
    this.#printedCount = endedCount;
    const seconds = Math.round((now - this.#startMs) / MS_PER_SECOND);
    print(
      `${grouped(endedCount)} of ${grouped(seedCount)} seeds after ${grouped(seconds)} s, ` +
        `${failureCount === 0 ? 'no failure' : `${grouped(failureCount)} failed`} so far`,
    );
  };
}
