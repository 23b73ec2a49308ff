// transport-context.ts: what all streams of one transport share.
//
// Memory for a datagram under inspection, for long messages on their way in and for the answers of
// batch calls is allocated once, because a duty cycle handles one thing at a time. Streams that
// have something to do queue themselves here, so that a thousand idle ones cost nothing.

import { MTU_LENGTH_MAX } from '../../assembly/layout/frame.js';
import { assert } from '../assert.js';
import type { Arena } from '../memory/arena.js';
import { scanAreaLength } from '../memory/core.js';
import type { Entropy } from '../ports/entropy.js';
import type { Network } from '../ports/network.js';
import { SocketWarnings } from './socket-warnings.js';
import type { TransportConfig } from './transport-config.js';
import type { TransportCounters } from './transport-counters.js';

/** Room for the longest datagram that a socket can deliver. */
export const STAGING_LENGTH = 64 * 1024;
/** Frames that one poll of an image indexes at most at a time. */
export const SCAN_FRAME_LIMIT = 256;
/** Polls that may be nested: a handler may poll another image. */
export const POLL_DEPTH_MAX = 8;
/** Bytes for the answers of nextBlock and findGap. */
const SCRATCH_LENGTH = 64;

/** A publication or an image, as the duty cycle sees it. */
export interface Stream {
  /** Set while the stream is in the queue. Written by the context alone. */
  isQueued: boolean;
  /** Wants the next duty cycle at once: it stopped at a bound, not for lack of work. */
  readonly isUrgent: boolean;
  /** Wants to be looked at in every duty cycle: it waits for a socket or a block source. */
  readonly isWaiting: boolean;
  /** Released its memory; it leaves the transport's lists. */
  readonly isDone: boolean;
  /** Does what is due. Returns how much work that was. */
  duty(nowNs: number): number;
  /** When something is due without input. */
  deadlineNs(): number;
  /** From when on a duty cycle would do that; at most `deadlineNs()`. */
  readyNs(): number;
  /** Releases everything at once. Idempotent. */
  dispose(): void;
}

/** Shared parts of one transport. */
export class TransportContext {
  readonly arena: Arena;
  readonly network: Network;
  readonly entropy: Entropy;
  readonly config: TransportConfig;
  readonly counters: TransportCounters;
  /** Tells the operator what lasts. */
  readonly onWarning: (message: string) => void;
  readonly socketWarnings = new SocketWarnings();
  /** Address of the datagram under inspection. */
  readonly staging: number;
  /** Address of the answers of nextBlock and findGap. */
  readonly scratch: number;
  /** Identifies this receiver in status messages: two random halves of an i64. */
  readonly receiverIdLow: number;
  readonly receiverIdHigh: number;
  /** Time of the current duty cycle. */
  nowNs = 0;
  /** Whether a stream asked for a duty cycle at once. */
  isUrgent = false;
  /** Whether a socket was left with datagrams, at a limit of one duty cycle. */
  hasInput = false;
  /** No stream has a timer before this. */
  timerNs = 0;
  /** No stream could do before this what its timer is for. */
  readyNs = 0;
  /** Whether a stream released its memory since the lists were last looked through. */
  hasDone = false;
  #queue: Stream[] = [];
  #spare: Stream[] = [];
  readonly #scanAreas: number[] = [];
  #pollDepth = 0;
  #messageStaging = 0;
  #messageStagingLength = 0;

  constructor(
    arena: Arena,
    network: Network,
    entropy: Entropy,
    config: TransportConfig,
    counters: TransportCounters,
    onWarning: (message: string) => void = () => undefined,
  ) {
    assert(STAGING_LENGTH >= MTU_LENGTH_MAX, 'the longest datagram fits');
    this.arena = arena;
    this.network = network;
    this.entropy = entropy;
    this.config = config;
    this.counters = counters;
    this.onWarning = onWarning;
    this.staging = arena.allocate(STAGING_LENGTH + SCRATCH_LENGTH);
    this.scratch = this.staging + STAGING_LENGTH;
    this.receiverIdLow = entropy.nextUint32() | 0;
    this.receiverIdHigh = entropy.nextUint32() | 0;
  }

