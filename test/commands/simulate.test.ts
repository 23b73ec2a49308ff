// Seeds on all processors: `pawl simulate --jobs`.

import { availableParallelism } from 'node:os';
import test from 'tape';
import { runCli, startCli } from './cli.js';

const SEEDS = ['simulate', '--seeds', '4', '--first-seed', '41', '--seconds', '1'];
/** Far more than run before the command is ended. */
const MANY = ['simulate', '--seeds', '10000', '--seconds', '1', '--verbose'];
const SEED_LINE = /^seed \d+ ok: .*$/gm;

interface Result {
  readonly jobs: number;
  readonly seeds: number;
  readonly wallSeconds: number;
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly simulatedSeconds: number;
  readonly simulatedSecondsPerSecond: number;
}

function isClose(value: number, other: number): boolean {
  return Math.abs(value - other) <= 1e-9 * other;
}

/** The JSON text without what the clock on the wall and the number of jobs decide. */
function withoutTimes(json: string): string {
  const names = ['wallSeconds', 'eventsPerSecond', 'simulatedSecondsPerSecond', 'jobs'];
  return JSON.stringify(JSON.parse(json), (name, value: unknown) =>
    names.includes(name) ? undefined : value,
  );
}

test('two jobs print the very result and lines of one, but for the time they took', async (t) => {
  const one = await runCli(...SEEDS, '--json', '--verbose', '--jobs', '1');
  const two = await runCli(...SEEDS, '--json', '--verbose', '--jobs', '2');
  t.equal(one.code, 0, one.stderr);
  t.equal(two.code, 0, two.stderr);
  t.equal(withoutTimes(two.stdout), withoutTimes(one.stdout));
  t.equal(one.stderr.match(SEED_LINE)?.length, 4);
  t.deepEqual(two.stderr.match(SEED_LINE), one.stderr.match(SEED_LINE), 'in the order of seeds');
  const result = JSON.parse(two.stdout) as Result;
  t.equal(result.jobs, 2);
  t.equal((JSON.parse(one.stdout) as Result).jobs, 1);
  t.ok(isClose(result.eventsPerSecond, result.events / result.wallSeconds), 'rates are of it all');
  const { simulatedSeconds, simulatedSecondsPerSecond, wallSeconds } = result;
  t.ok(isClose(simulatedSecondsPerSecond, simulatedSeconds / wallSeconds));
});

test('without --jobs there is one for each processor, but never more than seeds', async (t) => {
  const short = ['simulate', '--seconds', '0.1', '--profile', 'quiet', '--json'];
  const all = await runCli(...short, '--seeds', '3');
  t.equal((JSON.parse(all.stdout) as Result).jobs, Math.min(3, availableParallelism()), all.stderr);
  const few = await runCli(...short, '--seeds', '2', '--jobs', '9');
  t.equal((JSON.parse(few.stdout) as Result).jobs, 2, few.stderr);
});

test('one seed, and what is traced, run on the thread of the command', async (t) => {
  const short = ['--seconds', '0.1', '--profile', 'quiet', '--jobs', '2'];
  const seed = await runCli('simulate', '--seed', '7', ...short);
  t.match(seed.stdout, /^1 seeds, .* with 1 job, /m, seed.stderr);
  const traced = await runCli('simulate', '--seeds', '2', '--trace', ...short);
  t.match(traced.stdout, /^2 seeds, .* with 1 job, /m, traced.stderr);
  const wrong = await runCli('simulate', '--jobs', '0');
  t.equal(wrong.code, 2);
  t.match(wrong.stderr, /'--jobs <n>' argument '0' is invalid. It must be a whole number from 1/);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal} ends a run on threads at once`, async (t) => {
    const cli = startCli(t, ...MANY, '--jobs', '2');
    await cli.waitFor(SEED_LINE);
    const end = await cli.kill(signal);
    t.equal(end.signal, signal, 'the process has ended, and its threads with it');
  });
}
