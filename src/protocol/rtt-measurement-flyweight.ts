// rtt-measurement-flyweight.ts: measures the round trip between receiver and sender.
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
//  |               Echo Timestamp (i64, nanoseconds)               |  16
//  |                                                               |  20
//  +---------------------------------------------------------------+
//  |               Reception Delta (i64, nanoseconds)              |  24
//  |                                                               |  28
//  +---------------------------------------------------------------+
//  |                      Receiver Id (opaque)                     |  32
//  |                                                               |  36
//  +---------------------------------------------------------------+

import {
  FRAME_TYPE_RTTM,
  RTTM_ECHO_TIMESTAMP_OFFSET,
  RTTM_LENGTH,
  RTTM_RECEIVER_ID_OFFSET,
  RTTM_RECEPTION_DELTA_OFFSET,
  RTTM_SESSION_ID_OFFSET,
  RTTM_STREAM_ID_OFFSET,
} from '../../assembly/layout/frame.js';
import { readInt64, writeInt64 } from './encoding.js';
import { FrameFlyweight } from './frame-flyweight.js';

/** Reads and writes a round-trip measurement. Check `isFrameValid` before reading. */
export class RttMeasurementFlyweight extends FrameFlyweight {
  /** Writes length, version, flags and type of the frame at `offset`, and wraps it. */
  wrapAndApplyHeader(view: DataView, offset: number, flags: number): this {
    return this.applyHeader(view, offset, RTTM_LENGTH, flags, FRAME_TYPE_RTTM);
  }

  sessionId(): number {
    return this.view.getInt32(this.offset + RTTM_SESSION_ID_OFFSET, true);
  }

  setSessionId(value: number): this {
    this.view.setInt32(this.offset + RTTM_SESSION_ID_OFFSET, value, true);
    return this;
  }

  streamId(): number {
    return this.view.getInt32(this.offset + RTTM_STREAM_ID_OFFSET, true);
  }

  setStreamId(value: number): this {
    this.view.setInt32(this.offset + RTTM_STREAM_ID_OFFSET, value, true);
    return this;
  }

  /** The asker's own clock; NaN where a foreign clock exceeds a number. */
  echoTimestampNs(): number {
    return readInt64(this.view, this.offset + RTTM_ECHO_TIMESTAMP_OFFSET);
  }

  setEchoTimestampNs(value: number): this {
    writeInt64(this.view, this.offset + RTTM_ECHO_TIMESTAMP_OFFSET, value);
    return this;
  }

  /** Copies the timestamp of a request, whatever clock it is from. */
  copyEchoTimestamp(request: RttMeasurementFlyweight): this {
    const from = request.offset + RTTM_ECHO_TIMESTAMP_OFFSET;
    const to = this.offset + RTTM_ECHO_TIMESTAMP_OFFSET;
    this.view.setUint32(to, request.view.getUint32(from, true), true);
    this.view.setUint32(to + 4, request.view.getUint32(from + 4, true), true);
    return this;
  }

  /** How long the answerer held the request. */
  receptionDeltaNs(): number {
    return readInt64(this.view, this.offset + RTTM_RECEPTION_DELTA_OFFSET);
  }

  setReceptionDeltaNs(value: number): this {
    writeInt64(this.view, this.offset + RTTM_RECEPTION_DELTA_OFFSET, value);
    return this;
  }

  /** Tells receivers behind one address apart. */
  receiverId(): bigint {
    return this.view.getBigInt64(this.offset + RTTM_RECEIVER_ID_OFFSET, true);
  }

  receiverIdLow(): number {
    return this.view.getUint32(this.offset + RTTM_RECEIVER_ID_OFFSET, true);
  }

  receiverIdHigh(): number {
    return this.view.getUint32(this.offset + RTTM_RECEIVER_ID_OFFSET + 4, true);
  }

  setReceiverId(value: bigint): this {
    this.view.setBigInt64(this.offset + RTTM_RECEIVER_ID_OFFSET, BigInt.asIntN(64, value), true);
    return this;
  }

  /** The same without an allocation, from two unsigned halves. */
  setReceiverIdHalves(high: number, low: number): this {
    this.view.setUint32(this.offset + RTTM_RECEIVER_ID_OFFSET, low, true);
    this.view.setUint32(this.offset + RTTM_RECEIVER_ID_OFFSET + 4, high, true);
    return this;
  }
}
