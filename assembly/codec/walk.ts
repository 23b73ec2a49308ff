// walk.ts: steps from frame to frame through bytes that were written once, and says why it stopped.
//
// The record of a walk is what continues from one block to the next: the position, what the frames
// are checked against, and the leadership term of the last one. Nothing in the bytes is trusted.
//
//   0  position of the next frame (f64, in and out)
//   8  term length (i32, in; only read where the place is checked)
//  12  initial term id (i32, in)
//  16  checks (i32, in): a sum of CHECK_ values
//  20  low half of the leadership term (i32, in and out)
//  24  why the walk stopped (i32, out): a STOP_ value

import { frameChecksum } from '../checksum/frame-checksum';
import {
  DATA_CHECKSUM_OFFSET,
  DATA_HEADER_LENGTH,
  DATA_LEADERSHIP_TERM_OFFSET,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  FRAME_TYPE_DATA,
  FRAME_TYPE_OFFSET,
  FRAME_TYPE_PAD,
  FRAME_VERSION,
  FRAME_VERSION_OFFSET,
  TERM_LENGTH_MAX,
} from '../layout/frame';
import { alignFrame, termCountOf, termOffsetOf } from '../logbuffer/metadata';

export const WALK_POSITION_OFFSET: i32 = 0;
export const WALK_TERM_LENGTH_OFFSET: i32 = 8;
export const WALK_INITIAL_TERM_ID_OFFSET: i32 = 12;
export const WALK_CHECKS_OFFSET: i32 = 16;
export const WALK_LEADERSHIP_TERM_OFFSET: i32 = 20;
export const WALK_STOP_OFFSET: i32 = 24;
export const WALK_RECORD_LENGTH: i32 = 32;

/** An entry of the index: address of a frame and its unaligned length, both i32. */
export const INDEX_ENTRY_LENGTH: i32 = 8;

/** Term id and term offset are those of the position, and the frame stays in its term. */
export const CHECK_PLACE: i32 = 1;
/** The crc of the frame is that of its bytes. */
export const CHECK_CHECKSUM: i32 = 2;
/** Each frame names the leadership term of the record. */
export const CHECK_LEADERSHIP_TERM: i32 = 4;
/** No frame names an older leadership term than the frame before it. */
export const CHECK_LEADERSHIP_ASCENT: i32 = 8;

/** All bytes were examined. */
export const STOP_END: i32 = 0;
/** A frame length of zero: nothing was written from here on. */
export const STOP_EMPTY: i32 = 1;
/** The bytes end before the frame does. */
export const STOP_CUT_SHORT: i32 = 2;
/** The index is full; the walk can go on. */
export const STOP_FRAME_LIMIT: i32 = 3;
/** The frame length is negative, shorter than a header, or longer than any term. */
export const STOP_FRAME_LENGTH: i32 = 4;
export const STOP_VERSION: i32 = 5;
/** Neither data nor padding. */
export const STOP_TYPE: i32 = 6;
/** The frame would end beyond its term. */
export const STOP_TERM_OVERRUN: i32 = 7;
export const STOP_TERM_OFFSET: i32 = 8;
export const STOP_TERM_ID: i32 = 9;
export const STOP_LEADERSHIP_TERM: i32 = 10;
export const STOP_CHECKSUM: i32 = 11;
/** The frame length is zero, but the rest of the header is not: it was not always so. */
export const STOP_NO_LENGTH: i32 = 12;

function stopOfPlace(record: usize, frame: usize, position: i64): i32 {
  const termLength = load<i32>(record, WALK_TERM_LENGTH_OFFSET);
  const termOffset = termOffsetOf(position, termLength);
  if (load<i32>(frame, DATA_TERM_OFFSET_OFFSET) != termOffset) {
    return STOP_TERM_OFFSET;
  }
  const initialTermId = load<i32>(record, WALK_INITIAL_TERM_ID_OFFSET);
  const termId = initialTermId + termCountOf(position, termLength);
  if (load<i32>(frame, DATA_TERM_ID_OFFSET) != termId) {
    return STOP_TERM_ID;
  }
  return load<i32>(frame) > termLength - termOffset ? STOP_TERM_OVERRUN : STOP_END;
}

function isHeaderZero(frame: usize): bool {
  const rest = load<u64>(frame, 8) | load<u64>(frame, 16) | load<u64>(frame, 24);
  return (load<u64>(frame) | rest) == 0;
}

