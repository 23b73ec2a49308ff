// How many network delays lie between a client's offer and the services, and what travels
// meanwhile.

import test from 'tape';
import {
  DATA_HEADER_LENGTH,
  DATA_STREAM_ID_OFFSET,
  FRAME_ALIGNMENT_MASK,
  FRAME_TYPE_DATA,
  FRAME_TYPE_OFFSET,
  FRAME_TYPE_PAD,
  FRAME_TYPE_SM,
} from '../../assembly/layout/frame.js';
import type { ClusterClient } from '../../src/client/cluster-client.js';
import { TemplateId } from '../../src/protocol/codecs/template-ids.js';
import { messageTemplateId } from '../../src/protocol/message-header.js';
import { ServiceContainer } from '../../src/service/service-container.js';
import { fixedDelay } from '../../src/simulator/delay.js';
import {
  ArenaPool,
  SimulatedCluster,
  startSimulatedClient,
} from '../../src/simulator/simulated-cluster.js';
import { World } from '../../src/simulator/world.js';

const DELAY_NS = 1_000_000;
const SECOND = 1_000_000_000;
const MEMBER_COUNT = 3;
const STREAM_NAMES: ReadonlyMap<number, string> = new Map([
  [100, 'log'],
  [101, 'ingress'],
  [102, 'egress'],
]);
const CONSENSUS_STREAM = 108;
const TEMPLATE_NAMES: ReadonlyMap<number, string> = new Map([
  [TemplateId.AppendPosition, 'append position'],
  [TemplateId.CommitPosition, 'commit position'],
  [TemplateId.OutputHash, 'output hash'],
]);
/** What a member has by default. */
const DIVERGENCE_INTERVAL_MS = 1_000;

/** When a message was handled, and by whom. */
interface Arrival {
  readonly memberId: number;
  readonly number: number;
  readonly timeNs: number;
}

/** What one datagram carries. */
interface Sent {
  readonly name: string;
  readonly source: string;
  readonly destination: string;
  readonly timeNs: number;
  /** Number of the event, which is one duty cycle, that sent it. */
  readonly turn: number;
}

/** Three members and a client, connected, with the same delay on every link and nothing else. */
class Chain {
  readonly world = new World(1);
  readonly arrivals: Arrival[] = [];
  readonly replies: number[] = [];
  readonly sent: Sent[] = [];
  readonly cluster: SimulatedCluster;
  readonly #message = new DataView(new ArrayBuffer(200));
  #client: ClusterClient | undefined;
  #toSend = 0;
  #number = 0;
  offeredNs = 0;

  constructor() {
    const { world } = this;
    const arenas = new ArenaPool();
    this.cluster = new SimulatedCluster({
      world,
      arenas,
      memberCount: MEMBER_COUNT,
      makeService: (memberId) =>
        new ServiceContainer(() => ({
          onSessionMessage: (session, _timestamp, buffer, offset, length) => {
            const number = buffer.getInt32(offset, true);
            this.arrivals.push({ memberId, number, timeNs: world.nowNs });
            session.offer(buffer, offset, length);
          },
        })),
    });
    const node = world.addNode({ name: 'client' });
    world.network.setAllLinks({ delay: fixedDelay(DELAY_NS) });
    this.cluster.bootstrap();
    this.cluster.startAll();
    startSimulatedClient(
      node,
      arenas,
      { ingressEndpoints: this.cluster.ingressEndpoints },
      { onMessage: () => this.replies.push(world.nowNs) },
      (client) => this.#turn(client),
      () => Number.POSITIVE_INFINITY,
    );
    world.network.addFilter((source, destination, buffer, offset, length) => {
      const view = new DataView(buffer.buffer, buffer.byteOffset + offset, length);
      for (const name of namesOf(view)) {
        const turn = world.eventCount;
        const { nowNs: timeNs } = world;
        this.sent.push({
          name,
          source: source.name,
          destination: destination.name,
          timeNs,
          turn,
        });
      }
      return true;
    });
  }

  get isConnected(): boolean {
    return this.#client?.state === 'connected';
  }

