// position.ts: byte positions of a stream, and how they map to terms.
//
// A position is a number of bytes since the start of a stream, always a multiple of
// FRAME_ALIGNMENT. It is a plain number below 2^53: a varying BigInt costs three to ten times as
// much to cross a call.

import { assert } from './assert.js';
import { ErrorCode, PawlError } from './errors.js';

/** Byte position in a stream. Invariant: a safe integer >= 0, or POSITION_NULL. */
export type Position = number;
/** Identifies the reign of one leader. Invariant: a safe integer >= 0, or TERM_NULL. */
export type LeadershipTermId = number;

/** No position known. */
export const POSITION_NULL = -1;
/** No leadership term known. */
export const TERM_NULL = -1;
/** No member known. */
export const MEMBER_NULL = -1;

/** Term buffers are powers of two in this range (Aeron: 64 KiB to 1 GiB). */
export const TERM_LENGTH_MIN = 64 * 1024;
export const TERM_LENGTH_MAX = 1024 * 1024 * 1024;

/** The largest position there is: beyond it a number holds no multiple of 32 exactly. */
export const POSITION_MAX = Number.MAX_SAFE_INTEGER - 31;

/**
 * No stream of terms of such a length reaches beyond this position, and every stream starts below
 * it: a term's distance from the initial term is an i32, and positions are exact.
 */
export function positionLimit(termLength: number): Position {
  return Math.min(termLength * 2 ** 31, POSITION_MAX);
}

/** Checks that a value that came from outside is an integer within the exact range of a number. */
export function checkSafeInteger(value: number, name: string): number {
  if (!Number.isSafeInteger(value)) {
    throw new PawlError(
      ErrorCode.ArgumentOutOfRange,
      `${name} is ${value}: it must be an integer between -(2^53 - 1) and 2^53 - 1`,
    );
  }
  return value;
}

/** log2 of a term length. Throws when it is not a power of two within the limits. */
export function positionBitsToShift(termLength: number): number {
  const bits = 31 - Math.clz32(termLength);
  if (termLength < TERM_LENGTH_MIN || termLength > TERM_LENGTH_MAX || 2 ** bits !== termLength) {
    throw new PawlError(
      ErrorCode.ArgumentOutOfRange,
      `term length is ${termLength}: use a power of two from ${TERM_LENGTH_MIN} ` +
        `to ${TERM_LENGTH_MAX}`,
    );
  }
  return bits;
}

/** Position of a term offset. The term count wraps as a signed 32-bit difference, as in Aeron. */
export function computePosition(
  termId: number,
  termOffset: number,
  termLength: number,
  initialTermId: number,
): Position {
  const termCount = (termId - initialTermId) | 0;
  assert(termCount >= 0, `term ${termId} is not before initial term ${initialTermId}`);
  return termCount * termLength + termOffset;
}

/** Term id that holds a position. */
export function termIdAt(position: Position, termLength: number, initialTermId: number): number {
  return (initialTermId + Math.floor(position / termLength)) | 0;
}

/** Offset of a position within its term. */
export function termOffsetAt(position: Position, termLength: number): number {
  return position % termLength;
}
