// run.ts: fuzzes every target for a while, and ends with one line, `N passed, N failed`.
//
//   npm run test:fuzz                            every target, 10 s each
//   npm run test:fuzz -- records config          some targets
//   PAWL_FUZZ_SECONDS=600 npm run test:fuzz      longer
//   PAWL_FUZZ_SEED=7 npm run test:fuzz           the same sequence of inputs again
//   npm run test:fuzz -- --seeds records         writes valid inputs into the corpus of a target
//
// The closing line counts targets. Each runs in a process of its own, so that one that hangs or
// dies is named; as many at once as there are processors.

import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Prng } from '../../src/simulator/prng.js';
import { fuzz, writeToCorpus } from './fuzz-engine.js';
import { TARGETS } from './targets.js';

const SECONDS = Number(process.env.PAWL_FUZZ_SECONDS ?? 10);
const SEED = Number(process.env.PAWL_FUZZ_SEED ?? Math.floor(Date.now() / 1000) % 2 ** 31);
/** What a process may take to start and to end, beyond the time of its target. */
const GRACE_SECONDS = 60;
const SEED_INPUT_COUNT = 4;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Fuzzes one target in this process. */
async function fuzzOne(name: string): Promise<boolean> {
  const factory = TARGETS.get(name);
  if (factory === undefined) {
    print(`there is no target ${name}: use one of ${[...TARGETS.keys()].join(', ')}`);
    return false;
  }
  const target = await factory();
  const startMs = performance.now();
  const endMs = startMs + SECONDS * 1000;
  const isOver = (): boolean => performance.now() >= endMs;
  const report = fuzz(target, { seed: SEED, executionCountMax: Infinity, isOver });
  const seconds = (performance.now() - startMs) / 1000;
  const perSecond = Math.round(report.executions / seconds);
  print(
    `${report.crash === undefined ? 'ok  ' : 'FAIL'} ${name}: ${report.executions} executions in ` +
      `${seconds.toFixed(1)} s (${perSecond} per second), ${report.outcomes} outcomes, ` +
      `${report.corpusCount} inputs from the corpus, seed ${SEED}`,
  );
  if (report.crash !== undefined) {
    const { error, input } = report.crash;
    const path = writeToCorpus(name, 'found', input);
    print(error instanceof Error ? (error.stack ?? error.message) : String(error));
    print(`the input is kept in ${path}; PAWL_FUZZ_SEED=${SEED} repeats the run`);
  }
  target.close?.();
  return report.crash === undefined;
}

/** Valid inputs for the corpus, from which mutations begin. */
async function writeSeeds(name: string): Promise<void> {
  const target = await TARGETS.get(name)?.();
  const random = new Prng(SEED, name);
  for (let count = target === undefined ? 0 : SEED_INPUT_COUNT; count > 0; count--) {
    const input = target?.generate(random) ?? new Uint8Array(0);
    print(writeToCorpus(name, 'seed', input));
  }
}

/** Fuzzes one target in a process of its own. */
function fuzzApart(name: string): Promise<boolean> {
  return new Promise((settle) => {
    const args = ['--import', 'tsx', fileURLToPath(import.meta.url), '--here', name];
    const env = { ...process.env, PAWL_FUZZ_SEED: String(SEED) };
    const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk.toString();
    });
    const timer = setTimeout(() => child.kill('SIGKILL'), (SECONDS + GRACE_SECONDS) * 1000);
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      process.stdout.write(output);
      if (code !== 0 && output === '') {
        print(`FAIL ${name}: it ended by ${signal ?? code} without a word, seed ${SEED}`);
      }
      settle(code === 0);
    });
  });
}

async function main(): Promise<number> {
  process.chdir(fileURLToPath(new URL('../..', import.meta.url)));
  const names = process.argv.slice(2).filter((argument) => !argument.startsWith('-'));
  if (process.argv.includes('--here')) {
    const results = await Promise.all(names.map(fuzzOne));
    return results.every(Boolean) ? 0 : 1;
  }
  if (process.argv.includes('--seeds')) {
    await Promise.all((names.length > 0 ? names : [...TARGETS.keys()]).map(writeSeeds));
    return 0;
  }
  const queue = names.length > 0 ? names : [...TARGETS.keys()];
  let passed = 0;
  let failed = 0;
  const runQueue = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      if (await fuzzApart(name)) {
        passed++;
      } else {
        failed++;
      }
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, runQueue));
  print(`${passed} passed, ${failed} failed`);
  return failed === 0 && passed > 0 ? 0 : 1;
}

process.exitCode = await main();
