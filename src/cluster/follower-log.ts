// follower-log.ts: the log while this member follows.
//
// The leader sends its log from the position that this member has asked for; what arrives is
// verified, inserted, recorded, and acknowledged when it is durable. The image's consumption is the
// durable position: a slow disk closes this member's window and nobody else's.

import { RecorderStop } from '../archive/recorder-control.js';
import type { RecorderProxy } from '../archive/recorder-proxy.js';
import type { LogJoin } from '../consensus/election-effects.js';
import { hit, Mark } from '../marks.js';
import { POSITION_NULL, type Position } from '../position.js';
import { formatHostPort } from '../protocol/host-port.js';
import { LOG_STREAM_ID } from '../protocol/streams.js';
import type { Image } from '../transport/image.js';
import type { SetupSummary, Subscription } from '../transport/subscription.js';
import type { Transport } from '../transport/transport.js';
import type { ClusterConfig } from './cluster-config.js';
import type { LiveLog } from './log-poller.js';

/** The image of the leader's log. */
export class FollowerLog implements LiveLog {
  readonly #config: ClusterConfig;
  readonly #recorder: RecorderProxy;
  readonly #subscription: Subscription;
  readonly #onRelease: () => void;
  #join: LogJoin | undefined;
  #image: Image | undefined;
  #isStarted = false;
  #seenPosition: Position = 0;
  /** Set when the image is gone or its recording ended by itself; cleared by `join`. */
  isLost = false;

  /** @param onRelease told before the memory of an image is released. */
  constructor(
    transport: Transport,
    config: ClusterConfig,
    recorder: RecorderProxy,
    onRelease: () => void,
  ) {
    this.#onRelease = onRelease;
    this.#config = config;
    this.#recorder = recorder;
    const { member, endpoints, logTermLength } = config;
    const own = endpoints.find((endpoint) => endpoint.memberId === member.memberId);
    const endpoint = own === undefined ? '' : formatHostPort(own.log);
    this.#subscription = transport.addSubscription(
      `aeron:udp?endpoint=${endpoint}`,
      LOG_STREAM_ID,
      {
        checksum: 'required',
        termLengthMax: logTermLength,
        windowLength: member.windowLength,
        accept: (setup) => this.#accept(setup),
        onAvailableImage: (image) => {
          // Its memory stays even when the transport gives the image up: the recorder reads it.
          image.retain();
          this.#image = image;
        },
        onUnavailableImage: (image) => {
          if (image === this.#image) {
            hit(Mark.FollowerLogImageGone);
            this.isLost = true;
          }
        },
      },
    );
  }

  get subscription(): Subscription {
    return this.#subscription;
  }

  get meta(): number {
    return this.#image?.meta ?? 0;
  }

  oldestPosition(): Position {
    return this.#image?.oldestPosition() ?? Number.MAX_SAFE_INTEGER;
  }

  /** End of what was received without a gap; the durable position while nothing is joined. */
  appendPosition(): Position {
    return this.#image?.rebuildPosition ?? this.#recorder.durablePosition();
  }

  /** Waits for the leader's log at a position. The recorder is stopped. */
  join(join: LogJoin): void {
    const image = this.#image;
    const isSame =
      image !== undefined &&
      !image.isClosed &&
      image.sessionId === join.logSessionId &&
      image.position <= join.position &&
      image.rebuildPosition >= join.position;
    if (isSame) {
      hit(Mark.FollowerLogImageKept);
    } else {
      this.leave();
    }
    this.#join = join;
    this.#isStarted = false;
    this.isLost = false;
  }

  /** Forgets the leader's log. Only after the recorder has stopped. */
  leave(): void {
    this.#join = undefined;
    this.#isStarted = false;
    this.isLost = false;
    const image = this.#image;
    if (image !== undefined) {
      this.#onRelease();
      image.close();
      image.release();
      this.#image = undefined;
    }
  }

  /** Starts the recorder when the log arrives, and lets it go on. True when bytes arrived. */
  updateProgress(): boolean {
    const { image, join } = { image: this.#image, join: this.#join };
    if (image === undefined || join === undefined || this.#recorder.isBusy()) {
      return false;
    }
    if (!this.#isStarted) {
      this.#recorder.start(image.meta, join.position, join.logTermId);
      this.#isStarted = true;
      this.#seenPosition = image.rebuildPosition;
      return true;
    }
    const { limitPosition } = join;
    const received = image.rebuildPosition;
    const limit = limitPosition === POSITION_NULL ? received : Math.min(received, limitPosition);
    this.#recorder.setRecordLimit(limit);
    image.advance(Math.max(image.position, this.#recorder.durablePosition()));
    const reason = this.#recorder.stopReason();
    if (reason === RecorderStop.OtherTerm || reason === RecorderStop.NoSpace) {
      hit(Mark.FollowerLogRecordingCeased);
      this.isLost = true;
    }
    const isActive = received !== this.#seenPosition;
    this.#seenPosition = received;
    return isActive;
  }

  close(): void {
    this.leave();
    this.#subscription.close();
  }

  #accept(setup: SetupSummary): boolean {
    const join = this.#join;
    return (
      join !== undefined &&
      this.#image === undefined &&
      setup.sessionId === join.logSessionId &&
      setup.position === join.position &&
      setup.initialTermId === 0 &&
      setup.termLength === this.#config.logTermLength
    );
  }
}
