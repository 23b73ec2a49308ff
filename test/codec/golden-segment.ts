// golden-segment.ts: one segment with everything in it that a log has: events of every kind, a
// fragmented message, padding at the end of a term, a change of leadership, a sparse rest.

import { writeMessageHeader } from '../../src/protocol/message-header.js';
import { SegmentBuilder } from './segment-builder.js';

export const GOLDEN_TERM_LENGTH = 65_536;
export const GOLDEN_SEGMENT_LENGTH = 4 * GOLDEN_TERM_LENGTH;
const BEGIN = 0x80;
const END = 0x40;

/** Payload bytes that differ from message to message. */
export function pattern(length: number, seed: number): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 7 + seed * 31 + (i >> 8)) & 0xff);
}

/** Two terms and a bit: 300 session messages, then a new leader. */
export function goldenSegment(): SegmentBuilder {
  const builder = new SegmentBuilder({
    termLength: GOLDEN_TERM_LENGTH,
    length: GOLDEN_SEGMENT_LENGTH,
  });
  builder.appendMessage(24, 48).appendMessage(21, 36, 8);
  for (let i = 0; i < 300; i++) {
    builder.appendMessage(1, 24, 200 + (i % 13));
  }
  builder.appendMessage(1, 24, 1000 - 32);
  const fragments = pattern(3000, 1);
  writeMessageHeader(new DataView(fragments.buffer), 0, 24, 1, 111, 17);
  builder.append(fragments.subarray(0, 1376), BEGIN);
  builder.append(fragments.subarray(1376, 2752), 0);
  builder.append(fragments.subarray(2752), END);
  builder.leadershipTermId = 1;
  builder.appendMessage(24, 48).appendMessage(1, 24, 200).appendMessage(22, 28);
  return builder;
}
