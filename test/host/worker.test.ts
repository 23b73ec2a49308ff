// Worker threads that run an agent, and what becomes of the process when one fails.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import test, { type Test } from 'tape';
import { EventLoop } from '../../src/host/event-loop.js';
import { NodeClock } from '../../src/host/node-clock.js';
import { WakeCell } from '../../src/host/wake-cell.js';
import { WorkerControl, WorkerState } from '../../src/host/worker-control.js';
import { AgentWorker } from '../../src/host/worker-host.js';
import { atEnd } from '../support/at-end.js';
import { temporaryDirectory, until } from '../support/until.js';

const IN = 0;
const OUT = 1;
const CALLS = 2;
const CLOSED = 3;
const DEADLINE = 4;

const PING = new URL('./fixtures/ping-worker.ts', import.meta.url);

function startPing(
  t: Test,
  entry: URL = PING,
): { worker: AgentWorker; cells: Int32Array; loop: EventLoop } {
  const cells = new Int32Array(new SharedArrayBuffer(64));
  const clock = new NodeClock();
  const wakeCell = WakeCell.create();
  const worker = new AgentWorker({
    roleName: 'ping',
    entry,
    payload: cells.buffer,
    clockOrigin: clock.origin,
    wakeCell,
  });
  const onFatal = (error: unknown) => {
    throw error;
  };
  const loop = new EventLoop({ clock, wakeCell, onFatal });
  loop.add(worker);
  atEnd(t, () => loop.close());
  return { worker, cells, loop };
}

test('a worker sleeps until it is woken, answers, and wakes the loop', async (t) => {
  const { worker, cells, loop } = startPing(t);
  await until(() => worker.state === WorkerState.Running, 'the worker runs');
  let answered = 0;
  loop.add({
    roleName: 'asker',
    doWork: () => {
      const isAnswered = Atomics.load(cells, OUT) === answered + 1;
      answered += isAnswered ? 1 : 0;
      return isAnswered ? 1 : 0;
    },
    deadlineNs: () => Infinity,
    close: () => undefined,
  });
  for (let value = 1; value <= 50; value++) {
    Atomics.store(cells, IN, value);
    worker.wake();
    await until(() => answered === value, `answer ${value} woke the loop`);
  }
  const calls = Atomics.load(cells, CALLS);
  t.ok(calls <= 50 * 3 + 3, `the worker was called ${calls} times for 50 questions`);
  loop.close();
  await worker.stopped();
  t.equal(Atomics.load(cells, CLOSED), 1, 'its agent was closed');
  t.equal(worker.state, WorkerState.Stopped);
  t.notOk(worker.isPoisoned());
  t.end();
});

test('a worker wakes at the deadline of its agent', async (t) => {
  const { worker, cells, loop } = startPing(t);
  await until(() => worker.state === WorkerState.Running, 'the worker runs');
  Atomics.store(cells, DEADLINE, 1);
  worker.wake();
  await until(() => Atomics.load(cells, CALLS) > 20, 'a deadline in the past keeps it busy');
  Atomics.store(cells, DEADLINE, 0);
  loop.close();
  await worker.stopped();
  t.equal(worker.state, WorkerState.Stopped);
  t.end();
});

test('a worker runs from a bundled file as well', async (t) => {
  const outfile = join(temporaryDirectory(t), 'ping-worker.mjs');
  const entryPoints = [fileURLToPath(PING)];
  await build({ entryPoints, outfile, bundle: true, platform: 'node', format: 'esm' });
  const { worker, cells, loop } = startPing(t, pathToFileURL(outfile));
  await until(() => worker.state === WorkerState.Running, 'the worker runs');
  Atomics.store(cells, IN, 7);
  worker.wake();
  await until(() => Atomics.load(cells, OUT) === 7, 'the worker answered');
  loop.close();
  await worker.stopped();
  t.equal(worker.state, WorkerState.Stopped);
  t.end();
});

test('the first poison stays', (t) => {
  const control = new WorkerControl(WakeCell.create());
  t.notOk(control.isPoisoned);
  control.poison(6);
  control.poison(9);
  t.ok(control.isPoisoned);
  t.equal(control.poisonExitCode, 6);
  const other = new WorkerControl(WakeCell.create(), control.memory);
  t.equal(other.poisonExitCode, 6, 'and both sides see it');
  t.end();
});

interface Ending {
  readonly code: number | null;
  readonly signal: string | null;
  readonly output: string;
  readonly errors: string;
}

/** @param standardError a file for it, instead of what this test reads. */
async function endingOf(
  t: Test,
  way: string,
  main: string,
  standardError: number | 'pipe' = 'pipe',
): Promise<Ending> {
  const file = fileURLToPath(new URL('./fixtures/failing-process.ts', import.meta.url));
  const child = spawn(process.execPath, ['--import', 'tsx', file, way, main], {
    stdio: ['ignore', 'pipe', standardError],
  });
  atEnd(t, () => child.kill('SIGKILL'));
  const texts = ['', ''];
  child.stdout?.on('data', (chunk) => {
    texts[0] += chunk;
  });
  child.stderr?.on('data', (chunk) => {
    texts[1] += chunk;
  });
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null];
  return { code, signal, output: texts[0] ?? '', errors: texts[1] ?? '' };
}

const FAILURES: [string, number, RegExp][] = [
  ['storage', 6, /failing: sync failed: EIO/],
  ['invariant', 9, /failing: InvariantError: .*the append position moved back/],
  ['creation', 5, /failing: the vote is damaged/],
];

for (const [way, exitCode, report] of FAILURES) {
  test(`a worker that fails by ${way} ends the process with code ${exitCode}`, async (t) => {
    const ending = await endingOf(t, way, 'turns');
    t.equal(ending.code, exitCode);
    t.match(ending.output, /fatal: failing failed: the process ends/);
    t.match(ending.errors, report);
    t.end();
  });
}

test('a worker that cannot be loaded ends the process', async (t) => {
  const ending = await endingOf(t, 'missing', 'turns');
  t.equal(ending.code, 1);
  t.match(ending.output, /fatal: failing failed/);
  t.end();
});

test('a worker whose thread ends by itself ends the process', async (t) => {
  const ending = await endingOf(t, 'exit', 'turns');
  t.equal(ending.code, 1);
  t.match(ending.output, /fatal: failing failed/);
  t.end();
});

test('a worker that cannot report why it failed ends the process all the same', async (t) => {
  if (process.platform !== 'linux') {
    t.skip('the device that takes no byte is one of Linux');
    t.end();
    return;
  }
  const full = openSync('/dev/full', 'w');
  atEnd(t, () => closeSync(full));
  const ending = await endingOf(t, 'storage', 'turns', full);
  t.equal(ending.code, 6);
  t.equal(ending.errors, '');
  t.match(ending.output, /fatal: failing failed/);
  t.end();
});

test('sends stop and the process is killed when its main thread hangs', async (t) => {
  const ending = await endingOf(t, 'storage', 'hangs');
  t.equal(ending.output, 'sends have stopped\n');
  t.equal(ending.signal, 'SIGKILL');
  t.match(ending.errors, /sync failed: EIO/);
  t.end();
});
