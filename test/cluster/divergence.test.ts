// divergence.test.ts: members compare what their services put out; a difference is found, followed
// to its first position, and told once. What is equal is never called different.

import test from 'tape';
import type { Divergence } from '../../src/cluster/divergence.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import type { Cluster, ClusteredService } from '../../src/service/clustered-service.js';
import type { SimulatedMember } from '../../src/simulator/simulated-cluster.js';
import { carriedBy } from '../scenarios/wire-kinds.js';
import {
  ClusterFixture,
  echoService,
  type FixtureOptions,
  MS,
  messageOf,
  SECOND,
  type TestClient,
} from './cluster-fixture.js';
import { areEqual, sendMessages, startSnapshots, takeSnapshot } from './snapshot-fixture.js';

/** Echoes, and says something of its own at messages from `lieFrom` to `lieTo`. */
class LyingService implements ClusteredService {
  readonly #lie: (() => number) | undefined;
  readonly #from: number;
  readonly #onLie: (position: number) => void;
  #cluster: Cluster | undefined;

  constructor(from: number, lie: (() => number) | undefined, onLie: (position: number) => void) {
    this.#from = from;
    this.#lie = lie;
    this.#onLie = onLie;
  }

  onStart(cluster: Cluster): void {
    this.#cluster = cluster;
  }

