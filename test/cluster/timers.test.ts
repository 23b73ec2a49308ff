// timers.test.ts: timers as services see them: through the log, once, in order, whoever leads.

import test from 'tape';
import type { Cluster, ClusteredService } from '../../src/service/clustered-service.js';
import { ClusterFixture, MS, messageOf, SECOND } from './cluster-fixture.js';

/** What the service of a member was told, in order. */
interface Told {
  readonly fired: { id: number; deadline: number; timestamp: number; position: number }[];
  readonly times: number[];
}

/** Schedules a timer for each message: id, delay; a delay below zero cancels. */
class TimerService implements ClusteredService {
  readonly told: Told = { fired: [], times: [] };
  readonly #deadlines = new Map<number, number>();
  #cluster: Cluster | undefined;

  onStart(cluster: Cluster): void {
    this.#cluster = cluster;
  }

  onSessionMessage: ClusteredService['onSessionMessage'] = (session, timestamp, buffer, offset) => {
    const id = buffer.getInt32(offset, true);
    const delayMs = buffer.getInt32(offset + 4, true);
    this.told.times.push(timestamp);
    if (delayMs < 0) {
      this.#cluster?.cancelTimer(id);
    } else {
      this.#deadlines.set(id, timestamp + delayMs);
      this.#cluster?.scheduleTimer(id, timestamp + delayMs);
    }
    session.offer(buffer, offset, 8);
  };

  onTimerEvent(id: number, timestamp: number): void {
    const deadline = this.#deadlines.get(id) ?? Number.NaN;
    const position = this.#cluster?.logPosition() ?? -1;
    this.told.fired.push({ id, deadline, timestamp, position });
    this.told.times.push(timestamp);
  }
}

function timerMessage(id: number, delayMs: number): Uint8Array {
  const bytes = messageOf(id, 8);
  new DataView(bytes.buffer).setInt32(4, delayMs, true);
  return bytes;
}

/** A cluster, a connected client, and what every member's last service was told. */
function startTimers(seed: number) {
  const told = new Map<number, Told>();
  const fixture = new ClusterFixture({
    seed,
    service: (memberId) => {
      const service = new TimerService();
      told.set(memberId, service.told);
      return service;
    },
  });
  const leader = fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  const firedOf = (memberId: number) => told.get(memberId)?.fired ?? [];
  return { fixture, leader, client, told, firedOf };
}

test('a timer fires once on every member, at the same position and time, at its deadline', (t) => {
  const { fixture, client, firedOf } = startTimers(1);
  fixture.send(client, timerMessage(1, 500));
  fixture.await(() => [0, 1, 2].every((id) => firedOf(id).length === 1), 'the timer fired');
  const [first] = firedOf(0);
  t.deepEqual(firedOf(1), firedOf(0));
  t.deepEqual(firedOf(2), firedOf(0));
  const lateMs = (first?.timestamp ?? 0) - (first?.deadline ?? 0);
  t.ok(lateMs >= 0 && lateMs <= 5, `it fired ${lateMs} ms after its deadline`);
  fixture.run(2 * SECOND);
  t.equal(firedOf(0).length, 1, 'and never again');
  fixture.close();
  t.end();
});

test('timers of one deadline fire in the order in which they were scheduled', (t) => {
  const { fixture, client, firedOf } = startTimers(2);
  // All in one burst: most share a millisecond, and those that are past are due at once.
  const ids = [9, 3, 27, 1, 14, 5, 8, 40, 2];
  for (const id of ids) {
    fixture.send(client, timerMessage(id, 300));
  }
  fixture.await(() => firedOf(2).length === ids.length, 'all fired');
  const byDeadline = [...firedOf(0)].sort((a, b) => a.deadline - b.deadline);
  t.deepEqual(firedOf(0), byDeadline, 'no later deadline before an earlier one');
  t.deepEqual(
    firedOf(0).map((one) => one.id),
    ids,
  );
  t.deepEqual(firedOf(1), firedOf(0));
  fixture.close();
  t.end();
});

test('a cancelled timer does not fire', (t) => {
  const { fixture, client, firedOf } = startTimers(3);
  fixture.send(client, timerMessage(1, 400));
  fixture.send(client, timerMessage(2, 400));
  fixture.run(100 * MS);
  fixture.send(client, timerMessage(1, -1));
  fixture.await(() => firedOf(0).length === 1, 'the other one fired');
  fixture.run(SECOND);
  t.deepEqual(
    firedOf(0).map((one) => one.id),
    [2],
  );
  fixture.close();
  t.end();
});

test('a timer survives the death of the leader that would have proposed it', (t) => {
  const { fixture, leader, client, firedOf } = startTimers(4);
  fixture.send(client, timerMessage(1, 300));
  fixture.await(() => client.received.length === 1, 'it is scheduled');
  leader.node.kill();
  const others = [0, 1, 2].filter((id) => id !== leader.memberId);
  fixture.await(() => others.every((id) => firedOf(id).length === 1), 'it fired on both others');
  fixture.run(SECOND);
  fixture.cluster.start(leader);
  fixture.await(() => firedOf(leader.memberId).length === 1, 'and on the dead one, by its replay');
  t.deepEqual(firedOf(leader.memberId), firedOf(others[0] as number));
  fixture.close();
  t.end();
});

