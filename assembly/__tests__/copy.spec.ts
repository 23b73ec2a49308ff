import { LOG_CLEANING_POSITION_OFFSET } from '../layout/log-buffer';
import { copyBlock } from '../logbuffer/copy';
import { append } from '../logbuffer/exclusive-append';
import { addressOf, fence, logTail } from '../logbuffer/metadata';
import { logAt, scratchOf, TERM_LENGTH } from './fixture';

const FRAME: i32 = 96;
const BLOCK: i32 = 4096;

/** Three frames of 96 bytes from a position on. */
function framesAt(position: f64): usize {
  const meta = logAt(0, 0, position);
  for (let i = 0; i < 3; i++) {
    append(meta, scratchOf(meta), 60);
  }
  return meta;
}

function targetOf(meta: usize): usize {
  return scratchOf(meta) + 1024;
}

function copy(meta: usize, from: f64, limit: f64, lengthMax: i32 = BLOCK): i32 {
  return copyBlock(meta, TERM_LENGTH, from, limit, lengthMax, targetOf(meta));
}

describe('copyBlock', () => {
  it('copies what was written, byte for byte, up to the limit', () => {
    const meta = framesAt(0);
    expect<i32>(copy(meta, 0, 2 * FRAME)).toBe(2 * FRAME);
    expect<i32>(memory.compare(targetOf(meta), addressOf(meta, 0), 2 * FRAME)).toBe(0);
    expect<i32>(copy(meta, FRAME, logTail(meta))).toBe(2 * FRAME);
    expect<i32>(memory.compare(targetOf(meta), addressOf(meta, FRAME), 2 * FRAME)).toBe(0);
  });

  it('copies nothing beyond the tail, and no more than it may', () => {
    const meta = framesAt(0);
    expect<i32>(copy(meta, 0, 10 * BLOCK)).toBe(3 * FRAME);
    expect<i32>(copy(meta, 0, 10 * BLOCK, 100)).toBe(100);
    expect<i32>(copy(meta, logTail(meta), 10 * BLOCK)).toBe(0);
    expect<i32>(copy(meta, FRAME, FRAME)).toBe(0);
  });

  it('ends where the term ends', () => {
    const meta = framesAt(TERM_LENGTH - FRAME);
    expect<i32>(copy(meta, TERM_LENGTH - FRAME, logTail(meta))).toBe(FRAME);
    expect<i32>(copy(meta, TERM_LENGTH, logTail(meta))).toBe(2 * FRAME);
  });

  it('says that bytes are not whole which are being cleaned', () => {
    const meta = framesAt(0);
    store<i64>(meta, FRAME, LOG_CLEANING_POSITION_OFFSET);
    expect<i32>(copy(meta, 0, logTail(meta))).toBe(-1);
    expect<i32>(copy(meta, FRAME, logTail(meta))).toBe(2 * FRAME);
  });
});

describe('fence', () => {
  it('keeps the word', () => {
    const meta = framesAt(0);
    store<i32>(targetOf(meta), -123_456_789);
    fence(targetOf(meta));
    expect<i32>(load<i32>(targetOf(meta))).toBe(-123_456_789);
  });
});
