// The judge of shutdowns: members that end by one order at two positions, or not where their logs
// end, are seen. Method: a cluster is ended for real, and the judge is told something else.

import test from 'tape';
import { Judge } from '../../src/simulator/invariants/judge.js';
import { Shutdowns } from '../../src/simulator/shutdowns.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { Timeline } from '../../src/simulator/timeline.js';
import { ClusterFixture, SECOND } from '../cluster/cluster-fixture.js';

/** Ends a cluster of three, and tells the judge positions that are off by so much. */
function judged(offsetOf: (memberId: number) => number) {
  const fixture = new ClusterFixture({
    memberCount: 3,
    events: (memberId) => ({
      onTerminated: (position) => shutdowns.onTerminated(memberId, position + offsetOf(memberId)),
    }),
  });
  const { cluster, world } = fixture;
  const judge = new Judge(world);
  const timeline = new Timeline(world, false);
  const shutdowns = new Shutdowns({ world, cluster, timeline, judge, intervalNs: SECOND });
  fixture.start();
  shutdowns.begin(world.nowNs + 10 * SECOND);
  fixture.await(() => shutdowns.endedCount === 3, 'all members were ended');
  fixture.await(
    () => cluster.members.every(({ node }: SimulatedMember) => node.process === undefined),
    'and their processes with them',
  );
  const { violation } = judge;
  fixture.close();
  return { violation, shutdowns };
}

test('a cluster that ends as it should is found right, and is counted once', (t) => {
  const { shutdowns, violation } = judged(() => 0);
  t.equal(violation, undefined);
  t.equal(shutdowns.count, 1);
  t.end();
});

test('members that end at two positions are told apart', (t) => {
  const { violation } = judged((memberId) => 32 * memberId);
  t.equal(violation?.invariant, 'shutdown');
  t.match(violation?.message ?? '', /member \d ends at \d+, and (another|its log) at \d+/);
  t.end();
});

test('a log that does not end where its member says so is seen', (t) => {
  const { violation } = judged(() => 32);
  t.equal(violation?.invariant, 'shutdown');
  t.match(violation?.message ?? '', /member \d ends at \d+, and its log at \d+$/);
  t.end();
});
