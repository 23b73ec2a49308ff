// service-agent.ts: a service on a thread of its own.
//
// The container is the one that runs in a member's duty cycle otherwise; only where it reads the
// log and what it writes to are others. Its engine may be blocked by nothing that happens here.

import { blockLengthOf } from '../cluster/channel-lengths.js';
import type { ClusterConfig } from '../cluster/cluster-config.js';
import { LogPoller } from '../cluster/log-poller.js';
import { MessageJoiner } from '../cluster/message-pieces.js';
import { SNAPSHOT_WINDOW_LENGTH } from '../cluster/remote-snapshot.js';
import {
  InputType,
  QUERY_FIELDS_LENGTH,
  RING_READ_LIMIT,
  RingReader,
  ServiceChannel,
  type ServiceChannelPlace,
  type ServiceStart,
} from '../cluster/service-channel.js';
import type {
  ServiceHost,
  SnapshotSection,
  SnapshotSink,
  SnapshotWrite,
} from '../cluster/service-host.js';
import { SNAPSHOT_STEP_INTERVAL_NS, SNAPSHOT_STEP_LENGTH } from '../cluster/snapshot-taker.js';
import { PawlError } from '../errors.js';
import { Arena } from '../memory/arena.js';
import type { Agent } from '../ports/agent.js';
import type { Position } from '../position.js';
import { messageLengthMax } from '../transport/log-memory.js';
import { Outbox } from './outbox.js';
import { OutputRelay } from './output-relay.js';
import { SharedLog } from './shared-log.js';

/** Fragments between two looks at the ring: what a service may say in between waits. */
const STEP_FRAGMENT_LIMIT = 64;
/** Steps of one duty cycle at most. */
const STEP_COUNT_MAX = 16;

/** A container that tells the time of its log. */
export interface DedicatedService extends ServiceHost {
  time(): number;
}

export interface ServiceAgentOptions {
  readonly config: ClusterConfig;
  readonly memory: WebAssembly.Memory;
  readonly place: ServiceChannelPlace;
  readonly service: DedicatedService;
  /** Monotonic nanoseconds, for counters. */
  readonly nowNs?: () => number;
  /** Tells the engine that there is something for it. */
  readonly wakeEngine: () => void;
}

/** A snapshot that is being handed over. */
interface Writing {
  readonly section: SnapshotSection;
  readonly logPosition: Position;
  /** What the engine had taken of snapshots before. */
  readonly takenBefore: number;
  sentLength: number;
}

/** What the first of the services threw, by id, that did when it was told of the end. */
export function firstTerminationError(agents: readonly ServiceAgent[]): PawlError | undefined {
  return agents.find((agent) => agent.terminationError !== undefined)?.terminationError;
}

/** Runs a container over a channel. */
export class ServiceAgent implements Agent {
  readonly roleName = 'service';
  readonly #options: ServiceAgentOptions;
  readonly #service: DedicatedService;
  readonly #arena: Arena;
  readonly #channel: ServiceChannel;
  readonly #outbox: Outbox;
  readonly #log: SharedLog;
  readonly #input: RingReader;
  readonly #joiner: MessageJoiner;
  readonly #snapshots: SnapshotSink;
  readonly #outputs: OutputRelay;
  readonly #nowNs: () => number;
  // When the service was told to freeze its state.
  #freezeNs = 0;
  #writing: Writing | undefined;
  #hasBegunSnapshot = false;
  #nextSnapshotNs = 0;
  #isStarted = false;
  /** The service has all of the snapshot that it starts from: no log is consumed before. */
  #isLoaded = false;
  #isTerminated = false;
  #terminationError: PawlError | undefined;
  #publishedPosition: Position = -1;
  #hasNews = false;
  #isWaiting = false;

