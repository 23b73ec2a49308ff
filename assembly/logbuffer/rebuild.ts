// rebuild.ts: puts a stream together again from datagrams that come in any order, or twice.
//
// A datagram is judged as a whole before its first byte is inserted: one bad frame would otherwise
// sit in the place of its own retransmission. Frames below the rebuild position are never written
// again, so a consumer that stays below it reads bytes that cannot change any more.
//
// Beyond the high-water mark nobody looks: there may lie the bytes of three terms ago. Whatever
// raises it beyond a gap zeroes the gap, and a datagram that comes in order, as nearly all do, is
// copied whole, and is contiguous at once.

import { frameChecksum } from '../checksum/frame-checksum';
import {
  DATA_CHECKSUM_OFFSET,
  DATA_HEADER_LENGTH,
  DATA_RESERVED_VALUE_OFFSET,
  DATA_SESSION_ID_OFFSET,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  FRAME_ALIGNMENT_MASK,
  FRAME_TYPE_DATA,
  FRAME_TYPE_OFFSET,
  FRAME_TYPE_PAD,
  FRAME_VERSION,
  FRAME_VERSION_OFFSET,
  LOG_DEFAULT_FRAME_HEADER_OFFSET,
} from '../layout/frame';
import {
  INSERT_CHECKSUM_MISMATCH,
  INSERT_MALFORMED,
  INSERT_OVERRUN,
  INSERT_UNDERRUN,
} from '../layout/batch';
import {
  LOG_CHECKSUM_ENABLED_OFFSET,
  LOG_HIGH_WATER_MARK_OFFSET,
  LOG_REBUILD_POSITION_OFFSET,
} from '../layout/log-buffer';
import { proposeMax } from '../position/counter';
import {
  alignFrame,
  cleanLimitOf,
  initialTermIdOf,
  isFrameWithin,
  positionAddress,
  shiftOf,
  termCountOf,
  termLengthOf,
  termOffsetOf,
  zeroRange,
} from './metadata';
import { isPadding } from './scan';

/** Bytes that a frame takes in a datagram: of padding only the header travels. */
// @ts-ignore: decorator
@inline
function wireLengthOf(frame: usize, aligned: i32): i32 {
  return isPadding(frame) ? DATA_HEADER_LENGTH : aligned;
}

/** Whether a frame's header names this stream and this place. */
// @ts-ignore: decorator
@inline
function isInPlace(meta: usize, frame: usize, termId: i32, termOffset: i32): bool {
  const ids = load<i64>(meta, LOG_DEFAULT_FRAME_HEADER_OFFSET + DATA_SESSION_ID_OFFSET);
  const type = <i32>load<u16>(frame, FRAME_TYPE_OFFSET);
  return (
    load<u8>(frame, FRAME_VERSION_OFFSET) == <u8>FRAME_VERSION &&
    (type == FRAME_TYPE_DATA || type == FRAME_TYPE_PAD) &&
    load<i32>(frame, DATA_TERM_OFFSET_OFFSET) == termOffset &&
    load<i64>(frame, DATA_SESSION_ID_OFFSET) == ids &&
    load<i32>(frame, DATA_TERM_ID_OFFSET) == termId
  );
}

/** Set beside the covered length of a datagram in which some frame carries a reserved value. */
// @ts-ignore: decorator
@inline
const HAS_RESERVED_VALUE: i64 = 1 << 32;

/** Zeroes what aligns a frame: it is recorded with the frame, and no checksum covers it. */
// @ts-ignore: decorator
@inline
function clearAlignment(frame: usize, frameLength: i32): void {
  let end = alignFrame(frameLength);
  while (end - 8 >= frameLength) {
    end -= 8;
    store<i64>(frame + <usize>end, 0);
  }
  while (end > frameLength) {
    end--;
    store<u8>(frame + <usize>end, 0);
  }
}

/**
 * Bytes of the term that a datagram covers, or INSERT_MALFORMED; with HAS_RESERVED_VALUE.
 *
 * The last frame may lack the bytes that align it; a padding frame must be the last. The bytes that
 * align frames are zeroed, those behind the last frame included.
 */