test('a timer that a dead leader proposed and could not commit is proposed by the next', (t) => {
  const { fixture, leader, client, firedOf } = startTimers(5);
  fixture.send(client, timerMessage(1, 300));
  fixture.await(() => client.received.length === 1, 'it is scheduled');
  const others = fixture.followers().map((one) => one.memberId);
  fixture.run(250 * MS);
  fixture.world.network.isolate(leader.node);
  fixture.run(200 * MS);
  const { appendPosition, commitPosition } = fixture.status(leader);
  t.ok(appendPosition > commitPosition, 'the event is appended, and cannot be committed');
  leader.node.kill();
  fixture.await(() => others.every((id) => firedOf(id).length === 1), 'the next leader fired it');
  fixture.world.network.heal();
  fixture.cluster.start(leader);
  fixture.await(() => firedOf(leader.memberId).length === 1, 'the old leader has it, too');
  fixture.run(SECOND);
  t.deepEqual(firedOf(leader.memberId), firedOf(others[0] as number), 'the same, once');
  fixture.close();
  t.end();
});

test('timers and time survive changes of leader and jumps of every wall clock', (t) => {
  const { fixture, client, told, firedOf } = startTimers(6);
  const count = 60;
  for (let id = 0; id < count; id++) {
    fixture.send(client, timerMessage(id, 100 + id * 50));
  }
  fixture.await(() => client.received.length === count, 'all are scheduled');
  for (const jumpMs of [-3_600_000, 7_200_000, -50, 86_400_000]) {
    for (const member of fixture.cluster.members) {
      member.node.oscillator.jumpWall(jumpMs);
    }
    fixture.run(300 * MS);
    const leader = fixture.awaitLeader();
    leader.node.kill();
    fixture.awaitLeader();
    fixture.cluster.start(leader);
    fixture.run(200 * MS);
  }
  fixture.await(() => [0, 1, 2].every((id) => firedOf(id).length === count), 'all fired');
  for (const memberId of [0, 1, 2]) {
    const ids = firedOf(memberId).map((one) => one.id);
    t.deepEqual(
      ids,
      Array.from({ length: count }, (_, id) => id),
      `member ${memberId}: each once, in order`,
    );
    t.deepEqual(firedOf(memberId), firedOf(0), 'at the same positions and times');
    const times = told.get(memberId)?.times ?? [];
    t.ok(
      times.every((time, index) => index === 0 || time >= (times[index - 1] ?? 0)),
      'time never went back',
    );
    t.ok(
      firedOf(memberId).every((one) => one.timestamp >= one.deadline),
      'none fired early',
    );
  }
  fixture.close();
  t.end();
});

const DAY_MS = 86_400_000;

test('a cluster that stood still for a day follows its clocks when it leads again', (t) => {
  const { fixture, client, firedOf } = startTimers(8);
  fixture.send(client, timerMessage(1, DAY_MS / 2));
  fixture.await(() => client.received.length === 1, 'a timer for noon is scheduled');
  for (const member of fixture.cluster.members) {
    member.node.kill();
    member.node.oscillator.jumpWall(DAY_MS);
  }
  fixture.cluster.startAll();
  fixture.await(() => [0, 1, 2].every((id) => firedOf(id).length === 1), 'noon was missed');
  const [fired] = firedOf(0);
  t.ok((fired?.timestamp ?? 0) - (fired?.deadline ?? 0) >= DAY_MS / 2 - 1_000, 'it is evening');
  t.equal(fixture.status(fixture.awaitLeader()).counters.clockSkewIgnored, 0, 'nobody objected');
  fixture.close();
  t.end();
});

test('a leader whose clock alone is a day ahead is not followed, and counts it', (t) => {
  const { fixture, client, firedOf } = startTimers(9);
  fixture.send(client, timerMessage(1, DAY_MS / 2));
  fixture.await(() => client.received.length === 1, 'a timer for noon is scheduled');
  const first = fixture.awaitLeader();
  first.node.kill();
  for (const member of fixture.followers()) {
    member.node.oscillator.jumpWall(
      member.memberId === fixture.followers()[0]?.memberId ? DAY_MS : -DAY_MS,
    );
  }
  const second = fixture.awaitLeader();
  fixture.run(5 * SECOND);
  t.equal(fixture.status(second).counters.clockSkewIgnored, 1, 'the clocks disagree');
  t.deepEqual(firedOf(second.memberId), [], 'it is not noon');
  fixture.close();
  t.end();
});

test('a timer outside of a log event is refused', (t) => {
  let error: unknown;
  const fixture = new ClusterFixture({
    memberCount: 1,
    service: () => ({
      onStart(cluster) {
        try {
          cluster.scheduleTimer(1, 1);
        } catch (refused) {
          error = refused;
        }
      },
      onSessionMessage: () => undefined,
    }),
  });
  fixture.start();
  t.match(String(error), /scheduleTimer was called outside a log event/);
  fixture.close();
  t.end();
});
