// many-to-one.ts: messages from any number of threads to one, through shared memory.
//
// A producer moves the tail by compare and swap, marks its record with a negative length, copies,
// and publishes by turning the length positive. The consumer indexes records in batches and zeroes
// them at release, because a producer must find zeroes where it claims.
//
// Length and type of a record are one word, and change together: whoever unblocks a record and its
// producer may come to it at once, and the one that is late must change nothing.

import {
  SCAN_END_OFFSET,
  SCAN_ENTRY_LENGTH,
  SCAN_HEADER_LENGTH,
  SCAN_STOP_FRAME_LIMIT,
  SCAN_STOP_LIMIT,
  SCAN_STOP_OFFSET,
  SCAN_STOP_UNAVAILABLE,
} from '../layout/batch';
import {
  RECORD_ALIGNMENT,
  RECORD_HEADER_LENGTH,
  RECORD_TYPE_OFFSET,
  RECORD_TYPE_PADDING,
  RING_CAPACITY_MIN,
  RING_CAPACITY_OFFSET,
  RING_DESCRIPTOR_LENGTH,
  RING_HEAD_CACHE_POSITION_OFFSET,
  RING_HEAD_POSITION_OFFSET,
  RING_PENDING_POSITION_OFFSET,
  RING_RECORD_SHARE_SHIFT,
  RING_TAIL_POSITION_OFFSET,
} from '../layout/ring';

// @ts-ignore: decorator
@inline
function alignRecord(length: i32): i32 {
  return (length + (RECORD_ALIGNMENT - 1)) & ~(RECORD_ALIGNMENT - 1);
}

/** The header of a record as one word. */
// @ts-ignore: decorator
@inline
function recordWord(length: i32, typeId: i32): i64 {
  return (<i64>typeId << 32) | <i64>(<u32>length);
}

/** Makes an empty ring. `ring` names RING_DESCRIPTOR_LENGTH + capacity bytes. */
export function ringInitialize(ring: usize, capacity: i32): void {
  if (capacity < RING_CAPACITY_MIN || popcnt<i32>(capacity) != 1) {
    unreachable();
  }
  memory.fill(ring, 0, <usize>(RING_DESCRIPTOR_LENGTH + capacity));
  atomic.store<i32>(ring, capacity, RING_CAPACITY_OFFSET);
}

/** Moves the tail over `required` bytes in one piece. Position of the record, -1 without room. */
function claim(ring: usize, capacity: i32, required: i32): i64 {
  const mask = capacity - 1;
  let head = atomic.load<i64>(ring, RING_HEAD_CACHE_POSITION_OFFSET);
  while (true) {
    const tail = atomic.load<i64>(ring, RING_TAIL_POSITION_OFFSET);
    const toEnd = capacity - (<i32>tail & mask);
    // A record does not wrap: padding fills the end of the ring instead.
    const padding = required > toEnd ? toEnd : 0;
    const total = <i64>(required + padding);
    if (tail + total - head > <i64>capacity) {
      head = atomic.load<i64>(ring, RING_HEAD_POSITION_OFFSET);
      if (tail + total - head > <i64>capacity) {
        return -1;
      }
      atomic.store<i64>(ring, head, RING_HEAD_CACHE_POSITION_OFFSET);
    }
    const found = atomic.cmpxchg<i64>(ring, tail, tail + total, RING_TAIL_POSITION_OFFSET);
    if (found == tail) {
      if (padding > 0) {
        const record = ring + RING_DESCRIPTOR_LENGTH + <usize>(<i32>tail & mask);
        atomic.cmpxchg<i64>(record, 0, recordWord(padding, RECORD_TYPE_PADDING));
      }
      return tail + <i64>padding;
    }
  }
}

/** 1 when written, 0 when there is no room, -1 when longer than capacity / 8. */
export function ringWrite(ring: usize, typeId: i32, source: usize, length: i32): i32 {
  const capacity = load<i32>(ring, RING_CAPACITY_OFFSET);
  if (length < 0 || typeId < 1) {
    unreachable();
  }
  if (length > capacity >> RING_RECORD_SHARE_SHIFT) {
    return -1;
  }
  const recordLength = length + RECORD_HEADER_LENGTH;
  const position = claim(ring, capacity, alignRecord(recordLength));
  if (position < 0) {
    return 0;
  }
  const record = ring + RING_DESCRIPTOR_LENGTH + <usize>(<i32>position & (capacity - 1));
  if (atomic.cmpxchg<i64>(record, 0, recordWord(-recordLength, typeId)) != 0) {
    // Unblocked before it was marked: it is padding.
    return 0;
  }
  memory.copy(record + RECORD_HEADER_LENGTH, source, <usize>length);
  // Fails only when this record was unblocked meanwhile, and then it stays padding.
  const found = atomic.cmpxchg<i32>(record, -recordLength, recordLength);
  return <i32>(found == -recordLength);
}

