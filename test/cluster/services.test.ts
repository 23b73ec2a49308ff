// services.test.ts: several services on the log of a member, each by itself.

import test from 'tape';
import { concludeClusterConfig } from '../../src/cluster/cluster-config.js';
import { SERVICE_COUNT_MAX } from '../../src/cluster/services.js';
import { PawlError } from '../../src/errors.js';
import { ServiceContainer } from '../../src/service/service-container.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { MS, SECOND } from './cluster-fixture.js';
import { MessagingService, Order, orderOf, ServicesFixture, upTo } from './services-fixture.js';

/** A service whose state is of a version. */
class VersionedService extends MessagingService {
  readonly snapshotVersion: number;

  constructor(serviceId: number, version: number) {
    super(serviceId);
    this.snapshotVersion = version;
  }
}

function follower(fixture: ServicesFixture): SimulatedMember {
  return fixture.followers()[0] as SimulatedMember;
}

function takeSnapshot(fixture: ServicesFixture): number {
  const before = Math.max(
    ...fixture.cluster.members.map((one) => fixture.status(one).snapshotPosition),
  );
  fixture.awaitLeader().member?.requestSnapshot();
  fixture.wakeAll();
  const { members } = fixture.cluster;
  fixture.await(
    () => members.every((one) => fixture.status(one).snapshotPosition > before),
    'every member has its snapshot',
  );
  return fixture.status(members[0] as SimulatedMember).snapshotPosition;
}

test('a service behind the first one that waits for requests or queries is refused', (t) => {
  for (const name of ['onRequest', 'onQuery'] as const) {
    const service = { onSessionMessage: () => undefined, [name]: () => undefined };
    t.doesNotThrow(() => new ServiceContainer(() => service, { serviceId: 0 }));
    try {
      new ServiceContainer(() => service, { serviceId: 3 });
      t.fail(`service 3 waits for ${name} in vain`);
    } catch (error) {
      t.ok(error instanceof PawlError && error.code === 'CONFIGURATION_INVALID');
      t.match(String(error), new RegExp(`service 3 has ${name}, .* name it first of the services`));
    }
  }
  t.end();
});

test('every service is given every message of clients, and knows its own id', (t) => {
  const fixture = new ServicesFixture({ seed: 21, serviceCount: SERVICE_COUNT_MAX });
  const client = fixture.begin();
  for (let id = 0; id < SERVICE_COUNT_MAX; id++) {
    fixture.send(client, orderOf(id, Order.Send, 0));
  }
  fixture.await(() => client.received.length === SERVICE_COUNT_MAX, 'each service has answered');
  fixture.await(() => fixture.areEqual(), 'all members are equal');
  const services = fixture.ofMember(1);
  t.equal(services.length, SERVICE_COUNT_MAX);
  const commands = services[0]?.told.commands;
  t.equal(commands?.length, SERVICE_COUNT_MAX);
  t.ok(
    services.every(({ told }) => told.commands.length === commands?.length),
    'all of them',
  );
  t.deepEqual(
    services.map(({ cluster }) => cluster.serviceId),
    services.map((_, id) => id),
  );
  fixture.close();
  t.end();
});

test('each service has timers of its own, under ids that others may use as well', (t) => {
  const fixture = new ServicesFixture({ seed: 22, serviceCount: 3 });
  const client = fixture.begin();
  fixture.send(client, orderOf(0, Order.Timer, 7, 300));
  fixture.send(client, orderOf(2, Order.Timer, 7, 600));
  fixture.send(client, orderOf(2, Order.Timer, 8, 900));
  fixture.run(450 * MS);
  // The next leader proposes what is pending then.
  const leader = fixture.awaitLeader();
  leader.node.kill();
  fixture.run(2 * SECOND);
  fixture.cluster.start(leader);
  fixture.await(() => fixture.ofMember(leader.memberId)[2]?.told.fired.length === 2, 'they fired');
  fixture.await(() => fixture.areEqual(), 'all members are equal');
  const fired = fixture.ofMember(0).map(({ told }) => told.fired.map((timer) => timer.id));
  t.deepEqual(fired, [[7], [], [7, 8]], 'each once, and for its own service alone');
  fixture.close();
  t.end();
});

test('a service that is slow holds no other back; the member has consumed what all have', (t) => {
  const fixture = new ServicesFixture({ seed: 23 });
  const client = fixture.begin();
  const slow = follower(fixture);
  const [quickOne, slowOne] = fixture.containers.get(slow.memberId) ?? [];
  t.ok(quickOne !== undefined && slowOne !== undefined, 'it runs two services');
  if (quickOne === undefined || slowOne === undefined) {
    return;
  }
  const consume = slowOne.doWork;
  slowOne.doWork = () => 0;
  const stoppedAt = slowOne.position;
  fixture.send(client, orderOf(0, Order.Send, 50, 1_000));
  fixture.run(SECOND);
  const [quick] = fixture.ofMember(slow.memberId);
  t.deepEqual(quick?.told.messages.length, 50, 'the other one goes on');
  t.ok(quickOne.position > stoppedAt + 50_000, `from ${stoppedAt} to ${quickOne.position}`);
  t.equal(fixture.status(slow).servicePosition, stoppedAt, 'the least of both is told');
  slowOne.doWork = consume;
  fixture.wakeAll();
  fixture.await(() => fixture.areEqual(), 'it reads the rest from where it stood');
  t.pass('and becomes equal');
  fixture.close();
  t.end();
});

