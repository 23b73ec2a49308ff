// load.ts: what the demo and the benches send, and how its latency is measured.
//
// Open loop: bursts are due at fixed instants, and a latency counts from the instant at which its
// message was due, sent late or not; so a pause hides nothing. Closed loop: so many bursts are in
// flight, and the next one leaves when one has come back whole.

import type { Clock } from '../ports/clock.js';
import type { LatencyRecorder } from './latency.js';
import { Ledger } from './ledger.js';

/** Sequence number, due time and number of the run are in the first bytes of every message. */
export const PAYLOAD_LENGTH_MIN = 24;
const DUE_OFFSET = 8;
const RUN_OFFSET = 16;

const NS_PER_MS = 1e6;
const NS_PER_SECOND = 1e9;
/** Node's timers count whole milliseconds and are late by up to one: turns wait for the rest. */
const TIMER_MARGIN_NS = 2.5 * NS_PER_MS;

/** Where messages go; echoes come back to `Load.onEcho`. */
export interface LoadTarget {
  /** A positive number, or a negative code when the message was not taken. */
  offer(buffer: Uint8Array, offset: number, length: number): number;
  /** Something was offered: the target's event loop shall run. */
  wake(): void;
}

export interface LoadShape {
  readonly payloadLength: number;
  /** Messages of one burst. */
  readonly burst: number;
}

/** One run of messages, numbered from 0. */
export class Load {
  readonly ledger = new Ledger();
  readonly #target: LoadTarget;
  readonly #shape: LoadShape;
  readonly #runId: number;
  readonly #clock: Clock;
  readonly #record: (latencyNs: number, dueNs: number) => void;
  readonly #payload: Uint8Array;
  readonly #view: DataView;
  #burstSentCount = 0;
  #strayCount = 0;
  #lastEchoNs = 0;

  constructor(options: {
    target: LoadTarget;
    shape: LoadShape;
    runId: number;
    clock: Clock;
    record: (latencyNs: number, dueNs: number) => void;
  }) {
    this.#target = options.target;
    this.#shape = options.shape;
    this.#runId = options.runId;
    this.#clock = options.clock;
    this.#record = options.record;
    this.#payload = new Uint8Array(Math.max(options.shape.payloadLength, PAYLOAD_LENGTH_MIN));
    this.#view = new DataView(this.#payload.buffer);
    this.#view.setUint32(RUN_OFFSET, this.#runId, true);
  }

  /** Echoes of other runs: they came too late to be counted there. */
  get strayCount(): number {
    return this.#strayCount;
  }

  get lastEchoNs(): number {
    return this.#lastEchoNs;
  }

  /**
   * Sends a burst, or what is left of it.
   *
   * @returns false when the target took only a part: the call has to be repeated.
   */
  sendBurst(dueNs: number): boolean {
    this.#view.setFloat64(DUE_OFFSET, dueNs, true);
    while (this.#burstSentCount < this.#shape.burst) {
      this.#view.setFloat64(0, this.ledger.sentCount, true);
      if (this.#target.offer(this.#payload, 0, this.#shape.payloadLength) < 0) {
        return false;
      }
      this.ledger.noteSent();
      this.#burstSentCount++;
    }
    this.#burstSentCount = 0;
    return true;
  }

  /** A message came back. */
  onEcho(view: DataView, offset: number, length: number): void {
    if (length < PAYLOAD_LENGTH_MIN || view.getUint32(offset + RUN_OFFSET, true) !== this.#runId) {
      this.#strayCount++;
      return;
    }
    const nowNs = this.#clock.nowNs();
    const dueNs = view.getFloat64(offset + DUE_OFFSET, true);
    this.ledger.noteEcho(view.getFloat64(offset, true));
    this.#record(nowNs - dueNs, dueNs);
    this.#lastEchoNs = nowNs;
  }
}

/** Sequence number of a message that a Load has sent; used where its log is read. */
export function sequenceOf(view: DataView, offset: number): number {
  return view.getFloat64(offset, true);
}

/** Sends bursts at fixed instants until it is stopped. */
export class PacedSender {
  readonly #load: Load;
  readonly #target: LoadTarget;
  readonly #clock: Clock;
  readonly #intervalNs: number;
  readonly #turn = (): void => this.#onTurn();
  #startNs = 0;
  #burstIndex = 0;
  #stopNs = Number.POSITIVE_INFINITY;
  #onStopped: (() => void) | undefined;
  #backPressuredCount = 0;
  #droppedBurstCount = 0;