/**
 * Indexes up to `limit` records as pairs (payload address, length). Returns their number.
 *
 * Nothing is consumed before `ringRelease`: a second read indexes the same records again.
 */
export function ringRead(ring: usize, limit: i32, out: usize): i32 {
  const capacity = load<i32>(ring, RING_CAPACITY_OFFSET);
  const mask = capacity - 1;
  const head = load<i64>(ring, RING_HEAD_POSITION_OFFSET);
  let position = head;
  let count = 0;
  let entry = out + SCAN_HEADER_LENGTH;
  let stop = SCAN_STOP_LIMIT;
  while (position - head < <i64>capacity) {
    const record = ring + RING_DESCRIPTOR_LENGTH + <usize>(<i32>position & mask);
    const recordLength = atomic.load<i32>(record);
    if (recordLength <= 0) {
      stop = SCAN_STOP_UNAVAILABLE;
      break;
    }
    if (load<i32>(record, RECORD_TYPE_OFFSET) != RECORD_TYPE_PADDING) {
      if (count >= limit) {
        stop = SCAN_STOP_FRAME_LIMIT;
        break;
      }
      store<i32>(entry, <i32>(record + RECORD_HEADER_LENGTH));
      store<i32>(entry, recordLength - RECORD_HEADER_LENGTH, 4);
      entry += SCAN_ENTRY_LENGTH;
      count++;
    }
    position += <i64>alignRecord(recordLength);
  }
  store<i64>(ring, position, RING_PENDING_POSITION_OFFSET);
  store<f64>(out, <f64>position, SCAN_END_OFFSET);
  store<i32>(out, stop, SCAN_STOP_OFFSET);
  return count;
}

/** Zeroes and releases what the last ringRead indexed. */
export function ringRelease(ring: usize): void {
  const capacity = load<i32>(ring, RING_CAPACITY_OFFSET);
  const head = load<i64>(ring, RING_HEAD_POSITION_OFFSET);
  const pending = load<i64>(ring, RING_PENDING_POSITION_OFFSET);
  if (pending <= head) {
    return;
  }
  const data = ring + RING_DESCRIPTOR_LENGTH;
  const headIndex = <i32>head & (capacity - 1);
  const length = <i32>(pending - head);
  const toEnd = min<i32>(length, capacity - headIndex);
  memory.fill(data + <usize>headIndex, 0, <usize>toEnd);
  memory.fill(data, 0, <usize>(length - toEnd));
  atomic.store<i64>(ring, pending, RING_HEAD_POSITION_OFFSET);
}

/** Index of the first length that is not zero in [from, end), or `end`. */
function firstRecord(data: usize, from: i32, end: i32): i32 {
  let cursor = from;
  while (cursor < end && atomic.load<i32>(data + <usize>cursor) == 0) {
    cursor += RECORD_ALIGNMENT;
  }
  return cursor;
}

/**
 * Length of the run of zeroes at the head, up to the next record; 0 when no record follows.
 *
 * A record that fills the ring exactly is followed by the first of the next round.
 */
function zeroRun(data: usize, capacity: i32, headIndex: i32, tailIndex: i32): i32 {
  const isWrapped = tailIndex <= headIndex;
  const end = isWrapped ? capacity : tailIndex;
  const next = firstRecord(data, headIndex, end);
  if (next == end && !(isWrapped && firstRecord(data, 0, tailIndex) < tailIndex)) {
    return 0;
  }
  // A producer may have come to life behind the cursor: look again from the end.
  for (let i = next - RECORD_ALIGNMENT; i >= headIndex; i -= RECORD_ALIGNMENT) {
    if (atomic.load<i32>(data + <usize>i) != 0) {
      return 0;
    }
  }
  return next - headIndex;
}

/**
 * Turns the record at the head into padding when a dead producer left it unfinished; 1 when it did.
 *
 * The consumer calls this after a timeout. A producer that died before it marked its record can be
 * told from a living one only by a later record, so the last claim in the ring waits for one.
 */
export function ringUnblock(ring: usize): i32 {
  const capacity = load<i32>(ring, RING_CAPACITY_OFFSET);
  const mask = capacity - 1;
  const head = atomic.load<i64>(ring, RING_HEAD_POSITION_OFFSET);
  const tail = atomic.load<i64>(ring, RING_TAIL_POSITION_OFFSET);
  if (head == tail) {
    return 0;
  }
  const data = ring + RING_DESCRIPTOR_LENGTH;
  const headIndex = <i32>head & mask;
  const tailIndex = <i32>tail & mask;
  const record = data + <usize>headIndex;
  const word = atomic.load<i64>(record);
  const seen = <i32>word;
  if (seen > 0) {
    return 0;
  }
  const length = seen < 0 ? -seen : zeroRun(data, capacity, headIndex, tailIndex);
  if (length == 0) {
    return 0;
  }
  return <i32>(
    atomic.cmpxchg<i64>(record, word, recordWord(length, RECORD_TYPE_PADDING)) == word
  );
}
