// simulated-cluster.ts: members and clients as they run in production, on virtual machines.
//
// A member is a process with two or three threads, as under Node: one for transport, consensus and
// service, one for the recorder, and one for the service where that is dedicated. They share an
// arena. Everything above the four ports is the production code.

import type { RecoveredDirectory } from '../archive/member-directory.js';
import { bootstrapDirectory } from '../archive/member-directory.js';
import { Recorder } from '../archive/recorder.js';
import { RECORDER_SLEEPING_OFFSET } from '../archive/recorder-control.js';
import { StorageTasks } from '../archive/storage-task.js';
import { assert } from '../assert.js';
import {
  type ClientOptions,
  type ConcludedClientOptions,
  concludeClientOptions,
} from '../client/client-options.js';
import { type ClientHandlers, ClusterClient } from '../client/cluster-client.js';
import type { CredentialsSupplier } from '../client/credentials.js';
import type { Authenticator, AuthorisationService } from '../cluster/authenticator.js';
import {
  type ClusterConfig,
  type ClusterSettings,
  concludeClusterConfig,
  fixedAtBirth,
  type MemberSettings,
} from '../cluster/cluster-config.js';
import { Member, type MemberEvents, type RecorderRunner } from '../cluster/member.js';
import { MessageMirror } from '../cluster/message-mirror.js';
import { RemoteService } from '../cluster/remote-service.js';
import { allocateServiceChannel, type ServiceChannelPlace } from '../cluster/service-channel.js';
import type { ServiceHost } from '../cluster/service-host.js';
import type { ShadowRunner } from '../cluster/shadow-snapshots.js';
import { Arena } from '../memory/arena.js';
import type { Agent } from '../ports/agent.js';
import {
  type DedicatedService,
  firstTerminationError,
  ServiceAgent,
} from '../service/service-agent.js';
import { ServiceTimers } from '../service/service-timers.js';
import { ShadowAgent } from '../service/shadow-agent.js';
import { Transport } from '../transport/transport.js';
import type { WorldEvent } from './event-heap.js';
import type { VirtualNode } from './virtual-node.js';
import type { VirtualProcess } from './virtual-process.js';
import { type VirtualPorts, VirtualThread } from './virtual-thread.js';
import type { World } from './world.js';

/** Bytes of the arena of a simulated member or client. */
export const SIMULATED_MEMORY_LENGTH = 24 * 1024 * 1024;
const INGRESS_PORT = 9001;
const CONSENSUS_PORT = 9002;
const LOG_PORT = 9003;
const CATCHUP_PORT = 9004;
const ARCHIVE_PORT = 9005;
const SMALL_TERM_LENGTH = 64 * 1024;
/** A client notices within this that the leader has forgotten it. */
const CLIENT_IMAGE_LIVENESS_NS = 1_000_000_000;

/** Arenas are kept for the next process: a shared memory is slow to make and slower to collect. */
export class ArenaPool {
  readonly #idle: Arena[] = [];

  take(): Arena {
    return this.#idle.pop() ?? Arena.create(SIMULATED_MEMORY_LENGTH);
  }

  give(arena: Arena): void {
    arena.reset();
    this.#idle.push(arena);
  }
}

export interface SimulatedClusterOptions {
  readonly world: World;
  readonly memberCount: number;
  readonly arenas: ArenaPool;
  /** Records in the member's own duty cycles, as the host does at level `page-cache`. */
  readonly isRecorderInline?: boolean;
  readonly cluster?: Partial<ClusterSettings>;
  readonly member?: Partial<MemberSettings>;
  /** Makes the service host of a member's process, or its hosts by service id. */
  readonly makeService: (memberId: number) => DedicatedService | readonly DedicatedService[];
  /** Settings in which one member differs from the others. */
  readonly memberOf?: (memberId: number) => Partial<MemberSettings>;
  /** Makes an instance that takes a snapshot for a member's service. */
  readonly makeShadow?: (memberId: number) => DedicatedService;
  /** What decides about clients on a member; nobody is asked who he is when not given. */
  readonly makeSecurity?: ((memberId: number) => MemberSecurity) | undefined;
  readonly events?: (memberId: number) => MemberEvents;
  /** Told when a member's process has ended, whichever way; what it was can still be read. */
  readonly onEnd?: (memberId: number, member: Member | undefined) => void;
}

