// story.ts: what happens on both sides of a service channel, and what each must hear of the other.
//
// Everything follows from the number of an event: its bytes, what the service says because of it,
// and in which order. So each side can tell by itself whether what it got is whole.

import { assert } from '../../../src/assert.js';
import { RING_READ_LIMIT } from '../../../src/cluster/service-channel.js';

/** Who judges the hand-over. */
export const CHANNEL_JUDGE_NAMES = {
  order: 'the service is given the log, whole and in order',
  said: 'a position counts when all that was said before it is there, whole and in order',
  snapshot: 'snapshots pass whole, at the position that they are of',
  awake: 'nobody waits for what is there',
} as const;

export type ChannelJudge = keyof typeof CHANNEL_JUDGE_NAMES;

/** What a judge found. */
export class ChannelViolation extends Error {
  readonly judge: ChannelJudge;

  constructor(judge: ChannelJudge, message: string) {
    super(`${judge} (${CHANNEL_JUDGE_NAMES[judge]}): ${message}`);
    this.judge = judge;
  }
}

export function judge(isRight: boolean, name: ChannelJudge, message: () => string): void {
  if (!isRight) {
    throw new ChannelViolation(name, message());
  }
}

/** Events of a run. */
export const EVENT_COUNT = 420;
const EVENT_LENGTH_MIN = 600;
const EVENT_LENGTH_SPREAD = 700;
/** With its header a 64th of a term. */
const EVENT_LENGTH_EVEN = 992;
/** A snapshot is wanted behind every so many-th event. */
export const EVENTS_PER_SNAPSHOT = 150;

/** A snapshot that the service starts from: so many messages, each so long. */
export interface Start {
  readonly count: number;
  readonly length: number;
}

/** What a run starts from is one of these. */
export const STARTS: readonly Start[] = [
  { count: 0, length: 0 },
  // One more than the ring has room for.
  { count: 18, length: 15_000 },
  // More than one look at the ring takes.
  { count: RING_READ_LIMIT + 50, length: 24 },
];
/** Messages of a section that the service writes. */
export const SECTION_MESSAGE_COUNT = 25;
const SECTION_MESSAGE_LENGTH = 17_000;

/** Bytes that are different for each seed, at each place. */
export function patternOf(seed: number, length: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let index = 0; index < length; index++) {
    bytes[index] = (seed * 31 + index * 7) ^ (index >> 8);
  }
  new DataView(bytes.buffer).setUint32(0, seed, true);
  return bytes;
}

/** The first difference from the pattern, as a text; undefined when there is none. */
export function differenceOf(seed: number, found: Uint8Array, length: number): string | undefined {
  if (found.length !== length) {
    return `${found.length} bytes in place of ${length}`;
  }
  const expected = patternOf(seed, length);
  const at = found.findIndex((byte, index) => byte !== expected[index]);
  return at < 0 ? undefined : `byte ${at} is ${found[at]} in place of ${expected[at]}`;
}

/** @param isEven frames of all terms lie at the same places: what is written over looks whole. */
export function eventLength(event: number, isEven: boolean): number {
  return isEven ? EVENT_LENGTH_EVEN : EVENT_LENGTH_MIN + ((event * 37) % EVENT_LENGTH_SPREAD);
}

export function startMessage({ length }: Start, index: number): Uint8Array {
  return patternOf(1_000_000 + index, length);
}

/** @param event behind which the snapshot is. */
export function sectionMessage(event: number, index: number): Uint8Array {
  return patternOf(event * 1_000 + index, SECTION_MESSAGE_LENGTH);
}

export function isSnapshotEvent(event: number): boolean {
  return event % EVENTS_PER_SNAPSHOT === 0;
}

/** Log time after an event, milliseconds. */
export function timeOf(event: number): number {
  return 10 * event;
}

/** Something that a service says because of an event. */
export type Saying =
  | { readonly kind: 'egress'; readonly length: number }
  | { readonly kind: 'reply'; readonly length: number }
  | { readonly kind: 'close' }
  | { readonly kind: 'timer' }
  | { readonly kind: 'cancel' }
  | { readonly kind: 'message'; readonly length: number }
  | { readonly kind: 'output' };

/** What the service says because of an event, in order. */
export function sayingsOf(event: number): readonly Saying[] {
  const sayings: Saying[] = [];
  if (event % 2 === 0) {
    sayings.push({ kind: 'egress', length: 200 + ((event * 53) % 4_000) });
  }
  if (event % 3 === 0) {
    sayings.push({ kind: 'reply', length: 100 + ((event * 29) % 1_000) });
  }
  if (event % 5 === 0) {
    sayings.push({ kind: 'timer' });
  }
  if (event % 10 === 0) {
    sayings.push({ kind: 'cancel' });
  }
  if (event % 13 === 0) {
    sayings.push({ kind: 'message', length: 500 + ((event * 101) % 30_000) });
  }
  if (event % 41 === 0) {
    sayings.push({ kind: 'close' });
  }
  sayings.push({ kind: 'output' });
  return sayings;
}

/** Of all events up to a number: how much was said in all. */
const SAID_COUNTS = ((): readonly number[] => {
  const counts = [0];
  for (let event = 1; event <= EVENT_COUNT; event++) {
    counts.push((counts[event - 1] as number) + sayingsOf(event).length);
  }
  return counts;
})();

export function saidCount(event: number): number {
  const count = SAID_COUNTS[event];
  assert(count !== undefined, 'the event is of the run');
  return count;
}
