// A stranger on the network says that a cluster ends, in the name of its members: nobody does.
//
// It reaches the members' consensus endpoints and knows term, position and ids. What it lacks is
// what every consensus message needs: to be the member whose name it uses, in the part it plays.

import test from 'tape';
import { ConsensusPublisher } from '../../src/cluster/consensus-publisher.js';
import type { Member } from '../../src/cluster/member.js';
import { HELLO_FLAG_LEAVING } from '../../src/consensus/election-effects.js';
import { POSITION_NULL } from '../../src/position.js';
import {
  ArenaPool,
  clientTransport,
  type SimulatedMember,
} from '../../src/simulator/simulated-cluster.js';
import { ClusterFixture, MS, SECOND } from './cluster-fixture.js';

const arenas = new ArenaPool();
const UNKNOWN_MEMBER_ID = 99;

/** Somebody who is no member and speaks as one. */
class Forger {
  readonly #outbox: ((publisher: ConsensusPublisher) => void)[] = [];
  readonly #fixture: ClusterFixture;
  readonly #arena = arenas.take();
  readonly #node;

  /** @param memberId the name that it uses; its endpoints are those of `as`. */
  constructor(fixture: ClusterFixture, as: SimulatedMember, memberId = as.memberId) {
    this.#fixture = fixture;
    this.#node = fixture.world.addNode({ name: `forger ${fixture.world.nodes.length}` });
    const { config } = as.member as Member;
    const incarnation = { high: 1, low: 2 };
    this.#node.start((process) => {
      process.spawn('main', (ports) => {
        const transport = clientTransport(this.#arena, ports);
        const named = { ...config, member: { ...config.member, memberId } };
        const publisher = new ConsensusPublisher(transport, named, incarnation);
        return [
          {
            roleName: 'forger',
            doWork: (nowNs) => {
              for (const say of this.#outbox.splice(0)) {
                say(publisher);
              }
              return transport.doWork(nowNs);
            },
            deadlineNs: () => transport.deadlineNs(),
            close: () => transport.close(),
          },
        ];
      });
    });
    // Its streams are heard before it says the first thing.
    fixture.run(500 * MS);
  }

  /** Says something, and gives it time to arrive. */
  say(what: (publisher: ConsensusPublisher) => void): void {
    this.#outbox.push(what);
    for (const thread of this.#node.process?.threads ?? []) {
      thread.wake();
    }
    this.#fixture.run(50 * MS);
  }

  close(): void {
    this.#node.stop();
    arenas.give(this.#arena);
  }
}

const MEMBERS = { memberCount: 3 };

function staleCount(fixture: ClusterFixture, one: SimulatedMember): number {
  const { messagesStale = 0, messagesInvalid = 0 } = fixture.status(one).counters;
  return messagesStale + messagesInvalid;
}

test('a position to end at counts from the leader that is followed, and from nobody else', (t) => {
  const fixture = new ClusterFixture(MEMBERS);
  const leader = fixture.start();
  const [first, second] = fixture.followers() as [SimulatedMember, SimulatedMember];
  fixture.run(SECOND);
  const { appendPosition, leadershipTermId } = fixture.status(leader);
  const names: [string, number, number][] = [
    ['another follower', second.memberId, leadershipTermId],
    ['nobody that is configured', UNKNOWN_MEMBER_ID, leadershipTermId],
    ['the leader, in an earlier term', leader.memberId, leadershipTermId - 1],
    ['the leader, in a later term', leader.memberId, leadershipTermId + 1],
  ];
  for (const [name, memberId, termId] of names) {
    const forger = new Forger(fixture, second, memberId);
    const before = staleCount(fixture, first);
    forger.say((publisher) => {
      publisher.terminationPosition(first.memberId, termId, appendPosition);
      publisher.terminationAck(first.memberId, termId, appendPosition);
    });
    t.equal(fixture.status(first).shutdownState, 'none', `${name}: it is not believed`);
    t.ok(staleCount(fixture, first) > before, 'and is counted');
    forger.close();
  }
  t.equal(fixture.status(leader).shutdownState, 'none');
  t.ok(fixture.cluster.members.every((one) => one.member?.hasLeft === false));
  fixture.close();
  t.end();
});

/** A cluster that is about to end: one follower has acknowledged, another one cannot. */
function ending(makeForger: (fixture: ClusterFixture, leader: SimulatedMember) => Forger) {
  const fixture = new ClusterFixture({ ...MEMBERS, member: { terminationTimeoutMs: 60_000 } });
  const leader = fixture.start();
  const [silent, waiting] = fixture.followers() as [SimulatedMember, SimulatedMember];
  const forger = makeForger(fixture, leader);
  fixture.world.network.block(silent.node, leader.node);
  leader.member?.orderShutdown(leader.node.process?.clock.nowNs() ?? 0);
  fixture.wakeAll();
  fixture.await(() => fixture.status(waiting).shutdownState === 'ending', 'one has acknowledged');
  return { fixture, forger, leader, waiting };
}

test('members that wait for the last word of their leader take it from nobody else', (t) => {
  const { fixture, forger, waiting } = ending((one) => {
    const [silent] = one.followers() as [SimulatedMember];
    return new Forger(one, silent);
  });
  const position = waiting.member?.orders().shutdownPosition ?? -1;
  const { leadershipTermId } = fixture.status(waiting);
  t.ok(position > 0);
  forger.say((publisher) => publisher.terminationAck(waiting.memberId, leadershipTermId, position));
  t.equal(fixture.status(waiting).shutdownState, 'ending', 'another follower is not the leader');
  fixture.world.network.heal();
  fixture.await(
    () => fixture.cluster.members.every((one) => one.member?.hasLeft === true),
    'all end when the leader says so',
  );
  forger.close();
  fixture.close();
  t.end();
});

test('a directory that nobody knows cannot say for a leader that it ends', (t) => {
  const { fixture, forger, leader, waiting } = ending((one, leading) => new Forger(one, leading));
  const { leadershipTermId } = fixture.status(waiting);
  forger.say((publisher) =>
    publisher.memberHello(waiting.memberId, HELLO_FLAG_LEAVING, leadershipTermId, POSITION_NULL),
  );
  fixture.world.network.heal();
  fixture.run(5 * SECOND);
  // Two directories with one id: the leader steps down, and so nobody ends at all.
  t.ok(
    fixture.cluster.members.every((one) => one.member?.hasLeft === false),
    'nobody ends',
  );
  t.equal(fixture.status(leader).shutdownState, 'none', 'the shutdown is given up');
  t.ok(fixture.awaitLeader(), 'and the cluster serves on');
  forger.close();
  fixture.close();
  t.end();
});