function coveredLength(meta: usize, datagram: usize, length: i32, termLength: i32): i64 {
  if (length < DATA_HEADER_LENGTH) {
    return INSERT_MALFORMED;
  }
  const termId = load<i32>(datagram, DATA_TERM_ID_OFFSET);
  const firstOffset = load<i32>(datagram, DATA_TERM_OFFSET_OFFSET);
  const isOffsetInTerm = <u32>firstOffset < <u32>termLength;
  if (!isOffsetInTerm || (firstOffset & FRAME_ALIGNMENT_MASK) != 0) {
    return INSERT_MALFORMED;
  }
  let termOffset = firstOffset;
  let offset = 0;
  let reserved: i64 = 0;
  let lastLength = DATA_HEADER_LENGTH;
  let aligned = DATA_HEADER_LENGTH;
  while (offset < length) {
    const remaining = length - offset;
    const frame = datagram + <usize>offset;
    if (remaining < DATA_HEADER_LENGTH) {
      return INSERT_MALFORMED;
    }
    const frameLength = load<i32>(frame);
    // As in a scan: mostly the address of the next frame does not wait for this length.
    if (frameLength != lastLength) {
      if (frameLength < DATA_HEADER_LENGTH) {
        return INSERT_MALFORMED;
      }
      lastLength = frameLength;
      aligned = alignFrame(frameLength);
    }
    if (lastLength > termLength - termOffset) {
      return INSERT_MALFORMED;
    }
    if (!isInPlace(meta, frame, termId, termOffset)) {
      return INSERT_MALFORMED;
    }
    const isLast = isPadding(frame);
    if (isLast ? remaining != DATA_HEADER_LENGTH : frameLength > remaining) {
      return INSERT_MALFORMED;
    }
    reserved |= load<i64>(frame, DATA_RESERVED_VALUE_OFFSET);
    termOffset += aligned;
    if (isLast) {
      break;
    }
    clearAlignment(frame, frameLength);
    offset += aligned;
  }
  return <i64>(termOffset - firstOffset) | (reserved == 0 ? 0 : HAS_RESERVED_VALUE);
}

/** Whether every frame carries the checksum it must carry. */
function isChecksumValid(datagram: usize, length: i32, isDemanded: bool): bool {
  let offset = 0;
  while (offset < length) {
    const frame = datagram + <usize>offset;
    const frameLength = load<i32>(frame);
    if (isDemanded || load<i64>(frame, DATA_RESERVED_VALUE_OFFSET) != 0) {
      if (load<u32>(frame, DATA_CHECKSUM_OFFSET) != frameChecksum(frame, frameLength)) {
        return false;
      }
    }
    offset += wireLengthOf(frame, alignFrame(frameLength));
  }
  return true;
}

/** Inserts what is not there yet; returns how many position bytes were new. */
function insertFrames(
  meta: usize,
  datagram: usize,
  length: i32,
  begin: i64,
  highWaterMark: i64,
): i32 {
  const rebuilt = load<i64>(meta, LOG_REBUILD_POSITION_OFFSET);
  const target = positionAddress(meta, termLengthOf(meta), begin);
  let offset = 0;
  let covered = 0;
  let inserted = 0;
  while (offset < length) {
    const frame = datagram + <usize>offset;
    const frameLength = load<i32>(frame);
    const aligned = alignFrame(frameLength);
    const place = target + <usize>covered;
    const position = begin + <i64>covered;
    const wireLength = wireLengthOf(frame, aligned);
    if (position >= highWaterMark || (position >= rebuilt && load<i32>(place) == 0)) {
      memory.copy(place, frame, <usize>wireLength);
      inserted += aligned;
    }
    covered += aligned;
    offset += wireLength;
  }
  return inserted;
}

/** Copies a datagram that lies wholly beyond the high-water mark into its place. */
function insertWhole(
  meta: usize,
  datagram: usize,
  length: i32,
  begin: i64,
  highWaterMark: i64,
): void {
  const termLength = termLengthOf(meta);
  zeroRange(meta, termLength, highWaterMark, begin);
  memory.copy(
    positionAddress(meta, termLength, begin),
    datagram,
    <usize>alignFrame(length),
  );
}

/**
 * Inserts the frames of one datagram and raises the high-water mark.
 *
 * `datagram` has room for `length` aligned. Returns the number of position bytes that were new
 * (padding whole; 0 for a duplicate that is not consumed yet), or why nothing was inserted.
 */
