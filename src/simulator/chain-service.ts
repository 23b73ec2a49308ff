// chain-service.ts: what runs beside the ledger on simulated members of several services.
//
// It sees every command and answers none: it counts them, has timers of its own, and sends messages
// that cause messages. Its state is a running hash of everything that the log brought.

import type { ClientSession, Cluster, ClusteredService } from '../service/clustered-service.js';
import type { SnapshotImage, SnapshotPublication } from '../service/snapshot-publication.js';
import { finishHash, mixWord } from './invariants/frame-hash.js';
import type { TimerOperation } from './invariants/timers.js';
import type { MessageChain } from './message-chain.js';

/** One of so many commands schedules a timer, which other services use the id of as well. */
const COMMANDS_PER_TIMER = 9;
const TIMER_DELAY_STEP_MS = 40;
const TIMER_DELAY_STEPS = 11;
/** Hash and number of commands, as i32. */
const STATE_LENGTH = 8;

/** Told after each event that the service has handled. */
export interface ChainObserver {
  onEvent(
    position: number,
    hash: number,
    timestamp: number,
    operations: readonly TimerOperation[],
  ): void;
}

/** A service without clients. */
export class ChainService implements ClusteredService {
  readonly #chain: MessageChain;
  readonly #observer: ChainObserver;
  #cluster: Cluster | undefined;
  #hash = 1;
  #count = 0;
  #recordCount = 0;
  #operations: TimerOperation[] = [];

  constructor(chain: MessageChain, observer: ChainObserver) {
    this.#chain = chain;
    this.#observer = observer;
  }

  onStart(cluster: Cluster, snapshot?: SnapshotImage): void {
    this.#cluster = cluster;
    this.#chain.onStart(cluster);
    snapshot?.read((buffer, offset) => this.#onRecord(buffer, offset));
  }

  onTakeSnapshot(snapshot: SnapshotPublication): void {
    const state = new DataView(new ArrayBuffer(STATE_LENGTH));
    state.setInt32(0, this.#hash, true);
    state.setInt32(4, this.#count, true);
    snapshot.offer(state, 0, STATE_LENGTH);
    const chain = this.#chain.save();
    snapshot.offer(chain, 0, chain.length);
  }

  onSessionMessage(
    _session: ClientSession,
    timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void {
    const count = ++this.#count;
    this.#fold(buffer.getInt32(offset, true), length, timestamp);
    if (count % COMMANDS_PER_TIMER === 0) {
      const deadlineMs = timestamp + (count % TIMER_DELAY_STEPS) * TIMER_DELAY_STEP_MS;
      this.#cluster?.scheduleTimer(count, deadlineMs);
      this.#operations.push({ kind: 'scheduled', id: count, deadlineMs });
    }
    this.#chain.onCommand(count);
    this.#tell(timestamp);
  }

  onServiceMessage(
    from: number,
    timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void {
    this.#fold(from, this.#chain.onMessage(from, buffer, offset, length), timestamp);
    this.#tell(timestamp);
  }

  onTimerEvent(correlationId: number, timestamp: number): void {
    this.#fold(correlationId, 0, timestamp);
    this.#operations.push({ kind: 'fired', id: correlationId });
    this.#tell(timestamp);
  }

  stateHash(): string {
    return `${this.#count}:${(finishHash(this.#hash) >>> 0).toString(16)}`;
  }

  #onRecord(buffer: DataView, offset: number): void {
    if (this.#recordCount++ === 0) {
      this.#hash = buffer.getInt32(offset, true);
      this.#count = buffer.getInt32(offset + 4, true);
    } else {
      this.#chain.restore(buffer, offset);
    }
  }

  #fold(first: number, second: number, timestamp: number): void {
    this.#hash = mixWord(mixWord(mixWord(this.#hash, first), second), timestamp | 0);
  }

  #tell(timestamp: number): void {
    const position = this.#cluster?.logPosition() ?? 0;
    const operations = this.#operations;
    this.#operations = [];
    this.#observer.onEvent(position, finishHash(this.#hash), timestamp, operations);
  }
}
