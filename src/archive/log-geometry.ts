// log-geometry.ts: where in which file a position of the log lies.
//
// The log is recording 0 of its archive, from position 0 on, with initial term id 0 for the life of
// the cluster. A segment file holds whole terms, so a frame never crosses a file.

import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import { type Position, positionBitsToShift } from '../position.js';

/** The log is recording 0, as in Aeron's segment names. */
export const LOG_RECORDING_ID = 0;
export const LOG_INITIAL_TERM_ID = 0;
/** Segment files are at most 1 GiB, as in Aeron. */
export const SEGMENT_LENGTH_MAX = 1024 * 1024 * 1024;

const PREPARED_SUFFIX = '.next';
const SEGMENT_NAME = /^0-(0|[1-9][0-9]{0,15})\.rec$/;

/** Lengths that are fixed when a log is born. */
export interface LogGeometry {
  /** Bytes of a term buffer: a power of two, 64 KiB to 1 GiB. */
  readonly termLength: number;
  /** Bytes of a segment file: a multiple of the term length, at most 1 GiB. */
  readonly segmentLength: number;
}

/** Checks a geometry as a whole. Throws CONFIGURATION_INVALID. */
export function checkGeometry(geometry: LogGeometry): void {
  positionBitsToShift(geometry.termLength);
  const { segmentLength, termLength } = geometry;
  const whole = Number.isSafeInteger(segmentLength) && segmentLength % termLength === 0;
  if (!whole || segmentLength < termLength || segmentLength > SEGMENT_LENGTH_MAX) {
    throw new PawlError(
      ErrorCode.ConfigurationInvalid,
      `segment length is ${segmentLength} bytes: use a multiple of the term length ` +
        `(${termLength}) of at most ${SEGMENT_LENGTH_MAX}`,
    );
  }
}

/** Base position of the segment that holds a position. */
export function segmentBaseOf(position: Position, segmentLength: number): Position {
  return position - (position % segmentLength);
}

/** Name of the segment file with a base position. */
export function segmentFileName(base: Position): string {
  assert(Number.isSafeInteger(base) && base >= 0, 'a segment base is a position');
  return `${LOG_RECORDING_ID}-${base}.rec`;
}

/**
 * Name of a segment file that is made ahead of need. It gets its own name before its first frame:
 * whoever looks at segments, such as an Aeron archive, finds none that is empty.
 */
export function preparedFileName(base: Position): string {
  assert(Number.isSafeInteger(base) && base >= 0, 'a segment base is a position');
  return `${LOG_RECORDING_ID}-${base}${PREPARED_SUFFIX}`;
}

/** Whether a name is that of a segment file made ahead of need. */
export function isPreparedFileName(name: string): boolean {
  return name.startsWith(`${LOG_RECORDING_ID}-`) && name.endsWith(PREPARED_SUFFIX);
}

/** Base position that a segment's file name tells; -1 when it is no segment of the log. */
export function parseSegmentFileName(name: string): Position {
  const match = SEGMENT_NAME.exec(name);
  const base = match === null ? -1 : Number(match[1]);
  return Number.isSafeInteger(base) ? base : -1;
}

/** Bases of the log's segments among a directory's names, ascending. */
export function segmentBases(names: readonly string[]): Position[] {
  return names
    .map(parseSegmentFileName)
    .filter((base) => base >= 0)
    .sort((left, right) => left - right);
}
