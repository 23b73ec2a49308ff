// progress.ts: I-8 (what may only grow) and I-9 (order of the positions), for one member at a time.

import type { MemberObservation } from '../../cluster/member.js';
import type { Judge } from './judge.js';

/** What was last seen of one process. */
interface Seen {
  commitPosition: number;
  consumablePosition: number;
  servicePosition: number;
  candidateTermId: number;
}

const NOTHING: Seen = {
  commitPosition: 0,
  consumablePosition: 0,
  servicePosition: 0,
  candidateTermId: -1,
};

/** Watches members after their duty cycles. */
export class Progress {
  readonly #judge: Judge;
  readonly #seen: Seen[];

  constructor(judge: Judge, memberCount: number) {
    this.#judge = judge;
    this.#seen = Array.from({ length: memberCount }, () => ({ ...NOTHING }));
  }

  /** A member's process starts. */
  onStart(memberId: number): void {
    this.#seen[memberId] = { ...NOTHING };
  }

  /** A member has done a duty cycle. */
  check(memberId: number, observed: MemberObservation, servicePosition: number): void {
    const { election } = observed;
    const seen = this.#seen[memberId] as Seen;
    const consumablePosition = election.consumablePosition();
    const commitPosition = election.commitPosition();
    const candidateTermId = election.candidateTermId();
    const hasFallen =
      consumablePosition < seen.consumablePosition ||
      servicePosition < seen.servicePosition ||
      candidateTermId < seen.candidateTermId;
    if (hasFallen) {
      const now = { consumablePosition, servicePosition, candidateTermId };
      this.#judge.report(
        'I-8',
        `member ${memberId} went back from ${JSON.stringify(seen)} to ${JSON.stringify(now)}`,
      );
    }
    if (servicePosition > consumablePosition || consumablePosition > commitPosition) {
      this.#judge.report(
        'I-9',
        `member ${memberId}: service position ${servicePosition}, consumable ` +
          `${consumablePosition}, commit ${commitPosition} are not in this order`,
      );
    }
    seen.commitPosition = commitPosition;
    seen.consumablePosition = consumablePosition;
    seen.servicePosition = servicePosition;
    seen.candidateTermId = candidateTermId;
  }
}
