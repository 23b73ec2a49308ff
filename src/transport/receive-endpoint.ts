// receive-endpoint.ts: one bound socket, and which image each datagram is for.
//
// Subscriptions of the same local address share it. A datagram is dispatched by stream id, then by
// session id. What nobody wants is counted and dropped; a session that is wanted but unknown is
// asked to announce itself, at a bounded rate and with bounded memory, because any sender can make
// one up.

import {
  DATA_FLAG_END_OF_STREAM,
  DATA_HEADER_LENGTH,
  DATA_SESSION_ID_OFFSET,
  DATA_STREAM_ID_OFFSET,
  FRAME_FLAGS_OFFSET,
  FRAME_TYPE_DATA,
  FRAME_TYPE_OFFSET,
  FRAME_TYPE_PAD,
  FRAME_TYPE_SETUP,
  FRAME_TYPE_SM,
  FRAME_VERSION,
  FRAME_VERSION_OFFSET,
  PARTITION_COUNT,
  SM_FLAG_SEND_SETUP,
  SM_LENGTH,
  SM_RECEIVER_ID_OFFSET,
  SM_SESSION_ID_OFFSET,
  SM_STREAM_ID_OFFSET,
} from '../../assembly/layout/frame.js';
import { ErrorCode, PawlError } from '../errors.js';
import { hit, Mark } from '../marks.js';
import type { DatagramHandler, SocketAddress } from '../ports/network.js';
import { isFrameValid, writeFrameHeader } from '../protocol/frames.js';
import { SetupFlyweight } from '../protocol/setup-flyweight.js';
import { ImageRefusals } from './image-refusals.js';
import { Medium, type MediumAddress, RECEIVER_CONTROL_SLOT_COUNT } from './medium.js';
import { type ImageOwner, NetworkImage } from './network-image.js';
import type { SetupSummary, Subscription, SubscriptionPlace } from './subscription.js';
import type { TransportContext } from './transport-context.js';

/** Sessions per stream whose end, or whose asking, is remembered. */
export const REMEMBERED_SESSION_COUNT_MAX = 1024;
/** A stream is refused, and its sender is not told why. */
const NO_REASON = '';

/** Told about images, which the transport counts and drives. */
export interface ImageRegistry {
  readonly imageCount: number;
  addImage(image: NetworkImage): void;
}

/** Sessions and until when something about them holds. Bounded: the oldest is forgotten. */
class SessionTimes {
  readonly #times = new Map<number, number>();

  set(sessionId: number, untilNs: number): void {
    this.#times.delete(sessionId);
    if (this.#times.size >= REMEMBERED_SESSION_COUNT_MAX) {
      const oldest = this.#times.keys().next();
      if (oldest.done !== true) {
        this.#times.delete(oldest.value);
      }
    }
    this.#times.set(sessionId, untilNs);
  }

  holds(sessionId: number, nowNs: number): boolean {
    const untilNs = this.#times.get(sessionId);
    if (untilNs === undefined) {
      return false;
    }
    if (nowNs >= untilNs) {
      this.#times.delete(sessionId);
      return false;
    }
    return true;
  }
}

/** Images and subscriptions of one stream id on one socket. */
class StreamReceiver implements ImageOwner {
  readonly images = new Map<number, NetworkImage>();
  readonly subscriptions: Subscription[] = [];
  /** Sessions that ended: their stragglers open nothing. */
  readonly ended = new SessionTimes();
  /** Sessions that were asked to announce themselves a moment ago. */
  readonly asked = new SessionTimes();
  readonly #context: TransportContext;

  constructor(context: TransportContext) {
    this.#context = context;
  }

  wants(sessionId: number): boolean {
    return this.subscriptions.some(
      (each) => each.sessionId === undefined || each.sessionId === sessionId,
    );
  }

  onImageClosed(image: NetworkImage, isEnd: boolean): void {
    if (this.images.get(image.sessionId) === image) {
      this.images.delete(image.sessionId);
    }
    if (isEnd) {
      const { nowNs, config } = this.#context;
      this.ended.set(image.sessionId, nowNs + config.sessionCooldownNs);
    }
    for (const subscription of [...this.subscriptions]) {
      subscription.removeImage(image);
    }
  }
}

/** The announcement under inspection. */
class Announcement implements SetupSummary {
  sessionId = 0;
  streamId = 0;
  initialTermId = 0;
  termLength = 0;
  mtuLength = 0;
  position = 0;
  sourceAddress: SocketAddress = { host: '', port: 0 };
}

/** A bound socket with the streams that are received on it. */
export class ReceiveEndpoint implements SubscriptionPlace {
  /** Under which the transport finds it again: the address as it was asked for. */
  readonly key: string;
  readonly #context: TransportContext;
  readonly #registry: ImageRegistry;
  readonly #medium: Medium;
  readonly #refusals: ImageRefusals;
  readonly #streams = new Map<number, StreamReceiver>();
  readonly #setup = new SetupFlyweight();
  readonly #announcement = new Announcement();
  readonly #onDatagram: DatagramHandler;

