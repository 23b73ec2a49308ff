// repair.test.ts: damaged logs of whole clusters: mended in place, or not served at all.

import test from 'tape';
import { segmentFileName } from '../../src/archive/log-geometry.js';
import { StorageResult } from '../../src/ports/storage.js';
import { RepairRequestEncoder } from '../../src/protocol/codecs/repair-request.js';
import { durableMarkPosition } from '../../src/simulator/invariants/durable-records.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { OperationKind } from '../../src/simulator/storage-operation.js';
import { ClusterFixture, MS, messageOf, SECOND } from './cluster-fixture.js';

const KIB = 1024;

function sendAndAwait(fixture: ClusterFixture, count: number, length = 1000): void {
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  for (let value = 0; value < count; value++) {
    fixture.send(client, messageOf(value, length));
  }
  fixture.await(() => client.received.length === count, 'all messages came back');
  client.client?.close();
  fixture.run(300 * MS);
  client.node.kill();
}

/** Spoils [from, to) of a member's log, whatever segments that is in. */
function spoil(member: SimulatedMember, from: number, to: number): void {
  const { segmentLength } = member.config;
  for (let at = from; at < to; ) {
    const base = at - (at % segmentLength);
    const end = Math.min(to, base + segmentLength);
    const bytes = new Uint8Array(end - at).fill(0xbd);
    member.node.disk.decay(segmentFileName(base), at - base, bytes);
    at = end;
  }
}

function killAll(fixture: ClusterFixture): void {
  for (const { node } of fixture.cluster.members) {
    node.kill();
  }
}

function awaitEqualServices(fixture: ClusterFixture): void {
  fixture.await(() => {
    const all = fixture.cluster.members.map((one) => one.member?.status());
    const position = all[0]?.servicePosition ?? 0;
    return position > 0 && all.every((status) => status?.servicePosition === position);
  }, 'all services are at the same position');
}

test('members with damage in turn all over their logs mend one another (D5)', (t) => {
  for (const memberCount of [3, 5]) {
    const fixture = new ClusterFixture({ memberCount });
    fixture.start();
    sendAndAwait(fixture, 300);
    const { commitPosition } = fixture.status(fixture.awaitLeader());
    killAll(fixture);
    // Like a helix: every stretch is left to one member alone, to each in its turn, with the frames
    // that reach into it. The end is left to all, so that every log still tells how long it was.
    const { members } = fixture.cluster;
    const stretch = 24 * KIB;
    const margin = 2 * KIB;
    const end = Math.min(...members.map(({ node }) => durableMarkPosition(node.disk))) - 8 * KIB;
    for (const member of members) {
      for (let from = 0; from + stretch <= end; from += stretch) {
        const turn = (from / stretch - member.memberId + memberCount) % memberCount;
        if (turn !== 0) {
          const isAfterOwn = turn === 1 && from > 0;
          const isBeforeOwn = turn === memberCount - 1;
          const to = from + stretch - (isBeforeOwn ? margin : 0);
          spoil(member, from + (isAfterOwn ? margin : 0), to);
        }
      }
    }
    fixture.cluster.startAll();
    fixture.await(
      () => members.every(({ member }) => member?.status().health === 'corrupt'),
      'every member finds its damage',
    );
    t.ok(
      members.every(({ member }) => member?.status().isVoting === false),
      'nobody votes with a damaged log',
    );
    fixture.awaitLeader();
    awaitEqualServices(fixture);
    for (const member of members) {
      const status = fixture.status(member);
      t.equal(status.health, 'repaired');
      t.equal(status.counters.damagedRanges, 0);
      t.ok(status.servicePosition >= commitPosition, 'all that was committed is there');
    }
    killAll(fixture);
    fixture.cluster.startAll();
    fixture.awaitLeader();
    t.ok(
      members.every(({ member }) => member?.status().health === 'sound'),
      'and it is on the disks',
    );
    fixture.close();
  }
  t.end();
});

