// copy.ts: takes bytes out of a log buffer that another thread goes on cleaning.
//
// A consumer that may be slow holds nothing of the term buffers: it copies, and looks afterwards
// whether what it copied was whole. So neither the leader nor the receiver ever waits for it.
// Beyond the tail, or the rebuild position of an image, stand bytes of three terms ago.

import { LOG_CLEANING_POSITION_OFFSET, LOG_REBUILD_POSITION_OFFSET } from '../layout/log-buffer';
import { fence, positionAddress, tailPosition, termOffsetOf } from './metadata';

/**
 * Copies bytes from a position towards `limit`, at most lengthMax, within one term.
 *
 * Where bytes are read from depends on no field of the metadata page, so that a log buffer which
 * was released meanwhile does no harm; that it was not is for the caller to find out, afterwards.
 *
 * Returns the length, 0 when there is nothing, -1 when the bytes are not whole any more.
 */
export function copyBlock(
  meta: usize,
  termLength: i32,
  from: f64,
  limit: f64,
  lengthMax: i32,
  target: usize,
): i32 {
  const position = <i64>from;
  if (position < atomic.load<i64>(meta, LOG_CLEANING_POSITION_OFFSET)) {
    return -1;
  }
  const inTerm = <i64>(termLength - termOffsetOf(position, termLength));
  const written = max<i64>(
    tailPosition(meta),
    atomic.load<i64>(meta, LOG_REBUILD_POSITION_OFFSET),
  );
  const end = min<i64>(<i64>limit, written);
  const available = min<i64>(end - position, min<i64>(inTerm, <i64>lengthMax));
  if (available <= 0) {
    return 0;
  }
  memory.copy(target, positionAddress(meta, termLength, position), <usize>available);
  fence(target);
  const isWhole = position >= atomic.load<i64>(meta, LOG_CLEANING_POSITION_OFFSET);
  return isWhole ? <i32>available : -1;
}
