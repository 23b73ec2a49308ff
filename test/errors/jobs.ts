// jobs.ts: what the measurement runs: tests and simulated seeds, in jobs of a few minutes at most.

import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { hashSources } from '../support/kept-results.js';

const TAPE = 'node_modules/tape/bin/tape';
const JOB_TIMEOUT_MS = 10 * 60_000;
/** Seeds of the simulator, and how many simulated seconds of faults each of them has. */
const SEEDS_PER_JOB = 40;
const FAULT_SECONDS = 6;
const OUTPUT_LENGTH_MAX = 1 << 22;

/** One process whose coverage is measured. */
export interface Job {
  readonly name: string;
  readonly args: readonly string[];
  /** Its test files, or the folder of them. */
  readonly tests?: string;
}

/** What one job executed. */
export interface JobResult {
  readonly ok: boolean;
  /** Places of branches, see placeOf. */
  readonly executed: readonly string[];
}

/** Folders that are one job each, and those whose every file is one. */
const FOLDERS = ['consensus', 'archive', 'client', 'service', 'fuzz', 'scenarios'];
const SPLIT_FOLDERS = ['host', 'cluster', 'members'];
const PROFILES = ['swarm', 'storm'];
/** All that decides what the jobs execute; of the tests in it only a job's own do. */
const MEASURED_FOLDERS: readonly string[] = [
  ...['src', 'assembly', 'test/support', 'test/transport', 'test/vectors'],
  ...[...FOLDERS, ...SPLIT_FOLDERS].map((name) => `test/${name}`),
];

/** A hash of all that decides what a job executes. */
export function sourcesOf(root: string, { tests }: Job): string {
  const isOwn = (path: string): boolean =>
    tests !== undefined && (path === tests || path.startsWith(`${tests}/`));
  return hashSources(root, MEASURED_FOLDERS, (path) => !path.endsWith('.test.ts') || isOwn(path));
}

function testJob(name: string, files: string): Job {
  return { name, args: [TAPE, files], tests: name };
}

/** Seeds run from the sources, because it is their coverage that is wanted. */
function simulationJob(profile: string): Job {
  const flags = ['--seeds', String(SEEDS_PER_JOB), '--seconds', String(FAULT_SECONDS), '--json'];
  const args = ['src/tools/main.ts', 'simulate', '--jobs', '1', '--profile', profile, ...flags];
  return { name: `${profile} seeds`, args };
}

function testFilesIn(folder: string): string[] {
  const names = readdirSync(folder, { encoding: 'utf8', recursive: true });
  const tests = names.filter((name) => name.endsWith('.test.ts'));
  return tests.map((name) => `${folder}/${name.replaceAll('\\', '/')}`).sort();
}

/** All jobs, in the order in which they are run. */
export function allJobs(): Job[] {
  const files = SPLIT_FOLDERS.flatMap((name) => testFilesIn(`test/${name}`));
  return [
    ...FOLDERS.map((name) => testJob(`test/${name}`, `test/${name}/**/*.test.ts`)),
    ...files.map((file) => testJob(file, file)),
    ...PROFILES.map(simulationJob),
  ];
}

/** Runs one job; V8 writes what each of its processes executed to a folder. */
export function runJob(
  job: Job,
  coverageFolder: string,
): Promise<{ readonly ok: boolean; readonly output: string }> {
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
