// outbox.ts: what a service on a thread of its own says to the engine.
//
// A callback never finds it full: what the ring has no room for waits here, and the service gets
// nothing more of the log until it has left. What is for clients is bounded, as it is on the way
// behind the ring: for each session, and in all. Beyond that the session ends by an event in the
// log, which all members see.

import { assert } from '../assert.js';
import { outputRecordLengthMax } from '../cluster/channel-lengths.js';
import type { ClusterConfig } from '../cluster/cluster-config.js';
import { EgressBlocks, EgressQueue } from '../cluster/egress-queue.js';
import { egressMessageLengthMax } from '../cluster/message-lengths.js';
import { cutMessage } from '../cluster/message-pieces.js';
import type { Hash64 } from '../cluster/output-history.js';
import {
  MESSAGE_FIELDS_LENGTH,
  OutputType,
  type ServiceChannel,
} from '../cluster/service-channel.js';
import type {
  EgressReply,
  MessageListener,
  RelayedEgressSink,
  ServiceMessage,
  SnapshotWrite,
  TimerListener,
} from '../cluster/service-host.js';
import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';
import type { HashWriter } from './output-relay.js';

/** Bytes that wait for the ring in all, before messages to clients are given up. */
export const OUTBOX_LENGTH_MAX = 64 * 1024 * 1024;
const FIELD_LENGTH = 8;
/** In front of a record that waits: its type. */
const TYPE_LENGTH = 8;

/** Writes to the ring, or keeps for later. */
export class Outbox implements RelayedEgressSink, TimerListener, MessageListener, HashWriter {
  readonly messageLengthMax: number;
  readonly #arena: Arena;
  readonly #ring: number;
  readonly #config: ClusterConfig;
  readonly #scratch: number;
  readonly #scratchLength: number;
  readonly #messageFields = new Float64Array(MESSAGE_FIELDS_LENGTH / FIELD_LENGTH);
  readonly #queue = new EgressQueue(Number.MAX_SAFE_INTEGER, new EgressBlocks());
  readonly #type = new Uint8Array(TYPE_LENGTH);
  /** Bytes that wait for each session, -1 when some of them were given up. */
  readonly #waiting = new Map<number, number>();
  /** Whether this member may lead: what it says to clients goes nowhere otherwise. */
  isLeader = false;
  /** Set when something was written: the engine is to be woken. */
  hasWritten = false;

  constructor(arena: Arena, channel: ServiceChannel, config: ClusterConfig) {
    this.#arena = arena;
    this.#ring = channel.place.output;
    this.#config = config;
    this.messageLengthMax = egressMessageLengthMax(config);
    this.#scratchLength = outputRecordLengthMax(config);
    this.#scratch = arena.allocate(this.#scratchLength);
  }

  get isEmpty(): boolean {
    return this.#queue.isEmpty;
  }

  /** Bytes that wait. */
  get length(): number {
    return this.#queue.length;
  }

  // --- what a callback says ---

  offer(
    sessionId: number,
    timestamp: number,
    buffer: ArrayBufferView,
    offset: number,
    length: number,
  ): void {
    if (this.isLeader) {
      const body = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
      this.#fields(sessionId, timestamp);
      this.#putForClient(OutputType.Egress, sessionId, 2, body);
    }
  }

  offerReply(sessionId: number, reply: EgressReply): void {
    if (this.isLeader) {
      const { bytes, code, logPosition, requestId, timestamp } = reply;
      this.#fields(sessionId, requestId, logPosition, timestamp, code);
      this.#putForClient(OutputType.Reply, sessionId, 5, bytes);
    }
  }

  /** Dropped where anything waits: who asked asks again. */
  offerAnswer(
    sessionId: number,
    queryId: number,
    logPosition: Position,
    code: number,
    buffer: ArrayBufferView,
    offset: number,
    length: number,
  ): void {
    if (!this.#queue.isEmpty) {
      hit(Mark.OutboxDropsAnswer);
      return;
    }
    this.#fields(sessionId, queryId, logPosition, code);
    this.#setBody(4, new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length));
    if (!this.#write(OutputType.Answer, 4 * FIELD_LENGTH + length)) {
      hit(Mark.OutboxDropsAnswer);
    }
  }

  overflow(sessionId: number): void {
    this.#fields(sessionId);
    this.#put(OutputType.Overflow, FIELD_LENGTH);
  }

  requestClose(sessionId: number): void {
    this.#fields(sessionId);
    this.#put(OutputType.Close, FIELD_LENGTH);
  }

  onScheduled(correlationId: number, deadlineMs: number): void {
    this.#fields(correlationId, deadlineMs);
    this.#put(OutputType.TimerScheduled, 2 * FIELD_LENGTH);
  }

