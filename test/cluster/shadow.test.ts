// shadow.test.ts: snapshots that fresh instances of a service take: byte for byte those that the
// service would have written, while the service is never asked.

import test from 'tape';
import { recordingIdOf } from '../../src/archive/snapshot-recording.js';
import { Mark, markHits } from '../../src/marks.js';
import { SERVICE_THREAD, type SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { ClusterFixture, messageOf, SECOND } from './cluster-fixture.js';
import {
  areEqual,
  KeepingService,
  type SnapshotWorld,
  sendMessages,
  startSnapshots,
  takeSnapshot,
} from './snapshot-fixture.js';

const SHADOWED = 0;
const COUNT = 30;

function hits(mark: number): number {
  return markHits()[mark] ?? 0;
}

/** A cluster in which a shadow takes the snapshots of one member, and the shadows that it made. */
function start(): { readonly world: SnapshotWorld; readonly shadows: KeepingService[] } {
  const shadows: KeepingService[] = [];
  const world = startSnapshots({
    memberOf: (memberId) => ({ snapshotBy: memberId === SHADOWED ? 'shadow' : 'service' }),
    shadow: () => {
      const shadow = new KeepingService(1);
      shadows.push(shadow);
      return shadow;
    },
  });
  world.fixture.start();
  return { world, shadows };
}

/** Lets a bit of a snapshot rot, by the number of its recording. */
function rot(fixture: ClusterFixture, recordingId: number): void {
  const disk = fixture.cluster.members[SHADOWED]?.node.disk;
  for (const name of disk?.listCached('') ?? []) {
    if (recordingIdOf(name) === recordingId) {
      disk?.flipBits(name, 40, 0x10);
    }
  }
}

/** The newest snapshot of each member without what is the member's own. */
function newest(world: SnapshotWorld): string[] {
  return world.fixture.cluster.members.map(({ memberId }) =>
    JSON.stringify({ ...world.taken.get(memberId)?.at(-1), recordingId: 0 }),
  );
}

/** Takes one everywhere, and waits until each member has told of it: equal ones. */
function takeEqual(world: SnapshotWorld): number {
  const position = takeSnapshot(world);
  const { members } = world.fixture.cluster;
  world.fixture.await(
    () =>
      members.every(({ memberId }) => world.taken.get(memberId)?.at(-1)?.logPosition === position),
    'all members have told of the snapshot',
  );
  return position;
}

test('the snapshots of a shadow are those of the service, from the log and each other', (t) => {
  const { world, shadows } = start();
  const { fixture, services } = world;
  let asked = 0;
  const service = services.get(SHADOWED) as KeepingService;
  service.onTakeSnapshot = () => {
    asked++;
  };
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  for (let round = 0; round < 3; round++) {
    sendMessages(world, client, round * COUNT, COUNT);
    takeEqual(world);
    t.equal(new Set(newest(world)).size, 1, `snapshot ${round + 1} is equal on all members`);
  }
  t.equal(asked, 0, 'the service was never asked');
  t.equal(shadows.length, 3, 'each was taken by a fresh instance');
  t.deepEqual(
    shadows.map((shadow) => shadow.loadedPosition > 0),
    [false, true, true],
    'the first replayed the whole log, the others began with the snapshot before',
  );
  t.equal(shadows[2]?.eventCount, COUNT, 'and replayed what came after it');
  t.equal(shadows[2]?.messages.length, 3 * COUNT);
  const counters = fixture.cluster.members.map(
    (one) => fixture.status(one).counters.snapshotsByShadow,
  );
  t.deepEqual(counters, [3, 0, 0]);
  fixture.close();
  t.end();
});

test('a member starts again from what its shadow wrote, with sessions and timers', (t) => {
  const { world } = start();
  const { fixture, services } = world;
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  sendMessages(world, client, 0, COUNT);
  takeEqual(world);
  sendMessages(world, client, COUNT, 5);
  const [member] = fixture.cluster.members;
  member?.node.kill();
  if (member !== undefined) {
    fixture.cluster.start(member);
  }
  fixture.await(() => areEqual(world), 'it has the state of the others');
  const service = services.get(SHADOWED);
  t.ok((service?.loadedPosition ?? 0) > 0, 'it started from the snapshot');
  t.equal(service?.eventCount, 5, 'and replayed the rest');
  fixture.await(() => client.newLeaders.length > 0, 'the client knows the new leader');
  sendMessages(world, client, COUNT + 5, 5);
  takeEqual(world);
  t.equal(new Set(newest(world)).size, 1, 'its next snapshot is equal, too');
  fixture.close();
  t.end();
});

test('a shadow that stalls for seconds holds nothing up but its snapshot', (t) => {
  const { world } = start();
  const { fixture } = world;
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  sendMessages(world, client, 0, COUNT);
  takeEqual(world);
  const [member] = fixture.cluster.members;
  const thread = member?.node.process?.threads.find((one) => one.name === 'shadow');
  thread?.stall(5 * SECOND);
  const before = world.taken.get(SHADOWED)?.length;
  fixture.awaitLeader().member?.requestSnapshot();
  fixture.wakeAll();
  const received = client.received.length;
  for (let value = 0; value < 50; value++) {
    fixture.send(client, messageOf(value));
  }
  fixture.await(() => client.received.length === received + 50, 'messages are answered');
  t.equal(world.taken.get(SHADOWED)?.length, before, 'the snapshot is not there yet');
  fixture.await(() => (world.taken.get(SHADOWED)?.length ?? 0) > (before ?? 0), 'it comes late');
  fixture.await(() => new Set(newest(world)).size === 1, 'and is equal');
  t.pass('the state is that of its position, whatever was applied meanwhile');
  fixture.close();
  t.end();
});

test('a shadow whose snapshot before has rotted begins with an earlier one', (t) => {
  const { world, shadows } = start();
  const { fixture } = world;
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const positions: number[] = [];
  for (let round = 0; round < 2; round++) {
    sendMessages(world, client, round * COUNT, COUNT);
    positions.push(takeEqual(world));
  }
  const earlier = hits(Mark.ShadowStartsEarlier);
  rot(fixture, 2);
  sendMessages(world, client, 2 * COUNT, COUNT);
  takeEqual(world);
  t.equal(new Set(newest(world)).size, 1, 'the third snapshot is equal on all members');
  t.ok(hits(Mark.ShadowStartsEarlier) > earlier);
  t.equal(shadows.at(-1)?.loadedPosition, positions[0], 'it began with the first');
  rot(fixture, 3);
  sendMessages(world, client, 3 * COUNT, COUNT);
  takeEqual(world);
  t.equal(new Set(newest(world)).size, 1, 'the fourth as well');
  t.equal(shadows.at(-1)?.loadedPosition, 0, 'which replayed the whole log');
  fixture.close();
  t.end();
});

test('log that a slow service has not read stays, whatever snapshots its shadow takes', (t) => {
  const shadowed = (): KeepingService => new KeepingService(1);
  const world = startSnapshots({
    member: { threads: 'dedicated', logRetention: 'snapshots', snapshotBy: 'shadow' },
    shadow: shadowed,
  });
  const { fixture } = world;
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const [member] = fixture.followers() as [SimulatedMember];
  const service = member.node.process?.threads.find((one) => one.name === SERVICE_THREAD);
  service?.stall(25 * SECOND);
  const before = fixture.status(member).servicePosition;
  const count = () => world.taken.get(member.memberId)?.length ?? 0;
  for (let round = 0; round < 3; round++) {
    for (let value = 0; value < 100; value++) {
      fixture.send(client, messageOf(value, 1000));
    }
    fixture.run(2 * SECOND);
    fixture.cluster.members
      .find((one) => fixture.status(one).role === 'leader')
      ?.member?.requestSnapshot();
    fixture.wakeAll();
    fixture.await(() => count() === round + 1, 'the shadow has taken a snapshot');
  }
  t.equal(fixture.status(member).servicePosition, before, 'the service has not moved');
  t.ok(fixture.status(member).snapshotPosition > before + 200_000, 'its snapshots are far ahead');
  fixture.await(() => areEqual(world), 'the service reads all that it has missed');
  t.equal(member.member !== undefined, true, 'in the same life');
  fixture.close();
  t.end();
});

test('fixtures without shadows have none', (t) => {
  const fixture = new ClusterFixture({ memberCount: 1 });
  const leader = fixture.start();
  t.equal(fixture.status(leader).counters.snapshotsByShadow, 0);
  fixture.close();
  t.end();
});
