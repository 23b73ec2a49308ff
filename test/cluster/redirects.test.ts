// redirects.test.ts: clients whose list of members is old or wrong find the leader all the same.

import test from 'tape';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { ClusterFixture, MS, messageOf, SECOND, type TestClient } from './cluster-fixture.js';

/** Nobody is there. */
const DEAD = '10.9.9.9:9000';

/** A list in which some members are said to be elsewhere. */
function listWith(fixture: ClusterFixture, wrong: ReadonlyMap<number, string>): string {
  return fixture.cluster.ingressEndpoints
    .split(',')
    .map((entry) => {
      const [id = '', endpoint] = entry.split('=');
      return `${id}=${wrong.get(Number(id)) ?? endpoint}`;
    })
    .join(',');
}

function endpointOf(fixture: ClusterFixture, { memberId }: SimulatedMember): string {
  const entry = fixture.cluster.ingressEndpoints.split(',')[memberId] ?? '';
  return entry.slice(entry.indexOf('=') + 1);
}

/** Whether its messages reach the leader, now and after a failover. */
function isServed(fixture: ClusterFixture, client: TestClient): boolean {
  fixture.await(() => client.isConnected, 'the client is connected');
  fixture.send(client, messageOf(1));
  fixture.await(() => client.received.length === 1, 'its message came back');
  fixture.awaitLeader().node.kill();
  fixture.await(() => client.newLeaders.length === 1, 'the new leader presented itself');
  fixture.send(client, messageOf(2));
  fixture.await(() => client.received.length === 2, 'so did its second one');
  return client.closed === undefined;
}

test('a client that knows an old address of the leader is sent to the new one', (t) => {
  const fixture = new ClusterFixture();
  const leader = fixture.start();
  const ingressEndpoints = listWith(fixture, new Map([[leader.memberId, DEAD]]));
  const client = fixture.connect({ ingressEndpoints });
  const beganNs = fixture.world.nowNs;
  fixture.await(() => client.isConnected, 'the client is connected');
  t.ok(fixture.world.nowNs - beganNs < SECOND, 'in no time');
  t.equal(client.client?.leaderMemberId, leader.memberId);
  t.ok(isServed(fixture, client));
  fixture.close();
  t.end();
});

test('a client whose list has two members the wrong way round is served', (t) => {
  for (const isFollowerSilent of [false, true]) {
    const fixture = new ClusterFixture();
    const leader = fixture.start();
    const [other, third] = fixture.followers() as [SimulatedMember, SimulatedMember];
    const ingressEndpoints = listWith(
      fixture,
      new Map([
        [leader.memberId, endpointOf(fixture, other)],
        [other.memberId, endpointOf(fixture, leader)],
      ]),
    );
    const client = fixture.connect({ ingressEndpoints });
    if (isFollowerSilent) {
      // Nobody but the leader says where it is.
      fixture.world.network.block(other.node, client.node);
      fixture.world.network.block(third.node, client.node);
      fixture.await(() => client.isConnected, 'the client is connected');
      fixture.world.network.heal();
    }
    t.ok(isServed(fixture, client), isFollowerSilent ? 'by the leader' : 'by a redirect');
    fixture.close();
  }
  t.end();
});

test('a client that takes a follower for the leader asks and is redirected now and then', (t) => {
  const fixture = new ClusterFixture();
  const leader = fixture.start();
  const [follower] = fixture.followers() as [SimulatedMember];
  const endpoint = endpointOf(fixture, follower);
  const client = fixture.connect({
    ingressEndpoints: `${leader.memberId}=${endpoint}`,
    connectTimeoutMs: 3_000,
  });
  // The leader's own address takes nothing, so that no redirect helps.
  fixture.world.network.block(client.node, leader.node);
  const countBefore = fixture.world.network.counts.sent;
  fixture.run(500 * MS);
  const sentCount = fixture.world.network.counts.sent - countBefore;
  t.notOk(client.isConnected);
  t.ok(sentCount < 500, `${sentCount} datagrams in half a second, of all`);
  fixture.close();
  t.end();
});
