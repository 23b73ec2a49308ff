// What level `page-cache` promises when all members lose power at the same moment: each comes back
// sound and with what is below its durable mark, and a command that was acknowledged below the
// marks of a quorum is still there. What lies above may be gone: that it can be is shown too. A
// member that kept a commit which the others have lost ends rather than cut its log.

import test from 'tape';
import { ServiceContainer } from '../../src/service/service-container.js';
import { exponentialDelay, fixedDelay } from '../../src/simulator/delay.js';
import { durableMarkPosition } from '../../src/simulator/invariants/durable-records.js';
import { COMMAND_HEADER_LENGTH, LedgerService } from '../../src/simulator/ledger-service.js';
import {
  ArenaPool,
  SimulatedCluster,
  startSimulatedClient,
} from '../../src/simulator/simulated-cluster.js';
import { World } from '../../src/simulator/world.js';

const NS_PER_MS = 1_000_000;
const SECOND = 1_000_000_000;
const SEED_COUNT = 8;
const MEMBER_COUNT = 3;
const QUORUM = 2;
const SEND_INTERVAL_NS = 2 * NS_PER_MS;
const COMMAND_LENGTH = 200;

/** A cluster at level page-cache and one client, until all power is gone, and after. */
class Blackout {
  readonly world: World;
  readonly cluster: SimulatedCluster;
  /** Position of each command in the log of the first life. */
  readonly positions = new Map<number, number>();
  readonly acknowledged = new Set<number>();
  /** Commands that each member applies in its second life. */
  readonly applied = Array.from({ length: MEMBER_COUNT }, () => new Set<number>());
  readonly recoveries: { readonly memberId: number; health: string; end: number }[] = [];
  /** Members that end rather than give up what they know to be committed. */
  readonly refusals: string[] = [];
  readonly #arenas = new ArenaPool();
  #isSecondLife = false;

  constructor(seed: number) {
    this.world = new World(seed);
    this.cluster = new SimulatedCluster({
      world: this.world,
      memberCount: MEMBER_COUNT,
      arenas: this.#arenas,
      isRecorderInline: seed % 2 === 0,
      cluster: { durability: 'page-cache' },
      makeService: (memberId) => this.#makeService(memberId),
      events: (memberId) => ({
        onRecovered: ({ appendPosition, health }) => {
          this.recoveries.push({ memberId, health: health.kind, end: appendPosition });
        },
      }),
    });
    this.world.network.setAllLinks({ delay: fixedDelay(NS_PER_MS / 10) });
    for (const { node } of this.cluster.members) {
      const slow = exponentialDelay(NS_PER_MS, 20 * NS_PER_MS);
      node.disk.latency = { ...node.disk.latency, sync: slow };
      node.onFatal = (_process, error) => this.refusals.push(String(error));
    }
    this.cluster.bootstrap();
    this.cluster.startAll();
    this.#startClient();
  }

  /** Cuts all power, and starts all members again. Returns their durable marks. */
  cutPower(): number[] {
    const { members } = this.cluster;
    for (const node of this.world.nodes) {
      node.powerCut();
    }
    const marks = members.map(({ node }) => durableMarkPosition(node.disk));
    this.recoveries.length = 0;
    this.#isSecondLife = true;
    this.cluster.startAll();
    return marks;
  }

  /** Whether a leader is there and all members have consumed the same log. */
  isEqual(): boolean {
    const running = this.cluster.members.filter(({ member }) => member !== undefined);
    const states = running.map(({ member }) => member?.status());
    const end = states[0]?.appendPosition;
    return (
      states.length >= QUORUM &&
      states.some((status) => status?.isIngressOpen) &&
      states.every((status) => status?.servicePosition === end && status?.appendPosition === end)
    );
  }

  #makeService(memberId: number): ServiceContainer {
    const service = new LedgerService({
      onEvent: () => undefined,
      onTimers: () => undefined,
      onCommand: (position, _hash, _client, sequence) => {
        if (this.#isSecondLife) {
          this.applied[memberId]?.add(sequence);
        } else {
          this.positions.set(sequence, position);
        }
      },
    });
    return new ServiceContainer(() => service);
  }

  #startClient(): void {
    const bytes = new Uint8Array(COMMAND_LENGTH);
    const command = new DataView(bytes.buffer);
    command.setInt32(0, 1, true);
    command.setInt32(8, COMMAND_HEADER_LENGTH, true);
    let sequence = 0;
    let nextNs = 0;
    startSimulatedClient(
      this.world.addNode({ name: 'client' }),
      this.#arenas,
      { ingressEndpoints: this.cluster.ingressEndpoints },
      {
        onMessage: (view, offset) => this.acknowledged.add(view.getInt32(offset + 4, true)),
      },
      (client, nowNs) => {
        if (nowNs < nextNs) {
          return 0;
        }
        nextNs = nowNs + SEND_INTERVAL_NS;
        command.setInt32(4, sequence + 1, true);
        const isSent = client.state === 'connected' && client.offer(bytes, 0, COMMAND_LENGTH) > 0;
        sequence += isSent ? 1 : 0;
        return isSent ? 1 : 0;
      },
      () => nextNs,
    );
  }
}

let lostCount = 0;

for (let seed = 1; seed <= SEED_COUNT; seed++) {
  test(`seed ${seed}: a blackout at page-cache takes nothing below the marks of a quorum`, (t) => {
    const blackout = new Blackout(seed);
    const { world } = blackout;
    world.runFor(2 * SECOND + world.random.below(SECOND));
    const marks = blackout.cutPower();
    const floor = [...marks].sort((a, b) => b - a)[1] as number;
    const { acknowledged, applied, positions } = blackout;
    const isBack = world.runUntilTrue(() => blackout.isEqual(), world.nowNs + 20 * SECOND);
    t.ok(isBack, 'a leader comes back, and all members become equal');
    for (const { memberId, health, end } of blackout.recoveries) {
      t.notEqual(health, 'corrupt', `member ${memberId} is ${health}`);
      t.ok(end >= (marks[memberId] as number), `${end} is not below its mark ${marks[memberId]}`);
    }
    const below = [...acknowledged].filter((sequence) => (positions.get(sequence) ?? 0) <= floor);
    t.ok(below.length > 0, `${below.length} of ${acknowledged.size} replies are below ${floor}`);
    const { members } = blackout.cluster;
    const running = applied.filter((_, memberId) => members[memberId]?.member !== undefined);
    const missing = below.filter((sequence) => !running.every((one) => one.has(sequence)));
    t.deepEqual(missing, [], 'all of them are there');
    for (const refusal of blackout.refusals) {
      t.match(
        refusal,
        /a quorum of the members has lost it/,
        'a member that kept more than a quorum ends',
      );
    }
    lostCount += [...acknowledged].filter((sequence) => !running[0]?.has(sequence)).length;
    t.end();
  });
}

test('what lies above the marks may be gone: page-cache does not promise it', (t) => {
  t.ok(lostCount > 0, `${lostCount} acknowledged commands were lost in these blackouts`);
  t.end();
});