test('a snapshot is of all services at one position, however far apart they are', (t) => {
  const fixture = new ServicesFixture({ seed: 24, cluster: { sessionTimeoutMs: 3_600_000 } });
  const client = fixture.begin();
  const slow = follower(fixture);
  const [, slowOne] = fixture.containers.get(slow.memberId) ?? [];
  if (slowOne === undefined) {
    t.fail('it runs two services');
    return;
  }
  const consume = slowOne.doWork;
  slowOne.doWork = () => 0;
  fixture.send(client, orderOf(0, Order.Send, 10));
  fixture.send(client, orderOf(1, Order.Timer, 3, 60_000));
  fixture.run(100 * MS);
  fixture.awaitLeader().member?.requestSnapshot();
  fixture.wakeAll();
  fixture.run(100 * MS);
  fixture.send(client, orderOf(1, Order.Send, 10));
  fixture.run(SECOND);
  t.equal(fixture.status(slow).snapshotPosition, 0, 'one service has not reached it');
  const position = fixture.status(fixture.awaitLeader()).snapshotPosition;
  t.ok(position > 0, 'the others do not wait');
  slowOne.doWork = consume;
  fixture.wakeAll();
  fixture.await(() => fixture.status(slow).snapshotPosition === position, 'now it is complete');
  slow.node.kill();
  fixture.cluster.start(slow);
  fixture.await(() => fixture.areEqual(), 'it starts from it, and becomes equal');
  const loaded = fixture.ofMember(slow.memberId).map((service) => service.loadedPosition);
  t.deepEqual(loaded, [position, position], 'both services start from it');
  t.equal(fixture.containers.get(slow.memberId)?.[1]?.timers.count, 1, 'with its timer');
  fixture.close();
  t.end();
});

test('a snapshot of which one service cannot read its part is passed over by all', (t) => {
  const versions = [1, 3];
  const fixture = new ServicesFixture({
    seed: 25,
    makeService: (id) => new VersionedService(id, versions[id] as number),
  });
  const client = fixture.begin();
  fixture.send(client, orderOf(1, Order.Send, 10));
  fixture.awaitMessages(10);
  const position = takeSnapshot(fixture);
  const member = follower(fixture);
  member.node.kill();
  versions[1] = 2;
  fixture.cluster.start(member);
  fixture.await(() => fixture.areEqual(), 'the member has the state of the others');
  const refused = /state of service 1 is of version 3, and the service reads up to 2/;
  t.ok(
    fixture.warnings.some((warning) => refused.test(warning)),
    'it says which, and why',
  );
  const loaded = fixture.ofMember(member.memberId).map((service) => service.loadedPosition);
  t.deepEqual(loaded, [0, 0], 'both replay the whole log');
  member.node.kill();
  versions[1] = 4;
  fixture.cluster.start(member);
  fixture.await(() => fixture.areEqual(), 'a newer version reads it');
  t.deepEqual(
    fixture.ofMember(member.memberId).map((service) => service.loadedPosition),
    [position, position],
  );
  fixture.close();
  t.end();
});

test('no snapshot is taken while one service takes none', (t) => {
  class Unsaved extends MessagingService {
    declare onTakeSnapshot: never;
  }
  Object.defineProperty(Unsaved.prototype, 'onTakeSnapshot', { value: undefined });
  const fixture = new ServicesFixture({
    seed: 26,
    makeService: (id) => (id === 1 ? new Unsaved(id) : new MessagingService(id)),
  });
  fixture.begin();
  fixture.awaitLeader().member?.requestSnapshot();
  fixture.wakeAll();
  fixture.run(SECOND);
  const positions = fixture.cluster.members.map((one) => fixture.status(one).snapshotPosition);
  t.deepEqual(positions, [0, 0, 0]);
  fixture.close();
  t.end();
});

test('a session that one service closes is closed for all of them', (t) => {
  const fixture = new ServicesFixture({ seed: 27 });
  const client = fixture.begin();
  fixture.send(client, orderOf(1, Order.Close, 0));
  fixture.await(() => client.closed !== undefined, 'the client is told');
  fixture.run(100 * MS);
  for (const service of fixture.ofMember(2)) {
    t.equal([...service.cluster.sessions()].length, 0, `service ${service.serviceId}`);
  }
  fixture.close();
  t.end();
});

test('the number of services is a setting of the cluster: members that differ refuse', (t) => {
  const members = [0, 1, 2]
    .map((id) => [id, ...upTo(5).map((n) => `127.0.0.1:${20_000 + id * 10 + n}`)].join(','))
    .join('|');
  const hashOf = (serviceCount: number) =>
    concludeClusterConfig({ members, serviceCount }, { memberId: 0 }).configurationHash;
  t.notDeepEqual(hashOf(1), hashOf(2), 'the hashes that they compare differ');
  t.deepEqual(hashOf(2), hashOf(2));
  t.throws(() => hashOf(SERVICE_COUNT_MAX + 1), /serviceCount/, 'there is a limit');
  t.throws(
    () => new ServicesFixture({ seed: 28, serviceCount: 2, cluster: { serviceCount: 3 } }).start(),
    /serviceCount is 3, and the member is given 2 services/,
    'and the member is given as many',
  );
  t.end();
});
