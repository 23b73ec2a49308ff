// gate.ts: the mutation gate. Every famous bug is put back, and a named judge must stop it.
//
//   npm run test:mutants                 all mutants, as many at once as there are processors
//   npm run test:mutants -- B1 B9        some of them; their results are kept
//   npm run test:mutants -- --rest       those without a result of these very sources
//   npm run test:mutants -- --none 200   Pawl itself, so many seeds: nothing may stop it
//
// Prints a table and closes with one line, `N passed, M failed`. A run of all mutants, or of the
// rest of them, writes the table to test/mutants/RESULTS.md.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { hashSources, KeptResults } from '../support/kept-results.js';
import { buildMutant } from './build-mutant.js';
import { MUTANTS } from './catalogue.js';
import type { HuntOrder, HuntOutcome } from './hunt.js';
import { DEFAULT_SECONDS, type Mutant, SEED_COUNT_MAX } from './mutant.js';
import { type Row, resultsPage, tableLine } from './results.js';

const MS_PER_SECOND = 1_000;
/** A mutant that hangs is ended after this, and has survived. */
const MUTANT_TIMEOUT_MS = 30 * 60 * MS_PER_SECOND;
const FIRST_SEED = 1;

const root = fileURLToPath(new URL('../..', import.meta.url));
const sources = hashSources(root, ['src', 'assembly', 'test/mutants']);
const kept = new KeptResults<HuntOutcome>(join(root, 'build/mutants'));

function orderOf(mutant: Mutant): HuntOrder {
  return {
    judges: mutant.judges,
    stage: mutant.stage ?? 'cluster',
    profile: mutant.profile ?? 'swarm',
    seconds: mutant.seconds ?? DEFAULT_SECONDS,
    firstSeed: FIRST_SEED,
    seedCountMax: SEED_COUNT_MAX,
  };
}

/** Runs a bundle; an error text when it did not come to an outcome. */
function runHunt(bundle: string, order: HuntOrder): Promise<HuntOutcome | string> {
  return new Promise((done) => {
    const child = spawn(process.execPath, [bundle, JSON.stringify(order)], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString('utf8');
    });
    child.stderr.on('data', (chunk: Buffer) => {
      errors = (errors + chunk.toString('utf8')).slice(-2_000);
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), MUTANT_TIMEOUT_MS);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const end = `the process ended with ${signal ?? code}: ${errors}`;
      done(code === 0 ? (JSON.parse(output) as HuntOutcome) : end);
    });
  });
}

async function judge(folder: string, mutant: Mutant): Promise<Row> {
  const startMs = performance.now();
  let outcome: HuntOutcome | string;
  try {
    outcome = await runHunt(await buildMutant(root, folder, mutant), orderOf(mutant));
  } catch (error) {
    outcome = error instanceof Error ? error.message : String(error);
  }
  return { mutant, outcome, wallSeconds: (performance.now() - startMs) / MS_PER_SECOND };
}

/** As many at once as there are processors, each in a process of its own. */
async function judgeAll(folder: string, mutants: readonly Mutant[]): Promise<Row[]> {
  const waiting = [...mutants];
  const rows: Row[] = [];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const row = await judge(folder, next);
      rows.push(row);
      if (typeof row.outcome !== 'string') {
        kept.keep(next.id, sources, row.outcome);
      }
      process.stdout.write(`${tableLine(row)}\n`);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return mutants.map((mutant) => rows.find((row) => row.mutant === mutant) as Row);
}

function isKilled(row: Row): boolean {
  return typeof row.outcome !== 'string' && row.outcome.judge !== undefined;
}

/** A row of an earlier run of the same sources; undefined without one. */
function keptRow(mutant: Mutant): Row | undefined {
  const outcome = kept.get(mutant.id, sources);
  return outcome === undefined ? undefined : { mutant, outcome, wallSeconds: 0 };
}

/** Some mutants; or, without ids, all of them: those that have a result already only by that. */
async function runMutants(folder: string, ids: readonly string[]): Promise<number> {
  const unknown = ids.filter((id) => MUTANTS.every((mutant) => mutant.id !== id));
  if (unknown.length > 0) {
    process.stderr.write(`no mutant ${unknown.join(', ')}: see test/mutants/catalogue.ts\n`);
    return 1;
  }
  const isWhole = ids.length === 0;
  const known = isWhole ? MUTANTS.flatMap((mutant) => keptRow(mutant) ?? []) : [];
  const isDue = (mutant: Mutant): boolean =>
    isWhole ? known.every((row) => row.mutant !== mutant) : ids.includes(mutant.id);
  const ran = await judgeAll(folder, MUTANTS.filter(isDue));
  const rows = MUTANTS.flatMap((mutant) =>
    [...known, ...ran].filter((row) => row.mutant === mutant),
  );
  const failed = rows.filter((row) => !isKilled(row)).length;
  if (isWhole) {
    writeFileSync(join(root, 'test/mutants/RESULTS.md'), resultsPage(rows));
  }
  process.stdout.write(`${rows.length - failed} passed, ${failed} failed\n`);
  return failed;
}

/** Pawl without a mutant under every profile that mutants use: the judges must be content. */
async function runNone(folder: string, seedCountMax: number): Promise<number> {
  const bundle = await buildMutant(root, folder, undefined);
  const orders = new Map<string, HuntOrder>();
  for (const mutant of MUTANTS) {
    const order = { ...orderOf(mutant), judges: [], seedCountMax };
    orders.set(
      order.stage === 'channel' ? order.stage : `${order.profile} ${order.seconds} s`,
      order,
    );
  }
  let failed = 0;
  for (const [name, order] of orders) {
    const outcome = await runHunt(bundle, order);
    const others = typeof outcome === 'string' ? outcome : JSON.stringify(outcome.others);
    const isContent = typeof outcome !== 'string' && others === '{}';
    failed += isContent ? 0 : 1;
    const first = typeof outcome === 'string' ? '' : outcome.otherMessage;
    process.stdout.write(`${isContent ? 'ok  ' : 'FAIL'} ${name}: ${others} ${first}\n`);
  }
  process.stdout.write(`${orders.size - failed} passed, ${failed} failed\n`);
  return failed;
}

const folder = mkdtempSync(join(tmpdir(), 'pawl-mutants-'));
try {
  const arguments_ = process.argv.slice(2);
  const [first, second] = arguments_;
  if (first === undefined) {
    kept.clear();
  }
  const failed =
    first === '--none'
      ? await runNone(folder, Number(second ?? 200))
      : await runMutants(folder, first === '--rest' ? [] : arguments_);
  process.exitCode = failed === 0 ? 0 : 1;
} finally {
  rmSync(folder, { recursive: true, force: true });
}
