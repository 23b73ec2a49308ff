// measure.ts: nanoseconds per operation, as the median of many short chunks.
//
// A chunk is long enough for the clock and short enough to fall between two interruptions. The two
// sides of a comparison take turns, so that a slow phase of the machine meets both.

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

/** Warms a function up and returns how many operations fill a chunk. */
function chunkLength(run: (count: number) => void): number {
  let count = 16;
  let spentNs = 0;
  while (spentNs < WARM_UP_NS) {
    const ns = elapsedNs(run, count);
    spentNs += ns;
    if (ns < CHUNK_TARGET_NS) {
      count = Math.ceil(count * 1.5);
    }
  }
  return count;
}

function summary(samples: number[]): Measurement {
  samples.sort((a, b) => a - b);
  const at = (share: number) => samples[Math.floor(samples.length * share)] ?? Number.NaN;
  return { medianNs: at(0.5), lowNs: at(0.1) };
}

/**
 * Measures functions that perform an operation `count` times, in turns.
 *
 * @param runs each performs at least one and about `count` operations.
 * @param unit operations per count, where one call does several.
 */
export function measureInTurns(runs: ((count: number) => void)[], unit: number): Measurement[] {
  const counts = runs.map(chunkLength);
  const samples = runs.map((): number[] => []);
  for (let chunk = 0; chunk < CHUNK_COUNT; chunk++) {
    for (const [i, run] of runs.entries()) {
      const count = counts[i] ?? 1;
      samples[i]?.push(elapsedNs(run, count) / count / unit);
    }
  }
  return samples.map(summary);
}
