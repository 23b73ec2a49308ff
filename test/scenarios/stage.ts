// stage.ts: what a scenario plays on: simulated members and clients, the judges, and the trace.
//
// The members are the production code on virtual machines, and every invariant of the simulator is
// judged after every event. Nothing happens by chance here unless a script asks for it: links have
// a fixed delay, disks a fixed latency.

import type { RecoveredDirectory } from '../../src/archive/member-directory.js';
import type { ClusterSettings, MemberSettings } from '../../src/cluster/cluster-config.js';
import type { MemberEvents } from '../../src/cluster/member.js';
import { PawlError } from '../../src/errors.js';
import type { DedicatedService } from '../../src/service/service-agent.js';
import type { ServiceContainer } from '../../src/service/service-container.js';
import { fixedDelay } from '../../src/simulator/delay.js';
import { describeError } from '../../src/simulator/describe-error.js';
import { EventKind, type WorldEvent } from '../../src/simulator/event-heap.js';
import { durableNodeState } from '../../src/simulator/invariants/durable-records.js';
import { Judge } from '../../src/simulator/invariants/judge.js';
import { Judges } from '../../src/simulator/judges.js';
import type { LedgerService } from '../../src/simulator/ledger-service.js';
import {
  type ArenaPool,
  isMemberTurn,
  SimulatedCluster,
  type SimulatedMember,
} from '../../src/simulator/simulated-cluster.js';
import type { StorageLatency } from '../../src/simulator/storage-operation.js';
import type { VirtualNode } from '../../src/simulator/virtual-node.js';
import { World } from '../../src/simulator/world.js';
import { SecretAuthenticator } from '../cluster/secrets.js';
import { ScenarioClient, textOf } from './scenario-client.js';
import { addServiceCommands } from './service-commands.js';
import { WireFaults } from './wire-faults.js';

const NS_PER_MS = 1_000_000;
const CLIENT_COUNT = 4;

/** A disk that is neither fast nor slow, and always the same. */
export const STEADY_STORAGE: StorageLatency = {
  write: fixedDelay(10_000),
  read: fixedDelay(20_000),
  sync: fixedDelay(200_000),
  metadata: fixedDelay(20_000),
};

export interface StageOptions {
  readonly arenas: ArenaPool;
  readonly seed: number;
  readonly memberCount: number;
  readonly linkDelayNs: number;
  readonly cluster: Partial<ClusterSettings>;
  readonly member: Partial<MemberSettings>;
  /** Clients are challenged; they know their secrets, or do not. */
  readonly isAuthenticated?: boolean;
}

/** A term that had a leader. */
export interface Reign {
  readonly termId: number;
  readonly memberId: number;
}

export class Stage {
  readonly world: World;
  readonly cluster: SimulatedCluster;
  readonly judge: Judge;
  readonly judges: Judges;
  readonly wire: WireFaults;
  readonly clients: readonly ScenarioClient[];
  /** Leaders in the order of their terms. */
  readonly reigns: Reign[] = [];
  /** What the service of each member's process has applied. */
  readonly applied: string[][];
  /** Members that the script has hurt so that they may end, or find their directory damaged. */
  readonly expectedEnds = new Set<number>();
  readonly hurtDirectories = new Set<number>();
  /** Every process of a member that ended with an error, as `member: code`. */
  readonly endCodes: { memberId: number; code: string }[] = [];
  /** Names of the lines that are left out: `states`, `clients`, `warnings`. */
  readonly muted = new Set<string>();
  #lines: string[] = [];

  constructor(options: StageOptions) {
    const { arenas, cluster, isAuthenticated, linkDelayNs, member, memberCount, seed } = options;
    this.world = new World(seed);
    this.judge = new Judge(this.world);
    this.applied = Array.from({ length: memberCount }, () => []);
    this.cluster = new SimulatedCluster({
      world: this.world,
      memberCount,
      arenas,
      cluster,
      member,
      makeService: (memberId) => this.#makeService(memberId),
      makeSecurity:
        isAuthenticated === true
          ? (id) => ({ authenticator: new SecretAuthenticator(`salt ${id}`) })
          : undefined,
      events: (memberId) => this.#eventsOf(memberId),
    });
    const { members } = this.cluster;
    const isDurable = members[0]?.config.durability === 'fsync';
    this.judges = new Judges(this.world, this.judge, members, isDurable);
    this.judges.committed.excusedMember = () => this.#excusedMember();
    this.wire = new WireFaults(this.world);
    const parts = {
      world: this.world,
      arenas,
      ingressEndpoints: this.cluster.ingressEndpoints,
      acknowledged: this.judges.acknowledged,
      say: (who: string, what: string) => this.say(who, what, 'clients'),
    };
    this.clients = Array.from(
      { length: CLIENT_COUNT },
      (_, index) => new ScenarioClient(index + 1, parts),
    );
    this.world.network.setAllLinks({ delay: fixedDelay(linkDelayNs) });
    this.#prepare();
  }

