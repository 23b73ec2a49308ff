// Snapshots that the disk does not let a member take, give away or receive: the member goes on
// where it can, says so, and tries again; where its disk has failed, it ends.

import test from 'tape';
import { segmentBases } from '../../src/archive/log-geometry.js';
import { recordingIdOf } from '../../src/archive/snapshot-recording.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { StorageResult } from '../../src/ports/storage.js';
import type { ClusteredService } from '../../src/service/clustered-service.js';
import { SnapshotArray } from '../../src/service/snapshot-array.js';
import { SnapshotMap } from '../../src/service/snapshot-map.js';
import type { SnapshotPublication } from '../../src/service/snapshot-publication.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { OperationKind } from '../../src/simulator/storage-operation.js';
import { ClusterFixture, echoService, MS, SECOND, type TestClient } from './cluster-fixture.js';
import {
  areEqual,
  type SnapshotWorld,
  sendMessages,
  startSnapshots,
  takeSnapshot,
} from './snapshot-fixture.js';

const PURGING = { member: { logRetention: 'snapshots', snapshotCountKept: 2 } } as const;
const RECORD = 'snapshots.dat';
const MIB = 1024 * 1024;

type Operation = (kind: OperationKind, path: string) => boolean;

/** Fails the operations of a member's disk that a test names; answers how to end that. */
function failing(member: SimulatedMember, result: StorageResult, isFailing: Operation): () => void {
  member.node.disk.faultHook = ({ kind, path }) => (isFailing(kind, path) ? { result } : undefined);
  return () => {
    member.node.disk.faultHook = undefined;
  };
}

const isOfRecording = (path: string): boolean => recordingIdOf(path) > 0;
const isRecordWrite: Operation = (kind, path) => kind === OperationKind.Write && path === RECORD;
const isPieceWrite: Operation = (kind, path) => kind === OperationKind.Write && isOfRecording(path);

/** Errors with which members ended; one that took a snapshot starts again. */
function watchEnds(world: SnapshotWorld): PawlError[] {
  const errors: PawlError[] = [];
  for (const member of world.fixture.cluster.members) {
    member.node.onFatal = (_process, error) => {
      if (!(error instanceof PawlError)) {
        throw error;
      }
      errors.push(error);
      if (error.code === ErrorCode.SnapshotInstalled) {
        const { world: virtual } = world.fixture;
        virtual.schedule(virtual.nowNs + MS, undefined, () => world.fixture.cluster.start(member));
      }
    };
  }
  return errors;
}

function hasInstalled(errors: readonly PawlError[]): boolean {
  return errors.some(({ code }) => code === ErrorCode.SnapshotInstalled);
}

function begin(world: SnapshotWorld): TestClient {
  world.fixture.start();
  const client = world.fixture.connect();
  world.fixture.await(() => client.isConnected, 'the client is connected');
  return client;
}

/** A member that is down, whose log the others have purged since. */
function purgedWithout(world: SnapshotWorld, client: TestClient): SimulatedMember {
  const { fixture, services } = world;
  const sleeper = fixture.followers()[0] as SimulatedMember;
  sleeper.node.kill();
  services.delete(sleeper.memberId);
  const running = fixture.cluster.members.filter((one) => one !== sleeper);
  const firstSegment = (one: SimulatedMember) => segmentBases(one.node.disk.listCached(''))[0] ?? 0;
  // A follower that is silent for so long is not waited for.
  fixture.run(6 * SECOND);
  for (let round = 0; running.some((one) => firstSegment(one) === 0); round++) {
    if (round === 10) {
      throw new Error('nothing was purged');
    }
    sendMessages(world, client, 1_000 + round * 200, 200, 600);
    takeSnapshot(world);
  }
  return sleeper;
}

function awaitWarning(world: SnapshotWorld, text: RegExp): void {
  const { fixture } = world;
  fixture.await(() => fixture.warnings.some((one) => text.test(one)), `somebody warns of ${text}`);
}

test('a snapshot whose record finds no room is given up, and the next one counts', (t) => {
  const world = startSnapshots();
  const { fixture } = world;
  const client = begin(world);
  sendMessages(world, client, 0, 20);
  const member = fixture.followers()[0] as SimulatedMember;
  const heal = failing(member, StorageResult.NoSpace, isRecordWrite);
  fixture.awaitLeader().member?.requestSnapshot();
  fixture.wakeAll();
  awaitWarning(world, /the snapshot at position \d+ was given up: .*the disk is full/);
  heal();
  fixture.run(SECOND);
  t.equal(fixture.status(member).snapshotPosition, 0);
  const left = member.node.disk.listCached('').filter(isOfRecording);
  t.deepEqual(left, [], 'nothing is left of it');
  sendMessages(world, client, 20, 20);
  t.ok(takeSnapshot(world) > 0, 'all members have the next one');
  fixture.close();
  t.end();
});

