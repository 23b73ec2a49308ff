// failing-seed.ts: what somebody who has to repair a failing seed would ask for first.
//
// The fewest faults with which it still fails, the command that replays just these, and the story
// of that smaller run, as text and as a diagram.

import type { Violation } from '../invariants/judge.js';
import type { StruckFault } from '../nemesis.js';
import { LastingTrouble } from '../swarm.js';
import { type TimelineEntry, timelineLine } from '../timeline.js';
import { sequenceDiagram } from './mermaid.js';
import { type FaultSelection, minimize } from './minimize.js';

/** Runs of a seed that are made to minimise it, unless told otherwise. */
export const MINIMIZE_RUNS_MAX = 80;
/** Lines of a story that are printed: the last ones before the failure. */
export const STORY_LINES_MAX = 120;
const NS_PER_MS = 1_000_000;
/** A smaller run may fail this much later than the whole one. */
const LATER_NS = 2_000_000_000;

/** What a run of the seed, with some of its faults, came to. */
export interface SeedOutcome {
  readonly violation: Violation | undefined;
  readonly struck: readonly StruckFault[];
  readonly entries: readonly TimelineEntry[];
}

export type Selection = FaultSelection<LastingTrouble>;

/** Runs the seed. `untilNs` is the latest end of its safety phase. */
export type RunSelection = (
  selection: Selection,
  isTraced: boolean,
  untilNs: number,
) => SeedOutcome;

export interface FailingSeed {
  readonly run: RunSelection;
  readonly violation: Violation;
  readonly struck: readonly StruckFault[];
  /** End of the safety phase of the run that failed. */
  readonly safetyEndNs: number;
  readonly runsMax?: number;
}

/** A failing seed, made small and told. */
export interface SeedStory {
  /** Faults that cannot be spared, in their order. */
  readonly faults: readonly StruckFault[];
  /** Faults that had struck before the whole run failed. */
  readonly faultCount: number;
  /** Lasting trouble that can be spared. */
  readonly without: readonly LastingTrouble[];
  /** Lasting trouble that is needed. */
  readonly needed: readonly LastingTrouble[];
  readonly runs: number;
  /** No single fault can be spared. */
  readonly isMinimal: boolean;
  /** Options of `pawl simulate` that leave everything else out. */
  readonly flags: string;
  /** How the smaller run fails. */
  readonly violation: Violation;
  readonly lines: readonly string[];
  readonly diagram: string;
}

const ALL: readonly LastingTrouble[] = Object.values(LastingTrouble);

/** Minimises and tells. A seed that does not fail again is told with all its faults. */
export function tellSeed(failing: FailingSeed): SeedStory {
  const { run, safetyEndNs, struck, violation } = failing;
  const before = struck.filter(({ timeNs }) => timeNs <= violation.timeNs);
  // In the safety phase nothing that comes later can have been the cause.
  const untilNs = Math.min(safetyEndNs, violation.timeNs + LATER_NS);
  const small = minimize({
    kinds: ALL,
    faults: before,
    runsMax: failing.runsMax ?? MINIMIZE_RUNS_MAX,
    fails: (selection) =>
      run(selection, false, untilNs).violation?.invariant === violation.invariant,
  });
  const selection: Selection = small ?? { without: [], only: undefined };
  const outcome = run(selection, true, untilNs);
  const found = outcome.violation ?? violation;
  const entries = outcome.entries.filter(({ timeNs }) => timeNs <= found.timeNs);
  return {
    faults: outcome.struck.filter(({ timeNs }) => timeNs <= found.timeNs),
    faultCount: before.length,
    without: selection.without,
    needed: ALL.filter((trouble) => !selection.without.includes(trouble)),
    runs: (small?.runs ?? 1) + 1,
    isMinimal: small?.isMinimal === true,
    flags: flagsOf(selection),
    violation: found,
    lines: entries.slice(-STORY_LINES_MAX).map(timelineLine),
    diagram: sequenceDiagram(entries, { ending: `${found.invariant}: ${found.message}` }),
  };
}

/** What leaves the rest out when the seed is replayed. */
export function flagsOf({ only, without }: Selection): string {
  const faults = only === undefined ? '' : ` --only-faults ${only.length === 0 ? 'none' : only}`;
  return `${faults}${without.length === 0 ? '' : ` --without ${without}`}`;
}

/** What a failing seed prints: its faults, the command that replays them, and its story. */
export function storyLines(story: SeedStory, replay: string): string[] {
  return [
    `  ${faultLines(story).join('\n  ')}`,
    `  replay just this: ${replay}${story.flags}`,
    `  the last ${story.lines.length} lines of its story:`,
    ...story.lines,
    `  it fails: ${story.violation.invariant}: ${story.violation.message}`,
  ];
}

/** The faults in words. */
export function faultLines(story: SeedStory): string[] {
  const { faultCount, faults, isMinimal, needed, runs } = story;
  const lasting = needed.length === 0 ? 'no lasting trouble' : `lasting trouble: ${needed}`;
  const minimal = isMinimal ? 'none of which can be spared' : 'perhaps not all of them needed';
  const head =
    faults.length === 0
      ? `it fails without any fault at a moment (${faultCount} had struck), with ${lasting}`
      : `it needs ${faults.length} of ${faultCount} faults, ${minimal}, with ${lasting}`;
  return [
    `${head}; found in ${runs} runs`,
    ...faults.map(({ fault, number, timeNs, what }) => {
      const ms = (timeNs / NS_PER_MS).toFixed(3);
      const effect = what.length > 0 ? what.join('; ') : 'no effect';
      return `  ${ms} ms  fault ${number}, ${fault}: ${effect}`;
    }),
  ];
}
