// limits.ts: I-13 (every queue, table and buffer stays below its named limit).

import type { Member } from '../../cluster/member.js';
import type { LimitVisitor } from '../../cluster/member-limits.js';
import type { Judge } from './judge.js';

/** Duty cycles of a member between two looks: queues that grow without bound are seen soon. */
const SAMPLE_INTERVAL_TURNS = 32;

/** Looks at the limits of members now and then. */
export class Limits {
  readonly #judge: Judge;
  readonly #turns: number[];
  /** The greatest share of each limit that was seen in use, in thousandths. */
  readonly peaks = new Map<string, number>();
  #memberId = 0;
  readonly #visit: LimitVisitor = (name, used, max) => this.onUse(this.#memberId, name, used, max);

  constructor(judge: Judge, memberCount: number) {
    this.#judge = judge;
    this.#turns = Array.from({ length: memberCount }, () => 0);
  }

  /** A member has done a duty cycle. */
  onTurn(memberId: number, member: Member): void {
    const turns = (this.#turns[memberId] as number) + 1;
    this.#turns[memberId] = turns;
    if (turns % SAMPLE_INTERVAL_TURNS === 0) {
      this.#memberId = memberId;
      member.visitLimits(this.#visit);
    }
  }

  /** So much of a limit is in use. */
  onUse(memberId: number, name: string, used: number, max: number): void {
    if (used > max) {
      this.#judge.report('I-13', `member ${memberId} has ${used} ${name}, more than ${max}`);
    }
    const share = Math.floor((used * 1_000) / max);
    if (share > (this.peaks.get(name) ?? -1)) {
      this.peaks.set(name, share);
    }
  }
}
