// scan.ts: indexes published frames, so that one call hands many messages to JavaScript.
//
// The answer is an area of (frame address, frame length) pairs. Padding is stepped over. A scan
// never goes beyond the bytes that were cleaned, whatever limit it is given: frames found there are
// old.
//
// A walk from frame to frame waits for the memory at every step, if the next address is computed
// from the length just loaded. Frames are mostly as long as the one before: walks compare with that
// length, and step by what it came to, so that the processor can load many headers ahead.
// They begin with the length of a bare header: a length that is none never equals the one before.

import {
  DATA_HEADER_LENGTH,
  FRAME_TYPE_DATA,
  FRAME_TYPE_OFFSET,
  FRAME_TYPE_PAD,
  FRAME_VERSION,
  FRAME_VERSION_OFFSET,
  TERM_LENGTH_MAX,
} from '../layout/frame';
import {
  SCAN_END_OFFSET,
  SCAN_ENTRY_LENGTH,
  SCAN_HEADER_LENGTH,
  SCAN_STOP_FRAME_LIMIT,
  SCAN_STOP_LIMIT,
  SCAN_STOP_MALFORMED,
  SCAN_STOP_OFFSET,
  SCAN_STOP_UNAVAILABLE,
} from '../layout/batch';
import {
  alignFrame,
  isHeld,
  positionAddress,
  readLimit,
  termLengthOf,
  termOffsetOf,
} from './metadata';

// @ts-ignore: decorator
@inline
export function isPadding(frame: usize): bool {
  return load<u16>(frame, FRAME_TYPE_OFFSET) == <u16>FRAME_TYPE_PAD;
}

/** Indexes published DATA frames in [from, limit), at most frameLimit. Returns their number. */
export function scan(meta: usize, from: f64, limit: f64, frameLimit: i32, out: usize): i32 {
  const termLength = termLengthOf(meta);
  const end = readLimit(meta, termLength, limit);
  let position = <i64>from;
  let count = 0;
  let entry = out + SCAN_HEADER_LENGTH;
  let stop = isHeld(meta, position) ? SCAN_STOP_LIMIT : SCAN_STOP_UNAVAILABLE;
  while (position < end && stop == SCAN_STOP_LIMIT) {
    // Within a term addresses are plain: run to its end, or to the limit.
    const termOffset = termOffsetOf(position, termLength);
    const available = <i32>min<i64>(end - position, <i64>(termLength - termOffset));
    const begin = positionAddress(meta, termLength, position);
    let offset = 0;
    let lastLength = DATA_HEADER_LENGTH;
    let aligned = DATA_HEADER_LENGTH;
    while (offset < available) {
      const frame = begin + <usize>offset;
      const frameLength = atomic.load<i32>(frame);
      if (frameLength != lastLength) {
        if (frameLength < DATA_HEADER_LENGTH) {
          stop = SCAN_STOP_UNAVAILABLE;
          break;
        }
        lastLength = frameLength;
        aligned = alignFrame(frameLength);
      }
      if (lastLength > available - offset) {
        stop = SCAN_STOP_UNAVAILABLE;
        break;
      }
      if (!isPadding(frame)) {
        if (count >= frameLimit) {
          stop = SCAN_STOP_FRAME_LIMIT;
          break;
        }
        store<i32>(entry, <i32>frame);
        store<i32>(entry, frameLength, 4);
        entry += SCAN_ENTRY_LENGTH;
        count++;
      }
      offset += aligned;
    }
    position += <i64>offset;
  }
  store<f64>(out, <f64>position, SCAN_END_OFFSET);
  store<i32>(out, stop, SCAN_STOP_OFFSET);
  return count;
}

/** Whether bytes that came from a disk begin with a frame that is whole in `remaining` bytes. */
export function isWholeFrame(frame: usize, remaining: i32): bool {
  if (remaining < DATA_HEADER_LENGTH) {
    return false;
  }
  const frameLength = load<i32>(frame);
  if (frameLength < DATA_HEADER_LENGTH || frameLength > TERM_LENGTH_MAX) {
    return false;
  }
  if (load<u8>(frame, FRAME_VERSION_OFFSET) != <u8>FRAME_VERSION) {
    return false;
  }
  // Of a padding frame only the header has to be there: the gap may reach beyond what was read.
  const type = <i32>load<u16>(frame, FRAME_TYPE_OFFSET);
  return (
    type == FRAME_TYPE_PAD || (type == FRAME_TYPE_DATA && alignFrame(frameLength) <= remaining)
  );
}

/**
 * Indexes the DATA frames of bytes that lie contiguously, as in a segment file: padding is whole.
 *
 * The end offset may lie beyond `length` when a padding frame ends the bytes.
 */
export function scanBytes(address: usize, length: i32, frameLimit: i32, out: usize): i32 {
  let offset: i64 = 0;
  let count = 0;
  let entry = out + SCAN_HEADER_LENGTH;
  let stop = SCAN_STOP_LIMIT;
  while (offset < <i64>length) {
    const frame = address + <usize>offset;
    const remaining = length - <i32>offset;
    if (remaining >= 4 && load<i32>(frame) == 0) {
      stop = SCAN_STOP_UNAVAILABLE;
      break;
    }
    if (!isWholeFrame(frame, remaining)) {
      stop = SCAN_STOP_MALFORMED;
      break;
    }
    const frameLength = load<i32>(frame);
    if (!isPadding(frame)) {
      if (count >= frameLimit) {
        stop = SCAN_STOP_FRAME_LIMIT;
        break;
      }
      store<i32>(entry, <i32>frame);
      store<i32>(entry, frameLength, 4);
      entry += SCAN_ENTRY_LENGTH;
      count++;
    }
    offset += <i64>alignFrame(frameLength);
  }
  store<f64>(out, <f64>offset, SCAN_END_OFFSET);
  store<i32>(out, stop, SCAN_STOP_OFFSET);
  return count;
}
