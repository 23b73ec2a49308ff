// network-image.ts: puts one stream from the network together again.
//
// Datagrams are inserted wherever they belong; once per duty cycle the contiguous part grows, a gap
// is asked for again (NAK), and the source learns how far it may send (status message).

import {
  DATA_FLAG_END_OF_STREAM,
  DATA_HEADER_LENGTH,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  FRAME_ALIGNMENT,
  FRAME_FLAGS_OFFSET,
  FRAME_TYPE_SM,
  NAK_LENGTH,
  PARTITION_COUNT,
  SM_CONSUMPTION_TERM_ID_OFFSET,
  SM_CONSUMPTION_TERM_OFFSET_OFFSET,
  SM_FLAG_END_OF_STREAM,
  SM_LENGTH,
  SM_RECEIVER_ID_OFFSET,
  SM_RECEIVER_WINDOW_OFFSET,
  SM_SESSION_ID_OFFSET,
  SM_STREAM_ID_OFFSET,
} from '../../assembly/layout/frame.js';
import { hit, Mark } from '../marks.js';
import {
  GAP_LENGTH_OFFSET,
  GAP_TERM_ID_OFFSET,
  GAP_TERM_OFFSET_OFFSET,
  InsertResult,
} from '../memory/core.js';
import type { SocketAddress } from '../ports/network.js';
import { type Position, termIdAt, termOffsetAt } from '../position.js';
import { writeFrameHeader } from '../protocol/frames.js';
import { NakFlyweight } from '../protocol/nak-flyweight.js';
import { IdlePace } from './idle-pace.js';
import { Image } from './image.js';
import { LogMemory, type StreamGeometry } from './log-memory.js';
import type { Medium } from './medium.js';
import { NAK_RETRY_FACTOR_MAX } from './transport-config.js';
import type { Stream, TransportContext } from './transport-context.js';

/** A status message is due when consumption moved by this share of the window. */
const WINDOW_SHARE = 4;
/** One that lets the source send less than this share more says nothing new: there is time. */
const NEWS_SHARE = 16;
/** SETUPs that contradict an image before it is given up. One alone may be the damaged one. */
const STRANGE_SETUP_COUNT_MAX = 3;
/**
 * NAKs for the first bytes of an image before it is given up: the source cannot answer them, for a
 * damaged SETUP named a position at which no frame starts. At their pace so many take a second.
 */
const JOIN_NAK_COUNT_MAX = 16;

/** What an image needs to know of its subscription. */
export interface ImageOwner {
  /** The image ended: it leaves the dispatch. `isEnd`: its writer closed it. */
  onImageClosed(image: NetworkImage, isEnd: boolean): void;
}

/** How a network image is made. */
export interface NetworkImageOptions {
  readonly geometry: StreamGeometry;
  readonly sourceKey: number;
  readonly isChecksumRequired: boolean;
  readonly windowLength: number;
}

/** One stream received over UDP. */
export class NetworkImage extends Image implements Stream {
  isQueued = false;
  readonly isUrgent = false;
  isWaiting = false;
  isDone = false;
  readonly #owner: ImageOwner;
  readonly #medium: Medium;
  readonly #source: SocketAddress;
  #sourceKey: number;
  readonly #windowLengthMax: number;
  readonly #nak = new NakFlyweight();
  #isClosed = false;
  #rebuildPosition: Position;
  /** New frames were inserted since the rebuild position was computed. */
  #hasNewFrames = false;
  #lastActivityNs: number;
  /** SETUPs of another geometry since anything was heard that fits this one. */
  #strangeSetups = 0;
  /** Nothing was heard for the liveness timeout, but there is something left to read. */
  #isSilent = false;
  /** Position at which the writer ended the stream; negative while it goes on. */
  #endPosition = -1;
  #statusMessagePosition: Position;
  /** How far the last status message let the source send. */
  #statusMessageLimit: Position = -1;
  readonly #statusMessage: IdlePace;
  #isStatusMessageForced = true;
  #lastForcedNs = Number.NEGATIVE_INFINITY;
  /** Start of the gap that is being asked for; negative when there is none. */
  #gapPosition = -1;
  #nakDeadlineNs = Infinity;
  #nakRetryNs = 0;
  /** NAKs for the very first bytes of the image. */
  #joinNakCount = 0;

