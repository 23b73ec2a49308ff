// gap.ts: the first hole in what was received.

import { FRAME_ALIGNMENT } from '../layout/frame';
import { GAP_LENGTH_OFFSET, GAP_TERM_ID_OFFSET, GAP_TERM_OFFSET_OFFSET } from '../layout/batch';
import { LOG_REBUILD_POSITION_OFFSET } from '../layout/log-buffer';
import {
  alignFrame,
  initialTermIdOf,
  isFrameWithin,
  positionAddress,
  shiftOf,
  termCountOf,
  termLengthOf,
  termOffsetOf,
} from './metadata';
import { knownEnd } from './rebuild';

/** The position of the first frame that is missing, at or after the rebuild position. */
function firstMissing(meta: usize, termLength: i32, end: i64): i64 {
  let position = load<i64>(meta, LOG_REBUILD_POSITION_OFFSET);
  while (position < end) {
    const frameLength = load<i32>(positionAddress(meta, termLength, position));
    if (!isFrameWithin(frameLength, termLength - termOffsetOf(position, termLength))) {
      break;
    }
    position += <i64>alignFrame(frameLength);
  }
  return position;
}

/**
 * First gap in [rebuild position, high-water mark): 1 and its place at `out`, else 0.
 *
 * It ends at the next frame that is there, at the high-water mark, or with its term.
 */
export function findGap(meta: usize, out: usize): i32 {
  const termLength = termLengthOf(meta);
  const known = knownEnd(meta, termLength);
  const begin = firstMissing(meta, termLength, known);
  if (begin >= known) {
    return 0;
  }
  const termCount = termCountOf(begin, termLength);
  const termOffset = termOffsetOf(begin, termLength);
  const termEnd = (<i64>termCount + 1) << shiftOf(termLength);
  const lengthMax = <i32>(min<i64>(known, termEnd) - begin);
  const address = positionAddress(meta, termLength, begin);
  let length = FRAME_ALIGNMENT;
  while (length < lengthMax && load<i32>(address + <usize>length) == 0) {
    length += FRAME_ALIGNMENT;
  }
  store<i32>(out, initialTermIdOf(meta) + termCount, GAP_TERM_ID_OFFSET);
  store<i32>(out, termOffset, GAP_TERM_OFFSET_OFFSET);
  store<i32>(out, length, GAP_LENGTH_OFFSET);
  return 1;
}
