// run.ts: measures which error branches of the archive, the consensus, the cluster and the host are
// executed by their tests and by simulated faults, and ends with one line, `N passed, N failed`.
//
//   npm run test:errors                      all jobs; what is missing, and the named exceptions
//   npm run test:errors -- --jobs            the names of the jobs
//   npm run test:errors -- --only test/host  the jobs whose names begin so; their results are kept
//   npm run test:errors -- --rest            the jobs without a result of these very sources, then
//                                            the sums over all jobs
//   npm run test:errors -- --verbose         every branch, and the output of what failed
//
// The closing line counts branches: passed is what was executed or is excepted by name. With
// --only it counts jobs.

import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { KeptResults } from '../support/kept-results.js';
import { Coverage } from './coverage.js';
import { type ErrorBranch, findErrorBranches, placeOf } from './error-branches.js';
import { EXCEPTIONS } from './exceptions.js';
import { allJobs, type Job, type JobResult, runJob, sourcesOf } from './jobs.js';
import { judge, type Verdict } from './verdict.js';

const ROOMS = ['archive', 'consensus', 'cluster', 'host'];
const KEPT_FOLDER = 'build/errors';
const PROCESSES_MAX = 2;
const SHOWN_LENGTH_MAX = 4000;

const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Runs a job and answers which of the branches it executed. */
async function measure(
  job: Job,
  branches: readonly ErrorBranch[],
  isVerbose: boolean,
): Promise<JobResult> {
  const coverageFolder = mkdtempSync(join(tmpdir(), 'pawl-errors-'));
  try {
    const startedMs = performance.now();
    const { ok, output } = await runJob(job, coverageFolder);
    const seconds = (performance.now() - startedMs) / 1000;
    print(`${ok ? 'ran ' : 'FAIL'} ${job.name} in ${seconds.toFixed(1)} s`);
    if (!ok) {
      const failures = output.replaceAll(/^ok .*\n|^# .*\n/gm, '').slice(-SHOWN_LENGTH_MAX);
      print(isVerbose ? output : failures);
    }
    const coverage = new Coverage(root);
    coverage.addFolder(coverageFolder, (url) => ROOMS.some((r) => url.includes(`/src/${r}/`)));
    const executed = branches.filter((branch) => coverage.isExecuted(branch)).map(placeOf);
    return { ok, executed };
  } finally {
    rmSync(coverageFolder, { recursive: true, force: true });
  }
}

/** Runs jobs, as many at once as there are processors, and keeps what each executed. */
async function runJobs(
  jobs: readonly Job[],
  branches: readonly ErrorBranch[],
  kept: KeptResults<JobResult>,
  isVerbose: boolean,
): Promise<void> {
  const queue = [...jobs];
  const runQueue = async (): Promise<void> => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const sources = sourcesOf(root, job);
      kept.keep(job.name, sources, await measure(job, branches, isVerbose));
    }
  };
  const count = Math.min(PROCESSES_MAX, availableParallelism());
  await Promise.all(Array.from({ length: count }, runQueue));
}

function describe(branch: ErrorBranch): string {
  return `${branch.file}:${branch.line + 1} ${branch.functionName} [${branch.kind}]`;
}

function report(verdict: Verdict): void {
  print('room        error branches  executed  not executed  excepted');
  for (const { room, branches, executed, excepted } of verdict.rooms) {
    const numbers = [branches, executed, branches - executed, excepted];
    const widths = [14, 10, 14, 10];
    print(room.padEnd(12) + numbers.map((n, i) => String(n).padStart(widths[i] ?? 0)).join(''));
  }
  if (verdict.excepted.length > 0) {
    print('not executed, and why:');
  }
  for (const { branch, reason } of verdict.excepted) {
    print(`  ${describe(branch)}\n      ${reason}`);
  }
  for (const branch of verdict.missing) {
    print(`NOT EXECUTED ${describe(branch)}\n      ${branch.text}`);
  }
  for (const { file, functionName, text } of verdict.stale) {
    print(`STALE EXCEPTION ${file} ${functionName}: ${text}\n      it is executed now, or gone`);
  }
}

/** The sums over the results of all jobs; answers how much is wrong. */
function sumUp(
  branches: readonly ErrorBranch[],
  results: readonly JobResult[],
  isVerbose: boolean,
): number {
  const executed = new Set(results.flatMap((result) => result.executed));
  const isExecuted = (branch: ErrorBranch): boolean => executed.has(placeOf(branch));
  const verdict = judge(branches, isExecuted, EXCEPTIONS);
  if (isVerbose) {
    for (const branch of branches) {
      print(`${isExecuted(branch) ? 'executed' : '-       '} ${describe(branch)}`);
    }
  }
  report(verdict);
  const failedJobs = results.filter(({ ok }) => !ok).length;
  const failed = verdict.missing.length + verdict.stale.length + failedJobs;
  print(`${branches.length - verdict.missing.length} passed, ${failed} failed`);
  return branches.length === 0 ? 1 : failed;
}

async function main(): Promise<number> {
  process.chdir(root);
  const { values } = parseArgs({
    options: {
      jobs: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      rest: { type: 'boolean', default: false },
      verbose: { type: 'boolean', default: false },
    },
  });
  const jobs = allJobs();
  if (values.jobs) {
    jobs.forEach(({ name }) => {
      print(name);
    });
    return 0;
  }
  const branches = findErrorBranches(
    root,
    ROOMS.map((room) => `src/${room}`),
  );
  const kept = new KeptResults<JobResult>(KEPT_FOLDER);
  const resultsOf = (some: readonly Job[]): JobResult[] =>
    some.flatMap((job) => kept.get(job.name, sourcesOf(root, job)) ?? []);
  if (values.only.length > 0) {
    const wanted = jobs.filter(({ name }) => values.only.some((only) => name.startsWith(only)));
    await runJobs(wanted, branches, kept, values.verbose);
    const passed = resultsOf(wanted).filter(({ ok }) => ok).length;
    print(`${passed} passed, ${wanted.length - passed} failed`);
    return wanted.length === 0 ? 1 : wanted.length - passed;
  }
  if (!values.rest) {
    kept.clear();
  }
  const missing = jobs.filter((job) => resultsOf([job])[0]?.ok !== true);
  await runJobs(missing, branches, kept, values.verbose);
  return sumUp(branches, resultsOf(jobs), values.verbose);
}

process.exitCode = (await main()) === 0 ? 0 : 1;
