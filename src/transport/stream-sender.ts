// stream-sender.ts: sends one log buffer to one receiver.
//
// It announces the stream (SETUP) until the receiver answers with a status message, sends what the
// receiver has room for straight from the term buffers, answers NAKs, and says that it is alive and
// how far it sent (heartbeat) when there is nothing else to say.

import {
  DATA_FLAG_END_OF_STREAM,
  DATA_FLAGS_UNFRAGMENTED,
  DATA_HEADER_LENGTH,
  DATA_SESSION_ID_OFFSET,
  DATA_STREAM_ID_OFFSET,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  FRAME_ALIGNMENT,
  FRAME_TYPE_DATA,
  FRAME_TYPE_ERR,
  FRAME_TYPE_NAK,
  FRAME_TYPE_OFFSET,
  FRAME_TYPE_RTTM,
  FRAME_TYPE_SM,
  RTTM_SESSION_ID_OFFSET,
  RTTM_STREAM_ID_OFFSET,
  SETUP_LENGTH,
  SM_FLAG_END_OF_STREAM,
  SM_FLAG_SEND_SETUP,
} from '../../assembly/layout/frame.js';
import { hit, Mark } from '../marks.js';
import { BLOCK_ADDRESS_OFFSET, BLOCK_ADVANCE_OFFSET } from '../memory/core.js';
import { type DatagramHandler, SEND_FAILED } from '../ports/network.js';
import { type Position, termIdAt, termOffsetAt } from '../position.js';
import { ErrorFlyweight } from '../protocol/error-flyweight.js';
import { isFrameValid, writeFrameHeader } from '../protocol/frames.js';
import { NakFlyweight } from '../protocol/nak-flyweight.js';
import { SetupFlyweight } from '../protocol/setup-flyweight.js';
import { StatusMessageFlyweight } from '../protocol/status-message-flyweight.js';
import { IdlePace } from './idle-pace.js';
import type { LogMemory } from './log-memory.js';
import { HeldPositions, Medium, type MediumAddress, SENDER_CONTROL_SLOT_COUNT } from './medium.js';
import { Retransmits } from './retransmits.js';
import { answerMeasurement } from './round-trip.js';
import type { TransportContext } from './transport-context.js';

/** Highest term length multiple by which a status message may trail what was sent. */
const STATUS_MESSAGE_TRAIL_TERMS = 2;

/** Sends one stream to one receiver. */
export class StreamSender {
  protected readonly context: TransportContext;
  protected readonly log: LogMemory;
  protected readonly medium: Medium;
  protected readonly retransmits: Retransmits;
  protected readonly held = new HeldPositions();
  readonly #setup = new SetupFlyweight();
  readonly #statusMessage = new StatusMessageFlyweight();
  readonly #nak = new NakFlyweight();
  readonly #errorFrame = new ErrorFlyweight();
  readonly #onDatagram: DatagramHandler;
  /**
   * Everything below was given to the socket. Invariant: at or below the limit, but for padding.
   */
  senderPosition: Position;
  /** How far the receiver lets us send. */
  senderLimit: Position;
  /** What the receiver said it consumed. Invariant: at or below the sender position. */
  consumedPosition: Position;
  isConnected = false;
  /** The last status message said END_OF_STREAM: that receiver wants no more. */
  isReceiverGone = false;
  /** Why the receiver does not take the stream, in its words; undefined once it does. */
  refusal: string | undefined;
  /** Set once the stream is closed and everything is sent: heartbeats say so. */
  isEndOfStream = false;
  /** Set when a socket could not take what there is to send. */
  isBlocked = false;
  /** Set when a duty cycle ended at the burst length: there is more to send at once. */
  hasMore = false;
  #isSetupElicited = false;
  #setupCount = 0;
  #lastSetupNs = Number.NEGATIVE_INFINITY;
  readonly #heartbeat: IdlePace;
  #lastStatusMessageNs = Number.NEGATIVE_INFINITY;

  constructor(context: TransportContext, log: LogMemory, address: MediumAddress, at: Position) {
    this.context = context;
    this.log = log;
    this.medium = new Medium(context, address, SENDER_CONTROL_SLOT_COUNT);
    this.retransmits = new Retransmits(context.config, context.counters);
    this.#heartbeat = new IdlePace(context.config.heartbeatIntervalNs);
    this.senderPosition = at;
    this.senderLimit = at;
    this.consumedPosition = at;
    this.#onDatagram = (buffer, offset, length) => this.#receive(buffer, offset, length);
  }

  get failure(): Error | undefined {
    return this.medium.failure;
  }

  /** Announces the stream anew from a position: the receiver starts there. */
  restart(position: Position): void {
    this.senderPosition = position;
    this.senderLimit = position;
    this.consumedPosition = position;
    this.isConnected = false;
    this.isReceiverGone = false;
    this.retransmits.clear();
    this.#expectSetup();
  }

