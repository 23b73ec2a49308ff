// membership.test.ts: members that come back, late, blank, foreign, damaged or different.

import test from 'tape';
import type { Birth } from '../../src/archive/birth.js';
import { segmentFileName } from '../../src/archive/log-geometry.js';
import { restoreDirectory } from '../../src/archive/restore.js';
import { StorageTasks } from '../../src/archive/storage-task.js';
import { ClusterFixture, MS, messageOf, SECOND } from './cluster-fixture.js';

function sendAndAwait(fixture: ClusterFixture, count: number, length = 1000): void {
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  for (let value = 0; value < count; value++) {
    fixture.send(client, messageOf(value, length));
  }
  fixture.await(() => client.received.length === count, 'all messages came back');
  client.client?.close();
  fixture.run(50 * MS);
  client.node.kill();
}

function awaitEqualPositions(fixture: ClusterFixture): void {
  fixture.await(() => {
    const positions = fixture.cluster.members.map((one) => one.member?.status().servicePosition);
    return positions.every((position) => position === positions[0]);
  }, 'all services are at the same position');
}

test('a member that was away for several term buffers catches up from the archive', (t) => {
  const fixture = new ClusterFixture();
  fixture.start();
  const away = fixture.followers()[0];
  away?.node.kill();
  sendAndAwait(fixture, 600);
  t.ok(fixture.status(fixture.awaitLeader()).commitPosition > 8 * 64 * 1024, 'eight terms went by');
  if (away !== undefined) {
    fixture.cluster.start(away);
  }
  awaitEqualPositions(fixture);
  fixture.close();
  t.end();
});

test('a restored copy has no vote until it has caught up, and is another incarnation', (t) => {
  const fixture = new ClusterFixture();
  fixture.start();
  sendAndAwait(fixture, 50);
  const restored = fixture.followers()[0];
  if (restored === undefined) {
    throw new Error('there is no follower');
  }
  // What it holds now is the backup: the others go on, and it may have promised more than it knows.
  restored.node.kill();
  sendAndAwait(fixture, 50);
  const births: Birth[] = [];
  restored.node.start((process) => {
    process.spawn('restore', (ports) => {
      const tasks = new StorageTasks(ports.storage);
      tasks.run(
        restoreDirectory(ports.storage, ports.entropy),
        (birth) => births.push(birth),
        (error) => {
          throw error;
        },
      );
      const rest = { deadlineNs: () => Number.POSITIVE_INFINITY, close: () => undefined };
      return [{ roleName: 'restore', doWork: () => tasks.poll(), ...rest }];
    });
  });
  fixture.await(() => births.length > 0, 'the copy is restored');
  restored.node.stop();
  const voting: boolean[] = [];
  fixture.cluster.start(restored);
  fixture.await(() => {
    const status = restored.member?.status();
    if (status !== undefined && status.state !== 'OPENING') {
      voting.push(status.isVoting);
    }
    return status?.isVoting === true;
  }, 'it is admitted');
  t.equal(voting[0], false, 'at first it has no vote');
  t.equal(births[0]?.voting, false);
  awaitEqualPositions(fixture);
  fixture.awaitLeader().node.kill();
  fixture.awaitLeader();
  t.pass('its vote elects the next leader');
  fixture.close();
  t.end();
});

test('a follower cut off beyond the window goes on from the archive without an election', (t) => {
  const fixture = new ClusterFixture();
  fixture.start();
  const slow = fixture.followers()[0];
  const termBefore = fixture.status(fixture.awaitLeader()).leadershipTermId;
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  if (slow !== undefined) {
    fixture.world.network.block(fixture.awaitLeader().node, slow.node);
  }
  for (let value = 0; value < 400; value++) {
    fixture.send(client, messageOf(value, 1000));
  }
  fixture.await(() => client.received.length === 400, 'a quorum without it goes on');
  fixture.world.network.heal();
  awaitEqualPositions(fixture);
  t.equal(
    fixture.status(fixture.awaitLeader()).leadershipTermId,
    termBefore,
    'the term is the same',
  );
  fixture.close();
  t.end();
});

