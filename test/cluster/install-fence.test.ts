// install-fence.test.ts: a snapshot never takes the place of log that a member has acknowledged,
// whenever that arrives, and whatever was recorded and cut away before.

import test from 'tape';
import { recordingIdOf, type SnapshotEntry } from '../../src/archive/snapshot-recording.js';
import type { Position } from '../../src/position.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { OperationKind } from '../../src/simulator/storage-operation.js';
import { MS, messageOf, SECOND } from './cluster-fixture.js';
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

test('a member takes no snapshot that lies within the first segment of the log', (t) => {
  const world = startSnapshots();
  const { fixture, services } = world;
  const installs = restartInstalled(world);
  const leader = fixture.start();
  const client = startClient(world);
  const member = fixture.followers()[0] as SimulatedMember;
  member.node.kill();
  services.delete(member.memberId);
  sendMessages(world, client, 0, 50);
  takeSnapshot(world);
  const letThrough = withholdLog(world, member);
  fixture.cluster.start(member);
  fixture.await(() => member.member?.status().leaderMemberId === leader.memberId, 'it follows');
  const entry = newestOf(world, leader);
  const { durablePosition } = fixture.status(member);
  const isBetween =
    entry.logPosition > durablePosition && entry.logPosition < leader.config.segmentLength;
  t.ok(isBetween, `it has ${durablePosition}, and is offered ${entry.logPosition}`);
  offerSnapshot(world, leader, member, entry);
  fixture.run(200 * MS);
  t.equal(fixture.status(leader).counters.snapshotBlocksSent, 0, 'it asks for nothing');
  letThrough();
  fixture.await(() => services.size === 3 && areEqual(world), 'it is sent the log');
  t.equal(installs.count, 0);
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

/** A member that lacks most of the log, and is offered a snapshot of it; another one is away. */
function offered(options: Parameters<typeof startSnapshots>[0]) {
  const world = startSnapshots(options);
  const { fixture, services } = world;
  const installs = restartInstalled(world);
  const leader = fixture.start();
  const client = startClient(world);
  sendMessages(world, client, 0, 20);
  const [member, away] = fixture.followers() as [SimulatedMember, SimulatedMember];
  member.node.kill();
  services.delete(member.memberId);
  sendMessages(world, client, 1_000, 200, 600);
  takeSnapshot(world);
  const letThrough = withholdLog(world, member);
  fixture.cluster.start(member);
  fixture.await(() => member.member?.status().leaderMemberId === leader.memberId, 'it follows');
  away.node.kill();
  services.delete(away.memberId);
  const entry = newestOf(world, leader);
  offerSnapshot(world, leader, member, entry);
  return { away, client, entry, installs, leader, letThrough, member, world };
}

test('nothing behind a snapshot is acknowledged while the record of it is written', (t) => {
  for (const isRecorderInline of [false, true]) {
    const recovered: Position[] = [];
    const { away, client, entry, installs, leader, letThrough, member, world } = offered({
      isRecorderInline,
      onRecovered: (memberId, { appendPosition }) => {
        recovered[memberId] = appendPosition;
      },
    });
    const { fixture, services } = world;
    let isRecording = false;
    member.node.disk.faultHook = ({ kind, path }) => {
      const isWrite = kind === OperationKind.Write;
      isRecording ||= isWrite && path === 'snapshots.dat';
      if (isRecording && isWrite && path === 'durable-mark.dat') {
        return { isHung: true };
      }
      return isWrite && path === 'snapshots.dat' ? { delayNs: 2 * SECOND } : undefined;
    };
    fixture.await(() => isRecording, 'the record of the snapshot is being written');
    letThrough();
    const committed = fixture.status(leader).commitPosition;
    const heard = client.received.length;
    fixture.send(client, messageOf(5_000, 100));
    fixture.await(
      () => fixture.status(member).appendPosition > entry.logPosition,
      'the log behind the snapshot has come',
    );
    fixture.await(() => installs.count > 0, 'the snapshot is installed');
    const promised = fixture.status(leader).commitPosition;
    t.equal(client.received.length, heard, 'the message is not answered meanwhile');
    member.node.disk.faultHook = undefined;
    fixture.await(() => member.member?.observe() !== undefined, 'the member has started again');
    t.ok(
      promised === committed || (recovered[member.memberId] ?? 0) >= promised,
      `it has ${recovered[member.memberId]} of the ${promised} that are committed with it`,
    );
    fixture.await(() => client.received.length === heard + 1, 'the message is answered');
    fixture.cluster.start(away);
    fixture.await(() => services.size === 3 && areEqual(world), 'all have the same state');
    fixture.close();
  }
  t.end();
});

test('a member that is sent the log after all gives up the snapshot on its way', (t) => {
  const { away, client, entry, installs, letThrough, member, world } = offered({});
  const { fixture, services } = world;
  const { disk } = member.node;
  let isWriting = false;
  disk.faultHook = ({ kind, path }) => {
    const isPiece = kind === OperationKind.Write && recordingIdOf(path) > 0;
    isWriting ||= isPiece;
    return isPiece ? { isHung: true } : undefined;
  };
  fixture.await(() => isWriting, 'the first piece is being written');
  letThrough();
  fixture.await(
    () => fixture.status(member).durablePosition >= entry.logPosition,
    'the log behind the snapshot has come',
  );
  disk.faultHook = undefined;
  disk.resume();
  fixture.run(SECOND);
  t.equal(fixture.status(member).counters.snapshotsAbandoned, 1, 'the snapshot is given up');
  t.equal(installs.count, 0, 'the member goes on');
  const own = newestOf(world, member).recordingId;
  const left = disk.listCached('').filter((name) => recordingIdOf(name) > 0);
  t.ok(
    left.every((name) => recordingIdOf(name) === own),
    'nothing is left of it: the member took its own from the log',
  );
  sendMessages(world, client, 5_000, 20);
  fixture.cluster.start(away);
  fixture.await(() => services.size === 3 && areEqual(world), 'all have the same state');
  fixture.close();
  t.end();
});
