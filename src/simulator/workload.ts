// workload.ts: clients that send numbered commands, and never the same one twice.
//
// A client is a process on a machine of its own. When its session ends it begins again as a new
// process with a new session; its sequence goes on, and what was not answered stays unanswered.

import type { ClusterClient } from '../client/cluster-client.js';
import type { QueryClient } from '../client/query-client.js';
import { type Acknowledged, CLIENT_COUNT_MAX } from './invariants/acknowledged.js';
import {
  CANCEL_CODE,
  COMMAND_HEADER_LENGTH,
  HANG_UP_CODE,
  REGISTER_REPLY_LENGTH,
  REPLY_LENGTH,
} from './ledger-service.js';
import type { HistoryJudge } from './linearizability/history-judge.js';
import type { Prng } from './prng.js';
import { ReadWorkload } from './read-workload.js';
import {
  REGISTER_COMMAND_LENGTH,
  RegisterClient,
  type RegisterCommand,
  writeRegisterCommand,
} from './register-commands.js';
import { type Reign, ServiceDemand } from './service-demand.js';
import {
  type ArenaPool,
  type SimulatedClientOptions,
  startSimulatedClient,
} from './simulated-cluster.js';
import { credentialsOf } from './simulated-security.js';
import type { Timeline } from './timeline.js';
import type { VirtualNode } from './virtual-node.js';
import type { World } from './world.js';

const NS_PER_MS = 1_000_000;
/** Unanswered commands beyond which a client waits. */
const OUTSTANDING_COUNT_MAX = 64;
/** A reply that has not come after this long is not waited for. */
const RESTART_DELAY_MAX_NS = 300 * NS_PER_MS;
const IDLE_RETRY_NS = 20 * NS_PER_MS;
/** Longest delay of a timer. */
const TIMER_DELAY_MAX_MS = 4_000;
/** Longest command: session header and command fit into an eighth of a small term. */
export const COMMAND_LENGTH_MAX = 7_900;

/** How clients behave. */
export interface WorkloadOptions {
  readonly clientCount: number;
  /** Mean time between two commands of a client. */
  readonly intervalNs: number;
  /** Commands sent at once. */
  readonly burstMax: number;
  /** Chance of a long command, in millionths. */
  readonly longPerMillion: number;
  /** Chance that a command schedules or cancels a timer, in millionths. */
  readonly timerPerMillion: number;
  /** Chance that a command has the service close the session, in millionths; 0 when not given. */
  readonly hangUpPerMillion?: number;
  /** Window of a client for what the leader sends it; a small one fills while it does not read. */
  readonly windowLength?: number;
  /** Waits as long as a client does by default; otherwise it gives up soon, and starts anew. */
  readonly isPatient?: boolean;
  /** Chance that a command is one on a register, in millionths. */
  readonly registerPerMillion: number;
  /** Mean time between two queries of a client; none when not given. */
  readonly readIntervalNs?: number;
}

/** Times of a client that gives up soon. */
const IMPATIENT = { connectTimeoutMs: 2_000, newLeaderTimeoutMs: 2_000, keepAliveIntervalMs: 300 };

export interface WorkloadParts {
  readonly world: World;
  readonly arenas: ArenaPool;
  readonly ingressEndpoints: string;
  readonly acknowledged: Acknowledged;
  readonly history: HistoryJudge;
  readonly timeline: Timeline;
  readonly isAuthenticated: boolean;
  /** Told how a query ended that was not answered. */
  readonly onQueryFailed?: (client: number, code: string) => void;
}

/** What a client sends and what becomes of the answers, where it is not numbered commands. */
export interface CommandSource {
  /** Writes a command into the bytes; returns its length, or 0 when there is none now. */
  next(sequence: number, bytes: Uint8Array, lengthMax: number): number;
  /** A message of the service. */
  onReply(view: DataView, offset: number, length: number): void;
  onSession(sessionId: number): void;
  /** Whether the log has the client's session. */
  isSessionOpen(): boolean;
  /** The queries of this client; none when not given. */
  makeReads?(options: WorkloadOptions): ClientReads | undefined;
}

