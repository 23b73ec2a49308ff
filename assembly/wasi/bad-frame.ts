// bad-frame.ts: says in words what is wrong with a frame: what it says and what it should say.

import { frameChecksum } from '../checksum/frame-checksum';
import {
  STOP_CHECKSUM,
  STOP_CUT_SHORT,
  STOP_FRAME_LENGTH,
  STOP_LEADERSHIP_TERM,
  STOP_NO_LENGTH,
  STOP_TERM_ID,
  STOP_TERM_OFFSET,
  STOP_TERM_OVERRUN,
  STOP_TYPE,
  STOP_VERSION,
  WALK_INITIAL_TERM_ID_OFFSET,
  WALK_LEADERSHIP_TERM_OFFSET,
  WALK_TERM_LENGTH_OFFSET,
} from '../codec/walk';
import {
  DATA_CHECKSUM_OFFSET,
  DATA_LEADERSHIP_TERM_OFFSET,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  FRAME_TYPE_OFFSET,
  FRAME_VERSION_OFFSET,
} from '../layout/frame';
import { termCountOf, termOffsetOf } from '../logbuffer/metadata';

/** Eight hexadecimal digits. */
export function hexOf(value: u32): string {
  return '0x' + value.toString(16).padStart(8, '0');
}

function placeFault(stop: i32, record: usize, frame: usize, position: i64): string {
  const termLength = load<i32>(record, WALK_TERM_LENGTH_OFFSET);
  if (stop == STOP_TERM_OFFSET) {
    const found = load<i32>(frame, DATA_TERM_OFFSET_OFFSET).toString();
    const wanted = termOffsetOf(position, termLength).toString();
    return 'term offset is ' + found + ', but the position asks for ' + wanted;
  }
  if (stop == STOP_TERM_ID) {
    const found = load<i32>(frame, DATA_TERM_ID_OFFSET).toString();
    const initialTermId = load<i32>(record, WALK_INITIAL_TERM_ID_OFFSET);
    const wanted = (initialTermId + termCountOf(position, termLength)).toString();
    return 'term id is ' + found + ', but the position asks for ' + wanted;
  }
  const found = load<i32>(frame).toString();
  const room = (termLength - termOffsetOf(position, termLength)).toString();
  return 'frame length is ' + found + ', but its term has room for ' + room;
}

/** Why the frame at a position was not taken. The record is as the walk has left it. */
export function describeFault(stop: i32, record: usize, frame: usize, position: i64): string {
  const frameLength = load<i32>(frame);
  switch (stop) {
    case STOP_CUT_SHORT:
      return 'frame length is ' + frameLength.toString() + ', but the file ends before';
    case STOP_FRAME_LENGTH:
      return 'frame length is ' + frameLength.toString() + ', which no frame has';
    case STOP_NO_LENGTH:
      return 'frame length is 0, but the rest of the header is not';
    case STOP_VERSION:
      return 'version is ' + load<u8>(frame, FRAME_VERSION_OFFSET).toString() + ', not 0';
    case STOP_TYPE: {
      const type = load<u16>(frame, FRAME_TYPE_OFFSET).toString();
      return 'type is ' + type + ', neither padding (0) nor data (1)';
    }
    case STOP_TERM_OFFSET:
    case STOP_TERM_ID:
    case STOP_TERM_OVERRUN:
      return placeFault(stop, record, frame, position);
    case STOP_LEADERSHIP_TERM: {
      const found = load<u32>(frame, DATA_LEADERSHIP_TERM_OFFSET).toString();
      const before = load<u32>(record, WALK_LEADERSHIP_TERM_OFFSET).toString();
      return 'leadership term is ' + found + ', but the frame before has ' + before;
    }
    case STOP_CHECKSUM: {
      const found = hexOf(load<u32>(frame, DATA_CHECKSUM_OFFSET));
      return 'checksum is ' + found + ', but the bytes have ' +
        hexOf(frameChecksum(frame, frameLength));
    }
    default:
      return 'reason ' + stop.toString();
  }
}