test('when all copies of a range are gone the cluster stops, and says which range', (t) => {
  const fixture = new ClusterFixture();
  fixture.start();
  sendAndAwait(fixture, 100);
  killAll(fixture);
  const { members } = fixture.cluster;
  for (const member of members) {
    spoil(member, 30 * KIB, 34 * KIB);
  }
  fixture.cluster.startAll();
  fixture.run(20 * SECOND);
  t.equal(fixture.leader(), undefined, 'nobody serves a log with a hole');
  const reports = fixture.warnings.filter((text) => /no other member .* has the log/.test(text));
  t.equal(reports.length, members.length, 'each says so, once');
  t.match(reports[0] ?? '', /from \d+ to \d+/);
  t.ok(
    members.every(({ member }) => member?.status().counters.damagedRanges === 1),
    'and goes on asking',
  );
  fixture.close();
  t.end();
});

test('a single member with a damaged log serves nothing', (t) => {
  const fixture = new ClusterFixture({ memberCount: 1 });
  const only = fixture.start();
  sendAndAwait(fixture, 50);
  only.node.kill();
  spoil(only, 10 * KIB, 11 * KIB);
  fixture.cluster.start(only);
  fixture.run(10 * SECOND);
  t.equal(fixture.leader(), undefined);
  t.equal(fixture.status(only).health, 'corrupt');
  fixture.close();
  t.end();
});

test('the scrubber of a leader finds rot and takes it back from a follower', (t) => {
  const fixture = new ClusterFixture({ member: { scrubCycleMs: 500 } });
  const leader = fixture.start();
  sendAndAwait(fixture, 300);
  const term = fixture.status(leader).leadershipTermId;
  spoil(leader, 40 * KIB, 41 * KIB);
  spoil(leader, 200 * KIB, 208 * KIB);
  fixture.await(() => fixture.status(leader).counters.repairs === 2, 'both ranges are repaired');
  const { counters, isVoting, leadershipTermId } = fixture.status(leader);
  t.ok((counters.repairedBytes ?? 0) >= 9 * KIB, `${counters.repairedBytes} bytes`);
  t.ok((counters.scrubbedBytes ?? 0) >= 200 * KIB, `${counters.scrubbedBytes} bytes were read`);
  t.equal(counters.damagedRanges, 0);
  t.ok(isVoting && leadershipTermId === term, 'it led on meanwhile');
  t.equal(fixture.warnings.filter((text) => /is damaged from/.test(text)).length, 2);
  t.equal(fixture.warnings.filter((text) => /is whole again from/.test(text)).length, 2);
  fixture.close();
  t.end();
});

test('a follower is never sent what has rotted in the archive of its leader', (t) => {
  const fixture = new ClusterFixture();
  const leader = fixture.start();
  const away = fixture.followers()[0] as SimulatedMember;
  away.node.kill();
  sendAndAwait(fixture, 600);
  // What the term buffers no longer hold is read from the archive, and there it is damaged.
  spoil(leader, 100 * KIB, 104 * KIB);
  fixture.cluster.start(away);
  awaitEqualServices(fixture);
  t.equal(fixture.status(leader).counters.repairs, 1, 'found by reading it, and repaired');
  t.equal(fixture.status(away).counters.damagedRanges, 0);
  fixture.close();
  t.end();
});

test('damage in a tail that the cluster does not have is cut with it', (t) => {
  const fixture = new ClusterFixture();
  const leader = fixture.start();
  sendAndAwait(fixture, 50);
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const { commitPosition } = fixture.status(leader);
  for (const other of fixture.followers()) {
    fixture.world.network.block(leader.node, other.node);
    fixture.world.network.block(other.node, leader.node);
  }
  for (let value = 0; value < 30; value++) {
    fixture.send(client, messageOf(value, 1000));
  }
  fixture.run(5 * SECOND);
  leader.node.kill();
  client.node.kill();
  const end = durableMarkPosition(leader.node.disk);
  t.ok(end > commitPosition + 10 * KIB, `a tail from ${commitPosition} to ${end}`);
  spoil(leader, commitPosition + 4 * KIB, commitPosition + 5 * KIB);
  fixture.world.network.heal();
  const next = fixture.awaitLeader();
  t.notEqual(next.memberId, leader.memberId);
  fixture.cluster.start(leader);
  awaitEqualServices(fixture);
  fixture.await(() => fixture.status(leader).isVoting, 'its vote counts again');
  t.equal(fixture.status(leader).counters.damagedRanges, 0);
  fixture.close();
  t.end();
});