  get leaderId(): number {
    const leader = this.cluster.members.find((each) => each.member?.status().role === 'leader');
    return leader?.memberId ?? -1;
  }

  /** Lets the client offer messages in a turn of its own, at this instant. */
  offer(count: number): void {
    this.#toSend = count;
    this.offeredNs = this.world.nowNs;
    const node = this.world.nodes.find((each) => each.name === 'client');
    node?.process?.threads[0]?.wake();
  }

  #turn(client: ClusterClient): number {
    this.#client = client;
    let work = 0;
    for (; this.#toSend > 0; this.#toSend--) {
      this.#message.setInt32(0, this.#number, true);
      const bytes = new Uint8Array(this.#message.buffer);
      work += client.offer(bytes, 0, bytes.length) > 0 ? 1 : 0;
      this.#number++;
    }
    return work;
  }
}

/** Names of what a datagram carries, one for each frame. */
function namesOf(view: DataView): string[] {
  const type = view.getUint16(FRAME_TYPE_OFFSET, true);
  if (type === FRAME_TYPE_PAD) {
    return [STREAM_NAMES.get(view.getInt32(DATA_STREAM_ID_OFFSET, true)) ?? 'padding'];
  }
  if (type !== FRAME_TYPE_DATA) {
    return [type === FRAME_TYPE_SM ? 'status message' : `frame type ${type}`];
  }
  const names: string[] = [];
  for (let at = 0; at < view.byteLength; ) {
    const length = view.getInt32(at, true);
    if (length <= DATA_HEADER_LENGTH) {
      return ['heartbeat'];
    }
    const stream = view.getInt32(at + DATA_STREAM_ID_OFFSET, true);
    const template = messageTemplateId(view, at + DATA_HEADER_LENGTH, length - DATA_HEADER_LENGTH);
    const name =
      stream === CONSENSUS_STREAM
        ? (TEMPLATE_NAMES.get(template) ?? `consensus template ${template}`)
        : (STREAM_NAMES.get(stream) ?? `stream ${stream}`);
    names.push(template === TemplateId.SessionKeepAlive ? 'keep-alive' : name);
    at += (length + FRAME_ALIGNMENT_MASK) & ~FRAME_ALIGNMENT_MASK;
  }
  return names;
}

/** A chain whose client has a session, at rest for a while. */
function connectedChain(): Chain {
  const chain = new Chain();
  chain.world.runUntilTrue(() => chain.isConnected, 10 * SECOND);
  chain.world.runFor(2 * SECOND);
  chain.sent.length = 0;
  return chain;
}

test('a message reaches the leader after three delays and the followers after four', (t) => {
  const chain = connectedChain();
  for (let round = 0; round < 20; round++) {
    chain.arrivals.length = 0;
    chain.replies.length = 0;
    // Moments that have nothing to do with any interval of the members.
    chain.world.runFor(123_456_789 + round * 1_234_567);
    chain.offer(1);
    chain.world.runFor(20 * DELAY_NS);
    const { leaderId, offeredNs } = chain;
    const delays = chain.arrivals.map(({ memberId, timeNs }) => ({
      isLeader: memberId === leaderId,
      delays: (timeNs - offeredNs) / DELAY_NS,
    }));
    delays.sort((a, b) => a.delays - b.delays);
    t.deepEqual(
      delays,
      [
        { isLeader: true, delays: 3 },
        { isLeader: false, delays: 4 },
        { isLeader: false, delays: 4 },
      ],
      `round ${round}: one and a half round trips to the leader's service, two to the others`,
    );
    t.deepEqual(
      chain.replies.map((timeNs) => (timeNs - offeredNs) / DELAY_NS),
      [4],
      'the reply is there after four delays',
    );
  }
  t.end();
});

test('a burst of messages takes as many delays as one message', (t) => {
  const chain = connectedChain();
  chain.offer(20);
  chain.world.runFor(20 * DELAY_NS);
  const { leaderId, offeredNs } = chain;
  const late = chain.arrivals.filter(({ memberId, timeNs }) => {
    return (timeNs - offeredNs) / DELAY_NS !== (memberId === leaderId ? 3 : 4);
  });
  t.equal(chain.arrivals.length, 20 * MEMBER_COUNT, 'every service has every message');
  t.deepEqual(late, [], 'all of them arrive with the first one');
  t.end();
});

