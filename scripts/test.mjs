// Runs the tests and closes with one line, `N passed, N failed`.
//
//   node scripts/test.mjs              all TypeScript and AssemblyScript tests of the library
//   node scripts/test.mjs process      one of the suites that need more: see SUITES
//   node scripts/test.mjs --verbose    also prints the output of what passes
//   node scripts/test.mjs process --json   prints `{rows: [{id, name, passed}]}`, the rows of the
//                                      fault matrix by id, and all else on the standard error
//
// Each folder of test/ is one tape process, and each AssemblyScript spec one as-pect process; as
// many run at once as the machine has processors. A file that runs for long is a process of its
// own, and what runs longest starts first: no processor waits for another at the end. What must not
// share the machine runs alone before. Assertions are counted, not files. What crashes, hangs or
// does not compile counts as a failure.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SUITES = [
  ...['simulation', 'scenarios', 'members', 'commands'],
  ...['process', 'interop', 'runtimes'],
];
/**
 * Files that run one after another, before the rest of their suite: they bend time, starve members
 * or lose datagrams, and judge what comes of it by real time.
 */
const ALONE = [
  'test/process/network-faults.test.ts',
  'test/process/clock-faults.test.ts',
  'test/process/limits.test.ts',
  'test/interop',
  'test/runtimes',
];
/** What runs longest, in this order: files that are jobs of their own, and folders. */
const LONGEST = [
  'test/seeds/first-seeds.test.ts',
  'test/seeds/second-seeds.test.ts',
  'test/cluster',
  'test/host',
  'test/archive',
  'test/simulator',
  'test/consensus',
  'test/simulation/user/queries.test.ts',
  'test/simulation/liveness.test.ts',
  'test/commands/cluster-orders.test.ts',
  'test/commands/bench.test.ts',
  'test/process/kill-rounds.test.ts',
  'test/process/snapshot-rounds.test.ts',
  'test/process/dedicated-threads.test.ts',
];
const JOB_TIMEOUT_MS = 15 * 60_000;
const OUTPUT_LENGTH_MAX = 1 << 24;
const TAPE = 'node_modules/tape/bin/tape';
const ASP = 'node_modules/@as-pect/cli/bin/asp.js';
const ASP_CONFIG = 'assembly/__tests__/as-pect.config.js';

function filesBelow(path, suffix) {
  if (!existsSync(path)) return [];
  if (!statSync(path).isDirectory()) return path.endsWith(suffix) ? [path] : [];
  const names = readdirSync(path).filter((name) => name !== 'node_modules');
  return names.sort().flatMap((name) => filesBelow(join(path, name), suffix));
}

function tapeJob(name, files) {
  return { name, args: ['--import', 'tsx', TAPE, ...files], count: countTap };
}

function specJob(file) {
  const args = [ASP, '--no-logo', '--as-config', 'asconfig.json', '--config', ASP_CONFIG];
  return {
    name: file,
    args: [...args, '--verbose', file],
    env: { PAWL_SPECS: 'given' },
    count: countSpec,
  };
}

/** Specs compile for seconds: they start before what is not named above. */
function libraryJobs() {
  const specs = filesBelow('assembly/__tests__', '.spec.ts').map(specJob);
  const folders = readdirSync('test').filter((name) => !SUITES.includes(name));
  const tapes = folders.sort().flatMap((name) => folderJobs(`test/${name}`));
  return longestFirst(tapes, specs);
}

/** What LONGEST names, in that order, then what comes next, then the rest. */
function longestFirst(jobs, next = []) {
  const missing = LONGEST.filter((path) => !existsSync(path));
  if (missing.length > 0) throw new Error(`LONGEST names ${missing}, which does not exist`);
  const named = LONGEST.flatMap((name) => jobs.filter((job) => job.name === name));
  return [...named, ...next, ...jobs.filter((job) => !named.includes(job))];
}

/** One job for a folder, and one for each file in it that runs for long. */
function folderJobs(folder) {
  const files = filesBelow(folder, '.test.ts').map((file) => file.replaceAll('\\', '/'));
  const alone = files.filter((file) => LONGEST.includes(file));
  const together = files.filter((file) => !LONGEST.includes(file));
  const jobs = alone.map((file) => tapeJob(file, [file]));
  if (together.length > 0) jobs.push(tapeJob(folder, together));
  return jobs;
}

function suiteJobs(suite) {
  const files = filesBelow(join('test', suite), '.test.ts');
  return files.map((file) => tapeJob(file, [file]));
}

/** Reads tape's closing comments; without them the process died before the end. */
function countTap(output) {
  const tests = /^# tests (\d+)$/m.exec(output);
  if (!tests) return undefined;
  const failed = /^# fail +(\d+)$/m.exec(output);
  const failedCount = failed ? Number(failed[1]) : 0;
  return { passed: Number(tests[1]) - failedCount, failed: failedCount };
}

/** Reads as-pect's summary; without it the spec did not compile or did not end. */
function countSpec(output) {
  const tests = /\[Tests\]: (\d+) \/ (\d+)/.exec(output);
  if (!tests) return undefined;
  return { passed: Number(tests[1]), failed: Number(tests[2]) - Number(tests[1]) };
}