test('a new leader whose own tail has rotted gives way, and follows without a restart', (t) => {
  const fixture = new ClusterFixture();
  const leader = fixture.start();
  sendAndAwait(fixture, 50);
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const followers = fixture.followers();
  for (const { node } of followers) {
    node.kill();
  }
  for (let value = 0; value < 30; value++) {
    fixture.send(client, messageOf(value, 1000));
  }
  fixture.await(() => fixture.status(leader).state === 'CANVASS', 'it leads no more');
  client.node.kill();
  fixture.run(SECOND);
  const { commitPosition, durablePosition, leadershipTermId } = fixture.status(leader);
  t.equal(leadershipTermId, -1, 'it stands in no term');
  t.ok(durablePosition > commitPosition + 10 * KIB, `${commitPosition} to ${durablePosition}`);
  // It rots while the member runs, and nobody else has it.
  spoil(leader, commitPosition, durablePosition);
  for (const follower of followers) {
    fixture.cluster.start(follower);
  }
  const isOpening = () => fixture.status(leader).state === 'LEADER_LOG_REPLICATION';
  fixture.await(isOpening, 'it has the most log, and is elected');
  fixture.await(() => fixture.status(leader).counters.damagedRanges === 1, 'it finds the damage');
  const next = fixture.awaitLeader();
  t.notEqual(next.memberId, leader.memberId, 'it could not begin its term');
  awaitEqualServices(fixture);
  t.equal(fixture.status(leader).state, 'CLOSED', 'it follows');
  t.equal(fixture.status(leader).counters.damagedRanges, 0, 'what was damaged is cut');
  const third = followers.find((one) => one !== next) as SimulatedMember;
  third.node.kill();
  sendAndAwait(fixture, 10);
  next.node.kill();
  fixture.cluster.start(third);
  fixture.awaitLeader();
  t.ok(fixture.status(leader).isVoting, 'and its vote counts');
  fixture.close();
  t.end();
});

test('requests for repair that cannot be are counted and dropped', (t) => {
  const fixture = new ClusterFixture();
  const leader = fixture.start();
  const care = leader.member?.observe()?.logCare;
  const request = { requestId: 1, leadershipTermId: 0, position: 0, lengthBytes: 4096 };
  const other = (leader.memberId + 1) % 3;
  t.ok(care?.onRepairRequest(other, request), 'a member that is known');
  t.notOk(care?.onRepairRequest(7, request), 'a member that is not configured');
  for (const impossible of [
    { ...request, position: 33 },
    { ...request, position: -32 },
    { ...request, position: Number.NaN },
    { ...request, lengthBytes: 0 },
    { ...request, lengthBytes: 1 << 30 },
  ]) {
    t.notOk(care?.onRepairRequest(other, impossible), JSON.stringify(impossible));
  }
  t.ok(care?.onRepairRequest(other, { ...request, position: 1 << 30 }), 'refused in its turn');
  fixture.run(SECOND);
  t.equal(fixture.status(leader).counters.repairRequestsRefused, 1);
  t.equal(RepairRequestEncoder.BLOCK_LENGTH, 32);
  fixture.close();
  t.end();
});

test('a member whose repair cannot be synced ends, and has the range when it is back', (t) => {
  const fixture = new ClusterFixture();
  fixture.start();
  sendAndAwait(fixture, 300);
  const victim = fixture.followers()[0] as SimulatedMember;
  const { disk } = victim.node;
  const path = segmentFileName(0);
  const whole = disk
    .snapshotDurable(path)
    ?.bytes()
    .slice(30 * KIB, 34 * KIB);
  victim.node.kill();
  spoil(victim, 30 * KIB, 34 * KIB);
  fixture.cluster.start(victim);
  disk.faultHook = ({ kind, path: of }) =>
    kind === OperationKind.Sync && of === path ? { result: StorageResult.InputOutput } : undefined;
  const errors: string[] = [];
  victim.node.onFatal = (_process, error) => errors.push((error as Error).message);
  fixture.await(() => errors.length > 0, 'the member that cannot repair ends');
  t.match(errors.join(), /could not sync 0-0.rec/);
  disk.faultHook = undefined;
  fixture.cluster.start(victim);
  awaitEqualServices(fixture);
  fixture.await(() => fixture.status(victim).isVoting, 'it votes again');
  t.deepEqual(
    disk
      .snapshotDurable(path)
      ?.bytes()
      .slice(30 * KIB, 34 * KIB),
    whole,
    'the disk has it, too',
  );
  fixture.close();
  t.end();
});
