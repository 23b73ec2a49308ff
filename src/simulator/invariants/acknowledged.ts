// acknowledged.ts: I-12 (applied once, answered once), I-14 (what a client was told is in the log
// for ever) and equal states.
//
// The services of all members report every command that they apply. The first report of a position
// defines it; whoever applies that position later must apply the same command, and reach the same
// state.

import type { Judge } from './judge.js';

/**
 * Sessions of one client have numbers that differ by this. Order is promised within a session: what
 * a former one had sent may still be on its way when the next one sends.
 */
export const CLIENT_COUNT_MAX = 256;

/** A command as a service applied it. */
export interface AppliedCommand {
  /** Number of the client plus CLIENT_COUNT_MAX times the number of its session. */
  readonly client: number;
  readonly sequence: number;
  /** Number in the order of all commands, from 1. */
  readonly order: number;
}

/** Commands in the log, and those whose replies clients have. */
export class Acknowledged {
  readonly #judge: Judge;
  /** State hash after the event that ends at a position. */
  readonly #states = new Map<number, number>();
  readonly #applied = new Map<string, { readonly order: number; readonly position: number }>();
  readonly #lastSequences = new Map<number, number>();
  readonly #acknowledged = new Map<string, number>();
  /** Position and number of the last command in the log whose reply has arrived. */
  #lastPosition = 0;
  #lastOrder = 0;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** Commands in the log. */
  get appliedCount(): number {
    return this.#applied.size;
  }

  /** Commands whose reply has arrived. */
  get acknowledgedCount(): number {
    return this.#acknowledged.size;
  }

  /** A service has handled the event that ends at a position. */
  onState(memberId: number, position: number, hash: number, command?: AppliedCommand): void {
    const known = this.#states.get(position);
    if (known === undefined) {
      this.#states.set(position, hash);
      if (command !== undefined) {
        this.#define(command, position);
      }
    } else if (known !== hash) {
      this.#judge.report(
        'states',
        `the service of member ${memberId} has another state at position ${position} than the ` +
          'first one that reached it',
      );
    }
  }

  #define(command: AppliedCommand, position: number): void {
    const { client, sequence, order } = command;
    const last = this.#lastSequences.get(client) ?? 0;
    const isTwice = this.#applied.has(keyOf(client, sequence));
    if (isTwice || sequence <= last) {
      const fault = isTwice ? 'twice' : 'out of order';
      this.#judge.report(
        'I-12',
        `command ${sequence} of client ${client} is applied ${fault}, at position ${position} ` +
          `after command ${last}`,
      );
    }
    this.#lastSequences.set(client, sequence);
    this.#applied.set(keyOf(client, sequence), { order, position });
  }

  /** A reply has arrived at its client. */
  onReply(reply: AppliedCommand): void {
    const key = keyOf(reply.client, reply.sequence);
    const applied = this.#applied.get(key);
    if (applied?.order !== reply.order) {
      const found = applied === undefined ? 'nowhere' : `as number ${applied.order}`;
      this.#judge.report(
        'I-14',
        `client ${reply.client} was told that command ${reply.sequence} is number ` +
          `${reply.order}, and the log has it ${found}`,
      );
    }
    if (this.#acknowledged.has(key)) {
      this.#judge.report(
        'I-12',
        `client ${reply.client} is answered twice for command ${reply.sequence}`,
      );
    }
    this.#acknowledged.set(key, reply.order);
    if (applied !== undefined && applied.position > this.#lastPosition) {
      this.#lastPosition = applied.position;
      this.#lastOrder = applied.order;
    }
  }

  /** The last scan: a member whose service stands at a position has every acknowledged command. */
  onFinal(memberId: number, servicePosition: number): void {
    if (servicePosition < this.#lastPosition) {
      this.#judge.report(
        'I-14',
        `member ${memberId} ends at ${servicePosition}, without command number ` +
          `${this.#lastOrder} at ${this.#lastPosition}, whose client has its reply`,
      );
    }
  }
}

/** A client never uses a sequence twice, in whichever session. */
function keyOf(client: number, sequence: number): string {
  return `${client % CLIENT_COUNT_MAX}:${sequence}`;
}