  onCancelled(correlationId: number): void {
    this.#fields(correlationId);
    this.#put(OutputType.TimerCancelled, FIELD_LENGTH);
  }

  onOffered({ bytes, ordinal, originPosition, sequence }: ServiceMessage): void {
    const fields = this.#messageFields;
    fields.set([sequence, originPosition, ordinal]);
    const head = new Uint8Array(fields.buffer);
    const write = (size: number): void => this.#put(OutputType.MessagePiece, size);
    const { length } = bytes;
    cutMessage(this.#arena, this.#scratch, write, head, head.length, bytes, 0, length);
  }

  onLogged(sequence: number): void {
    this.#fields(sequence);
    this.#put(OutputType.MessageLogged, FIELD_LENGTH);
  }

  // --- what was put out ---

  writeOutputBegin(position: Position, { high, low }: Hash64): void {
    this.#fields(position, low, high);
    this.#put(OutputType.OutputBegin, 3 * FIELD_LENGTH);
  }

  writeOutput(position: Position, low: number, high: number): void {
    this.#fields(position, low, high);
    this.#put(OutputType.Output, 3 * FIELD_LENGTH);
  }

  // --- snapshots ---

  /** @param pauseNs for how long the service stood still for it. */
  beginSnapshot(logPosition: number, pauseNs: number): void {
    this.#fields(logPosition, pauseNs);
    this.#put(OutputType.SnapshotBegin, 2 * FIELD_LENGTH);
  }

  readonly writeSnapshot: SnapshotWrite = (head, headLength, body, offset, length) => {
    const write = (size: number): void => this.#put(OutputType.SnapshotPiece, size);
    cutMessage(this.#arena, this.#scratch, write, head, headLength, body, offset, length);
  };

  /** @param oversizeLength of a record that was too long, or 0. */
  endSnapshot(oversizeLength: number): void {
    this.#fields(oversizeLength);
    this.#put(OutputType.SnapshotEnd, FIELD_LENGTH);
  }

  // --- the ring ---

  /** Writes what waits, as far as there is room. Returns how many records. */
  flush(): number {
    let count = 0;
    for (let record = this.#queue.peek(); record !== undefined; record = this.#queue.peek()) {
      const length = record.length - TYPE_LENGTH;
      this.#arena.u8.set(record.subarray(TYPE_LENGTH), this.#scratch);
      if (!this.#write(record[0] as number, length)) {
        return count;
      }
      this.#queue.shift();
      count++;
    }
    this.#waiting.clear();
    return count;
  }

  close(): void {
    this.#arena.release(this.#scratch, this.#scratchLength);
  }

  #fields(...values: number[]): void {
    const { f64 } = this.#arena;
    let index = this.#scratch >> 3;
    for (const value of values) {
      f64[index++] = value;
    }
  }

  #putForClient(type: number, sessionId: number, fieldCount: number, body: Uint8Array): void {
    const length = fieldCount * FIELD_LENGTH + body.length;
    if (!this.#queue.isEmpty && !this.#admit(sessionId, length)) {
      return;
    }
    this.#setBody(fieldCount, body);
    this.#put(type, length);
  }

  /** Bytes behind the fields. Beyond the scratch lies the memory of others. */
  #setBody(fieldCount: number, body: Uint8Array): void {
    const start = fieldCount * FIELD_LENGTH;
    assert(start + body.length <= this.#scratchLength, 'what leaves for a client fits one record');
    this.#arena.u8.set(body, this.#scratch + start);
  }

  /** Counts what waits for a client; false when it is too much. */
  #admit(sessionId: number, length: number): boolean {
    const before = this.#waiting.get(sessionId) ?? 0;
    if (before < 0) {
      return false;
    }
    const isTooMuch =
      before + length > this.#config.egressBufferLengthMax ||
      this.#queue.length + length > OUTBOX_LENGTH_MAX;
    this.#waiting.set(sessionId, isTooMuch ? -1 : before + length);
    if (isTooMuch) {
      hit(Mark.OutboxOverflow);
      this.overflow(sessionId);
    }
    return !isTooMuch;
  }

  /** Takes the record at the scratch. */
  #put(type: number, length: number): void {
    if (this.#queue.isEmpty && this.#write(type, length)) {
      return;
    }
    hit(Mark.OutboxWaits);
    this.#type[0] = type;
    const record = this.#arena.u8.subarray(this.#scratch, this.#scratch + length);
    const isKept = this.#queue.push(this.#type, 0, TYPE_LENGTH, record);
    assert(isKept, 'what a service does to its timers and sessions is never given up');
  }

  #write(type: number, length: number): boolean {
    const result = this.#arena.core.ringWrite(this.#ring, type, this.#scratch, length);
    assert(result >= 0, 'a record of a service fits into the ring');
    this.hasWritten ||= result > 0;
    return result > 0;
  }
}
