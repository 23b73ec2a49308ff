// hash.ts: one hash of a whole log, by which the logs of two members are compared.
//
// It runs over frames, so it does not depend on how the bytes were cut into blocks or files. Of
// each frame it takes the header without sessionId and streamId, which a replay may rewrite, and
// the payload; of a padding frame the header alone. What lies between a frame and the next
// alignment is not part of the log. The hash finds differences, it does not keep out an adversary.
//
// Two lanes of 64 bits take the same words of eight bytes. Each step is a bijection of the word, so
// two logs that differ in one word differ in both lanes.

import {
  DATA_HEADER_LENGTH,
  DATA_RESERVED_VALUE_OFFSET,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
} from '../layout/frame';
import { alignFrame } from '../logbuffer/metadata';
import { isPadding, isWholeFrame } from '../logbuffer/scan';

/** Two u64: the lanes. */
export const HASH_STATE_LENGTH: i32 = 16;

// The fractions of the golden ratio and of the plastic number: odd, and without a pattern in their
// bits. The first lane starts at the offset basis of FNV-1a.
// @ts-ignore: decorator
@inline
const MULTIPLIER_A: u64 = 0x9e3779b97f4a7c15;
// @ts-ignore: decorator
@inline
const MULTIPLIER_B: u64 = 0xd1b54a32d192ed03;
// @ts-ignore: decorator
@inline
const SEED_A: u64 = 0xcbf29ce484222325;

// @ts-ignore: decorator
@inline
function mixA(lane: u64, word: u64): u64 {
  return rotl<u64>(lane ^ word, 27) * MULTIPLIER_A;
}

// @ts-ignore: decorator
@inline
function mixB(lane: u64, word: u64): u64 {
  return (rotl<u64>(lane, 31) + word) * MULTIPLIER_B;
}

/** Up to seven bytes as a little-endian word. */
function tailWord(address: usize, length: i32): u64 {
  let word: u64 = 0;
  for (let i = 0; i < length; i++) {
    word |= <u64>load<u8>(address + <usize>i) << (<u64>i << 3);
  }
  return word;
}

/** Starts a hash at any frame. */
export function hashInitialize(state: usize): void {
  store<u64>(state, SEED_A);
  store<u64>(state, MULTIPLIER_B, 8);
}

function hashFrame(state: usize, frame: usize): void {
  let a = load<u64>(state);
  let b = load<u64>(state, 8);
  const lengthAndType = load<u64>(frame);
  const termOffset = <u64>load<u32>(frame, DATA_TERM_OFFSET_OFFSET);
  const termId = <u64>load<u32>(frame, DATA_TERM_ID_OFFSET) << 32;
  const reservedValue = load<u64>(frame, DATA_RESERVED_VALUE_OFFSET);
  a = mixA(mixA(mixA(mixA(a, lengthAndType), termOffset), termId), reservedValue);
  b = mixB(mixB(mixB(mixB(b, lengthAndType), termOffset), termId), reservedValue);
  let cursor = frame + DATA_HEADER_LENGTH;
  let remaining = isPadding(frame) ? 0 : load<i32>(frame) - DATA_HEADER_LENGTH;
  for (; remaining >= 8; remaining -= 8) {
    const word = load<u64>(cursor);
    a = mixA(a, word);
    b = mixB(b, word);
    cursor += 8;
  }
  if (remaining > 0) {
    const word = tailWord(cursor, remaining);
    a = mixA(a, word);
    b = mixB(b, word);
  }
  store<u64>(state, a);
  store<u64>(state, b, 8);
}

/**
 * Takes the whole frames at the start of the bytes into the hash.
 *
 * @returns the bytes by which the position moved; padding counts whole and may exceed `length`.
 * Less than `length` where a frame is cut short, empty or malformed: the caller goes on from there.
 */
export function hashFrames(state: usize, address: usize, length: i32): f64 {
  let offset: i64 = 0;
  while (offset < <i64>length) {
    const frame = address + <usize>offset;
    if (!isWholeFrame(frame, length - <i32>offset)) {
      break;
    }
    hashFrame(state, frame);
    offset += <i64>alignFrame(load<i32>(frame));
  }
  return <f64>offset;
}
