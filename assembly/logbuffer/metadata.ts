// metadata.ts: the metadata page of a log buffer, and the arithmetic of terms and positions.
//
// `meta` names a log buffer: its three terms lie right before it. A position's term count is its
// distance from the initial term; term ids wrap as i32, term counts never do.

import {
  DATA_FLAGS_UNFRAGMENTED,
  DATA_HEADER_LENGTH,
  DATA_SESSION_ID_OFFSET,
  DATA_STREAM_ID_OFFSET,
  FRAME_ALIGNMENT_MASK,
  FRAME_TYPE_DATA,
  LOG_ACTIVE_TERM_COUNT_OFFSET,
  LOG_DEFAULT_FRAME_HEADER_LENGTH_OFFSET,
  LOG_DEFAULT_FRAME_HEADER_OFFSET,
  LOG_END_OF_STREAM_POSITION_OFFSET,
  LOG_INITIAL_TERM_ID_OFFSET,
  LOG_MTU_LENGTH_OFFSET,
  LOG_PAGE_SIZE_OFFSET,
  LOG_TERM_LENGTH_OFFSET,
  MTU_LENGTH_MAX,
  MTU_LENGTH_MIN,
  PARTITION_COUNT,
  TERM_LENGTH_MAX,
  TERM_LENGTH_MIN,
} from '../layout/frame';
import {
  LOG_CHECKSUM_ENABLED_OFFSET,
  LOG_CLEAN_POSITION_OFFSET,
  LOG_CLEANING_POSITION_OFFSET,
  LOG_HIGH_WATER_MARK_OFFSET,
  LOG_LEADERSHIP_TERM_LOW_OFFSET,
  LOG_PAGE_SIZE,
  LOG_PUBLISHER_LIMIT_OFFSET,
  LOG_REBUILD_POSITION_OFFSET,
} from '../layout/log-buffer';

/** No position goes beyond this: positions cross to JavaScript as safe integers. */
// @ts-ignore: decorator
@inline
export const POSITION_MAX: i64 = 9007199254740960; // 2^53 - 32

// @ts-ignore: decorator
@inline
export function alignFrame(length: i32): i32 {
  return (length + FRAME_ALIGNMENT_MASK) & ~FRAME_ALIGNMENT_MASK;
}

// @ts-ignore: decorator
@inline
export function termLengthOf(meta: usize): i32 {
  return load<i32>(meta, LOG_TERM_LENGTH_OFFSET);
}

// @ts-ignore: decorator
@inline
export function initialTermIdOf(meta: usize): i32 {
  return load<i32>(meta, LOG_INITIAL_TERM_ID_OFFSET);
}

/** log2 of a term length. */
// @ts-ignore: decorator
@inline
export function shiftOf(termLength: i32): i64 {
  return <i64>ctz<i32>(termLength);
}

// @ts-ignore: decorator
@inline
export function termCountOf(position: i64, termLength: i32): i32 {
  return <i32>(position >> shiftOf(termLength));
}

// @ts-ignore: decorator
@inline
export function termOffsetOf(position: i64, termLength: i32): i32 {
  return <i32>position & (termLength - 1);
}

/** First byte of the partition that holds a term. */
// @ts-ignore: decorator
@inline
export function termAddress(meta: usize, termLength: i32, termCount: i32): usize {
  return meta - <usize>termLength * <usize>(PARTITION_COUNT - (termCount % PARTITION_COUNT));
}

/** Address of the tail counter of the partition that holds a term. */
// @ts-ignore: decorator
@inline
export function tailAddress(meta: usize, termCount: i32): usize {
  return meta + (<usize>(termCount % PARTITION_COUNT) << 3);
}

// @ts-ignore: decorator
@inline
export function packTail(termId: i32, termOffset: i32): i64 {
  return (<i64>termId << 32) | <i64>(<u32>termOffset);
}

/** The largest position this log may ever reach. */
// @ts-ignore: decorator
@inline
export function positionLimitOf(termLength: i32): i64 {
  return min<i64>(<i64>termLength << 31, POSITION_MAX);
}

/** Bytes from here on still hold frames of three terms ago. */
// @ts-ignore: decorator
@inline
export function cleanLimitOf(meta: usize, termLength: i32): i64 {
  return atomic.load<i64>(meta, LOG_CLEAN_POSITION_OFFSET) + <i64>termLength * PARTITION_COUNT;
}

/**
 * The end of what may be read below a limit: whole alignments, and nothing that was not cleaned.
 */