  constructor(options: ServiceAgentOptions) {
    const { config, memory, place } = options;
    this.#options = options;
    this.#service = options.service;
    const arena = Arena.attach(memory, place.heap);
    this.#arena = arena;
    const channel = new ServiceChannel(arena, place);
    this.#channel = channel;
    this.#nowNs = options.nowNs ?? (() => 0);
    this.#outbox = new Outbox(arena, channel, config);
    this.#outputs = new OutputRelay(arena, this.#outbox);
    this.#log = new SharedLog(arena, channel, config.logTermLength, blockLengthOf(config));
    this.#joiner = new MessageJoiner(arena, (message) => this.#onSnapshotMessage(message));
    const queries = new MessageJoiner(arena, (message) => this.#onQuery(message));
    this.#input = new RingReader(arena, place.input, (type, address, length) => {
      const joiner = type === InputType.QueryPiece ? queries : this.#joiner;
      joiner.add(address, length);
    });
    this.#snapshots = {
      get wantedPosition() {
        return channel.snapshotWanted.get();
      },
      wants: (position) => {
        this.#freezeNs = this.#nowNs();
        const isWanted = channel.snapshotWanted.get() === position;
        if (isWanted) {
          // The engine wants another one: it has given up the last. State is frozen once at a time.
          this.#dropSnapshot();
        }
        return isWanted;
      },
      offer: (section) => this.#onSnapshot(section),
    };
  }

  /** Whether a snapshot was wanted, and all of it is on its way, or it is of no use any more. */
  get hasEndedSnapshot(): boolean {
    return this.#hasBegunSnapshot && this.#writing === undefined && this.#outbox.isEmpty;
  }

  /**
   * What the service threw when it was told that the member leaves. The member leaves all the same:
   * whoever runs this ends with the error when that is complete.
   */
  get terminationError(): PawlError | undefined {
    return this.#terminationError;
  }

  doWork(nowNs: number): number {
    if (!this.#isStarted && !this.#start()) {
      return 0;
    }
    // The limit first: what the engine had said before it is in the ring then.
    const limit = this.#channel.limit.get();
    let work = this.#pollInput(limit);
    this.#followRole();
    work += this.#outbox.flush();
    for (let step = 0; this.#isLoaded && step < STEP_COUNT_MAX; step++) {
      const count = this.#step(limit);
      work += count;
      if (count === 0) {
        break;
      }
    }
    work += this.#writeSnapshot(nowNs);
    this.#terminate();
    work += this.#awaitRoom();
    this.#tellEngine();
    return work;
  }

  deadlineNs(): number {
    return this.#canWriteSnapshot() ? this.#nextSnapshotNs : Number.POSITIVE_INFINITY;
  }

  close(): void {
    this.#dropSnapshot();
    this.#service.close();
  }

  #start(): boolean {
    const start = this.#channel.start();
    if (start === undefined) {
      return false;
    }
    this.#isStarted = true;
    this.#startFrom(start);
    return true;
  }

  #startFrom({ position, snapshot }: ServiceStart): void {
    const { config } = this.#options;
    const arena = this.#arena;
    this.#service.start({
      arena,
      memberId: config.member.memberId,
      poller: new LogPoller(arena, this.#log, config.logTermLength, position),
      egress: this.#outbox,
      messageLengthMax: messageLengthMax(config.logTermLength),
      fragmentLimit: Math.min(STEP_FRAGMENT_LIMIT, config.member.serviceFragmentLimit),
      snapshots: this.#snapshots,
      timerListener: this.#outbox,
      messageListener: this.#outbox,
      outputs: this.#outputs,
      snapshot,
    });
  }

  /**
   * The engine tells no limit beyond the start before all of the snapshot is in the ring, but one
   * look may not take all of it: it is loaded when a look behind such a limit finds the ring empty.
   */
  #pollInput(limit: Position): number {
    const count = this.#input.poll();
    this.#isLoaded ||= limit > this.#service.position && count < RING_READ_LIMIT;
    return count;
  }

  #followRole(): void {
    const { role } = this.#channel;
    this.#outbox.isLeader = role === 'leader';
    this.#service.onRoleChange(role);
  }

  /** Some of the log, unless what was said about the log before still waits. */
  #step(limit: Position): number {
    if (!this.#outbox.isEmpty) {
      return 0;
    }
    const work = this.#service.doWork(limit);
    this.#publish();
    return work;
  }

  /** The position counts when everything that was said before it is in the ring. */
  #publish(): void {
    const { position } = this.#service;
    if (this.#outbox.isEmpty && position !== this.#publishedPosition) {
      this.#publishedPosition = position;
      this.#channel.timeMs.set(this.#service.time());
      this.#channel.position.set(position);
      this.#hasNews = true;
      this.#tellEngine();
    }
  }

  #tellEngine(): void {
    const hasNews = this.#hasNews || this.#outbox.hasWritten || this.#log.hasAsked;
    this.#hasNews = false;
    this.#outbox.hasWritten = false;
    this.#log.hasAsked = false;
    if (hasNews) {
      this.#options.wakeEngine();
    }
  }

  /** The engine wakes whoever waits, unless it made room before it could know. */
  #awaitRoom(): number {
    if (this.#outbox.isEmpty === this.#isWaiting) {
      this.#isWaiting = !this.#isWaiting;
      this.#channel.isWaiting = this.#isWaiting;
    }
    return this.#isWaiting ? this.#outbox.flush() : 0;
  }

  #terminate(): void {
    if (this.#channel.isTerminating && !this.#isTerminated && this.#outbox.isEmpty) {
      this.#isTerminated = true;
      this.#tellEnd();
      this.#channel.publishTerminated();
      this.#hasNews = true;
    }
  }

  #tellEnd(): void {
    try {
      this.#service.terminate();
    } catch (error) {
      if (!(error instanceof PawlError)) {
        throw error;
      }
      this.#terminationError = error;
    }
  }

  // --- snapshots ---

  #onQuery(message: Uint8Array): void {
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    const bodyLength = message.length - QUERY_FIELDS_LENGTH;
    const [sessionId, queryId] = [view.getFloat64(0, true), view.getFloat64(8, true)];
    this.#service.query(sessionId, queryId, view, QUERY_FIELDS_LENGTH, bodyLength);
  }

  #onSnapshotMessage(message: Uint8Array): void {
    const view = new DataView(message.buffer, message.byteOffset, message.length);
    this.#service.loadSnapshot(view, 0, message.length);
  }

  #onSnapshot(section: SnapshotSection): void {
    const logPosition = this.#snapshots.wantedPosition;
    this.#outbox.beginSnapshot(logPosition, this.#nowNs() - this.#freezeNs);
    this.#hasBegunSnapshot = true;
    const takenBefore = this.#channel.snapshotTaken.get();
    this.#writing = { section, logPosition, takenBefore, sentLength: 0 };
  }

  #canWriteSnapshot(): boolean {
    const writing = this.#writing;
    if (writing === undefined || !this.#outbox.isEmpty) {
      return false;
    }
    const taken = this.#channel.snapshotTaken.get() - writing.takenBefore;
    return writing.sentLength - taken < SNAPSHOT_WINDOW_LENGTH;
  }

  #writeSnapshot(nowNs: number): number {
    const writing = this.#writing;
    if (writing !== undefined && this.#channel.snapshotUseless.get() >= writing.logPosition) {
      this.#dropSnapshot();
      return 1;
    }
    if (writing === undefined || !this.#canWriteSnapshot() || nowNs < this.#nextSnapshotNs) {
      return 0;
    }
    this.#nextSnapshotNs = nowNs + SNAPSHOT_STEP_INTERVAL_NS;
    const write: SnapshotWrite = (head, headLength, body, offset, length) => {
      this.#outbox.writeSnapshot(head, headLength, body, offset, length);
      writing.sentLength += headLength + (length ?? 0);
    };
    if (writing.section.write(write, SNAPSHOT_STEP_LENGTH)) {
      this.#dropSnapshot();
      this.#outbox.endSnapshot(writing.section.oversizeLength ?? 0);
    }
    return 1;
  }

  /** Lets go of the state that is being written, all of it or no more of it. */
  #dropSnapshot(): void {
    this.#writing?.section.close();
    this.#writing = undefined;
  }
}
