// verify.ts: checks bytes that were read from a segment file.
//
// A frame that says the wrong place, the wrong leadership term or the wrong crc ends the valid
// prefix: whether that is a torn tail or corruption is for the caller to say, who knows the mark.

import { frameChecksum } from '../checksum/frame-checksum';
import {
  DATA_CHECKSUM_OFFSET,
  DATA_LEADERSHIP_TERM_OFFSET,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
} from '../layout/frame';
import { alignFrame, termCountOf, termOffsetOf } from './metadata';
import { isWholeFrame } from './scan';

function isValidAt(
  frame: usize,
  position: i64,
  termLength: i32,
  initialTermId: i32,
  leadershipTermLow: i32,
): bool {
  const frameLength = load<i32>(frame);
  const termOffset = termOffsetOf(position, termLength);
  return (
    frameLength <= termLength - termOffset &&
    load<i32>(frame, DATA_TERM_OFFSET_OFFSET) == termOffset &&
    load<i32>(frame, DATA_TERM_ID_OFFSET) == initialTermId + termCountOf(position, termLength) &&
    load<i32>(frame, DATA_LEADERSHIP_TERM_OFFSET) == leadershipTermLow &&
    load<u32>(frame, DATA_CHECKSUM_OFFSET) == frameChecksum(frame, frameLength)
  );
}

/**
 * Length of the valid prefix, in position bytes.
 *
 * Padding counts whole, so the result may be greater than `length` when padding ends the bytes: the
 * caller reads on at position + result.
 */
export function verifyBytes(
  address: usize,
  length: i32,
  position: f64,
  termLength: i32,
  initialTermId: i32,
  leadershipTermLow: i32,
): f64 {
  const begin = <i64>position;
  let offset: i64 = 0;
  while (offset < <i64>length) {
    const frame = address + <usize>offset;
    if (!isWholeFrame(frame, length - <i32>offset)) {
      break;
    }
    if (!isValidAt(frame, begin + offset, termLength, initialTermId, leadershipTermLow)) {
      break;
    }
    offset += <i64>alignFrame(load<i32>(frame));
  }
  return <f64>offset;
}
