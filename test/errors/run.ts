// run.ts: measures which error branches of the archive, the consensus, the cluster and the host are
// executed by their tests and by simulated faults, and ends with one line, `N passed, N failed`.
//
//   npm run test:errors                 what is missing, and the named exceptions
//   npm run test:errors -- --verbose    every branch, and the output of what failed
//
// The closing line counts branches: passed is what was executed or is excepted by name.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Coverage } from './coverage.js';
import { type ErrorBranch, findErrorBranches } from './error-branches.js';
import { EXCEPTIONS } from './exceptions.js';
import { judge, type Verdict } from './verdict.js';

const ROOMS = ['archive', 'consensus', 'cluster', 'host'];
const TAPE = 'node_modules/tape/bin/tape';
const JOB_TIMEOUT_MS = 10 * 60_000;
/** Seeds of the simulator, and how many simulated seconds of faults each of them has. */
const SEEDS_PER_JOB = 40;
const FAULT_SECONDS = 6;
const OUTPUT_LENGTH_MAX = 1 << 22;
const SHOWN_LENGTH_MAX = 4000;

interface Job {
  readonly name: string;
  readonly args: readonly string[];
}

function tapeJob(folder: string): Job {
  return { name: `test/${folder}`, args: [TAPE, `test/${folder}/**/*.test.ts`] };
}

/** Seeds run from the sources, because it is their coverage that is wanted. */
function simulationJob(profile: string): Job {
  const flags = ['--seeds', String(SEEDS_PER_JOB), '--seconds', String(FAULT_SECONDS), '--json'];
  const args = ['src/tools/main.ts', 'simulate', '--profile', profile, ...flags];
  return { name: `${SEEDS_PER_JOB} ${profile} seeds`, args };
}

const JOBS = [
  ...['consensus', 'archive', 'host', 'cluster', 'client', 'errors', 'fuzz'].map(tapeJob),
  simulationJob('swarm'),
  simulationJob('storm'),
];

function runJob(job: Job, coverageFolder: string): Promise<{ ok: boolean; output: string }> {
  return new Promise((settle) => {
    const env = { ...process.env, NODE_V8_COVERAGE: coverageFolder, PAWL_FUZZ_SECONDS: '1' };
    const args = ['--import', 'tsx', ...job.args];
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const collect = (chunk: Buffer): void => {
      output = (output + chunk.toString()).slice(-OUTPUT_LENGTH_MAX);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const timer = setTimeout(() => child.kill('SIGKILL'), JOB_TIMEOUT_MS);
    child.on('close', (code) => {
      clearTimeout(timer);
      settle({ ok: code === 0, output });
    });
  });
}

/** Runs all jobs, as many at once as there are processors; answers the names of what failed. */
async function runJobs(coverageFolder: string, isVerbose: boolean): Promise<string[]> {
  const failed: string[] = [];
  const queue = [...JOBS];
  const runQueue = async (): Promise<void> => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const startedMs = performance.now();
      const { ok, output } = await runJob(job, coverageFolder);
      const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
      print(`${ok ? 'ran ' : 'FAIL'} ${job.name} in ${seconds} s`);
      if (!ok) {
        failed.push(job.name);
        print(
          isVerbose ? output : output.replaceAll(/^ok .*\n|^# .*\n/gm, '').slice(-SHOWN_LENGTH_MAX),
        );
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, runQueue));
  return failed;
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

function placeOf(branch: ErrorBranch): string {
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
    print(`  ${placeOf(branch)}\n      ${reason}`);
  }
  for (const branch of verdict.missing) {
    print(`NOT EXECUTED ${placeOf(branch)}\n      ${branch.text}`);
  }
  for (const { file, functionName, text } of verdict.stale) {
    print(`STALE EXCEPTION ${file} ${functionName}: ${text}\n      it is executed now, or gone`);
  }
}

async function main(): Promise<number> {
  const root = fileURLToPath(new URL('../..', import.meta.url)).replace(/\/$/, '');
  process.chdir(root);
  const isVerbose = process.argv.includes('--verbose');
  const folders = ROOMS.map((room) => `src/${room}`);
  const branches = findErrorBranches(root, folders);
  const coverageFolder = mkdtempSync(join(tmpdir(), 'pawl-errors-'));
  try {
    const failedJobs = await runJobs(coverageFolder, isVerbose);
    const coverage = new Coverage(root);
    coverage.addFolder(coverageFolder, (url) => ROOMS.some((r) => url.includes(`/src/${r}/`)));
    const verdict = judge(branches, (branch) => coverage.isExecuted(branch), EXCEPTIONS);
    if (isVerbose) {
      for (const branch of branches) {
        print(`${coverage.isExecuted(branch) ? 'executed' : '-       '} ${placeOf(branch)}`);
      }
    }
    report(verdict);
    const failed = verdict.missing.length + verdict.stale.length + failedJobs.length;
    print(`${branches.length - verdict.missing.length} passed, ${failed} failed`);
    return failed === 0 && branches.length > 0 ? 0 : 1;
  } finally {
    rmSync(coverageFolder, { recursive: true, force: true });
  }
}

process.exitCode = await main();
