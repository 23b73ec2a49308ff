// mutant.ts: a famous bug as data: which lines of Pawl it changes, and who has to notice.
//
// The product knows nothing of mutants. A mutant names source text that occurs exactly once and
// what stands there instead; the gate builds the simulator with it and runs seeds until a judge
// that the mutant names stops a run. A thrown error or an assertion does not count: where the
// product itself would notice first, the mutant takes that assertion out as well.

import type { Profile } from '../../src/simulator/swarm-profiles.js';

/** One change of one file. */
export interface Edit {
  /** Path from the root of the repository, in src/ or assembly/. */
  readonly file: string;
  /** Text that occurs exactly once in the file. */
  readonly find: string;
  readonly replace: string;
}

/** A bug that is put back. */
export interface Mutant {
  /**
   * Number of the bug in the catalogue of known bugs, with a letter where there are several; H and
   * a number for the hand-over between threads.
   */
  readonly id: string;
  /** The bug in one line. */
  readonly bug: string;
  /** Who had it. */
  readonly source: string;
  readonly edits: readonly Edit[];
  /** What it breaks in Pawl. */
  readonly breaks: string;
  /** Ids of judges, one of which must stop a run. */
  readonly judges: readonly string[];
  /**
   * What runs: whole clusters, or the two sides of a service channel, whose seeds are schedules and
   * whose judges are those of test/support/channel.
   */
  readonly stage?: 'cluster' | 'channel';
  /** Profile of the runs; `swarm` unless the bug needs a sharper one. */
  readonly profile?: Profile;
  /** Simulated seconds with faults of each run. */
  readonly seconds?: number;
}

/** Seeds within which a mutant must be stopped. */
export const SEED_COUNT_MAX = 2_000;
/** Simulated seconds with faults, unless the mutant says otherwise. */
export const DEFAULT_SECONDS = 6;

/** Applies the edits to one source. Throws when a text to find does not occur exactly once. */
export function applyEdits(mutantId: string, text: string, edits: readonly Edit[]): string {
  let patched = text;
  for (const { file, find, replace } of edits) {
    const count = patched.split(find).length - 1;
    if (count !== 1) {
      throw new Error(`mutant ${mutantId}: its text occurs ${count} times in ${file}:\n${find}`);
    }
    patched = patched.replace(find, () => replace);
  }
  return patched;
}

/** Edits by file, in the order of the mutant. */
export function editsByFile(mutant: Mutant): Map<string, Edit[]> {
  const byFile = new Map<string, Edit[]>();
  for (const edit of mutant.edits) {
    byFile.set(edit.file, [...(byFile.get(edit.file) ?? []), edit]);
  }
  return byFile;
}