/** What a client asks beside its commands. */
export interface ClientReads {
  /** What a session's client is to be given as handlers. */
  readonly queries: QueryClient;
  readonly answeredCount: number;
  /** The client's process starts. */
  start(): void;
  doWork(client: ClusterClient, nowNs: number): number;
  deadlineNs(nowNs: number): number;
}

/** One client over all its sessions. */
export class SimulatedClient {
  readonly id: number;
  readonly node: VirtualNode;
  readonly #parts: WorkloadParts;
  readonly #options: WorkloadOptions;
  readonly #random: Prng;
  readonly #timerRandom: Prng;
  readonly #hangUpRandom: Prng;
  readonly #registers: RegisterClient;
  readonly #reads: ClientReads;
  readonly #source: CommandSource | undefined;
  readonly #bytes = new Uint8Array(COMMAND_LENGTH_MAX);
  readonly #view = new DataView(this.#bytes.buffer);
  #isStopped = false;
  #nextNs = 0;
  #outstanding = 0;
  /** Length of a command that a source gave and that is not sent yet. */
  #written = 0;
  readonly #demand = new ServiceDemand();
  #demandedSequence = 0;
  sentCount = 0;
  /** Greatest sequence that was answered. */
  answeredSequence = 0;
  sessionCount = 0;

  constructor(
    id: number,
    parts: WorkloadParts,
    options: WorkloadOptions,
    source?: CommandSource | undefined,
  ) {
    this.id = id;
    this.#source = source;
    this.#parts = parts;
    this.#options = options;
    this.#random = parts.world.random.fork(`client ${id}`);
    this.#timerRandom = parts.world.random.fork(`timers of client ${id}`);
    this.#hangUpRandom = parts.world.random.fork(`hang ups of client ${id}`);
    const registerRandom = parts.world.random.fork(`registers of client ${id}`);
    const { registerPerMillion } = options;
    this.#registers = new RegisterClient(id, registerRandom, parts.world, registerPerMillion);
    this.#reads = source?.makeReads?.(options) ?? this.#makeReads();
    this.node = parts.world.addNode({ name: `client ${id}` });
  }

