// service-states.ts: the states of further services are equal at equal positions.

import type { Judge } from './judge.js';

/** State hashes of one service of all members. */
export class ServiceStates {
  readonly #judge: Judge;
  readonly #serviceId: number;
  /** State hash after the event that ends at a position. */
  readonly #states = new Map<number, number>();

  constructor(judge: Judge, serviceId: number) {
    this.#judge = judge;
    this.#serviceId = serviceId;
  }

  /** The service of a member has handled the event that ends at a position. */
  onState(memberId: number, position: number, hash: number): void {
    const known = this.#states.get(position) ?? hash;
    this.#states.set(position, known);
    if (known !== hash) {
      this.#judge.report(
        'states',
        `service ${this.#serviceId} of member ${memberId} has another state at position ` +
          `${position} than the first one that reached it`,
      );
    }
  }
}