export function rebuildInsert(meta: usize, datagram: usize, length: i32): i32 {
  const termLength = termLengthOf(meta);
  const judged = coveredLength(meta, datagram, length, termLength);
  if (judged < 0) {
    return <i32>judged;
  }
  const covered = <i32>judged;
  const termCount = load<i32>(datagram, DATA_TERM_ID_OFFSET) - initialTermIdOf(meta);
  if (termCount < 0) {
    return INSERT_MALFORMED;
  }
  const termOffset = load<i32>(datagram, DATA_TERM_OFFSET_OFFSET);
  const begin = (<i64>termCount << shiftOf(termLength)) + <i64>termOffset;
  const end = begin + <i64>covered;
  const rebuilt = load<i64>(meta, LOG_REBUILD_POSITION_OFFSET);
  if (end <= rebuilt) {
    return INSERT_UNDERRUN;
  }
  if (begin + <i64>alignFrame(length) > cleanLimitOf(meta, termLength)) {
    return INSERT_OVERRUN;
  }
  const isDemanded = load<i32>(meta, LOG_CHECKSUM_ENABLED_OFFSET) != 0;
  const mayCarry = isDemanded || (judged & HAS_RESERVED_VALUE) != 0;
  if (mayCarry && !isChecksumValid(datagram, length, isDemanded)) {
    return INSERT_CHECKSUM_MISMATCH;
  }
  const highWaterMark = load<i64>(meta, LOG_HIGH_WATER_MARK_OFFSET);
  if (begin < highWaterMark) {
    const inserted = insertFrames(meta, datagram, length, begin, highWaterMark);
    proposeMax(meta + LOG_HIGH_WATER_MARK_OFFSET, end);
    return inserted;
  }
  insertWhole(meta, datagram, length, begin, highWaterMark);
  atomic.store<i64>(meta, end, LOG_HIGH_WATER_MARK_OFFSET);
  if (begin == rebuilt) {
    // In order, with nothing beyond: it is contiguous at once.
    atomic.store<i64>(meta, end, LOG_REBUILD_POSITION_OFFSET);
  }
  return covered;
}

/** Raises the high-water mark, at most to what the window lets the source send. */
export function rebuildHighWaterMark(meta: usize, position: f64): void {
  const termLength = termLengthOf(meta);
  const target = min<i64>(<i64>position, cleanLimitOf(meta, termLength));
  zeroRange(meta, termLength, load<i64>(meta, LOG_HIGH_WATER_MARK_OFFSET), target);
  proposeMax(meta + LOG_HIGH_WATER_MARK_OFFSET, target);
}

/** Where a walk over rebuilt frames must stop: bytes beyond are unknown, or three terms old. */
// @ts-ignore: decorator
@inline
export function knownEnd(meta: usize, termLength: i32): i64 {
  const highWaterMark = atomic.load<i64>(meta, LOG_HIGH_WATER_MARK_OFFSET);
  return min<i64>(highWaterMark, cleanLimitOf(meta, termLength));
}

/**
 * Moves the rebuild position over every contiguous frame; returns it.
 *
 * A source that sends overlapping frames can make payload bytes stand where a header is expected.
 * Such a header is taken out again, so that the place reads as a gap.
 */
export function rebuildAdvance(meta: usize): f64 {
  const termLength = termLengthOf(meta);
  const initialTermId = initialTermIdOf(meta);
  const end = knownEnd(meta, termLength);
  let position = load<i64>(meta, LOG_REBUILD_POSITION_OFFSET);
  while (position < end) {
    const frame = positionAddress(meta, termLength, position);
    const frameLength = load<i32>(frame);
    if (frameLength == 0) {
      break;
    }
    const termOffset = termOffsetOf(position, termLength);
    const termId = initialTermId + termCountOf(position, termLength);
    if (
      !isFrameWithin(frameLength, termLength - termOffset) ||
      !isInPlace(meta, frame, termId, termOffset)
    ) {
      atomic.store<i32>(frame, 0);
      break;
    }
    position += <i64>alignFrame(frameLength);
  }
  atomic.store<i64>(meta, position, LOG_REBUILD_POSITION_OFFSET);
  return <f64>position;
}

export function rebuildPosition(meta: usize): f64 {
  return <f64>atomic.load<i64>(meta, LOG_REBUILD_POSITION_OFFSET);
}

export function highWaterMark(meta: usize): f64 {
  return <f64>atomic.load<i64>(meta, LOG_HIGH_WATER_MARK_OFFSET);
}