test('a blank directory starts without a vote and gets it when it has caught up', (t) => {
  const fixture = new ClusterFixture();
  fixture.start();
  sendAndAwait(fixture, 20);
  const lost = fixture.followers()[0];
  if (lost === undefined) {
    throw new Error('there is a follower');
  }
  lost.node.kill();
  lost.node.disk.reformat();
  fixture.cluster.start(lost);
  fixture.await(() => lost.member?.status().leaderMemberId !== -1, 'the member has a leader');
  t.notOk(fixture.status(lost).isVoting, 'it has no vote');
  t.ok(
    fixture.warnings.some((warning) => /data directory is blank/.test(warning)),
    'it says so, with the remedy',
  );
  fixture.await(() => fixture.status(lost).isVoting, 'the leader admitted it');
  awaitEqualPositions(fixture);
  const leader = fixture.awaitLeader();
  leader.node.kill();
  fixture.run(50 * MS);
  t.notEqual(fixture.awaitLeader().memberId, leader.memberId, 'and its vote elects a new leader');
  fixture.close();
  t.end();
});

test('a blank member does not help to elect a leader', (t) => {
  const fixture = new ClusterFixture();
  const leader = fixture.start();
  sendAndAwait(fixture, 5);
  const [blank, other] = fixture.followers();
  if (blank === undefined || other === undefined) {
    throw new Error('there are two followers');
  }
  blank.node.kill();
  blank.node.disk.reformat();
  leader.node.kill();
  fixture.cluster.start(blank);
  fixture.run(10 * SECOND);
  t.equal(fixture.leader(), undefined, 'one voter of three is no quorum');
  fixture.cluster.start(leader);
  fixture.awaitLeader();
  fixture.await(() => fixture.status(blank).isVoting, 'the blank member is admitted');
  fixture.close();
  t.end();
});

test('damage below the mark rests a vote until the range is repaired in place', (t) => {
  const fixture = new ClusterFixture();
  fixture.start();
  sendAndAwait(fixture, 50);
  const damaged = fixture.followers()[0];
  if (damaged === undefined) {
    throw new Error('there is a follower');
  }
  const commit = fixture.status(damaged).commitPosition;
  fixture.run(500 * MS);
  damaged.node.kill();
  damaged.node.disk.flipBits(segmentFileName(0), 1_000, 0x10);
  fixture.cluster.start(damaged);
  fixture.await(() => damaged.member?.status().health !== 'opening', 'the member has recovered');
  t.equal(fixture.status(damaged).health, 'corrupt');
  t.notOk(fixture.status(damaged).isVoting);
  t.ok(commit > 1_000);
  fixture.await(() => fixture.status(damaged).isVoting, 'it was repaired');
  t.equal(fixture.status(damaged).health, 'repaired');
  t.equal(fixture.status(damaged).counters.repairs, 1);
  t.equal(fixture.status(damaged).counters.truncations, 0);
  t.equal(
    fixture.status(fixture.awaitLeader()).counters.admissions,
    0,
    'no leader had to admit it',
  );
  awaitEqualPositions(fixture);
  fixture.close();
  t.end();
});

test('a member with other cluster settings is refused and the cluster goes on', (t) => {
  const fixture = new ClusterFixture();
  fixture.start();
  const follower = fixture.followers()[0];
  if (follower === undefined) {
    throw new Error('there is a follower');
  }
  follower.node.kill();
  const changed = follower as { config: typeof follower.config };
  changed.config = {
    ...follower.config,
    consensus: { ...follower.config.consensus, configurationHash: 1n },
  };
  fixture.cluster.start(follower);
  fixture.await(
    () => fixture.warnings.some((warning) => /settings differ/.test(warning)),
    'the refusal is reported',
  );
  sendAndAwait(fixture, 5);
  fixture.run(2 * SECOND);
  t.equal(fixture.status(follower).commitPosition, 0, 'it took no part');
  const refusals = fixture.warnings.filter((warning) => /settings differ/.test(warning));
  t.equal(new Set(refusals).size, refusals.length, 'what each member said is told once');
  fixture.close();
  t.end();
});

