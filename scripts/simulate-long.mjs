// Simulates for minutes or hours on all processors, and keeps a ledger of what was run.
//
//   npm run simulate:long -- --minutes 60             seeds go on where the ledger ends
//   npm run simulate:long -- --minutes 5 --dry        without a line in the ledger
//
// Each processor runs batches of seeds one after another: sixty of `swarm` and two of `storm`, in
// which everything rare has to happen, then four hours of `sparse`, in which bad luck is minutes
// apart, and twenty of `quiet`, in which a slow leak would show. At the end one line is added to
// test/simulation/ledger.jsonl. What is left unreached must be explained in
// test/simulation/unreached-marks.json.

import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const LEDGER = 'test/simulation/ledger.jsonl';
const EXPLAINED = 'test/simulation/unreached-marks.json';
const MS_PER_MINUTE = 60_000;
const SECONDS_PER_HOUR = 3_600;
/** With fewer hours of `swarm`, where the rare paths are, a mark may be unreached by chance. */
const SWARM_HOURS_FOR_ALL_MARKS = 4;
/** What a worker runs in turn. Seeds count for each profile alone. */
const BATCHES = [
  ...batches(3, { profile: 'swarm', seeds: 10 }),
  ...batches(1, { profile: 'sparse', seeds: 2 }),
  ...batches(1, { profile: 'quiet', seeds: 4, args: ['--seconds', '18000'] }),
  ...batches(3, { profile: 'swarm', seeds: 10 }),
  ...batches(1, { profile: 'sparse', seeds: 2 }),
  ...batches(1, { profile: 'storm', seeds: 2 }),
];
const SUMS = [
  ...['seeds', 'events', 'simulatedSeconds', 'commands', 'acknowledged', 'elections'],
  ...['truncations', 'catchUps', 'crashes', 'restarts', 'tornTails', 'repairs', 'diskFailures'],
  ...['lostDirectories', 'seedsWithElectionAndCrash'],
];

function batches(count, batch) {
  return Array.from({ length: count }, () => ({ args: [], ...batch }));
}

function ledgerLines() {
  if (!existsSync(LEDGER)) return [];
  const lines = readFileSync(LEDGER, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line));
}

function commitName() {
  const git = (...args) => spawnSync('git', args, { encoding: 'utf8' }).stdout.trim();
  const isChanged = git('status', '--porcelain', 'src', 'assembly') !== '';
  return `${git('rev-parse', '--short', 'HEAD')}${isChanged ? ' with changes' : ''}`;
}

/** The first seed that no run of the ledger has had, for each profile. */
function nextSeeds(lines) {
  const next = { swarm: 1, storm: 1, sparse: 1, quiet: 1 };
  for (const { nextSeed } of lines) {
    for (const [profile, seed] of Object.entries(nextSeed)) {
      next[profile] = Math.max(next[profile], seed);
    }
  }
  return next;
}

/** Runs one batch in a process of its own; undefined when it died without a result. */
function runBatch(batch, firstSeed) {
  const { args, profile, seeds } = batch;
  const all = ['bin/pawl.js', 'simulate', '--profile', profile, '--json', '--seeds', `${seeds}`];
  all.push('--jobs', '1', '--first-seed', `${firstSeed}`, ...args);
  return new Promise((resolve) => {
    const child = spawn(process.execPath, all, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    let errors = '';
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      errors += chunk;
    });
    child.on('close', (code, signal) => {
      try {
        resolve(JSON.parse(output));
      } catch (error) {
        const what = `ended with ${signal ?? code}, ${error.message}`;
        const message = `${what}: ${errors.slice(-2_000)}`;
        resolve({
          died: { seed: firstSeed, invariant: 'process', message, replay: all.join(' ') },
        });
      }
    });
  });
}

function newTotal() {
  return { hours: { swarm: 0, storm: 0, sparse: 0, quiet: 0 }, unreached: undefined, failures: [] };
}

function add(total, profile, result) {
  if (result.died !== undefined) {
    total.failures.push(result.died);
    return;
  }
  for (const name of SUMS) total[name] = (total[name] ?? 0) + (result[name] ?? 0);
  total.hours[profile] += result.simulatedSeconds / SECONDS_PER_HOUR;
  total.marksTotal = result.marksTotal;
  total.unreached = (total.unreached ?? result.marksNeverHit).filter((name) =>
    result.marksNeverHit.includes(name),
  );
  total.failures.push(...result.failures);
}

async function work(seeds, total, endMs, offset) {
  for (let turn = offset; Date.now() < endMs; turn++) {
    const batch = BATCHES[turn % BATCHES.length];
    const { profile } = batch;
    const firstSeed = seeds[profile];
    seeds[profile] += batch.seeds;
    const result = await runBatch(batch, firstSeed);
    const before = total.failures.length;
    add(total, profile, result);
    for (const failure of total.failures.slice(before)) {
      process.stdout.write(`FAIL ${failure.replay}: ${failure.invariant} ${failure.message}\n`);
    }
    const hours = Object.values(total.hours).reduce((sum, each) => sum + each, 0);
    process.stderr.write(`${profile} ${firstSeed}: ${hours.toFixed(1)} h so far\n`);
  }
}

function round(value) {
  return Math.round(value * 1_000) / 1_000;
}

function ledgerLine(total, seeds, wallMs) {
  const hours = Object.entries(total.hours).map(([name, value]) => [name, round(value)]);
  const { failures, marksTotal, simulatedSeconds, unreached, hours: _hours, ...sums } = total;
  return {
    date: new Date().toISOString(),
    commit: commitName(),
    processors: availableParallelism(),
    wallMinutes: round(wallMs / MS_PER_MINUTE),
    simulatedHours: round((simulatedSeconds ?? 0) / SECONDS_PER_HOUR),
    hoursOf: Object.fromEntries(hours),
    ...sums,
    marksHit: (marksTotal ?? 0) - (unreached ?? []).length,
    marksTotal,
    unreached,
    nextSeed: seeds,
    failures: failures.map(({ invariant, replay, seed }) => ({ seed, invariant, replay })),
  };
}

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    processors: { type: 'string', default: `${availableParallelism()}` },
    dry: { type: 'boolean', default: false },
  },
});
const minutes = Number(values.minutes);
if (!(minutes > 0)) throw new Error(`--minutes is ${values.minutes}: use a number above 0`);
const startMs = Date.now();
const seeds = nextSeeds(ledgerLines());
const total = newTotal();
const workers = Array.from({ length: Number(values.processors) }, (_, index) =>
  work(seeds, total, startMs + minutes * MS_PER_MINUTE, index * 3),
);
await Promise.all(workers);
const line = ledgerLine(total, seeds, Date.now() - startMs);
if (!values.dry) appendFileSync(LEDGER, `${JSON.stringify(line)}\n`);
const explained = existsSync(EXPLAINED) ? JSON.parse(readFileSync(EXPLAINED, 'utf8')) : {};
const unexplained = (total.unreached ?? []).filter((name) => explained[name] === undefined);
const isLong = (line.hoursOf.swarm ?? 0) >= SWARM_HOURS_FOR_ALL_MARKS;
process.stdout.write(`${JSON.stringify(line, undefined, 2)}\n`);
process.stdout.write(`unreached and not explained: ${unexplained.join(', ') || 'none'}\n`);
const failed = total.failures.length + (isLong ? unexplained.length : 0);
process.stdout.write(`${(total.seeds ?? 0) - total.failures.length} passed, ${failed} failed\n`);
process.exitCode = failed > 0 || (total.seeds ?? 0) === 0 ? 1 : 0;