  #makeReads(): ReadWorkload {
    const { history, onQueryFailed, world } = this.#parts;
    // Where a source says what is sent and has no queries, nobody asks any.
    const intervalNs = this.#source === undefined ? (this.#options.readIntervalNs ?? 0) : 0;
    const onFailed = (code: string): void => onQueryFailed?.(this.id, code);
    const random = world.random.fork(`reads of client ${this.id}`);
    return new ReadWorkload(this.id, random, { time: world, history, onFailed }, intervalNs);
  }

  /** Starts a process with a new session. Nothing happens when one runs, or after `stop`. */
  start(): void {
    const { arenas, timeline, world } = this.#parts;
    if (this.#isStopped || this.node.process !== undefined) {
      return;
    }
    this.sessionCount++;
    this.#outstanding = 0;
    this.#demand.onRestart();
    this.#askAgain();
    this.#registers.forgetUnanswered();
    this.#reads.start();
    startSimulatedClient(
      this.node,
      arenas,
      this.#clientOptions(),
      {
        onMessage: (view, offset, length) => this.#onReply(view, offset, length),
        onConnected: (id) => {
          timeline.add(this.node.name, `has session ${id}`);
          this.#source?.onSession(id);
        },
        onNewLeader: (termId, memberId) => {
          timeline.add(this.node.name, `hears that member ${memberId} leads term ${termId}`);
          this.#demand.onNewLeader();
          this.#askAgain();
          this.#registers.forgetUnanswered();
          this.#reads.queries.onNewLeader();
        },
        onQueryAnswer: (answer, view, offset, length) =>
          this.#reads.queries.onAnswer(answer, view, offset, length),
        onClosed: (error) => {
          if (error !== undefined) {
            timeline.add(this.node.name, `lost its session: ${error.message}`);
            world.schedule(world.nowNs, undefined, () => this.node.kill());
          }
        },
      },
      (client, nowNs) => this.#send(client) + this.#reads.doWork(client, nowNs),
      () => this.#deadlineNs(),
      () => this.#startLater(),
    );
  }

  #clientOptions(): SimulatedClientOptions {
    const { isAuthenticated } = this.#parts;
    const { isPatient = false, windowLength } = this.#options;
    return {
      ...(isPatient ? {} : IMPATIENT),
      ...(windowLength === undefined ? {} : { windowLength }),
      ingressEndpoints: this.#parts.ingressEndpoints,
      ...(isAuthenticated ? { credentials: credentialsOf(this.#name()) } : {}),
    };
  }

  /** The first client is known without a challenge, by the length of its name. */
  #name(): string {
    return this.id === 0 ? 'trusted' : this.node.name;
  }

  /** Queries that were answered. */
  get readCount(): number {
    return this.#reads.answeredCount;
  }

  /**
   * From now on a cluster has to serve the client.
   *
   * @param reign who leads it.
   */
  demandService(reign: () => Reign | undefined): void {
    this.#demandedSequence = this.sentCount;
    if (this.#source !== undefined) {
      // All of them at once would find no room for their streams.
      this.#demand.begin(reign, this.id === 0);
      this.#nextNs = this.#parts.world.nowNs;
      this.node.process?.rearm();
    }
  }

  /** Whether that was done: something that it said since is answered or, of a source, applied. */
  get isServed(): boolean {
    return this.#source === undefined
      ? this.answeredSequence > this.#demandedSequence
      : this.#demand.isMet(this.#source.isSessionOpen());
  }

  /** Leaves for good. */
  stop(): void {
    this.#isStopped = true;
    this.node.stop();
  }

  #startLater(): void {
    const { world } = this.#parts;
    const delayNs = this.#random.below(RESTART_DELAY_MAX_NS);
    world.schedule(world.nowNs + delayNs, undefined, () => this.start());
  }

  #deadlineNs(): number {
    const { process } = this.node;
    const { nowNs } = this.#parts.world;
    const waitNs = Math.max(0, this.#nextNs - nowNs);
    const processNs = process?.clock.nowNs() ?? 0;
    return Math.min(processNs + waitNs, this.#reads.deadlineNs(processNs));
  }

  #send(client: ClusterClient): number {
    const { nowNs } = this.#parts.world;
    if (nowNs < this.#nextNs) {
      return 0;
    }
    if (this.#demand.isPending) {
      return this.#sendOnDemand(client, nowNs);
    }
    if (client.state !== 'connected' || this.#outstanding >= OUTSTANDING_COUNT_MAX) {
      this.#outstanding = Math.max(0, this.#outstanding - 1);
      this.#nextNs = nowNs + IDLE_RETRY_NS;
      return 0;
    }
    const { burstMax, intervalNs } = this.#options;
    const count = this.#random.chance(1, 8) ? this.#random.between(1, burstMax) : 1;
    this.#nextNs = nowNs + this.#random.below(2 * intervalNs) + 1;
    let sent = 0;
    while (sent < count && this.#offer(client)) {
      sent++;
    }
    return sent;
  }

  /** One command at a time, and the first one at once, until one has been served. */
  #sendOnDemand(client: ClusterClient, nowNs: number): number {
    this.#nextNs = nowNs + IDLE_RETRY_NS;
    if (!this.#demand.mayAsk(client, nowNs)) {
      return 0;
    }
    if (this.#offer(client)) {
      return 1;
    }
    if (this.#written === 0) {
      if (this.#demand.onNothing()) {
        const { world } = this.#parts;
        world.schedule(world.nowNs, undefined, () => this.node.stop());
      }
      this.#nextNs = nowNs + this.#random.below(2 * this.#options.intervalNs) + 1;
    }
    return 0;
  }

  #askAgain(): void {
    if (this.#demand.isPending) {
      this.#nextNs = this.#parts.world.nowNs;
    }
  }

  #offer(client: ClusterClient): boolean {
    const sequence = this.sentCount + 1;
    const length =
      this.#source === undefined
        ? this.#writeCommand(sequence, client.maxMessageLength)
        : this.#writeFrom(this.#source, sequence, client.maxMessageLength);
    if (length === 0 || client.offer(this.#bytes, 0, length) < 0) {
      return false;
    }
    if (this.#source !== undefined) {
      this.#demand.onSaid(this.#bytes.subarray(0, length));
    }
    this.#written = 0;
    this.sentCount = sequence;
    this.#outstanding++;
    if (this.#source === undefined) {
      this.#parts.history.onInvoke(this.id, sequence, this.#registers.onSent(sequence));
    }
    return true;
  }

  /** A command that could not be sent is the next one again: what a source gave is not lost. */
  #writeFrom(source: CommandSource, sequence: number, lengthMax: number): number {
    if (this.#written === 0) {
      this.#written = source.next(sequence, this.#bytes, Math.min(COMMAND_LENGTH_MAX, lengthMax));
    }
    return this.#written;
  }

  #writeCommand(sequence: number, lengthMax: number): number {
    const register = this.#registers.draw(sequence, this.#parts.history.isFull);
    const length = this.#drawLength(lengthMax, register);
    this.#view.setInt32(0, this.id + this.sessionCount * CLIENT_COUNT_MAX, true);
    this.#view.setInt32(4, sequence, true);
    this.#view.setInt32(8, length + this.#drawCode() * 2 ** 16, true);
    this.#bytes.fill(sequence & 0xff, COMMAND_HEADER_LENGTH, length);
    if (register !== undefined) {
      writeRegisterCommand(this.#view, COMMAND_HEADER_LENGTH, register);
    }
    return length;
  }

  /** A command of a source was applied: the wait for it is over, whether it is answered or not. */
  onApplied(command: Uint8Array): void {
    this.#outstanding = Math.max(0, this.#outstanding - 1);
    this.answeredSequence = this.sentCount;
    this.#demand.onApplied(command);
  }

  /** The session of a source's client was ended, and not because nothing was heard of it. */
  onHungUp(): void {
    this.#demand.onHungUp();
  }

  #drawCode(): number {
    const { hangUpPerMillion = 0 } = this.#options;
    const isLast = this.#hangUpRandom.chance(hangUpPerMillion, 1_000_000);
    return isLast ? HANG_UP_CODE : this.#drawTimerCode();
  }

  #drawTimerCode(): number {
    const random = this.#timerRandom;
    if (!random.chance(this.#options.timerPerMillion, 1_000_000)) {
      return 0;
    }
    return random.chance(1, 4) ? CANCEL_CODE : random.between(1, TIMER_DELAY_MAX_MS);
  }

  #drawLength(lengthMax: number, register: RegisterCommand | undefined): number {
    const random = this.#random;
    const least = COMMAND_HEADER_LENGTH + (register === undefined ? 0 : REGISTER_COMMAND_LENGTH);
    const longest = Math.min(COMMAND_LENGTH_MAX, lengthMax);
    if (random.chance(this.#options.longPerMillion, 1_000_000)) {
      return Math.max(least, random.between(COMMAND_HEADER_LENGTH, longest));
    }
    return Math.max(least, random.between(COMMAND_HEADER_LENGTH, 300));
  }

  #onReply(view: DataView, offset: number, length: number): void {
    if (this.#source !== undefined) {
      this.#source.onReply(view, offset, length);
      return;
    }
    if (length !== REPLY_LENGTH && length !== REGISTER_REPLY_LENGTH) {
      return;
    }
    const sequence = view.getInt32(offset + 4, true);
    this.#outstanding = Math.max(0, this.#outstanding - 1);
    this.answeredSequence = Math.max(this.answeredSequence, sequence);
    const order = view.getInt32(offset + 8, true);
    this.#parts.acknowledged.onReply({ client: view.getInt32(offset, true), sequence, order });
    const result = length === REPLY_LENGTH ? 0 : view.getInt32(offset + REPLY_LENGTH, true);
    this.#registers.onAnswer(sequence, result);
    this.#parts.history.onOk(this.id, sequence, order, result);
  }
}