test('a snapshot that one slot of the record names already stays', (t) => {
  const world = startSnapshots({ member: { snapshotCountKept: 1 } });
  const { fixture } = world;
  const client = begin(world);
  sendMessages(world, client, 0, 20);
  takeSnapshot(world);
  const member = fixture.followers()[0] as SimulatedMember;
  const former = fixture.status(member).snapshotPosition;
  let writeCount = 0;
  const heal = failing(member, StorageResult.NoSpace, (kind, path) => {
    writeCount += isRecordWrite(kind, path) ? 1 : 0;
    return isRecordWrite(kind, path) && writeCount === 2;
  });
  sendMessages(world, client, 20, 20);
  fixture.awaitLeader().member?.requestSnapshot();
  fixture.wakeAll();
  awaitWarning(world, /the snapshot at position \d+ is named by one slot .*the disk is full/);
  heal();
  fixture.run(SECOND);
  t.equal(fixture.status(member).snapshotPosition, former, 'it does not count yet');
  member.node.kill();
  fixture.cluster.start(member);
  fixture.await(() => member.member?.observe() !== undefined, 'the member has started again');
  const { snapshotPosition } = fixture.status(member);
  t.ok(snapshotPosition > former, 'but is there, and the member starts from it');
  fixture.close();
  t.end();
});

test('what is left of a snapshot that was given up, and cannot be removed, is told', (t) => {
  const world = startSnapshots();
  const { fixture } = world;
  const client = begin(world);
  sendMessages(world, client, 0, 20);
  const member = fixture.followers()[0] as SimulatedMember;
  const heal = failing(
    member,
    StorageResult.Denied,
    (kind, path) => isRecordWrite(kind, path) || kind === OperationKind.Remove,
  );
  fixture.awaitLeader().member?.requestSnapshot();
  fixture.wakeAll();
  awaitWarning(world, /what is left of it could not be removed: could not remove .*denied/);
  heal();
  sendMessages(world, client, 20, 5);
  t.ok(takeSnapshot(world) > 0, 'the member goes on, and takes the next one');
  fixture.close();
  t.end();
});

test('a device that fails while a snapshot is recorded ends the member (B39)', (t) => {
  for (const isFailing of [isRecordWrite, isPieceWrite]) {
    const world = startSnapshots();
    const { fixture } = world;
    const errors = watchEnds(world);
    const client = begin(world);
    sendMessages(world, client, 0, 20);
    const member = fixture.followers()[0] as SimulatedMember;
    failing(member, StorageResult.InputOutput, isFailing);
    fixture.awaitLeader().member?.requestSnapshot();
    fixture.wakeAll();
    fixture.await(() => errors.length > 0, 'the member has ended');
    t.match(String(errors[0]?.message), /the device failed/);
    t.equal(member.member, undefined);
    sendMessages(world, client, 20, 5);
    t.pass('the others go on');
    fixture.close();
  }
  t.end();
});

test('a member that finds no room for a snapshot on its way says so, and takes it later', (t) => {
  const world = startSnapshots(PURGING);
  const { fixture, services } = world;
  const errors = watchEnds(world);
  const sleeper = purgedWithout(world, begin(world));
  const heal = failing(sleeper, StorageResult.NoSpace, isPieceWrite);
  fixture.cluster.start(sleeper);
  awaitWarning(world, /a snapshot from the leader could not be written: .*the disk is full/);
  t.notOk(hasInstalled(errors));
  heal();
  fixture.await(() => services.size === 3 && areEqual(world), 'it has the state of the others');
  t.ok(hasInstalled(errors), 'it took the snapshot');
  fixture.close();
  t.end();
});