  constructor(
    context: TransportContext,
    registry: ImageRegistry,
    key: string,
    address: MediumAddress,
  ) {
    this.key = key;
    this.#context = context;
    this.#registry = registry;
    this.#medium = new Medium(context, address, RECEIVER_CONTROL_SLOT_COUNT);
    this.#refusals = new ImageRefusals(context, this.#medium);
    this.#onDatagram = (buffer, offset, length, sourceKey) =>
      this.#receive(buffer, offset, length, sourceKey);
  }

  get localEndpoint(): SocketAddress | undefined {
    return this.#medium.localAddress;
  }

  get failure(): Error | undefined {
    return this.#medium.failure;
  }

  addSubscription(subscription: Subscription): void {
    let stream = this.#streams.get(subscription.streamId);
    if (stream === undefined) {
      stream = new StreamReceiver(this.#context);
      this.#streams.set(subscription.streamId, stream);
    }
    stream.subscriptions.push(subscription);
  }

  onSubscriptionClosed(subscription: Subscription): void {
    const stream = this.#streams.get(subscription.streamId);
    const index = stream?.subscriptions.indexOf(subscription) ?? -1;
    if (stream === undefined || index < 0) {
      return;
    }
    stream.subscriptions.splice(index, 1);
    if (stream.subscriptions.length === 0) {
      this.#streams.delete(subscription.streamId);
    }
    // The transport closes an endpoint without streams at the end of a duty cycle: not in a poll.
    this.#context.hasDone = true;
  }

  /** Whether nobody wants anything from here any more. */
  get isEmpty(): boolean {
    return this.#streams.size === 0;
  }

  /** Takes what arrived. Returns how many datagrams. */
  poll(): number {
    return this.#medium.poll(this.#onDatagram);
  }

  close(): void {
    this.#medium.close();
    this.#refusals.close();
  }

  #receive(buffer: Uint8Array, offset: number, length: number, sourceKey: number): void {
    const context = this.#context;
    const { counters, staging, arena } = context;
    counters.datagramsReceived++;
    counters.bytesReceived += length;
    if (length < DATA_HEADER_LENGTH || !context.stage(buffer, offset, length)) {
      hit(Mark.EndpointMalformed);
      counters.malformedDatagrams++;
      return;
    }
    if (arena.u8[staging + FRAME_VERSION_OFFSET] !== FRAME_VERSION) {
      counters.malformedDatagrams++;
      return;
    }
    const type = arena.view.getUint16(staging + FRAME_TYPE_OFFSET, true);
    if (type === FRAME_TYPE_DATA || type === FRAME_TYPE_PAD) {
      this.#onData(length, sourceKey);
    } else if (type === FRAME_TYPE_SETUP && isFrameValid(arena.view, staging, length)) {
      this.#onSetup(sourceKey);
    } else if (type === FRAME_TYPE_SETUP) {
      counters.malformedDatagrams++;
    } else {
      counters.unexpectedFrames++;
    }
  }

