// runtimes.test.ts: the segment program and pawl/codec say the same under Node, Deno and Bun.
//
// The segment is built here. Deno and Bun are installed by the suite, from its own lockfile; where
// one of them cannot run, its tests are skipped with the reason.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'tape';
import { GOLDEN_TERM_LENGTH, goldenSegment } from '../codec/golden-segment.js';

const HERE = fileURLToPath(new URL('.', import.meta.url));
const CODEC = process.env.PAWL_CODEC ?? join(HERE, '../../dist/codec.js');
const RUN_TIMEOUT_MS = 60_000;

interface Runtime {
  readonly name: string;
  readonly command: string;
  readonly prefix: readonly string[];
}

interface RunResult {
  readonly exitCode: number | null;
  readonly output: string;
  readonly complaints: string;
}

function installed(name: string): string {
  return join(HERE, 'node_modules', '.bin', name);
}

const RUNTIMES: readonly Runtime[] = [
  { name: 'Node', command: process.execPath, prefix: ['--no-warnings'] },
  { name: 'Deno', command: installed('deno'), prefix: ['run', '--allow-all', '--quiet'] },
  { name: 'Bun', command: installed('bun'), prefix: [] },
];

/** node:wasi is still experimental, and Deno cannot be told to keep that to itself. */
function withoutWarnings(text: string): string {
  return text.replaceAll(/^.*ExperimentalWarning.*\n/gm, '');
}

function run(runtime: Runtime, script: string, parameters: readonly string[], stdin?: Uint8Array) {
  const call = [...runtime.prefix, join(HERE, script), ...parameters];
  const result = spawnSync(runtime.command, call, {
    encoding: 'buffer',
    timeout: RUN_TIMEOUT_MS,
    ...(stdin === undefined ? {} : { input: stdin }),
  });
  return {
    exitCode: result.status,
    output: result.stdout?.toString('utf8') ?? '',
    complaints: withoutWarnings(result.stderr?.toString('utf8') ?? String(result.error)),
  } satisfies RunResult;
}

/** Why a runtime cannot be tested here, or nothing. */
function absenceOf({ name, command }: Runtime): string | undefined {
  if (!existsSync(command)) {
    return `${name} is not installed: npm run test:runtimes installs it`;
  }
  const { status, error } = spawnSync(command, ['--version'], { timeout: RUN_TIMEOUT_MS });
  return status === 0 ? undefined : `${name} does not run here: ${error?.message ?? status}`;
}

const builder = goldenSegment();
const damaged = builder.bytes.slice();
damaged[70_000] = (damaged[70_000] ?? 0) ^ 1;
const directory = mkdtempSync(join(tmpdir(), 'pawl-runtimes-'));
writeFileSync(join(directory, '0-0.rec'), builder.bytes);
writeFileSync(join(directory, 'damaged.rec'), damaged);
test.onFinish(() => rmSync(directory, { recursive: true, force: true }));

const good = [directory, '--frames', '--hash', '/log/0-0.rec'];
const bad = [directory, '/log/damaged.rec', '/log/0-0.rec'];
const codecCall = [CODEC, join(directory, '0-0.rec'), String(GOLDEN_TERM_LENGTH)];
const node = RUNTIMES[0] as Runtime;

test('Node reads the segment that was built', (t) => {
  const frames = run(node, 'run-program.mjs', good);
  t.equal(frames.exitCode, 0, frames.complaints);
  t.ok(frames.output.includes('/log/0-0.rec: good'));
  t.equal(run(node, 'run-program.mjs', bad).exitCode, 1);
  const log = run(node, 'read-log.mjs', codecCall);
  t.equal(log.exitCode, 0, log.complaints);
  const lines = log.output.trim().split('\n');
  t.equal(lines.length, builder.facts.length + 1);
  const verdict = JSON.parse(lines.at(-1) ?? '{}') as { hash: string; position: number };
  t.equal(verdict.position, builder.position);
  t.ok(frames.output.includes(verdict.hash), 'program and library have the same hash');
  t.end();
});

for (const runtime of RUNTIMES.slice(1)) {
  const absence = absenceOf(runtime);
  const options = absence === undefined ? {} : { skip: absence };

  test(
    `the segment program prints under ${runtime.name} what it prints under Node`,
    options,
    (t) => {
      for (const parameters of [good, bad, [directory], [directory, '/log/none.rec']]) {
        const expected = run(node, 'run-program.mjs', parameters);
        const actual = run(runtime, 'run-program.mjs', parameters);
        t.equal(actual.exitCode, expected.exitCode, `exit code ${expected.exitCode}`);
        t.equal(actual.output, expected.output, `${expected.output.length} characters`);
        t.equal(
          actual.complaints,
          expected.complaints,
          expected.complaints.trim() || 'no complaint',
        );
      }
      t.end();
    },
  );

  test(`the segment program reads standard input under ${runtime.name}`, options, (t) => {
    const expected = run(node, 'run-program.mjs', [directory, '-'], builder.bytes);
    const actual = run(runtime, 'run-program.mjs', [directory, '-'], builder.bytes);
    t.equal(expected.exitCode, 0, expected.complaints);
    t.equal(actual.output, expected.output, actual.complaints);
    t.end();
  });

  test(`pawl/codec reads under ${runtime.name} what it reads under Node`, options, (t) => {
    const expected = run(node, 'read-log.mjs', codecCall);
    const actual = run(runtime, 'read-log.mjs', codecCall);
    t.equal(actual.exitCode, 0, actual.complaints);
    t.equal(actual.output, expected.output, `${expected.output.length} characters`);
    t.end();
  });
}
