// suspension.test.ts: a cluster that takes nothing from clients, and one that ends as a whole.

import test from 'tape';
import { ControlResult } from '../../src/cluster/cluster-control.js';
import { ClusterAction } from '../../src/protocol/codecs/enumerations.js';
import type { ClusteredService } from '../../src/service/clustered-service.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { ClusterFixture, type FixtureOptions, MS, messageOf, SECOND } from './cluster-fixture.js';

/** Echoes, and schedules a timer half a second after each message. */
function timingService(fired: number[]): ClusteredService {
  let schedule: ((id: number, deadline: number) => void) | undefined;
  let now: (() => number) | undefined;
  return {
    onStart(cluster) {
      schedule = (id, deadline) => cluster.scheduleTimer(id, deadline);
      now = () => cluster.time();
    },
    onSessionMessage(session, timestamp, buffer, offset, length) {
      session.offer(buffer, offset, length);
      schedule?.(timestamp, timestamp + 500);
    },
    onTimerEvent: () => fired.push(now?.() ?? 0),
    onTakeSnapshot: () => undefined,
  };
}

function order(fixture: ClusterFixture, to: SimulatedMember, action: 0 | 1): number {
  const result = to.member?.orderSuspension(action) ?? ControlResult.NotLeader;
  fixture.wakeAll();
  return result;
}

function awaitAll(fixture: ClusterFixture, isSuspended: boolean): void {
  fixture.await(
    () => fixture.cluster.members.every((one) => fixture.status(one).isSuspended === isSuspended),
    `all members are ${isSuspended ? 'suspended' : 'resumed'}`,
  );
}

function started(options: FixtureOptions = {}) {
  const fired: number[] = [];
  const fixture = new ClusterFixture({
    cluster: { sessionTimeoutMs: 2_000 },
    service: (memberId) => timingService(memberId === 0 ? fired : []),
    ...options,
  });
  const leader = fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  return { client, fired, fixture, leader };
}

test('a suspended cluster holds messages and timers, loses none, and times out nobody', (t) => {
  const { client, fired, fixture, leader } = started();
  fixture.send(client, messageOf(1));
  fixture.await(() => client.received.length === 1, 'the first message came back');
  t.equal(order(fixture, leader, ClusterAction.Suspend), ControlResult.Ordered);
  awaitAll(fixture, true);
  const suspendedAt = fixture.status(leader).appendPosition;
  fixture.send(client, messageOf(2));
  fixture.run(5 * SECOND);
  t.equal(client.received.length, 1, 'nothing is answered');
  t.equal(fired.length, 0, 'no timer fires');
  t.equal(fixture.status(leader).appendPosition, suspendedAt, 'and the log stands still');
  t.equal(fixture.status(leader).sessionCount, 1, 'the session is longer silent than it may be');
  t.equal(order(fixture, leader, ClusterAction.Resume), ControlResult.Ordered);
  awaitAll(fixture, false);
  fixture.await(() => client.received.length === 2, 'the message that waited came back');
  fixture.await(() => fired.length === 2, 'both timers have fired');
  fixture.run(SECOND);
  t.equal(fixture.status(leader).sessionCount, 1, 'the session lives on');
  t.notOk(client.closed);
  fixture.close();
  t.end();
});

test('an order that changes nothing, or that comes to a follower, is refused', (t) => {
  const { fixture, leader } = started();
  const follower = fixture.followers()[0] as SimulatedMember;
  t.equal(order(fixture, follower, ClusterAction.Suspend), ControlResult.NotLeader);
  t.equal(order(fixture, leader, ClusterAction.Resume), ControlResult.AlreadySo);
  t.equal(order(fixture, leader, ClusterAction.Suspend), ControlResult.Ordered);
  t.equal(order(fixture, leader, ClusterAction.Suspend), ControlResult.UnderWay);
  awaitAll(fixture, true);
  t.equal(order(fixture, leader, ClusterAction.Suspend), ControlResult.AlreadySo);
  fixture.close();
  t.end();
});

test('a suspension survives its leader, and the next one resumes', (t) => {
  const { client, fixture, leader } = started();
  order(fixture, leader, ClusterAction.Suspend);
  awaitAll(fixture, true);
  leader.node.kill();
  const next = fixture.awaitLeader();
  fixture.await(() => client.newLeaders.length === 1, 'the client hears of the next leader');
  fixture.send(client, messageOf(3));
  fixture.run(SECOND);
  t.ok(fixture.status(next).isSuspended);
  t.equal(client.received.length, 0, 'the next leader takes nothing either');
  order(fixture, next, ClusterAction.Resume);
  fixture.await(() => client.received.length === 1, 'the message came back after the resumption');
  fixture.cluster.start(leader);
  awaitAll(fixture, false);
  t.pass('also on the member that missed it');
  fixture.close();
  t.end();
});

