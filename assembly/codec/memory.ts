// memory.ts: the memory of codec.wasm, and how its host puts bytes there.
//
//  0x01000  crc32c tables, where core.wasm has them too
//  0x05000  the record of a walk
//  0x05040  the state of a hash
//  0x06000  the index: one entry per frame
//  0x10000  input: as many bytes as the host has reserved
//
// There is no allocator: the host reserves room for one block, copies the block there, and calls.
// The addresses up to the input are only a proposal: every function takes them as parameters.

import { HEAP_START } from '../layout/memory-map';

/** Where the host may keep the record of a walk. */
export const WALK_RECORD_ADDRESS: i32 = 0x5000;
/** Where the host may keep the state of a hash. */
export const HASH_STATE_ADDRESS: i32 = 0x5040;
/** Where the host may keep the index of a walk. */
export const INDEX_ADDRESS: i32 = 0x6000;
/** Frames that the index has room for. */
export const INDEX_FRAME_COUNT_MAX: i32 = 4096;
/** First byte of the input. */
export const INPUT_ADDRESS: i32 = HEAP_START;

// @ts-ignore: decorator
@inline
const PAGE_SHIFT: i64 = 16;

/**
 * Makes room for `length` bytes of input, and grows the memory where needed.
 *
 * @returns the address of the input, or 0 when the memory cannot grow.
 */
export function reserve(length: i32): i32 {
  const end = <i64>INPUT_ADDRESS + <i64>(<u32>length);
  const pages = (end + (1 << PAGE_SHIFT) - 1) >> PAGE_SHIFT;
  const missing = pages - <i64>memory.size();
  if (missing > 0 && memory.grow(<i32>missing) < 0) {
    return 0;
  }
  return INPUT_ADDRESS;
}
