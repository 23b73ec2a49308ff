// setup-flyweight.ts: announces a stream and its geometry to receivers.
//
//   0                   1                   2                   3
//   0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//  +---------------------------------------------------------------+
//  |                       Frame Length (i32)                      |   0
//  +---------------+---------------+-------------------------------+
//  |    Version    |     Flags     |             Type              |   4
//  +---------------+---------------+-------------------------------+
//  |                       Term Offset (i32)                       |   8
//  +---------------------------------------------------------------+
//  |                        Session Id (i32)                       |  12
//  +---------------------------------------------------------------+
//  |                        Stream Id (i32)                        |  16
//  +---------------------------------------------------------------+
//  |                     Initial Term Id (i32)                     |  20
//  +---------------------------------------------------------------+
//  |                      Active Term Id (i32)                     |  24
//  +---------------------------------------------------------------+
//  |                       Term Length (i32)                       |  28
//  +---------------------------------------------------------------+
//  |                        MTU Length (i32)                       |  32
//  +---------------------------------------------------------------+
//  |                           TTL (i32)                           |  36
//  +---------------------------------------------------------------+

import {
  FRAME_TYPE_SETUP,
  SETUP_ACTIVE_TERM_ID_OFFSET,
  SETUP_INITIAL_TERM_ID_OFFSET,
  SETUP_LENGTH,
  SETUP_MTU_OFFSET,
  SETUP_SESSION_ID_OFFSET,
  SETUP_STREAM_ID_OFFSET,
  SETUP_TERM_LENGTH_OFFSET,
  SETUP_TERM_OFFSET_OFFSET,
  SETUP_TTL_OFFSET,
} from '../../assembly/layout/frame.js';
import { FrameFlyweight } from './frame-flyweight.js';

/** Reads and writes a setup frame. Check `isFrameValid` before reading. */
export class SetupFlyweight extends FrameFlyweight {
  /** Writes length, version, flags and type of the frame at `offset`, and wraps it. */
  wrapAndApplyHeader(view: DataView, offset: number, flags: number): this {
    return this.applyHeader(view, offset, SETUP_LENGTH, flags, FRAME_TYPE_SETUP);
  }

  termOffset(): number {
    return this.view.getInt32(this.offset + SETUP_TERM_OFFSET_OFFSET, true);
  }

  setTermOffset(value: number): this {
    this.view.setInt32(this.offset + SETUP_TERM_OFFSET_OFFSET, value, true);
    return this;
  }

  sessionId(): number {
    return this.view.getInt32(this.offset + SETUP_SESSION_ID_OFFSET, true);
  }

  setSessionId(value: number): this {
    this.view.setInt32(this.offset + SETUP_SESSION_ID_OFFSET, value, true);
    return this;
  }

  streamId(): number {
    return this.view.getInt32(this.offset + SETUP_STREAM_ID_OFFSET, true);
  }

  setStreamId(value: number): this {
    this.view.setInt32(this.offset + SETUP_STREAM_ID_OFFSET, value, true);
    return this;
  }

  initialTermId(): number {
    return this.view.getInt32(this.offset + SETUP_INITIAL_TERM_ID_OFFSET, true);
  }

  setInitialTermId(value: number): this {
    this.view.setInt32(this.offset + SETUP_INITIAL_TERM_ID_OFFSET, value, true);
    return this;
  }

  activeTermId(): number {
    return this.view.getInt32(this.offset + SETUP_ACTIVE_TERM_ID_OFFSET, true);
  }

  setActiveTermId(value: number): this {
    this.view.setInt32(this.offset + SETUP_ACTIVE_TERM_ID_OFFSET, value, true);
    return this;
  }

  termLength(): number {
    return this.view.getInt32(this.offset + SETUP_TERM_LENGTH_OFFSET, true);
  }

  setTermLength(value: number): this {
    this.view.setInt32(this.offset + SETUP_TERM_LENGTH_OFFSET, value, true);
    return this;
  }

  mtuLength(): number {
    return this.view.getInt32(this.offset + SETUP_MTU_OFFSET, true);
  }

  setMtuLength(value: number): this {
    this.view.setInt32(this.offset + SETUP_MTU_OFFSET, value, true);
    return this;
  }

  /** Hops of a multicast datagram; 0 for unicast. */
  ttl(): number {
    return this.view.getInt32(this.offset + SETUP_TTL_OFFSET, true);
  }

  setTtl(value: number): this {
    this.view.setInt32(this.offset + SETUP_TTL_OFFSET, value, true);
    return this;
  }
}
