// snapshot-install.test.ts: members whose log the others have purged are given a snapshot and the
// rest of the log.

import test from 'tape';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { MS, SECOND } from './cluster-fixture.js';
import {
  fillAndPurge,
  firstSegment,
  PURGING,
  purgeBehindSleeper,
  restartInstalled,
  startClient,
} from './install-fixture.js';
import {
  areEqual,
  type SnapshotWorld,
  sendMessages,
  startSnapshots,
  takeSnapshot,
} from './snapshot-fixture.js';

/** Has some members take a snapshot, while another one is away. */
function takeOn(
  { fixture }: SnapshotWorld,
  leader: SimulatedMember,
  members: readonly SimulatedMember[],
): void {
  const before = fixture.status(leader).snapshotPosition;
  leader.member?.requestSnapshot();
  fixture.wakeAll();
  fixture.await(
    () => members.every((one) => fixture.status(one).snapshotPosition > before),
    'they have the next snapshot',
  );
}

/** A member that slept while the log was purged, and is cut off in the middle of a snapshot. */
function cutOffInstall() {
  const { client, installs, sleeper, world } = purgeBehindSleeper();
  const { fixture } = world;
  const leader = fixture.awaitLeader();
  fixture.cluster.start(sleeper);
  fixture.await(
    () => (fixture.status(leader).counters.snapshotBlocksSent ?? 0) > 0,
    'the leader sends a snapshot',
  );
  const others = fixture.cluster.members.filter((one) => one !== sleeper);
  for (const { node } of others) {
    fixture.world.network.block(node, sleeper.node);
    fixture.world.network.block(sleeper.node, node);
  }
  return { client, installs, leader, others, world };
}

test('the log before the oldest kept snapshot is purged, and members restart without it', (t) => {
  const world = startSnapshots(PURGING);
  const { fixture } = world;
  fixture.start();
  const client = startClient(world);
  fillAndPurge(world, client);
  for (const member of fixture.cluster.members) {
    t.ok(firstSegment(member) > 0, `member ${member.memberId} begins at ${firstSegment(member)}`);
    member.node.kill();
  }
  fixture.cluster.startAll();
  fixture.awaitLeader();
  fixture.await(() => areEqual(world), 'all are equal');
  const again = startClient(world);
  sendMessages(world, again, 5_000, 50);
  fixture.await(() => areEqual(world), 'all are equal after more messages');
  t.pass('the cluster goes on');
  fixture.close();
  t.end();
});

test('where one snapshot is kept, the log is purged up to the durable mark', (t) => {
  const world = startSnapshots({ member: { logRetention: 'snapshots', snapshotCountKept: 1 } });
  world.fixture.start();
  fillAndPurge(world, startClient(world));
  const bases = world.fixture.cluster.members.map(firstSegment);
  t.ok(
    bases.every((base) => base > 0),
    `the logs begin at ${bases.join()}`,
  );
  world.fixture.close();
  t.end();
});

test('without purging the whole log stays', (t) => {
  const world = startSnapshots({ member: { snapshotCountKept: 1 } });
  world.fixture.start();
  const client = startClient(world);
  for (let round = 0; round < 3; round++) {
    sendMessages(world, client, round * 200, 200, 600);
    takeSnapshot(world);
  }
  t.equal(firstSegment(world.fixture.cluster.members[0] as SimulatedMember), 0);
  world.fixture.close();
  t.end();
});

test('a member that slept while the log was purged is given a snapshot and the rest', (t) => {
  const { client, installs, sleeper, world } = purgeBehindSleeper();
  const { fixture, services } = world;
  sendMessages(world, client, 9_000, 30);
  fixture.cluster.start(sleeper);
  fixture.await(() => services.size === 3 && areEqual(world), 'the sleeper has the same state');
  t.equal(installs.count, 1, 'it took a snapshot');
  t.ok((services.get(sleeper.memberId)?.loadedPosition ?? 0) > 0, 'and started from it');
  t.ok(fixture.status(sleeper).isVoting, 'it still votes');
  const other = fixture.followers().find((one) => one !== sleeper) as SimulatedMember;
  other.node.kill();
  services.delete(other.memberId);
  sendMessages(world, client, 9_100, 30);
  t.pass('it is part of the quorum');
  fixture.close();
  t.end();
});

test('the log behind a snapshot that is being given away waits for who gets it', (t) => {
  const { client, installs, leader, others, world } = cutOffInstall();
  const { fixture, services } = world;
  const given = fixture.status(leader).snapshotPosition;
  for (let round = 0; round < 4; round++) {
    sendMessages(world, client, 20_000 + round * 300, 300, 600);
    takeOn(world, leader, others);
  }
  t.ok(firstSegment(leader) <= given, 'four snapshots later the log behind the given one is there');
  fixture.world.network.heal();
  fixture.await(() => services.size === 3 && areEqual(world), 'the sleeper has the same state');
  t.equal(installs.count, 1, 'it was given one snapshot');
  fixture.close();
  t.end();
});