  #onData(length: number, sourceKey: number): void {
    const { arena, staging, counters, nowNs } = this.#context;
    const streamId = arena.i32[(staging + DATA_STREAM_ID_OFFSET) >> 2] as number;
    const sessionId = arena.i32[(staging + DATA_SESSION_ID_OFFSET) >> 2] as number;
    const stream = this.#streams.get(streamId);
    const image = stream?.images.get(sessionId);
    if (image !== undefined) {
      image.onData(length, sourceKey);
      return;
    }
    if (stream === undefined || !stream.wants(sessionId)) {
      counters.unknownStreams++;
      return;
    }
    const flags = arena.u8[staging + FRAME_FLAGS_OFFSET] as number;
    const isEnd = (flags & DATA_FLAG_END_OF_STREAM) !== 0;
    if (!isEnd && !stream.ended.holds(sessionId, nowNs) && !stream.asked.holds(sessionId, nowNs)) {
      this.#askForSetup(stream, streamId, sessionId, sourceKey);
    }
  }

  /** Asks an unknown session that is wanted to announce itself. */
  #askForSetup(
    stream: StreamReceiver,
    streamId: number,
    sessionId: number,
    sourceKey: number,
  ): void {
    const { arena, config, counters, nowNs, receiverIdLow, receiverIdHigh } = this.#context;
    const address = this.#medium.controlSlot();
    if (address === 0) {
      return;
    }
    writeFrameHeader(arena.view, address, SM_LENGTH, SM_FLAG_SEND_SETUP, FRAME_TYPE_SM);
    arena.i32[(address + SM_SESSION_ID_OFFSET) >> 2] = sessionId;
    arena.i32[(address + SM_STREAM_ID_OFFSET) >> 2] = streamId;
    arena.i32[(address + SM_RECEIVER_ID_OFFSET) >> 2] = receiverIdLow;
    arena.i32[(address + SM_RECEIVER_ID_OFFSET + 4) >> 2] = receiverIdHigh;
    if (this.#medium.sendControl(address, SM_LENGTH, sourceKey) >= 0) {
      hit(Mark.EndpointAsksForSetup);
      stream.asked.set(sessionId, nowNs + config.setupIntervalNs);
      counters.statusMessagesSent++;
    }
  }

  #onSetup(sourceKey: number): void {
    const { arena, staging, counters, nowNs } = this.#context;
    const setup = this.#setup.wrap(arena.view, staging);
    const sessionId = setup.sessionId();
    const stream = this.#streams.get(setup.streamId());
    counters.setupsReceived++;
    if (stream === undefined || !stream.wants(sessionId)) {
      counters.unknownStreams++;
      return;
    }
    const termCount = (setup.activeTermId() - setup.initialTermId()) | 0;
    const announcement = this.#announcement;
    announcement.sessionId = sessionId;
    announcement.streamId = setup.streamId();
    announcement.initialTermId = setup.initialTermId();
    announcement.termLength = setup.termLength();
    announcement.mtuLength = setup.mtuLength();
    announcement.position = termCount * setup.termLength() + setup.termOffset();
    const image = stream.images.get(sessionId);
    if (image !== undefined) {
      image.onSetup(announcement, sourceKey);
    } else if (!stream.ended.holds(sessionId, nowNs)) {
      announcement.sourceAddress = this.#medium.addressOf(sourceKey);
      this.#openImage(stream, announcement, sourceKey);
    }
  }

  #openImage(stream: StreamReceiver, setup: Announcement, sourceKey: number): void {
    const { counters, config } = this.#context;
    const subscription = this.#takerOf(stream, setup);
    if (typeof subscription === 'string') {
      hit(Mark.EndpointSetupRefused);
      counters.setupsRefused++;
      this.#tellRefusal(setup, subscription, sourceKey);
      return;
    }
    if (this.#registry.imageCount >= config.imageCountMax) {
      counters.imagesRefused++;
      const limit = `all ${config.imageCountMax} streams that are received at a time are taken`;
      this.#tellRefusal(setup, `${limit}: close some, or raise imageCountMax`, sourceKey);
      return;
    }
    const image = this.#createImage(stream, subscription, setup, sourceKey);
    if (image !== undefined) {
      stream.images.set(setup.sessionId, image);
      this.#registry.addImage(image);
      subscription.addImage(image);
    }
  }

  #tellRefusal(setup: Announcement, reason: string, sourceKey: number): void {
    if (reason !== NO_REASON) {
      this.#refusals.tell(setup.sessionId, setup.streamId, reason, sourceKey);
    }
  }

  /** The first subscription that wants a stream as it is announced, or why none does. */
  #takerOf(stream: StreamReceiver, setup: Announcement): Subscription | string {
    if (setup.position > Number.MAX_SAFE_INTEGER - PARTITION_COUNT * setup.termLength) {
      return NO_REASON;
    }
    const { mtuLength, termLength } = setup;
    if (mtuLength > termLength / 2) {
      return (
        `the stream's MTU is ${mtuLength}, but half of its term length ${termLength} must hold ` +
        'one datagram: lower its mtuLength or raise its termLength'
      );
    }
    let reason = NO_REASON;
    for (const subscription of stream.subscriptions) {
      const { sessionId } = subscription;
      if (sessionId === undefined || sessionId === setup.sessionId) {
        const answer = this.#ask(subscription, setup);
        if (answer === true) {
          return subscription;
        }
        reason = answer === false ? reason : answer;
      }
    }
    return reason;
  }

  #ask({ options }: Subscription, setup: Announcement): boolean | string {
    const lengthMax = options.termLengthMax ?? this.#context.config.imageTermLengthMax;
    if (setup.termLength > lengthMax) {
      const { termLength } = setup;
      return `the stream's term length is ${termLength}: lower it to ${lengthMax} at most`;
    }
    return options.accept === undefined || options.accept(setup, this.#context.nowNs);
  }

  #createImage(
    stream: StreamReceiver,
    subscription: Subscription,
    setup: Announcement,
    sourceKey: number,
  ): NetworkImage | undefined {
    const { config, counters } = this.#context;
    const { sessionId, streamId, initialTermId, termLength, mtuLength, position } = setup;
    const { checksum, windowLength = config.initialWindowLength } = subscription.options;
    try {
      return new NetworkImage(this.#context, stream, this.#medium, {
        geometry: { sessionId, streamId, initialTermId, termLength, mtuLength, position },
        sourceKey,
        isChecksumRequired: checksum === 'required',
        // A sender whose datagrams are longer than the window could never send one.
        windowLength: Math.min(Math.max(windowLength, mtuLength), termLength / 2),
      });
    } catch (error) {
      // A stranger's announcement must not end us because memory is short; anything else must.
      if (error instanceof PawlError && error.code === ErrorCode.MemoryExhausted) {
        counters.imagesRefused++;
        this.#tellRefusal(setup, error.message, sourceKey);
        return undefined;
      }
      throw error;
    }
  }
}