test('a single member commits only what its own disk holds', (t) => {
  const fixture = new ClusterFixture({ memberCount: 1 });
  const only = fixture.start();
  sendAndAwait(fixture, 10);
  const position = fixture.status(only).commitPosition;
  only.node.powerCut();
  fixture.cluster.start(only);
  fixture.awaitLeader();
  fixture.await(() => fixture.status(only).servicePosition >= position, 'the log is replayed');
  fixture.close();
  t.end();
});

test('garbage on every port is counted and changes nothing', (t) => {
  const fixture = new ClusterFixture();
  const leader = fixture.start();
  const stranger = fixture.world.addNode({ name: 'stranger' });
  stranger.start((process) => {
    process.spawn('main', (ports) => {
      const bytes = new Uint8Array(1500);
      let sent = 0;
      const sockets = fixture.cluster.members.flatMap((one) =>
        [9001, 9002, 9003].map((port) =>
          ports.network.open({
            host: stranger.hosts[0] ?? '',
            port: 0,
            remote: { host: one.node.hosts[0] ?? '', port },
            sendBufferLength: 65_536,
            receiveBufferLength: 65_536,
            inboxLengthMax: 65_536,
          }),
        ),
      );
      return [
        {
          roleName: 'stranger',
          doWork() {
            if (sent >= 2_000) {
              return 0;
            }
            for (let index = 0; index < bytes.length; index++) {
              bytes[index] = ports.entropy.nextUint32() & 0xff;
            }
            const length = 1 + (ports.entropy.nextUint32() % bytes.length);
            // Every second datagram looks like a frame of a kind that exists.
            if (sent % 2 === 0) {
              bytes[4] = 0;
              bytes[6] = ports.entropy.nextUint32() % 9;
              bytes[7] = 0;
            }
            sockets[sent % sockets.length]?.send(bytes.slice(), 0, length);
            sent++;
            return 0;
          },
          deadlineNs: () =>
            sent >= 2_000 ? Number.POSITIVE_INFINITY : ports.clock.nowNs() + MS / 4,
          close() {
            for (const socket of sockets) {
              socket.close();
            }
          },
        },
      ];
    });
  });
  sendAndAwait(fixture, 50);
  fixture.run(SECOND);
  const { counters } = fixture.status(leader);
  t.ok((counters.malformedDatagrams ?? 0) > 50, `${counters.malformedDatagrams} were malformed`);
  t.equal(fixture.awaitLeader().memberId, leader.memberId, 'the leader is the same');
  fixture.close();
  t.end();
});

test('a log that rots while a service reads it is repaired while the member goes on', (t) => {
  const fixture = new ClusterFixture();
  fixture.start();
  const rotten = fixture.followers()[0];
  if (rotten === undefined) {
    throw new Error('there is a follower');
  }
  sendAndAwait(fixture, 100);
  fixture.run(500 * MS);
  const { servicePosition } = fixture.status(rotten);
  rotten.node.onFatal = (_process, error) => t.fail(String((error as Error).message));
  // After a restart the service reads its archive, not the live log's buffers.
  rotten.node.kill();
  fixture.cluster.start(rotten);
  fixture.await(() => rotten.member?.status().health === 'sound', 'the member has recovered');
  rotten.node.disk.flipBits(segmentFileName(0), 2_000, 0x10);
  fixture.await(() => fixture.status(rotten).counters.repairs === 1, 'the range is repaired');
  t.ok(fixture.status(rotten).isVoting, 'its vote never rested');
  fixture.await(() => fixture.status(rotten).servicePosition >= servicePosition, 'it goes on');
  t.equal(fixture.status(rotten).counters.damagedRanges, 0);
  awaitEqualPositions(fixture);
  fixture.close();
  t.end();
});
