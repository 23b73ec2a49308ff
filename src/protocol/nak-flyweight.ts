// nak-flyweight.ts: asks the sender for a range of a term again.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------------------------------------------------------+
//  |                       Frame Length (i32)                      |   0
//  +---------------+---------------+-------------------------------+
//  |    Version    |     Flags     |             Type              |   4
//  +---------------+---------------+-------------------------------+
//  |                        Session Id (i32)                       |   8
//  +---------------------------------------------------------------+
//  |                        Stream Id (i32)                        |  12
//  +---------------------------------------------------------------+
//  |                         Term Id (i32)                         |  16
//  +---------------------------------------------------------------+
//  |                       Term Offset (i32)                       |  20
//  +---------------------------------------------------------------+
//  |                       Range Length (i32)                      |  24
//  +---------------------------------------------------------------+

import {
  FRAME_TYPE_NAK,
  NAK_LENGTH,
  NAK_RANGE_LENGTH_OFFSET,
  NAK_SESSION_ID_OFFSET,
  NAK_STREAM_ID_OFFSET,
  NAK_TERM_ID_OFFSET,
  NAK_TERM_OFFSET_OFFSET,
} from '../../assembly/layout/frame.js';
import { FrameFlyweight } from './frame-flyweight.js';

/** Reads and writes a NAK. Check `isFrameValid` before reading. */
export class NakFlyweight extends FrameFlyweight {
  /** Writes length, version, flags and type of the frame at `offset`, and wraps it. */
  wrapAndApplyHeader(view: DataView, offset: number, flags: number): this {
    return this.applyHeader(view, offset, NAK_LENGTH, flags, FRAME_TYPE_NAK);
  }

  sessionId(): number {
    return this.view.getInt32(this.offset + NAK_SESSION_ID_OFFSET, true);
  }

  setSessionId(value: number): this {
    this.view.setInt32(this.offset + NAK_SESSION_ID_OFFSET, value, true);
    return this;
  }

  streamId(): number {
    return this.view.getInt32(this.offset + NAK_STREAM_ID_OFFSET, true);
  }

  setStreamId(value: number): this {
    this.view.setInt32(this.offset + NAK_STREAM_ID_OFFSET, value, true);
    return this;
  }

  termId(): number {
    return this.view.getInt32(this.offset + NAK_TERM_ID_OFFSET, true);
  }

  setTermId(value: number): this {
    this.view.setInt32(this.offset + NAK_TERM_ID_OFFSET, value, true);
    return this;
  }

  termOffset(): number {
    return this.view.getInt32(this.offset + NAK_TERM_OFFSET_OFFSET, true);
  }

  setTermOffset(value: number): this {
    this.view.setInt32(this.offset + NAK_TERM_OFFSET_OFFSET, value, true);
    return this;
  }

  /** Length of the missing range in bytes. */
  rangeLength(): number {
    return this.view.getInt32(this.offset + NAK_RANGE_LENGTH_OFFSET, true);
  }

  setRangeLength(value: number): this {
    this.view.setInt32(this.offset + NAK_RANGE_LENGTH_OFFSET, value, true);
    return this;
  }
}
