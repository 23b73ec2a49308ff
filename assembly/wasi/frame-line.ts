// frame-line.ts: one frame on one line.

import {
  DATA_FLAG_BEGIN,
  DATA_FLAG_END,
  DATA_FLAG_END_OF_STREAM,
  DATA_FLAG_REVOKED,
  DATA_LEADERSHIP_TERM_OFFSET,
  FRAME_FLAGS_OFFSET,
  FRAME_TYPE_OFFSET,
  FRAME_TYPE_PAD,
} from '../layout/frame';
import { eventNameOf } from './event-name';
import { printLine } from './output';

const POSITION_WIDTH: i32 = 16;
const LENGTH_WIDTH: i32 = 10;
const TERM_WIDTH: i32 = 6;

/** The names of the columns. */
export function printFrameHead(): void {
  const columns = 'position'.padStart(POSITION_WIDTH) + '  type  flags';
  printLine(columns + 'length'.padStart(LENGTH_WIDTH) + 'term'.padStart(TERM_WIDTH) + '  event');
}

/** A letter per flag: begin, end, end of stream, revoked. */
function flagLetters(flags: i32): string {
  const begin = (flags & DATA_FLAG_BEGIN) != 0 ? 'B' : '-';
  const end = (flags & DATA_FLAG_END) != 0 ? 'E' : '-';
  const endOfStream = (flags & DATA_FLAG_END_OF_STREAM) != 0 ? 'S' : '-';
  return begin + end + endOfStream + ((flags & DATA_FLAG_REVOKED) != 0 ? 'R' : '-');
}

export function printFrame(frame: usize, position: i64): void {
  const isPadding = <i32>load<u16>(frame, FRAME_TYPE_OFFSET) == FRAME_TYPE_PAD;
  const letters = flagLetters(<i32>load<u8>(frame, FRAME_FLAGS_OFFSET));
  const columns =
    position.toString().padStart(POSITION_WIDTH) +
    (isPadding ? '  pad   ' : '  data  ') +
    letters +
    ' ' +
    load<i32>(frame).toString().padStart(LENGTH_WIDTH) +
    load<u32>(frame, DATA_LEADERSHIP_TERM_OFFSET).toString().padStart(TERM_WIDTH);
  printLine(isPadding ? columns : columns + '  ' + eventNameOf(frame));
}
