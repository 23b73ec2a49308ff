import test from 'tape';
import { runSchedule, type ScheduleResult } from './chaos.js';

const SEEDS = 2_000;

test(`every invariant holds and the cluster recovers in ${SEEDS} random schedules`, (t) => {
  // Checked after every step: I-1, I-2, I-4, I-5, I-6, I-7, I-8, I-11 (see checker.ts), with
  // crashes that lose what was not durable, hung disks, pauses, loss, stale duplicates and
  // partitions of any shape. A run without truncations or admissions would have tested nothing.
  const sum: ScheduleResult = {
    terms: 0,
    crashes: 0,
    truncations: 0,
    committed: 0,
    admissions: 0,
    recoveryNs: 0,
  };
  const totals = { ...sum } as Record<keyof ScheduleResult, number>;
  for (let seed = 0; seed < SEEDS; seed++) {
    const result = runSchedule(seed);
    for (const key of Object.keys(totals) as (keyof ScheduleResult)[]) {
      totals[key] += result[key];
    }
  }
  t.comment(JSON.stringify(totals));
  t.ok(totals.terms > SEEDS, `${totals.terms} terms`);
  t.ok(totals.crashes > SEEDS, `${totals.crashes} crashes`);
  t.ok(totals.truncations > SEEDS / 10, `${totals.truncations} truncations`);
  t.ok(totals.admissions > SEEDS / 20, `${totals.admissions} admissions`);
  t.end();
});
