// traffic.ts: the demo's client: paced bursts over a session that outlives its leader.

import { BACK_PRESSURED } from '../../../assembly/layout/frame.js';
import type { PawlError } from '../../errors.js';
import { connectClient, type NodeClient } from '../../host/node-client.js';
import { LatencyRecorder, type LatencySummary } from '../latency.js';
import { Load, type LoadShape, PacedSender } from '../load.js';
import { until } from '../load-run.js';

/** Bursts in flight beyond which the client waits: what a lost leader can leave unknown. */
const BURSTS_IN_FLIGHT_MAX = 10;
const DRAIN_NS = 10e9;

export interface TrafficOptions extends LoadShape {
  readonly ingress: string;
  readonly mtu: number;
  /** Messages per second. */
  readonly rate: number;
}

/** Latencies of one part of the run, and of all of it. */
export interface TrafficLatencies {
  /** Without what was under way between the kill and the new leader's first echo, or late by it. */
  readonly steady: LatencySummary;
  readonly all: LatencySummary;
}

/** Sends until it is told to stop, and knows what became of every message. */
export class Traffic {
  readonly load: Load;
  #client: NodeClient | undefined;
  readonly #sender: PacedSender;
  readonly #clock: NodeClient['clock'];
  readonly #steady = new LatencyRecorder();
  readonly #all = new LatencyRecorder();
  #isWarm = false;
  #killNs = -1;
  #hasNewLeader = false;
  #failoverNs = -1;
  #isDisturbed = false;
  #sending: Promise<void> | undefined;
  #error: PawlError | undefined;

  private constructor(client: NodeClient, options: TrafficOptions) {
    this.#client = client;
    this.#clock = client.clock;
    const target = {
      offer: (buffer: Uint8Array, offset: number, length: number) =>
        this.load.ledger.owedCount >= BURSTS_IN_FLIGHT_MAX * options.burst
          ? BACK_PRESSURED
          : client.client.offer(buffer, offset, length),
      wake: () => client.wake(),
    };
    this.load = new Load({
      target,
      shape: options,
      runId: 1,
      clock: client.clock,
      record: (latencyNs) => this.#record(latencyNs),
    });
    this.#sender = new PacedSender(this.load, target, client.clock, options.rate, options.burst);
  }

  /** Opens the session. */
  static async connect(options: TrafficOptions): Promise<Traffic> {
    let traffic: Traffic | undefined;
    const client = await connectClient(
      { ingressEndpoints: options.ingress, mtuLength: options.mtu, onFatal: rethrow },
      {
        onMessage: (view, offset, length) => traffic?.load.onEcho(view, offset, length),
        onNewLeader: () => traffic?.onNewLeader(),
        onClosed: (error) => traffic?.onClosed(error),
      },
    );
    traffic = new Traffic(client, options);
    return traffic;
  }

  /** Why the session ended, when the cluster ended it. */
  get error(): PawlError | undefined {
    return this.#error;
  }

  /** From the kill to the first echo from the new leader, milliseconds; -1 before. */
  get failoverMs(): number {
    return this.#failoverNs < 0 ? -1 : this.#failoverNs / 1e6;
  }

  /** Bursts that were due at the end and did not leave any more. */
  get unsentBurstCount(): number {
    return this.#sender.droppedBurstCount;
  }

  start(): void {
    this.#sending = this.#sender.run();
  }

  /** From now on latencies count: code is compiled, buffers are touched. */
  endWarmUp(): void {
    this.#isWarm = true;
  }

  /** To be called when the leader is killed; each time anew. */
  noteKill(): void {
    this.#hasNewLeader = false;
    this.#failoverNs = -1;
    this.#killNs = this.#clock.nowNs();
    this.#isDisturbed = true;
  }

  /** No message is due any more; resolves when all that can be answered is answered. */
  async finish(): Promise<void> {
    this.#sender.stop();
    await this.#sending;
    await until(() => this.load.ledger.owedCount === 0, this.#clock, DRAIN_NS);
  }

  latencies(): TrafficLatencies {
    return { steady: this.#steady.summary(), all: this.#all.summary() };
  }

  close(): void {
    this.#client?.close();
    this.#client = undefined;
  }

  onNewLeader(): void {
    this.load.ledger.noteLeaderLost();
    this.#hasNewLeader = true;
  }

  onClosed(error: PawlError | undefined): void {
    this.#error = error;
    this.#sender.stop();
  }

  #record(latencyNs: number): void {
    if (this.#hasNewLeader && this.#killNs >= 0 && this.#failoverNs < 0) {
      this.#failoverNs = this.#clock.nowNs() - this.#killNs;
    }
    if (!this.#isWarm) {
      return;
    }
    this.#all.record(latencyNs);
    if (this.#isDisturbed && this.#failoverNs >= 0 && !this.#sender.isBehind) {
      this.#isDisturbed = false;
    }
    if (!this.#isDisturbed) {
      this.#steady.record(latencyNs);
    }
  }
}

function rethrow(error: unknown): never {
  throw error;
}
