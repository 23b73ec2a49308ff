// image-refusals.ts: tells senders why their streams are not received here.
//
// A sender that nobody answers cannot tell a full receiver from a dead one. So a receiver that
// refuses a stream says why, in Aeron's error frame. Whoever announces streams need not be whom he
// says he is: how much is told in a time is limited, whoever asks.

import { ERR_HEADER_LENGTH, ERR_TEXT_LENGTH_MAX } from '../../assembly/layout/frame.js';
import { hit, Mark } from '../marks.js';
import { ErrorFlyweight } from '../protocol/error-flyweight.js';
import type { Medium } from './medium.js';
import type { TransportContext } from './transport-context.js';

/** Refusals that one socket tells in one interval of announcements. */
export const REFUSALS_PER_INTERVAL_MAX = 16;
/** Aeron's code for what may work later: memory and limits. */
const RESOURCE_TEMPORARILY_UNAVAILABLE = 10;
const FRAME_LENGTH_MAX = ERR_HEADER_LENGTH + ERR_TEXT_LENGTH_MAX;

/** The refusals of one socket. */
export class ImageRefusals {
  readonly #context: TransportContext;
  readonly #medium: Medium;
  readonly #frame = new ErrorFlyweight();
  readonly #address: number;
  /** Bytes that the socket has to have released before the frame is written anew. */
  #heldUntil = 0;
  #intervalEndNs = Number.NEGATIVE_INFINITY;
  #intervalCount = 0;

  constructor(context: TransportContext, medium: Medium) {
    this.#context = context;
    this.#medium = medium;
    this.#address = context.arena.allocate(FRAME_LENGTH_MAX);
  }

  /** @param text ASCII, at most 1,023 characters: what stands in the way, and the remedy. */
  tell(sessionId: number, streamId: number, text: string, sourceKey: number): void {
    const { arena, counters, receiverIdHigh, receiverIdLow } = this.#context;
    if (!this.#isDue() || this.#medium.releasedBytes() < this.#heldUntil) {
      return;
    }
    const frame = this.#frame
      .wrapAndApplyHeader(arena.view, this.#address, 0)
      .setSessionId(sessionId)
      .setStreamId(streamId)
      .setReceiverIdHalves(receiverIdHigh, receiverIdLow)
      .setErrorCode(RESOURCE_TEMPORARILY_UNAVAILABLE)
      .setText(text);
    const length = frame.frameLength();
    if (this.#medium.isOpen && this.#medium.sendTo(this.#address, length, sourceKey) >= 0) {
      hit(Mark.EndpointTellsRefusal);
      this.#heldUntil = this.#medium.sentBytes;
      counters.errorFramesSent++;
    }
  }

  close(): void {
    this.#context.arena.release(this.#address, FRAME_LENGTH_MAX);
  }

  #isDue(): boolean {
    const { config, nowNs } = this.#context;
    if (nowNs >= this.#intervalEndNs) {
      this.#intervalEndNs = nowNs + config.setupIntervalNs;
      this.#intervalCount = 0;
    }
    this.#intervalCount++;
    return this.#intervalCount <= REFUSALS_PER_INTERVAL_MAX;
  }
}