  #expectSetup(): void {
    this.#setupCount = 0;
    this.#lastSetupNs = Number.NEGATIVE_INFINITY;
  }

  /** Takes status messages and NAKs from the socket. Returns how many datagrams. */
  poll(): number {
    return this.medium.poll(this.#onDatagram);
  }

  /** Lowest position that the socket may still read; Infinity when none. */
  heldPosition(): Position {
    return this.held.oldest(this.medium);
  }

  /** Sends what is due up to the tail. Returns how much work that was. */
  send(nowNs: number, tail: Position): number {
    this.isBlocked = false;
    this.hasMore = false;
    if (!this.medium.isOpen) {
      this.medium.reopenIfDue(nowNs);
      return 0;
    }
    let work = this.#announce(nowNs);
    if (this.isConnected) {
      if (nowNs - this.#lastStatusMessageNs >= this.context.config.publicationConnectionTimeoutNs) {
        hit(Mark.SenderConnectionTimedOut);
        this.context.counters.connectionsTimedOut++;
        this.#disconnect();
        return work;
      }
      const sent = this.sendData(nowNs, tail);
      work += sent;
      if (sent > 0) {
        this.#heartbeat.onNews(nowNs);
      } else if (nowNs >= this.#heartbeat.readyNs) {
        work += this.#sendHeartbeat(nowNs);
      }
    }
    return work;
  }

  /** Sends new bytes. Returns how many datagrams. */
  protected sendData(_nowNs: number, tail: Position): number {
    return this.sendFromBuffer(tail);
  }

  /** Sends straight from the term buffers, as far as receiver and socket let us. */
  protected sendFromBuffer(tail: Position): number {
    const { arena, scratch } = this.context;
    const { meta, geometry } = this.log;
    const burstEnd = this.senderPosition + this.context.config.sendBurstLength;
    let count = 0;
    while (this.senderPosition < tail) {
      if (this.senderPosition >= burstEnd) {
        this.hasMore = true;
        break;
      }
      const room = Math.min(geometry.mtuLength, this.senderLimit - this.senderPosition);
      if (room < DATA_HEADER_LENGTH) {
        break;
      }
      const length = arena.core.nextBlock(meta, this.senderPosition, tail, room, scratch);
      if (length === 0) {
        break;
      }
      const result = this.medium.send(blockAddress(arena.i32, scratch), length);
      if (result < 0 && result !== SEND_FAILED) {
        hit(Mark.SenderBlocked);
        this.isBlocked = true;
        break;
      }
      this.held.note(this.senderPosition);
      this.senderPosition += blockAdvance(arena.i32, scratch);
      count++;
    }
    return count;
  }

  /** When something is due without input. */
  deadlineNs(): number {
    return this.#dueNs(this.#heartbeat.dueNs);
  }

  /** From when on a duty cycle would do it: a heartbeat may leave somewhat early. */
  readyNs(): number {
    return this.#dueNs(this.#heartbeat.readyNs);
  }

  #dueNs(heartbeatNs: number): number {
    const { config } = this.context;
    if (!this.medium.isOpen) {
      return this.medium.reopenNs;
    }
    if (this.isBlocked) {
      return this.context.nowNs + config.sendRetryNs;
    }
    const setup = this.#lastSetupNs + this.#setupIntervalNs();
    if (!this.isConnected) {
      return setup;
    }
    return Math.min(
      this.#isSetupElicited ? setup : Infinity,
      heartbeatNs,
      this.#lastStatusMessageNs + config.publicationConnectionTimeoutNs,
    );
  }

  /** Closes the socket; the memory of control frames goes back. */
  close(): void {
    this.medium.close();
  }

  /** Makes the next heartbeat due at once, so that the end of the stream is heard soon. */
  hastenHeartbeat(): void {
    this.#heartbeat.hasten();
  }

  #disconnect(): void {
    this.isConnected = false;
    this.senderLimit = this.senderPosition;
    this.#expectSetup();
  }

  #setupIntervalNs(): number {
    const { setupFastCount, setupFastIntervalNs, setupIntervalNs } = this.context.config;
    const isFast = this.#setupCount < setupFastCount || this.#isSetupElicited;
    return isFast ? setupFastIntervalNs : setupIntervalNs;
  }

  /** Sends a SETUP while nobody answers, and when a receiver asks. */
  #announce(nowNs: number): number {
    const isWanted = this.#isSetupElicited || !this.isConnected;
    if (!isWanted || nowNs - this.#lastSetupNs < this.#setupIntervalNs()) {
      return 0;
    }
    const address = this.medium.controlSlot();
    if (address === 0) {
      this.isBlocked = true;
      return 0;
    }
    const { sessionId, streamId, initialTermId, termLength, mtuLength } = this.log.geometry;
    this.#setup
      .wrapAndApplyHeader(this.context.arena.view, address, 0)
      .setTermOffset(termOffsetAt(this.senderPosition, termLength))
      .setSessionId(sessionId)
      .setStreamId(streamId)
      .setInitialTermId(initialTermId)
      .setActiveTermId(termIdAt(this.senderPosition, termLength, initialTermId))
      .setTermLength(termLength)
      .setMtuLength(mtuLength)
      .setTtl(0);
    if (this.medium.sendControl(address, SETUP_LENGTH, 0) < 0) {
      this.isBlocked = true;
      return 0;
    }
    this.context.counters.setupsSent++;
    this.#setupCount++;
    this.#lastSetupNs = nowNs;
    this.#isSetupElicited = false;
    return 1;
  }

  #sendHeartbeat(nowNs: number): number {
    const address = this.medium.controlSlot();
    if (address === 0) {
      this.isBlocked = true;
      return 0;
    }
    const { sessionId, streamId, initialTermId, termLength } = this.log.geometry;
    const { view, i32 } = this.context.arena;
    const end = this.isEndOfStream ? DATA_FLAG_END_OF_STREAM : 0;
    writeFrameHeader(view, address, 0, DATA_FLAGS_UNFRAGMENTED | end, FRAME_TYPE_DATA);
    i32[(address + DATA_TERM_OFFSET_OFFSET) >> 2] = termOffsetAt(this.senderPosition, termLength);
    i32[(address + DATA_SESSION_ID_OFFSET) >> 2] = sessionId;
    i32[(address + DATA_STREAM_ID_OFFSET) >> 2] = streamId;
    i32[(address + DATA_TERM_ID_OFFSET) >> 2] = termIdAt(
      this.senderPosition,
      termLength,
      initialTermId,
    );
    if (this.medium.sendControl(address, DATA_HEADER_LENGTH, 0) < 0) {
      this.isBlocked = true;
      return 0;
    }
    this.context.counters.heartbeatsSent++;
    if (this.isEndOfStream) {
      this.#heartbeat.onNews(nowNs);
    } else {
      this.#heartbeat.onRepeated(nowNs);
    }
    return 1;
  }

  #receive(buffer: Uint8Array, offset: number, length: number): void {
    const { context } = this;
    const { counters, staging, arena } = context;
    counters.datagramsReceived++;
    counters.bytesReceived += length;
    if (!context.stage(buffer, offset, length) || !isFrameValid(arena.view, staging, length)) {
      counters.malformedDatagrams++;
      return;
    }
    switch (arena.view.getUint16(staging + FRAME_TYPE_OFFSET, true)) {
      case FRAME_TYPE_SM:
        this.#onStatusMessage();
        break;
      case FRAME_TYPE_NAK:
        this.#onNak();
        break;
      case FRAME_TYPE_RTTM:
        this.#onRoundTripMeasurement();
        break;
      case FRAME_TYPE_ERR:
        this.#onError();
        break;
      default:
        counters.unexpectedFrames++;
    }
  }

  #onStatusMessage(): void {
    const { counters, arena, staging, nowNs } = this.context;
    const message = this.#statusMessage.wrap(arena.view, staging);
    if (!this.#isOurs(message.sessionId(), message.streamId())) {
      counters.unknownStreams++;
      return;
    }
    counters.statusMessagesReceived++;
    const flags = message.flags();
    if ((flags & SM_FLAG_SEND_SETUP) !== 0) {
      hit(Mark.SenderSetupElicited);
      this.#isSetupElicited = true;
      return;
    }
    const position = this.#positionOf(message.consumptionTermId(), message.consumptionTermOffset());
    const trail = STATUS_MESSAGE_TRAIL_TERMS * this.log.termLength;
    const isGoingOn = (flags & SM_FLAG_END_OF_STREAM) === 0;
    const isAhead = position > this.senderPosition && !(isGoingOn && this.skipTo(position));
    if (isAhead || position < this.senderPosition - trail || position < this.statusMessageFloor()) {
      hit(Mark.SenderStatusRefused);
      counters.statusMessagesRefused++;
      return;
    }
    if ((flags & SM_FLAG_END_OF_STREAM) !== 0) {
      this.consumedPosition = Math.max(this.consumedPosition, position);
      hit(Mark.SenderReceiverGone);
      this.isReceiverGone = true;
      this.#disconnect();
      return;
    }
    this.#onConsumed(nowNs, position, message.receiverWindowLength());
  }

  #onConsumed(nowNs: number, position: Position, windowLength: number): void {
    if (!this.isConnected) {
      this.isConnected = true;
      this.isReceiverGone = false;
      this.refusal = undefined;
      this.hastenHeartbeat();
    }
    this.#lastStatusMessageNs = nowNs;
    this.consumedPosition = Math.max(this.consumedPosition, position);
    const window = Math.min(windowLength, this.log.termLength);
    this.senderLimit = Math.max(this.senderLimit, position + window);
  }

  /** A receiver says that it has more than was sent. Whether that can be, and is taken over. */
  protected skipTo(_position: Position): boolean {
    return false;
  }

  /** A status message below this is not about the stream as it is now. */
  protected statusMessageFloor(): Position {
    return this.log.geometry.position;
  }

  #isOurs(sessionId: number, streamId: number): boolean {
    const { geometry } = this.log;
    return sessionId === geometry.sessionId && streamId === geometry.streamId;
  }

  /** Position of a term and offset that came from the network; -1 when it cannot be one. */
  #positionOf(termId: number, termOffset: number): Position {
    const { initialTermId, termLength } = this.log.geometry;
    const termCount = (termId - initialTermId) | 0;
    const isPossible = termCount >= 0 && termOffset >= 0 && termOffset <= termLength;
    return isPossible && termOffset % FRAME_ALIGNMENT === 0
      ? termCount * termLength + termOffset
      : -1;
  }

  #onNak(): void {
    const { counters, arena, staging, nowNs } = this.context;
    const nak = this.#nak.wrap(arena.view, staging);
    if (!this.#isOurs(nak.sessionId(), nak.streamId())) {
      counters.unknownStreams++;
      return;
    }
    counters.naksReceived++;
    const start = this.#positionOf(nak.termId(), nak.termOffset());
    const end = Math.min(start + nak.rangeLength(), this.senderPosition);
    if (start < this.log.geometry.position || start >= end) {
      this.refuseNak(start, end);
      return;
    }
    if (this.retransmits.admit(nowNs, start, end)) {
      this.resend(start, end);
    }
  }

  /** A range below the start of this buffer, or that was never sent. */
  protected refuseNak(_start: Position, _end: Position): void {
    this.context.counters.naksRefused++;
  }

  /** Sends a range again. */
  protected resend(start: Position, end: Position): void {
    if (start < this.log.oldestPosition || !this.#isFrameAt(start)) {
      this.context.counters.naksRefused++;
      return;
    }
    this.resendFromBuffer(start, end);
  }

  protected resendFromBuffer(start: Position, end: Position): void {
    const { arena, scratch, config } = this.context;
    const { meta, geometry } = this.log;
    let position = start;
    let budget = config.retransmitBurstLength;
    while (position < end && budget > 0) {
      const length = arena.core.nextBlock(meta, position, end, geometry.mtuLength, scratch);
      if (length === 0 || this.medium.send(blockAddress(arena.i32, scratch), length) < 0) {
        return;
      }
      this.held.note(position);
      this.retransmits.spend(length);
      budget -= length;
      position += blockAdvance(arena.i32, scratch);
    }
  }

  /** Whether a frame of this stream starts at a position that came from the network. */
  #isFrameAt(position: Position): boolean {
    const { i32, core } = this.context.arena;
    const { termLength, initialTermId, sessionId } = this.log.geometry;
    const frame = core.addressOf(this.log.meta, position) >> 2;
    return (
      i32[frame + (DATA_TERM_OFFSET_OFFSET >> 2)] === termOffsetAt(position, termLength) &&
      i32[frame + (DATA_TERM_ID_OFFSET >> 2)] === termIdAt(position, termLength, initialTermId) &&
      i32[frame + (DATA_SESSION_ID_OFFSET >> 2)] === sessionId
    );
  }

  #onRoundTripMeasurement(): void {
    const { arena, staging, counters } = this.context;
    const sessionId = arena.view.getInt32(staging + RTTM_SESSION_ID_OFFSET, true);
    const streamId = arena.view.getInt32(staging + RTTM_STREAM_ID_OFFSET, true);
    if (this.#isOurs(sessionId, streamId)) {
      answerMeasurement(this.context, this.medium);
    } else {
      counters.unknownStreams++;
    }
  }

  /** A receiver says why it does not take our stream. */
  #onError(): void {
    const { arena, staging, counters } = this.context;
    const error = this.#errorFrame.wrap(arena.view, staging);
    if (!this.#isOurs(error.sessionId(), error.streamId())) {
      counters.unknownStreams++;
      return;
    }
    counters.errorFramesReceived++;
    if (!this.isConnected) {
      hit(Mark.SenderRefused);
      this.refusal = error.text();
    }
  }
}

/** Address of the block that nextBlock found. */
export function blockAddress(i32: Int32Array, out: number): number {
  return i32[(out + BLOCK_ADDRESS_OFFSET) >> 2] as number;
}

/** Bytes by which the position advances over the block that nextBlock found. */
export function blockAdvance(i32: Int32Array, out: number): number {
  return i32[(out + BLOCK_ADVANCE_OFFSET) >> 2] as number;
}
