// dedicated.test.ts: services on threads of their own, and what a slow one costs nobody. That all
// else holds for them as well is tested in test/members.

import test from 'tape';
import { recordingIdOf } from '../../src/archive/snapshot-recording.js';
import { MARK_NAMES, Mark, markHits } from '../../src/marks.js';
import { StorageResult } from '../../src/ports/storage.js';
import { SnapshotMap } from '../../src/service/snapshot-map.js';
import { SERVICE_THREAD, type SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { OperationKind } from '../../src/simulator/storage-operation.js';
import {
  ClusterFixture,
  echoService,
  MS,
  messageOf,
  SECOND,
  type TestClient,
} from './cluster-fixture.js';

const KIB = 1024;

function hits(mark: number): number {
  return markHits()[mark] ?? 0;
}

function stall(one: SimulatedMember, name: string, durationNs: number): void {
  one.node.process?.threads.find((thread) => thread.name === name)?.stall(durationNs);
}

/** A cluster whose services keep what they were told, and a client. */
function start(copies = 1, cluster = {}) {
  const told = new Map<number, string[]>();
  const fixture = new ClusterFixture({
    member: { threads: 'dedicated' },
    cluster,
    service: (memberId) => {
      const lines: string[] = [];
      told.set(memberId, lines);
      return {
        ...echoService(),
        onSessionMessage(session, _timestamp, buffer, offset, length) {
          const results = Array.from({ length: copies }, () =>
            session.offer(buffer, offset, length),
          );
          lines.push(`${buffer.getInt32(offset, true)} ${results.join(' ')}`);
        },
        onSessionClose: (session) => lines.push(`close ${session.id}`),
      };
    },
  });
  const leader = fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  return { client, fixture, leader, told };
}

function sendMany(
  fixture: ClusterFixture,
  client: TestClient,
  count: number,
  length: number,
): void {
  for (let value = 0; value < count; value++) {
    fixture.send(client, messageOf(value, length));
  }
}

test('a leader whose service stalls for seconds leads on, and the others apply meanwhile', (t) => {
  const { client, fixture, leader, told } = start();
  const termId = fixture.status(leader).leadershipTermId;
  for (let round = 0; round < 5; round++) {
    const before = fixture.status(leader).servicePosition;
    const received = client.received.length;
    stall(leader, SERVICE_THREAD, 2 * SECOND);
    sendMany(fixture, client, 10, 100);
    fixture.run(SECOND);
    const [other] = fixture.followers();
    t.ok(fixture.status(leader).commitPosition > before, 'the leader commits');
    t.ok(fixture.status(other as SimulatedMember).servicePosition > before, 'others apply');
    t.equal(fixture.status(leader).servicePosition, before, 'its own service stands still');
    fixture.await(() => client.received.length === received + 10, 'then its replies leave');
  }
  t.equal(fixture.status(leader).leadershipTermId, termId, 'all in one term');
  t.equal(client.newLeaders.length, 0);
  t.equal(new Set([...told.values()].map((lines) => lines.join())).size, 1, 'states are equal');
  fixture.close();
  t.end();
});

test('a service that falls out of the term buffers goes on from the recording', (t) => {
  const { client, fixture, leader, told } = start();
  const asked = hits(Mark.SharedLogAsks);
  stall(leader, SERVICE_THREAD, 20 * SECOND);
  // The log has three terms of 64 KiB.
  const count = 400;
  sendMany(fixture, client, count, 1000);
  fixture.await(
    () => fixture.status(leader).commitPosition > 350 * KIB,
    'the term buffers have turned over',
  );
  t.ok(fixture.status(leader).servicePosition < 10 * KIB, 'the service has not moved');
  fixture.await(() => client.received.length === count, 'every message is answered, late');
  t.ok(hits(Mark.SharedLogAsks) > asked, 'it asked for what the buffers do not hold');
  t.ok(hits(Mark.SharedLogOverrun) > 0);
  t.equal(new Set([...told.values()].map((lines) => lines.join())).size, 1, 'states are equal');
  fixture.close();
  t.end();
});

test('what the ring has no room for waits, and nothing of it is lost or out of order', (t) => {
  const copies = 12;
  const count = 40;
  const { client, fixture, leader } = start(copies);
  const waited = hits(Mark.OutboxWaits);
  // The engine takes nothing out of the ring for a while: 480 KiB do not fit into it.
  sendMany(fixture, client, count, 1000);
  fixture.run(2 * MS);
  for (let round = 0; round < 20; round++) {
    stall(leader, 'main', 5 * MS);
    fixture.run(10 * MS);
  }
  fixture.await(() => client.received.length === copies * count, 'every copy arrives');
  const order = client.received.map((bytes) => new DataView(bytes.buffer).getInt32(0, true));
  const expected = Array.from({ length: copies * count }, (_, index) => Math.floor(index / copies));
  t.deepEqual(order, expected, 'in order');
  t.ok(hits(Mark.OutboxWaits) > waited, `the ring was full: ${MARK_NAMES[Mark.OutboxWaits]}`);
  fixture.close();
  t.end();
});

test('sessions whose end a stalled service has not seen count, and never end the leader', (t) => {
  const sessionCountMax = 2;
  const { client, fixture, leader } = start(1, { sessionCountMax });
  client.client?.close();
  stall(leader, SERVICE_THREAD, 8 * SECOND);
  let refusedCount = 0;
  for (let round = 0; round < 10; round++) {
    const other = fixture.connect();
    fixture.run(700 * MS);
    refusedCount += other.isConnected ? 0 : 1;
    other.client?.close();
    fixture.run(50 * MS);
    leader.member?.visitLimits((name, used, max) => {
      if (used > max) {
        t.fail(`${used} ${name}, and ${max} are allowed`);
      }
    });
  }
  t.ok(refusedCount > 0, `${refusedCount} clients were refused`);
  t.equal(fixture.leader(), leader, 'the leader leads on');
  fixture.run(SECOND);
  const last = fixture.connect();
  fixture.await(() => last.isConnected, 'when the service has seen it, there is room again');
  fixture.close();
  t.end();
});

test('a client that owes more than its buffer loses its session alike on all members', (t) => {
  // One callback says a megabyte: more than ring and buffer hold.
  const { client, fixture, told } = start(1_000, { egressBufferLengthMax: 64 * KIB });
  const overflowed = hits(Mark.OutboxOverflow);
  fixture.send(client, messageOf(1, 1000));
  fixture.await(
    () => fixture.cluster.members.every((one) => fixture.status(one).sessionCount === 0),
    'the session is closed on every member',
  );
  fixture.run(100 * MS);
  t.ok(hits(Mark.OutboxOverflow) > overflowed, 'the outbox gave it up');
  t.equal(new Set([...told.values()].map((lines) => lines.join())).size, 1, 'states are equal');
  t.equal(told.get(0)?.at(-1)?.startsWith('close'), true);
  fixture.close();
  t.end();
});

test('a service that has not heard that its snapshot was given up can take the next one', (t) => {
  const fixture = new ClusterFixture({
    member: { threads: 'dedicated' },
    service: () => {
      // More than the ring and the window take at once: the map stands still for a while.
      const map = new SnapshotMap<number, Uint8Array>();
      for (let key = 0; key < 300; key++) {
        map.set(key, new Uint8Array(4 * KIB).fill(key));
      }
      return {
        ...echoService(),
        onTakeSnapshot: (snapshot) =>
          snapshot.offerView(
            map.snapshot((_key, value, output) => output.offer(value, 0, value.length)),
          ),
      };
    },
  });
  const leader = fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const follower = fixture.followers()[0] as SimulatedMember;
  let refusedCount = 0;
  follower.node.disk.faultHook = ({ kind, path }) => {
    if (kind !== OperationKind.Write || recordingIdOf(path) <= 0) {
      return undefined;
    }
    if (refusedCount++ === 0) {
      stall(follower, SERVICE_THREAD, 500 * MS);
    }
    return { result: StorageResult.NoSpace };
  };
  leader.member?.requestSnapshot();
  fixture.wakeAll();
  fixture.await(() => refusedCount > 0, 'there is no room for it');
  follower.node.disk.faultHook = undefined;
  fixture.await(() => fixture.status(leader).snapshotPosition > 0, 'the others have the snapshot');
  fixture.send(client, messageOf(1, 1_000));
  leader.member?.requestSnapshot();
  fixture.wakeAll();
  const before = fixture.status(leader).snapshotPosition;
  fixture.await(
    () => fixture.cluster.members.every((one) => fixture.status(one).snapshotPosition > before),
    'all have the next one',
  );
  t.ok(
    fixture.warnings.some((one) => /was given up/.test(one)),
    'after one was given up',
  );
  fixture.close();
  t.end();
});
