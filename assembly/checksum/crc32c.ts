// crc32c.ts: Castagnoli CRC over linear memory, sixteen bytes per step.
//
// The tables lie at a fixed address, because static data would be written again by every instance
// on a shared memory. Whoever creates the memory calls `initializeTables` once before any other
// use.

import { CRC_TABLES_ADDRESS, CRC_TABLE_COUNT, CRC_TABLE_LENGTH } from '../layout/memory-map';

/** The Castagnoli polynomial, bits reversed. */
// @ts-ignore: decorator
@inline
const POLYNOMIAL: u32 = 0x82f63b78;

// @ts-ignore: decorator
@inline
function tableAddress(table: i32, byte: u32): usize {
  return <usize>(CRC_TABLES_ADDRESS + table * CRC_TABLE_LENGTH) + (<usize>byte << 2);
}

// @ts-ignore: decorator
@inline
function entry(table: i32, byte: u32): u32 {
  return load<u32>(tableAddress(table, byte));
}

/** Fills the sixteen tables. Idempotent: every caller writes the same values. */
export function initializeTables(): void {
  for (let byte: u32 = 0; byte < 256; byte++) {
    let value = byte;
    for (let bit = 0; bit < 8; bit++) {
      value = value & 1 ? (value >>> 1) ^ POLYNOMIAL : value >>> 1;
    }
    store<u32>(tableAddress(0, byte), value);
  }
  for (let table = 1; table < CRC_TABLE_COUNT; table++) {
    for (let byte: u32 = 0; byte < 256; byte++) {
      const previous = load<u32>(tableAddress(table - 1, byte));
      store<u32>(tableAddress(table, byte), (previous >>> 8) ^ entry(0, previous & 0xff));
    }
  }
}

/** What four bytes contribute, `table` being the table of the last of them. */
// @ts-ignore: decorator
@inline
function contribution(table: i32, word: u32): u32 {
  return (
    entry(table + 3, word & 0xff) ^
    entry(table + 2, (word >>> 8) & 0xff) ^
    (entry(table + 1, (word >>> 16) & 0xff) ^ entry(table, word >>> 24))
  );
}

/**
 * One step over four words, of which the first already holds the running crc.
 *
 * Only that one has to wait for the step before: it comes last, so that the others are looked up
 * meanwhile. In one chain that began with it, a step took more than twice the time.
 */
// @ts-ignore: decorator
@inline
export function crcStep16(w0: u32, w1: u32, w2: u32, w3: u32): u32 {
  const rest = contribution(8, w1) ^ contribution(4, w2) ^ contribution(0, w3);
  return rest ^ contribution(12, w0);
}

/** Continues an inner crc (not inverted) over a range. */
export function crcContinue(crc: u32, address: usize, length: i32): u32 {
  let cursor = address;
  let remaining = length;
  while (remaining >= 16) {
    crc = crcStep16(
      crc ^ load<u32>(cursor),
      load<u32>(cursor, 4),
      load<u32>(cursor, 8),
      load<u32>(cursor, 12),
    );
    cursor += 16;
    remaining -= 16;
  }
  while (remaining >= 4) {
    const word = crc ^ load<u32>(cursor);
    crc =
      entry(3, word & 0xff) ^
      entry(2, (word >>> 8) & 0xff) ^
      entry(1, (word >>> 16) & 0xff) ^
      entry(0, word >>> 24);
    cursor += 4;
    remaining -= 4;
  }
  while (remaining > 0) {
    crc = (crc >>> 8) ^ entry(0, (crc ^ load<u8>(cursor)) & 0xff);
    cursor++;
    remaining--;
  }
  return crc;
}

/** crc32c of a range: seed 0 to start, a previous result to go on. */
export function crc32c(address: usize, length: i32, seed: u32): u32 {
  return ~crcContinue(~seed, address, length);
}
