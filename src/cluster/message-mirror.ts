// message-mirror.ts: the messages of a service on another thread that the log has not got yet.
//
// It follows what the service's own thread says of them, and is what a leader proposes from. It is
// as far as the position that the engine takes the service to have reached, or further.

import { ProposalCursor } from './proposal-cursor.js';
import type { MessageListener, ServiceMessage, ServiceMessageSource } from './service-host.js';

/** Pending messages of one service, as its thread tells. */
export class MessageMirror implements ServiceMessageSource, MessageListener {
  readonly pendingCountMax: number;
  // By sequence number, which rises.
  readonly #pending = new Map<number, ServiceMessage>();
  #lastSequence = 0;
  #loggedSequence = 0;
  readonly #cursor = new ProposalCursor();

  /** @param pendingCountMax messages that may wait, as the service's own thread has it. */
  constructor(pendingCountMax: number) {
    this.pendingCountMax = pendingCountMax;
  }

  get pendingCount(): number {
    return this.#pending.size;
  }

  get unproposedCount(): number {
    return this.#cursor.countTo(this.#lastSequence, this.#loggedSequence);
  }

  onOffered(message: ServiceMessage): void {
    this.#pending.set(message.sequence, message);
    this.#lastSequence = message.sequence;
  }

  onLogged(sequence: number): void {
    this.#pending.delete(sequence);
    this.#loggedSequence = sequence;
    // A snapshot may begin with messages that the log has had before.
    this.#lastSequence = Math.max(this.#lastSequence, sequence);
  }

  propose(limit: number, append: (message: ServiceMessage) => boolean): number {
    return this.#cursor.propose(this.#pending, this.#loggedSequence, limit, append);
  }

  forgetProposals(): void {
    this.#cursor.forget();
  }
}
