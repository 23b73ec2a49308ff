// pending-requests.test.ts: the queue of requests that are to be sent: its order, its memory, and
// owners who make a request while another one ends.

import fc from 'fast-check';
import test from 'tape';
import { BACK_PRESSURED } from '../../assembly/layout/frame.js';
import type { ClientHandlers } from '../../src/client/client-handlers.js';
import { ClientState, type ClusterClient } from '../../src/client/cluster-client.js';
import { ExactlyOnceClient } from '../../src/client/exactly-once-client.js';
import type { RequestNumbers } from '../../src/client/ingress-writer.js';
import { PendingRequests, type SentRequest } from '../../src/client/pending-requests.js';
import { ReplyCode } from '../../src/service/reply-cache.js';
import { liveBufferBytes } from '../support/live-buffer-bytes.js';

const KIB = 1024;
const MIB = 1024 * KIB;

/** A session that takes as many requests as there is room for. */
class FakeSession {
  readonly state: ClientState = ClientState.Connected;
  readonly clusterSessionId = 7;
  readonly sentIds: number[] = [];
  maxRequestLength = 64 * KIB;
  room = Number.POSITIVE_INFINITY;

  offerRequest({ requestId }: RequestNumbers): number {
    if (this.room <= 0) {
      return BACK_PRESSURED;
    }
    this.room--;
    this.sentIds.push(requestId);
    return 1;
  }

  doWork(): number {
    return 0;
  }
}

/** A client over a fake session, and what the session tells it. */
function clientOver(
  session: FakeSession,
  onFailed: (requestId: number, client: ExactlyOnceClient) => void = () => undefined,
) {
  let handlers: ClientHandlers | undefined;
  const client: ExactlyOnceClient = new ExactlyOnceClient(
    (given) => {
      handlers = given;
      return session as unknown as ClusterClient;
    },
    { onAnswer: () => undefined, onFailed: (requestId) => onFailed(requestId, client) },
    { windowMax: 64, pendingBytesMax: MIB },
  );
  const answer = (requestId: number): void => {
    const head = { requestId, code: ReplyCode.Ok, logPosition: 0, timestamp: 0 };
    handlers?.onReply?.(head, new DataView(new ArrayBuffer(8)), 0, 0);
  };
  return { client, answer, connect: () => handlers?.onConnected?.(7) };
}

test('under lasting back pressure a client holds the bytes of what is pending, no more', (t) => {
  const session = new FakeSession();
  const { client, answer, connect } = clientOver(session);
  const body = new Uint8Array(32 * KIB);
  const fill = (): void => {
    while (client.request(body, 0) > 0) {
      // Until as much is pending as may be.
    }
  };
  session.room = 0;
  client.doWork(0);
  connect();
  fill();
  t.equal(client.pendingCount, 32, 'as many as pendingBytesMax allows');
  const bytesBefore = liveBufferBytes();
  for (let turn = 0; turn < 4_000; turn++) {
    session.room = 1;
    client.doWork(0);
    answer(session.sentIds.at(-1) as number);
    fill();
  }
  t.equal(session.sentIds.length, 4_000, 'one after the other was sent');
  t.deepEqual(session.sentIds.slice(-2), [3_999, 4_000], 'in order');
  const grownBytes = liveBufferBytes() - bytesBefore;
  t.ok(grownBytes < 2 * MIB, `of 125 MiB sent ${grownBytes} bytes are still held`);
  t.end();
});

test('requests that end unsent while no session is there leave no bytes behind', (t) => {
  const requests = new PendingRequests(64, MIB);
  const bytesBefore = liveBufferBytes();
  for (let index = 0; index < 4_000; index++) {
    const request = requests.add(new Uint8Array(32 * KIB), 0);
    requests.remove(request as SentRequest);
  }
  const last = requests.add(new Uint8Array(8), 0);
  const grownBytes = liveBufferBytes() - bytesBefore;
  t.ok(grownBytes < 2 * MIB, `${grownBytes} bytes are still held`);
  t.equal(requests.nextDue(), last);
  t.end();
});

test('a request that is made while another fails to be sent takes nobody out of the queue', (t) => {
  const session = new FakeSession();
  session.maxRequestLength = 0;
  const failed: number[] = [];
  const { client, connect } = clientOver(session, (requestId, own) => {
    failed.push(requestId);
    session.room = 1;
    own.request(new Uint8Array(8), 0);
  });
  for (const length of [100, 8, 8]) {
    client.request(new Uint8Array(length), 0);
  }
  session.maxRequestLength = 64;
  client.doWork(0);
  connect();
  client.doWork(0);
  t.deepEqual(failed, [1], 'the one that is too long');
  t.deepEqual(session.sentIds, [2], 'one found room meanwhile');
  session.room = Number.POSITIVE_INFINITY;
  client.doWork(0);
  t.deepEqual(session.sentIds, [2, 3, 4], 'the others are sent when there is room');
  t.end();
});

/** What the queue does, in the plainest way. */
class Model {
  readonly pending = new Map<number, SentRequest>();
  due: number[] = [];

  remove(requestId: number): void {
    this.pending.delete(requestId);
    this.due = this.due.filter((each) => each !== requestId);
  }
}

test('what is due is sent in order, however requests end, are sent and are retried', (t) => {
  const step = fc.oneof(
    { weight: 6, arbitrary: fc.constant({ kind: 'add' as const, index: 0 }) },
    { weight: 4, arbitrary: fc.constant({ kind: 'send' as const, index: 0 }) },
    { weight: 3, arbitrary: fc.record({ kind: fc.constant('end' as const), index: fc.nat(200) }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'retry' as const, index: 0 }) },
  );
  fc.assert(
    fc.property(fc.array(step, { minLength: 300, maxLength: 900 }), (steps) => {
      const requests = new PendingRequests(300, MIB);
      const model = new Model();
      for (const { kind, index } of steps) {
        if (kind === 'add') {
          const request = requests.add(new Uint8Array(1), 0);
          if (request !== undefined) {
            model.pending.set(request.requestId, request);
            model.due.push(request.requestId);
          }
        } else if (kind === 'send') {
          const next = requests.nextDue();
          if (next?.requestId !== model.due.shift()) {
            return false;
          }
          if (next !== undefined) {
            next.attempts++;
            requests.settle(next, 0);
          }
        } else if (kind === 'end') {
          const request = [...model.pending.values()][index];
          if (request !== undefined) {
            requests.remove(request);
            model.remove(request.requestId);
          }
        } else {
          requests.retry(0);
          const isAgain = ({ attempts, requestId }: SentRequest): boolean =>
            attempts > 0 && !model.due.includes(requestId);
          model.due.push(
            ...[...model.pending.values()].filter(isAgain).map((one) => one.requestId),
          );
        }
        if (requests.nextDue()?.requestId !== model.due[0]) {
          return false;
        }
      }
      return true;
    }),
    { seed: 20261130, numRuns: 200 },
  );
  t.pass('for random orders of all four');
  t.end();
});