  constructor(
    context: TransportContext,
    owner: ImageOwner,
    medium: Medium,
    options: NetworkImageOptions,
  ) {
    super(context, new LogMemory(context.arena, options.geometry), options.geometry.position);
    if (options.isChecksumRequired) {
      this.arena.core.logSetChecksum(this.meta, 1, 0);
    }
    this.#owner = owner;
    this.#medium = medium;
    this.#sourceKey = options.sourceKey;
    this.#source = medium.addressOf(options.sourceKey);
    this.#windowLengthMax = options.windowLength;
    this.#rebuildPosition = this.joinPosition;
    this.#statusMessagePosition = this.joinPosition;
    this.#statusMessage = new IdlePace(context.config.statusMessageTimeoutNs);
    this.#lastActivityNs = context.nowNs;
    context.counters.imagesOpened++;
    context.enqueue(this);
  }

  get sourceAddress(): SocketAddress {
    return this.#source;
  }

  get rebuildPosition(): Position {
    return this.#rebuildPosition;
  }

  get isEndOfStream(): boolean {
    return this.#endPosition >= 0 && this.position >= this.#endPosition;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  protected onConsumed(): void {
    this.context.enqueue(this);
  }

  /**
   * The source announces the same session with another geometry, again and again: what opened this
   * image was damaged on its way, for a SETUP has no checksum. The next one opens it as it is.
   */
  #onStrangeSetup(): void {
    this.#strangeSetups++;
    if (this.#strangeSetups >= STRANGE_SETUP_COUNT_MAX && !this.#isClosed) {
      hit(Mark.ImageStrangeSetups);
      this.close();
    }
  }

  // --- input ---

  /** Takes the data datagram in the staging memory. */
  onData(length: number, sourceKey: number): void {
    const { context } = this;
    if (!this.#isFromSource(sourceKey)) {
      context.counters.sourceMismatches++;
      return;
    }
    if (this.arena.i32[context.staging >> 2] === 0) {
      this.#onHeartbeat(length);
      return;
    }
    const result = this.arena.core.rebuildInsert(this.meta, context.staging, length);
    if (result >= 0) {
      this.#lastActivityNs = context.nowNs;
      this.#strangeSetups = 0;
      this.#hasNewFrames = true;
      context.enqueue(this);
    } else {
      this.#countRefused(result);
    }
  }

  #countRefused(result: number): void {
    const { counters, nowNs } = this.context;
    switch (result) {
      case InsertResult.Underrun:
        hit(Mark.ImageUnderrun);
        counters.underruns++;
        this.#lastActivityNs = nowNs;
        break;
      case InsertResult.Overrun:
        hit(Mark.ImageOverrun);
        counters.overruns++;
        this.#lastActivityNs = nowNs;
        break;
      case InsertResult.ChecksumMismatch:
        hit(Mark.ImageChecksumMismatch);
        counters.checksumMismatches++;
        break;
      default:
        counters.malformedDatagrams++;
    }
  }

  /** A frame without length says how far the source has sent, and whether that was all. */
  #onHeartbeat(length: number): void {
    const { context, arena, termLength } = this;
    const termOffset = arena.i32[(context.staging + DATA_TERM_OFFSET_OFFSET) >> 2] as number;
    const termId = arena.i32[(context.staging + DATA_TERM_ID_OFFSET) >> 2] as number;
    const termCount = (termId - this.initialTermId) | 0;
    const position = termCount * termLength + termOffset;
    const isInTerm = termOffset >= 0 && termOffset <= termLength && termCount >= 0;
    if (length !== DATA_HEADER_LENGTH || !isInTerm || termOffset % FRAME_ALIGNMENT !== 0) {
      context.counters.malformedDatagrams++;
      return;
    }
    if (position > this.log.writeLimit || position < this.joinPosition) {
      context.counters.overruns++;
      return;
    }
    context.counters.heartbeatsReceived++;
    this.#lastActivityNs = context.nowNs;
    arena.core.rebuildHighWaterMark(this.meta, position);
    const flags = arena.view.getUint8(context.staging + FRAME_FLAGS_OFFSET);
    if ((flags & DATA_FLAG_END_OF_STREAM) !== 0 && position >= this.#rebuildPosition) {
      this.#endPosition = position;
    }
    context.enqueue(this);
  }

  /** The source announces a stream that is open here already: it has not heard us. */
  onSetup(geometry: StreamGeometry, sourceKey: number): void {
    const { context } = this;
    const isSame =
      geometry.initialTermId === this.initialTermId && geometry.termLength === this.termLength;
    const isPossible =
      geometry.position >= this.joinPosition && geometry.position <= this.log.writeLimit;
    if (!isSame || !isPossible || !this.#isFromSource(sourceKey)) {
      context.counters.setupsRefused++;
      if (this.#isFromSource(sourceKey) && (!isSame || geometry.position < this.joinPosition)) {
        this.#onStrangeSetup();
      }
      return;
    }
    this.#lastActivityNs = context.nowNs;
    this.#strangeSetups = 0;
    if (context.nowNs - this.#lastForcedNs >= context.config.setupFastIntervalNs) {
      this.#lastForcedNs = context.nowNs;
      this.#isStatusMessageForced = true;
    }
    context.enqueue(this);
  }

  /** A key may be forgotten and given anew for the same address: compare that, then. */
  #isFromSource(sourceKey: number): boolean {
    if (sourceKey === this.#sourceKey) {
      return true;
    }
    const address = this.#medium.addressOf(sourceKey);
    if (address.port !== this.#source.port || address.host !== this.#source.host) {
      return false;
    }
    this.#sourceKey = sourceKey;
    return true;
  }

  // --- duty cycle ---

  duty(nowNs: number): number {
    this.isWaiting = false;
    if (this.#isClosed) {
      this.dispose();
      return 0;
    }
    let work = 0;
    if (this.#hasNewFrames) {
      this.#hasNewFrames = false;
      const before = this.#rebuildPosition;
      this.#rebuildPosition = this.arena.core.rebuildAdvance(this.meta);
      work += this.#rebuildPosition > before ? 1 : 0;
    }
    this.#retire();
    work += this.#detectLoss(nowNs);
    work += this.#sendStatusMessageIfDue(nowNs);
    this.#endIfOver(nowNs);
    return work;
  }

  deadlineNs(): number {
    return this.#dueNs(this.#statusMessage.dueNs);
  }

  /** A status message may leave somewhat early. */
  readyNs(): number {
    return this.#dueNs(this.#statusMessage.readyNs);
  }

  #dueNs(statusMessageNs: number): number {
    if (this.#isClosed) {
      return Infinity;
    }
    const { config, nowNs } = this.context;
    if (this.isWaiting) {
      return nowNs + config.sendRetryNs;
    }
    const silence = this.#isSilent ? 2 : 1;
    return Math.min(
      statusMessageNs,
      this.#lastActivityNs + silence * config.imageLivenessTimeoutNs,
      this.#nakDeadlineNs,
    );
  }

  /** Keeps history behind the position, and a term and a window of room before it. */
  #retire(): void {
    const retained = (PARTITION_COUNT - 1) * this.termLength - this.#windowLengthMax;
    this.log.retire(this.position - retained);
  }

  #detectLoss(nowNs: number): number {
    const { core } = this.arena;
    if (core.highWaterMark(this.meta) <= this.#rebuildPosition) {
      this.#gapPosition = -1;
      this.#nakDeadlineNs = Infinity;
      return 0;
    }
    const { scratch, config } = this.context;
    if (core.findGap(this.meta, scratch) === 0) {
      this.#gapPosition = -1;
      this.#nakDeadlineNs = Infinity;
      return 0;
    }
    const { i32 } = this.arena;
    const termId = i32[(scratch + GAP_TERM_ID_OFFSET) >> 2] as number;
    const termOffset = i32[(scratch + GAP_TERM_OFFSET_OFFSET) >> 2] as number;
    const length = i32[(scratch + GAP_LENGTH_OFFSET) >> 2] as number;
    const position = ((termId - this.initialTermId) | 0) * this.termLength + termOffset;
    if (position !== this.#gapPosition) {
      this.#gapPosition = position;
      this.#nakDeadlineNs = nowNs + config.nakDelayNs;
      this.#nakRetryNs = config.nakRetryNs;
    }
    if (nowNs < this.#nakDeadlineNs) {
      return 0;
    }
    this.#nakDeadlineNs = nowNs + this.#nakRetryNs;
    this.#nakRetryNs = Math.min(2 * this.#nakRetryNs, NAK_RETRY_FACTOR_MAX * config.nakRetryNs);
    this.#joinNakCount += position === this.joinPosition ? 1 : 0;
    return this.#sendNak(termId, termOffset, length);
  }

  #sendNak(termId: number, termOffset: number, length: number): number {
    const address = this.#medium.controlSlot();
    if (address === 0) {
      return 0;
    }
    this.#nak
      .wrapAndApplyHeader(this.arena.view, address, 0)
      .setSessionId(this.sessionId)
      .setStreamId(this.streamId)
      .setTermId(termId)
      .setTermOffset(termOffset)
      .setRangeLength(length);
    if (this.#medium.sendControl(address, NAK_LENGTH, this.#sourceKey) < 0) {
      return 0;
    }
    hit(Mark.ImageNak);
    this.context.counters.naksSent++;
    return 1;
  }

  #windowLength(): number {
    const unconsumed = this.#rebuildPosition - this.position;
    const window = this.arena.core.receiverWindow(
      this.#windowLengthMax,
      this.termLength,
      unconsumed,
    );
    return Math.min(window, this.log.writeLimit - this.position);
  }

  #sendStatusMessageIfDue(nowNs: number): number {
    const moved = this.position - this.#statusMessagePosition;
    const isDue =
      this.#isStatusMessageForced ||
      moved * WINDOW_SHARE >= this.#windowLengthMax ||
      nowNs >= this.#statusMessage.readyNs;
    if (!isDue) {
      return 0;
    }
    if (!this.#sendStatusMessage(0)) {
      hit(Mark.ImageControlWaits);
      this.isWaiting = true;
      return 0;
    }
    const limit = this.position + this.#windowLength();
    const isNew = (limit - this.#statusMessageLimit) * NEWS_SHARE >= this.#windowLengthMax;
    if (isNew || this.#isStatusMessageForced) {
      this.#statusMessage.onNews(nowNs);
    } else {
      this.#statusMessage.onRepeated(nowNs);
    }
    this.#statusMessageLimit = limit;
    this.#isStatusMessageForced = false;
    this.#statusMessagePosition = this.position;
    return 1;
  }

  #sendStatusMessage(flags: number): boolean {
    const address = this.#medium.controlSlot();
    if (address === 0) {
      return false;
    }
    const { context, position, termLength } = this;
    writeFrameHeader(this.arena.view, address, SM_LENGTH, flags, FRAME_TYPE_SM);
    const words = this.arena.i32;
    words[(address + SM_SESSION_ID_OFFSET) >> 2] = this.sessionId;
    words[(address + SM_STREAM_ID_OFFSET) >> 2] = this.streamId;
    words[(address + SM_CONSUMPTION_TERM_ID_OFFSET) >> 2] = termIdAt(
      position,
      termLength,
      this.initialTermId,
    );
    words[(address + SM_CONSUMPTION_TERM_OFFSET_OFFSET) >> 2] = termOffsetAt(position, termLength);
    words[(address + SM_RECEIVER_WINDOW_OFFSET) >> 2] = this.#windowLength();
    words[(address + SM_RECEIVER_ID_OFFSET) >> 2] = context.receiverIdLow;
    words[(address + SM_RECEIVER_ID_OFFSET + 4) >> 2] = context.receiverIdHigh;
    if (this.#medium.sendControl(address, SM_LENGTH, this.#sourceKey) < 0) {
      return false;
    }
    context.counters.statusMessagesSent++;
    return true;
  }

  // --- end ---

  /** Ends the image when its writer ended it, or fell silent, and the reader has read it all. */
  #endIfOver(nowNs: number): void {
    if (this.isEndOfStream) {
      hit(Mark.ImageEndOfStream);
      this.#end(true);
      return;
    }
    if (this.#joinNakCount >= JOIN_NAK_COUNT_MAX && this.#rebuildPosition === this.joinPosition) {
      hit(Mark.ImageJoinNeverFilled);
      this.#end(false);
      return;
    }
    const { counters, config } = this.context;
    const silentNs = nowNs - this.#lastActivityNs;
    const isRead = this.position >= this.#rebuildPosition;
    this.#isSilent = silentNs >= config.imageLivenessTimeoutNs;
    // The reader has one more such time to read what is there.
    if (silentNs >= config.imageLivenessTimeoutNs * (isRead ? 1 : 2)) {
      hit(Mark.ImageTimedOut);
      counters.imagesTimedOut++;
      this.#end(false);
    }
  }

  /** Forgets the session at once: a later SETUP is offered to `accept` again. */
  close(): void {
    if (!this.#isClosed) {
      this.#end(false);
    }
  }

  #end(isEnd: boolean): void {
    this.#isClosed = true;
    this.#sendStatusMessage(SM_FLAG_END_OF_STREAM);
    this.context.counters.imagesClosed++;
    this.#owner.onImageClosed(this, isEnd);
    this.context.enqueue(this);
  }

  /** Releases the memory. The endpoint may be gone already. */
  dispose(): void {
    if (this.isDone) {
      return;
    }
    this.close();
    if (this.retainCount === 0) {
      this.isDone = true;
      this.log.release();
    }
  }
}