// @ts-ignore: decorator
@inline
export function readLimit(meta: usize, termLength: i32, limit: f64): i64 {
  const aligned = <i64>limit & ~(<i64>FRAME_ALIGNMENT_MASK);
  return min<i64>(aligned, cleanLimitOf(meta, termLength));
}

/** Whether a position still holds its own bytes: below, three terms later ones may stand. */
// @ts-ignore: decorator
@inline
export function isHeld(meta: usize, position: i64): bool {
  return position >= atomic.load<i64>(meta, LOG_CLEAN_POSITION_OFFSET);
}

/** Whether a length found in a term is a whole frame that stays in it. */
// @ts-ignore: decorator
@inline
export function isFrameWithin(frameLength: i32, termRemaining: i32): bool {
  return frameLength >= DATA_HEADER_LENGTH && frameLength <= termRemaining;
}

/** Writes the zeroed metadata page of a log buffer that starts at position 0 of initialTermId. */
export function logInitialize(
  meta: usize,
  termLength: i32,
  mtu: i32,
  initialTermId: i32,
  sessionId: i32,
  streamId: i32,
): void {
  if (termLength < TERM_LENGTH_MIN || termLength > TERM_LENGTH_MAX || !isPowerOfTwo(termLength)) {
    unreachable();
  }
  if (mtu < MTU_LENGTH_MIN || mtu > MTU_LENGTH_MAX || (mtu & FRAME_ALIGNMENT_MASK) != 0) {
    unreachable();
  }
  store<i32>(meta, initialTermId, LOG_INITIAL_TERM_ID_OFFSET);
  store<i32>(meta, DATA_HEADER_LENGTH, LOG_DEFAULT_FRAME_HEADER_LENGTH_OFFSET);
  store<i32>(meta, mtu, LOG_MTU_LENGTH_OFFSET);
  store<i32>(meta, termLength, LOG_TERM_LENGTH_OFFSET);
  store<i32>(meta, LOG_PAGE_SIZE, LOG_PAGE_SIZE_OFFSET);
  store<i64>(meta, i64.MAX_VALUE, LOG_END_OF_STREAM_POSITION_OFFSET);
  const header = meta + LOG_DEFAULT_FRAME_HEADER_OFFSET;
  store<u32>(header, (<u32>DATA_FLAGS_UNFRAGMENTED << 8) | (<u32>FRAME_TYPE_DATA << 16), 4);
  store<i32>(header, sessionId, DATA_SESSION_ID_OFFSET);
  store<i32>(header, streamId, DATA_STREAM_ID_OFFSET);
  startAt(meta, 0);
}

// @ts-ignore: decorator
@inline
function isPowerOfTwo(value: i32): bool {
  return popcnt<i32>(value) == 1;
}

function startAt(meta: usize, position: i64): void {
  const termLength = termLengthOf(meta);
  const termCount = termCountOf(position, termLength);
  const termId = initialTermIdOf(meta) + termCount;
  // The two other partitions look as if they held the terms before, which is what rotation expects.
  for (let i = 0; i < PARTITION_COUNT; i++) {
    const isActive = i == 0;
    const tail = isActive
      ? packTail(termId, termOffsetOf(position, termLength))
      : packTail(termId + i - PARTITION_COUNT, 0);
    atomic.store<i64>(tailAddress(meta, termCount % PARTITION_COUNT + i), tail);
  }
  atomic.store<i32>(meta, termCount, LOG_ACTIVE_TERM_COUNT_OFFSET);
  atomic.store<i64>(meta, position, LOG_PUBLISHER_LIMIT_OFFSET);
  atomic.store<i64>(meta, position, LOG_CLEANING_POSITION_OFFSET);
  atomic.store<i64>(meta, position, LOG_CLEAN_POSITION_OFFSET);
  atomic.store<i64>(meta, position, LOG_REBUILD_POSITION_OFFSET);
  atomic.store<i64>(meta, position, LOG_HIGH_WATER_MARK_OFFSET);
}

/**
 * Orders what this thread did before against what it does after, as other threads see it: an atomic
 * operation that reads and writes does, and the compiler's own fence does not validate. `address`
 * is aligned to 4; its word keeps its value.
 */
export function fence(address: usize): void {
  atomic.add<i32>(address, 0);
}