function stopOfHeader(frame: usize, remaining: i32): i32 {
  if (remaining >= 4 && load<i32>(frame) == 0) {
    return remaining >= DATA_HEADER_LENGTH && !isHeaderZero(frame) ? STOP_NO_LENGTH : STOP_EMPTY;
  }
  if (remaining < DATA_HEADER_LENGTH) {
    return STOP_CUT_SHORT;
  }
  const frameLength = load<i32>(frame);
  if (frameLength < DATA_HEADER_LENGTH || frameLength > TERM_LENGTH_MAX) {
    return STOP_FRAME_LENGTH;
  }
  if (load<u8>(frame, FRAME_VERSION_OFFSET) != <u8>FRAME_VERSION) {
    return STOP_VERSION;
  }
  const type = <i32>load<u16>(frame, FRAME_TYPE_OFFSET);
  return type == FRAME_TYPE_DATA || type == FRAME_TYPE_PAD ? STOP_END : STOP_TYPE;
}

function stopOfLeadershipTerm(record: usize, frame: usize, checks: i32): i32 {
  const expected = load<i32>(record, WALK_LEADERSHIP_TERM_OFFSET);
  const found = load<i32>(frame, DATA_LEADERSHIP_TERM_OFFSET);
  if ((checks & CHECK_LEADERSHIP_TERM) != 0 && found != expected) {
    return STOP_LEADERSHIP_TERM;
  }
  // Only the low half is known: the difference decides, so that it may wrap.
  if ((checks & CHECK_LEADERSHIP_ASCENT) != 0 && found - expected < 0) {
    return STOP_LEADERSHIP_TERM;
  }
  return STOP_END;
}

/** Why the frame at `position` cannot be taken, or STOP_END when it can. */
function examine(record: usize, frame: usize, remaining: i32, position: i64): i32 {
  const checks = load<i32>(record, WALK_CHECKS_OFFSET);
  let stop = stopOfHeader(frame, remaining);
  if (stop == STOP_END && (checks & CHECK_PLACE) != 0) {
    stop = stopOfPlace(record, frame, position);
  }
  if (stop != STOP_END) {
    return stop;
  }
  // Of a padding frame only the header has to be there: the gap may reach beyond what was read.
  const frameLength = load<i32>(frame);
  const isPadding = <i32>load<u16>(frame, FRAME_TYPE_OFFSET) == FRAME_TYPE_PAD;
  if (!isPadding && alignFrame(frameLength) > remaining) {
    return STOP_CUT_SHORT;
  }
  if ((checks & CHECK_CHECKSUM) != 0) {
    if (load<u32>(frame, DATA_CHECKSUM_OFFSET) != frameChecksum(frame, frameLength)) {
      return STOP_CHECKSUM;
    }
  }
  return stopOfLeadershipTerm(record, frame, checks);
}

/**
 * Walks the bytes that lie at the record's position, and indexes the frames that it takes.
 *
 * Padding is indexed like data and counts whole, so the position may go beyond the bytes when a
 * padding frame ends them.
 *
 * @returns the number of frames taken. The record says where and why the walk stopped.
 */
export function walk(
  record: usize,
  address: usize,
  length: i32,
  index: usize,
  frameMax: i32,
): i32 {
  const begin = <i64>load<f64>(record, WALK_POSITION_OFFSET);
  let offset: i64 = 0;
  let count = 0;
  let stop = STOP_END;
  while (offset < <i64>length) {
    const frame = address + <usize>offset;
    stop = count < frameMax
      ? examine(record, frame, length - <i32>offset, begin + offset)
      : STOP_FRAME_LIMIT;
    if (stop != STOP_END) {
      break;
    }
    const frameLength = load<i32>(frame);
    const entry = index + <usize>(count * INDEX_ENTRY_LENGTH);
    store<i32>(entry, <i32>frame);
    store<i32>(entry, frameLength, 4);
    store<i32>(record, load<i32>(frame, DATA_LEADERSHIP_TERM_OFFSET), WALK_LEADERSHIP_TERM_OFFSET);
    count++;
    offset += <i64>alignFrame(frameLength);
  }
  store<f64>(record, <f64>(begin + offset), WALK_POSITION_OFFSET);
  store<i32>(record, stop, WALK_STOP_OFFSET);
  return count;
}
