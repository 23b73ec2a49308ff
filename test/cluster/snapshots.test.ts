// snapshots.test.ts: snapshots as events of the log, and members that start from them.

import test from 'tape';
import { recordingIdOf } from '../../src/archive/snapshot-recording.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { MS, SECOND } from './cluster-fixture.js';
import { areEqual, sendMessages, startSnapshots, takeSnapshot } from './snapshot-fixture.js';

test('every member takes its snapshot at the same position, with the same bytes', (t) => {
  const world = startSnapshots();
  const { fixture, taken } = world;
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  sendMessages(world, client, 0, 100);
  takeSnapshot(world);
  const entries = [0, 1, 2].map((id) => taken.get(id)?.[0]);
  t.ok((entries[0]?.length ?? 0) > 1000, `it has ${entries[0]?.length} bytes`);
  t.deepEqual(entries[1], entries[0]);
  t.deepEqual(entries[2], entries[0]);
  sendMessages(world, client, 100, 10);
  fixture.close();
  t.end();
});

test('a member restarts from its snapshot and replays only the rest', (t) => {
  const world = startSnapshots();
  const { fixture, services } = world;
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  sendMessages(world, client, 0, 100);
  const position = takeSnapshot(world);
  sendMessages(world, client, 100, 20);
  const follower = fixture.followers()[0] as SimulatedMember;
  follower.node.kill();
  fixture.cluster.start(follower);
  fixture.await(
    () => areEqual(world) && services.get(follower.memberId)?.messages.length === 120,
    'the member has the same state',
  );
  const service = services.get(follower.memberId);
  t.equal(service?.loadedPosition, position, 'it started from the snapshot');
  t.equal(service?.eventCount, 20, 'it got only the messages after it');
  sendMessages(world, client, 120, 10);
  fixture.await(() => areEqual(world), 'all are equal after more messages');
  t.pass('and goes on');
  fixture.close();
  t.end();
});

test('a whole cluster restarts from its snapshots, with sessions and timers', (t) => {
  const world = startSnapshots({ cluster: { sessionTimeoutMs: 3_600_000 } });
  const { fixture, services } = world;
  fixture.start();
  const client = fixture.connect({ newLeaderTimeoutMs: 60_000 });
  fixture.await(() => client.isConnected, 'the client is connected');
  sendMessages(world, client, 0, 30);
  takeSnapshot(world);
  for (const member of fixture.cluster.members) {
    member.node.kill();
  }
  fixture.cluster.startAll();
  const leader = fixture.awaitLeader();
  t.equal(fixture.status(leader).sessionCount, 1, 'the session is open');
  fixture.await(() => client.newLeaders.length > 0, 'the client is told of the new leader');
  sendMessages(world, client, 30, 5);
  fixture.run(90 * SECOND);
  fixture.await(() => areEqual(world), 'all are equal');
  const [first] = [...services.values()];
  t.deepEqual(first?.fired, [0, 5, 10, 15, 20, 25, 30], 'every timer fired once, in order');
  t.equal(first?.eventCount, 5, 'nothing before the snapshot was replayed');
  fixture.close();
  t.end();
});

test('snapshots are taken by bytes of log and by time, and old ones are removed', (t) => {
  for (const settings of [{ snapshotIntervalLength: 20_000 }, { snapshotIntervalMs: 300 }]) {
    const world = startSnapshots({ member: { ...settings, snapshotCountKept: 2 } });
    const { fixture, taken } = world;
    fixture.start();
    const client = fixture.connect();
    fixture.await(() => client.isConnected, 'the client is connected');
    for (let round = 0; round < 20; round++) {
      sendMessages(world, client, round * 50, 50);
      fixture.run(50 * MS);
    }
    fixture.run(SECOND);
    const counts = [0, 1, 2].map((id) => taken.get(id)?.length ?? 0);
    t.ok(
      counts.every((count) => count >= 3),
      `${JSON.stringify(settings)}: members took ${counts.join(', ')} snapshots`,
    );
    const names = fixture.cluster.members[0]?.node.disk.listCached('') ?? [];
    const ids = new Set(names.map((name) => recordingIdOf(name)).filter((id) => id > 0));
    t.equal(ids.size, 2, 'two are kept');
    t.deepEqual(taken.get(1), taken.get(0), 'the same on every member');
    fixture.close();
  }
  t.end();
});