/** Starts a zeroed log buffer at a frame-aligned position. */
export function logStartAt(meta: usize, position: f64): void {
  const start = <i64>position;
  const isAligned = (start & FRAME_ALIGNMENT_MASK) == 0;
  const termCountMax = <i64>i32.MAX_VALUE;
  const termCount = start >> shiftOf(termLengthOf(meta));
  if (start < 0 || start > POSITION_MAX || !isAligned || termCount > termCountMax) {
    unreachable();
  }
  startAt(meta, start);
}

/** Chooses whether frames carry a checksum and a leadership term, and which. */
export function logSetChecksum(meta: usize, enabled: i32, leadershipTermLow: i32): void {
  store<i32>(meta, leadershipTermLow, LOG_LEADERSHIP_TERM_LOW_OFFSET);
  atomic.store<i32>(meta, <i32>(enabled != 0), LOG_CHECKSUM_ENABLED_OFFSET);
}

export function logSetPublisherLimit(meta: usize, position: f64): void {
  atomic.store<i64>(meta, <i64>position, LOG_PUBLISHER_LIMIT_OFFSET);
}

/** Tail position of a publication, as i64. */
export function tailPosition(meta: usize): i64 {
  const termCount = atomic.load<i32>(meta, LOG_ACTIVE_TERM_COUNT_OFFSET);
  const rawTail = atomic.load<i64>(tailAddress(meta, termCount));
  const count = <i32>(rawTail >> 32) - initialTermIdOf(meta);
  return (<i64>count << shiftOf(termLengthOf(meta))) + <i64>(<u32>rawTail);
}

export function logTail(meta: usize): f64 {
  return <f64>tailPosition(meta);
}

/** Address of the byte that a position names. */
// @ts-ignore: decorator
@inline
export function positionAddress(meta: usize, termLength: i32, position: i64): usize {
  const termCount = termCountOf(position, termLength);
  return termAddress(meta, termLength, termCount) + <usize>termOffsetOf(position, termLength);
}

export function addressOf(meta: usize, position: f64): usize {
  return positionAddress(meta, termLengthOf(meta), <i64>position);
}

/** Zeroes [from, to), whatever terms it lies in. */
export function zeroRange(meta: usize, termLength: i32, from: i64, to: i64): void {
  let position = from;
  while (position < to) {
    const inTerm = <i64>(termLength - termOffsetOf(position, termLength));
    const length = min<i64>(to - position, inTerm);
    memory.fill(positionAddress(meta, termLength, position), 0, <usize>length);
    position += length;
  }
}

/** How far a log may be given up: what was never written still serves the present round. */
function disposableEnd(meta: usize, position: f64): i64 {
  const rebuilt = atomic.load<i64>(meta, LOG_REBUILD_POSITION_OFFSET);
  const target = <i64>position & ~(<i64>FRAME_ALIGNMENT_MASK);
  if (target > max<i64>(tailPosition(meta), rebuilt)) {
    unreachable();
  }
  return target;
}

/** Whoever copies meanwhile sees where from bytes are whole before the first one is not. */
function announceCleaning(meta: usize, position: i64): void {
  atomic.store<i64>(meta, position, LOG_CLEANING_POSITION_OFFSET);
  fence(meta + LOG_CLEANING_POSITION_OFFSET);
}

/** Zeroes at most lengthMax bytes from the clean position towards `position`. */
export function logClean(meta: usize, position: f64, lengthMax: i32): f64 {
  const target = disposableEnd(meta, position);
  let clean = atomic.load<i64>(meta, LOG_CLEAN_POSITION_OFFSET);
  if (clean < target) {
    const end = min<i64>(target, clean + <i64>(lengthMax & ~FRAME_ALIGNMENT_MASK));
    announceCleaning(meta, end);
    zeroRange(meta, termLengthOf(meta), clean, end);
    clean = end;
  }
  atomic.store<i64>(meta, clean, LOG_CLEAN_POSITION_OFFSET);
  return <f64>clean;
}

/**
 * Gives up what lies below a position, and zeroes nothing.
 *
 * For a log with one writer and for an image: what lies beyond the tail or the high-water mark is
 * never looked at there, so it may be the bytes of three terms ago.
 */
export function logRetire(meta: usize, position: f64): f64 {
  const target = disposableEnd(meta, position);
  const clean = max<i64>(target, atomic.load<i64>(meta, LOG_CLEAN_POSITION_OFFSET));
  announceCleaning(meta, clean);
  atomic.store<i64>(meta, clean, LOG_CLEAN_POSITION_OFFSET);
  return <f64>clean;
}