test('a snapshot whose giver has died makes room for that of the next leader at once', (t) => {
  const { client, installs, leader, others, world } = cutOffInstall();
  const { fixture } = world;
  const blockedNs = fixture.world.nowNs;
  // The next leader has two others.
  for (let round = 0; round < 2; round++) {
    sendMessages(world, client, 20_000 + round * 300, 300, 600);
    takeOn(world, leader, others);
  }
  t.ok(fixture.world.nowNs - blockedNs < SECOND, 'the sleeper does not give up by itself');
  leader.node.kill();
  fixture.world.network.heal();
  const diedNs = fixture.world.nowNs;
  t.equal(installs.count, 0, 'the sleeper has a part of a snapshot');
  fixture.await(() => installs.count === 1, 'the sleeper has the snapshot of the next leader');
  const tookNs = fixture.world.nowNs - diedNs;
  t.ok(tookNs < 3 * SECOND, `${tookNs / MS} ms after the death of the last one`);
  fixture.close();
  t.end();
});

test('a member whose disk is empty is given a snapshot, and votes when it has caught up', (t) => {
  const world = startSnapshots(PURGING);
  const { fixture, services } = world;
  const installs = restartInstalled(world);
  fixture.start();
  const client = startClient(world);
  fillAndPurge(world, client);
  const blank = fixture.followers()[0] as SimulatedMember;
  blank.node.kill();
  services.delete(blank.memberId);
  blank.node.disk.reformat();
  fixture.cluster.start(blank);
  fixture.await(() => services.size === 3 && areEqual(world), 'it has the same state');
  t.equal(installs.count, 1, 'it took a snapshot');
  sendMessages(world, client, 9_000, 30);
  fixture.await(() => fixture.status(blank).isVoting, 'it is admitted');
  t.pass('it votes');
  fixture.close();
  t.end();
});

test('an installed member leads, and serves those that need the log or a snapshot', (t) => {
  const world = startSnapshots(PURGING);
  const { fixture, services } = world;
  const installs = restartInstalled(world);
  fixture.start();
  const client = startClient(world);
  sendMessages(world, client, 0, 20);
  const [sleeper, other] = fixture.followers() as [SimulatedMember, SimulatedMember];
  sleeper.node.kill();
  fillAndPurge(world, client);
  fixture.cluster.start(sleeper);
  fixture.await(() => installs.count === 1 && areEqual(world), 'it has the same state');
  other.node.kill();
  other.node.disk.reformat();
  sendMessages(world, client, 9_000, 30);
  const old = fixture.awaitLeader();
  // With the former leader in the minority, the installed member must carry the cluster.
  fixture.cluster.start(other);
  fixture.await(() => installs.count === 2 && areEqual(world), 'the blank one has it as well');
  fixture.await(() => fixture.status(other).isVoting, 'and votes');
  old.node.kill();
  services.delete(old.memberId);
  fixture.awaitLeader();
  const again = startClient(world);
  sendMessages(world, again, 9_500, 30);
  fixture.cluster.start(old);
  fixture.await(() => services.size === 3 && areEqual(world), 'all are equal');
  t.pass('nothing was lost on the way');
  fixture.close();
  t.end();
});

test('a member that crashes while it takes a snapshot takes it again', (t) => {
  let crashes = 0;
  for (let moment = 0; moment < 4; moment++) {
    const world = startSnapshots({ ...PURGING, seed: 50 + moment });
    const { fixture, services } = world;
    const installs = restartInstalled(world);
    fixture.start();
    const client = startClient(world);
    const sleeper = fixture.followers()[0] as SimulatedMember;
    sleeper.node.kill();
    services.delete(sleeper.memberId);
    fillAndPurge(world, client);
    fixture.cluster.start(sleeper);
    fixture.run(60 * MS + moment * 25 * MS);
    if (sleeper.member !== undefined) {
      crashes++;
      sleeper.node.kill();
      sleeper.node.disk.powerCut();
      services.delete(sleeper.memberId);
      fixture.run(10 * MS);
      fixture.cluster.start(sleeper);
    }
    fixture.await(() => services.size === 3 && areEqual(world), 'the sleeper has the same state');
    t.ok(installs.count >= 1, `${installs.count} installs, crashed ${60 + moment * 25} ms in`);
    fixture.run(SECOND / 10);
    fixture.close();
  }
  t.ok(crashes > 2, `${crashes} crashes`);
  t.end();
});
