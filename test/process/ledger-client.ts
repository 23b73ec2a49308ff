// ledger-client.ts: a client that numbers its messages and knows what became of each.
//
// A message is acknowledged (its reply came), unknown (unanswered when a leader was lost) or still
// owed. A client whose session has ended opens the next one under a new number, so that each number
// stands for one session, within which the order is promised.

import { connectClient, type NodeClient } from '../../src/host/node-client.js';
import { pause } from './process-cluster.js';
import type { Workload, WorkloadSession } from './workload.js';

const TICK_MS = 10;
const OWED_COUNT_MAX = 400;
const SHORT_LENGTH = 120;
/** Several datagrams of the default MTU. */
const LONG_LENGTH = 5_000;
const LONG_EVERY = 97;
const DRAIN_TIMEOUT_MS = 15_000;
const CONNECT_RETRY_MS = 100;
/** Room between the numbers of clients for their sessions. */
const SESSION_NUMBER_LIMIT = 1_000;

/** What one session sent and learned. */
export class SessionLedger {
  readonly client: number;
  /** Sequences 1 to sentCount were sent. */
  sentCount = 0;
  /** Order number of each acknowledged message, by sequence. */
  readonly acknowledged = new Map<number, number>();
  readonly owed = new Set<number>();
  readonly unknown = new Set<number>();
  /** What a reply must never be, in words. */
  readonly problems: string[] = [];
  /** The commands that its messages carry. */
  readonly commands: WorkloadSession | undefined;
  #lastReply = 0;

  constructor(client: number, commands?: WorkloadSession) {
    this.client = client;
    this.commands = commands;
  }

  noteReply(sequence: number, order: number): void {
    if (!this.owed.delete(sequence) && !this.unknown.delete(sequence)) {
      this.problems.push(`client ${this.client} got a second reply to ${sequence}`);
      return;
    }
    if (sequence <= this.#lastReply) {
      this.problems.push(
        `client ${this.client} got the reply to ${sequence} after that to ${this.#lastReply}`,
      );
    }
    this.#lastReply = sequence;
    this.acknowledged.set(sequence, order);
  }

  noteLeaderLost(): void {
    this.commands?.onLeaderLost();
    for (const sequence of this.owed) {
      this.unknown.add(sequence);
    }
    this.owed.clear();
  }
}

/** Bytes of a message, from its numbers alone. */
export function messageBytes(client: number, sequence: number): Uint8Array {
  const bytes = new Uint8Array(sequence % LONG_EVERY === 0 ? LONG_LENGTH : SHORT_LENGTH);
  bytes.fill((client * 31 + sequence * 7) & 0xff);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, client, true);
  view.setUint32(4, sequence, true);
  return bytes;
}

/** Sends at a rate while it is running, over as many sessions as it takes. */
export class LedgerClient {
  readonly sessions: SessionLedger[] = [];
  /** Why the last attempt to connect failed. */
  lastError: unknown;
  readonly #number: number;
  readonly #ingress: string;
  readonly #timer: NodeJS.Timeout;
  readonly #perTick: number;
  readonly #workload: Workload | undefined;
  #session: SessionLedger | undefined;
  #node: NodeClient | undefined;
  #isSending = false;
  #isClosed = false;

  /**
   * @param rate messages per second.
   * @param workload makes the command that each message carries.
   */
  constructor(number: number, ingress: string, rate: number, workload?: Workload) {
    this.#workload = workload;
    this.#number = number;
    this.#ingress = ingress;
    this.#perTick = Math.max(1, Math.round((rate * TICK_MS) / 1_000));
    this.#timer = setInterval(() => this.#sendSome(), TICK_MS);
    void this.#keepConnected();
  }

  get owedCount(): number {
    return this.#session?.owed.size ?? 0;
  }

  get acknowledgedCount(): number {
    return sum(this.sessions, (session) => session.acknowledged.size);
  }

  resume(): void {
    this.#isSending = true;
  }

  /** Stops sending and waits until nothing is owed. Answers whether a session stands idle. */
  async quiesce(): Promise<boolean> {
    this.#isSending = false;
    const endMs = Date.now() + DRAIN_TIMEOUT_MS;
    while (Date.now() < endMs && (this.owedCount > 0 || this.#session === undefined)) {
      await pause(TICK_MS);
    }
    return this.owedCount === 0 && this.#session !== undefined;
  }

  close(): void {
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#node?.close();
  }

  async #keepConnected(): Promise<void> {
    while (!this.#isClosed) {
      if (this.#session === undefined) {
        await this.#connect();
      }
      await pause(CONNECT_RETRY_MS);
    }
  }

  async #connect(): Promise<void> {
    const number = this.#number * SESSION_NUMBER_LIMIT + this.sessions.length;
    const session = new SessionLedger(number, this.#workload?.session(number));
    const onLost = (): void => {
      session.noteLeaderLost();
      if (this.#session === session) {
        this.#session = undefined;
        this.#node = undefined;
      }
    };
    try {
      const node = await connectClient(
        { ingressEndpoints: this.#ingress, onFatal: onLost },
        {
          onMessage: (view, offset) => {
            const sequence = view.getUint32(offset + 4, true);
            session.commands?.onReply(sequence, view, offset);
            session.noteReply(sequence, view.getUint32(offset + 8, true));
          },
          onNewLeader: () => session.noteLeaderLost(),
          onClosed: onLost,
        },
      );
      if (this.#isClosed) {
        node.close();
        return;
      }
      this.#node = node;
      this.#session = session;
      this.sessions.push(session);
    } catch (error) {
      // Nobody leads right now: the next attempt follows.
      this.lastError = error;
      this.#node = undefined;
    }
  }

  #sendSome(): void {
    const session = this.#session;
    const node = this.#node;
    if (!this.#isSending || session === undefined || node === undefined) {
      return;
    }
    for (let count = 0; count < this.#perTick && session.owed.size < OWED_COUNT_MAX; count++) {
      const sequence = session.sentCount + 1;
      const bytes = messageBytes(session.client, sequence);
      const isReady = session.commands?.write(sequence, bytes) ?? true;
      if (!isReady || node.client.offer(bytes, 0, bytes.length) <= 0) {
        break;
      }
      session.commands?.onSent(sequence);
      session.sentCount = sequence;
      session.owed.add(sequence);
    }
    node.wake();
  }
}

/** Adds up a number of each item. */
export function sum<T>(items: readonly T[], numberOf: (item: T) => number): number {
  return items.reduce((total, item) => total + numberOf(item), 0);
}
