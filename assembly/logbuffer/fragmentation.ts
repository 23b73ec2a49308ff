// fragmentation.ts: how a message that is longer than a frame becomes several.
//
// All frames but the last are full, and all lie in one term: a reader never has to look for the
// rest of a message across a padding frame.

import {
  DATA_FLAGS_UNFRAGMENTED,
  DATA_FLAG_BEGIN,
  DATA_FLAG_END,
  DATA_HEADER_LENGTH,
  LOG_MTU_LENGTH_OFFSET,
} from '../layout/frame';
import { clearEnd, dataWord, publish, publishShared, writeHeader } from './frame-writer';
import { alignFrame, termLengthOf } from './metadata';

/** Aligned bytes that a message takes in the log. */
// @ts-ignore: decorator
@inline
export function framedLength(meta: usize, length: i32): i32 {
  const maxPayload = load<i32>(meta, LOG_MTU_LENGTH_OFFSET) - DATA_HEADER_LENGTH;
  // One unsigned comparison covers negative lengths too.
  if (<u32>length <= <u32>maxPayload) {
    return alignFrame(length + DATA_HEADER_LENGTH);
  }
  return fragmentedLength(termLengthOf(meta), length, maxPayload);
}

function fragmentedLength(termLength: i32, length: i32, maxPayload: i32): i32 {
  if (length < 0 || maxPayload <= 0) {
    unreachable();
  }
  const fullCount = length / maxPayload;
  const rest = length % maxPayload;
  const restLength = rest > 0 ? alignFrame(rest + DATA_HEADER_LENGTH) : 0;
  const required = <i64>fullCount * <i64>(maxPayload + DATA_HEADER_LENGTH) + <i64>restLength;
  if (required > <i64>termLength) {
    unreachable();
  }
  return <i32>required;
}

/** Copies bytes [from, from + length) of a message in two parts. */
// @ts-ignore: decorator
@inline
function gather(
  target: usize,
  head: usize,
  headLength: i32,
  body: usize,
  from: i32,
  length: i32,
): void {
  let copied = 0;
  if (from < headLength) {
    copied = min<i32>(headLength - from, length);
    memory.copy(target, head + <usize>from, <usize>copied);
  }
  if (copied < length) {
    const bodyFrom = body + <usize>(from + copied - headLength);
    memory.copy(target + <usize>copied, bodyFrom, <usize>(length - copied));
  }
}

/**
 * Writes and publishes the frames of a message into reserved room, in order.
 *
 * `isShared`: other threads append as well, and readers go from frame to frame.
 */
export function writeMessage(
  isShared: bool,
  meta: usize,
  address: usize,
  termId: i32,
  termOffset: i32,
  head: usize,
  headLength: i32,
  body: usize,
  bodyLength: i32,
): void {
  const length = headLength + bodyLength;
  const maxPayload = load<i32>(meta, LOG_MTU_LENGTH_OFFSET) - DATA_HEADER_LENGTH;
  let frame = address;
  let offset = termOffset;
  let sent = 0;
  let flags = length <= maxPayload ? DATA_FLAGS_UNFRAGMENTED : DATA_FLAG_BEGIN;
  while (true) {
    const payloadLength = min<i32>(length - sent, maxPayload);
    const frameLength = payloadLength + DATA_HEADER_LENGTH;
    const aligned = alignFrame(frameLength);
    if (!isShared) {
      clearEnd(frame, aligned);
    }
    writeHeader(meta, frame, dataWord(flags), termId, offset);
    gather(frame + DATA_HEADER_LENGTH, head, headLength, body, sent, payloadLength);
    if (isShared) {
      publishShared(meta, frame, frameLength);
    } else {
      publish(meta, frame, frameLength);
    }
    sent += payloadLength;
    if (sent >= length) {
      break;
    }
    frame += <usize>aligned;
    offset += aligned;
    flags = length - sent <= maxPayload ? DATA_FLAG_END : 0;
  }
}
