// scenario-client.ts: a client that sends named messages and keeps what it was told of each.
//
// A message is a command of the simulator's ledger service with its name behind the header, so all
// of the simulator's judges see it too. As docs/protocol/sessions.md has it, what is unanswered
// when another leader presents itself, or when the session ends, is unknown, and never sent again.

import type { ClusterClient } from '../../src/client/cluster-client.js';
import { describeError } from '../../src/simulator/describe-error.js';
import {
  type Acknowledged,
  CLIENT_COUNT_MAX,
} from '../../src/simulator/invariants/acknowledged.js';
import { COMMAND_HEADER_LENGTH, REPLY_LENGTH } from '../../src/simulator/ledger-service.js';
import {
  type ArenaPool,
  type SimulatedClientOptions,
  startSimulatedClient,
} from '../../src/simulator/simulated-cluster.js';
import type { VirtualNode } from '../../src/simulator/virtual-node.js';
import type { World } from '../../src/simulator/world.js';
import { foldTexts } from './script.js';

const RETRY_NS = 5_000_000;

export interface ScenarioClientParts {
  readonly world: World;
  readonly arenas: ArenaPool;
  readonly ingressEndpoints: string;
  readonly acknowledged: Acknowledged;
  say(who: string, what: string): void;
}

/** A message, and what is known of it. */
interface Sent {
  readonly text: string;
  outcome: 'waiting' | 'answered' | 'unknown';
}

/** Messages that are sent at intervals, without a word for each. */
interface Load {
  readonly intervalNs: number;
  readonly endNs: number;
  nextNs: number;
  count: number;
}

/** One client over all its sessions. */
export class ScenarioClient {
  readonly id: number;
  readonly node: VirtualNode;
  readonly #parts: ScenarioClientParts;
  readonly #sent = new Map<number, Sent>();
  /** Texts that wait to be sent, with the length that each is filled to. */
  readonly #queue: { text: string; length: number }[] = [];
  #answeredNow: string[] = [];
  #sessionCount = 0;
  #sequence = 0;
  #load: Load | undefined;
  #lastAnswerNs = 0;
  #error: string | undefined;
  client: ClusterClient | undefined;
  /** Longest time between two answers since the last load began. */
  longestGapNs = 0;

  constructor(id: number, parts: ScenarioClientParts) {
    this.id = id;
    this.#parts = parts;
    this.node = parts.world.addNode({ name: `client ${id}` });
  }

  /** Starts a process with a new session. */
  start(options: Partial<SimulatedClientOptions>): void {
    const { arenas, ingressEndpoints } = this.#parts;
    this.#sessionCount++;
    this.#error = undefined;
    startSimulatedClient(
      this.node,
      arenas,
      { ingressEndpoints, newLeaderTimeoutMs: 5_000, connectTimeoutMs: 5_000, ...options },
      {
        onMessage: (view, offset, length) => this.#onReply(view, offset, length),
        onConnected: (id) => this.#say(`has session ${id}`),
        onNewLeader: (termId, memberId) => {
          this.#say(`hears that member ${memberId} leads term ${termId}`);
          this.#loseWaiting();
        },
        onClosed: (error) => {
          this.#error = error?.code ?? '';
          this.#say(`session ended: ${error?.code ?? 'by its owner'}`);
          this.#loseWaiting();
        },
      },
      (client) => this.#turn(client),
      () => this.#deadlineNs(),
      () => {
        this.client = undefined;
      },
    );
  }

  /** Ends the session, as the owner of a client does: one more turn lets the request leave. */
  leave(): void {
    const { client } = this;
    const { process } = this.node;
    process?.guard(() => {
      client?.close();
      client?.doWork(process.clock.nowNs());
    });
    this.node.stop();
  }

  /** Sends texts as soon as the session takes them, in their order. */
  send(texts: readonly string[], length: number): void {
    this.#queue.push(...texts.map((text) => ({ text, length })));
    this.node.process?.threads[0]?.wake();
  }

  /** Sends a message each so often, for a while. */
  load(intervalNs: number, durationNs: number): void {
    const { nowNs } = this.#parts.world;
    this.#load = { intervalNs, endNs: nowNs + durationNs, nextNs: nowNs, count: 0 };
    this.#lastAnswerNs = nowNs;
    this.longestGapNs = 0;
    this.node.process?.threads[0]?.wake();
  }

  get isConnected(): boolean {
    return this.client?.state === 'connected';
  }

  /** Why the session ended: a code, empty when its owner closed it; undefined while it lives. */
  get endCode(): string | undefined {
    return this.#error;
  }

  get isIdle(): boolean {
    return this.#queue.length === 0 && this.#load === undefined;
  }

