// ledger-service.ts: the service that simulated members run.
//
// Its state is a running hash of everything that the log brought, so one number tells whether two
// members have seen the same events with the same times. It answers each command with its number in
// the order of all commands.

import type { ClientSession, Cluster, ClusteredService } from '../service/clustered-service.js';
import { finishHash, mixWord } from './invariants/frame-hash.js';

/** Client, sequence and length of the whole command, as i32. The rest is filling. */
export const COMMAND_HEADER_LENGTH = 12;
/** Client, sequence and number in the order of all commands, as i32. */
export const REPLY_LENGTH = 12;

/** Told after each event that the service has handled. */
export interface LedgerObserver {
  onEvent(position: number, hash: number): void;
  onCommand(
    position: number,
    hash: number,
    client: number,
    sequence: number,
    order: number,
    timestamp: number,
  ): void;
}

/** A deterministic service over commands {client, sequence}. */
export class LedgerService implements ClusteredService {
  readonly #observer: LedgerObserver;
  readonly #reply = new DataView(new ArrayBuffer(REPLY_LENGTH));
  #cluster: Cluster | undefined;
  #hash = 1;
  #count = 0;

  constructor(observer: LedgerObserver) {
    this.#observer = observer;
  }

  /** Commands applied. */
  get count(): number {
    return this.#count;
  }

  onStart(cluster: Cluster): void {
    this.#cluster = cluster;
  }

  onSessionMessage(
    session: ClientSession,
    timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void {
    const client = buffer.getInt32(offset, true);
    const sequence = buffer.getInt32(offset + 4, true);
    this.#count++;
    this.#fold(client, sequence, length, timestamp);
    for (let at = COMMAND_HEADER_LENGTH; at + 4 <= length; at += 4) {
      this.#hash = mixWord(this.#hash, buffer.getInt32(offset + at, true));
    }
    this.#reply.setInt32(0, client, true);
    this.#reply.setInt32(4, sequence, true);
    this.#reply.setInt32(8, this.#count, true);
    session.offer(this.#reply, 0, REPLY_LENGTH);
    this.#observer.onCommand(
      this.#position,
      finishHash(this.#hash),
      client,
      sequence,
      this.#count,
      timestamp,
    );
  }

  onSessionOpen(session: ClientSession, timestamp: number): void {
    this.#fold(1, session.id, session.responseStreamId, timestamp);
    this.#observer.onEvent(this.#position, finishHash(this.#hash));
  }

  onSessionClose(session: ClientSession, timestamp: number, reason: number): void {
    this.#fold(2, session.id, reason, timestamp);
    this.#observer.onEvent(this.#position, finishHash(this.#hash));
  }

  onNewLeadershipTermEvent(term: { leadershipTermId: number }, timestamp: number): void {
    this.#fold(3, term.leadershipTermId, 0, timestamp);
    this.#observer.onEvent(this.#position, finishHash(this.#hash));
  }

  stateHash(): string {
    return `${this.#count}:${(finishHash(this.#hash) >>> 0).toString(16)}`;
  }

  get #position(): number {
    return this.#cluster?.logPosition() ?? 0;
  }

  #fold(first: number, second: number, third: number, timestamp: number): void {
    let hash = mixWord(this.#hash, first);
    hash = mixWord(hash, second);
    hash = mixWord(hash, third);
    hash = mixWord(hash, timestamp | 0);
    this.#hash = mixWord(hash, Math.floor(timestamp / 2 ** 32));
  }
}
