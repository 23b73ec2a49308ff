// A shadow that has nothing whole to begin with gives its snapshot up, and the member goes on.

import test from 'tape';
import { segmentBases } from '../../src/archive/log-geometry.js';
import { recordingIdOf } from '../../src/archive/snapshot-recording.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { SECOND } from './cluster-fixture.js';
import { KeepingService, sendMessages, startSnapshots, takeSnapshot } from './snapshot-fixture.js';

const SHADOWED = 0;

test('where the log before is purged and no snapshot is whole, a shadow takes none', (t) => {
  const world = startSnapshots({
    memberOf: (memberId) => ({
      ...{ logRetention: 'snapshots', snapshotCountKept: 2 },
      snapshotBy: memberId === SHADOWED ? 'shadow' : 'service',
    }),
    shadow: () => new KeepingService(1),
  });
  const { fixture } = world;
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const member = fixture.cluster.members[SHADOWED] as SimulatedMember;
  const { disk } = member.node;
  const firstSegment = (): number => segmentBases(disk.listCached(''))[0] ?? 0;
  for (let round = 0; round < 10 && firstSegment() === 0; round++) {
    sendMessages(world, client, 1_000 + round * 200, 200, 600);
    takeSnapshot(world);
  }
  t.ok(firstSegment() > 0, 'the first segments are purged');
  for (const name of disk.listCached('').filter((one) => recordingIdOf(one) > 0)) {
    disk.flipBits(name, 40, 0x10);
  }
  const before = fixture.status(member).snapshotPosition;
  sendMessages(world, client, 9_000, 20);
  fixture.awaitLeader().member?.requestSnapshot();
  fixture.wakeAll();
  const given = /was given up: no earlier snapshot can be read, and the log before it is purged/;
  fixture.await(() => fixture.warnings.some((text) => given.test(text)), 'it is given up');
  fixture.run(SECOND);
  t.equal(fixture.status(member).snapshotPosition, before);
  sendMessages(world, client, 9_100, 20);
  t.equal(fixture.status(member).state, 'CLOSED', 'the member goes on');
  fixture.close();
  t.end();
});
