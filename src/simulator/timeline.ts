// timeline.ts: what happened in a run, in words.

import type { TimeSource } from './virtual-clock.js';

const NS_PER_MS = 1_000_000;

/** Lines of a run. Off, it costs a call. */
export class Timeline {
  readonly lines: string[] = [];
  readonly #time: TimeSource;
  readonly #isOn: boolean;

  constructor(time: TimeSource, isOn: boolean) {
    this.#time = time;
    this.#isOn = isOn;
  }

  /** @param who names the node, or what acts on it. */
  add(who: string, what: string): void {
    if (this.#isOn) {
      const ms = (this.#time.nowNs / NS_PER_MS).toFixed(3).padStart(11);
      this.lines.push(`${ms} ms  ${who.padEnd(9)} ${what}`);
    }
  }
}
