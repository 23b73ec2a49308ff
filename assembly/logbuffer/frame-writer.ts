// frame-writer.ts: writes the header of a frame, and publishes it.
//
// A frame becomes visible with its length, which is therefore the last thing written. The checksum
// must be in place before: a reader may act on the frame at once.
//
// Where many threads append, readers go from length to length, so that store is atomic. The only
// writer of a log needs no fence for each frame: its readers run on its thread, or never go beyond
// a position that it has stored in a counter, atomically, after the frames. A fence waits until
// every store before it has reached the cache, a frame's cold lines included.

import { frameChecksum } from '../checksum/frame-checksum';
import {
  DATA_CHECKSUM_OFFSET,
  DATA_LEADERSHIP_TERM_OFFSET,
  DATA_RESERVED_VALUE_OFFSET,
  DATA_SESSION_ID_OFFSET,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  FRAME_ALIGNMENT,
  FRAME_TYPE_DATA,
  FRAME_TYPE_PAD,
  FRAME_VERSION_OFFSET,
  LOG_DEFAULT_FRAME_HEADER_OFFSET,
} from '../layout/frame';
import { LOG_CHECKSUM_ENABLED_OFFSET, LOG_LEADERSHIP_TERM_LOW_OFFSET } from '../layout/log-buffer';

/** Version, flags and type of a data frame as one little-endian word. */
// @ts-ignore: decorator
@inline
export function dataWord(flags: i32): u32 {
  return (<u32>flags << 8) | (<u32>FRAME_TYPE_DATA << 16);
}

/** Version, flags and type of a padding frame: padding is unfragmented. */
// @ts-ignore: decorator
@inline
export function padWord(): u32 {
  return ((<u32>0xc0) << 8) | (<u32>FRAME_TYPE_PAD << 16);
}

/** Writes every header field but the length. */
// @ts-ignore: decorator
@inline
export function writeHeader(
  meta: usize,
  frame: usize,
  versionFlagsType: u32,
  termId: i32,
  termOffset: i32,
): void {
  store<u32>(frame, versionFlagsType, FRAME_VERSION_OFFSET);
  store<i32>(frame, termOffset, DATA_TERM_OFFSET_OFFSET);
  // sessionId and streamId are neighbours, in the frame as in the default header.
  const ids = load<i64>(meta, LOG_DEFAULT_FRAME_HEADER_OFFSET + DATA_SESSION_ID_OFFSET);
  store<i64>(frame, ids, DATA_SESSION_ID_OFFSET);
  store<i32>(frame, termId, DATA_TERM_ID_OFFSET);
  store<i64>(frame, 0, DATA_RESERVED_VALUE_OFFSET);
}

/** Completes the reserved value, where the log asks for it. */
// @ts-ignore: decorator
@inline
export function seal(meta: usize, frame: usize, frameLength: i32): void {
  if (load<i32>(meta, LOG_CHECKSUM_ENABLED_OFFSET) != 0) {
    const term = load<i32>(meta, LOG_LEADERSHIP_TERM_LOW_OFFSET);
    store<i32>(frame, term, DATA_LEADERSHIP_TERM_OFFSET);
    store<u32>(frame, frameChecksum(frame, frameLength), DATA_CHECKSUM_OFFSET);
  }
}

/** Completes the frame of the only writer of a log. */
// @ts-ignore: decorator
@inline
export function publish(meta: usize, frame: usize, frameLength: i32): void {
  seal(meta, frame, frameLength);
  store<i32>(frame, frameLength);
}

/** Makes a complete frame visible to other threads by itself. */
// @ts-ignore: decorator
@inline
export function publishShared(meta: usize, frame: usize, frameLength: i32): void {
  seal(meta, frame, frameLength);
  atomic.store<i32>(frame, frameLength);
}

/**
 * Zeroes the end of the room of a frame that is about to be written: what aligns the frame is zero,
 * whatever was there three terms ago, because it is sent and recorded with the frame.
 */
// @ts-ignore: decorator
@inline
export function clearEnd(frame: usize, aligned: i32): void {
  const end = frame + <usize>(aligned - FRAME_ALIGNMENT);
  store<i64>(end, 0);
  store<i64>(end, 0, 8);
  store<i64>(end, 0, 16);
  store<i64>(end, 0, 24);
}

/** Writes and publishes a padding frame. */
export function writePadding(
  meta: usize,
  frame: usize,
  termId: i32,
  termOffset: i32,
  length: i32,
): void {
  writeHeader(meta, frame, padWord(), termId, termOffset);
  publishShared(meta, frame, length);
}
