// cluster-fixture.ts: a simulated cluster and clients, for tests that read as stories.

import type { AdminResponse, ClusterClient } from '../../src/client/cluster-client.js';
import type { ClusterSettings, MemberSettings } from '../../src/cluster/cluster-config.js';
import type { MemberEvents, MemberStatus } from '../../src/cluster/member.js';
import type { PawlError } from '../../src/errors.js';
import type { ClusteredService } from '../../src/service/clustered-service.js';
import { ServiceContainer } from '../../src/service/service-container.js';
import { fixedDelay } from '../../src/simulator/delay.js';
import {
  ArenaPool,
  type MemberSecurity,
  type SimulatedClientOptions,
  SimulatedCluster,
  type SimulatedMember,
  startSimulatedClient,
} from '../../src/simulator/simulated-cluster.js';
import type { VirtualNode } from '../../src/simulator/virtual-node.js';
import { World } from '../../src/simulator/world.js';

export const MS = 1_000_000;
export const SECOND = 1_000_000_000;
/** Longest virtual time that a condition is waited for. */
const WAIT_LIMIT_NS = 30 * SECOND;
const arenas = new ArenaPool();
/** The stories hold for both: dedicated.test.ts runs them again. */
export const THREADS_VARIABLE = 'PAWL_TEST_THREADS';
const DEFAULT_THREADS = process.env[THREADS_VARIABLE] === 'dedicated' ? 'dedicated' : 'shared';

export interface FixtureOptions {
  readonly seed?: number;
  readonly memberCount?: number;
  readonly delayNs?: number;
  readonly isRecorderInline?: boolean;
  readonly cluster?: Partial<ClusterSettings>;
  readonly member?: Partial<MemberSettings>;
  readonly service?: (memberId: number) => ClusteredService;
  readonly events?: (memberId: number) => MemberEvents;
  /** Settings in which one member differs. */
  readonly memberOf?: (memberId: number) => Partial<MemberSettings>;
  /** Makes the instances that take snapshots for a member's service. */
  readonly shadow?: (memberId: number) => ClusteredService;
  /** In place of a service in a container of its own; several have `cluster.serviceCount`. */
  readonly container?: (memberId: number) => ServiceContainer | readonly ServiceContainer[];
  readonly security?: (memberId: number) => MemberSecurity;
}

/** Echoes every message. */
export function echoService(): ClusteredService {
  return {
    onSessionMessage(session, _timestamp, buffer, offset, length) {
      session.offer(buffer, offset, length);
    },
  };
}

/** A client with what it has heard. */
export interface TestClient {
  readonly node: VirtualNode;
  client: ClusterClient | undefined;
  readonly received: Uint8Array[];
  readonly newLeaders: number[];
  isConnected: boolean;
  closed: PawlError | 'by itself' | undefined;
  /** Messages that leave as soon as they can. */
  readonly outbox: Uint8Array[];
  readonly adminResponses: AdminResponse[];
}

/** Members, clients, and how to wait. */
export class ClusterFixture {
  readonly world: World;
  readonly cluster: SimulatedCluster;
  readonly warnings: string[] = [];
  readonly #delayNs: number;
  #clientCount = 0;

  constructor(options: FixtureOptions = {}) {
    this.world = new World(options.seed ?? 1);
    this.#delayNs = options.delayNs ?? 100_000;
    const service = options.service ?? echoService;
    const { memberOf, shadow } = options;
    this.cluster = new SimulatedCluster({
      world: this.world,
      memberCount: options.memberCount ?? 3,
      arenas,
      isRecorderInline: options.isRecorderInline ?? false,
      ...(options.cluster === undefined ? {} : { cluster: options.cluster }),
      member: { threads: DEFAULT_THREADS, ...options.member },
      events: (memberId) => ({
        onWarning: (message) => this.warnings.push(message),
        ...options.events?.(memberId),
      }),
      ...(memberOf === undefined ? {} : { memberOf }),
      ...(shadow === undefined
        ? {}
        : { makeShadow: (id) => new ServiceContainer(() => shadow(id)) }),
      makeSecurity: options.security,
      makeService: options.container ?? ((id) => new ServiceContainer(() => service(id))),
    });
    this.cluster.bootstrap();
    this.setDelays();
  }

