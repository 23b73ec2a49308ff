// status-message-flyweight.ts: tells the sender how far a receiver has come and what it can take.
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
//  |                   Consumption Term Id (i32)                   |  16
//  +---------------------------------------------------------------+
//  |                 Consumption Term Offset (i32)                 |  20
//  +---------------------------------------------------------------+
//  |                  Receiver Window Length (i32)                 |  24
//  +---------------------------------------------------------------+
//  |                      Receiver Id (opaque)                     |  28
//  |                                                               |  32
//  +---------------------------------------------------------------+
//  |                  Group Tag (opaque, optional)                 |  36
//  |                                                               |  40
//  +---------------------------------------------------------------+

import {
  FRAME_LENGTH_OFFSET,
  FRAME_TYPE_SM,
  SM_CONSUMPTION_TERM_ID_OFFSET,
  SM_CONSUMPTION_TERM_OFFSET_OFFSET,
  SM_GROUP_TAG_OFFSET,
  SM_LENGTH,
  SM_LENGTH_WITH_GROUP_TAG,
  SM_RECEIVER_ID_OFFSET,
  SM_RECEIVER_WINDOW_OFFSET,
  SM_SESSION_ID_OFFSET,
  SM_STREAM_ID_OFFSET,
} from '../../assembly/layout/frame.js';
import { FrameFlyweight } from './frame-flyweight.js';

/** Reads and writes a status message. Check `isFrameValid` before reading. */
export class StatusMessageFlyweight extends FrameFlyweight {
  /** Writes length, version, flags and type of the frame at `offset`, and wraps it. */
  wrapAndApplyHeader(view: DataView, offset: number, flags: number): this {
    return this.applyHeader(view, offset, SM_LENGTH, flags, FRAME_TYPE_SM);
  }

  sessionId(): number {
    return this.view.getInt32(this.offset + SM_SESSION_ID_OFFSET, true);
  }

  setSessionId(value: number): this {
    this.view.setInt32(this.offset + SM_SESSION_ID_OFFSET, value, true);
    return this;
  }

  streamId(): number {
    return this.view.getInt32(this.offset + SM_STREAM_ID_OFFSET, true);
  }

  setStreamId(value: number): this {
    this.view.setInt32(this.offset + SM_STREAM_ID_OFFSET, value, true);
    return this;
  }

  consumptionTermId(): number {
    return this.view.getInt32(this.offset + SM_CONSUMPTION_TERM_ID_OFFSET, true);
  }

  setConsumptionTermId(value: number): this {
    this.view.setInt32(this.offset + SM_CONSUMPTION_TERM_ID_OFFSET, value, true);
    return this;
  }

  consumptionTermOffset(): number {
    return this.view.getInt32(this.offset + SM_CONSUMPTION_TERM_OFFSET_OFFSET, true);
  }

  setConsumptionTermOffset(value: number): this {
    this.view.setInt32(this.offset + SM_CONSUMPTION_TERM_OFFSET_OFFSET, value, true);
    return this;
  }

  receiverWindowLength(): number {
    return this.view.getInt32(this.offset + SM_RECEIVER_WINDOW_OFFSET, true);
  }

  setReceiverWindowLength(value: number): this {
    this.view.setInt32(this.offset + SM_RECEIVER_WINDOW_OFFSET, value, true);
    return this;
  }

  /** Tells receivers behind one address apart. */
  receiverId(): bigint {
    return this.view.getBigInt64(this.offset + SM_RECEIVER_ID_OFFSET, true);
  }

  receiverIdLow(): number {
    return this.view.getUint32(this.offset + SM_RECEIVER_ID_OFFSET, true);
  }

  receiverIdHigh(): number {
    return this.view.getUint32(this.offset + SM_RECEIVER_ID_OFFSET + 4, true);
  }

  setReceiverId(value: bigint): this {
    this.view.setBigInt64(this.offset + SM_RECEIVER_ID_OFFSET, BigInt.asIntN(64, value), true);
    return this;
  }

  /** The same without an allocation, from two unsigned halves. */
  setReceiverIdHalves(high: number, low: number): this {
    this.view.setUint32(this.offset + SM_RECEIVER_ID_OFFSET, low, true);
    this.view.setUint32(this.offset + SM_RECEIVER_ID_OFFSET + 4, high, true);
    return this;
  }

  /** Whether the receiver belongs to a group with a tag. */
  hasGroupTag(): boolean {
    return this.frameLength() >= SM_LENGTH_WITH_GROUP_TAG;
  }

  /** Tag of the group; 0 without one. */
  groupTag(): bigint {
    return this.hasGroupTag() ? this.view.getBigInt64(this.offset + SM_GROUP_TAG_OFFSET, true) : 0n;
  }

  /** Adds a group tag, which makes the frame SM_LENGTH_WITH_GROUP_TAG long. */
  setGroupTag(value: bigint): this {
    this.view.setInt32(this.offset + FRAME_LENGTH_OFFSET, SM_LENGTH_WITH_GROUP_TAG, true);
    this.view.setBigInt64(this.offset + SM_GROUP_TAG_OFFSET, BigInt.asIntN(64, value), true);
    return this;
  }
}
