// measure.ts: nanoseconds per operation, as the median of many short chunks.
//
// A chunk is long enough for the clock and short enough to fall between two interruptions; the median
// then says what the code costs, and the lowest tenth how steady the machine was.

/** Chunks per case. */
const CHUNK_COUNT = 25;
/** Time that a chunk aims at. */
const CHUNK_TARGET_NS = 3_000_000;
/** Calls before anything is measured, so that the optimizing compilers have seen the code. */
const WARM_UP_NS = 60_000_000;

export interface Measurement {
  /** Median nanoseconds per operation. */
  readonly medianNs: number;
  readonly lowNs: number;
}

function elapsedNs(run: (count: number) => void, count: number): number {
  const start = process.hrtime.bigint();
  run(count);
  return Number(process.hrtime.bigint() - start);
}

/**
 * Measures a function that performs an operation `count` times.
 *
 * @param run performs at least one and about `count` operations.
 * @param unit operations per count, where one call does several.
 */
export function measure(run: (count: number) => void, unit = 1): Measurement {
  let count = 16;
  let spentNs = 0;
  while (spentNs < WARM_UP_NS) {
    const ns = elapsedNs(run, count);
    spentNs += ns;
    if (ns < CHUNK_TARGET_NS) {
      count = Math.ceil(count * 1.5);
    }
  }
  const samples = Array.from({ length: CHUNK_COUNT }, () => elapsedNs(run, count) / count / unit);
  samples.sort((a, b) => a - b);
  const at = (share: number) => samples[Math.floor(CHUNK_COUNT * share)] ?? Number.NaN;
  return { medianNs: at(0.5), lowNs: at(0.1) };
}
