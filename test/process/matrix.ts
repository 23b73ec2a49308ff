// matrix.ts: the summary of the process tests by the rows of the fault matrix.

import type { Test } from 'tape';

/** One row: a kind of fault, and whether the cluster stood it. */
export interface MatrixRow {
  readonly id: string;
  readonly name: string;
  readonly passed: boolean;
}

/** Prints rows as one JSON object when the run was asked for it. */
export function reportRows(t: Test, rows: readonly MatrixRow[]): void {
  if (process.argv.includes('--json') || process.env.PAWL_JSON !== undefined) {
    t.comment(JSON.stringify({ rows }));
  }
}
