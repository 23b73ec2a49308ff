// response-setup-flyweight.ts: tells a subscriber which session answers it.
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
//  |                   Response Session Id (i32)                   |  16
//  +---------------------------------------------------------------+

import {
  FRAME_TYPE_RSP_SETUP,
  RSP_SETUP_LENGTH,
  RSP_SETUP_RESPONSE_SESSION_ID_OFFSET,
  RSP_SETUP_SESSION_ID_OFFSET,
  RSP_SETUP_STREAM_ID_OFFSET,
} from '../../assembly/layout/frame.js';
import { FrameFlyweight } from './frame-flyweight.js';

/** Reads and writes a response setup. Check `isFrameValid` before reading. */
export class ResponseSetupFlyweight extends FrameFlyweight {
  /** Writes length, version, flags and type of the frame at `offset`, and wraps it. */
  wrapAndApplyHeader(view: DataView, offset: number, flags: number): this {
    return this.applyHeader(view, offset, RSP_SETUP_LENGTH, flags, FRAME_TYPE_RSP_SETUP);
  }

  sessionId(): number {
    return this.view.getInt32(this.offset + RSP_SETUP_SESSION_ID_OFFSET, true);
  }

  setSessionId(value: number): this {
    this.view.setInt32(this.offset + RSP_SETUP_SESSION_ID_OFFSET, value, true);
    return this;
  }

  streamId(): number {
    return this.view.getInt32(this.offset + RSP_SETUP_STREAM_ID_OFFSET, true);
  }

  setStreamId(value: number): this {
    this.view.setInt32(this.offset + RSP_SETUP_STREAM_ID_OFFSET, value, true);
    return this;
  }

  responseSessionId(): number {
    return this.view.getInt32(this.offset + RSP_SETUP_RESPONSE_SESSION_ID_OFFSET, true);
  }

  setResponseSessionId(value: number): this {
    this.view.setInt32(this.offset + RSP_SETUP_RESPONSE_SESSION_ID_OFFSET, value, true);
    return this;
  }
}
