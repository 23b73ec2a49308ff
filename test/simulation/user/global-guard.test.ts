// The guard: within a run nothing can be learnt or decided that the seed does not decide, and
// afterwards everything is as it was.

import { randomInt, randomUUID } from 'node:crypto';
import { promises } from 'node:fs';
import { connect } from 'node:net';
import { nextTick } from 'node:process';
import { setTimeout as setTimer } from 'node:timers';
import { setTimeout as setPromisedTimer } from 'node:timers/promises';
import test from 'tape';
import { GlobalGuard, type GuardedMachine } from '../../../src/simulator/global-guard.js';
import { ArenaPool, Simulation } from '../../../src/simulator/index.js';

/** Everything that law 3 forbids, as a program would call it. */
const FORBIDDEN: Record<string, () => unknown> = {
  'Date.now()': () => Date.now(),
  'new Date()': () => new Date(),
  'Date()': () => Date(),
  'performance.now()': () => performance.now(),
  'process.hrtime()': () => process.hrtime(),
  'process.hrtime.bigint()': () => process.hrtime.bigint(),
  'Math.random()': () => Math.random(),
  'crypto.getRandomValues()': () => crypto.getRandomValues(new Uint8Array(4)),
  'crypto.randomUUID()': () => crypto.randomUUID(),
};

/** What cannot be answered at all: it happens later, or elsewhere. */
const IMPOSSIBLE: Record<string, () => unknown> = {
  'setTimeout()': () => setTimeout(() => undefined, 0),
  'setInterval()': () => setInterval(() => undefined, 1_000),
  'setImmediate()': () => setImmediate(() => undefined),
  'process.nextTick()': () => process.nextTick(() => undefined),
  'queueMicrotask()': () => queueMicrotask(() => undefined),
  'fetch()': () => fetch('http://127.0.0.1:1/'),
  'new Promise()': () => new Promise(() => undefined),
  'Promise.resolve()': () => Promise.resolve(),
};

/** The message of what a call throws. */
function thrownBy(call: () => unknown): string {
  try {
    call();
    return 'nothing was thrown';
  } catch (error) {
    return String(error);
  }
}

function machineOf(calls: string[]): GuardedMachine {
  let word = 0;
  return {
    wallMs: () => 1_000,
    elapsedNs: () => 2_500_000_000,
    nextUint32: () => word++,
    onCall: (name, place) => {
      calls.push(`${name} at ${place}`);
    },
  };
}

test('the simulator itself can call none of them, and is told where it tried', (t) => {
  const all = { ...FORBIDDEN, ...IMPOSSIBLE };
  const messages = new GlobalGuard().run(() =>
    Object.entries(all).map(([name, call]) => [name, thrownBy(call)] as const),
  );
  for (const [name, message] of messages) {
    t.ok(message.includes(`${name} was called within a simulated run, at `), message);
    t.ok(message.includes('global-guard.test.ts:'), `${name}: the place is this file`);
  }
  t.end();
});

test('functions that were imported from modules of Node.js are guarded too', (t) => {
  const messages = new GlobalGuard().run(() => [
    thrownBy(() => randomUUID()),
    thrownBy(() => randomInt(5)),
    thrownBy(() => setTimer(() => undefined, 0)),
    thrownBy(() => nextTick(() => undefined)),
    thrownBy(() => setPromisedTimer(0)),
    thrownBy(() => connect(1, '127.0.0.1')),
  ]);
  for (const message of messages) {
    t.match(message, /was called within a simulated run/);
  }
  t.end();
});

test('promises of native async functions are noted, with the place, while a run lasts', (t) => {
  const guard = new GlobalGuard();
  const later = async (): Promise<number> => 1;
  const read = (): unknown => promises.access('.');
  const places = guard.run(() => {
    const found: (string | undefined)[] = [];
    for (const start of [later, later, read, () => undefined]) {
      void start();
      found.push(guard.takePromise());
    }
    return found;
  });
  for (const place of places.slice(0, 3)) {
    t.match(place ?? '', /global-guard\.test\.ts:\d+:\d+$/);
  }
  t.equal(places[3], undefined, 'nothing is noted where nothing was made');
  void later();
  t.equal(guard.takePromise(), undefined, 'nor after the run');
  t.end();
});

test('code of a user gets what its machine has, and its calls are noted', (t) => {
  const guard = new GlobalGuard();
  const calls: string[] = [];
  const values = guard.run(() => {
    guard.machine = machineOf(calls);
    const result = {
      now: Date.now(),
      date: Date.now(),
      text: new Date(Date()).getTime(),
      monotonic: performance.now(),
      pair: process.hrtime(),
      bigint: process.hrtime.bigint(),
      first: Math.random(),
      second: Math.random(),
      bytes: [...crypto.getRandomValues(new Uint8Array(2))],
      uuid: randomUUID(),
      integer: randomInt(10, 20),
      later: thrownBy(() => setTimeout(() => undefined, 0)),
    };
    guard.machine = undefined;
    return result;
  });
  t.deepEqual([values.now, values.date, values.text], [1_000, 1_000, 1_000]);
  t.equal(values.monotonic, 2_500);
  t.deepEqual([...values.pair], [2, 500_000_000]);
  t.equal(values.bigint, 2_500_000_000n);
  t.deepEqual([values.first, values.second], [0, 2 ** -32]);
  t.deepEqual(values.bytes, [2, 3]);
  t.match(values.uuid, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-a[0-9a-f]{3}-[0-9a-f]{12}$/);
  t.ok(values.integer >= 10 && values.integer < 20, `${values.integer}`);
  t.match(values.later, /setTimeout\(\) was called/);
  t.equal(calls.length, 12, calls.join('; '));
  t.ok(calls.every((call) => call.includes('global-guard.test.ts:')));
  t.end();
});

test('what is decided by arguments alone is not touched', (t) => {
  const values = new GlobalGuard().run(() => [
    new Date(86_400_000).toISOString(),
    Date.UTC(2025, 0, 1),
    new Date(0) instanceof Date,
    Math.max(1, 2),
  ]);
  t.deepEqual(values, ['1970-01-02T00:00:00.000Z', 1_735_689_600_000, true, 2]);
  t.end();
});

test('afterwards everything is as it was, also when the run threw', (t) => {
  const replaced = () => [
    ...[Date, Math.random, performance.now, setTimeout, Promise],
    ...[process.hrtime, process.nextTick],
  ];
  const before = replaced();
  const keys = Object.getOwnPropertyNames(performance);
  t.throws(
    () =>
      new GlobalGuard().run(() => {
        throw new Error('the run failed');
      }),
    /the run failed/,
  );
  t.deepEqual(replaced(), before);
  t.deepEqual(Object.getOwnPropertyNames(performance), keys);
  t.equal(typeof randomUUID(), 'string');
  t.notOk(GlobalGuard.isInstalled);
  t.end();
});

test('a run within a run is refused', (t) => {
  const message = new GlobalGuard().run(() => thrownBy(() => new GlobalGuard().install()));
  t.match(message, /started from within another one/);
  t.end();
});

test('a simulation runs under the guard: a product that read a clock would fail its seed', (t) => {
  const options = { seed: 1, profile: 'quiet', safetyNs: 1_000_000_000 } as const;
  const simulation = new Simulation({ ...options, arenas: new ArenaPool() });
  simulation.world.schedule(500_000_000, undefined, () => {
    Date.now();
  });
  const { violation } = simulation.run();
  t.equal(violation?.invariant, 'exception');
  t.match(violation?.message ?? '', /Date\.now\(\) was called within a simulated run/);
  t.end();
});
