// query-records.ts: the records of a QueryBatch or of QueryAnswers, one behind the other.
//
//     0  query id: int64
//     8  length of the body in bytes: uint32
//    12  code of the answer: int32; 0 in a query
//    16  body, padded to 8 bytes
//
// Many of them share one message and its header: what is done for a message is done once for all.

import { readInt64, writeInt64 } from './encoding.js';

const BODY_LENGTH_OFFSET = 8;
const CODE_OFFSET = 12;
/** Bytes in front of the body. */
export const RECORD_HEADER_LENGTH = 16;
const ALIGNMENT_MASK = 7;
/** What `countRecords` says of bytes that are no records. */
export const NO_RECORDS = -1;

/** Bytes of a record. */
export function recordLength(bodyLength: number): number {
  return RECORD_HEADER_LENGTH + ((bodyLength + ALIGNMENT_MASK) & ~ALIGNMENT_MASK);
}

export function recordQueryId(view: DataView, at: number): number {
  return readInt64(view, at);
}

export function recordBodyLength(view: DataView, at: number): number {
  return view.getUint32(at + BODY_LENGTH_OFFSET, true);
}

export function recordCode(view: DataView, at: number): number {
  return view.getInt32(at + CODE_OFFSET, true);
}

/** Writes what precedes a body. */
export function writeRecordHeader(
  view: DataView,
  at: number,
  queryId: number,
  bodyLength: number,
  code: number,
): void {
  writeInt64(view, at, queryId);
  view.setUint32(at + BODY_LENGTH_OFFSET, bodyLength, true);
  view.setInt32(at + CODE_OFFSET, code, true);
}

/** Sets the bytes behind a body to zero: padding never carries what a buffer held before. */
export function clearRecordPadding(view: DataView, at: number, bodyLength: number): void {
  const end = at + recordLength(bodyLength);
  for (let byte = at + RECORD_HEADER_LENGTH + bodyLength; byte < end; byte++) {
    view.setUint8(byte, 0);
  }
}

/**
 * How many records lie in a range; NO_RECORDS when there is none, when they do not end where it
 * does, or when an id is no safe integer. Never throws, whatever the bytes.
 */
export function countRecords(view: DataView, offset: number, length: number): number {
  const end = offset + length;
  let count = 0;
  let at = offset;
  while (at + RECORD_HEADER_LENGTH <= end) {
    const bodyLength = recordBodyLength(view, at);
    if (bodyLength > end - at || !Number.isSafeInteger(recordQueryId(view, at))) {
      return NO_RECORDS;
    }
    at += recordLength(bodyLength);
    count++;
  }
  return at === end && count > 0 ? count : NO_RECORDS;
}
