// seed-sums.ts: what many seeds came to: sums, marks, failures, and the lines that tell of them.

import { MARK_NAMES } from '../marks.js';
import type { SeedReport } from './seed-run.js';
import { addCounts, emptyCounts, type SimulationCounts } from './simulation-counts.js';
import { type SeedStory, storyLines } from './story/failing-seed.js';

const NS_PER_SECOND = 1_000_000_000;
const NS_PER_MS = 1_000_000;
/** Failing seeds that are minimised and told; of further ones there is the command. */
export const STORIES_MAX = 3;

/** A seed that broke an invariant. */
export interface SeedFailure {
  readonly seed: number;
  readonly invariant: string;
  readonly message: string;
  readonly timeNs: number;
  /** Command that replays it. */
  readonly replay: string;
  /** The fewest faults with which it fails, and how; of the first failing seeds. */
  readonly story: SeedStory | undefined;
}

/** Sums over all seeds. */
export interface RunSeedsResult extends SimulationCounts {
  seeds: number;
  events: number;
  simulatedSeconds: number;
  wallSeconds: number;
  /** How many times faster than the clock on the wall; 0 when that is not known. */
  simulatedSecondsPerSecond: number;
  eventsPerSecond: number;
  /** Seeds with an election beyond the first and a crash. */
  seedsWithElectionAndCrash: number;
  /** Rare paths of the code that were taken, and how many there are. */
  marksHit: number;
  marksTotal: number;
  marksNeverHit: string[];
  /** Trace hash of the last seed. */
  traceHash: string;
  readonly failures: SeedFailure[];
}

/** Adds up reports, which come in the order of their seeds. */
export class SeedSums {
  readonly #total = emptyResult();
  readonly #marks = new Set<number>();
  readonly #isEachTold: boolean;

  /** @param isEachTold seeds that do not fail have a line as well. */
  constructor(isEachTold: boolean) {
    this.#isEachTold = isEachTold;
  }

  get failureCount(): number {
    return this.#total.failures.length;
  }

  /** Adds the next seed, and returns the lines that tell of it. */
  add(report: SeedReport): readonly string[] {
    const { counts, replay, seed, violation } = report;
    const total = this.#total;
    total.seeds++;
    total.events += report.events;
    total.simulatedSeconds += report.simulatedNs / NS_PER_SECOND;
    total.traceHash = report.traceHash;
    total.seedsWithElectionAndCrash += counts.elections > 1 && counts.crashes > 0 ? 1 : 0;
    addCounts(total, counts);
    for (const number of report.marks) {
      this.#marks.add(number);
    }
    if (violation === undefined) {
      return this.#isEachTold ? [...report.timeline, successLine(report)] : report.timeline;
    }
    const failure: SeedFailure = {
      seed,
      ...violation,
      replay,
      story: this.failureCount < STORIES_MAX ? report.story : undefined,
    };
    total.failures.push(failure);
    return [...report.timeline, ...failureLines(failure)];
  }

  /** The sums, and the speed over so many seconds; 0 when they are not known. */
  result(wallSeconds: number): RunSeedsResult {
    const { events, simulatedSeconds } = this.#total;
    const marksNeverHit = MARK_NAMES.filter((_, number) => !this.#marks.has(number));
    const perSecond = (value: number) => (wallSeconds > 0 ? value / wallSeconds : 0);
    return {
      ...this.#total,
      wallSeconds,
      simulatedSecondsPerSecond: perSecond(simulatedSeconds),
      eventsPerSecond: perSecond(events),
      marksHit: MARK_NAMES.length - marksNeverHit.length,
      marksNeverHit,
    };
  }
}

function emptyResult(): RunSeedsResult {
  return {
    seeds: 0,
    events: 0,
    simulatedSeconds: 0,
    wallSeconds: 0,
    simulatedSecondsPerSecond: 0,
    eventsPerSecond: 0,
    ...emptyCounts(),
    seedsWithElectionAndCrash: 0,
    marksHit: 0,
    marksTotal: MARK_NAMES.length,
    marksNeverHit: [],
    traceHash: '',
    failures: [],
  };
}

function failureLines({ invariant, message, replay, seed, story, timeNs }: SeedFailure): string[] {
  const ms = (timeNs / NS_PER_MS).toFixed(3);
  return [
    `seed ${seed} FAILED ${invariant} at ${ms} ms: ${message}`,
    `  replay it: ${replay}`,
    ...(story === undefined ? [] : storyLines(story, replay)),
  ];
}

function successLine({ counts, events, seed, simulatedNs, traceHash }: SeedReport): string {
  const seconds = (simulatedNs / NS_PER_SECOND).toFixed(1);
  return (
    `seed ${seed} ok: trace ${traceHash}, ${events} events in ${seconds} s, ` +
    `${counts.acknowledged} of ${counts.commands} commands answered, ` +
    `${counts.elections} elections, ${counts.crashes} crashes`
  );
}
