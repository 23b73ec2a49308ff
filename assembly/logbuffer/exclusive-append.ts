// exclusive-append.ts: append by the only writer of a log.
//
// Room is reserved as a whole before anything is written: the message, and the padding before it
// when the rest of the term is too short, must end at or below the publisher limit. So a refusal
// leaves the log untouched, and rotation happens within the call.
//
// Nothing here waits for a fence but the rotation: see frame-writer.ts. Room is written over as it
// is: the bytes of three terms ago are never looked at, because no reader goes beyond the tail.

import {
  BACK_PRESSURED,
  DATA_FLAGS_UNFRAGMENTED,
  DATA_HEADER_LENGTH,
  FRAME_ALIGNMENT_MASK,
  FRAME_VERSION_OFFSET,
  LOG_ACTIVE_TERM_COUNT_OFFSET,
  LOG_MTU_LENGTH_OFFSET,
  MAX_POSITION_EXCEEDED,
} from '../layout/frame';
import { LOG_PUBLISHER_LIMIT_OFFSET } from '../layout/log-buffer';
import { framedLength, writeMessage } from './fragmentation';
import { clearEnd, dataWord, padWord, publish, writeHeader, writePadding } from './frame-writer';
import {
  alignFrame,
  cleanLimitOf,
  packTail,
  positionLimitOf,
  shiftOf,
  tailAddress,
  tailPosition,
  termAddress,
  termLengthOf,
} from './metadata';

/**
 * Whether an append may end at a position: 0, or a negative result code.
 *
 * Beyond the cleaned bytes lie frames of three terms ago. A limit that allows to write there is a
 * broken invariant of whoever set it.
 */
// @ts-ignore: decorator
@inline
export function checkEnd(meta: usize, termLength: i32, end: i64): i32 {
  if (end > atomic.load<i64>(meta, LOG_PUBLISHER_LIMIT_OFFSET)) {
    return end > positionLimitOf(termLength) ? MAX_POSITION_EXCEEDED : BACK_PRESSURED;
  }
  if (end > positionLimitOf(termLength)) {
    return MAX_POSITION_EXCEEDED;
  }
  if (end > cleanLimitOf(meta, termLength)) {
    unreachable();
  }
  return 0;
}

/** Reserves aligned bytes in one term. Address of the first, or a negative result code. */
export function reserve(meta: usize, required: i32): i32 {
  const termLength = termLengthOf(meta);
  const termCount = load<i32>(meta, LOG_ACTIVE_TERM_COUNT_OFFSET);
  const tailPointer = tailAddress(meta, termCount);
  const rawTail = load<i64>(tailPointer);
  const offset = <i32>rawTail;
  const remaining = termLength - offset;
  const begin = (<i64>termCount << shiftOf(termLength)) + <i64>offset;
  if (required <= remaining) {
    const refusal = checkEnd(meta, termLength, begin + <i64>required);
    if (refusal < 0) {
      return refusal;
    }
    store<i64>(tailPointer, rawTail + <i64>required);
    return <i32>(termAddress(meta, termLength, termCount) + <usize>offset);
  }
  return reserveInNextTerm(meta, termLength, termCount, rawTail, required);
}

/** Pads the rest of the term, rotates, and reserves at the start of the next term. */
function reserveInNextTerm(
  meta: usize,
  termLength: i32,
  termCount: i32,
  rawTail: i64,
  required: i32,
): i32 {
  if (required > termLength) {
    unreachable();
  }
  const nextBegin = (<i64>termCount + 1) << shiftOf(termLength);
  const refusal = checkEnd(meta, termLength, nextBegin + <i64>required);
  if (refusal < 0) {
    return refusal;
  }
  const offset = <i32>rawTail;
  const termId = <i32>(rawTail >> 32);
  if (offset < termLength) {
    atomic.store<i64>(tailAddress(meta, termCount), packTail(termId, termLength));
    const address = termAddress(meta, termLength, termCount) + <usize>offset;
    writePadding(meta, address, termId, offset, termLength - offset);
  }
  const nextCount = termCount + 1;
  atomic.store<i64>(tailAddress(meta, nextCount), packTail(termId + 1, required));
  atomic.store<i32>(meta, nextCount, LOG_ACTIVE_TERM_COUNT_OFFSET);
  return <i32>termAddress(meta, termLength, nextCount);
}

