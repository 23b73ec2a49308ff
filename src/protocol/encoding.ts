// encoding.ts: how the codecs read and write what a DataView cannot: exact 64-bit integers as
// numbers, opaque 64-bit values, ASCII, and data of variable length.
//
// Positions, terms and times are numbers below 2^53 in TypeScript. They are read as two halves,
// because a BigInt per field would allocate. A peer can send any 64 bits: what a number cannot hold
// becomes NaN, which no comparison accepts, and never a wrong integer.

import { assert } from '../assert.js';

const TWO_POW_32 = 0x1_0000_0000;
const TWO_POW_53 = 2 ** 53;
const INT32_MIN = -0x8000_0000;
const INT32_MAX = 0x7fff_ffff;
const UINT32_MAX = 0xffff_ffff;

/** The null value of an int64 field (the smallest i64). Not a safe integer, but exact. */
export const NULL_LONG = -(2 ** 63);
/** Stands for the largest i64, which is "no limit" in some fields. Not a safe integer. */
export const MAX_LONG = 2 ** 63;
/** The null value of an int32 field and of an enumeration. */
export const NULL_INT = INT32_MIN;
/** The null value of an opaque 64-bit field. */
export const NULL_OPAQUE = -(2n ** 63n);

/** Length of the length that precedes variable data. */
export const VAR_DATA_LENGTH_LENGTH = 4;
/** Length of the head of a repeating group: block length and count, 16 bits each. */
export const GROUP_HEADER_LENGTH = 4;

const QUESTION_MARK = 0x3f;
const ASCII_MAX = 0x7f;
const EMPTY_BYTES = new Uint8Array(0);

/** An encoder whose groups tell it how far they have written. */
export interface GroupOwner {
  groupEnd(end: number): void;
}

/** What a flyweight looks at before it is wrapped around anything. */
export const EMPTY_VIEW: DataView = new DataView(new ArrayBuffer(0));

/**
 * Reads an i64 as a number.
 *
 * @returns the exact value when its magnitude is below 2^53; NULL_LONG or MAX_LONG for the smallest
 * and the largest i64; NaN for all others. Callers check `Number.isSafeInteger`.
 */
export function readInt64(view: DataView, at: number): number {
  const low = view.getUint32(at, true);
  const high = view.getInt32(at + 4, true);
  const value = high * TWO_POW_32 + low;
  if (value > -TWO_POW_53 && value < TWO_POW_53) {
    return value;
  }
  if (high === INT32_MIN && low === 0) {
    return NULL_LONG;
  }
  return high === INT32_MAX && low === UINT32_MAX ? MAX_LONG : Number.NaN;
}

/** Writes a safe integer, NULL_LONG or MAX_LONG as an i64. Others are a broken invariant. */
export function writeInt64(view: DataView, at: number, value: number): void {
  if (value > -TWO_POW_53 && value < TWO_POW_53) {
    assert(Number.isInteger(value), 'an int64 field holds an integer');
    view.setUint32(at, value, true);
    view.setInt32(at + 4, Math.floor(value / TWO_POW_32), true);
    return;
  }
  assert(value === NULL_LONG || value === MAX_LONG, 'an int64 field holds a safe integer');
  view.setUint32(at, value === MAX_LONG ? UINT32_MAX : 0, true);
  view.setInt32(at + 4, value === MAX_LONG ? INT32_MAX : INT32_MIN, true);
}

/** Sets a range to zero, so that padding never carries what a buffer held before. */
export function clearBytes(view: DataView, at: number, length: number): void {
  const end = at + length;
  let cursor = at;
  for (; cursor + 4 <= end; cursor += 4) {
    view.setInt32(cursor, 0, true);
  }
  for (; cursor < end; cursor++) {
    view.setUint8(cursor, 0);
  }
}

/** Reads ASCII. A byte beyond 127 becomes a question mark. */
export function readAscii(view: DataView, at: number, length: number): string {
  let text = '';
  for (let i = 0; i < length; i++) {
    const byte = view.getUint8(at + i);
    text += String.fromCharCode(byte > ASCII_MAX ? QUESTION_MARK : byte);
  }
  return text;
}

/** Writes the first `length` characters; one beyond ASCII becomes a question mark. */
export function writeAscii(view: DataView, at: number, text: string, length: number): void {
  for (let i = 0; i < length; i++) {
    const code = text.charCodeAt(i);
    view.setUint8(at + i, code > ASCII_MAX ? QUESTION_MARK : code);
  }
}

/** Copies bytes out of a view. */
export function readBytes(view: DataView, at: number, length: number): Uint8Array {
  if (length === 0) {
    return EMPTY_BYTES;
  }
  return new Uint8Array(view.buffer, view.byteOffset + at, length).slice();
}

/**
 * Writes a length and then text or bytes. Characters beyond ASCII become question marks: texts on
 * the wire are for people, and a name in another script must not break a protocol message.
 *
 * @returns where the next byte goes.
 */
export function writeVarData(view: DataView, at: number, value: Uint8Array | string): number {
  const length = value.length;
  const start = at + VAR_DATA_LENGTH_LENGTH;
  assert(start + length <= view.byteLength, 'variable data fits into the buffer');
  view.setUint32(at, length, true);
  if (typeof value === 'string') {
    writeAscii(view, start, value, length);
  } else {
    new Uint8Array(view.buffer, view.byteOffset + start, length).set(value);
  }
  return start + length;
}

/** Offset of the bytes of the `index`-th variable data behind `at`. */
export function varDataOffset(view: DataView, at: number, index: number): number {
  let cursor = at;
  for (let i = 0; i < index; i++) {
    cursor += VAR_DATA_LENGTH_LENGTH + view.getUint32(cursor, true);
  }
  return cursor + VAR_DATA_LENGTH_LENGTH;
}

/**
 * Walks `count` variable data from `at` without leaving the range that ends at `end`.
 *
 * @returns the end of the last one, or -1 when one does not fit. -1 as `at` is passed through.
 */
export function skipVarData(view: DataView, at: number, end: number, count: number): number {
  let cursor = at;
  for (let i = 0; i < count; i++) {
    if (cursor < 0 || cursor + VAR_DATA_LENGTH_LENGTH > end) {
      return -1;
    }
    cursor += VAR_DATA_LENGTH_LENGTH + view.getUint32(cursor, true);
    if (cursor > end) {
      return -1;
    }
  }
  return cursor;
}

/**
 * Walks a repeating group from its head without leaving the range that ends at `end`.
 *
 * @param blockLengthMin the least block length that holds the fields we know.
 * @param varDataCount variable data behind each entry's block.
 * @returns the end of the group, or -1 when it does not fit. -1 as `at` is passed through.
 */
export function skipGroup(
  view: DataView,
  at: number,
  end: number,
  blockLengthMin: number,
  varDataCount: number,
): number {
  if (at < 0 || at + GROUP_HEADER_LENGTH > end) {
    return -1;
  }
  const blockLength = view.getUint16(at, true);
  const entryCount = view.getUint16(at + 2, true);
  let cursor = at + GROUP_HEADER_LENGTH;
  if (entryCount > 0 && blockLength < blockLengthMin) {
    return -1;
  }
  for (let i = 0; i < entryCount; i++) {
    cursor += blockLength;
    if (cursor > end) {
      return -1;
    }
    cursor = skipVarData(view, cursor, end, varDataCount);
    if (cursor < 0) {
      return -1;
    }
  }
  return cursor;
}
