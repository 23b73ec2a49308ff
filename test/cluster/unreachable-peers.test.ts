// Members that cannot reach whom they are to speak to: peers, as no route is up yet, and clients.

import test from 'tape';
import { SessionConnectRequestEncoder } from '../../src/protocol/codecs/session-connect-request.js';
import { SESSION_PROTOCOL_VERSION } from '../../src/protocol/streams.js';
import { ClusterFixture, MS, messageOf, SECOND } from './cluster-fixture.js';
import { startRawClient } from './raw-client.js';

test('members that could not open a socket to any peer form a cluster once they can', (t) => {
  const fixture = new ClusterFixture({ seed: 17 });
  const { cluster, world } = fixture;
  const routeNs = 1500 * MS;
  let attempts = 0;
  for (const { node } of cluster.members) {
    node.connectProblem = () => {
      attempts++;
      return world.nowNs < routeNs ? 'ENETUNREACH' : undefined;
    };
  }
  cluster.startAll();
  world.runFor(routeNs - 10 * MS);
  t.equal(fixture.leader(), undefined, 'nobody leads while nobody can be reached');
  t.ok(attempts > 6, `${attempts} sockets were opened, some again`);
  const leader = fixture.awaitLeader();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'a client is connected');
  client.outbox.push(messageOf(1));
  fixture.await(() => client.received.length === 1, 'a message comes back');
  const tail = leader.member?.status().commitPosition ?? -1;
  fixture.await(
    () => cluster.members.every((one) => (one.member?.status().commitPosition ?? 0) >= tail),
    'every member follows',
  );
  t.equal(fixture.warnings.length, 6, 'each member warned once of each peer');
  t.ok(fixture.warnings.every((text) => /ENETUNREACH; it is tried again/.test(text)));
  fixture.close();
  t.end();
});

test('a leader that could not open a socket to one follower sends it the log later', (t) => {
  const fixture = new ClusterFixture({ seed: 18 });
  const { cluster, world } = fixture;
  fixture.start();
  // Whoever leads next opens its sockets while this holds.
  const endNs = world.nowNs + 3 * SECOND;
  for (const { node } of cluster.members) {
    let count = 0;
    node.connectProblem = () => (count++ % 2 === 0 && world.nowNs < endNs ? 'EMFILE' : undefined);
  }
  fixture.leader()?.node.kill();
  fixture.awaitLeader();
  for (const one of cluster.members) {
    if (one.node.process === undefined) {
      cluster.start(one);
    }
  }
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'a client is connected');
  client.outbox.push(messageOf(1));
  fixture.await(() => client.received.length === 1, 'a message comes back');
  const tail = fixture.leader()?.member?.status().commitPosition ?? -1;
  fixture.await(
    () => cluster.members.every((one) => (one.member?.status().commitPosition ?? 0) >= tail),
    'every member has the log',
  );
  t.ok(
    fixture.warnings.some((text) => /EMFILE/.test(text)),
    'sockets failed meanwhile',
  );
  fixture.close();
  t.end();
});

const STRANGER_COUNT = 50;

function connectRequest(endpoint: string, responseStreamId: number): Uint8Array {
  const bytes = new Uint8Array(512);
  const encoder = new SessionConnectRequestEncoder()
    .wrapAndApplyHeader(new DataView(bytes.buffer), 0)
    .correlationId(7n)
    .responseStreamId(responseStreamId)
    .version(SESSION_PROTOCOL_VERSION)
    .putResponseChannel(`aeron:udp?endpoint=${endpoint}`)
    .putEncodedCredentials('')
    .putClientInfo('');
  return bytes.subarray(0, 8 + encoder.encodedLength());
}

test('clients that cannot be reached are counted: none of them is told of', (t) => {
  const fixture = new ClusterFixture({ seed: 19 });
  const { world } = fixture;
  const leader = fixture.start();
  const follower = fixture.cluster.members.find((one) => one !== leader) ?? leader;
  const { endpoint, publication } = startRawClient(fixture, follower.memberId);
  const host = endpoint.slice(0, endpoint.indexOf(':'));
  follower.node.connectProblem = (remote) => (remote.host === host ? 'EACCES' : undefined);
  for (let index = 0; index < STRANGER_COUNT; index++) {
    const request = connectRequest(endpoint, 1_000 + index);
    fixture.await(
      () => publication.offer(request, 0, request.length) > 0,
      `connect ${index} has left`,
    );
  }
  const untold = (): number => fixture.status(follower).counters.socketFailuresUntold ?? 0;
  fixture.await(() => untold() >= STRANGER_COUNT, 'each is counted');
  world.runFor(2 * SECOND);
  t.equal(untold(), STRANGER_COUNT, 'once, however often its socket is tried');
  t.deepEqual(fixture.warnings, []);
  fixture.close();
  t.end();
});
