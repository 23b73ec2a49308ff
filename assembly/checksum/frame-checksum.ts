// frame-checksum.ts: the crc that the low half of a frame's reserved value carries.
//
// sessionId and streamId are masked, because a replay may rewrite them; the crc field itself counts
// as zero. A padding frame's crc covers its header alone, because its payload is never sent.

import {
  DATA_HEADER_LENGTH,
  DATA_LEADERSHIP_TERM_OFFSET,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  FRAME_TYPE_OFFSET,
  FRAME_TYPE_PAD,
  FRAME_VERSION_OFFSET,
} from '../layout/frame';
import { crcContinue, crcStep16 } from './crc32c';

/**
 * The crc of a frame.
 *
 * The length is a parameter, because the crc is computed before the length is published.
 */
export function frameChecksum(frame: usize, frameLength: i32): u32 {
  let crc = crcStep16(
    ~(<u32>frameLength),
    load<u32>(frame, FRAME_VERSION_OFFSET),
    load<u32>(frame, DATA_TERM_OFFSET_OFFSET),
    0,
  );
  crc = crcStep16(
    crc,
    load<u32>(frame, DATA_TERM_ID_OFFSET),
    0,
    load<u32>(frame, DATA_LEADERSHIP_TERM_OFFSET),
  );
  if (load<u16>(frame, FRAME_TYPE_OFFSET) != <u16>FRAME_TYPE_PAD) {
    crc = crcContinue(crc, frame + DATA_HEADER_LENGTH, frameLength - DATA_HEADER_LENGTH);
  }
  return ~crc;
}