  /** Starts all members and waits for a leader that takes ingress. */
  start(): SimulatedMember {
    this.cluster.startAll();
    return this.awaitLeader();
  }

  leader(): SimulatedMember | undefined {
    return this.cluster.members.find((one) => one.member?.status().isIngressOpen === true);
  }

  followers(): SimulatedMember[] {
    return this.cluster.members.filter((one) => one.member?.status().role === 'follower');
  }

  awaitLeader(): SimulatedMember {
    this.await(() => this.leader() !== undefined, 'a leader opens its ingress');
    return this.leader() as SimulatedMember;
  }

  status(one: SimulatedMember): MemberStatus {
    const status = one.member?.status();
    if (status === undefined) {
      throw new Error(`member ${one.memberId} is down`);
    }
    return status;
  }

  await(condition: () => boolean, what: string): void {
    if (!this.world.runUntilTrue(condition, this.world.nowNs + WAIT_LIMIT_NS)) {
      const states = this.cluster.members.map((one) => {
        const status = one.member?.status();
        return `${one.memberId}: ${status?.state ?? 'down'} ${status?.commitPosition ?? ''}`;
      });
      throw new Error(`waited in vain until ${what}; members: ${states.join(', ')}`);
    }
  }

  run(durationNs: number): void {
    this.world.runFor(durationNs);
  }

  /** A client on a machine of its own. */
  connect(options: Partial<SimulatedClientOptions> = {}, on?: VirtualNode): TestClient {
    this.#clientCount++;
    const node = on ?? this.world.addNode({ name: `client ${this.#clientCount}` });
    this.setDelays();
    const test: TestClient = {
      node,
      client: undefined,
      received: [],
      newLeaders: [],
      isConnected: false,
      closed: undefined,
      outbox: [],
      adminResponses: [],
    };
    startSimulatedClient(
      node,
      arenas,
      { ingressEndpoints: this.cluster.ingressEndpoints, ...options },
      {
        onMessage: (view, offset, length) => {
          test.received.push(new Uint8Array(view.buffer, offset, length).slice());
        },
        onConnected: () => {
          test.isConnected = true;
        },
        onNewLeader: (termId) => test.newLeaders.push(termId),
        onAdminResponse: (response) => test.adminResponses.push(response),
        onClosed: (error) => {
          test.closed = error ?? 'by itself';
        },
      },
      (client) => {
        test.client = client;
        return sendOutbox(client, test.outbox);
      },
      () => Number.POSITIVE_INFINITY,
    );
    return test;
  }

  /** Sends a message and wakes the client's process. */
  send(test: TestClient, bytes: Uint8Array): void {
    test.outbox.push(bytes);
    for (const thread of test.node.process?.threads ?? []) {
      thread.wake();
    }
  }

  /** Gives every member a turn, as after a call from outside. */
  wakeAll(): void {
    for (const { node } of this.cluster.members) {
      for (const thread of node.process?.threads ?? []) {
        thread.wake();
      }
    }
  }

  /** Ends every process, so that its memory serves the next test. */
  close(): void {
    for (const node of this.world.nodes) {
      node.kill();
    }
  }

  /** Gives links of new machines their delay, too. */
  setDelays(): void {
    this.world.network.setAllLinks({ delay: fixedDelay(this.#delayNs) });
  }
}

function sendOutbox(client: ClusterClient, outbox: Uint8Array[]): number {
  let work = 0;
  for (let next = outbox[0]; next !== undefined; next = outbox[0]) {
    if (client.offer(next, 0, next.length) < 0) {
      return work;
    }
    outbox.shift();
    work++;
  }
  return work;
}

/** Bytes that tell messages apart. */
export function messageOf(value: number, length = 16): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) {
    bytes[index] = (value * 31 + index * 7) & 0xff;
  }
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}