/** What decides about clients. */
export interface MemberSecurity {
  readonly authenticator: Authenticator;
  readonly authorisation?: AuthorisationService;
}

/** Settings of a client, and how it proves who it is. */
export interface SimulatedClientOptions extends ClientOptions {
  readonly credentials?: CredentialsSupplier | undefined;
}

/** One member's machine. */
export interface SimulatedMember {
  readonly memberId: number;
  readonly node: VirtualNode;
  readonly config: ClusterConfig;
  /** The running member; undefined while the process is down. */
  member: Member | undefined;
}

/** The members of a cluster, born and ready to start. */
export class SimulatedCluster {
  readonly world: World;
  readonly members: readonly SimulatedMember[];
  readonly ingressEndpoints: string;
  readonly #options: SimulatedClusterOptions;

  constructor(options: SimulatedClusterOptions) {
    this.world = options.world;
    this.#options = options;
    const ids = Array.from({ length: options.memberCount }, (_, index) => index);
    const host = (id: number): string => `10.1.0.${id + 1}`;
    const members = ids
      .map((id) => {
        const ports = [INGRESS_PORT, CONSENSUS_PORT, LOG_PORT, CATCHUP_PORT, ARCHIVE_PORT];
        return [id, ...ports.map((port) => `${host(id)}:${port}`)].join(',');
      })
      .join('|');
    this.ingressEndpoints = ids.map((id) => `${id}=${host(id)}:${INGRESS_PORT}`).join(',');
    const cluster: ClusterSettings = {
      logTermLength: SMALL_TERM_LENGTH,
      segmentLength: SMALL_TERM_LENGTH,
      authentication: options.makeSecurity === undefined ? 'none' : 'required',
      egressTermLength: SMALL_TERM_LENGTH,
      ...options.cluster,
      members,
    };
    this.members = ids.map((memberId) => {
      const config = concludeClusterConfig(cluster, {
        streamTermLength: SMALL_TERM_LENGTH,
        windowLength: SMALL_TERM_LENGTH / 4,
        memoryLength: SIMULATED_MEMORY_LENGTH,
        insecure: true,
        ...options.member,
        ...options.memberOf?.(memberId),
        memberId,
      });
      const node = this.world.addNode({ name: `member ${memberId}`, hosts: [host(memberId)] });
      return { memberId, node, config, member: undefined };
    });
  }

  /** Births every member's directory as a voter of a new cluster, with the power on throughout. */
  bootstrap(): void {
    for (const { node, config } of this.members) {
      let isDone = false;
      node.start((process) => {
        process.spawn('bootstrap', (ports) => {
          const tasks = new StorageTasks(ports.storage);
          tasks.run(
            bootstrapDirectory(ports.storage, {
              ...fixedAtBirth(config),
              configurationHash: config.configurationHash,
              voting: true,
              mtuLength: config.member.mtuLength,
              entropy: ports.entropy,
              wallMs: ports.clock.wallMs(),
            }),
            () => {
              isDone = true;
            },
            (error) => {
              throw error;
            },
          );
          return [pollingAgent('bootstrap', () => tasks.poll())];
        });
      });
      const limitNs = this.world.nowNs + 60e9;
      assert(
        this.world.runUntilTrue(() => isDone, limitNs),
        'a directory is born within a minute',
      );
      node.stop();
    }
  }

