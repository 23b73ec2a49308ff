// back-pressure.test.ts: what the log has no room for stays, and is taken again in its order.

import test from 'tape';
import { Mark, markHits } from '../../src/marks.js';
import { fixedDelay } from '../../src/simulator/delay.js';
import { INSTANT_STORAGE } from '../../src/simulator/storage-operation.js';
import { ClusterFixture, MS, messageOf, type TestClient } from './cluster-fixture.js';

/** One datagram, and several: short ones go through the batch, long ones are put together first. */
const LENGTHS = [16, 5_000, 900, 7_500];
const MESSAGE_COUNT = 160;

function hits(mark: number): number {
  return markHits()[mark] ?? 0;
}

test('ingress that the log has no room for is appended later, in order, each once', (t) => {
  const before = { short: hits(Mark.IngressBackPressured), long: hits(Mark.IngressStalledMessage) };
  const fixture = new ClusterFixture({ seed: 31 });
  const leader = fixture.start();
  const clients = [fixture.connect(), fixture.connect()];
  fixture.await(() => clients.every((client) => client.isConnected), 'the clients are connected');
  // The log may run ahead of the leader's own disk by half its buffer, and no further.
  leader.node.disk.latency = { ...INSTANT_STORAGE, write: fixedDelay(30 * MS) };
  const bodies = Array.from({ length: MESSAGE_COUNT }, (_, number) =>
    messageOf(number, LENGTHS[number % LENGTHS.length]),
  );
  for (const body of bodies) {
    for (const client of clients) {
      fixture.send(client, body);
    }
  }
  fixture.await(
    () => clients.every((client) => client.received.length >= MESSAGE_COUNT),
    'everything has come back',
  );
  fixture.run(1_000 * MS);
  t.ok(hits(Mark.IngressBackPressured) > before.short, 'the log had no room for a batch');
  t.ok(hits(Mark.IngressStalledMessage) > before.long, 'nor for a long message');
  const counted = fixture.status(leader).counters.ingressBackPressured ?? 0;
  t.ok(counted > 0, `the leader counted that ${counted} times`);
  for (const client of clients) {
    t.equal(client.closed, undefined, 'the session lasts');
    t.equal(client.received.length, MESSAGE_COUNT, 'nothing came twice');
    const misplaced = client.received.findIndex(
      (bytes, index) => Buffer.compare(bytes, bodies[index] as Uint8Array) !== 0,
    );
    t.equal(misplaced, -1, 'and everything in its order, byte by byte');
  }
  fixture.close();
  t.end();
});

const WANTED = Array.from({ length: 20 }, (_, number) => number);

/** Lets time pass until a condition holds; meanwhile clients always have messages to send. */
function floodUntil(
  fixture: ClusterFixture,
  loud: readonly TestClient[],
  body: Uint8Array,
  condition: () => boolean,
): boolean {
  for (let turn = 0; turn < 500 && !condition(); turn++) {
    for (const client of loud) {
      while (client.outbox.length < 400) {
        client.outbox.push(body);
      }
      fixture.send(client, body);
    }
    fixture.run(20 * MS);
  }
  return condition();
}

for (const [what, loudLength, length] of [
  ['as long as its own', 900, 900],
  ['much shorter than its own', 64, 7_500],
] as const) {
  test(`who waits for room in the log gets his turn, though others send messages ${what}`, (t) => {
    const fixture = new ClusterFixture({
      seed: 32,
      cluster: { sessionTimeoutMs: 2_000 },
      // What one client has on its way is more than the log ever has room for.
      member: { windowLength: 128 * 1024 },
    });
    const leader = fixture.start();
    const loud: TestClient[] = [];
    for (let count = 0; count < 2; count++) {
      const client = fixture.connect({ ingressTermLength: 256 * 1024 });
      fixture.await(() => client.isConnected, 'a client that sends much is connected');
      loud.push(client);
    }
    const last = fixture.connect();
    fixture.await(() => last.isConnected, 'the last client is connected');
    leader.node.disk.latency = { ...INSTANT_STORAGE, write: fixedDelay(30 * MS) };
    const body = messageOf(0, loudLength);
    const isFull = () => (fixture.status(leader).counters.ingressBackPressured ?? 0) > 20;
    t.ok(floodUntil(fixture, loud, body, isFull), 'the log has no room for long');
    const before = loud.map((client) => client.received.length);
    for (const number of WANTED) {
      fixture.send(last, messageOf(number, length));
    }
    const isOver = () => last.received.length === WANTED.length || last.closed !== undefined;
    t.ok(floodUntil(fixture, loud, body, isOver), 'what the last client sent is over');
    t.equal(last.closed, undefined, 'its session lasts');
    t.deepEqual(
      last.received,
      WANTED.map((number) => messageOf(number, length)),
      'and its messages came back',
    );
    for (const [index, client] of loud.entries()) {
      t.ok(client.received.length > (before[index] ?? 0), `so did those of client ${index + 1}`);
    }
    fixture.close();
    t.end();
  });
}

test('a client whose message waits for room is not silent, and has as much room as others', (t) => {
  const fixture = new ClusterFixture({
    seed: 33,
    cluster: { sessionTimeoutMs: 1_200 },
    member: { windowLength: 128 * 1024 },
  });
  const leader = fixture.start();
  const clients = Array.from({ length: 10 }, () =>
    fixture.connect({ ingressTermLength: 256 * 1024 }),
  );
  fixture.await(() => clients.every((client) => client.isConnected), 'all are connected');
  // The log has room twice or three times a second, and then for what one client sends.
  leader.node.disk.latency = { ...INSTANT_STORAGE, write: fixedDelay(400 * MS) };
  const counts = clients.map(() => 0);
  const changedNs = clients.map(() => fixture.world.nowNs);
  let longestNs = 0;
  const isOver = (): boolean => {
    const { nowNs } = fixture.world;
    for (const [index, { received }] of clients.entries()) {
      longestNs = Math.max(longestNs, nowNs - (changedNs[index] ?? 0));
      changedNs[index] = received.length > (counts[index] ?? 0) ? nowNs : (changedNs[index] ?? 0);
      counts[index] = received.length;
    }
    return counts.every((count) => count > 120) || clients.some((client) => client.closed);
  };
  t.ok(floodUntil(fixture, clients, messageOf(0, 900), isOver), 'all were heard again and again');
  t.ok(
    clients.every((client) => client.closed === undefined),
    'all sessions last',
  );
  t.ok(longestNs > 1_300 * MS, `though one of them waited for ${longestNs / MS} ms`);
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  t.ok(most < 2 * least, `${least} messages of one client were taken, ${most} of another`);
  fixture.close();
  t.end();
});
