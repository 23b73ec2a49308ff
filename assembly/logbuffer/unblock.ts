// unblock.ts: pads over what a dead writer left behind.
//
// A writer that died after moving the tail leaves a claim (negative length) or nothing at all (zero
// length). Only a caller who knows that the writer is gone, after a timeout, may ask for this.

import {
  DATA_HEADER_LENGTH,
  FRAME_ALIGNMENT,
  LOG_ACTIVE_TERM_COUNT_OFFSET,
} from '../layout/frame';
import { rotate } from './concurrent-append';
import { padWord, seal, writeHeader } from './frame-writer';
import {
  alignFrame,
  initialTermIdOf,
  tailAddress,
  termAddress,
  termCountOf,
  termLengthOf,
  termOffsetOf,
} from './metadata';

/** Turns [frame, frame + length) into padding when its length field still is what was seen. */
function padOver(
  meta: usize,
  frame: usize,
  seen: i32,
  termId: i32,
  termOffset: i32,
  length: i32,
): i32 {
  // Taking the place first keeps a late writer from publishing: its own exchange will fail.
  if (atomic.cmpxchg<i32>(frame, seen, i32.MIN_VALUE) != seen) {
    return 0;
  }
  writeHeader(meta, frame, padWord(), termId, termOffset);
  seal(meta, frame, length);
  atomic.store<i32>(frame, length);
  return 1;
}

/** Length of the run of zero lengths at a term offset, up to the next frame or the tail. */
function zeroRun(term: usize, termOffset: i32, tailOffset: i32): i32 {
  let end = termOffset + FRAME_ALIGNMENT;
  while (end < tailOffset && atomic.load<i32>(term + <usize>end) == 0) {
    end += FRAME_ALIGNMENT;
  }
  // A writer may have come to life behind the cursor: look again from the end.
  for (let i = end - FRAME_ALIGNMENT; i >= termOffset; i -= FRAME_ALIGNMENT) {
    if (atomic.load<i32>(term + <usize>i) != 0) {
      return 0;
    }
  }
  return end - termOffset;
}

/** Pads over a claim that a dead writer left at `position`; 1 when it did. */
export function logUnblock(meta: usize, position: f64): i32 {
  const termLength = termLengthOf(meta);
  const blocked = <i64>position;
  const termCount = termCountOf(blocked, termLength);
  const termOffset = termOffsetOf(blocked, termLength);
  const termId = initialTermIdOf(meta) + termCount;
  const activeCount = atomic.load<i32>(meta, LOG_ACTIVE_TERM_COUNT_OFFSET);
  if (termOffset == 0 && activeCount == termCount - 1) {
    return finishRotation(meta, termLength, activeCount);
  }
  const rawTail = atomic.load<i64>(tailAddress(meta, termCount));
  if (<i32>(rawTail >> 32) != termId || termOffset >= <i32>rawTail) {
    return 0;
  }
  const term = termAddress(meta, termLength, termCount);
  const frame = term + <usize>termOffset;
  const seen = atomic.load<i32>(frame);
  if (seen < 0 && -seen >= DATA_HEADER_LENGTH) {
    return padOver(meta, frame, seen, termId, termOffset, alignFrame(-seen));
  }
  if (seen == 0) {
    const length = zeroRun(term, termOffset, <i32>rawTail);
    return length > 0 ? padOver(meta, frame, 0, termId, termOffset, length) : 0;
  }
  return 0;
}

/** The writer died between filling the term and rotating. */
function finishRotation(meta: usize, termLength: i32, activeCount: i32): i32 {
  const rawTail = atomic.load<i64>(tailAddress(meta, activeCount));
  const termId = initialTermIdOf(meta) + activeCount;
  if (<i32>(rawTail >> 32) != termId || <i32>rawTail < termLength) {
    return 0;
  }
  rotate(meta, activeCount, termId);
  return 1;
}
