// error-flyweight.ts: a receiver tells the sender that it rejects the image.
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
//  |                      Receiver Id (opaque)                     |  16
//  |                                                               |  20
//  +---------------------------------------------------------------+
//  |                       Group Tag (opaque)                      |  24
//  |                                                               |  28
//  +---------------------------------------------------------------+
//  |                        Error Code (i32)                       |  32
//  +---------------------------------------------------------------+
//  |                       Text Length (i32)                       |  36
//  +---------------------------------------------------------------+
//  |                        Text (ASCII) ...                       |  40
//  +---------------------------------------------------------------+

import {
  ERR_CODE_OFFSET,
  ERR_FLAG_HAS_GROUP_TAG,
  ERR_GROUP_TAG_OFFSET,
  ERR_HEADER_LENGTH,
  ERR_RECEIVER_ID_OFFSET,
  ERR_SESSION_ID_OFFSET,
  ERR_STREAM_ID_OFFSET,
  ERR_TEXT_LENGTH_MAX,
  ERR_TEXT_LENGTH_OFFSET,
  ERR_TEXT_OFFSET,
  FRAME_LENGTH_OFFSET,
  FRAME_TYPE_ERR,
} from '../../assembly/layout/frame.js';
import { readAscii, writeAscii } from './encoding.js';
import { FrameFlyweight } from './frame-flyweight.js';

/** Reads and writes an error frame. Check `isFrameValid` before reading. */
export class ErrorFlyweight extends FrameFlyweight {
  /** Writes length, version, flags and type of the frame at `offset`, and wraps it. */
  wrapAndApplyHeader(view: DataView, offset: number, flags: number): this {
    return this.applyHeader(view, offset, ERR_HEADER_LENGTH, flags, FRAME_TYPE_ERR);
  }

  sessionId(): number {
    return this.view.getInt32(this.offset + ERR_SESSION_ID_OFFSET, true);
  }

  setSessionId(value: number): this {
    this.view.setInt32(this.offset + ERR_SESSION_ID_OFFSET, value, true);
    return this;
  }

  streamId(): number {
    return this.view.getInt32(this.offset + ERR_STREAM_ID_OFFSET, true);
  }

  setStreamId(value: number): this {
    this.view.setInt32(this.offset + ERR_STREAM_ID_OFFSET, value, true);
    return this;
  }

  /** Tells receivers behind one address apart. */
  receiverId(): bigint {
    return this.view.getBigInt64(this.offset + ERR_RECEIVER_ID_OFFSET, true);
  }

  receiverIdLow(): number {
    return this.view.getUint32(this.offset + ERR_RECEIVER_ID_OFFSET, true);
  }

  receiverIdHigh(): number {
    return this.view.getUint32(this.offset + ERR_RECEIVER_ID_OFFSET + 4, true);
  }

  setReceiverId(value: bigint): this {
    this.view.setBigInt64(this.offset + ERR_RECEIVER_ID_OFFSET, BigInt.asIntN(64, value), true);
    return this;
  }

  /** The same without an allocation, from two unsigned halves. */
  setReceiverIdHalves(high: number, low: number): this {
    this.view.setUint32(this.offset + ERR_RECEIVER_ID_OFFSET, low, true);
    this.view.setUint32(this.offset + ERR_RECEIVER_ID_OFFSET + 4, high, true);
    return this;
  }

  hasGroupTag(): boolean {
    return (this.flags() & ERR_FLAG_HAS_GROUP_TAG) !== 0;
  }

  /** Tag of the receiver's group; meaningless without ERR_FLAG_HAS_GROUP_TAG. */
  groupTag(): bigint {
    return this.view.getBigInt64(this.offset + ERR_GROUP_TAG_OFFSET, true);
  }

  setGroupTag(value: bigint): this {
    this.view.setBigInt64(this.offset + ERR_GROUP_TAG_OFFSET, BigInt.asIntN(64, value), true);
    return this;
  }

  errorCode(): number {
    return this.view.getInt32(this.offset + ERR_CODE_OFFSET, true);
  }

  setErrorCode(value: number): this {
    this.view.setInt32(this.offset + ERR_CODE_OFFSET, value, true);
    return this;
  }

  text(): string {
    const length = this.view.getInt32(this.offset + ERR_TEXT_LENGTH_OFFSET, true);
    return readAscii(this.view, this.offset + ERR_TEXT_OFFSET, length);
  }

  /** Writes the text, cut at ERR_TEXT_LENGTH_MAX, and the frame length that follows from it. */
  setText(text: string): this {
    const length = Math.min(text.length, ERR_TEXT_LENGTH_MAX);
    writeAscii(this.view, this.offset + ERR_TEXT_OFFSET, text, length);
    this.view.setInt32(this.offset + ERR_TEXT_LENGTH_OFFSET, length, true);
    this.view.setInt32(this.offset + FRAME_LENGTH_OFFSET, ERR_HEADER_LENGTH + length, true);
    return this;
  }
}
