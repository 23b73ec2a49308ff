// concurrent-append.ts: append by any number of threads.
//
// The tail moves by compare and swap, not by fetch and add: a claim that would cross the publisher
// limit is refused before it is made, so no writer ever goes beyond what was cleaned. Whoever finds
// the term full pads it and rotates, and everybody meanwhile answers ADMIN_ACTION. Every step of
// the rotation is idempotent, so that the next writer finishes what a dead one began.

import {
  ADMIN_ACTION,
  DATA_FLAGS_UNFRAGMENTED,
  DATA_HEADER_LENGTH,
  FRAME_VERSION_OFFSET,
  LOG_ACTIVE_TERM_COUNT_OFFSET,
  LOG_MTU_LENGTH_OFFSET,
  PARTITION_COUNT,
} from '../layout/frame';
import { checkEnd } from './exclusive-append';
import { framedLength, writeMessage } from './fragmentation';
import { dataWord, padWord, seal, writeHeader, writePadding } from './frame-writer';
import {
  alignFrame,
  initialTermIdOf,
  packTail,
  shiftOf,
  tailAddress,
  termAddress,
  termLengthOf,
} from './metadata';

/** Makes the next term active, whoever else tries the same. */
export function rotate(meta: usize, termCount: i32, termId: i32): void {
  const nextCount = termCount + 1;
  const nextTermId = termId + 1;
  const pointer = tailAddress(meta, nextCount);
  let rawTail = atomic.load<i64>(pointer);
  while (<i32>(rawTail >> 32) == nextTermId - PARTITION_COUNT) {
    const found = atomic.cmpxchg<i64>(pointer, rawTail, packTail(nextTermId, 0));
    if (found == rawTail) {
      break;
    }
    rawTail = found;
  }
  atomic.cmpxchg<i32>(meta, termCount, nextCount, LOG_ACTIVE_TERM_COUNT_OFFSET);
}

/** Reserves aligned bytes in one term. Address of the first, or a negative result code. */
function reserveShared(meta: usize, required: i32): i32 {
  const termLength = termLengthOf(meta);
  if (required > termLength) {
    unreachable();
  }
  const termCount = atomic.load<i32>(meta, LOG_ACTIVE_TERM_COUNT_OFFSET);
  const pointer = tailAddress(meta, termCount);
  const termId = initialTermIdOf(meta) + termCount;
  const termBegin = <i64>termCount << shiftOf(termLength);
  while (true) {
    const rawTail = atomic.load<i64>(pointer);
    if (<i32>(rawTail >> 32) != termId) {
      return ADMIN_ACTION;
    }
    const offset = <i32>rawTail;
    const fits = required <= termLength - offset;
    const end = termBegin + <i64>(fits ? offset : termLength) + <i64>required;
    const refusal = checkEnd(meta, termLength, end);
    if (refusal < 0) {
      return refusal;
    }
    const nextOffset = fits ? offset + required : termLength;
    const nextTail = packTail(termId, nextOffset);
    if (atomic.cmpxchg<i64>(pointer, rawTail, nextTail) != rawTail) {
      continue;
    }
    const address = termAddress(meta, termLength, termCount) + <usize>offset;
    if (fits) {
      return <i32>address;
    }
    if (offset < termLength) {
      writePadding(meta, address, termId, offset, termLength - offset);
    }
    rotate(meta, termCount, termId);
    return ADMIN_ACTION;
  }
}

/** Term offset of an address that lies in some term of the log. */
// @ts-ignore: decorator
@inline
function termOffsetAt(meta: usize, address: usize): i32 {
  const termLength = termLengthOf(meta);
  const base = meta - <usize>termLength * PARTITION_COUNT;
  return <i32>(address - base) & (termLength - 1);
}

/** Term id of the term in which a live claim lies: no writer can rotate past a claim so far. */
// @ts-ignore: decorator
@inline
function termIdAt(meta: usize, address: usize): i32 {
  const termLength = termLengthOf(meta);
  const base = meta - <usize>termLength * PARTITION_COUNT;
  const partition = <i32>((address - base) >>> <usize>ctz<i32>(termLength));
  return <i32>(atomic.load<i64>(tailAddress(meta, partition)) >> 32);
}

/** Address of the payload of a claimed frame, or a negative result code. */
export function concurrentClaim(meta: usize, length: i32): i32 {
  if (<u32>length > <u32>(load<i32>(meta, LOG_MTU_LENGTH_OFFSET) - DATA_HEADER_LENGTH)) {
    unreachable();
  }
  const frameLength = length + DATA_HEADER_LENGTH;
  const address = reserveShared(meta, alignFrame(frameLength));
  if (address < 0) {
    return address;
  }
  const frame = <usize>address;
  if (atomic.cmpxchg<i32>(frame, 0, -frameLength) != 0) {
    return ADMIN_ACTION;
  }
  const termId = termIdAt(meta, frame);
  writeHeader(meta, frame, dataWord(DATA_FLAGS_UNFRAGMENTED), termId, termOffsetAt(meta, frame));
  return address + DATA_HEADER_LENGTH;
}

/** Publishes a claim. A claim that was unblocked meanwhile stays padding. */
export function concurrentCommit(meta: usize, payloadAddress: usize): void {
  const frame = payloadAddress - DATA_HEADER_LENGTH;
  const claimed = atomic.load<i32>(frame);
  if (claimed < 0) {
    seal(meta, frame, -claimed);
    atomic.cmpxchg<i32>(frame, claimed, -claimed);
  }
}

/** Turns a claim into padding. */
export function concurrentAbort(meta: usize, payloadAddress: usize): void {
  const frame = payloadAddress - DATA_HEADER_LENGTH;
  const claimed = atomic.load<i32>(frame);
  if (claimed < 0) {
    const length = alignFrame(-claimed);
    store<u32>(frame, padWord(), FRAME_VERSION_OFFSET);
    seal(meta, frame, length);
    atomic.cmpxchg<i32>(frame, claimed, length);
  }
}

/** Copies a message. Position after it, or a result code. */
export function concurrentAppend(meta: usize, source: usize, length: i32): f64 {
  const required = framedLength(meta, length);
  const address = reserveShared(meta, required);
  if (address < 0) {
    return <f64>address;
  }
  const frame = <usize>address;
  const termId = termIdAt(meta, frame);
  const termOffset = termOffsetAt(meta, frame);
  writeMessage(true, meta, frame, termId, termOffset, 0, 0, source, length);
  const termBegin = <i64>(termId - initialTermIdOf(meta)) << shiftOf(termLengthOf(meta));
  return <f64>(termBegin + <i64>(termOffset + required));
}
