// ledger-service.ts: the service that simulated members run.
//
// Its state is a running hash of everything that the log brought, so one number tells whether two
// members have seen the same events with the same times. It answers each command with its number in
// the order of all commands.

import type {
  ClientQuery,
  ClientRequest,
  ClientSession,
  Cluster,
  ClusteredService,
} from '../service/clustered-service.js';
import type { SnapshotImage, SnapshotPublication } from '../service/snapshot-publication.js';
import { finishHash, mixWord } from './invariants/frame-hash.js';
import type { ExecutedRequest } from './invariants/requests.js';
import type { TimerOperation } from './invariants/timers.js';
import type { MessageChain } from './message-chain.js';
import { QUERY_ANSWER_LENGTH, QUERY_LENGTH_MAX } from './read-workload.js';
import { NO_REGISTER, Registers } from './register-commands.js';
import { REQUEST_HEADER_LENGTH, REQUEST_REPLY_LENGTH } from './request-workload.js';

/**
 * Client, sequence, and length of the whole command plus its timer code times 65,536, as i32. The
 * rest is filling. The code is 0, the delay of a timer in milliseconds, CANCEL_CODE, or
 * HANG_UP_CODE.
 */
export const COMMAND_HEADER_LENGTH = 12;
/** Client, sequence and number in the order of all commands, as i32. */
export const REPLY_LENGTH = 12;
/** The same, and what a command on a register found, as i32. */
export const REGISTER_REPLY_LENGTH = REPLY_LENGTH + 4;
/** Cancels the timer that was scheduled last. */
export const CANCEL_CODE = 0x7fff;
/** Has the service close the session behind its answer. */
export const HANG_UP_CODE = 0x7ffe;
/** Hash, number of commands, last timer, and number of requests, as i32. */
const SNAPSHOT_RECORD_LENGTH = 16;
const NO_BYTES = new Uint8Array(0);
const FILLING_MODULUS = 40;
/** The longest filling is longer than two chunks of a snapshot. */
const FILLING_FACTOR = 4_001;

/** Told after each event that the service has handled. */
export interface LedgerObserver {
  onEvent(position: number, hash: number): void;
  onCommand(
    position: number,
    hash: number,
    client: number,
    sequence: number,
    order: number,
    timestamp: number,
  ): void;
  /** An exactly-once request was executed. */
  onRequest?(request: ExecutedRequest, position: number): void;
  /** What an event did to the timers; told for every event. */
  onTimers(position: number, timestamp: number, operations: readonly TimerOperation[]): void;
}

/** A deterministic service over commands {client, sequence}. */
export class LedgerService implements ClusteredService {
  readonly #observer: LedgerObserver;
  readonly #reply = new DataView(new ArrayBuffer(REGISTER_REPLY_LENGTH));
  readonly #answer = new DataView(new ArrayBuffer(QUERY_LENGTH_MAX));
  readonly #registers = new Registers();
  readonly #chain: MessageChain | undefined;
  #cluster: Cluster | undefined;
  #hash = 1;
  #count = 0;
  #requestCount = 0;
  #lastTimerId = 0;
  /** Records of the snapshot that this instance started from. */
  #recordCount = 0;
  #operations: TimerOperation[] = [];

  /** @param chain sends messages into the log; none when not given. */
  constructor(observer: LedgerObserver, chain?: MessageChain) {
    this.#observer = observer;
    this.#chain = chain;
  }

  /** Commands applied. */
  get count(): number {
    return this.#count;
  }

