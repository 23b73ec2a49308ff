// timeline.ts: what happened in a run, entry by entry, and in words.

import type { TimeSource } from './virtual-clock.js';

const NS_PER_MS = 1_000_000;
/** Entries that are kept; a run that has more is told up to there. */
export const TIMELINE_ENTRIES_MAX = 500_000;

/** Something that happened. */
export interface TimelineEntry {
  readonly timeNs: number;
  /** A node, such as `member 0`, or what acts on them: `nemesis`, `network`, `run`. */
  readonly who: string;
  readonly what: string;
  /** Who is told; undefined for what is no message. */
  readonly to: string | undefined;
  /** The message was lost on its way. */
  readonly isLost: boolean;
}

/** Entries of a run. Off, it costs a call. */
export class Timeline {
  readonly entries: TimelineEntry[] = [];
  readonly isOn: boolean;
  /** Hears every entry, also while the timeline is off. */
  listener: ((who: string, what: string) => void) | undefined = undefined;
  readonly #time: TimeSource;

  constructor(time: TimeSource, isOn: boolean) {
    this.#time = time;
    this.isOn = isOn;
  }

  /** The entries in words. */
  get lines(): string[] {
    return this.entries.map(timelineLine);
  }

  /** @param who names the node, or what acts on it. */
  add(who: string, what: string): void {
    this.listener?.(who, what);
    this.#push(who, what, undefined, false);
  }

  /** One node says something to another. */
  addMessage(from: string, to: string, what: string, isLost: boolean): void {
    this.#push(from, what, to, isLost);
  }

  #push(who: string, what: string, to: string | undefined, isLost: boolean): void {
    if (this.isOn && this.entries.length < TIMELINE_ENTRIES_MAX) {
      this.entries.push({ timeNs: this.#time.nowNs, who, what, to, isLost });
    }
  }
}

/** One entry as a line of text. */
export function timelineLine({ isLost, timeNs, to, what, who }: TimelineEntry): string {
  const ms = (timeNs / NS_PER_MS).toFixed(3).padStart(11);
  const told = to === undefined ? what : `to ${to}: ${what}${isLost ? ' (LOST)' : ''}`;
  return `${ms} ms  ${who.padEnd(9)} ${told}`;
}
