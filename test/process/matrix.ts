// matrix.ts: the rows of the fault matrix: how they are played and reported.

import type { Test } from 'tape';
import type { Exercise } from './exercise.js';
import { SeededRandom } from './random.js';

/** One row: a kind of fault, and whether the cluster stood it. */
export interface MatrixRow {
  readonly id: string;
  readonly name: string;
  readonly passed: boolean;
  /** Why it could not be played on this machine; then it has not passed. */
  readonly skipped?: string;
}

/** A row that is played on a cluster under load. */
export interface RowCase {
  readonly id: string;
  readonly name: string;
  /**
   * Brings the fault and ends it. Answers what was done, in words.
   *
   * @throws Error when something that must hold during the fault did not.
   */
  play(exercise: Exercise, random: SeededRandom): Promise<string>;
  /** Why this machine cannot bring the fault; undefined when it can. */
  hindrance?(): string | undefined;
}

/** Messages that must come through before a fault, and after it has ended. */
const MESSAGES = 30;

/** Prints rows for whoever gathers them, when the run was asked for it. */
export function reportRows(t: Test, rows: readonly MatrixRow[]): void {
  if (process.env.PAWL_JSON !== undefined) {
    t.comment(JSON.stringify({ rows }));
  }
}

/**
 * Plays rows one after another on one cluster, and balances the books after each. The first that
 * fails ends the play: what comes after it would prove nothing.
 */
export async function playRows(
  t: Test,
  exercise: Exercise,
  cases: readonly RowCase[],
  seed: number,
): Promise<void> {
  const passed = new Set<RowCase>();
  const skipped = new Map<RowCase, string>();
  try {
    for (const [index, row] of cases.entries()) {
      const startedMs = Date.now();
      const hindrance = row.hindrance?.();
      if (hindrance !== undefined) {
        t.skip(`SKIP ${row.id}, ${row.name}: ${hindrance}`);
        skipped.set(row, hindrance);
        continue;
      }
      exercise.resume();
      await exercise.acknowledgeMore(MESSAGES);
      const done = await row.play(exercise, new SeededRandom(seed + 1 + index));
      exercise.resume();
      await exercise.acknowledgeMore(MESSAGES);
      const { problems, text } = await exercise.balance();
      const seconds = ((Date.now() - startedMs) / 1_000).toFixed(1);
      t.comment(`${row.id}: ${done}: ${text}; ${seconds} s`);
      t.deepEqual(problems, [], `${row.id}, ${row.name}: the books balance`);
      if (problems.length > 0) {
        break;
      }
      passed.add(row);
    }
    t.deepEqual(exercise.history.judge(), [], 'what clients saw of registers is linearizable');
  } finally {
    await exercise.dispose();
    reportRows(
      t,
      cases.map((row) => {
        const { id, name } = row;
        const reason = skipped.get(row);
        const result = { id, name, passed: passed.has(row) };
        return reason === undefined ? result : { ...result, skipped: reason };
      }),
    );
  }
}

/** @throws Error saying what must hold, when it does not. */
export function expect(condition: boolean, what: string): void {
  if (!condition) {
    throw new Error(what);
  }
}
