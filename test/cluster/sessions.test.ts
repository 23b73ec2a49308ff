// sessions.test.ts: what clients and services see of a cluster: opening, closing, limits, failover.

import test from 'tape';
import type { ClusteredService } from '../../src/service/clustered-service.js';
import { ClusterFixture, echoService, MS, messageOf, SECOND } from './cluster-fixture.js';

test('a client is sent to the leader and its messages come back in order', (t) => {
  const fixture = new ClusterFixture();
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  for (let value = 0; value < 100; value++) {
    fixture.send(client, messageOf(value));
  }
  fixture.await(() => client.received.length === 100, 'all messages came back');
  t.deepEqual(
    client.received,
    Array.from({ length: 100 }, (_, value) => messageOf(value)),
  );
  fixture.close();
  t.end();
});

test('a client that knows only a follower is redirected to the leader', (t) => {
  const fixture = new ClusterFixture();
  const leader = fixture.start();
  const follower = fixture.followers()[0];
  const endpoint = fixture.cluster.ingressEndpoints.split(',')[follower?.memberId ?? 0];
  const client = fixture.connect({ ingressEndpoints: endpoint ?? '' });
  fixture.await(() => client.isConnected, 'the client is connected');
  t.equal(client.client?.leaderMemberId, leader.memberId);
  fixture.close();
  t.end();
});

test('a session is confirmed only after its open event is committed', (t) => {
  const fixture = new ClusterFixture();
  const leader = fixture.start();
  const followers = fixture.followers();
  for (const follower of followers) {
    fixture.world.network.isolate(follower.node);
  }
  const client = fixture.connect();
  for (const follower of followers) {
    fixture.world.network.isolate(follower.node);
  }
  fixture.run(400 * MS);
  t.ok(
    fixture.status(leader).appendPosition > fixture.status(leader).commitPosition,
    'the open event is appended and cannot be committed',
  );
  t.notOk(client.isConnected, 'the client has heard nothing');
  fixture.world.network.heal();
  fixture.await(() => client.isConnected, 'the client is connected after the heal');
  fixture.close();
  t.end();
});

test('messages longer than a datagram arrive whole and in order', (t) => {
  const fixture = new ClusterFixture();
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const lengths = [0, 1, 1000, 1344, 1345, 5000, 7_900];
  for (const [index, length] of lengths.entries()) {
    fixture.send(client, messageOf(index, Math.max(4, length)));
  }
  fixture.await(() => client.received.length === lengths.length, 'all messages came back');
  t.deepEqual(
    client.received.map((bytes) => bytes.length),
    lengths.map((length) => Math.max(4, length)),
  );
  t.deepEqual(client.received[6], messageOf(6, 7_900));
  fixture.close();
  t.end();
});

test('messages longer than the receiver window are committed', (t) => {
  const fixture = new ClusterFixture({ member: { windowLength: 4 * 1024 } });
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  for (let value = 0; value < 40; value++) {
    fixture.send(client, messageOf(value, 7_900));
  }
  fixture.await(() => client.received.length === 40, 'all messages came back');
  t.deepEqual(client.received[39], messageOf(39, 7_900));
  fixture.close();
  t.end();
});

test('a message beyond the maximum is refused at the client with the limit and the remedy', (t) => {
  const fixture = new ClusterFixture();
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const max = client.client?.maxMessageLength ?? 0;
  const tooLong = new Uint8Array(max + 1);
  t.throws(
    () => client.client?.offer(tooLong, 0, tooLong.length),
    new RegExp(`${max + 1} bytes: at most ${max}`),
  );
  fixture.close();
  t.end();
});

test('every member sees a client close its session at the same log position', (t) => {
  const closes: string[] = [];
  const service = (memberId: number): ClusteredService => {
    return {
      onStart(cluster) {
        (this as { cluster?: typeof cluster }).cluster = cluster;
      },
      onSessionMessage() {
        // Only the sessions matter here.
      },
      onSessionClose(session, timestamp, reason) {
        closes.push(`${memberId}: ${session.id} ${timestamp} ${reason}`);
      },
    };
  };
  const fixture = new ClusterFixture({ service });
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const id = client.client?.clusterSessionId;
  client.client?.close();
  fixture.await(() => closes.length === 3, 'all services saw the close');
  const bodies = new Set(closes.map((text) => text.slice(3)));
  t.equal(bodies.size, 1, 'with the same session, time and reason');
  t.ok([...bodies][0]?.startsWith(`${id} `));
  t.ok([...bodies][0]?.endsWith(' 0'), 'closed by the client');
  fixture.close();
  t.end();
});

