// services-install.test.ts: a member of several services whose log the others have purged is given
// the snapshot of all of them, or says why it cannot take it.

import test from 'tape';
import { segmentBases } from '../../src/archive/log-geometry.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { MS, SECOND, type TestClient } from './cluster-fixture.js';
import {
  MessagingService,
  numbersFrom,
  Order,
  orderOf,
  ServicesFixture,
  upTo,
} from './services-fixture.js';

/** Each fills more than a segment of the log. */
const ROUNDS_MAX = 10;
const PURGING = { logRetention: 'snapshots', snapshotCountKept: 1 } as const;

class VersionedService extends MessagingService {
  readonly snapshotVersion: number;

  constructor(serviceId: number, version: number) {
    super(serviceId);
    this.snapshotVersion = version;
  }
}

/** A cluster with a member down, whose log the others have purged since. */
function purgedWithout(fixture: ServicesFixture, client: TestClient): SimulatedMember {
  const sleeper = fixture.followers()[0] as SimulatedMember;
  sleeper.node.kill();
  const running = fixture.cluster.members.filter((one) => one !== sleeper);
  const hasPurged = ({ node }: SimulatedMember): boolean =>
    (segmentBases(node.disk.listCached(''))[0] ?? 0) > 0;
  // A follower that is silent for so long is not waited for.
  fixture.run(6 * SECOND);
  for (let round = 1; !running.every(hasPurged); round++) {
    if (round > ROUNDS_MAX) {
      throw new Error('nothing was purged');
    }
    fixture.send(client, orderOf(0, Order.Send, 20, 2_000));
    fixture.send(client, orderOf(1, Order.Send, 20, 2_000));
    fixture.awaitMessages(40 * round);
    fixture.awaitLeader().member?.requestSnapshot();
    fixture.wakeAll();
    fixture.run(200 * MS);
  }
  return sleeper;
}

test('a member is given the snapshot of all services, and then their messages once each', (t) => {
  const fixture = new ServicesFixture({ seed: 41, member: PURGING });
  const client = fixture.begin();
  const sleeper = purgedWithout(fixture, client);
  let installCount = 0;
  sleeper.node.onFatal = (_process, error) => {
    if (!(error instanceof PawlError) || error.code !== ErrorCode.SnapshotInstalled) {
      throw error;
    }
    installCount++;
    fixture.world.schedule(fixture.world.nowNs + MS, undefined, () =>
      fixture.cluster.start(sleeper),
    );
  };
  fixture.cluster.start(sleeper);
  fixture.send(client, orderOf(1, Order.Send, 5));
  fixture.await(() => installCount === 1 && fixture.areEqual(), 'it has the state of the others');
  for (const service of fixture.ofMember(sleeper.memberId)) {
    t.ok(service.loadedPosition > 0, `service ${service.serviceId} started from the snapshot`);
    const { sentCount } = fixture.ofMember(sleeper.memberId)[1]?.told ?? { sentCount: 0 };
    t.deepEqual(numbersFrom(service, 1), upTo(sentCount), 'nothing is missing or doubled');
  }
  fixture.close();
  t.end();
});

test('a member that cannot read the part of one service says so, and asks no second time', (t) => {
  const versions = [1, 3];
  const fixture = new ServicesFixture({
    seed: 42,
    member: PURGING,
    makeService: (id) => new VersionedService(id, versions[id] as number),
  });
  const client = fixture.begin();
  const sleeper = purgedWithout(fixture, client);
  versions[1] = 2;
  fixture.cluster.start(sleeper);
  const refused = /cannot be used: its state of service 1 is of version 3/;
  fixture.await(() => fixture.warnings.some((text) => refused.test(text)), 'it refuses');
  // What was asked for before may still be on its way.
  fixture.run(SECOND);
  const received = fixture.status(fixture.awaitLeader()).counters.snapshotBlocksSent ?? 0;
  fixture.run(5 * SECOND);
  t.equal(fixture.warnings.filter((text) => refused.test(text)).length, 1, 'once');
  const sent = fixture.status(fixture.awaitLeader()).counters.snapshotBlocksSent;
  t.equal(sent, received, 'nothing of it is sent again');
  const leaders = fixture.cluster.members.filter((one) => one.member?.status().role === 'leader');
  t.equal(leaders.length, 1, 'the others go on');
  fixture.close();
  t.end();
});
