// The example as a user runs it, and the package in a user's own project: from dist, types too.

import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import test from 'tape';

test('the example finds the faults of two services and passes their correct twin', (t) => {
  const script = 'examples/simulate-my-service/simulate.mjs';
  const { status, stderr, stdout } = spawnSync(process.execPath, [script, '1'], {
    encoding: 'utf8',
  });
  t.equal(status, 0, stderr);
  t.match(stdout, /^Auctions: 1 seeds, \d+ commands, .* 0 failures$/m);
  t.match(stdout, /^HastyAuctions: 1 seeds, .* 1 failures$/m);
  t.match(stdout, /judge divergence: at log position \d+, .* has another state than member/);
  t.match(stdout, /state\.items\.get\("\w+"\)\.deadline: \d+ on member/);
  t.match(stdout, /called Date\.now\(\) while it handled this, at .*auctions\.mjs:\d+:\d+/);
  t.match(stdout, /^HastyAnswers: 1 seeds, .* 1 failures$/m);
  t.match(stdout, /a fresh replay of the log answers a query in another way than member/);
  t.match(stdout, /the answer: '(\w+) is (open|sold) at \d+' on member .*, '\1 is (open|sold) at/);
  t.end();
});

const PROJECT = {
  'package.json': '{ "name": "mine", "type": "module" }',
  'tsconfig.json': JSON.stringify({
    compilerOptions: {
      target: 'ES2022',
      module: 'NodeNext',
      strict: true,
      exactOptionalPropertyTypes: true,
      // A project for Node has Node's types.
      typeRoots: [resolve('node_modules/@types')],
      types: ['node'],
      noEmit: true,
    },
    files: ['mine.ts'],
  }),
  'mine.ts': `
import { simulate, type SimulateReport } from 'pawl/simulator';
import type { ClientSession } from 'pawl';

class Counter {
  count = 0;
  onSessionMessage(session: ClientSession, time: number, buffer: DataView, offset: number): void {
    this.count += buffer.getUint8(offset);
    session.offer(buffer, offset, 1);
  }
}

export const report: SimulateReport = simulate({
  service: () => new Counter(),
  workload: ({ random }) => ({ next: () => new Uint8Array([random.below(9)]) }),
  stateOf: (counter) => counter.count,
  check: ({ services }) => (services.every((one) => one.count > 0) ? undefined : 'nothing came'),
  seeds: 1,
  seconds: 1,
});
`,
  'run.mjs': `
import { simulate } from 'pawl/simulator';
const service = () => ({ count: 0, onSessionMessage() { this.count++; } });
const report = simulate({ service, workload: () => ({ next: () => 'x' }), seeds: 1, seconds: 1 });
console.log(JSON.stringify({ failures: report.failures.length, isBusy: report.commands > 0 }));
`,
};

test('pawl/simulator works in a project of its own, and its types with it', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'pawl-project-'));
  t.teardown(() => rmSync(directory, { recursive: true, force: true }));
  for (const [name, text] of Object.entries(PROJECT)) {
    writeFileSync(join(directory, name), text);
  }
  mkdirSync(join(directory, 'node_modules'));
  symlinkSync(resolve('.'), join(directory, 'node_modules', 'pawl'));
  const run = spawnSync(process.execPath, ['run.mjs'], { cwd: directory, encoding: 'utf8' });
  t.equal(run.stdout.trim(), '{"failures":0,"isBusy":true}', run.stderr);
  const compiler = resolve('node_modules/typescript/bin/tsc');
  const types = spawnSync(process.execPath, [compiler, '-p', '.'], {
    cwd: directory,
    encoding: 'utf8',
  });
  t.equal(types.status, 0, types.stdout);
  t.end();
});
