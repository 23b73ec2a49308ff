// frames.ts: alignment of frames, and which datagrams may be looked at.
//
// Everything that arrives on a socket passes `isFrameValid` (and, for data, `isDataDatagramValid`)
// before a flyweight reads it. What fails is counted and dropped: nothing here throws.

import {
  DATA_HEADER_LENGTH,
  DATA_SESSION_ID_OFFSET,
  DATA_STREAM_ID_OFFSET,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  ERR_HEADER_LENGTH,
  ERR_TEXT_LENGTH_MAX,
  ERR_TEXT_LENGTH_OFFSET,
  FRAME_ALIGNMENT,
  FRAME_ALIGNMENT_MASK,
  FRAME_COMMON_HEADER_LENGTH,
  FRAME_FLAGS_OFFSET,
  FRAME_LENGTH_OFFSET,
  FRAME_TYPE_DATA,
  FRAME_TYPE_ERR,
  FRAME_TYPE_NAK,
  FRAME_TYPE_OFFSET,
  FRAME_TYPE_PAD,
  FRAME_TYPE_RSP_SETUP,
  FRAME_TYPE_RTTM,
  FRAME_TYPE_SETUP,
  FRAME_TYPE_SM,
  FRAME_VERSION,
  FRAME_VERSION_OFFSET,
  MTU_LENGTH_MAX,
  MTU_LENGTH_MIN,
  NAK_LENGTH,
  NAK_RANGE_LENGTH_OFFSET,
  NAK_TERM_OFFSET_OFFSET,
  RSP_SETUP_LENGTH,
  RTTM_LENGTH,
  SETUP_ACTIVE_TERM_ID_OFFSET,
  SETUP_INITIAL_TERM_ID_OFFSET,
  SETUP_LENGTH,
  SETUP_MTU_OFFSET,
  SETUP_TERM_LENGTH_OFFSET,
  SETUP_TERM_OFFSET_OFFSET,
  SM_CONSUMPTION_TERM_OFFSET_OFFSET,
  SM_LENGTH,
  SM_RECEIVER_WINDOW_OFFSET,
  TERM_LENGTH_MAX,
  TERM_LENGTH_MIN,
} from '../../assembly/layout/frame.js';
import { positionLimit } from '../position.js';

/** The least multiple of FRAME_ALIGNMENT that is at least `length` (up to 2^53, not only 2^31). */
export function alignFrameLength(length: number): number {
  return Math.ceil(length / FRAME_ALIGNMENT) * FRAME_ALIGNMENT;
}

/** Whether an offset or position can be the start of a frame. */
export function isFrameAligned(value: number): boolean {
  return value % FRAME_ALIGNMENT === 0;
}

/** Frame length as it stands in the header: 0 for a heartbeat or an unwritten frame. */
export function frameLength(view: DataView, offset: number): number {
  return view.getInt32(offset + FRAME_LENGTH_OFFSET, true);
}

export function frameType(view: DataView, offset: number): number {
  return view.getUint16(offset + FRAME_TYPE_OFFSET, true);
}

export function frameFlags(view: DataView, offset: number): number {
  return view.getUint8(offset + FRAME_FLAGS_OFFSET);
}

/** Writes length, version, flags and type. */
export function writeFrameHeader(
  view: DataView,
  offset: number,
  length: number,
  flags: number,
  type: number,
): void {
  view.setInt32(offset + FRAME_LENGTH_OFFSET, length, true);
  view.setUint8(offset + FRAME_VERSION_OFFSET, FRAME_VERSION);
  view.setUint8(offset + FRAME_FLAGS_OFFSET, flags);
  view.setUint16(offset + FRAME_TYPE_OFFSET, type, true);
}

/**
 * Whether a datagram, or one frame of a data datagram, may be read by the flyweight of its type.
 *
 * Types that Pawl does not speak are not valid. Never throws, whatever the bytes.
 *
 * @param offset of the frame in the view.
 * @param length bytes of the datagram from the frame on.
 */
export function isFrameValid(view: DataView, offset: number, length: number): boolean {
  if (
    offset < 0 ||
    length < FRAME_COMMON_HEADER_LENGTH ||
    offset + length > view.byteLength ||
    view.getUint8(offset + FRAME_VERSION_OFFSET) !== FRAME_VERSION
  ) {
    return false;
  }
  const type = frameType(view, offset);
  if (type === FRAME_TYPE_DATA || type === FRAME_TYPE_PAD) {
    return isDataFrameValid(view, offset, length, type);
  }
  const stated = frameLength(view, offset);
  const lengthMin = controlFrameLengthMin(type);
  if (lengthMin < 0 || stated < lengthMin || stated > length) {
    return false;
  }
  switch (type) {
    case FRAME_TYPE_SETUP:
      return isSetupSane(view, offset);
    case FRAME_TYPE_SM:
      return isStatusMessageSane(view, offset);
    case FRAME_TYPE_NAK:
      return isNakSane(view, offset);
    case FRAME_TYPE_ERR:
      return isErrorSane(view, offset, stated);
    default:
      return true;
  }
}

/** The shortest frame of a control type; negative for a type that is not spoken. */
function controlFrameLengthMin(type: number): number {
  switch (type) {
    case FRAME_TYPE_SETUP:
      return SETUP_LENGTH;
    case FRAME_TYPE_SM:
      return SM_LENGTH;
    case FRAME_TYPE_NAK:
      return NAK_LENGTH;
    case FRAME_TYPE_RTTM:
      return RTTM_LENGTH;
    case FRAME_TYPE_ERR:
      return ERR_HEADER_LENGTH;
    case FRAME_TYPE_RSP_SETUP:
      return RSP_SETUP_LENGTH;
    default:
      return -1;
  }
}

