// service-messages.ts: a message of a service comes to every service once, behind what caused it,
// in the order in which it was sent; and none is forgotten.
//
// Services number what they send by themselves, so that the judge believes no number of the log.
// The first report of a message sent, and of the next message received, defines it; all others must
// report the same at the same positions, whichever member and service they are, wherever they
// started from.

import type { Judge } from './judge.js';

/** A message as a service sent it, or was given it. */
export interface SeenMessage {
  readonly from: number;
  /** Number among those of its sender, from 1. */
  readonly number: number;
  /** Of its sender and bytes. */
  readonly digest: number;
  /** Log position after the event in which it was sent, or which gave it. */
  readonly position: number;
}

/** Told what one service of one process does. */
export interface MessageObserver {
  /** It starts with the state of a position. */
  onStart(position: number): void;
  onSent(message: SeenMessage): void;
  onReceived(message: SeenMessage): void;
}

/** Messages sent and received in a run. */
export class ServiceMessages {
  readonly #judge: Judge;
  // By sender, in the order of their numbers.
  readonly #sent: SeenMessage[][] = [];
  // In the order of the log.
  readonly #received: SeenMessage[] = [];
  readonly #receivedCounts: number[] = [];

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** Messages that the log has given to services. */
  get receivedCount(): number {
    return this.#received.length;
  }

  /** Messages that were sent and that no service was given yet. */
  waitingCount(): number {
    return this.#sent.reduce((sum, messages) => sum + messages.length, 0) - this.#received.length;
  }

  /** Watches one service of a member's process. */
  observe(memberId: number, serviceId: number): MessageObserver {
    const who = `service ${serviceId} of member ${memberId}`;
    let next = 0;
    return {
      onStart: (position) => {
        const index = this.#received.findIndex((message) => message.position > position);
        next = index < 0 ? this.#received.length : index;
      },
      onSent: (message) => this.#onSent(who, message),
      onReceived: (message) => {
        this.#onReceived(who, next, message);
        next++;
      },
    };
  }

  #onSent(who: string, message: SeenMessage): void {
    const { from, number } = message;
    this.#sent[from] ??= [];
    const messages = this.#sent[from] as SeenMessage[];
    const first = messages[number - 1];
    if (first === undefined && number === messages.length + 1) {
      messages.push(message);
    } else if (first === undefined || !areEqual(first, message)) {
      this.#report(`${who} sends ${textOf(message)}, and ${textOf(first)} was sent`);
    }
  }

  #onReceived(who: string, index: number, message: SeenMessage): void {
    const first = this.#received[index];
    if (first !== undefined) {
      if (!areEqual(first, message)) {
        this.#report(`${who} is given ${textOf(message)} where the first was ${textOf(first)}`);
      }
      return;
    }
    const { from, number, position } = message;
    const expected = (this.#receivedCounts[from] ?? 0) + 1;
    const sent = this.#sent[from]?.[number - 1];
    if (number !== expected) {
      const fault = number < expected ? 'a second time' : `and not number ${expected} before`;
      this.#report(`${who} is given ${textOf(message)} ${fault}`);
    } else if (sent?.digest !== message.digest || sent.position >= position) {
      this.#report(`${who} is given ${textOf(message)}, and ${textOf(sent)} was sent`);
    }
    this.#receivedCounts[from] = Math.max(expected, number);
    this.#received.push(message);
  }

  #report(message: string): void {
    this.#judge.report('messages', message);
  }
}

function areEqual(one: SeenMessage, other: SeenMessage): boolean {
  return (
    one.from === other.from &&
    one.number === other.number &&
    one.digest === other.digest &&
    one.position === other.position
  );
}

function textOf(message: SeenMessage | undefined): string {
  return message === undefined
    ? 'nothing'
    : `message ${message.number} of service ${message.from} at position ${message.position}`;
}
