// messages.ts: what a scan has found, sorted for those who read a log of cluster messages.
//
// Nearly every frame of a log is a whole message of a session. A reader of messages gets them
// decoded, so that JavaScript reads numbers instead of headers; a reader of events gets the rest.

import {
  DATA_FLAGS_UNFRAGMENTED,
  DATA_HEADER_LENGTH,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  FRAME_FLAGS_OFFSET,
} from '../layout/frame';
import {
  MESSAGE_BODY_LENGTH_OFFSET,
  MESSAGE_BODY_OFFSET,
  MESSAGE_CLUSTER_SESSION_OFFSET,
  MESSAGE_ENTRY_LENGTH,
  MESSAGE_LEADERSHIP_TERM_OFFSET,
  MESSAGE_POSITION_OFFSET,
  MESSAGE_TIMESTAMP_OFFSET,
  SCAN_ENTRY_LENGTH,
  SCAN_HEADER_LENGTH,
} from '../layout/batch';
import {
  CLUSTER_SCHEMA_ID,
  SBE_BLOCK_LENGTH_OFFSET,
  SBE_HEADER_LENGTH,
  SBE_SCHEMA_ID_OFFSET,
  SBE_TEMPLATE_ID_OFFSET,
  SESSION_MESSAGE_BLOCK_LENGTH,
  SESSION_MESSAGE_CLUSTER_SESSION_OFFSET,
  SESSION_MESSAGE_LEADERSHIP_TERM_OFFSET,
  SESSION_MESSAGE_LENGTH_MIN,
  SESSION_MESSAGE_TEMPLATE_ID,
  SESSION_MESSAGE_TIMESTAMP_OFFSET,
} from '../layout/session-table';
import { alignFrame } from '../logbuffer/metadata';

// @ts-ignore: decorator
@inline
function isWhole(frame: usize): bool {
  return load<u8>(frame, FRAME_FLAGS_OFFSET) == <u8>DATA_FLAGS_UNFRAGMENTED;
}

/** Offset in the payload of a whole session message's body; 0 when it is none. */
// @ts-ignore: decorator
@inline
function bodyOffset(frame: usize, payloadLength: i32): i32 {
  const payload = frame + DATA_HEADER_LENGTH;
  if (
    payloadLength < SESSION_MESSAGE_LENGTH_MIN ||
    load<u16>(payload, SBE_TEMPLATE_ID_OFFSET) != <u16>SESSION_MESSAGE_TEMPLATE_ID ||
    load<u16>(payload, SBE_SCHEMA_ID_OFFSET) != <u16>CLUSTER_SCHEMA_ID ||
    !isWhole(frame)
  ) {
    return 0;
  }
  // A sender of a newer version may have a longer block; it has to be there whole.
  const blockLength = <i32>load<u16>(payload, SBE_BLOCK_LENGTH_OFFSET);
  const offset = SBE_HEADER_LENGTH + blockLength;
  return blockLength >= SESSION_MESSAGE_BLOCK_LENGTH && offset <= payloadLength ? offset : 0;
}

/**
 * Decodes the `count` frames that a scan has left in `area` into as many entries at `out`.
 *
 * An entry whose body address is 0 is something else than a whole session message; its position is
 * given all the same. Returns how many are session messages.
 */
export function decodeMessages(
  area: usize,
  count: i32,
  termLength: i32,
  initialTermId: i32,
  out: usize,
): i32 {
  let messages = 0;
  let indexed = area + SCAN_HEADER_LENGTH;
  let entry = out;
  for (let index = 0; index < count; index++) {
    const frame = <usize>load<u32>(indexed);
    const frameLength = load<i32>(indexed, 4);
    const payloadLength = frameLength - DATA_HEADER_LENGTH;
    const payload = frame + DATA_HEADER_LENGTH;
    const termCount = load<i32>(frame, DATA_TERM_ID_OFFSET) - initialTermId;
    const position =
      <i64>termCount * <i64>termLength +
      <i64>(load<i32>(frame, DATA_TERM_OFFSET_OFFSET) + alignFrame(frameLength));
    store<f64>(entry, <f64>position, MESSAGE_POSITION_OFFSET);
    const body = bodyOffset(frame, payloadLength);
    if (body == 0) {
      store<i32>(entry, 0, MESSAGE_BODY_OFFSET);
    } else {
      messages++;
      store<i32>(entry, <i32>payload + body, MESSAGE_BODY_OFFSET);
      store<i32>(entry, payloadLength - body, MESSAGE_BODY_LENGTH_OFFSET);
      const session = load<i64>(payload, SESSION_MESSAGE_CLUSTER_SESSION_OFFSET);
      const timestamp = load<i64>(payload, SESSION_MESSAGE_TIMESTAMP_OFFSET);
      const term = load<i64>(payload, SESSION_MESSAGE_LEADERSHIP_TERM_OFFSET);
      store<f64>(entry, <f64>session, MESSAGE_CLUSTER_SESSION_OFFSET);
      store<f64>(entry, <f64>timestamp, MESSAGE_TIMESTAMP_OFFSET);
      store<f64>(entry, <f64>term, MESSAGE_LEADERSHIP_TERM_OFFSET);
    }
    indexed += SCAN_ENTRY_LENGTH;
    entry += MESSAGE_ENTRY_LENGTH;
  }
  return messages;
}

/**
 * Keeps, of the `count` frames that a scan has left in `area`, those that are no whole session
 * message, in order. Returns how many. Parts of long messages are among them: only the first one
 * says what it is a part of, and it may lie in an earlier scan.
 */
export function selectEvents(area: usize, count: i32): i32 {
  let kept = 0;
  let indexed = area + SCAN_HEADER_LENGTH;
  let target = indexed;
  for (let index = 0; index < count; index++, indexed += SCAN_ENTRY_LENGTH) {
    const frame = <usize>load<u32>(indexed);
    const payloadLength = load<i32>(indexed, 4) - DATA_HEADER_LENGTH;
    if (bodyOffset(frame, payloadLength) == 0) {
      store<u64>(target, load<u64>(indexed));
      target += SCAN_ENTRY_LENGTH;
      kept++;
    }
  }
  return kept;
}
