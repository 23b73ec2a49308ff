// segment-reader.ts: walks one segment through a buffer and gathers what the summary says.

import { hashFrames, hashInitialize, HASH_STATE_LENGTH } from '../codec/hash';
import {
  CHECK_CHECKSUM,
  CHECK_LEADERSHIP_ASCENT,
  CHECK_PLACE,
  INDEX_ENTRY_LENGTH,
  STOP_CUT_SHORT,
  STOP_EMPTY,
  STOP_END,
  STOP_FRAME_LIMIT,
  STOP_TERM_ID,
  STOP_TERM_OFFSET,
  WALK_CHECKS_OFFSET,
  WALK_INITIAL_TERM_ID_OFFSET,
  WALK_LEADERSHIP_TERM_OFFSET,
  WALK_POSITION_OFFSET,
  WALK_RECORD_LENGTH,
  WALK_STOP_OFFSET,
  WALK_TERM_LENGTH_OFFSET,
  walk,
} from '../codec/walk';
import {
  DATA_HEADER_LENGTH,
  DATA_LEADERSHIP_TERM_OFFSET,
  FRAME_TYPE_OFFSET,
  FRAME_TYPE_PAD,
  TERM_LENGTH_MAX,
} from '../layout/frame';
import { describeFault } from './bad-frame';
import { printFrame } from './frame-line';
import { Input } from './input';
import { Options } from './options';
import { learnTermLength } from './term-length';

/** One read; a longer frame makes the buffer longer. */
const BUFFER_LENGTH: i32 = 256 * 1024;
const INDEX_FRAME_COUNT_MAX: i32 = 4096;

/** What was found in one file. */
export class SegmentReader {
  /** Position of the first byte of the file. */
  begin: i64;
  /** End of the last good frame. */
  position: i64;
  frameCount: i64 = 0;
  paddingCount: i64 = 0;
  payloadLength: i64 = 0;
  paddingLength: i64 = 0;
  /** Low halves of the leadership terms of the first and the last good frame. */
  firstLeadershipTerm: u32 = 0;
  lastLeadershipTerm: u32 = 0;
  termLength: i32;
  isTermLengthLearnt: bool = false;
  /** Whether a frame of length zero ended the file, rather than its last byte. */
  endsEmpty: bool = false;
  /** What is wrong with the frame at `position`; empty when nothing is. */
  fault: string = '';

  private record: usize = heap.alloc(WALK_RECORD_LENGTH);
  private state: usize = heap.alloc(HASH_STATE_LENGTH);
  private index: usize = heap.alloc(INDEX_FRAME_COUNT_MAX * INDEX_ENTRY_LENGTH);
  private buffer: usize = heap.alloc(BUFFER_LENGTH);
  private capacity: i32 = BUFFER_LENGTH;
  private filled: i32 = 0;
  private isAtEnd: bool = false;

  constructor(private input: Input, private options: Options, begin: i64) {
    this.begin = begin;
    this.position = begin;
    this.termLength = options.termLength;
    hashInitialize(this.state);
  }

  /** Two u64 that identify the frames read. */
  hashText(): string {
    const first = load<u64>(this.state).toString(16).padStart(16, '0');
    return first + load<u64>(this.state, 8).toString(16).padStart(16, '0');
  }

  /** Reads to the end of the file, the first frame of length zero, or the first bad frame. */
  run(): void {
    this.fill();
    this.start();
    let goesOn = this.filled > 0;
    while (goesOn) {
      goesOn = this.step();
    }
  }

  release(): void {
    heap.free(this.record);
    heap.free(this.state);
    heap.free(this.index);
    heap.free(this.buffer);
  }

  private fill(): void {
    if (!this.isAtEnd) {
      const room = this.capacity - this.filled;
      const count = this.input.read(this.buffer + <usize>this.filled, room);
      this.filled += count;
      this.isAtEnd = count < room;
    }
  }

