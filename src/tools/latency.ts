// latency.ts: latencies as a histogram, and the percentiles that are printed.

import { build, type Histogram } from 'hdr-histogram-js';

/** Unit of the histogram: its integers stay below 2^31, where it is fast, up to 200 seconds. */
const UNIT_NS = 100;
const UNITS_PER_US = 1_000 / UNIT_NS;
const VALUE_MAX = 2 ** 31 - 1;

/** Microseconds, with one decimal. */
export interface LatencySummary {
  readonly count: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly p9999: number;
  readonly max: number;
}

/** Collects latencies of three significant digits. */
export class LatencyRecorder {
  readonly #histogram: Histogram = build({
    bitBucketSize: 32,
    autoResize: true,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  });
  #maxNs = 0;

  /** @param count of operations that took as long. */
  record(latencyNs: number, count = 1): void {
    const value = Math.max(1, Math.round(latencyNs / UNIT_NS));
    this.#histogram.recordValueWithCount(Math.min(value, VALUE_MAX), count);
    this.#maxNs = Math.max(this.#maxNs, latencyNs);
  }

  summary(): LatencySummary {
    const at = (percentile: number) =>
      this.#histogram.totalCount === 0
        ? 0
        : Math.min(
            this.#histogram.getValueAtPercentile(percentile) / UNITS_PER_US,
            rounded(this.#maxNs / 1_000),
          );
    return {
      count: this.#histogram.totalCount,
      p50: at(50),
      p90: at(90),
      p99: at(99),
      p999: at(99.9),
      p9999: at(99.99),
      max: rounded(this.#maxNs / 1_000),
    };
  }
}

/** One decimal is more than what a clock and a scheduler can tell. */
export function rounded(value: number): number {
  return Math.round(value * 10) / 10;
}

export const LATENCY_HEADINGS = ['p50', 'p90', 'p99', 'p99.9', 'p99.99', 'max'] as const;

/** Cells of a table row under LATENCY_HEADINGS, microseconds. */
export function latencyCells(summary: Omit<LatencySummary, 'count'>): readonly string[] {
  const { p50, p90, p99, p999, p9999, max } = summary;
  return [p50, p90, p99, p999, p9999, max].map((value) => value.toFixed(0));
}

/** The middle value of an odd number of them, or the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)] ?? 0;
  const lower = sorted[Math.floor((sorted.length - 1) / 2)] ?? 0;
  return (upper + lower) / 2;
}
