// simulation-result.ts: what a run of one seed has come to.

import type { Violation } from './invariants/judge.js';
import type { StruckFault } from './nemesis.js';
import type { SimulationCounts } from './simulation-counts.js';
import type { TimelineEntry } from './timeline.js';

/** The outcome of one seed. */
export interface SimulationResult {
  readonly seed: number;
  readonly traceHash: string;
  readonly events: number;
  readonly simulatedNs: number;
  readonly counts: SimulationCounts;
  readonly violation: Violation | undefined;
  /** What happened, in words; empty unless asked for. */
  readonly timeline: readonly string[];
  readonly entries: readonly TimelineEntry[];
  /** Faults that struck. */
  readonly struck: readonly StruckFault[];
  readonly safetyStartNs: number;
  readonly safetyEndNs: number;
}
