// subscription.ts: the streams that one reader wants.

import type { SocketAddress } from '../ports/network.js';
import type { ControlledFragmentHandler, FragmentHandler } from './fragment-header.js';
import type { Image } from './image.js';

/** What a SETUP announces. One instance serves all calls in turn: copy what is kept. */
export interface SetupSummary {
  readonly sessionId: number;
  readonly streamId: number;
  readonly initialTermId: number;
  readonly termLength: number;
  readonly mtuLength: number;
  /** Where the stream would be joined. */
  readonly position: number;
  readonly sourceAddress: SocketAddress;
}

/** Settings of a subscription. */
export interface SubscriptionOptions {
  /**
   * `required`: frames without a valid checksum are dropped. Default `optional`: checked if there.
   */
  readonly checksum?: 'required' | 'optional';
  /**
   * Decides whether an announced stream is joined. A text says why not, and is told to its sender.
   * Default: always.
   */
  readonly accept?: (setup: SetupSummary, nowNs: number) => boolean | string;
  readonly onAvailableImage?: (image: Image) => void;
  /** The image ended; its memory stays readable until the next duty cycle. */
  readonly onUnavailableImage?: (image: Image) => void;
  /** Longest term that a stream may have, bytes. Default: imageTermLengthMax of the transport. */
  readonly termLengthMax?: number;
  /**
   * Receiver window in bytes, before half a term caps it; at least the MTU that the stream
   * announces. Default: initialWindowLength.
   */
  readonly windowLength?: number;
  /** Local readers only: whether the writer waits for them. Default true. */
  readonly tether?: boolean;
}

/** Where a subscription is served from. */
export interface SubscriptionPlace {
  readonly localEndpoint: SocketAddress | undefined;
  readonly failure: Error | undefined;
  /** The subscription wants nothing more. */
  onSubscriptionClosed(subscription: Subscription): void;
}

/** Images of one stream id on one channel. Made by `Transport.addSubscription`. */
export class Subscription {
  readonly channel: string;
  readonly streamId: number;
  /** Session that is wanted; undefined for any. */
  readonly sessionId: number | undefined;
  readonly options: SubscriptionOptions;
  readonly #place: SubscriptionPlace;
  readonly #images: Image[] = [];
  #nextIndex = 0;
  #isClosed = false;

  constructor(
    place: SubscriptionPlace,
    channel: string,
    streamId: number,
    sessionId: number | undefined,
    options: SubscriptionOptions,
  ) {
    this.#place = place;
    this.channel = channel;
    this.streamId = streamId;
    this.sessionId = sessionId;
    this.options = options;
  }

  /**
   * Bound address with the port that the system chose; undefined before, and inside the process.
   */
  get localEndpoint(): SocketAddress | undefined {
    return this.#place.localEndpoint;
  }

  /** Why the socket could not be opened. */
  get failure(): Error | undefined {
    return this.#place.failure;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Open images, oldest first. */
  get images(): readonly Image[] {
    return this.#images;
  }

  imageBySessionId(sessionId: number): Image | undefined {
    return this.#images.find((image) => image.sessionId === sessionId);
  }

  /** Polls the images in turn, beginning with another one each time. Returns how many fragments. */
  poll(handler: FragmentHandler, fragmentLimit: number): number {
    let total = 0;
    const count = this.#images.length;
    const first = this.#rotate(count);
    for (let index = 0; index < count && total < fragmentLimit; index++) {
      total += this.#images[(first + index) % count]?.poll(handler, fragmentLimit - total) ?? 0;
    }
    return total;
  }

  /** As `poll`, with a handler that decides what is consumed. */
  controlledPoll(handler: ControlledFragmentHandler, fragmentLimit: number): number {
    let total = 0;
    const count = this.#images.length;
    const first = this.#rotate(count);
    for (let index = 0; index < count && total < fragmentLimit; index++) {
      const image = this.#images[(first + index) % count];
      total += image?.controlledPoll(handler, fragmentLimit - total) ?? 0;
    }
    return total;
  }

  #rotate(count: number): number {
    this.#nextIndex = count === 0 ? 0 : (this.#nextIndex + 1) % count;
    return this.#nextIndex;
  }

  /** Called by the transport. */
  addImage(image: Image): void {
    this.#images.push(image);
    this.options.onAvailableImage?.(image);
  }

  /** Called by the transport. */
  removeImage(image: Image): void {
    const index = this.#images.indexOf(image);
    if (index >= 0) {
      this.#images.splice(index, 1);
      this.options.onUnavailableImage?.(image);
    }
  }

  /** Closes all images and gives the socket back when nobody else uses it. Idempotent. */
  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      for (const image of [...this.#images]) {
        image.close();
      }
      this.#place.onSubscriptionClosed(this);
    }
  }
}