test('a session whose client is silent is closed by a log event and no sooner', (t) => {
  const closes: { memberId: number; reason: number }[] = [];
  const fixture = new ClusterFixture({
    cluster: { sessionTimeoutMs: 2_000 },
    service: (memberId) => ({
      onSessionMessage() {
        // Only the sessions matter here.
      },
      onSessionClose: (_session, _timestamp, reason) => closes.push({ memberId, reason }),
    }),
  });
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  fixture.run(5 * SECOND);
  t.equal(closes.length, 0, 'keep-alives hold the session open');
  client.node.kill();
  fixture.run(1_000 * MS);
  t.equal(closes.length, 0, 'half the timeout is not a timeout');
  fixture.await(() => closes.length === 3, 'all members closed the session');
  t.deepEqual(
    closes.map((one) => one.reason),
    [2, 2, 2],
  );
  fixture.close();
  t.end();
});

test('a service can close a session, and the client hears why', (t) => {
  const fixture = new ClusterFixture({
    service: () => {
      let close: ((id: number) => void) | undefined;
      return {
        onStart(cluster) {
          close = (id) => cluster.closeSession(id);
        },
        onSessionMessage(session, _timestamp, buffer, offset, length) {
          session.offer(buffer, offset, length);
          close?.(session.id);
        },
      };
    },
  });
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  fixture.send(client, messageOf(7));
  fixture.await(() => client.closed !== undefined, 'the client was told');
  t.deepEqual(client.received, [messageOf(7)], 'the reply before the close arrived');
  t.match(String((client.closed as Error).message), /closed by the service/);
  fixture.close();
  t.end();
});

test('a session beyond the limit is refused with the limit and the remedy', (t) => {
  const fixture = new ClusterFixture({ cluster: { sessionCountMax: 2 } });
  fixture.start();
  const first = fixture.connect();
  const second = fixture.connect();
  fixture.await(() => first.isConnected && second.isConnected, 'two clients are connected');
  const third = fixture.connect();
  fixture.await(() => third.closed !== undefined, 'the third is refused');
  t.match(String((third.closed as Error).message), /limit of 2 sessions.*sessionCountMax/);
  fixture.close();
  t.end();
});

test('a client follows the leader across a failover and keeps its session', (t) => {
  const fixture = new ClusterFixture();
  const leader = fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const id = client.client?.clusterSessionId;
  fixture.send(client, messageOf(1));
  fixture.await(() => client.received.length === 1, 'the first message came back');
  leader.node.kill();
  fixture.await(() => client.newLeaders.length === 1, 'the new leader presented itself');
  fixture.send(client, messageOf(2));
  fixture.await(() => client.received.length === 2, 'the second message came back');
  t.equal(client.client?.clusterSessionId, id);
  t.notEqual(client.client?.leaderMemberId, leader.memberId);
  fixture.close();
  t.end();
});

test('sessions survive the death of all members at once', (t) => {
  const fixture = new ClusterFixture();
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  for (const one of fixture.cluster.members) {
    one.node.powerCut();
  }
  fixture.run(50 * MS);
  fixture.cluster.startAll();
  fixture.await(() => client.newLeaders.length === 1, 'the new leader presented itself');
  fixture.send(client, messageOf(3));
  fixture.await(() => client.received.length === 1, 'the message came back');
  t.notOk(client.closed);
  fixture.close();
  t.end();
});

test('a new leader that consumes the log anew repeats no reply of an earlier term', (t) => {
  const fixture = new ClusterFixture();
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  for (let value = 0; value < 50; value++) {
    fixture.send(client, messageOf(value));
  }
  fixture.await(() => client.received.length === 50, 'all messages came back');
  for (const one of fixture.cluster.members) {
    one.node.kill();
  }
  fixture.cluster.startAll();
  fixture.await(() => client.newLeaders.length === 1, 'the new leader presented itself');
  fixture.send(client, messageOf(50));
  fixture.await(() => client.received.length > 50, 'the next message came back');
  t.deepEqual(client.received[50], messageOf(50), 'nothing else came in between');
  fixture.run(100 * MS);
  t.equal(client.received.length, 51);
  fixture.close();
  t.end();
});

test('a client that does not read its egress loses its session and no replica differs', (t) => {
  const hashes = new Map<number, string>();
  const fixture = new ClusterFixture({
    cluster: { egressBufferLengthMax: 64 * 1024 },
    service: (memberId) => {
      let results = '';
      return {
        ...echoService(),
        onSessionMessage(session, _timestamp, buffer, offset, length) {
          for (let copies = 0; copies < 20; copies++) {
            results += session.offer(buffer, offset, length) > 0 ? 'y' : 'n';
          }
          hashes.set(memberId, results);
        },
      };
    },
  });
  fixture.start();
  const slow = fixture.connect();
  fixture.await(() => slow.isConnected, 'the client is connected');
  const leader = fixture.awaitLeader();
  // The client can send and does not receive: its egress has nowhere to go.
  fixture.world.network.block(leader.node, slow.node);
  for (let value = 0; value < 20; value++) {
    fixture.send(slow, messageOf(value, 1000));
  }
  fixture.await(
    () => fixture.cluster.members.every((one) => fixture.status(one).sessionCount === 0),
    'the session is closed on every member',
  );
  t.equal(new Set(hashes.values()).size, 1, 'every offer was answered alike on all members');
  fixture.close();
  t.end();
});
