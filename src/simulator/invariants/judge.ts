// judge.ts: where the invariants of a run report that they are broken.
//
// A violation never throws: it may be found deep inside a member's own code, which would take it
// for a failure of its own. The first one is kept, and the simulation stops after the event that
// broke it.

import type { TimeSource } from '../virtual-clock.js';
import { judgeMessage } from './names.js';

/** A broken invariant, and when. */
export interface Violation {
  /** Name of the invariant, such as `I-7`. */
  readonly invariant: string;
  /** What is wrong; begins with the id and the name of the judge. */
  readonly message: string;
  readonly timeNs: number;
}

/** Collects what the judges find. */
export class Judge {
  readonly #time: TimeSource;
  #violation: Violation | undefined;

  constructor(time: TimeSource) {
    this.#time = time;
  }

  /** The first violation of the run. */
  get violation(): Violation | undefined {
    return this.#violation;
  }

  report(invariant: string, message: string): void {
    this.#violation ??= {
      invariant,
      message: judgeMessage(invariant, message),
      timeNs: this.#time.nowNs,
    };
  }
}