test('an order that is lost with its leader changes nothing', (t) => {
  const { client, fixture, leader } = started();
  for (const follower of fixture.followers()) {
    fixture.world.network.block(leader.node, follower.node);
  }
  order(fixture, leader, ClusterAction.Suspend);
  fixture.run(50 * MS);
  t.notOk(fixture.status(leader).isSuspended, 'it is not committed');
  leader.node.kill();
  const next = fixture.awaitLeader();
  fixture.cluster.start(leader);
  fixture.await(() => client.newLeaders.length > 0, 'the client hears of the next leader');
  fixture.world.network.heal();
  fixture.send(client, messageOf(4));
  fixture.await(() => client.received.length === 1, 'the message came back');
  t.notOk(fixture.status(next).isSuspended);
  fixture.close();
  t.end();
});

test('a suspension is in snapshots', (t) => {
  const { client, fixture, leader } = started();
  order(fixture, leader, ClusterAction.Suspend);
  awaitAll(fixture, true);
  leader.member?.requestSnapshot();
  fixture.wakeAll();
  fixture.await(
    () => fixture.cluster.members.every((one) => fixture.status(one).snapshotPosition > 0),
    'a suspended cluster takes snapshots',
  );
  for (const one of fixture.cluster.members) {
    one.node.kill();
  }
  fixture.cluster.startAll();
  const next = fixture.awaitLeader();
  awaitAll(fixture, true);
  fixture.await(() => client.newLeaders.length > 0, 'the client hears of the next leader');
  fixture.send(client, messageOf(5));
  fixture.run(SECOND);
  t.equal(client.received.length, 0, 'the cluster is suspended after the restart');
  order(fixture, next, ClusterAction.Resume);
  fixture.await(() => client.received.length === 1, 'and served after the resumption');
  fixture.close();
  t.end();
});

interface Ends {
  /** Where each member ended. */
  readonly positions: Map<number, number>;
  readonly logs: Map<number, { readonly append: number; readonly snapshot: number }>;
}

function endsOf(options: FixtureOptions = {}) {
  const ends: Ends = { positions: new Map(), logs: new Map() };
  const all = started({
    ...options,
    events: (memberId) => ({
      onTerminated: (logPosition) => {
        ends.positions.set(memberId, logPosition);
        const one = all.fixture.cluster.members[memberId] as SimulatedMember;
        const { appendPosition, snapshotPosition } = all.fixture.status(one);
        ends.logs.set(memberId, { append: appendPosition, snapshot: snapshotPosition });
      },
    }),
  });
  return { ...all, ends };
}

const hasLeft = (one: SimulatedMember): boolean => one.member?.hasLeft === true;

test('a shutdown ends all members at one position, with a snapshot of it', (t) => {
  const { client, ends, fixture, leader } = endsOf();
  for (let value = 0; value < 20; value++) {
    fixture.send(client, messageOf(value));
  }
  t.equal(leader.member?.orderShutdown(leader.node.process?.clock.nowNs() ?? 0), 0);
  fixture.wakeAll();
  fixture.await(() => fixture.cluster.members.every(hasLeft), 'all members have left');
  // Until their processes end they have nothing to do: turns for nothing would be seen.
  fixture.run(100 * MS);
  t.equal(ends.positions.size, 3);
  t.equal(new Set(ends.positions.values()).size, 1, 'they say the same position');
  const [position] = ends.positions.values();
  for (const { append, snapshot } of ends.logs.values()) {
    t.equal(append, position, 'the log ends there');
    t.equal(snapshot, position, 'and there is the snapshot');
  }
  const { member } = leader;
  for (const one of fixture.cluster.members) {
    one.node.stop();
  }
  t.equal(member?.status().shutdownState, 'ended', 'who asks when it is closed is told so');
  t.equal(member?.orders().shutdownPosition, position, 'and where');
  t.deepEqual(member?.orders().shutdownAcknowledged.length, 2, 'and by whom it was acknowledged');
  fixture.cluster.startAll();
  fixture.await(() => client.newLeaders.length > 0, 'the client finds the cluster again');
  fixture.send(client, messageOf(77));
  const before = client.received.length;
  fixture.await(() => client.received.length > before, 'and is served');
  fixture.close();
  t.end();
});

