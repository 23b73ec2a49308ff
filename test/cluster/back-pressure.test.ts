// back-pressure.test.ts: what the log has no room for stays, and is taken again in its order.

import test from 'tape';
import { Mark, markHits } from '../../src/marks.js';
import { fixedDelay } from '../../src/simulator/delay.js';
import { INSTANT_STORAGE } from '../../src/simulator/storage-operation.js';
import { ClusterFixture, MS, messageOf } from './cluster-fixture.js';

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
