// term-length.ts: learns the length of a term from the frames of a segment.
//
// A segment does not say it, but its frames do: position = term count * term length + term offset.
// In the first term the count is zero and any length fits, until the second term begins: at a
// position that is the length itself.

import {
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  TERM_LENGTH_MAX,
  TERM_LENGTH_MIN,
} from '../layout/frame';

function lengthOrZero(value: i64): i32 {
  const isPossible = value >= TERM_LENGTH_MIN && value <= TERM_LENGTH_MAX;
  return isPossible && popcnt<i64>(value) == 1 ? <i32>value : 0;
}

/** The term length by which a frame stands at its position, or 0 when no or any length does. */
export function learnTermLength(frame: usize, position: i64, initialTermId: i32): i32 {
  const termCount = <i64>(load<i32>(frame, DATA_TERM_ID_OFFSET) - initialTermId);
  const begin = position - <i64>load<i32>(frame, DATA_TERM_OFFSET_OFFSET);
  if (termCount <= 0 || begin <= 0 || begin % termCount != 0) {
    return 0;
  }
  return lengthOrZero(begin / termCount);
}