  onStart(cluster: Cluster, snapshot?: SnapshotImage): void {
    this.#cluster = cluster;
    this.#chain?.onStart(cluster);
    snapshot?.read((buffer, offset, length) => this.#onRecord(buffer, offset, length));
  }

  /** State, filling that differs with it, so that sizes vary, the chain, and the registers. */
  onTakeSnapshot(snapshot: SnapshotPublication): void {
    const state = new DataView(new ArrayBuffer(SNAPSHOT_RECORD_LENGTH));
    state.setInt32(0, this.#hash, true);
    state.setInt32(4, this.#count, true);
    state.setInt32(8, this.#lastTimerId, true);
    state.setInt32(12, this.#requestCount, true);
    snapshot.offer(state, 0, SNAPSHOT_RECORD_LENGTH);
    const filling = new Uint8Array((this.#count % FILLING_MODULUS) * FILLING_FACTOR);
    filling.fill(this.#count & 0xff);
    snapshot.offer(filling, 0, filling.length);
    const chain = this.#chain?.save() ?? NO_BYTES;
    snapshot.offer(chain, 0, chain.length);
    snapshot.offerView(this.#registers.snapshot());
  }

  onSessionMessage(
    session: ClientSession,
    timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void {
    const client = buffer.getInt32(offset, true);
    const sequence = buffer.getInt32(offset + 4, true);
    this.#count++;
    this.#fold(client, sequence, length, timestamp);
    for (let at = COMMAND_HEADER_LENGTH; at + 4 <= length; at += 4) {
      this.#hash = mixWord(this.#hash, buffer.getInt32(offset + at, true));
    }
    const code = buffer.getInt32(offset + 8, true) >>> 16;
    this.#onTimerCode(code, timestamp);
    this.#reply.setInt32(0, client, true);
    this.#reply.setInt32(4, sequence, true);
    this.#reply.setInt32(8, this.#count, true);
    session.offer(this.#reply, 0, this.#applyToRegisters(buffer, offset, length));
    if (code === HANG_UP_CODE) {
      this.#cluster?.closeSession(session.id);
    }
    this.#chain?.onCommand(this.#count);
    this.#observer.onCommand(
      this.#position,
      finishHash(this.#hash),
      client,
      sequence,
      this.#count,
      timestamp,
    );
    this.#tellTimers(timestamp);
  }

  /** Answers with requester, sequence, number in the order of all requests, and its filling. */
  onRequest(
    request: ClientRequest,
    timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void {
    const requester = buffer.getInt32(offset, true);
    const sequence = buffer.getInt32(offset + 4, true);
    const order = ++this.#requestCount;
    this.#fold(requester, sequence, length, timestamp);
    this.#hash = mixWord(this.#hash, order);
    const fillingLength = length - REQUEST_HEADER_LENGTH;
    const reply = new DataView(new ArrayBuffer(REQUEST_REPLY_LENGTH + fillingLength));
    reply.setInt32(0, requester, true);
    reply.setInt32(4, sequence, true);
    reply.setInt32(8, order, true);
    const start = buffer.byteOffset + offset + REQUEST_HEADER_LENGTH;
    const filling = new Uint8Array(buffer.buffer, start, fillingLength);
    new Uint8Array(reply.buffer).set(filling, REQUEST_REPLY_LENGTH);
    request.reply(reply, 0, reply.byteLength);
    this.#observer.onRequest?.({ requester, sequence, order }, this.#position);
    this.#tellEvent(timestamp);
  }

  /**
   * Answers with client, number of the query, number of commands, and what a register holds; at
   * length where the query is long.
   */
  onQuery(query: ClientQuery, buffer: DataView, offset: number, length: number): void {
    this.#answer.setInt32(0, buffer.getInt32(offset, true), true);
    this.#answer.setInt32(4, buffer.getInt32(offset + 4, true), true);
    this.#answer.setInt32(8, this.#count, true);
    this.#answer.setInt32(12, this.#registers.valueOf(buffer.getInt32(offset + 8, true)), true);
    query.reply(this.#answer, 0, Math.max(QUERY_ANSWER_LENGTH, length));
  }

  onServiceMessage(
    from: number,
    timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void {
    const digest = this.#chain?.onMessage(from, buffer, offset, length) ?? 0;
    this.#fold(5, from, digest, timestamp);
    this.#tellEvent(timestamp);
  }

  onTimerEvent(correlationId: number, timestamp: number): void {
    this.#fold(4, correlationId, 0, timestamp);
    this.#operations.push({ kind: 'fired', id: correlationId });
    this.#tellEvent(timestamp);
  }

  onSessionOpen(session: ClientSession, timestamp: number): void {
    this.#fold(1, session.id, session.responseStreamId, timestamp);
    this.#tellEvent(timestamp);
  }

  onSessionClose(session: ClientSession, timestamp: number, reason: number): void {
    this.#fold(2, session.id, reason, timestamp);
    this.#tellEvent(timestamp);
  }

  onNewLeadershipTermEvent(term: { leadershipTermId: number }, timestamp: number): void {
    this.#fold(3, term.leadershipTermId, 0, timestamp);
    this.#tellEvent(timestamp);
  }

  stateHash(): string {
    return `${this.#count}:${(finishHash(this.#hash) >>> 0).toString(16)}`;
  }

  get #position(): number {
    return this.#cluster?.logPosition() ?? 0;
  }

  #onRecord(buffer: DataView, offset: number, length: number): void {
    const number = this.#recordCount++;
    if (number === 0) {
      this.#hash = buffer.getInt32(offset, true);
      this.#count = buffer.getInt32(offset + 4, true);
      this.#lastTimerId = buffer.getInt32(offset + 8, true);
      this.#requestCount = buffer.getInt32(offset + 12, true);
      return;
    }
    if (number > 2) {
      this.#registers.restore(buffer, offset);
      return;
    }
    if (number === 2) {
      this.#chain?.restore(buffer, offset);
      return;
    }
    const isWhole = length === (this.#count % FILLING_MODULUS) * FILLING_FACTOR;
    // A snapshot that came back altered makes another state, which the judges see.
    this.#hash = isWhole ? this.#hash : mixWord(this.#hash, length);
  }

  /** The number of the command is the id of its timer: no two commands share one. */
  #onTimerCode(code: number, timestamp: number): void {
    if (code === CANCEL_CODE) {
      const id = this.#lastTimerId;
      const wasPending = this.#cluster?.cancelTimer(id) ?? false;
      this.#hash = mixWord(this.#hash, wasPending ? 1 : 2);
      this.#operations.push({ kind: 'cancelled', id, wasPending });
    } else if (code > 0 && code !== HANG_UP_CODE) {
      const deadlineMs = timestamp + code;
      this.#lastTimerId = this.#count;
      this.#cluster?.scheduleTimer(this.#count, deadlineMs);
      this.#operations.push({ kind: 'scheduled', id: this.#count, deadlineMs });
    }
  }

  /** Writes what a command on a register found into the reply. Returns the reply's length. */
  #applyToRegisters(buffer: DataView, offset: number, length: number): number {
    const start = offset + COMMAND_HEADER_LENGTH;
    const result = this.#registers.apply(buffer, start, length - COMMAND_HEADER_LENGTH);
    if (result === NO_REGISTER) {
      return REPLY_LENGTH;
    }
    this.#hash = mixWord(this.#hash, result);
    this.#reply.setInt32(REPLY_LENGTH, result, true);
    return REGISTER_REPLY_LENGTH;
  }

  #tellEvent(timestamp: number): void {
    this.#observer.onEvent(this.#position, finishHash(this.#hash));
    this.#tellTimers(timestamp);
  }

  #tellTimers(timestamp: number): void {
    this.#observer.onTimers(this.#position, timestamp, this.#operations);
    this.#operations = [];
  }

  #fold(first: number, second: number, third: number, timestamp: number): void {
    let hash = mixWord(this.#hash, first);
    hash = mixWord(hash, second);
    hash = mixWord(hash, third);
    hash = mixWord(hash, timestamp | 0);
    this.#hash = mixWord(hash, Math.floor(timestamp / 2 ** 32));
  }
}