test('a shutdown is ordered once, and of the leader', (t) => {
  const { fixture, leader } = started();
  const follower = fixture.followers()[0] as SimulatedMember;
  t.equal(follower.member?.orderShutdown(fixture.world.nowNs), ControlResult.NotLeader);
  t.equal(leader.member?.orderShutdown(fixture.world.nowNs), ControlResult.Ordered);
  t.equal(leader.member?.orderShutdown(fixture.world.nowNs), ControlResult.UnderWay);
  fixture.close();
  t.end();
});

test('a member that is down keeps nobody from ending', (t) => {
  const { ends, fixture, leader } = endsOf();
  const [down, other] = fixture.followers() as [SimulatedMember, SimulatedMember];
  down.node.kill();
  leader.member?.orderShutdown(leader.node.process?.clock.nowNs() ?? 0);
  fixture.wakeAll();
  fixture.await(() => hasLeft(leader) && hasLeft(other), 'the two others have left');
  t.deepEqual([...ends.positions.keys()].sort(), [leader.memberId, other.memberId].sort());
  t.equal(new Set(ends.positions.values()).size, 1);
  fixture.close();
  t.end();
});

test('a leader that dies in a shutdown is followed by another, and the cluster runs on', (t) => {
  const { client, ends, fixture, leader } = endsOf();
  const [first] = fixture.followers() as [SimulatedMember];
  // One follower can say nothing to the leader: the leader waits for it.
  fixture.world.network.block(first.node, leader.node);
  leader.member?.orderShutdown(leader.node.process?.clock.nowNs() ?? 0);
  fixture.wakeAll();
  fixture.run(300 * MS);
  t.equal(ends.positions.size, 0, 'nobody ends before all have acknowledged');
  leader.node.kill();
  fixture.world.network.heal();
  fixture.awaitLeader();
  fixture.await(() => client.newLeaders.length > 0, 'the client hears of the next leader');
  fixture.send(client, messageOf(6));
  fixture.await(() => client.received.some((b) => b[0] === 6), 'its message came back');
  t.equal(ends.positions.size, 0);
  fixture.close();
  t.end();
});

test('one member alone is shut down, too, and a service without snapshots ends as well', (t) => {
  const { ends, fixture, leader } = endsOf({
    memberCount: 1,
    service: () => ({ onSessionMessage: () => undefined }),
  });
  leader.member?.orderShutdown(leader.node.process?.clock.nowNs() ?? 0);
  fixture.wakeAll();
  fixture.await(() => hasLeft(leader), 'it has left');
  t.equal(ends.logs.get(0)?.append, ends.positions.get(0));
  t.equal(ends.logs.get(0)?.snapshot, 0);
  fixture.close();
  t.end();
});

/** Ends the session of everyone who says anything. */
function endingService(): ClusteredService {
  let end: ((id: number) => void) | undefined;
  return {
    onStart(cluster) {
      end = (id) => cluster.closeSession(id);
    },
    onSessionMessage: ({ id }) => end?.(id),
    onTakeSnapshot: () => undefined,
  };
}

test('a close that a service asks for while the cluster ends follows when it runs again', (t) => {
  const { client, fixture, leader } = endsOf({
    cluster: { sessionTimeoutMs: 60_000 },
    service: endingService,
  });
  const followers = fixture.followers();
  for (const { node } of followers) {
    fixture.world.network.block(node, leader.node);
  }
  const before = fixture.status(leader).appendPosition;
  fixture.send(client, messageOf(1));
  fixture.await(() => fixture.status(leader).appendPosition > before, 'the message is in the log');
  leader.member?.orderShutdown(leader.node.process?.clock.nowNs() ?? 0);
  fixture.wakeAll();
  fixture.run(10 * MS);
  t.equal(fixture.status(leader).servicePosition, before, 'it waits for the quorum');
  fixture.world.network.heal();
  fixture.await(() => fixture.cluster.members.every(hasLeft), 'all members have left');
  t.equal(leader.member?.status().sessionCount, 1, 'nothing follows the snapshot');
  for (const one of fixture.cluster.members) {
    one.node.stop();
  }
  fixture.cluster.startAll();
  const next = fixture.awaitLeader();
  t.ok(fixture.status(next).snapshotPosition > before, 'the members start from the snapshot');
  fixture.await(
    () => fixture.cluster.members.every((one) => fixture.status(one).sessionCount === 0),
    'the session is closed',
  );
  fixture.await(() => client.closed !== undefined, 'the client is told');
  t.match(String(client.closed), /closed by the service/);
  fixture.close();
  t.end();
});
