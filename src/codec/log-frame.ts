// log-frame.ts: one frame of a log, as plain values.

import {
  DATA_CHECKSUM_OFFSET,
  DATA_FLAG_BEGIN,
  DATA_FLAG_END,
  DATA_HEADER_LENGTH,
  DATA_LEADERSHIP_TERM_OFFSET,
  DATA_SESSION_ID_OFFSET,
  DATA_STREAM_ID_OFFSET,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  FRAME_FLAGS_OFFSET,
  FRAME_TYPE_DATA,
  FRAME_TYPE_OFFSET,
  FRAME_TYPE_PAD,
} from '../../assembly/layout/frame.js';

const EMPTY_PAYLOAD = new Uint8Array(0);

export const FrameType = {
  /** Fills a term to its end and carries nothing. */
  Padding: FRAME_TYPE_PAD,
  Data: FRAME_TYPE_DATA,
} as const;
export type FrameType = (typeof FrameType)[keyof typeof FrameType];

export const FrameFlag = {
  /** The first fragment of a message. */
  Begin: DATA_FLAG_BEGIN,
  /** The last fragment of a message. */
  End: DATA_FLAG_END,
} as const;

export interface LogFrame {
  /** Position of the first byte of the header. */
  readonly position: number;
  readonly type: FrameType;
  /** A sum of FrameFlag values and two rarer ones, 8 bits. */
  readonly flags: number;
  /** Bytes of header and payload, without alignment; of padding, all that it fills. */
  readonly frameLength: number;
  readonly sessionId: number;
  readonly streamId: number;
  readonly termId: number;
  readonly termOffset: number;
  /** crc32c as it stands in the frame, unsigned. */
  readonly checksum: number;
  /** Low 32 bits of the leadership term, unsigned. */
  readonly leadershipTermLow: number;
  /** The very bytes that were handed over, not a copy. Empty for padding. */
  readonly payload: Uint8Array;
}

/** Reads the frame at an offset. The codec has checked that it is whole. */
export function readFrame(
  view: DataView,
  bytes: Uint8Array,
  offset: number,
  frameLength: number,
  position: number,
): LogFrame {
  const isPadding = view.getUint16(offset + FRAME_TYPE_OFFSET, true) === FRAME_TYPE_PAD;
  return {
    position,
    type: isPadding ? FrameType.Padding : FrameType.Data,
    flags: view.getUint8(offset + FRAME_FLAGS_OFFSET),
    frameLength,
    sessionId: view.getInt32(offset + DATA_SESSION_ID_OFFSET, true),
    streamId: view.getInt32(offset + DATA_STREAM_ID_OFFSET, true),
    termId: view.getInt32(offset + DATA_TERM_ID_OFFSET, true),
    termOffset: view.getInt32(offset + DATA_TERM_OFFSET_OFFSET, true),
    checksum: view.getUint32(offset + DATA_CHECKSUM_OFFSET, true),
    leadershipTermLow: view.getUint32(offset + DATA_LEADERSHIP_TERM_OFFSET, true),
    payload: isPadding
      ? EMPTY_PAYLOAD
      : bytes.subarray(offset + DATA_HEADER_LENGTH, offset + frameLength),
  };
}