/** A padding frame is only its header on the wire, and its length covers the gap in the term. */
function isDataFrameValid(view: DataView, offset: number, length: number, type: number): boolean {
  if (length < DATA_HEADER_LENGTH) {
    return false;
  }
  const termOffset = view.getInt32(offset + DATA_TERM_OFFSET_OFFSET, true);
  if (termOffset < 0 || (termOffset & FRAME_ALIGNMENT_MASK) !== 0) {
    return false;
  }
  const stated = frameLength(view, offset);
  if (stated === 0) {
    return type === FRAME_TYPE_DATA && length === DATA_HEADER_LENGTH;
  }
  if (stated < DATA_HEADER_LENGTH || termOffset + stated > TERM_LENGTH_MAX) {
    return false;
  }
  return type === FRAME_TYPE_PAD || alignFrameLength(stated) <= length;
}

/** Whether this is a heartbeat: a data header with length 0. Check `isFrameValid` first. */
export function isHeartbeat(view: DataView, offset: number): boolean {
  return frameLength(view, offset) === 0 && frameType(view, offset) === FRAME_TYPE_DATA;
}

/**
 * Whether every frame of a data datagram is valid, belongs to the same stream and term, follows the
 * one before without a gap and stays in the term. A padding frame must be the last.
 *
 * @param termLength of the stream; TERM_LENGTH_MAX when not known yet.
 */
export function isDataDatagramValid(
  view: DataView,
  offset: number,
  length: number,
  termLength: number,
): boolean {
  if (!isFrameValid(view, offset, length) || frameType(view, offset) > FRAME_TYPE_DATA) {
    return false;
  }
  const termOffset = view.getInt32(offset + DATA_TERM_OFFSET_OFFSET, true);
  if (isHeartbeat(view, offset)) {
    return termOffset <= termLength;
  }
  const end = offset + length;
  let cursor = offset;
  let expectedTermOffset = termOffset;
  while (cursor < end) {
    if (!isFrameValid(view, cursor, end - cursor) || !isSameStream(view, offset, cursor)) {
      return false;
    }
    const stated = frameLength(view, cursor);
    if (
      stated === 0 ||
      view.getInt32(cursor + DATA_TERM_OFFSET_OFFSET, true) !== expectedTermOffset ||
      expectedTermOffset + alignFrameLength(stated) > termLength
    ) {
      return false;
    }
    if (frameType(view, cursor) === FRAME_TYPE_PAD) {
      return cursor + DATA_HEADER_LENGTH === end;
    }
    cursor += alignFrameLength(stated);
    expectedTermOffset += alignFrameLength(stated);
  }
  return true;
}

function isSameStream(view: DataView, first: number, other: number): boolean {
  return (
    frameType(view, other) <= FRAME_TYPE_DATA &&
    view.getInt32(first + DATA_SESSION_ID_OFFSET, true) ===
      view.getInt32(other + DATA_SESSION_ID_OFFSET, true) &&
    view.getInt32(first + DATA_STREAM_ID_OFFSET, true) ===
      view.getInt32(other + DATA_STREAM_ID_OFFSET, true) &&
    view.getInt32(first + DATA_TERM_ID_OFFSET, true) ===
      view.getInt32(other + DATA_TERM_ID_OFFSET, true)
  );
}

/** A setup sizes memory and divides by its term length: only possible geometries pass. */
function isSetupSane(view: DataView, offset: number): boolean {
  const termLength = view.getInt32(offset + SETUP_TERM_LENGTH_OFFSET, true);
  const termOffset = view.getInt32(offset + SETUP_TERM_OFFSET_OFFSET, true);
  const mtuLength = view.getInt32(offset + SETUP_MTU_OFFSET, true);
  const initialTermId = view.getInt32(offset + SETUP_INITIAL_TERM_ID_OFFSET, true);
  const activeTermId = view.getInt32(offset + SETUP_ACTIVE_TERM_ID_OFFSET, true);
  const termCount = (activeTermId - initialTermId) | 0;
  return (
    termLength >= TERM_LENGTH_MIN &&
    termLength <= TERM_LENGTH_MAX &&
    (termLength & (termLength - 1)) === 0 &&
    termOffset >= 0 &&
    termOffset <= termLength &&
    (termOffset & FRAME_ALIGNMENT_MASK) === 0 &&
    mtuLength >= MTU_LENGTH_MIN &&
    mtuLength <= MTU_LENGTH_MAX &&
    (mtuLength & FRAME_ALIGNMENT_MASK) === 0 &&
    termCount >= 0 &&
    // The end of the last term of all names no term, and a log buffer cannot start there.
    termCount * termLength + termOffset < positionLimit(termLength)
  );
}

function isStatusMessageSane(view: DataView, offset: number): boolean {
  const termOffset = view.getInt32(offset + SM_CONSUMPTION_TERM_OFFSET_OFFSET, true);
  const windowLength = view.getInt32(offset + SM_RECEIVER_WINDOW_OFFSET, true);
  return termOffset >= 0 && termOffset <= TERM_LENGTH_MAX && windowLength >= 0;
}

function isNakSane(view: DataView, offset: number): boolean {
  const termOffset = view.getInt32(offset + NAK_TERM_OFFSET_OFFSET, true);
  const rangeLength = view.getInt32(offset + NAK_RANGE_LENGTH_OFFSET, true);
  return termOffset >= 0 && rangeLength > 0 && termOffset + rangeLength <= TERM_LENGTH_MAX;
}

function isErrorSane(view: DataView, offset: number, stated: number): boolean {
  const textLength = view.getInt32(offset + ERR_TEXT_LENGTH_OFFSET, true);
  return (
    textLength >= 0 && textLength <= ERR_TEXT_LENGTH_MAX && ERR_HEADER_LENGTH + textLength <= stated
  );
}
