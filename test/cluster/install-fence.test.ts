// install-fence.test.ts: a snapshot never takes the place of log that a member has acknowledged,
// whenever that arrives, and whatever was recorded and cut away before.

import test from 'tape';
import type { SnapshotEntry } from '../../src/archive/snapshot-recording.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { MS, SECOND } from './cluster-fixture.js';
import {
  firstSegment,
  offerSnapshot,
  restartInstalled,
  startClient,
  withholdLog,
} from './install-fixture.js';
import {
  areEqual,
  type SnapshotWorld,
  sendMessages,
  startSnapshots,
  takeSnapshot,
} from './snapshot-fixture.js';

const KIB = 1024;

function newestOf(world: SnapshotWorld, { memberId }: SimulatedMember): SnapshotEntry {
  return world.taken.get(memberId)?.at(-1) as SnapshotEntry;
}

test('a member that has recorded nothing yet takes no snapshot of less than its log', (t) => {
  const world = startSnapshots();
  const { fixture, services } = world;
  const installs = restartInstalled(world);
  const leader = fixture.start();
  const client = startClient(world);
  sendMessages(world, client, 0, 50);
  takeSnapshot(world);
  sendMessages(world, client, 50, 50);
  const member = fixture.followers()[0] as SimulatedMember;
  fixture.run(SECOND);
  const end = fixture.status(member).durablePosition;
  member.node.kill();
  services.delete(member.memberId);
  const letThrough = withholdLog(world, member);
  fixture.cluster.start(member);
  fixture.await(() => member.member?.status().leaderMemberId === leader.memberId, 'it follows');
  t.equal(fixture.status(member).durablePosition, end, 'it has the log that it had');
  offerSnapshot(world, leader, member, newestOf(world, leader));
  fixture.run(200 * MS);
  t.equal(fixture.status(leader).counters.snapshotBlocksSent, 0, 'it asks for nothing');
  t.equal(installs.count, 0, 'and goes on');
  letThrough();
  fixture.await(() => services.size === 3 && areEqual(world), 'it has the state of the others');
  fixture.close();
  t.end();
});

test('a member whose log was cut is given a snapshot of less than it once had', (t) => {
  const world = startSnapshots({
    cluster: { logTermLength: 128 * KIB, segmentLength: 128 * KIB },
    member: { logRetention: 'snapshots', snapshotCountKept: 1 },
  });
  const { fixture, services } = world;
  const installs = restartInstalled(world);
  const old = fixture.start();
  const client = startClient(world);
  const { segmentLength } = old.config;
  for (let value = 0; fixture.status(old).appendPosition < segmentLength - 3_000; value++) {
    sendMessages(world, client, value, 1, 600);
  }
  const others = fixture.followers();
  const behind = startClient(world);
  fixture.world.network.isolate(old.node);
  for (const { node } of [client, behind]) {
    fixture.world.network.unblock(node, old.node);
    fixture.world.network.unblock(old.node, node);
  }
  for (const { node } of others) {
    fixture.world.network.block(behind.node, node);
  }
  for (let value = 0; value < 80; value++) {
    fixture.send(behind, new Uint8Array(1_000).fill(value));
  }
  fixture.await(() => others.some((one) => one === fixture.leader()), 'another one leads');
  fixture.run(6 * SECOND);
  const once = fixture.status(old).durablePosition;
  const next = startClient(world);
  for (
    let value = 2_000;
    fixture.status(others[0] as SimulatedMember).commitPosition < segmentLength + 40 * KIB;
    value++
  ) {
    sendMessages(world, next, value, 1, 600);
  }
  const leader = others.find((one) => one === fixture.leader()) as SimulatedMember;
  // Its follower joins anew: the leader forgets from where on it could send the log again.
  const other = others.find((one) => one !== leader) as SimulatedMember;
  other.node.kill();
  fixture.cluster.start(other);
  fixture.run(SECOND);
  leader.member?.requestSnapshot();
  fixture.wakeAll();
  fixture.await(() => firstSegment(leader) > 0, 'the leader has purged its first segment');
  const { snapshotPosition } = fixture.status(leader);
  t.ok(snapshotPosition < once, `the snapshot at ${snapshotPosition} is of less than ${once}`);
  fixture.world.network.heal();
  fixture.await(() => areEqual(world), 'it has the state of the others');
  t.equal(installs.count, 1, 'it took the snapshot');
  t.equal(services.size, 3, 'and runs');
  fixture.close();
  t.end();
});
