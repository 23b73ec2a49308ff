// Disks that fail a member beside its log: when a term is noted, a snapshot loaded, a log purged.

import test from 'tape';
import { segmentBases } from '../../src/archive/log-geometry.js';
import { recordingIdOf } from '../../src/archive/snapshot-recording.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { StorageResult } from '../../src/ports/storage.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { OperationKind } from '../../src/simulator/storage-operation.js';
import { ClusterFixture, SECOND } from './cluster-fixture.js';
import { sendMessages, startSnapshots, takeSnapshot } from './snapshot-fixture.js';

/** Reads of a snapshot of one piece when a member starts, before it loads it. */
const LOOKS = 2;

/** The error with which a member's process ends; undefined while it has not. */
function watchEnd({ node }: SimulatedMember): () => PawlError | undefined {
  let ended: PawlError | undefined;
  node.onFatal = (_process, error) => {
    if (!(error instanceof PawlError)) {
      throw error;
    }
    ended ??= error;
  };
  return () => ended;
}

test('a device that fails when a term or a vote is noted ends the member (B39)', (t) => {
  for (const record of ['node-state.dat', 'recording.log']) {
    const fixture = new ClusterFixture();
    const leader = fixture.start();
    const [follower] = fixture.followers() as [SimulatedMember];
    const ended = watchEnd(follower);
    follower.node.disk.faultHook = ({ kind, path }) =>
      kind === OperationKind.Write && path === record
        ? { result: StorageResult.InputOutput }
        : undefined;
    leader.node.kill();
    fixture.await(() => ended() !== undefined, 'the member has ended');
    t.equal(ended()?.code, ErrorCode.StorageFailed);
    t.match(String(ended()?.message), new RegExp(`of ${record}: the device failed`));
    fixture.close();
  }
  t.end();
});

test('a snapshot that rots between the look at it and its load ends the member', (t) => {
  const world = startSnapshots();
  const { fixture } = world;
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  sendMessages(world, client, 0, 20);
  takeSnapshot(world);
  const [member] = fixture.followers() as [SimulatedMember];
  member.node.kill();
  const ended = watchEnd(member);
  let reads = 0;
  member.node.disk.faultHook = ({ kind, path }) => {
    const isRead = kind === OperationKind.Read && recordingIdOf(path) > 0;
    reads += isRead ? 1 : 0;
    return isRead && reads > LOOKS ? { result: StorageResult.InputOutput } : undefined;
  };
  fixture.cluster.start(member);
  fixture.await(() => ended() !== undefined, 'the member has ended');
  t.equal(ended()?.code, ErrorCode.SnapshotInvalid);
  t.match(String(ended()?.message), /the snapshot cannot be loaded: 1-0.rec has 0 of \d+ bytes/);
  fixture.close();
  t.end();
});

test('a device that fails while log is purged ends the member, which starts without it', (t) => {
  const world = startSnapshots({ member: { logRetention: 'snapshots', snapshotCountKept: 1 } });
  const { fixture } = world;
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const [member] = fixture.followers() as [SimulatedMember];
  const ended = watchEnd(member);
  member.node.disk.faultHook = ({ kind, path }) =>
    kind === OperationKind.Remove && path.startsWith('0-')
      ? { result: StorageResult.InputOutput }
      : undefined;
  for (let round = 0; round < 10 && ended() === undefined; round++) {
    sendMessages(world, client, 1_000 + round * 200, 200, 600);
    fixture.awaitLeader().member?.requestSnapshot();
    fixture.wakeAll();
    fixture.run(SECOND / 2);
  }
  t.match(String(ended()?.message), /could not remove 0-\d+.rec: the device failed/);
  member.node.disk.faultHook = undefined;
  fixture.cluster.start(member);
  fixture.await(() => member.member?.status().state === 'CLOSED', 'it follows again');
  t.ok((segmentBases(member.node.disk.listCached(''))[0] ?? 0) > 0, 'the first segments are gone');
  fixture.close();
  t.end();
});
