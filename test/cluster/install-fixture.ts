// install-fixture.ts: members that are given a snapshot, and how they come to need one.

import { segmentBases } from '../../src/archive/log-geometry.js';
import type { SnapshotEntry } from '../../src/archive/snapshot-recording.js';
import type { Member } from '../../src/cluster/member.js';
import type { MemberParts } from '../../src/cluster/member-assembly.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import type { DatagramFilter } from '../../src/simulator/virtual-network.js';
import { MS, SECOND, type TestClient } from './cluster-fixture.js';
import {
  type SnapshotWorld,
  sendMessages,
  startSnapshots,
  takeSnapshot,
} from './snapshot-fixture.js';

export const PURGING = {
  member: { logRetention: 'snapshots', snapshotCountKept: 2 },
} as const;

/** Starts members again that have installed a snapshot. Returns how many did. */
export function restartInstalled(world: SnapshotWorld): { count: number } {
  const installs = { count: 0 };
  for (const member of world.fixture.cluster.members) {
    member.node.onFatal = (_process, error) => {
      if (error instanceof PawlError && error.code === ErrorCode.SnapshotInstalled) {
        installs.count++;
        world.fixture.world.schedule(world.fixture.world.nowNs + MS, undefined, () =>
          world.fixture.cluster.start(member),
        );
        return;
      }
      throw error;
    };
  }
  return installs;
}

/** Base of the first segment of a member's log. */
export function firstSegment(member: SimulatedMember): number {
  return segmentBases(member.node.disk.listCached(''))[0] ?? -1;
}

export function startClient(world: SnapshotWorld): TestClient {
  const client = world.fixture.connect();
  world.fixture.await(() => client.isConnected, 'the client is connected');
  return client;
}

/** Messages and snapshots until the members that run have purged their first segments. */
export function fillAndPurge(world: SnapshotWorld, client: TestClient): void {
  const running = world.fixture.cluster.members.filter((one) => one.member !== undefined);
  // A follower that is silent for so long is not waited for.
  world.fixture.run(6 * SECOND);
  for (let round = 0; round < 10; round++) {
    sendMessages(world, client, 1_000 + round * 200, 200, 600);
    takeSnapshot(world);
    if (running.every((one) => firstSegment(one) > 0)) {
      return;
    }
  }
  throw new Error(`nothing was purged: ${running.map(firstSegment).join()}`);
}

/** Keeps the log from a member; all else reaches it. Answers how to let it through again. */
export function withholdLog(
  { fixture }: SnapshotWorld,
  { config, node, memberId }: SimulatedMember,
) {
  const { network } = fixture.world;
  const own = config.endpoints.find((endpoint) => endpoint.memberId === memberId);
  const filter: DatagramFilter = (_from, to, _buffer, _offset, _length, _socket, addressId) =>
    to !== node || network.addressOf(addressId).port !== own?.log.port;
  network.addFilter(filter);
  return (): void => network.removeFilter(filter);
}

/** The leader offers a member a snapshot that it has, whatever the member asked for. */
export function offerSnapshot(
  { fixture }: SnapshotWorld,
  leader: SimulatedMember,
  to: SimulatedMember,
  entry: SnapshotEntry,
): void {
  const { election, publisher } = (leader.member as Member).observe() as MemberParts;
  publisher.snapshotOffer(to.memberId, election.leadershipTermId(), entry);
  fixture.wakeAll();
}

/** A cluster one of whose members is down, while the others purge their log. */
export function purgeBehindSleeper() {
  const world = startSnapshots(PURGING);
  const { fixture, services } = world;
  const installs = restartInstalled(world);
  fixture.start();
  const client = startClient(world);
  sendMessages(world, client, 0, 20);
  const sleeper = fixture.followers()[0] as SimulatedMember;
  sleeper.node.kill();
  services.delete(sleeper.memberId);
  fillAndPurge(world, client);
  return { client, installs, sleeper, world };
}
