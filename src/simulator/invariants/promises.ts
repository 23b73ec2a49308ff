// promises.ts: I-8 and I-11 for what a member has acknowledged, across its processes.
//
// A member that acknowledged a position in a term with its vote never acknowledges less in that
// term, and comes back with it after a crash: a leader may have committed on it. Only a greater
// term frees it. What it may lose without breaking a promise is stated by the level: at
// `page-cache` a power cut may take what lies above the durable mark, and such a member has to be
// excused.

import type { Judge } from './judge.js';

interface Promised {
  termId: number;
  position: number;
}

const NOTHING = { termId: -1, position: 0 };

/** What each member has acknowledged. */
export class Promises {
  readonly #judge: Judge;
  readonly #promised: Promised[];

  constructor(judge: Judge, memberCount: number) {
    this.#judge = judge;
    this.#promised = Array.from({ length: memberCount }, () => ({ ...NOTHING }));
  }

  /** A member with a vote acknowledges a position. 0 means that it is not reconciled yet. */
  onAcknowledged(memberId: number, termId: number, position: number): void {
    const promised = this.#promised[memberId] as Promised;
    if (termId < promised.termId || position === 0) {
      return;
    }
    if (termId === promised.termId && position < promised.position) {
      this.#judge.report(
        'I-8',
        `member ${memberId} acknowledges ${position} in term ${termId}, in which it has ` +
          `acknowledged ${promised.position}`,
      );
    }
    promised.termId = termId;
    promised.position = position;
  }

  /**
   * A member has recovered its directory.
   *
   * @param termId greatest term that its record knows. @param position end of its log.
   */
  onRecovered(memberId: number, isVoting: boolean, termId: number, position: number): void {
    const promised = this.#promised[memberId] as Promised;
    if (!isVoting) {
      // It knows that it may lack what it promised, and promises nothing more.
      this.forget(memberId);
    } else if (termId <= promised.termId && position < promised.position) {
      this.#judge.report(
        'I-11',
        `member ${memberId} comes back with a vote and its log up to ${position}, but it had ` +
          `acknowledged ${promised.position} in term ${promised.termId}`,
      );
    }
  }

  /** What a member promised is known to be lost: its disk was replaced, or lost it by the level. */
  forget(memberId: number): void {
    this.#promised[memberId] = { ...NOTHING };
  }
}