  onSessionMessage: ClusteredService['onSessionMessage'] = (
    session,
    _timestamp,
    buffer,
    offset,
  ) => {
    const answer = new DataView(new ArrayBuffer(8));
    const value = buffer.getInt32(offset, true);
    answer.setInt32(0, value, true);
    if (value === this.#from && this.#lie !== undefined) {
      answer.setFloat32(4, this.#lie(), true);
      this.#onLie(this.#cluster?.logPosition() ?? -1);
    }
    session.offer(answer, 0, 8);
  };
}

interface Liars {
  readonly fixture: ClusterFixture;
  readonly client: TestClient;
  readonly told: Map<number, Divergence[]>;
  /** Log position at which the first lie was told. */
  readonly lie: { position: number };
}

/** Members that are in `lies` say what it gives when message `from` comes. */
function startLiars(
  from: number,
  lies: ReadonlyMap<number, () => number>,
  options: FixtureOptions = {},
): Liars {
  const told = new Map<number, Divergence[]>();
  const lie = { position: -1 };
  const fixture = new ClusterFixture({
    member: { divergenceIntervalMs: 100 },
    ...options,
    service: (memberId) =>
      new LyingService(from, lies.get(memberId), (position) => {
        lie.position = position;
      }),
    events: (memberId) => ({
      onDivergence: (found) => told.set(memberId, [...(told.get(memberId) ?? []), found]),
    }),
  });
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  return { fixture, client, told, lie };
}

function send(fixture: ClusterFixture, client: TestClient, from: number, count: number): void {
  const before = client.received.length;
  for (let value = from; value < from + count; value++) {
    fixture.send(client, messageOf(value));
  }
  fixture.await(() => client.received.length === before + count, 'all were answered');
}

function counterOf(fixture: ClusterFixture, one: SimulatedMember, name: string): number {
  return fixture.status(one).counters[name] ?? Number.NaN;
}

const HALF = () => 0.5;

test('equal members compare often, find nothing, and say no more than is configured', (t) => {
  const { fixture, client, told } = startLiars(-1, new Map());
  const messages: number[] = [];
  fixture.world.network.addFilter((_source, _destination, buffer, offset, length) => {
    const kinds = carriedBy(buffer, offset, length).map(({ kind }) => kind);
    messages.push(...kinds.filter((kind) => kind === 'output-hash').map(() => 1));
    return true;
  });
  for (let round = 0; round < 100; round++) {
    send(fixture, client, round * 10, 10);
    fixture.run(20 * MS);
  }
  const elapsedMs = fixture.world.nowNs / MS;
  // Each of three members tells two others.
  t.ok(messages.length <= 6 * (elapsedMs / 100 + 1), `${messages.length} in ${elapsedMs} ms`);
  t.ok(messages.length >= 6 * 10, 'and they did compare');
  for (const one of fixture.cluster.members) {
    t.ok(counterOf(fixture, one, 'outputsCompared') > 10, 'it has compared');
    t.equal(counterOf(fixture, one, 'divergences'), 0);
    t.equal(fixture.status(one).divergence, undefined);
  }
  t.equal(told.size, 0);
  messages.length = 0;
  fixture.run(SECOND);
  messages.length = 0;
  fixture.run(5 * SECOND);
  t.equal(messages.length, 0, 'where the log stands still, nothing is told');
  fixture.close();
  t.end();
});

test('a member that puts out something else is named, with the first position, once', (t) => {
  const { fixture, client, lie, told } = startLiars(57, new Map([[2, HALF]]));
  send(fixture, client, 0, 300);
  fixture.await(() => told.size === 3, 'all members know');
  send(fixture, client, 1_000, 100);
  fixture.run(5 * SECOND);
  for (const one of fixture.cluster.members) {
    const found = told.get(one.memberId) ?? [];
    t.equal(found.length, 1, 'it is told once');
    t.deepEqual(found[0]?.oddMemberIds, [2]);
    t.equal(found[0]?.position, lie.position, 'the first position is that of the lie');
    t.equal(found[0]?.isExact, true);
    t.equal(counterOf(fixture, one, 'divergences'), 1);
    t.equal(fixture.status(one).health, one.memberId === 2 ? 'diverged' : 'sound');
    t.deepEqual(fixture.status(one).divergence?.oddMemberIds, [2]);
  }
  const warnings = fixture.warnings.filter((text) => text.includes('divergence'));
  t.equal(warnings.length, 3);
  t.match(warnings[0] ?? '', new RegExp(`member 2 .* log position ${lie.position} on`));
  fixture.close();
  t.end();
});

test('a service that uses chance differs on every member: all are named', (t) => {
  const chance = () => Math.random();
  const lies = new Map([0, 1, 2].map((id) => [id, chance]));
  const { fixture, client, lie, told } = startLiars(20, lies);
  send(fixture, client, 0, 60);
  fixture.await(() => told.size === 3, 'all members know');
  for (const [found] of told.values()) {
    t.deepEqual(found?.oddMemberIds, [], 'nobody can say who is right');
    t.deepEqual(found?.memberIds, [0, 1, 2]);
    t.equal(found?.position, lie.position);
  }
  t.match(fixture.warnings.join('\n'), /members 0, 1 and 2 do not put out the same/);
  fixture.close();
  t.end();
});

test('a difference that is seen much later is followed to its first position', (t) => {
  const { fixture, client, lie, told } = startLiars(30, new Map([[1, HALF]]), {
    member: { divergenceIntervalMs: 20_000 },
  });
  for (let round = 0; round < 40; round++) {
    send(fixture, client, round * 100, 100);
  }
  t.equal(told.size, 0, 'nobody has compared since the lie');
  fixture.await(() => told.size === 3, 'all members know');
  for (const [found] of told.values()) {
    t.equal(found?.position, lie.position);
    t.deepEqual(found?.oddMemberIds, [1]);
  }
  fixture.close();
  t.end();
});

test('two against each other are both named, and the third decides when it comes', (t) => {
  const { fixture, client, told } = startLiars(40, new Map([[0, HALF]]));
  const third = fixture.followers().find((one) => one.memberId !== 0) as SimulatedMember;
  third.node.kill();
  send(fixture, client, 0, 100);
  fixture.await(() => told.size === 2, 'the two know');
  for (const [found] of told.values()) {
    t.deepEqual(found?.oddMemberIds, []);
    t.deepEqual(
      found?.memberIds,
      [0, 1, 2].filter((id) => id !== third.memberId),
    );
  }
  fixture.cluster.start(third);
  fixture.await(
    () => [...told.values()].every((found) => found.at(-1)?.oddMemberIds.join() === '0'),
    'the third one decides',
  );
  const first = fixture.cluster.members[0] as SimulatedMember;
  t.equal(counterOf(fixture, first, 'divergences'), 1, 'it is counted once');
  fixture.close();
  t.end();
});

test('with onDivergence stop the odd member ends, and the others go on', (t) => {
  const { fixture, client, told } = startLiars(25, new Map([[1, HALF]]), {
    member: { divergenceIntervalMs: 100, onDivergence: 'stop' },
  });
  const ends: { memberId: number; error: unknown }[] = [];
  for (const { memberId, node } of fixture.cluster.members) {
    node.onFatal = (_process, error) => ends.push({ memberId, error });
  }
  send(fixture, client, 0, 50);
  fixture.await(() => ends.length === 1, 'one ends');
  const [end] = ends;
  t.equal(end?.memberId, 1);
  t.equal(end?.error instanceof PawlError && end.error.code, ErrorCode.OutputsDiverged);
  t.match(String(end?.error), /member 1 put out .*Member 1 stops, because onDivergence is 'stop'/i);
  fixture.awaitLeader();
  fixture.run(2 * SECOND);
  const again = fixture.connect();
  fixture.await(() => again.isConnected, 'a client is served');
  send(fixture, again, 100, 20);
  t.equal(ends.length, 1, 'the others have not ended');
  t.ok((told.get(0)?.length ?? 0) <= 1);
  fixture.close();
  t.end();
});

test('an odd member that starts anew from the others is whole again', (t) => {
  const lies = new Map([[2, HALF]]);
  const { fixture, client, told } = startLiars(25, lies);
  send(fixture, client, 0, 60);
  fixture.await(() => told.size === 3, 'all members know');
  const odd = fixture.cluster.members[2] as SimulatedMember;
  odd.node.kill();
  odd.node.disk.reformat();
  lies.clear();
  fixture.cluster.start(odd);
  fixture.awaitLeader();
  const again = fixture.connect();
  fixture.await(() => again.isConnected, 'a client is served');
  send(fixture, again, 100, 60);
  const isWhole = (one: SimulatedMember) =>
    one.member !== undefined && fixture.status(one).divergence === undefined;
  fixture.await(() => fixture.cluster.members.every(isWhole), 'nobody differs any more');
  t.ok(
    [...told.values()].every((found) => found.length === 1),
    'nothing more was told',
  );
  fixture.close();
  t.end();
});

test('the hash goes on over snapshots, restarts, and members that come late', (t) => {
  const world = startSnapshots({ member: { divergenceIntervalMs: 50 } });
  const { fixture } = world;
  fixture.start();
  const client = fixture.connect();
  fixture.await(() => client.isConnected, 'the client is connected');
  sendMessages(world, client, 0, 60);
  takeSnapshot(world);
  sendMessages(world, client, 100, 60);
  const [first, second] = fixture.followers() as [SimulatedMember, SimulatedMember];
  first.node.kill();
  fixture.cluster.start(first);
  fixture.await(() => areEqual(world) && fixture.status(first).state === 'CLOSED', 'it is back');
  t.ok((world.services.get(first.memberId)?.loadedPosition ?? 0) > 0, 'it began at the snapshot');
  sendMessages(world, client, 200, 60);
  second.node.kill();
  second.node.disk.reformat();
  fixture.cluster.start(second);
  sendMessages(world, client, 300, 60);
  fixture.await(() => areEqual(world) && fixture.status(second).state === 'CLOSED', 'it caught up');
  sendMessages(world, client, 400, 60);
  fixture.run(SECOND);
  for (const one of fixture.cluster.members) {
    t.ok(counterOf(fixture, one, 'outputsCompared') > 0, 'it was compared in this life');
    t.equal(counterOf(fixture, one, 'divergences'), 0);
  }
  t.equal(fixture.warnings.filter((text) => text.includes('divergence')).length, 0);
  fixture.close();
  t.end();
});

test('a client whose socket stands still makes no replica differ, and its session ends', (t) => {
  const results = new Map<number, number[]>();
  const fixture = new ClusterFixture({
    cluster: { egressBufferLengthMax: 16 * 1024 },
    member: { divergenceIntervalMs: 50 },
    service: (memberId) => {
      const answers: number[] = [];
      results.set(memberId, answers);
      return {
        ...echoService(),
        onSessionMessage(session, _timestamp, buffer, offset, length) {
          // The answers decide what is put out next: a leader that sees a full socket would differ.
          for (let copies = 0; copies < 20; copies++) {
            answers.push(session.offer(buffer, offset, length));
          }
          session.offer(messageOf(answers.filter((one) => one < 0).length), 0, 16);
        },
      };
    },
  });
  fixture.start();
  const slow = fixture.connect();
  const other = fixture.connect();
  fixture.await(() => slow.isConnected && other.isConnected, 'the clients are connected');
  const leader = fixture.awaitLeader();
  // It can send and does not receive: its egress waits in the leader until there is no room.
  fixture.world.network.block(leader.node, slow.node);
  for (let value = 0; value < 20; value++) {
    fixture.send(slow, messageOf(value, 1000));
  }
  fixture.await(
    () => fixture.cluster.members.every((one) => fixture.status(one).sessionCount === 1),
    'the session of the slow client is closed on every member',
  );
  fixture.send(other, messageOf(1));
  fixture.await(() => other.received.length >= 21, 'the other client is served');
  fixture.run(SECOND);
  const [first, ...others] = [...results.values()];
  t.ok((first?.length ?? 0) > 100, 'messages were handled while the socket stood still');
  t.ok(
    others.every((one) => one.join() === first?.join()),
    'offers were answered alike',
  );
  for (const one of fixture.cluster.members) {
    t.ok(counterOf(fixture, one, 'outputsCompared') > 0);
    t.equal(counterOf(fixture, one, 'divergences'), 0);
  }
  fixture.close();
  t.end();
});