/** Term id of the active term: what was just reserved lies in it. */
// @ts-ignore: decorator
@inline
export function activeTermId(meta: usize): i32 {
  return <i32>(load<i64>(tailAddress(meta, load<i32>(meta, LOG_ACTIVE_TERM_COUNT_OFFSET))) >> 32);
}

/** Term offset of an address in the active term. */
// @ts-ignore: decorator
@inline
export function activeTermOffset(meta: usize, address: usize): i32 {
  const termCount = load<i32>(meta, LOG_ACTIVE_TERM_COUNT_OFFSET);
  return <i32>(address - termAddress(meta, termLengthOf(meta), termCount));
}

/** Address of the payload of a claimed frame, or a negative result code. */
export function appendClaim(meta: usize, length: i32): i32 {
  if (<u32>length > <u32>(load<i32>(meta, LOG_MTU_LENGTH_OFFSET) - DATA_HEADER_LENGTH)) {
    unreachable();
  }
  const frameLength = length + DATA_HEADER_LENGTH;
  const address = reserve(meta, alignFrame(frameLength));
  if (address < 0) {
    return address;
  }
  const frame = <usize>address;
  clearEnd(frame, alignFrame(frameLength));
  store<i32>(frame, -frameLength);
  writeHeader(
    meta,
    frame,
    dataWord(DATA_FLAGS_UNFRAGMENTED),
    activeTermId(meta),
    activeTermOffset(meta, frame),
  );
  return address + DATA_HEADER_LENGTH;
}

/** Publishes a claim. Returns the tail position. */
export function appendCommit(meta: usize, payloadAddress: usize): f64 {
  const frame = payloadAddress - DATA_HEADER_LENGTH;
  const claimed = load<i32>(frame);
  if (claimed >= 0) {
    unreachable();
  }
  publish(meta, frame, -claimed);
  return <f64>tailPosition(meta);
}

/** Turns a claim into padding. */
export function appendAbort(meta: usize, payloadAddress: usize): void {
  const frame = payloadAddress - DATA_HEADER_LENGTH;
  const claimed = load<i32>(frame);
  if (claimed >= 0) {
    unreachable();
  }
  store<u32>(frame, padWord(), FRAME_VERSION_OFFSET);
  publish(meta, frame, alignFrame(-claimed));
}

/** Copies a message. Tail position, or a result code. */
export function append(meta: usize, source: usize, length: i32): f64 {
  return append2(meta, 0, 0, source, length);
}

/** As `append` for a message in two parts, contiguous in the log. */
export function append2(
  meta: usize,
  head: usize,
  headLength: i32,
  body: usize,
  bodyLength: i32,
): f64 {
  if ((headLength | bodyLength) < 0) {
    unreachable();
  }
  const address = reserve(meta, framedLength(meta, headLength + bodyLength));
  if (address < 0) {
    return <f64>address;
  }
  const frame = <usize>address;
  const termId = activeTermId(meta);
  const termOffset = activeTermOffset(meta, frame);
  writeMessage(false, meta, frame, termId, termOffset, head, headLength, body, bodyLength);
  return <f64>tailPosition(meta);
}

/** Appends a padding frame of length bytes. Tail position, or a result code. */
export function appendPadding(meta: usize, length: i32): f64 {
  if (length < DATA_HEADER_LENGTH || (length & FRAME_ALIGNMENT_MASK) != 0) {
    unreachable();
  }
  const address = reserve(meta, length);
  if (address < 0) {
    return <f64>address;
  }
  const frame = <usize>address;
  writePadding(meta, frame, activeTermId(meta), activeTermOffset(meta, frame), length);
  return <f64>tailPosition(meta);
}
