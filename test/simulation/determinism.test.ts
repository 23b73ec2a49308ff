// The same seed is the same run in another process, and under other versions of Node.js where
// PAWL_NODES names their executables (`PAWL_NODES=/opt/node22/bin/node:/opt/node24/bin/node`).

import { spawnSync } from 'node:child_process';
import { delimiter } from 'node:path';
import test from 'tape';

const FIRST_SEED = 4_100;
const SEED_COUNT = 6;
const SECONDS = 4;

interface HashRun {
  readonly lines: readonly string[];
  readonly stderr: string;
}

/** Runs the seeds in a process of their own. */
function hashesUnder(node: string, firstSeed: number, count: number): HashRun {
  const script = 'test/simulation/trace-hashes.ts';
  const args = ['--import', 'tsx', script, ...[firstSeed, count, SECONDS].map(String)];
  const { stderr, stdout } = spawnSync(node, args, { encoding: 'utf8' });
  return { lines: stdout.trim().split('\n'), stderr };
}

function versionOf(node: string): string {
  return spawnSync(node, ['--version'], { encoding: 'utf8' }).stdout?.trim() ?? '';
}

test('two processes give the same trace hashes, whatever ran before a seed', (t) => {
  const first = hashesUnder(process.execPath, FIRST_SEED, SEED_COUNT);
  t.equal(first.lines.length, SEED_COUNT, first.stderr);
  t.ok(
    first.lines.every((line) => /^\d+ [0-9a-f]{16} \d+ ok /.test(line)),
    first.lines.join('\n'),
  );
  t.equal(new Set(first.lines.map((line) => line.split(' ')[1])).size, SEED_COUNT);
  // The second one starts in the middle: pools and arenas are in another state at each seed.
  const half = SEED_COUNT / 2;
  const second = hashesUnder(process.execPath, FIRST_SEED + half, half);
  t.deepEqual(second.lines, first.lines.slice(half));
  t.end();
});

const others = (process.env.PAWL_NODES ?? '').split(delimiter).filter((path) => path !== '');

test('other versions of Node.js give the same trace hashes', { skip: others.length === 0 }, (t) => {
  const own = hashesUnder(process.execPath, FIRST_SEED, SEED_COUNT);
  for (const node of others) {
    const other = hashesUnder(node, FIRST_SEED, SEED_COUNT);
    const what = `${process.version} and ${versionOf(node)}`;
    t.deepEqual(other.lines, own.lines, `${what}: ${own.lines.length} seeds ${other.stderr}`);
  }
  t.end();
});
