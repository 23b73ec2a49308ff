// step-down.test.ts: what the others, and an operator, learn of a leader that gives up, of a member
// that looks for a leader, and of a log that cannot be sent.

import test from 'tape';
import type { RecorderProxy } from '../../src/archive/recorder-proxy.js';
import { concludeClusterConfig } from '../../src/cluster/cluster-config.js';
import { LeaderLog } from '../../src/cluster/leader-log.js';
import type { BlockSource } from '../../src/transport/block-source.js';
import type { Transport } from '../../src/transport/transport.js';
import { ClusterFixture, MS, messageOf } from './cluster-fixture.js';

const MEMBERS = [0, 1, 2]
  .map((id) => [id, ...[1, 2, 3, 4, 5].map((port) => `127.0.0.1:${20_000 + id * 10 + port}`)])
  .map((parts) => parts.join(','))
  .join('|');

function load(fixture: ClusterFixture, count: number): void {
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  for (let value = 0; value < count; value++) {
    fixture.send(client, messageOf(value, 500));
  }
  fixture.await(() => client.received.length === count, 'all messages came back');
}

test('a leader that steps down by itself tells its followers: they do not wait for it', (t) => {
  const states: { readonly memberId: number; readonly state: string; readonly timeNs: number }[] =
    [];
  const fixture: ClusterFixture = new ClusterFixture({
    events: (memberId) => ({
      onStateChange: (state) => states.push({ memberId, state, timeNs: fixture.world.nowNs }),
    }),
  });
  const leader = fixture.start();
  load(fixture, 20);
  states.length = 0;
  leader.node.disk.hang();
  const client = fixture.connect();
  fixture.send(client, messageOf(1, 100));
  fixture.await(
    () => fixture.followers().some((one) => one === leader) && fixture.leader() !== undefined,
    'another member leads',
  );
  const canvassNs = (isLeader: boolean): number =>
    states.find(
      ({ memberId, state }) => state === 'CANVASS' && (memberId === leader.memberId) === isLeader,
    )?.timeNs ?? Number.POSITIVE_INFINITY;
  const waitedMs = (canvassNs(false) - canvassNs(true)) / MS;
  t.ok(waitedMs >= 0 && waitedMs < 10, `the first follower canvasses ${waitedMs} ms later`);
  leader.node.disk.resume();
  fixture.close();
  t.end();
});

test('a member that looks for a leader says how much log it has', (t) => {
  const fixture = new ClusterFixture();
  fixture.start();
  load(fixture, 50);
  const end = fixture.status(fixture.awaitLeader()).appendPosition;
  for (const { node } of fixture.cluster.members) {
    node.kill();
  }
  const alone = fixture.cluster.members[0];
  if (alone !== undefined) {
    fixture.cluster.start(alone);
    fixture.await(() => fixture.status(alone).state === 'CANVASS', 'it looks for a leader');
    const { appendPosition, durablePosition } = fixture.status(alone);
    t.ok(appendPosition > 0 && appendPosition <= end, `appended ${appendPosition} of ${end}`);
    t.equal(durablePosition, appendPosition, 'all that it has is durable');
  }
  fixture.close();
  t.end();
});

test('a follower that cannot be sent the recorded log is tried again and reported', (t) => {
  const warnings: string[] = [];
  const started: number[] = [];
  const failure: { error: Error | undefined } = { error: undefined };
  const publication = {
    setQuorumSize: () => undefined,
    addDestination: () => undefined,
    destinationFailure: (memberId: number) => (memberId === 1 ? failure.error : undefined),
    destinationConsumed: () => 4_096,
    position: () => 8_192,
    startDestination: (memberId: number) => started.push(memberId),
  };
  const transport = { addLogPublication: () => publication } as unknown as Transport;
  const recorder = { start: () => undefined } as unknown as RecorderProxy;
  const config = concludeClusterConfig({ members: MEMBERS }, { memberId: 0 });
  const source = {} as BlockSource;
  const onRelease = (): void => undefined;
  const log = new LeaderLog(transport, config, recorder, source, onRelease, (message) =>
    warnings.push(message),
  );
  log.open(1, 0, 7);
  log.tryFailedAgain(0);
  t.deepEqual([warnings.length, started.length], [0, 0], 'nothing has failed');
  failure.error = new Error('the recording cannot be read at 4096');
  log.tryFailedAgain(1_000 * MS);
  t.match(warnings.join(), /member 1 cannot be sent the log: the recording cannot be read at 4096/);
  log.tryFailedAgain(1_100 * MS);
  t.deepEqual(started, [], 'not at once');
  for (let nowMs = 1_250; nowMs < 4_000; nowMs += 50) {
    log.tryFailedAgain(nowMs * MS);
  }
  t.deepEqual(started, [1, 1, 1, 1], 'four times, for it may be gone for good');
  failure.error = undefined;
  log.tryFailedAgain(5_000 * MS);
  failure.error = new Error('again');
  log.tryFailedAgain(6_000 * MS);
  t.equal(warnings.length, 2, 'what fails again after it went well is told again');
  t.end();
});

test('log that was sent and not consumed is not purged: what got lost is asked for again', (t) => {
  const needed = new Map([
    [1, 4_096],
    [2, 1_024],
  ]);
  const publication = {
    setQuorumSize: () => undefined,
    addDestination: () => undefined,
    isDestinationConnected: (memberId: number) => memberId === 1,
    destinationNeeded: (memberId: number) => needed.get(memberId),
    destinationPosition: () => 8_192,
    position: () => 8_192,
  };
  const transport = { addLogPublication: () => publication } as unknown as Transport;
  const recorder = { start: () => undefined } as unknown as RecorderProxy;
  const config = concludeClusterConfig({ members: MEMBERS }, { memberId: 0 });
  const ignore = (): void => undefined;
  const log = new LeaderLog(transport, config, recorder, {} as BlockSource, ignore, ignore);
  t.equal(log.lowestNeededPosition(), Number.POSITIVE_INFINITY, 'nobody needs what nobody sends');
  log.open(1, 0, 7);
  t.equal(log.lowestNeededPosition(), 4_096, 'by the follower that listens');
  t.end();
});