  start(member: SimulatedMember): void {
    member.node.start((process) => this.#program(process, member));
  }

  startAll(): void {
    for (const member of this.members) {
      this.start(member);
    }
  }

  #program(process: VirtualProcess, simulated: SimulatedMember): void {
    const { arenas, events, isRecorderInline, makeSecurity, makeService } = this.#options;
    const { makeShadow, onEnd } = this.#options;
    const arena = arenas.take();
    process.spawn(MAIN_THREAD, (ports, thread) => {
      const memberEvents = events?.(simulated.memberId);
      const { config } = simulated;
      const runner = new SimulatedRecorder(process, thread, arena, config);
      const { memberId } = simulated;
      const services = [makeService(memberId)].flat();
      const shadowRunner =
        makeShadow &&
        new SimulatedShadow(process, thread, arena, config, () => makeShadow(memberId));
      const dedicated =
        config.member.threads === 'dedicated'
          ? dedicate(process, thread, arena, config, services)
          : undefined;
      const member = new Member({
        config,
        arena,
        clock: ports.clock,
        network: ports.network,
        entropy: ports.entropy,
        storage: ports.storage,
        services: dedicated?.hosts ?? services,
        ...makeSecurity?.(memberId),
        ...(isRecorderInline === true ? {} : { recorderRunner: runner }),
        ...(shadowRunner === undefined ? {} : { shadowRunner }),
        ...(memberEvents === undefined ? {} : { events: memberEvents }),
      });
      simulated.member = member;
      return dedicated === undefined ? [member] : [member, ending(member, dedicated.agents)];
    });
    process.onEnd = () => {
      onEnd?.(simulated.memberId, simulated.member);
      simulated.member = undefined;
      giveLater(this.world, arenas, arena);
    };
  }
}

/** The name of the thread that a member's duty cycles run on. */
export const MAIN_THREAD = 'main';
/** Whether an event was a turn of a member's own thread, not of its recorder's or its services'. */
export function isMemberTurn({ action }: WorldEvent): boolean {
  return action instanceof VirtualThread && action.name === MAIN_THREAD;
}

/** The name of the thread that dedicated services run on. */
export const SERVICE_THREAD = 'service';

/** Services on a thread of their own, and what the engine has of them. */
interface DedicatedServices {
  readonly agents: readonly ServiceAgent[];
  readonly hosts: readonly ServiceHost[];
}

/** Ends a process with what a service threw at its end, as soon as the member has left. */
function ending(member: Member, agents: readonly ServiceAgent[]): Agent {
  return pollingAgent('ending', () => {
    const error = member.hasLeft ? firstTerminationError(agents) : undefined;
    if (error !== undefined) {
      throw error;
    }
    return 0;
  });
}

/** Gives the services a thread of their own. */
function dedicate(
  process: VirtualProcess,
  main: VirtualThread,
  arena: Arena,
  config: ClusterConfig,
  services: readonly DedicatedService[],
): DedicatedServices {
  const channels = services.map((service) => ({
    service,
    place: allocateServiceChannel(arena, config),
  }));
  const { memory } = arena;
  const wakeEngine = (): void => main.wake();
  const agents = channels.map(
    ({ place, service }) => new ServiceAgent({ config, memory, place, service, wakeEngine }),
  );
  const thread = process.spawn(SERVICE_THREAD, () => agents);
  const hosts = channels.map(
    ({ place, service }) =>
      new RemoteService({
        ...{ config, arena, place },
        serviceId: service.serviceId,
        snapshotVersion: service.snapshotVersion,
        timers: new ServiceTimers(),
        messages: new MessageMirror(service.messages.pendingCountMax),
        wake: () => thread.wake(),
      }),
  );
  return { agents, hosts };
}

/** The recorder as an actor of its own: segment roll, sync order and failures are simulated too. */
class SimulatedRecorder implements RecorderRunner {
  readonly #process: VirtualProcess;
  readonly #main: VirtualThread;
  readonly #arena: Arena;
  readonly #config: ClusterConfig;
  #thread: VirtualThread | undefined;

  constructor(process: VirtualProcess, main: VirtualThread, arena: Arena, config: ClusterConfig) {
    this.#process = process;
    this.#main = main;
    this.#arena = arena;
    this.#config = config;
  }