  /** Puts a stream in the next duty cycle and makes that due at once. */
  enqueue(stream: Stream): void {
    this.isUrgent = true;
    this.#push(stream);
  }

  /** Runs every queued stream once. Returns how much work that was. */
  runQueue(nowNs: number): number {
    const queue = this.#queue;
    this.isUrgent = false;
    if (queue.length === 0) {
      return 0;
    }
    this.#queue = this.#spare;
    let work = 0;
    for (let index = 0; index < queue.length; index++) {
      const stream = queue[index] as Stream;
      stream.isQueued = false;
      work += this.run(stream, nowNs);
    }
    queue.length = 0;
    this.#spare = queue;
    return work;
  }

  /** Runs one stream and queues it again when it wants that. */
  run(stream: Stream, nowNs: number): number {
    if (stream.isDone) {
      return 0;
    }
    const work = stream.duty(nowNs);
    if (stream.isDone) {
      this.hasDone = true;
      return work;
    }
    this.noteTimer(stream);
    if (stream.isUrgent) {
      this.enqueue(stream);
    } else if (stream.isWaiting) {
      this.#push(stream);
    }
    return work;
  }

  /** Takes the times of a stream into account. */
  noteTimer(stream: Stream): void {
    const deadlineNs = stream.deadlineNs();
    if (deadlineNs < this.timerNs) {
      this.timerNs = deadlineNs;
    }
    const readyNs = stream.readyNs();
    if (readyNs < this.readyNs) {
      this.readyNs = readyNs;
    }
  }

  #push(stream: Stream): void {
    if (!stream.isQueued) {
      stream.isQueued = true;
      this.#queue.push(stream);
    }
  }

  /** A scan area of this depth of nesting, until `endPoll`. */
  beginPoll(): number {
    assert(this.#pollDepth < POLL_DEPTH_MAX, `polls nest at most ${POLL_DEPTH_MAX} deep`);
    let area = this.#scanAreas[this.#pollDepth];
    if (area === undefined) {
      area = this.arena.allocate(scanAreaLength(SCAN_FRAME_LIMIT));
      this.#scanAreas.push(area);
    }
    this.#pollDepth++;
    return area;
  }

  endPoll(): void {
    this.#pollDepth--;
  }

  /** Address of room for a message that must lie in the arena before it is fragmented. */
  messageStaging(length: number): number {
    if (length > this.#messageStagingLength) {
      this.#releaseMessageStaging();
      this.#messageStaging = this.arena.allocate(length);
      this.#messageStagingLength = length;
    }
    return this.#messageStaging;
  }

  #releaseMessageStaging(): void {
    if (this.#messageStagingLength > 0) {
      this.arena.release(this.#messageStaging, this.#messageStagingLength);
      this.#messageStagingLength = 0;
    }
  }

  /** Copies the datagram under inspection into the arena. False when it is too long to be one. */
  stage(buffer: Uint8Array, offset: number, length: number): boolean {
    if (length > STAGING_LENGTH) {
      return false;
    }
    const whole = offset === 0 && length === buffer.length;
    this.arena.u8.set(whole ? buffer : buffer.subarray(offset, offset + length), this.staging);
    return true;
  }

  dispose(): void {
    assert(this.#pollDepth === 0, 'a transport is not closed inside a poll');
    this.#queue.length = 0;
    this.#releaseMessageStaging();
    for (const area of this.#scanAreas) {
      this.arena.release(area, scanAreaLength(SCAN_FRAME_LIMIT));
    }
    this.#scanAreas.length = 0;
    this.arena.release(this.staging, STAGING_LENGTH + SCRATCH_LENGTH);
  }
}
