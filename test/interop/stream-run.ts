// stream-run.ts: one stream from a publisher to a subscriber, one of them Aeron's, one Pawl's.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type UdpFaults, UdpProxy, type UdpProxyCounters } from '../support/udp-proxy.js';
import type { ContentCounts } from './content.js';
import { startJava } from './java.js';
import { PeerProcess, type PeerReport } from './peer-process.js';

const PAWL_PEER = fileURLToPath(new URL('./pawl-peer.ts', import.meta.url));
const SHARED_MEMORY = '/dev/shm';
const STREAM_ID = 1001;
/** Only ends a run that hangs; a run takes seconds. */
const LIMIT_SECONDS = 90;
const LIMIT_MS = LIMIT_SECONDS * 1000;
/** The end of a stream is seen within Aeron's default linger of 5 s. */
const END_LIMIT_MS = 15_000;

/** What is streamed, by whom, over what. */
export interface StreamScenario {
  readonly publisher: 'aeron' | 'pawl';
  readonly counts: ContentCounts;
  /** Parameters of the publisher's and of the subscriber's channel. */
  readonly publisherParameters: string;
  readonly subscriberParameters?: string;
  /** In each direction; without it, no proxy stands between the two. */
  readonly faults?: UdpFaults;
  readonly seed?: number;
  /** The publisher starts while nobody listens yet. */
  readonly isPublisherFirst?: boolean;
  /** The subscriber is killed after this many messages, and another one takes its place. */
  readonly replaceSubscriberAt?: number;
  /** System properties of the Java side. */
  readonly javaProperties?: readonly string[];
}

/** What both sides reported. */
export interface StreamOutcome {
  readonly sent: PeerReport;
  readonly received: PeerReport;
  readonly ended: PeerReport;
  readonly publisherClosed: PeerReport;
  readonly subscriberClosed: PeerReport;
  /** Of publisher and subscriber. */
  readonly exitCodes: readonly number[];
  /** From the publisher to the subscriber, and back. */
  readonly proxy: {
    readonly forward: UdpProxyCounters;
    readonly backward: UdpProxyCounters;
  } | null;
  readonly seconds: number;
}

/** A run's processes and files; all are gone when it is over. */
class StreamRun {
  readonly #scenario: StreamScenario;
  readonly #directory: string;
  readonly #peers: PeerProcess[] = [];
  #proxy: UdpProxy | undefined;

  constructor(scenario: StreamScenario) {
    this.#scenario = scenario;
    const parent = existsSync(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir();
    this.#directory = mkdtempSync(join(parent, 'pawl-interop-'));
  }

  async run(): Promise<StreamOutcome> {
    const startMs = Date.now();
    const { publisher, subscriber } = await this.#start();
    const sent = await publisher.report('sent', LIMIT_MS);
    const received = await subscriber.report('received', LIMIT_MS);
    const ended = await subscriber.report('ended', END_LIMIT_MS);
    const exitCodes = await Promise.all([publisher.end(), subscriber.end()]);
    const proxy = this.#proxy;
    return {
      sent,
      received,
      ended,
      exitCodes,
      publisherClosed: await publisher.report('closed', 0),
      subscriberClosed: await subscriber.report('closed', 0),
      proxy: proxy ? { forward: proxy.forwardCounters, backward: proxy.backwardCounters } : null,
      seconds: (Date.now() - startMs) / 1000,
    };
  }

  dispose(): void {
    for (const peer of this.#peers) {
      void peer.kill();
    }
    this.#proxy?.close();
    rmSync(this.#directory, { recursive: true, force: true });
  }

  async #start(): Promise<{ publisher: PeerProcess; subscriber: PeerProcess }> {
    const { replaceSubscriberAt } = this.#scenario;
    if (replaceSubscriberAt !== undefined) {
      const port = await freePort();
      const first = this.#startSubscriber(port, [`progressAt=${replaceSubscriberAt}`]);
      await first.report('ready', LIMIT_MS);
      const publisher = this.#startPublisher(port);
      await first.report('progress', LIMIT_MS);
      await first.kill();
      return { publisher, subscriber: this.#startSubscriber(port, ['from=-1']) };
    }
    if (this.#scenario.isPublisherFirst === true) {
      const port = await freePort();
      const publisher = this.#startPublisher(port);
      await publisher.report('started', LIMIT_MS);
      return { publisher, subscriber: this.#startSubscriber(port) };
    }
    const subscriber = this.#startSubscriber(0);
    const ready = await subscriber.report('ready', LIMIT_MS);
    const port = Number(String(ready.endpoint).split(':').at(-1));
    return { publisher: this.#startPublisher(await this.#insertProxy(port)), subscriber };
  }

  async #insertProxy(targetPort: number): Promise<number> {
    const { faults, seed = 1 } = this.#scenario;
    if (faults === undefined) {
      return targetPort;
    }
    this.#proxy = await UdpProxy.start({ targetPort, seed, forward: faults, backward: faults });
    return this.#proxy.port;
  }

  #startPublisher(port: number): PeerProcess {
    const { publisher, publisherParameters } = this.#scenario;
    return this.#startPeer(publisher === 'aeron', 'publish', port, publisherParameters);
  }

  #startSubscriber(port: number, more: readonly string[] = []): PeerProcess {
    const { publisher, subscriberParameters } = this.#scenario;
    return this.#startPeer(publisher === 'pawl', 'subscribe', port, subscriberParameters, more);
  }

  #startPeer(
    isJava: boolean,
    role: string,
    port: number,
    parameters = '',
    more: readonly string[] = [],
  ): PeerProcess {
    const { counts, javaProperties } = this.#scenario;
    const channel = `aeron:udp?endpoint=127.0.0.1:${port}`;
    const args = [
      role,
      `channel=${channel}${parameters === '' ? '' : '|'}${parameters}`,
      `stream=${STREAM_ID}`,
      `small=${counts.small}`,
      `large=${counts.large}`,
      `limitSeconds=${LIMIT_SECONDS}`,
      `directory=${join(this.#directory, `${role}-${this.#peers.length}`)}`,
      ...more,
    ];
    const peer = isJava
      ? startJava(`Aeron (${role})`, args, javaProperties)
      : new PeerProcess(`Pawl (${role})`, process.execPath, [
          '--import',
          'tsx',
          PAWL_PEER,
          ...args,
        ]);
    this.#peers.push(peer);
    return peer;
  }
}

/** Runs a scenario to its end, and leaves nothing behind. */
export async function runStream(scenario: StreamScenario): Promise<StreamOutcome> {
  const run = new StreamRun(scenario);
  try {
    return await run.run();
  } finally {
    run.dispose();
  }
}

/** A port that was free a moment ago. */
async function freePort(): Promise<number> {
  const socket = createSocket('udp4');
  const listening = once(socket, 'listening');
  socket.bind(0, '127.0.0.1');
  await listening;
  const { port } = socket.address();
  socket.close();
  return port;
}
