// data-header-flyweight.ts: the header of data and padding frames. It is drawn in
// assembly/layout/frame.ts.
//
// It stands alone, without the base class of the control frames: it is read per message, and shared
// base methods would see many shapes.

import {
  DATA_CHECKSUM_OFFSET,
  DATA_HEADER_LENGTH,
  DATA_LEADERSHIP_TERM_OFFSET,
  DATA_RESERVED_VALUE_OFFSET,
  DATA_SESSION_ID_OFFSET,
  DATA_STREAM_ID_OFFSET,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  FRAME_FLAGS_OFFSET,
  FRAME_LENGTH_OFFSET,
  FRAME_TYPE_DATA,
  FRAME_TYPE_OFFSET,
} from '../../assembly/layout/frame.js';
import { EMPTY_VIEW } from './encoding.js';
import { writeFrameHeader } from './frames.js';

/** Reads and writes the 32 bytes before a payload. Check `isFrameValid` before reading. */
export class DataHeaderFlyweight {
  private view: DataView = EMPTY_VIEW;
  private offset = 0;

  /** Reads or changes the header at `offset`. */
  wrap(view: DataView, offset: number): this {
    this.view = view;
    this.offset = offset;
    return this;
  }

  /**
   * Writes length, version, flags and type, and sets the reserved value to zero.
   *
   * @param frameLength header and payload; 0 for a heartbeat.
   * @param type FRAME_TYPE_DATA or FRAME_TYPE_PAD.
   */
  wrapAndApplyHeader(
    view: DataView,
    offset: number,
    frameLength: number,
    flags: number,
    type: number = FRAME_TYPE_DATA,
  ): this {
    writeFrameHeader(view, offset, frameLength, flags, type);
    view.setInt32(offset + DATA_RESERVED_VALUE_OFFSET, 0, true);
    view.setInt32(offset + DATA_RESERVED_VALUE_OFFSET + 4, 0, true);
    return this.wrap(view, offset);
  }

  frameLength(): number {
    return this.view.getInt32(this.offset + FRAME_LENGTH_OFFSET, true);
  }

  flags(): number {
    return this.view.getUint8(this.offset + FRAME_FLAGS_OFFSET);
  }

  frameType(): number {
    return this.view.getUint16(this.offset + FRAME_TYPE_OFFSET, true);
  }

  /** Offset of the payload in the view. */
  payloadOffset(): number {
    return this.offset + DATA_HEADER_LENGTH;
  }

  /** Length of the payload; negative for a heartbeat. */
  payloadLength(): number {
    return this.frameLength() - DATA_HEADER_LENGTH;
  }

  termOffset(): number {
    return this.view.getInt32(this.offset + DATA_TERM_OFFSET_OFFSET, true);
  }

  setTermOffset(value: number): this {
    this.view.setInt32(this.offset + DATA_TERM_OFFSET_OFFSET, value, true);
    return this;
  }

  sessionId(): number {
    return this.view.getInt32(this.offset + DATA_SESSION_ID_OFFSET, true);
  }

  setSessionId(value: number): this {
    this.view.setInt32(this.offset + DATA_SESSION_ID_OFFSET, value, true);
    return this;
  }

  streamId(): number {
    return this.view.getInt32(this.offset + DATA_STREAM_ID_OFFSET, true);
  }

  setStreamId(value: number): this {
    this.view.setInt32(this.offset + DATA_STREAM_ID_OFFSET, value, true);
    return this;
  }

  termId(): number {
    return this.view.getInt32(this.offset + DATA_TERM_ID_OFFSET, true);
  }

  setTermId(value: number): this {
    this.view.setInt32(this.offset + DATA_TERM_ID_OFFSET, value, true);
    return this;
  }

  /** crc32c of the frame, unsigned; 0 from a client that computes none. */
  checksum(): number {
    return this.view.getUint32(this.offset + DATA_CHECKSUM_OFFSET, true);
  }

  setChecksum(value: number): this {
    this.view.setUint32(this.offset + DATA_CHECKSUM_OFFSET, value, true);
    return this;
  }

  /** Low 32 bits of the leadership term, unsigned. */
  leadershipTermLow(): number {
    return this.view.getUint32(this.offset + DATA_LEADERSHIP_TERM_OFFSET, true);
  }

  setLeadershipTermLow(value: number): this {
    this.view.setUint32(this.offset + DATA_LEADERSHIP_TERM_OFFSET, value, true);
    return this;
  }
}
