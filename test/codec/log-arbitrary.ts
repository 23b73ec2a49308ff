// log-arbitrary.ts: random logs: where they start, how long their frames are, when leaders change.

import fc from 'fast-check';
import { pattern } from './golden-segment.js';
import { SegmentBuilder } from './segment-builder.js';

const TERM_LENGTH = 65_536;
const SEGMENT_LENGTH = 3 * TERM_LENGTH;

/** Terms near the places where numbers change their kind: 2^31, 2^32 and 2^53. */
const TERM_COUNTS = [0, 1, 32_767, 32_768, 65_535, 65_536, 2 ** 31 - 3];
const INITIAL_TERM_IDS = [0, 1, -1, 2 ** 31 - 2, -(2 ** 31)];

/** One step of a random log. */
type Step =
  | { readonly kind: 'append'; readonly length: number; readonly flags: number }
  | { readonly kind: 'elect' };

const append: fc.Arbitrary<Step> = fc.record({
  kind: fc.constant('append' as const),
  length: fc.oneof(fc.integer({ min: 0, max: 100 }), fc.integer({ min: 0, max: 9000 })),
  flags: fc.constantFrom(0xc0, 0x80, 0x40, 0),
});
const elect: fc.Arbitrary<Step> = fc.constant({ kind: 'elect' as const });
const step = fc.oneof({ weight: 12, arbitrary: append }, { weight: 1, arbitrary: elect });

function build(termCount: number, initialTermId: number, term: number, steps: readonly Step[]) {
  const builder = new SegmentBuilder({
    termLength: TERM_LENGTH,
    length: SEGMENT_LENGTH,
    position: termCount * TERM_LENGTH,
    initialTermId,
  });
  builder.leadershipTermId = term;
  for (const [i, one] of steps.entries()) {
    const used = builder.position - builder.begin;
    if (one.kind === 'elect') {
      builder.leadershipTermId++;
    } else if (used + one.length + 64 + builder.termRemaining() < SEGMENT_LENGTH) {
      builder.append(pattern(one.length, i), one.flags);
    }
  }
  return builder;
}

export interface RandomLog {
  readonly builder: SegmentBuilder;
  readonly termLength: number;
  readonly initialTermId: number;
}

/** A log of at most two and a half terms. */
export const randomLog: fc.Arbitrary<RandomLog> = fc
  .tuple(
    fc.constantFrom(...TERM_COUNTS),
    fc.constantFrom(...INITIAL_TERM_IDS),
    fc.constantFrom(0, 7, 2 ** 31 - 1, 2 ** 32 - 9),
    fc.array(step, { minLength: 1, maxLength: 60 }),
  )
  .map(([termCount, initialTermId, term, steps]) => ({
    builder: build(termCount, initialTermId, term, steps),
    termLength: TERM_LENGTH,
    initialTermId,
  }));
