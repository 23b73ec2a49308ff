// progress.ts: I-3 (a leader only appends), I-8 (what may only grow) and I-9 (order of the
// positions), for one member at a time.

import type { MemberObservation } from '../../cluster/member-assembly.js';
import { MemberRole } from '../../consensus/election-state.js';
import type { Judge } from './judge.js';

/** What was last seen of one process. */
export interface Seen {
  commitPosition: number;
  consumablePosition: number;
  servicePosition: number;
  candidateTermId: number;
  /** Term that is led, negative when none is; and its log as it was then. */
  ledTermId: number;
  appendPosition: number;
  truncationCount: number;
}

const NOTHING: Seen = {
  commitPosition: 0,
  consumablePosition: 0,
  servicePosition: 0,
  candidateTermId: -1,
  ledTermId: -1,
  appendPosition: 0,
  truncationCount: 0,
};

/** Watches members after their duty cycles. */
export class Progress {
  readonly #judge: Judge;
  readonly #seen: Seen[];
  /** Takes the place of what was seen before it: nothing is made for a duty cycle. */
  #spare: Seen = { ...NOTHING };

  constructor(judge: Judge, memberCount: number) {
    this.#judge = judge;
    this.#seen = Array.from({ length: memberCount }, () => ({ ...NOTHING }));
  }

  /** A member's process starts. */
  onStart(memberId: number): void {
    this.#seen[memberId] = { ...NOTHING };
  }

  /** A member has done a duty cycle, after which its log is appended and durable so far. */
  check(
    memberId: number,
    observed: MemberObservation,
    servicePosition: number,
    appendPosition: number,
    durablePosition: number,
  ): void {
    const { election } = observed;
    const now = this.#spare;
    this.#spare = this.#seen[memberId] as Seen;
    now.commitPosition = election.commitPosition();
    now.consumablePosition = election.consumablePosition();
    now.servicePosition = servicePosition;
    now.candidateTermId = election.candidateTermId();
    now.ledTermId = election.role() === MemberRole.Leader ? election.leadershipTermId() : -1;
    now.appendPosition = appendPosition;
    now.truncationCount = election.counters.truncations;
    this.onProgress(memberId, now);
    this.onDurable(memberId, observed, now.consumablePosition, appendPosition, durablePosition);
  }

  /** What is seen of a member, against what was seen before. */
  onProgress(memberId: number, now: Seen): void {
    const seen = this.#seen[memberId] as Seen;
    const hasFallen =
      now.consumablePosition < seen.consumablePosition ||
      now.servicePosition < seen.servicePosition ||
      now.candidateTermId < seen.candidateTermId;
    if (hasFallen) {
      this.#judge.report(
        'I-8',
        `member ${memberId} went back from ${JSON.stringify(seen)} to ${JSON.stringify(now)}`,
      );
    }
    const { commitPosition, consumablePosition, servicePosition } = now;
    if (servicePosition > consumablePosition || consumablePosition > commitPosition) {
      this.#judge.report(
        'I-9',
        `member ${memberId}: service position ${servicePosition}, consumable ` +
          `${consumablePosition}, commit ${commitPosition} are not in this order`,
      );
    }
    const isSameTerm = now.ledTermId >= 0 && now.ledTermId === seen.ledTermId;
    const isCut =
      now.appendPosition < seen.appendPosition || now.truncationCount > seen.truncationCount;
    if (isSameTerm && isCut) {
      this.#judge.report(
        'I-3',
        `leader ${memberId} cut its own log from ${seen.appendPosition} to ` +
          `${now.appendPosition} in its term ${now.ledTermId}`,
      );
    }
    this.#seen[memberId] = now;
  }

  /** What the recorder of a member claims, while it records. */
  onDurable(
    memberId: number,
    observed: MemberObservation,
    consumablePosition: number,
    append: number,
    durable: number,
  ): void {
    if (consumablePosition <= durable && durable <= append) {
      return;
    }
    const { recorder } = observed;
    if (recorder.isRecording() && !recorder.isBusy()) {
      this.#judge.report(
        'I-9',
        `member ${memberId}: consumable position ${consumablePosition}, durable ${durable}, ` +
          `append ${append} are not in this order`,
      );
    }
  }
}
