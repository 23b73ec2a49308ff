// fixture.ts: memory for the specs, far above what the test runner itself uses.
//
// The functions under test take addresses, so every spec works on raw memory. Slabs are fixed
// places of 4 MiB each; `slab` zeroes one, so that specs do not see each other.

import {
  BLOCK_ADVANCE_OFFSET,
  SCAN_END_OFFSET,
  SCAN_ENTRY_LENGTH,
  SCAN_HEADER_LENGTH,
  SCAN_STOP_OFFSET,
} from '../layout/batch';
import { initializeTables } from '../checksum/crc32c';
import { LOG_METADATA_LENGTH } from '../layout/frame';
import { logInitialize, logSetPublisherLimit, logStartAt } from '../logbuffer/metadata';

const SLABS_START: usize = 64 * 1024 * 1024;
const SLAB_LENGTH: usize = 4 * 1024 * 1024;

export const TERM_LENGTH: i32 = 65536;
export const MTU: i32 = 1408;
export const SESSION_ID: i32 = -7;
export const STREAM_ID: i32 = 1001;

/** Zeroed memory number `index`. */
export function slab(index: i32): usize {
  const address = SLABS_START + <usize>index * SLAB_LENGTH;
  memory.fill(address, 0, SLAB_LENGTH);
  return address;
}

/** A log buffer in slab `index`: the address of its metadata. */
export function logAt(index: i32, initialTermId: i32, position: f64): usize {
  initializeTables();
  const meta = slab(index) + 3 * <usize>TERM_LENGTH;
  logInitialize(meta, TERM_LENGTH, MTU, initialTermId, SESSION_ID, STREAM_ID);
  logStartAt(meta, position);
  logSetPublisherLimit(meta, position + <f64>(2 * TERM_LENGTH));
  return meta;
}

/** Memory behind a log buffer that nothing else uses. */
export function scratchOf(meta: usize): usize {
  return meta + LOG_METADATA_LENGTH;
}

/** Fills a range with bytes that follow from their index. */
export function fillPattern(address: usize, length: i32, seed: i32): void {
  for (let i = 0; i < length; i++) {
    store<u8>(address + <usize>i, <u8>(i * 31 + seed));
  }
}

export function scanEnd(out: usize): f64 {
  return load<f64>(out, SCAN_END_OFFSET);
}

export function scanStop(out: usize): i32 {
  return load<i32>(out, SCAN_STOP_OFFSET);
}

export function scanAddress(out: usize, index: i32): usize {
  const entries = out + <usize>SCAN_HEADER_LENGTH;
  return <usize>load<i32>(entries + <usize>(index * SCAN_ENTRY_LENGTH));
}

export function scanLength(out: usize, index: i32): i32 {
  return load<i32>(out + <usize>SCAN_HEADER_LENGTH + <usize>(index * SCAN_ENTRY_LENGTH), 4);
}

export function blockAdvance(out: usize): i32 {
  return load<i32>(out, BLOCK_ADVANCE_OFFSET);
}
