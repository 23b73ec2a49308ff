// requests.test.ts: each request has exactly one outcome, whatever the session does.

import fc from 'fast-check';
import test from 'tape';
import { BACK_PRESSURED, NOT_CONNECTED } from '../../assembly/layout/frame.js';
import type { ClusterClient } from '../../src/client/cluster-client.js';
import { RequestClient } from '../../src/client/request-client.js';
import { RequestShell } from '../../src/client/request-shell.js';
import { PawlError } from '../../src/errors.js';

/** A session that keeps what is offered, and can refuse. */
class FakeSession {
  readonly sent: Uint8Array[] = [];
  result = 1;

  offer(buffer: Uint8Array, offset: number, length: number): number {
    if (this.result > 0) {
      this.sent.push(buffer.slice(offset, offset + length));
    }
    return this.result;
  }

  asClient(): ClusterClient {
    return this as unknown as ClusterClient;
  }
}

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
}

test('every request ends in one answer or one unknown, and in nothing else', (t) => {
  const step = fc.oneof(
    fc.constant({ kind: 'request' as const, index: 0 }),
    fc.record({ kind: fc.constant('answer' as const), index: fc.nat(30) }),
    fc.record({ kind: fc.constant('time' as const), index: fc.integer({ min: 1, max: 400 }) }),
    fc.record({ kind: fc.constant('refuse' as const), index: fc.nat(1) }),
    fc.constant({ kind: 'close' as const, index: 0 }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
      const outcomes = new Map<number, number>();
      const count = (request: number): void => {
        outcomes.set(request, (outcomes.get(request) ?? 0) + 1);
      };
      const options = { requestTimeoutNs: 500, outstandingCountMax: 8 };
      const requests = new RequestClient({ onAnswer: count, onUnknown: count }, options);
      const session = new FakeSession();
      requests.bind(session.asClient());
      const handlers = requests.clientHandlers();
      const made: number[] = [];
      let nowNs = 0;
      for (const { kind, index } of steps) {
        if (kind === 'request') {
          const before = requests.outstandingCount;
          const result = requests.request(new Uint8Array([1, 2, 3]), nowNs);
          if (result > 0) {
            made.push(result);
          } else if (requests.outstandingCount !== before) {
            return false;
          }
        } else if (kind === 'answer') {
          const bytes = session.sent[index];
          if (bytes !== undefined) {
            handlers.onMessage(viewOf(bytes), 0, bytes.length, 0);
          }
        } else if (kind === 'time') {
          nowNs += index;
          requests.doWork(nowNs);
        } else if (kind === 'refuse') {
          session.result = index === 0 ? NOT_CONNECTED : 1;
        } else {
          handlers.onClosed?.(undefined);
        }
        if (requests.outstandingCount > 8) {
          return false;
        }
      }
      requests.doWork(Number.POSITIVE_INFINITY);
      return made.every((request) => outcomes.get(request) === 1) && outcomes.size === made.length;
    }),
    { seed: 20261122, numRuns: 1_000 },
  );
  t.pass('for random requests, answers, delays, refusals and closes');
  t.end();
});

test('an answer carries the body without the number of its request', (t) => {
  const answers: string[] = [];
  const requests = new RequestClient({
    onAnswer: (request, view, offset, length) =>
      answers.push(`${request} ${Buffer.from(view.buffer, view.byteOffset + offset, length)}`),
    onUnknown: () => t.fail('nothing is unknown'),
  });
  const session = new FakeSession();
  requests.bind(session.asClient());
  const handlers = requests.clientHandlers();
  requests.request(Buffer.from('one'), 0);
  requests.request(Buffer.from('two'), 0);
  for (const bytes of [...session.sent].reverse()) {
    handlers.onMessage(viewOf(bytes), 0, bytes.length, 0);
  }
  t.deepEqual(answers, ['2 two', '1 one']);
  t.end();
});

test('a request beyond the outstanding limit is refused and not sent', (t) => {
  const requests = new RequestClient(
    { onAnswer: () => undefined, onUnknown: () => undefined },
    { outstandingCountMax: 2 },
  );
  const session = new FakeSession();
  requests.bind(session.asClient());
  t.ok(requests.request(new Uint8Array(1), 0) > 0);
  t.ok(requests.request(new Uint8Array(1), 0) > 0);
  t.equal(requests.request(new Uint8Array(1), 0), BACK_PRESSURED);
  t.equal(session.sent.length, 2);
  t.end();
});

test('a promise of a request rejects as unknown by its deadline', async (t) => {
  let nowNs = 0;
  const shell = new RequestShell(
    () => nowNs,
    () => undefined,
    { requestTimeoutNs: 1_000 },
  );
  shell.requests.bind(new FakeSession().asClient());
  const promise = shell.request(new Uint8Array(4));
  nowNs = 1_000;
  shell.requests.doWork(nowNs);
  const error = await promise.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  t.ok(error instanceof PawlError && error.code === 'OUTCOME_UNKNOWN');
  t.match(String((error as Error).message), /may have been applied or not; it is not sent again/);
  t.end();
});

test('a promise of a request that could not be sent says so, not that it is unknown', async (t) => {
  const session = new FakeSession();
  session.result = NOT_CONNECTED;
  const shell = new RequestShell(
    () => 0,
    () => undefined,
  );
  shell.requests.bind(session.asClient());
  const error = await shell.request(new Uint8Array(4)).then(
    () => undefined,
    (reason: unknown) => reason,
  );
  t.match(String((error as Error).message), /was not sent: no leader is connected/);
  t.end();
});
