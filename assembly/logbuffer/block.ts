// block.ts: the next run of whole frames to hand to a socket or a file.
//
// A block lies within one term and is contiguous in memory. A padding frame ends it and counts as
// its header alone, on the wire and on disk; the position then advances over the gap as well.

import {
  DATA_HEADER_LENGTH,
  DATA_LEADERSHIP_TERM_OFFSET,
  DATA_SESSION_ID_OFFSET,
  DATA_STREAM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  FRAME_ALIGNMENT_MASK,
} from '../layout/frame';
import { BLOCK_ADDRESS_OFFSET, BLOCK_ADVANCE_OFFSET } from '../layout/batch';
import {
  alignFrame,
  isHeld,
  positionAddress,
  readLimit,
  termLengthOf,
  termOffsetOf,
} from './metadata';
import { isPadding, isWholeFrame } from './scan';

/**
 * The next block in [from, limit), at most lengthMax bytes: its length, 0 when there is none.
 *
 * What counts against the limit is what is sent: a padding frame whose header lies below it is
 * taken, because its gap, which may be longer than any window, costs nobody any room.
 */
export function nextBlock(meta: usize, from: f64, limit: f64, lengthMax: i32, out: usize): i32 {
  const termLength = termLengthOf(meta);
  const position = <i64>from;
  const begin = positionAddress(meta, termLength, position);
  const termOffset = termOffsetOf(position, termLength);
  const termRemaining = termLength - termOffset;
  const end = readLimit(meta, termLength, limit);
  const room = min<i64>(end - position, <i64>min<i32>(termRemaining, lengthMax));
  // A position may come from a receiver's request: it need not be one where a frame starts.
  const isAligned = (position & FRAME_ALIGNMENT_MASK) == 0;
  const roomHeld = isAligned && isHeld(meta, position) ? room : 0;
  let length = 0;
  let advance = 0;
  let lastLength = DATA_HEADER_LENGTH;
  let aligned = DATA_HEADER_LENGTH;
  while (<i64>(length + DATA_HEADER_LENGTH) <= roomHeld) {
    const frame = begin + <usize>length;
    const frameLength = atomic.load<i32>(frame);
    if (frameLength != lastLength) {
      if (frameLength < DATA_HEADER_LENGTH) {
        break;
      }
      lastLength = frameLength;
      aligned = alignFrame(frameLength);
    }
    if (lastLength > termRemaining - length) {
      break;
    }
    if (load<i32>(frame, DATA_TERM_OFFSET_OFFSET) != termOffset + length) {
      break;
    }
    if (isPadding(frame)) {
      length += DATA_HEADER_LENGTH;
      advance += aligned;
      break;
    }
    if (<i64>(length + aligned) > roomHeld) {
      break;
    }
    length += aligned;
    advance += aligned;
  }
  store<i32>(out, <i32>begin, BLOCK_ADDRESS_OFFSET);
  store<i32>(out, advance, BLOCK_ADVANCE_OFFSET);
  return length;
}

/** The same over bytes from a segment. The advance may go beyond `length` over a padding frame. */
export function nextBlockBytes(address: usize, length: i32, lengthMax: i32, out: usize): i32 {
  let blockLength = 0;
  let advance = 0;
  while (isWholeFrame(address + <usize>blockLength, length - blockLength)) {
    const frame = address + <usize>blockLength;
    const aligned = alignFrame(load<i32>(frame));
    const isEnd = isPadding(frame);
    const wireLength = isEnd ? DATA_HEADER_LENGTH : aligned;
    if (wireLength > lengthMax - blockLength) {
      break;
    }
    blockLength += wireLength;
    advance += aligned;
    if (isEnd) {
      break;
    }
  }
  store<i32>(out, <i32>address, BLOCK_ADDRESS_OFFSET);
  store<i32>(out, advance, BLOCK_ADVANCE_OFFSET);
  return blockLength;
}

/** Bytes of the prefix of a block whose frames carry a leadership term's low bits. */
export function blockTermPrefix(address: usize, length: i32, leadershipTermLow: i32): i32 {
  let offset = 0;
  let lastLength = DATA_HEADER_LENGTH;
  let aligned = DATA_HEADER_LENGTH;
  while (isWholeFrame(address + <usize>offset, length - offset)) {
    const frame = address + <usize>offset;
    if (load<i32>(frame, DATA_LEADERSHIP_TERM_OFFSET) != leadershipTermLow) {
      break;
    }
    if (isPadding(frame)) {
      return offset + DATA_HEADER_LENGTH;
    }
    const frameLength = load<i32>(frame);
    if (frameLength != lastLength) {
      lastLength = frameLength;
      aligned = alignFrame(frameLength);
    }
    offset += aligned;
  }
  return offset;
}

/** Writes sessionId and streamId into every frame of a block; checksums mask them. */
export function rewriteStream(address: usize, length: i32, sessionId: i32, streamId: i32): void {
  let offset = 0;
  while (isWholeFrame(address + <usize>offset, length - offset)) {
    const frame = address + <usize>offset;
    store<i32>(frame, sessionId, DATA_SESSION_ID_OFFSET);
    store<i32>(frame, streamId, DATA_STREAM_ID_OFFSET);
    if (isPadding(frame)) {
      break;
    }
    offset += alignFrame(load<i32>(frame));
  }
}