  #prepare(): void {
    this.cluster.bootstrap();
    for (const member of this.cluster.members) {
      member.node.disk.latency = STEADY_STORAGE;
      member.node.onFatal = (_process, error) => this.#onFatal(member, error);
    }
    for (const client of this.clients) {
      client.node.onFatal = (_process, error) =>
        this.judge.report('fatal', `client ${client.id}: ${describeError(error)}`);
    }
    this.world.onEvent = (event) => this.#onEvent(event);
  }

  // --- the trace ---

  say(who: string, what: string, topic = ''): void {
    if (topic !== 'answers') {
      this.flushAnswers();
    }
    if (!this.muted.has(topic)) {
      const ms = (this.world.nowNs / NS_PER_MS).toFixed(1).padStart(8);
      this.#lines.push(`${ms}  ${who.padEnd(8)}  ${what}`);
    }
  }

  /** A line without time and place. */
  print(line: string): void {
    this.flushAnswers();
    this.#lines.push(line);
  }

  flushAnswers(): void {
    for (const client of this.clients) {
      client.flushAnswers();
    }
  }

  /** Lines since the last call. */
  takeLines(): string[] {
    this.flushAnswers();
    const lines = this.#lines;
    this.#lines = [];
    return lines;
  }

  // --- nodes ---

  memberOf(text: string): SimulatedMember {
    const member = this.cluster.members[Number(text)];
    if (member === undefined) {
      throw new Error(`there is no member ${text}`);
    }
    return member;
  }

  clientOf(text: string): ScenarioClient {
    const client = this.clients[Number(text.replace(/^c/, '')) - 1];
    if (client === undefined) {
      throw new Error(`there is no client ${text}: use 1 to ${CLIENT_COUNT}`);
    }
    return client;
  }

  /** `2` is member 2, `c1` is client 1. */
  nodeOf(text: string): VirtualNode {
    return text.startsWith('c') ? this.clientOf(text).node : this.memberOf(text).node;
  }

  start(member: SimulatedMember): void {
    this.judges.onStart(member.memberId);
    this.applied[member.memberId] = [];
    this.cluster.start(member);
  }

  /** Runs up to a time, or to the event that breaks an invariant. */
  runUntil(timeNs: number): void {
    if (!this.world.runUntilTrue(() => this.judge.violation !== undefined, timeNs)) {
      this.world.runUntil(timeNs);
    }
  }

  /** Ends all processes, so that their memory can serve the next scenario. */
  close(): void {
    this.world.onEvent = undefined;
    for (const node of this.world.nodes) {
      node.onFatal = () => undefined;
      node.kill();
    }
    this.world.runUntil(this.world.nowNs);
  }

  // --- what happens ---

  #makeService(memberId: number): DedicatedService {
    const [host] = this.judges.makeServices(memberId) as [ServiceContainer];
    const service = host.service as LedgerService;
    const apply = service.onSessionMessage.bind(service);
    service.onSessionMessage = (session, timestamp, buffer, offset, length) => {
      this.applied[memberId]?.push(textOf(buffer, offset, length));
      apply(session, timestamp, buffer, offset, length);
    };
    addServiceCommands(service, memberId, (text) => this.applied[memberId]?.push(text));
    return host;
  }

  #eventsOf(memberId: number): MemberEvents {
    const who = `member ${memberId}`;
    return {
      onRecovered: (directory) => this.#onRecovered(memberId, directory),
      onStateChange: (state, reason) => this.say(who, `${state}: ${reason}`, 'states'),
      onRoleChange: (role, termId) => {
        if (role === 'leader') {
          this.reigns.push({ termId, memberId });
          this.judges.votes.onLeader(memberId, termId);
        }
      },
      onTerminated: (position) => this.#onTerminated(memberId, position),
      onWarning: (message) => this.say(who, `warns: ${message}`, 'warnings'),
    };
  }

  /** As its host does: the process ends when the member has left. */
  #onTerminated(memberId: number, position: number): void {
    this.say(`member ${memberId}`, `ends at position ${position}, as all do`);
    const { world } = this;
    const one = this.memberOf(String(memberId));
    const endLater = (): void => {
      world.schedule(world.nowNs + NS_PER_MS, undefined, () => {
        if (one.member?.hasLeft === false) {
          endLater();
        } else {
          one.node.stop();
        }
      });
    };
    endLater();
  }

  #onRecovered(memberId: number, directory: RecoveredDirectory): void {
    const { appendPosition, health, logTermId, nodeState } = directory;
    const isVoting = nodeState.state.voting;
    const kind = health.kind === 'sound' ? '' : `, ${health.kind}`;
    this.say(
      `member ${memberId}`,
      `starts with a log to ${appendPosition} in term ${logTermId}${kind}` +
        `${isVoting ? '' : ', without a vote'}`,
      'states',
    );
    const isDamaged = health.kind === 'corrupt' || !isVoting;
    if (isDamaged && !this.hurtDirectories.has(memberId)) {
      const found = directory.warnings.join('; ');
      this.judge.report(
        'recovery',
        `member ${memberId} finds damage where none was done: ${found}`,
      );
    }
  }

  #onFatal(member: SimulatedMember, error: unknown): void {
    const code = error instanceof PawlError ? error.code : describeError(error);
    this.endCodes.push({ memberId: member.memberId, code });
    this.say(member.node.name, `ends: ${describeError(error)}`);
    if (!this.expectedEnds.has(member.memberId)) {
      this.judge.report('fatal', `member ${member.memberId} ends: ${describeError(error)}`);
    }
  }

  #onEvent(event: WorldEvent): void {
    if (event.kind !== EventKind.Turn) {
      return;
    }
    const simulated = this.cluster.members[event.nodeId];
    const observed = simulated?.member?.observe();
    if (simulated !== undefined && observed !== undefined) {
      const servicePosition = simulated.member?.servicePosition ?? 0;
      this.judges.onTurn(simulated.memberId, observed, servicePosition, isMemberTurn(event));
    }
  }

  /** The member that has lost what it held, until its vote is on its disk again. */
  #excusedMember(): number | undefined {
    return [...this.hurtDirectories].find((memberId) => {
      const { disk } = this.memberOf(String(memberId)).node;
      return durableNodeState(disk)?.voting !== true;
    });
  }
}