  start(control: number, directory: RecoveredDirectory): void {
    this.#thread = this.#process.spawn('recorder', (ports: VirtualPorts) => {
      const tasks = new StorageTasks(ports.storage);
      const recorder = new Recorder({
        tasks,
        arena: this.#arena,
        control,
        geometry: directory.geometry,
        durability: this.#config.durability,
        onProgress: () => this.#main.wake(),
      });
      // The world knows whether the thread sleeps; the owner always wakes it.
      this.#arena.i32[(control + RECORDER_SLEEPING_OFFSET) >> 2] = 1;
      const agent: Agent = {
        roleName: 'recorder',
        doWork(nowNs) {
          const work = tasks.poll() + recorder.doWork(nowNs);
          if (recorder.failure !== undefined) {
            throw recorder.failure;
          }
          // Completions, wakes and deadlines bring the next turn; this one has left nothing.
          return recorder.isSettled ? 0 : work;
        },
        deadlineNs: () => recorder.deadlineNs(),
        close: () => recorder.close(),
      };
      return [agent];
    });
  }

  notify(): void {
    this.#thread?.wake();
  }

  close(): void {
    this.#thread = undefined;
  }
}

/** A shadow of the service, as an actor of its own. */
class SimulatedShadow implements ShadowRunner {
  readonly failure = undefined;
  readonly #spawn: (place: ServiceChannelPlace) => VirtualThread;
  #thread: VirtualThread | undefined;

  constructor(
    process: VirtualProcess,
    main: VirtualThread,
    arena: Arena,
    config: ClusterConfig,
    makeService: () => DedicatedService,
  ) {
    const { memory } = arena;
    const wakeEngine = (): void => main.wake();
    this.#spawn = (place) =>
      process.spawn('shadow', () => [
        new ShadowAgent({ config, memory, place, makeService, wakeEngine }),
      ]);
  }

  start(place: ServiceChannelPlace): void {
    this.#thread = this.#spawn(place);
  }

  notify(): void {
    this.#thread?.wake();
  }

  close(): void {
    this.#thread = undefined;
  }
}

/** A process may end in the middle of its own code, which still unwinds over the arena. */
export function giveLater(world: World, arenas: ArenaPool, arena: Arena): void {
  world.schedule(world.nowNs, undefined, () => arenas.give(arena));
}

function pollingAgent(roleName: string, poll: () => number): Agent {
  return {
    roleName,
    doWork: poll,
    deadlineNs: () => Number.POSITIVE_INFINITY,
    close: () => undefined,
  };
}

/** The transport of a client's process. */
export function clientTransport(arena: Arena, ports: VirtualPorts): Transport {
  return new Transport({
    arena,
    network: ports.network,
    entropy: ports.entropy,
    config: {
      initialWindowLength: SMALL_TERM_LENGTH / 4,
      imageLivenessTimeoutNs: CLIENT_IMAGE_LIVENESS_NS,
    },
  });
}

/** What a client on a machine is made with. */
export function clientOptionsOn(
  node: VirtualNode,
  { credentials: _credentials, ...options }: SimulatedClientOptions,
): ConcludedClientOptions {
  return concludeClientOptions({
    ingressTermLength: SMALL_TERM_LENGTH,
    egressChannel: `aeron:udp?endpoint=${node.hosts[0]}:0`,
    windowLength: SMALL_TERM_LENGTH / 4,
    ...options,
  });
}

/** A client's machine: connects when its process starts. */
export function startSimulatedClient(
  node: VirtualNode,
  arenas: ArenaPool,
  options: SimulatedClientOptions,
  handlers: ClientHandlers,
  onTurn: (client: ClusterClient, nowNs: number) => number,
  nextTurnNs: () => number,
  onEnd?: () => void,
): void {
  node.start((process) => {
    const arena = arenas.take();
    process.spawn('main', (ports) => {
      const transport = clientTransport(arena, ports);
      const client = new ClusterClient({
        transport,
        entropy: ports.entropy,
        options: clientOptionsOn(node, options),
        credentials: options.credentials,
        handlers,
      });
      return [
        {
          roleName: 'client',
          doWork: (nowNs) => client.doWork(nowNs) + onTurn(client, nowNs),
          deadlineNs: () => Math.min(client.deadlineNs(), nextTurnNs()),
          close: () => {
            client.close();
            transport.close();
          },
        },
      ];
    });
    process.onEnd = () => {
      onEnd?.();
      giveLater(node.world, arenas, arena);
    };
  });
}