test('in the steady state only the messages that the protocol names travel', (t) => {
  const chain = connectedChain();
  const rounds = 200;
  for (let round = 0; round < rounds; round++) {
    chain.offer(1 + (round % 5));
    chain.world.runFor(7_654_321);
  }
  const names = new Set(chain.sent.map(({ name }) => name));
  const expected = [
    'append position',
    'commit position',
    'egress',
    'ingress',
    'log',
    'output hash',
  ];
  const control = ['heartbeat', 'keep-alive', 'status message'];
  const cluster = [...names].filter((name) => !control.includes(name));
  t.deepEqual(cluster.sort(), expected, 'no other message of the cluster exists');
  t.deepEqual(crowded(chain.sent, 'append position'), [], 'one append position a turn at most');
  t.deepEqual(crowded(chain.sent, 'commit position'), [], 'one commit position a turn and member');
  const append = chain.sent.filter(({ name }) => name === 'append position').length;
  const commit = chain.sent.filter(({ name }) => name === 'commit position').length;
  const followers = MEMBER_COUNT - 1;
  const simulatedMs = (rounds * 7_654_321) / 1_000_000;
  const positionsMax = rounds * followers + (simulatedMs / 100 + 1) * followers;
  t.ok(append <= positionsMax, `${append} append positions for ${rounds} bursts`);
  t.ok(commit <= positionsMax, `${commit} commit positions for ${rounds} bursts`);
  const hashes = chain.sent.filter(({ name }) => name === 'output hash').length;
  const hashesMax = (simulatedMs / DIVERGENCE_INTERVAL_MS + 1) * MEMBER_COUNT * followers;
  t.ok(hashes <= hashesMax, `${hashes} hashes in ${simulatedMs} ms`);
  t.end();
});

/** Duty cycles that sent a message more than once to the same member. */
function crowded(sent: readonly Sent[], name: string): string[] {
  const counts = new Map<string, number>();
  for (const each of sent.filter((one) => one.name === name)) {
    const key = `turn ${each.turn}: ${each.source} to ${each.destination}`;
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  return [...counts].filter(([, count]) => count > 1).map(([key, count]) => `${key}: ${count}`);
}

test('an idle cluster sends positions, heartbeats and keep-alives at their intervals only', (t) => {
  const chain = connectedChain();
  const seconds = 20;
  chain.world.runFor(seconds * SECOND);
  const names = new Set(chain.sent.map(({ name }) => name));
  t.deepEqual(
    [...names].sort(),
    ['append position', 'commit position', 'heartbeat', 'keep-alive', 'status message'],
    'nothing else is sent',
  );
  t.deepEqual(hasty(chain.sent, 'append position', 100), [], 'a position each 100 ms at most');
  t.deepEqual(hasty(chain.sent, 'commit position', 100), [], 'a heartbeat each 100 ms at most');
  t.deepEqual(
    hasty(chain.sent, 'keep-alive', 1_000, NEXT_TURN_NS),
    [],
    'a keep-alive each second at most',
  );
  t.end();
});

/** What a client writes in one duty cycle may leave in the next. */
const NEXT_TURN_NS = 1_000;

/** Pairs of equal messages between the same two that follow closer than an interval. */
function hasty(sent: readonly Sent[], name: string, intervalMs: number, slackNs = 0): string[] {
  const last = new Map<string, number>();
  const found: string[] = [];
  for (const each of sent.filter((one) => one.name === name)) {
    const key = `${each.source} to ${each.destination}`;
    const before = last.get(key) ?? Number.NEGATIVE_INFINITY;
    // The world rounds a deadline up to the next nanosecond at which it holds.
    if (each.timeNs - before < intervalMs * 1_000_000 - slackNs) {
      found.push(`${key} at ${each.timeNs} after ${each.timeNs - before} ns`);
    }
    last.set(key, each.timeNs);
  }
  return found;
}