function plainText(chunks) {
  const escapeCode = String.fromCharCode(27);
  return Buffer.concat(chunks)
    .toString('utf8')
    .replaceAll(new RegExp(`${escapeCode}\\[[0-9;]*m`, 'g'), '');
}

function runJob(job) {
  return new Promise((resolve) => {
    const startedMs = Date.now();
    const env = { ...process.env, ...job.env, FORCE_COLOR: '0' };
    const child = spawn(process.execPath, job.args, { stdio: ['ignore', 'pipe', 'pipe'], env });
    const chunks = [];
    let length = 0;
    let timedOut = false;
    const collect = (chunk) => {
      length += chunk.length;
      if (length <= OUTPUT_LENGTH_MAX) chunks.push(chunk);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    const timer = setTimeout(() => {
      timedOut = true;
      child.kill('SIGKILL');
    }, JOB_TIMEOUT_MS);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const end = timedOut ? `no end after ${JOB_TIMEOUT_MS / 1000} s` : (signal ?? code);
      resolve({ output: plainText(chunks), end, seconds: (Date.now() - startedMs) / 1000 });
    });
  });
}

/** A job that ends badly has failed at least once, whatever it has printed before. */
function judge(job, { output, end }) {
  const count = job.count(output) ?? { passed: 0, failed: 0, crashed: true };
  if (end !== 0 && count.failed === 0) count.failed = 1;
  const skips = output.match(/^(#|ok .*#) SKIP .*$/gm) ?? [];
  if (count.passed + count.failed === 0 && skips.length === 0) count.failed = 1;
  return { ...count, skips };
}

function withoutPasses(output) {
  return output.replaceAll(/^ok \d+ .*\n/gm, '').trimEnd();
}

/** Rows of the fault matrix that a job has reported, one JSON comment each test. */
function rowsOf(output) {
  const lines = output.match(/^# \{"rows":.*\}$/gm) ?? [];
  return lines.flatMap((line) => JSON.parse(line.slice(2)).rows);
}

/** By letter, then by number. */
function compareIds(left, right) {
  return left.id.localeCompare(right.id, 'en', { numeric: true });
}

function report(job, result, verdict, { verbose, out }) {
  const { passed, failed, skips } = verdict;
  const state = failed > 0 ? 'FAIL' : 'ok  ';
  const seconds = result.seconds.toFixed(1);
  if (verbose) out.write(`${result.output.trimEnd()}\n`);
  else if (failed > 0) out.write(`${withoutPasses(result.output)}\n`);
  out.write(`${state} ${job.name}: ${passed} passed, ${failed} failed in ${seconds} s`);
  out.write(result.end === 0 || failed === 0 ? '\n' : `, ended with ${result.end}\n`);
  for (const skip of skips) out.write(`     ${skip}\n`);
}

async function runAll(jobs, style) {
  const total = { passed: 0, failed: 0, skipped: 0, rows: [] };
  const runQueue = async (queue) => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) {
      const result = await runJob(job);
      const verdict = judge(job, result);
      report(job, result, verdict, style);
      total.passed += verdict.passed;
      total.failed += verdict.failed;
      total.skipped += verdict.skips.length;
      total.rows.push(...rowsOf(result.output));
    }
  };
  const isAlone = (job) => ALONE.some((path) => job.name.startsWith(path));
  await runQueue(jobs.filter(isAlone));
  const others = jobs.filter((job) => !isAlone(job));
  await Promise.all(Array.from({ length: availableParallelism() }, () => runQueue(others)));
  return total;
}

/** Deno and Bun are large: only the suite that needs them installs them, by its own lockfile. */
function installRuntimes() {
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error', '--prefix', 'test/runtimes'];
  const npm = process.env.npm_execpath;
  const command = npm?.endsWith('.js') ? [process.execPath, npm] : ['npm'];
  const result = spawnSync(command[0], [...command.slice(1), ...args], { stdio: ['ignore', 2, 2] });
  if (result.status !== 0) throw new Error('the runtimes could not be installed; see above');
}

function jobsOf(suite) {
  if (suite === undefined) return libraryJobs();
  if (!SUITES.includes(suite)) throw new Error(`no suite ${suite}: ${SUITES.join(', ')} exist`);
  if (suite === 'runtimes' && !existsSync('test/runtimes/node_modules')) installRuntimes();
  return longestFirst(suiteJobs(suite));
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const names = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
const isJson = process.argv.includes('--json');
const out = isJson ? process.stderr : process.stdout;
// The tests report their rows when they are asked for them.
if (isJson) process.env.PAWL_JSON = '1';
const style = { verbose: process.argv.includes('--verbose'), out };
const total = await runAll(jobsOf(names[0]), style);
const ranNothing = total.passed + total.failed + total.skipped === 0;
if (ranNothing) out.write('no test was found, which counts as a failure\n');
out.write(`${total.passed} passed, ${total.failed} failed\n`);
if (isJson) {
  process.stdout.write(`${JSON.stringify({ rows: total.rows.sort(compareIds) })}\n`);
}
process.exitCode = total.failed > 0 || ranNothing ? 1 : 0;
