// egress-reader.ts: reads what the cluster says to a client.
//
// Nearly all of it is whole session messages: core.wasm indexes and decodes a batch of them in two
// calls, so that JavaScript reads numbers and calls the handler. What is long or rare goes through
// the fragment assembler.

import type { Arena } from '../memory/arena.js';
import {
  MESSAGE_BODY_LENGTH_OFFSET,
  MESSAGE_BODY_OFFSET,
  MESSAGE_CLUSTER_SESSION_OFFSET,
  MESSAGE_ENTRY_LENGTH,
  MESSAGE_LEADERSHIP_TERM_OFFSET,
  MESSAGE_POSITION_OFFSET,
  MESSAGE_TIMESTAMP_OFFSET,
  SCAN_END_OFFSET,
  SCAN_ENTRY_LENGTH,
  SCAN_HEADER_LENGTH,
  scanAreaLength,
} from '../memory/core.js';
import { type FragmentHandler, FragmentHeader } from '../transport/fragment-header.js';
import type { Image } from '../transport/image.js';
import type { Subscription } from '../transport/subscription.js';

/** Frames that one scan indexes at most. */
const SCAN_FRAME_LIMIT = 256;
/** Frames that one image may bring in one duty cycle. */
const IMAGE_FRAME_LIMIT = 1024;
const FRAME_HEADER_LENGTH = 32;

/** Receives egress. */
export interface EgressConsumer {
  /**
   * A whole message of a session, unchecked: any peer can send one.
   *
   * @param view bytes are valid during the call. @param offset of the body. @param length of the
   *   body, bytes.
   */
  readonly onSessionMessage: (
    view: DataView,
    offset: number,
    length: number,
    leadershipTermId: number,
    clusterSessionId: number,
    timestamp: number,
  ) => void;
  /** Every other fragment. */
  readonly onFragment: FragmentHandler;
}

/** Polls the images of an egress subscription. */
export class EgressReader {
  readonly #arena: Arena;
  readonly #subscription: Subscription;
  readonly #consumer: EgressConsumer;
  readonly #header = new FragmentHeader();
  readonly #scanArea: number;
  readonly #messageArea: number;

  constructor(arena: Arena, subscription: Subscription, consumer: EgressConsumer) {
    this.#arena = arena;
    this.#subscription = subscription;
    this.#consumer = consumer;
    this.#scanArea = arena.allocate(scanAreaLength(SCAN_FRAME_LIMIT));
    this.#messageArea = arena.allocate(SCAN_FRAME_LIMIT * MESSAGE_ENTRY_LENGTH);
  }

  release(): void {
    this.#arena.release(this.#scanArea, scanAreaLength(SCAN_FRAME_LIMIT));
    this.#arena.release(this.#messageArea, SCAN_FRAME_LIMIT * MESSAGE_ENTRY_LENGTH);
  }

  /** Delivers what has arrived. Returns how many fragments. */
  poll(): number {
    let work = 0;
    for (const image of this.#subscription.images) {
      let count = SCAN_FRAME_LIMIT;
      for (let total = 0; count === SCAN_FRAME_LIMIT && total < IMAGE_FRAME_LIMIT; total += count) {
        count = image.isClosed ? 0 : this.#pollImage(image);
        work += count;
      }
    }
    return work;
  }

  #pollImage(image: Image): number {
    const { core, f64 } = this.#arena;
    const { meta, position, rebuildPosition, termLength, initialTermId } = image;
    const count = core.scan(meta, position, rebuildPosition, SCAN_FRAME_LIMIT, this.#scanArea);
    const end = f64[(this.#scanArea + SCAN_END_OFFSET) >> 3] as number;
    core.decodeMessages(this.#scanArea, count, termLength, initialTermId, this.#messageArea);
    let entry = this.#messageArea;
    for (let index = 0; index < count && !image.isClosed; index++, entry += MESSAGE_ENTRY_LENGTH) {
      this.#deliver(image, index, entry);
    }
    image.advance(end);
    return count;
  }

  #deliver(image: Image, index: number, entry: number): void {
    const { i32, f64, view } = this.#arena;
    const body = i32[(entry + MESSAGE_BODY_OFFSET) >> 2] as number;
    try {
      if (body === 0) {
        this.#deliverFragment(image, index);
      } else {
        this.#consumer.onSessionMessage(
          view,
          body,
          i32[(entry + MESSAGE_BODY_LENGTH_OFFSET) >> 2] as number,
          f64[(entry + MESSAGE_LEADERSHIP_TERM_OFFSET) >> 3] as number,
          f64[(entry + MESSAGE_CLUSTER_SESSION_OFFSET) >> 3] as number,
          f64[(entry + MESSAGE_TIMESTAMP_OFFSET) >> 3] as number,
        );
      }
    } catch (error) {
      // A fragment whose handler throws was delivered: it does not come again.
      image.advance(f64[(entry + MESSAGE_POSITION_OFFSET) >> 3] as number);
      throw error;
    }
  }

  #deliverFragment(image: Image, index: number): void {
    const { i32, view } = this.#arena;
    const pair = (this.#scanArea + SCAN_HEADER_LENGTH + index * SCAN_ENTRY_LENGTH) >> 2;
    const frame = i32[pair] as number;
    const length = i32[pair + 1] as number;
    this.#header.setStream(view, image.initialTermId, image.termLength).wrap(frame);
    const bodyLength = length - FRAME_HEADER_LENGTH;
    this.#consumer.onFragment(view, frame + FRAME_HEADER_LENGTH, bodyLength, this.#header);
  }
}