  /** @param rate messages per second. */
  constructor(load: Load, target: LoadTarget, clock: Clock, rate: number, burst: number) {
    this.#load = load;
    this.#target = target;
    this.#clock = clock;
    this.#intervalNs = (NS_PER_SECOND * burst) / rate;
  }

  get backPressuredCount(): number {
    return this.#backPressuredCount;
  }

  /** True while a burst that was due has not left yet. */
  get isBehind(): boolean {
    return this.#dueNs() < this.#clock.nowNs() - TIMER_MARGIN_NS;
  }

  /** Resolves when the last burst that was due before the stop has left. */
  run(durationNs = Number.POSITIVE_INFINITY): Promise<void> {
    this.#startNs = this.#clock.nowNs();
    this.#stopNs = this.#startNs + durationNs;
    return new Promise((resolve) => {
      this.#onStopped = resolve;
      this.#turn();
    });
  }

  /** Bursts that were due when the sender was stopped, and were not sent any more. */
  get droppedBurstCount(): number {
    return this.#droppedBurstCount;
  }

  /** Ends at once: what was due and could not leave yet is dropped and counted. */
  stop(): void {
    const nowNs = this.#clock.nowNs();
    const dueCount = Math.floor((nowNs - this.#startNs) / this.#intervalNs) + 1;
    this.#droppedBurstCount = Math.max(0, dueCount - this.#burstIndex);
    this.#stopNs = Math.min(this.#stopNs, this.#dueNs());
  }

  #dueNs(): number {
    return this.#startNs + this.#burstIndex * this.#intervalNs;
  }

  #onTurn(): void {
    const nowNs = this.#clock.nowNs();
    let isTaken = true;
    let hasSent = false;
    while (isTaken && this.#dueNs() <= nowNs && this.#dueNs() < this.#stopNs) {
      isTaken = this.#load.sendBurst(this.#dueNs());
      this.#burstIndex += isTaken ? 1 : 0;
      this.#backPressuredCount += isTaken ? 0 : 1;
      hasSent = true;
    }
    if (hasSent) {
      this.#target.wake();
    }
    if (this.#dueNs() >= this.#stopNs) {
      this.#onStopped?.();
      return;
    }
    const waitNs = this.#dueNs() - nowNs;
    if (waitNs > TIMER_MARGIN_NS) {
      setTimeout(this.#turn, Math.floor((waitNs - TIMER_MARGIN_NS) / NS_PER_MS) + 1);
    } else {
      setImmediate(this.#turn);
    }
  }
}

/** Keeps a number of bursts in flight until its time is over. */
export class WindowSender {
  readonly #load: Load;
  readonly #target: LoadTarget;
  readonly #clock: Clock;
  readonly #burst: number;
  readonly #retry = (): void => this.#onRetry();
  #owedBurstCount = 0;
  #endNs = 0;
  #isRetrying = false;

  constructor(load: Load, target: LoadTarget, clock: Clock, burst: number) {
    this.#load = load;
    this.#target = target;
    this.#clock = clock;
    this.#burst = burst;
  }

  /** @param windowBursts bursts in flight. */
  start(windowBursts: number, durationNs: number): void {
    this.#endNs = this.#clock.nowNs() + durationNs;
    this.#owedBurstCount = windowBursts;
    this.#pump();
    this.#target.wake();
  }

  get isOver(): boolean {
    return this.#clock.nowNs() >= this.#endNs;
  }

  /** To be called after the load has counted an echo. */
  onEcho(): void {
    if (this.#load.ledger.acknowledgedCount % this.#burst === 0) {
      this.#owedBurstCount++;
      this.#pump();
    }
  }

  #onRetry(): void {
    this.#isRetrying = false;
    this.#pump();
    this.#target.wake();
  }

  #pump(): void {
    while (this.#owedBurstCount > 0 && !this.isOver) {
      if (!this.#load.sendBurst(this.#clock.nowNs())) {
        if (!this.#isRetrying) {
          this.#isRetrying = true;
          setImmediate(this.#retry);
        }
        return;
      }
      this.#owedBurstCount--;
    }
  }
}

/** Collects the latencies of the messages that were due from an instant on. */
export function recordFrom(recorder: LatencyRecorder, fromNs: number) {
  return (latencyNs: number, dueNs: number): void => {
    if (dueNs >= fromNs) {
      recorder.record(latencyNs);
    }
  };
}
