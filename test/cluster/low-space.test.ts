// low-space.test.ts: a disk that is nearly full, before it is full.

import test from 'tape';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { DISK_CAPACITY_BYTES } from '../../src/simulator/virtual-disk.js';
import { ClusterFixture, MS, messageOf, SECOND } from './cluster-fixture.js';

const KIB = 1024;
const LOW = 512 * KIB;
const SETTINGS = { lowSpaceLength: LOW, spaceCheckIntervalMs: 100 };

function setRoom({ node }: SimulatedMember, length: number): void {
  node.disk.capacityBytes -= node.disk.freeBytes - length;
}

function isSpaceWarning(text: string): boolean {
  return /the disk has/.test(text);
}

function start(member: Partial<typeof SETTINGS> = SETTINGS) {
  const fixture = new ClusterFixture({ member: { ...SETTINGS, ...member } });
  const leader = fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  return { fixture, leader, client };
}

test('a leader hands over before its disk is full, and goes on as a follower', (t) => {
  const { fixture, leader, client } = start();
  const term = fixture.status(leader).leadershipTermId;
  setRoom(leader, LOW - KIB);
  fixture.await(() => fixture.leader() !== undefined && fixture.leader() !== leader, 'it led');
  const next = fixture.leader() as SimulatedMember;
  t.equal(fixture.status(next).leadershipTermId, term + 1, 'one election is enough');
  t.equal(fixture.status(leader).health, 'low space');
  t.ok((fixture.status(leader).freeSpaceLength ?? LOW) < LOW);
  t.equal(fixture.status(leader).counters.lowSpaceTransfers, 1);
  fixture.await(() => client.newLeaders.length > 0, 'the client knows the new leader');
  fixture.send(client, messageOf(1));
  fixture.await(() => client.received.length === 1, 'the cluster serves');
  const { commitPosition } = fixture.status(next);
  fixture.await(() => fixture.status(leader).servicePosition >= commitPosition, 'it follows');
  fixture.run(3 * SECOND);
  t.equal(fixture.leader(), next, 'leadership stays where there is room');
  t.match(fixture.warnings.filter(isSpaceWarning)[0] ?? '', /less than lowSpaceLength \(524288\)/);
  fixture.close();
  t.end();
});

test('a member is short of room until it has clearly more, and says so once each way', (t) => {
  const { fixture } = start();
  const [follower] = fixture.followers() as [SimulatedMember];
  const warnings = () => fixture.warnings.filter(isSpaceWarning).length;
  setRoom(follower, LOW);
  fixture.run(500 * MS);
  t.equal(warnings(), 0, 'the limit itself is enough');
  for (let round = 0; round < 5; round++) {
    setRoom(follower, LOW - 1 - round);
    fixture.run(300 * MS);
    setRoom(follower, LOW + 64 * KIB);
    fixture.run(300 * MS);
  }
  t.equal(warnings(), 1, 'around the limit nothing is said again');
  t.equal(fixture.status(follower).health, 'low space');
  follower.node.disk.capacityBytes = DISK_CAPACITY_BYTES;
  fixture.await(() => fixture.status(follower).health === 'sound', 'it has room again');
  t.match(fixture.warnings.at(-1) ?? '', /the disk has room again/);
  t.equal(fixture.status(follower).counters.lowSpaceCount, 1);
  fixture.close();
  t.end();
});

test('a member without room is not handed leadership, and nobody is when all are without', (t) => {
  const { fixture, leader } = start();
  const [first, second] = fixture.followers() as [SimulatedMember, SimulatedMember];
  setRoom(first, LOW / 2);
  fixture.await(() => fixture.status(first).health === 'low space', 'it is short of room');
  fixture.run(300 * MS);
  setRoom(leader, LOW / 2);
  fixture.await(() => fixture.leader() === second, 'the one with room leads');
  setRoom(second, LOW / 2);
  fixture.run(3 * SECOND);
  t.equal(fixture.leader(), second, 'there is nobody better');
  t.equal(fixture.status(second).counters.lowSpaceTransfers, 0);
  fixture.close();
  t.end();
});

test('with lowSpaceLength 0 nobody looks', (t) => {
  const { fixture, leader } = start({ lowSpaceLength: 0 });
  setRoom(leader, 64 * KIB);
  fixture.run(2 * SECOND);
  t.equal(fixture.leader(), leader);
  t.equal(fixture.status(leader).freeSpaceLength, undefined);
  t.equal(fixture.status(leader).health, 'sound');
  fixture.close();
  t.end();
});
