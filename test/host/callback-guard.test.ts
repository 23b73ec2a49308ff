// callback-guard.test.ts: what a guarded service may not call while it handles an event of the log.

import { createSocket } from 'node:dgram';
import { get } from 'node:http';
import { connect } from 'node:net';
import test from 'tape';
import { PawlError } from '../../src/errors.js';
import { processGuard } from '../../src/host/callback-guard.js';
import type { ClusteredService } from '../../src/service/clustered-service.js';
import { guardedFactory } from '../../src/service/guarded-service.js';

type Callback = () => unknown;

/** Runs code as a callback of a guarded service. */
function inCallback(code: Callback): unknown {
  let result: unknown;
  const service = guardedFactory(
    () => ({
      onSessionMessage: () => {
        result = code();
      },
    }),
    processGuard,
  )();
  (service.onSessionMessage as Callback)();
  return result;
}

function messageOf(code: Callback): string {
  try {
    inCallback(code);
  } catch (error) {
    return error instanceof PawlError ? `${error.code} ${error.message}` : String(error);
  }
  return 'nothing was thrown';
}

const FORBIDDEN: readonly (readonly [string, Callback, RegExp])[] = [
  ['Date.now()', () => Date.now(), /cluster\.time\(\)/],
  ['new Date()', () => new Date(), /cluster\.time\(\)/],
  ['performance.now()', () => performance.now(), /cluster\.time\(\)/],
  ['process.hrtime.bigint()', () => process.hrtime.bigint(), /cluster\.time\(\)/],
  ['Math.random()', () => Math.random(), /client send what chance decides/],
  ['crypto.randomUUID()', () => crypto.randomUUID(), /client send what chance decides/],
  ['setTimeout()', () => setTimeout(() => undefined, 1), /cluster\.scheduleTimer\(\)/],
  ['setImmediate()', () => setImmediate(() => undefined), /cluster\.scheduleTimer\(\)/],
  ['queueMicrotask()', () => queueMicrotask(() => undefined), /cluster\.scheduleTimer\(\)/],
  ['Promise.resolve()', () => Promise.resolve(), /before the callback returns/],
  ['fetch()', () => fetch('http://127.0.0.1:1'), /have a client do it/],
  ['net.connect()', () => connect(1), /have a client do it/],
  ['dgram.createSocket()', () => createSocket('udp4'), /have a client do it/],
  ['http.get()', () => get('http://127.0.0.1:1'), /have a client do it/],
];

test('inside a callback clocks, chance, timers and the network throw with the remedy', (t) => {
  processGuard.acquire();
  for (const [name, call, remedy] of FORBIDDEN) {
    const message = messageOf(call);
    t.ok(message.startsWith(`SERVICE_FAILED ${name} was called inside onSessionMessage`), name);
    t.match(message, /callback-guard\.test\.ts:\d+/, 'and where');
    t.match(message, remedy);
  }
  t.equal(
    inCallback(() => new Date(5).getTime()),
    5,
    'what depends on its arguments is allowed',
  );
  t.equal(
    inCallback(() => Math.max(1, 2)),
    2,
  );
  processGuard.release();
  t.end();
});

test('outside callbacks, and when no member is guarded, everything is as it was', (t) => {
  const { random } = Math;
  const { now } = Date;
  processGuard.acquire();
  processGuard.acquire();
  t.ok(Date.now() > 0 && performance.now() > 0 && Math.random() < 1, 'outside they answer');
  t.match(
    messageOf(() => Date.now()),
    /SERVICE_FAILED/,
  );
  t.ok(Date.now() > 0, 'also after one has thrown');
  processGuard.release();
  t.match(
    messageOf(() => Date.now()),
    /SERVICE_FAILED/,
    'another member is still guarded',
  );
  processGuard.release();
  t.equal(Math.random, random);
  t.equal(Date.now, now);
  t.ok((inCallback(() => Date.now()) as number) > 0);
  t.end();
});

test('a callback that returns a promise is refused, and what is local is not guarded', (t) => {
  processGuard.acquire();
  const made = guardedFactory(
    () => ({
      onSessionMessage: (async () => undefined) as unknown as ClusteredService['onSessionMessage'],
      onStart: () => void Date.now(),
      onRoleChange: () => void Math.random(),
      onServiceMessage: () => void Math.random(),
    }),
    processGuard,
  )();
  t.throws(() => (made.onSessionMessage as Callback)(), /onSessionMessage returned a promise/);
  (made.onStart as Callback)();
  (made.onRoleChange as Callback)();
  t.pass('onStart and onRoleChange are local to the member');
  t.throws(() => (made.onServiceMessage as Callback)(), /Math\.random/, 'and this is not');
  processGuard.release();
  t.end();
});

test('a guarded service is the service: its fields, private ones, and what it lacks', (t) => {
  class Counter implements ClusteredService {
    #count = 0;
    readonly snapshotVersion = 3;
    onSessionMessage(): void {
      this.#count++;
    }
    stateHash(): string {
      return String(this.#count);
    }
  }
  const made = guardedFactory(() => new Counter(), processGuard)();
  (made.onSessionMessage as Callback)();
  t.equal(made.stateHash?.(), '1');
  t.equal(made.snapshotVersion, 3);
  t.equal(made.onTakeSnapshot, undefined, 'a service without snapshots still has none');
  t.equal(made.onRequest, undefined);
  t.end();
});

test('accessors of a guarded service run on the service and its private fields', (t) => {
  class Base {
    #label = 'none';
    get label(): string {
      return this.#label;
    }
    set label(text: string) {
      this.#label = text;
    }
    get shadowed(): string {
      return this.#label;
    }
  }
  class Versioned extends Base {
    #version = 4;
    #count = 0;
    readonly [Symbol.toStringTag] = 'Versioned';
    get snapshotVersion(): number {
      return this.#version;
    }
    override get shadowed(): string {
      return `own ${super.shadowed}`;
    }
    /** A callback that an accessor gives. */
    get onSessionMessage(): () => void {
      return () => {
        this.#count++;
        this.#version++;
      };
    }
    stateHash(): string {
      return `${this.#count}`;
    }
  }
  const service = new Versioned();
  const factory = () => Object.freeze(service) as ClusteredService;
  const made = guardedFactory(factory, processGuard)() as Versioned & ClusteredService;
  t.equal(made.snapshotVersion, 4);
  (made.onSessionMessage as Callback)();
  t.equal(made.snapshotVersion, 5, 'each time anew');
  t.equal(made.stateHash(), '1');
  made.label = 'some';
  t.equal(made.label, 'some');
  t.equal(service.label, 'some', 'a setter sets on the service');
  t.equal(made.shadowed, 'own some', 'the nearest class counts');
  t.throws(() => {
    (made as { snapshotVersion: number }).snapshotVersion = 1;
  }, /TypeError/);
  t.end();
});
