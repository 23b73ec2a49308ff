// snapshot-damage.test.ts: snapshots that cannot be used: an older one and a longer replay give the
// same state, and nothing that a crash left is taken for a snapshot.

import test from 'tape';
import { recordingIdOf } from '../../src/archive/snapshot-recording.js';
import { StorageResult } from '../../src/ports/storage.js';
import { fixedDelay } from '../../src/simulator/delay.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { OperationKind, SYNCHRONOUS_STORAGE } from '../../src/simulator/storage-operation.js';
import { VirtualFile } from '../../src/simulator/virtual-file.js';
import { MS, messageOf } from './cluster-fixture.js';
import {
  areEqual,
  type SnapshotWorld,
  sendMessages,
  startSnapshots,
  takeSnapshot,
} from './snapshot-fixture.js';

/** Two snapshots, messages before, between and behind them, and a follower that is down. */
function prepare(world: SnapshotWorld): { member: SimulatedMember; older: number; newer: number } {
  const { fixture } = world;
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  sendMessages(world, client, 0, 50);
  const older = takeSnapshot(world);
  sendMessages(world, client, 50, 50);
  const newer = takeSnapshot(world);
  sendMessages(world, client, 100, 10);
  const member = fixture.followers()[0] as SimulatedMember;
  member.node.kill();
  return { member, older, newer };
}

/** Starts the member again, and waits until its state is that of the others. */
function restart(world: SnapshotWorld, member: SimulatedMember): number {
  const { fixture, services } = world;
  fixture.cluster.start(member);
  fixture.await(
    () => services.get(member.memberId)?.messages.length === 110 && areEqual(world),
    'the member has the state of the others',
  );
  return services.get(member.memberId)?.loadedPosition ?? -1;
}

/** Files of the snapshot with the greatest number. */
function newestFiles(member: SimulatedMember): string[] {
  const names = member.node.disk.listCached('').filter((name) => recordingIdOf(name) > 0);
  const newest = Math.max(...names.map(recordingIdOf));
  return names.filter((name) => recordingIdOf(name) === newest);
}

test('a snapshot with a flipped bit is passed over for the one before, wherever it lies', (t) => {
  for (const place of [0, 31, 40, 0.5, 0.99]) {
    const world = startSnapshots();
    const { member, older } = prepare(world);
    const [name] = newestFiles(member);
    const length = member.node.disk.snapshotCached(name as string)?.length ?? 0;
    const position = place < 1 ? Math.floor(length * place) : place;
    member.node.disk.flipBits(name as string, position, 0x10);
    t.equal(restart(world, member), older, `byte ${position} of ${length}: the older one is used`);
    t.match(world.fixture.warnings.join(), /is not used/, 'and somebody is told');
    world.fixture.close();
  }
  t.end();
});

test('a snapshot that is cut short, or gone, is passed over for the one before', (t) => {
  for (const isGone of [false, true]) {
    const world = startSnapshots();
    const { member, older } = prepare(world);
    const { disk } = member.node;
    for (const name of newestFiles(member)) {
      const file = disk.tree.find(name);
      if (isGone) {
        disk.tree.remove(name);
      } else if (file instanceof VirtualFile) {
        file.setLength(file.length - 32);
      }
    }
    t.equal(restart(world, member), older, isGone ? 'gone' : 'one frame short');
    world.fixture.close();
  }
  t.end();
});

test('without any whole snapshot the whole log is replayed', (t) => {
  const world = startSnapshots();
  const { member } = prepare(world);
  const { disk } = member.node;
  for (const name of disk.listCached('').filter((one) => recordingIdOf(one) > 0)) {
    disk.flipBits(name, 100, 1);
  }
  t.equal(restart(world, member), 0);
  world.fixture.close();
  t.end();
});

test('a snapshot of a newer version of the service is not loaded by an older one', (t) => {
  const world = startSnapshots();
  world.version = 2;
  const { member } = prepare(world);
  world.version = 1;
  t.equal(restart(world, member), 0, 'the old service replays the log');
  t.match(world.fixture.warnings.join(), /its state is of version 2/);
  world.fixture.close();
  t.end();
});

test('what a crash leaves of a snapshot is no snapshot, at whatever moment it strikes', (t) => {
  let leftCount = 0;
  let takenCount = 0;
  for (let moment = 0; moment < 10; moment++) {
    const world = startSnapshots({ seed: 100 + moment });
    const { fixture } = world;
    fixture.start();
    const client = fixture.connect();
    fixture.await(() => client.isConnected, 'the client is connected');
    for (let index = 0; index < 110; index++) {
      fixture.send(client, messageOf(index, 4_000));
    }
    fixture.await(() => client.received.length === 110, 'all messages came back');
    const member = fixture.followers()[0] as SimulatedMember;
    member.node.disk.latency = { ...member.node.disk.latency, write: fixedDelay(2 * MS) };
    fixture.awaitLeader().member?.requestSnapshot();
    fixture.wakeAll();
    fixture.run(moment * 7 * MS);
    const isTaken = fixture.status(member).snapshotPosition > 0;
    member.node.kill();
    const isLeft = member.node.disk.listCached('').some((name) => recordingIdOf(name) > 0);
    takenCount += isTaken ? 1 : 0;
    leftCount += isLeft && !isTaken ? 1 : 0;
    const loaded = restart(world, member);
    // The record may be on the disk before the member has heard that it is.
    t.ok(loaded > 0 || !isTaken, `${moment * 7} ms after the request it starts from ${loaded}`);
    fixture.run(100 * MS);
    world.fixture.close();
  }
  t.ok(takenCount > 0, `${takenCount} crashes came after the record`);
  t.ok(leftCount > 0, `${leftCount} crashes left files behind`);
  t.end();
});

test('a snapshot whose bytes find no room is given up, and the ones before it stay', (t) => {
  for (const isAtSubmit of [true, false]) {
    const world = startSnapshots();
    const { fixture } = world;
    fixture.start();
    const client = fixture.connect();
    fixture.await(() => client.isConnected, 'the client is connected');
    sendMessages(world, client, 0, 50);
    const older = takeSnapshot(world);
    sendMessages(world, client, 50, 50);
    const member = fixture.followers()[0] as SimulatedMember;
    const { disk } = member.node;
    disk.latency = isAtSubmit ? SYNCHRONOUS_STORAGE : disk.latency;
    disk.faultHook = ({ kind, path }) =>
      kind === OperationKind.Write && recordingIdOf(path) > 0
        ? { result: StorageResult.NoSpace }
        : undefined;
    fixture.awaitLeader().member?.requestSnapshot();
    fixture.wakeAll();
    fixture.await(
      () => world.taken.get(member.memberId)?.length === 2 || fixture.warnings.length > 0,
      'the snapshot is taken or given up',
    );
    t.match(fixture.warnings.join(), /was given up: .*the disk is full/, 'somebody is told');
    t.equal(world.taken.get(member.memberId)?.length, 1, 'it does not count');
    disk.faultHook = undefined;
    sendMessages(world, client, 100, 10);
    member.node.kill();
    t.equal(restart(world, member), older, 'the member starts from the one before');
    t.doesNotMatch(fixture.warnings.join(), /is not used/, 'and its record names no other');
    fixture.close();
  }
  t.end();
});