  /** Texts with an outcome, in the order of sending. */
  texts(outcome: Sent['outcome']): string[] {
    return [...this.#sent.values()].filter((s) => s.outcome === outcome).map((s) => s.text);
  }

  /** Says what was answered since the last call: many answers are one line. */
  flushAnswers(): void {
    if (this.#answeredNow.length > 0) {
      const answered = this.#answeredNow;
      this.#answeredNow = [];
      this.#say(`answered: ${foldTexts(answered)}`);
    }
  }

  #turn(client: ClusterClient): number {
    this.client = client;
    if (client.state !== 'connected') {
      return 0;
    }
    let work = this.#turnLoad(client);
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      if (!this.#offer(client, next.text, next.length)) {
        break;
      }
      this.#queue.shift();
      work++;
    }
    return work;
  }

  #turnLoad(client: ClusterClient): number {
    const load = this.#load;
    const { nowNs } = this.#parts.world;
    if (load === undefined || nowNs < load.nextNs) {
      return 0;
    }
    if (nowNs >= load.endNs) {
      this.#load = undefined;
      return 1;
    }
    load.nextNs += load.intervalNs;
    if (this.#offer(client, `load${load.count + 1}`, 0)) {
      load.count++;
    }
    return 1;
  }

  #deadlineNs(): number {
    const { nowNs } = this.#parts.world;
    const localNs = this.node.process?.clock.nowNs() ?? 0;
    if (this.client?.state !== 'connected') {
      return Number.POSITIVE_INFINITY;
    }
    const queueNs = this.#queue.length > 0 ? RETRY_NS : Number.POSITIVE_INFINITY;
    const load = this.#load;
    const loadNs = load === undefined ? Number.POSITIVE_INFINITY : load.nextNs - nowNs;
    return localNs + Math.max(0, Math.min(queueNs, loadNs));
  }

  #offer(client: ClusterClient, text: string, fullLength: number): boolean {
    const name = new TextEncoder().encode(text);
    const length = Math.max(fullLength, COMMAND_HEADER_LENGTH + 4 + name.length);
    const bytes = new Uint8Array(length);
    const view = new DataView(bytes.buffer);
    view.setInt32(0, this.id + this.#sessionCount * CLIENT_COUNT_MAX, true);
    view.setInt32(4, this.#sequence + 1, true);
    view.setInt32(8, length, true);
    view.setInt32(COMMAND_HEADER_LENGTH, name.length, true);
    bytes.set(name, COMMAND_HEADER_LENGTH + 4);
    try {
      if (client.offer(bytes, 0, length) < 0) {
        return false;
      }
    } catch (error) {
      this.#say(`cannot send ${text}: ${describeError(error)}`);
      return true;
    }
    this.#sequence++;
    this.#sent.set(this.#sequence, { text, outcome: 'waiting' });
    return true;
  }

  #onReply(view: DataView, offset: number, length: number): void {
    if (length !== REPLY_LENGTH) {
      this.#say(`gets ${length} bytes`);
      return;
    }
    const sequence = view.getInt32(offset + 4, true);
    const { acknowledged, world } = this.#parts;
    acknowledged.onReply({
      client: view.getInt32(offset, true),
      sequence,
      order: view.getInt32(offset + 8, true),
    });
    this.longestGapNs = Math.max(this.longestGapNs, world.nowNs - this.#lastAnswerNs);
    this.#lastAnswerNs = world.nowNs;
    const sent = this.#sent.get(sequence);
    if (sent?.outcome === 'unknown') {
      this.#say(`is answered for ${sent.text}, which it had given up`);
    } else if (sent !== undefined) {
      sent.outcome = 'answered';
      this.#answeredNow.push(sent.text);
    }
  }

  #loseWaiting(): void {
    this.flushAnswers();
    const lost = [...this.#sent.values()].filter((sent) => sent.outcome === 'waiting');
    for (const sent of lost) {
      sent.outcome = 'unknown';
    }
    if (lost.length > 0) {
      this.#say(`does not know the outcome of: ${foldTexts(lost.map((sent) => sent.text))}`);
    }
  }

  #say(what: string): void {
    this.#parts.say(this.node.name, what);
  }
}

/** The name that a message carries behind the ledger's header. */
export function textOf(view: DataView, offset: number, length: number): string {
  if (length < COMMAND_HEADER_LENGTH + 4) {
    return '';
  }
  const nameLength = view.getInt32(offset + COMMAND_HEADER_LENGTH, true);
  const start = view.byteOffset + offset + COMMAND_HEADER_LENGTH + 4;
  const end = Math.min(nameLength, length - COMMAND_HEADER_LENGTH - 4);
  return new TextDecoder().decode(new Uint8Array(view.buffer, start, end).slice());
}