test('a member whose device fails while it takes a snapshot ends (B39)', (t) => {
  const cases: [string, StorageResult, Operation][] = [
    ['a piece', StorageResult.InputOutput, isPieceWrite],
    ['the record', StorageResult.InputOutput, isRecordWrite],
    [
      'what is given up',
      StorageResult.NoSpace,
      (kind, path) => isPieceWrite(kind, path) || kind === OperationKind.List,
    ],
  ];
  for (const [what, result, isFailing] of cases) {
    const world = startSnapshots(PURGING);
    const { fixture } = world;
    const errors = watchEnds(world);
    const client = begin(world);
    const sleeper = purgedWithout(world, client);
    fixture.cluster.start(sleeper);
    fixture.await(() => sleeper.member !== undefined, 'it runs');
    fixture.run(5 * MS);
    failing(sleeper, result, isFailing);
    fixture.await(() => errors.length > 0, 'the member has ended');
    t.notOk(hasInstalled(errors), what);
    t.match(String(errors[0]?.message), /the device failed|the disk is full/);
    fixture.run(SECOND);
    t.equal(sleeper.member, undefined, 'it has ended');
    fixture.close();
  }
  t.end();
});

test('a leader that cannot read its snapshot gives it to nobody, until it can', (t) => {
  const world = startSnapshots(PURGING);
  const { fixture, services } = world;
  const errors = watchEnds(world);
  const sleeper = purgedWithout(world, begin(world));
  const leader = fixture.awaitLeader();
  const heal = failing(
    leader,
    StorageResult.Denied,
    (kind, path) => kind === OperationKind.Open && isOfRecording(path),
  );
  fixture.cluster.start(sleeper);
  fixture.run(3 * SECOND);
  t.notOk(hasInstalled(errors));
  t.equal(fixture.leader(), leader, 'it leads on');
  heal();
  fixture.await(() => services.size === 3 && areEqual(world), 'the sleeper has the same state');
  t.ok(hasInstalled(errors));
  fixture.close();
  t.end();
});

test('a snapshot of a newer service is not taken by an older one, which says so', (t) => {
  const world = startSnapshots(PURGING);
  world.version = 2;
  const { fixture } = world;
  const errors = watchEnds(world);
  const sleeper = purgedWithout(world, begin(world));
  world.version = 1;
  fixture.cluster.start(sleeper);
  awaitWarning(world, /offers a snapshot of version 2 .* reads up to 1 .*run the version of the/);
  world.version = 2;
  sleeper.node.kill();
  fixture.cluster.start(sleeper);
  fixture.await(() => hasInstalled(errors), 'the version of the others takes it');
  fixture.run(SECOND);
  t.notOk(fixture.status(sleeper).snapshotPosition === 0);
  fixture.close();
  t.end();
});

type Offer = (snapshot: SnapshotPublication, record: Uint8Array) => void;

/** A service whose records are as long as the test says. */
function offering(offer: Offer, lengthOf: () => number): ClusteredService {
  return {
    ...echoService(),
    onTakeSnapshot: (snapshot) => offer(snapshot, new Uint8Array(lengthOf())),
  };
}

const WAYS: readonly (readonly [string, Offer])[] = [
  ['at once', (snapshot, record) => snapshot.offer(record, 0, record.length)],
  [
    'from the encoder of a map',
    (snapshot, record) => {
      const map = new SnapshotMap<number, Uint8Array>().set(1, record).set(2, record);
      const view = map.snapshot((_key, value, output) => output.offer(value, 0, value.length));
      snapshot.offerView(view);
    },
  ],
  [
    'from the encoder of an array',
    (snapshot, record) => {
      const array = new SnapshotArray<Uint8Array>();
      array.push(record);
      const view = array.snapshot((value, _index, output) => output.offer(value, 0, value.length));
      snapshot.offerView(view);
    },
  ],
];

for (const threads of ['shared', 'dedicated'] as const) {
  test(`a record that no snapshot can hold costs that snapshot alone (${threads})`, (t) => {
    for (const [way, offer] of WAYS) {
      let length = 16 * MIB + 1;
      const service = () => offering(offer, () => length);
      const fixture = new ClusterFixture({ member: { threads }, service });
      fixture.start();
      const order = (): void => {
        fixture.awaitLeader().member?.requestSnapshot();
        fixture.wakeAll();
      };
      order();
      const text = /the snapshot at position \d+ was given up: .* 16777217 bytes.* 16777216.*parts/;
      const told = () => fixture.warnings.filter((one) => text.test(one)).length;
      fixture.await(() => told() === 3, `all members warn of a record ${way}`);
      const { members } = fixture.cluster;
      t.ok(
        members.every((one) => fixture.status(one).counters.snapshotsFailed === 1),
        `a record ${way} is counted`,
      );
      length = 100;
      order();
      fixture.await(
        () => members.every((one) => fixture.status(one).snapshotPosition > 0),
        'all take the next one',
      );
      fixture.close();
    }
    t.end();
  });
}