  /** Writes the record of the walk; the first frame says what cannot be known before. */
  private start(): void {
    const hasFrame = this.filled >= DATA_HEADER_LENGTH && load<i32>(this.buffer) != 0;
    const initialTermId = this.options.initialTermId;
    if (this.termLength == 0 && hasFrame) {
      this.learn(learnTermLength(this.buffer, this.begin, initialTermId));
    }
    const term = hasFrame ? load<u32>(this.buffer, DATA_LEADERSHIP_TERM_OFFSET) : 0;
    this.firstLeadershipTerm = term;
    const known = this.termLength == 0 ? TERM_LENGTH_MAX : this.termLength;
    const checks = CHECK_PLACE | CHECK_CHECKSUM | CHECK_LEADERSHIP_ASCENT;
    store<f64>(this.record, <f64>this.begin, WALK_POSITION_OFFSET);
    store<i32>(this.record, known, WALK_TERM_LENGTH_OFFSET);
    store<i32>(this.record, initialTermId, WALK_INITIAL_TERM_ID_OFFSET);
    store<i32>(this.record, checks, WALK_CHECKS_OFFSET);
    store<u32>(this.record, term, WALK_LEADERSHIP_TERM_OFFSET);
  }

  private learn(termLength: i32): bool {
    if (this.termLength != 0 || termLength == 0) {
      return false;
    }
    this.termLength = termLength;
    this.isTermLengthLearnt = true;
    store<i32>(this.record, termLength, WALK_TERM_LENGTH_OFFSET);
    return true;
  }

  private step(): bool {
    const count = walk(this.record, this.buffer, this.filled, this.index, INDEX_FRAME_COUNT_MAX);
    const stop = load<i32>(this.record, WALK_STOP_OFFSET);
    for (let i = 0; i < count; i++) {
      const entry = this.index + <usize>(i * INDEX_ENTRY_LENGTH);
      this.takeFrame(load<u32>(entry), load<i32>(entry, 4));
    }
    const end = <i64>load<f64>(this.record, WALK_POSITION_OFFSET);
    const advance = end - this.position;
    const taken = <i32>min<i64>(advance, <i64>this.filled);
    hashFrames(this.state, this.buffer, taken);
    this.position = end;
    this.drop(taken, advance - <i64>taken);
    if (stop == STOP_EMPTY) {
      this.endsEmpty = true;
      return false;
    }
    if (stop == STOP_CUT_SHORT && !this.isAtEnd) {
      this.makeRoom(count == 0);
    } else if (stop != STOP_END && stop != STOP_FRAME_LIMIT && !this.learnsFrom(stop)) {
      this.fault = describeFault(stop, this.record, this.buffer, this.position);
      return false;
    }
    this.fill();
    return this.filled > 0;
  }

  /** A second term that begins where none was expected says how long the first was. */
  private learnsFrom(stop: i32): bool {
    if (stop != STOP_TERM_OFFSET && stop != STOP_TERM_ID) {
      return false;
    }
    const initialTermId = this.options.initialTermId;
    return this.learn(learnTermLength(this.buffer, this.position, initialTermId));
  }

  private takeFrame(frame: usize, frameLength: i32): void {
    const position = this.position + <i64>(frame - this.buffer);
    this.lastLeadershipTerm = load<u32>(frame, DATA_LEADERSHIP_TERM_OFFSET);
    if (<i32>load<u16>(frame, FRAME_TYPE_OFFSET) == FRAME_TYPE_PAD) {
      this.paddingCount++;
      this.paddingLength += <i64>frameLength;
    } else {
      this.frameCount++;
      this.payloadLength += <i64>(frameLength - DATA_HEADER_LENGTH);
    }
    if (this.options.printsFrames) {
      printFrame(frame, position);
    }
  }

  /** Moves what was not taken to the front, and skips what padding covers beyond the buffer. */
  private drop(taken: i32, beyond: i64): void {
    this.filled -= taken;
    memory.copy(this.buffer, this.buffer + <usize>taken, <usize>this.filled);
    let remaining = beyond;
    while (remaining > 0 && !this.isAtEnd) {
      const length = <i32>min<i64>(remaining, <i64>this.capacity);
      const count = this.input.read(this.buffer, length);
      this.isAtEnd = count < length;
      remaining -= <i64>count;
    }
  }

  /** Lengthens the buffer when a single frame does not fit in it. */
  private makeRoom(isTooSmall: bool): void {
    if (isTooSmall && this.filled == this.capacity) {
      this.buffer = heap.realloc(this.buffer, <usize>this.capacity * 2);
      this.capacity *= 2;
    }
  }
}
