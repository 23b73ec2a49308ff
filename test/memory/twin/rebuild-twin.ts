// rebuild-twin.ts: the receiving side of the log twin.

import { frameChecksumTwin } from './crc32c-twin.js';
import {
  align,
  CHECKSUM_MISMATCH,
  type LogTwin,
  MALFORMED,
  OVERRUN,
  UNDERRUN,
} from './log-twin.js';

const HEADER = 32;

interface Piece {
  readonly from: number;
  readonly length: number;
  readonly isPadding: boolean;
  readonly position: number;
}

export interface TwinGap {
  readonly termId: number;
  readonly termOffset: number;
  readonly length: number;
}

/** Position that a header names, or undefined when it is none of this log. */
function positionOf(log: LogTwin, view: DataView, at: number): number | undefined {
  const { termLength, initialTermId, sessionId, streamId } = log.geometry;
  const termOffset = view.getInt32(at + 8, true);
  const termCount = (view.getInt32(at + 20, true) - initialTermId) | 0;
  const isOurs =
    view.getUint8(at + 4) === 0 &&
    view.getUint16(at + 6, true) <= 1 &&
    view.getInt32(at + 12, true) === sessionId &&
    view.getInt32(at + 16, true) === streamId;
  const isPlace =
    termOffset >= 0 && termOffset < termLength && termOffset % 32 === 0 && termCount >= 0;
  return isOurs && isPlace ? termCount * termLength + termOffset : undefined;
}

/** The frames of a datagram, or undefined when it is malformed. */
function piecesOf(log: LogTwin, view: DataView): Piece[] | undefined {
  const pieces: Piece[] = [];
  let at = 0;
  let expected: number | undefined;
  while (at < view.byteLength) {
    if (view.byteLength - at < HEADER) {
      return undefined;
    }
    const length = view.getInt32(at, true);
    const position = positionOf(log, view, at);
    if (position === undefined || (expected ?? position) !== position) {
      return undefined;
    }
    // A frame after the end of the term would claim offset 0 of the next: not in one datagram.
    if (pieces.length > 0 && position % log.geometry.termLength === 0) {
      return undefined;
    }
    if (length < HEADER || length > log.termRemaining(position)) {
      return undefined;
    }
    const isPadding = view.getUint16(at + 6, true) === 0;
    const rest = view.byteLength - at;
    if (isPadding ? rest !== HEADER : length > rest) {
      return undefined;
    }
    pieces.push({ from: at, length, isPadding, position });
    at += isPadding ? HEADER : align(length);
    expected = position + align(length);
  }
  return pieces;
}

function isChecksumRight(log: LogTwin, view: DataView, piece: Piece): boolean {
  const isThere = view.getInt32(piece.from + 24, true) | view.getInt32(piece.from + 28, true);
  if (!log.isChecksumEnabled && isThere === 0) {
    return true;
  }
  const crc = frameChecksumTwin(view, piece.from, piece.length);
  return view.getUint32(piece.from + 24, true) === crc;
}

/** As core.wasm's rebuildInsert. */
export function insertTwin(log: LogTwin, datagram: Uint8Array): number {
  const view = new DataView(datagram.buffer, datagram.byteOffset, datagram.byteLength);
  const pieces = piecesOf(log, view);
  const first = pieces?.[0];
  const last = pieces?.at(-1);
  if (pieces === undefined || first === undefined || last === undefined) {
    return MALFORMED;
  }
  const end = last.position + align(last.length);
  if (end <= log.rebuilt) {
    return UNDERRUN;
  }
  const wireEnd = last.position + (last.isPadding ? HEADER : align(last.length));
  if (wireEnd > log.clean + log.bytes.length) {
    return OVERRUN;
  }
  if (!pieces.every((piece) => isChecksumRight(log, view, piece))) {
    return CHECKSUM_MISMATCH;
  }
  let inserted = 0;
  log.zero(log.highWater, first.position);
  for (const { from, length, isPadding, position } of pieces) {
    const at = log.offsetOf(position);
    const isThere = position < log.highWater && log.view.getInt32(at, true) !== 0;
    if (position >= log.rebuilt && !isThere) {
      log.clearEnd(position, isPadding ? HEADER : length);
      log.bytes.set(datagram.subarray(from, from + (isPadding ? HEADER : length)), at);
      inserted += align(length);
    }
  }
  const isInOrder = first.position === log.rebuilt && log.highWater === log.rebuilt;
  log.highWater = Math.max(log.highWater, end);
  if (isInOrder) {
    log.rebuilt = end;
  }
  return inserted;
}

/** As core.wasm's rebuildAdvance, for streams whose frames do not overlap. */
export function advanceTwin(log: LogTwin): number {
  const known = Math.min(log.highWater, log.clean + log.bytes.length);
  while (log.rebuilt < known) {
    const length = log.frameAt(log.rebuilt, Number.MAX_SAFE_INTEGER);
    if (length === 0) {
      break;
    }
    log.rebuilt += align(length);
  }
  return log.rebuilt;
}

/** As core.wasm's findGap. */
export function findGapTwin(log: LogTwin): TwinGap | undefined {
  const { termLength, initialTermId } = log.geometry;
  const known = Math.min(log.highWater, log.clean + log.bytes.length);
  let begin = log.rebuilt;
  while (begin < known && log.frameAt(begin, Number.MAX_SAFE_INTEGER) > 0) {
    begin += align(log.frameAt(begin, Number.MAX_SAFE_INTEGER));
  }
  if (begin >= known) {
    return undefined;
  }
  const stop = Math.min(known, begin + log.termRemaining(begin));
  let end = begin + 32;
  while (end < stop && log.view.getInt32(log.offsetOf(end), true) === 0) {
    end += 32;
  }
  return {
    termId: (initialTermId + Math.floor(begin / termLength)) | 0,
    termOffset: begin % termLength,
    length: end - begin,
  };
}
