// key-value-load.ts: puts to the key/value service, as fast as they are answered or at a rate.

import { RequestClient } from '../../client/request-client.js';
import { ErrorCode, PawlError } from '../../errors.js';
import { connectClient, type NodeClient } from '../../host/node-client.js';
import type { LatencyRecorder } from '../latency.js';
import { encodeRequest, KeyValueOperation } from '../services/key-value-messages.js';

const NS_PER_SECOND = 1e9;
const NS_PER_MS = 1e6;
/** Puts without an answer at a time. */
const WINDOW = 2_048;
/** A put that a leader took with it is sent again: twice is as once. */
const REQUEST_TIMEOUT_NS = 5 * NS_PER_SECOND;
const KEY_DIGITS = 10;
/** What is due is sent at least so often. */
const TICK_MS = 1;
/** An odd multiplier visits all keys in an order that no cache can guess. */
const KEY_STRIDE = 2_654_435_761;

export interface KeyValueLoadOptions {
  readonly ingress: string;
  readonly mtu: number;
  readonly keys: number;
  /** Bytes of a value. */
  readonly valueLength: number;
}

/** One client of a key/value cluster. */
export class KeyValueLoad {
  readonly #options: KeyValueLoadOptions;
  readonly #requests: RequestClient;
  readonly #value: Uint8Array;
  // By the number of a request: its key, and when it was due.
  readonly #pending = new Map<number, { readonly key: number; readonly dueNs: number }>();
  readonly #again: { readonly key: number; readonly dueNs: number }[] = [];
  #client: NodeClient | undefined;
  #onAnswer: () => void = () => undefined;
  #error: PawlError | undefined;
  /** Where latencies go; undefined while they do not count. */
  recorder: LatencyRecorder | undefined;
  #isRunning = false;
  #sentCount = 0;
  /** Puts that had to be sent again: a leader changed, or the machine was too slow for a while. */
  unknownCount = 0;

  private constructor(options: KeyValueLoadOptions) {
    this.#options = options;
    this.#value = new Uint8Array(options.valueLength).fill(0x2e);
    this.#requests = new RequestClient(
      {
        onAnswer: (request) => this.#note(request),
        onUnknown: (request) => this.#noteUnknown(request),
      },
      { requestTimeoutNs: REQUEST_TIMEOUT_NS, outstandingCountMax: 1 << 20 },
    );
  }

  /** Opens a session. */
  static async connect(options: KeyValueLoadOptions): Promise<KeyValueLoad> {
    const load = new KeyValueLoad(options);
    const { ingress, mtu } = options;
    const client = await connectClient(
      { ingressEndpoints: ingress, mtuLength: mtu, ingressTermLength: 16 * 1024 * 1024 },
      load.#requests.clientHandlers({
        onClosed: (error) => {
          load.#error ??= error;
        },
      }),
    );
    load.#client = client;
    load.#requests.bind(client.client);
    client.addAgent({
      roleName: 'key-value load',
      doWork: (nowNs) => load.#requests.doWork(nowNs),
      deadlineNs: () => load.#requests.deadlineNs(),
      close: () => undefined,
    });
    return load;
  }

  /**
   * Puts keys, each once, in their order.
   *
   * @throws PawlError when a put is not answered.
   */
  async put(from: number, count: number, onProgress: (done: number) => void): Promise<void> {
    let next = from;
    const end = from + count;
    await new Promise<void>((resolve, reject) => {
      const pump = (): void => {
        if (this.#error !== undefined) {
          reject(this.#error);
          return;
        }
        this.#sendAgain();
        while (next < end && this.#pending.size < WINDOW && this.#send(next, 0)) {
          next++;
        }
        this.#client?.wake();
        if (next === end && this.#isIdle) {
          resolve();
        }
      };
      let isPumping = false;
      // Answers come many at a time: what they make room for is sent at once.
      const pumpSoon = (): void => {
        if (!isPumping) {
          isPumping = true;
          setImmediate(() => {
            isPumping = false;
            pump();
          });
        }
      };
      const timer = setInterval(() => {
        onProgress(next - from - this.#pending.size);
        pumpSoon();
        if ((next === end && this.#isIdle) || this.#error !== undefined) {
          clearInterval(timer);
        }
      }, 100);
      this.#onAnswer = pumpSoon;
      pump();
    });
  }

  /** One put and its answer; milliseconds. */
  async putOne(key: number): Promise<number> {
    const beganMs = performance.now();
    await this.put(key, 1, () => undefined);
    return performance.now() - beganMs;
  }

  /** Puts keys all over at a rate, until `stop`; latencies count from when a put was due. */
  start(rate: number): void {
    const clock = (this.#client as NodeClient).clock;
    this.#isRunning = true;
    this.#onAnswer = () => undefined;
    const intervalNs = NS_PER_SECOND / rate;
    let dueNs = clock.nowNs();
    const turn = (): void => {
      if (!this.#isRunning) {
        return;
      }
      let hasSent = this.#sendAgain();
      const { keys } = this.#options;
      while (dueNs <= clock.nowNs() && this.#send((this.#sentCount * KEY_STRIDE) % keys, dueNs)) {
        dueNs += intervalNs;
        hasSent = true;
      }
      if (hasSent) {
        this.#client?.wake();
      }
      setTimeout(turn, Math.max(TICK_MS, Math.floor((dueNs - clock.nowNs()) / NS_PER_MS)));
    };
    turn();
  }

  /** Nothing is due any more; resolves when all is answered. */
  async stop(): Promise<void> {
    this.#isRunning = false;
    while (!this.#isIdle && this.#error === undefined) {
      this.#sendAgain();
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
    if (this.#error !== undefined) {
      throw this.#error;
    }
  }

  close(): void {
    this.#isRunning = false;
    this.#client?.close();
  }

  get #isIdle(): boolean {
    return this.#pending.size === 0 && this.#again.length === 0;
  }

  /** Whether anything was sent. */
  #sendAgain(): boolean {
    let hasSent = false;
    for (let put = this.#again[0]; put !== undefined; put = this.#again[0]) {
      if (!this.#send(put.key, put.dueNs)) {
        break;
      }
      this.#again.shift();
      hasSent = true;
    }
    return hasSent;
  }

  #noteUnknown(request: number): void {
    const put = this.#pending.get(request);
    this.#pending.delete(request);
    if (put !== undefined) {
      this.unknownCount++;
      this.#again.push(put);
    }
  }

  #send(key: number, dueNs: number): boolean {
    const client = this.#client as NodeClient;
    const request = this.#requests.request(
      encodeRequest({
        operation: KeyValueOperation.Put,
        key: String(key).padStart(KEY_DIGITS, '0'),
        value: this.#value,
      }),
      client.clock.nowNs(),
    );
    if (request < 0) {
      return false;
    }
    this.#sentCount++;
    this.#pending.set(request, { key, dueNs });
    return true;
  }

  #note(request: number): void {
    const put = this.#pending.get(request);
    this.#pending.delete(request);
    if (put !== undefined && put.dueNs > 0) {
      this.recorder?.record((this.#client as NodeClient).clock.nowNs() - put.dueNs);
    }
    this.#onAnswer();
  }
}

/** @throws PawlError TIMEOUT saying what did not come. */
export async function waitUntil(
  condition: () => boolean,
  what: string,
  timeoutMs: number,
): Promise<void> {
  const endMs = Date.now() + timeoutMs;
  while (!condition()) {
    if (Date.now() > endMs) {
      throw new PawlError(ErrorCode.Timeout, `waited ${timeoutMs} ms for ${what}`, 'environment');
    }
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
}
