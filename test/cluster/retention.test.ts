// retention.test.ts: how much log is kept that snapshots hold, by size and by age.

import test from 'tape';
import { segmentBases } from '../../src/archive/log-geometry.js';
import { concludeClusterConfig } from '../../src/cluster/cluster-config.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { SECOND } from './cluster-fixture.js';
import { areEqual, sendMessages, startSnapshots, takeSnapshot } from './snapshot-fixture.js';

const KIB = 1024;
const SEGMENT = 64 * KIB;
const PURGING = { logRetention: 'snapshots', snapshotCountKept: 1, snapshotIntervalLength: 0 };

function firstSegment(member: SimulatedMember): number {
  return segmentBases(member.node.disk.listCached(''))[0] ?? -1;
}

function startRetaining(settings: Record<string, number>) {
  const world = startSnapshots({
    member: { ...PURGING, ...settings } as Parameters<typeof startSnapshots>[0] extends
      | { member?: infer M }
      | undefined
      ? M
      : never,
  });
  world.fixture.start();
  const client = world.fixture.connect();
  world.fixture.await(() => client.isConnected, 'the client is connected');
  let next = 0;
  /** About 140 KiB of log, and a snapshot; returns its position. */
  const grow = (): number => {
    sendMessages(world, client, next, 200, 600);
    next += 200;
    return takeSnapshot(world);
  };
  return { world, grow };
}

test('log beyond the retained length is given up, and that much is kept', (t) => {
  const retained = 4 * SEGMENT;
  const { world, grow } = startRetaining({ logRetentionLength: retained });
  const { members } = world.fixture.cluster;
  grow();
  t.ok(
    members.every((one) => firstSegment(one) === 0),
    'as long as there is less, all is kept',
  );
  for (let round = 0; round < 5; round++) {
    grow();
  }
  const position = grow();
  world.fixture.run(SECOND);
  for (const one of members) {
    const kept = position - firstSegment(one);
    t.ok(kept >= retained && kept < retained + 2 * SEGMENT, `${kept} bytes are kept`);
  }
  for (const one of members) {
    one.node.kill();
  }
  world.fixture.cluster.startAll();
  world.fixture.awaitLeader();
  world.fixture.await(() => areEqual(world), 'all start from what is left');
  world.fixture.close();
  t.end();
});

test('log that is older than the retained time is given up, and younger log is kept', (t) => {
  const { world, grow } = startRetaining({ logRetentionMs: 60_000 });
  const { members } = world.fixture.cluster;
  grow();
  const second = grow();
  world.fixture.run(30 * SECOND);
  grow();
  t.ok(
    members.every((one) => firstSegment(one) === 0),
    'after half of the time all is there',
  );
  world.fixture.run(40 * SECOND);
  const last = grow();
  world.fixture.run(SECOND);
  for (const one of members) {
    const first = firstSegment(one);
    t.ok(first > 0 && first <= second, `it begins at ${first}, before ${second}`);
    t.ok(last - first > 2 * SEGMENT, 'and what is younger is there');
  }
  world.fixture.close();
  t.end();
});

test('sizes and ages without purging are refused: they would do nothing', (t) => {
  const members = '0,127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4,127.0.0.1:5';
  const conclude = (member: object) => () =>
    concludeClusterConfig({ members }, { memberId: 0, ...member });
  t.throws(conclude({ logRetentionMs: 1 }), /member\.logRetention is 'all'.*'snapshots'/);
  t.throws(conclude({ logRetentionLength: 1 }), /logRetention is 'all'/);
  t.doesNotThrow(conclude({ logRetention: 'snapshots', logRetentionMs: 1 }));
  t.end();
});
