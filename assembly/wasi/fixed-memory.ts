// fixed-memory.ts: keeps the compiler's own data out of the addresses that the codec uses.
//
// The tables of the checksum lie at a fixed address, in this program as in every other module. Here
// the compiler places literals from the start of memory on, so the range is claimed as static data
// before any literal is. This file is therefore imported first.

import { initializeTables } from '../checksum/crc32c';
import { CRC_TABLES_ADDRESS, CRC_TABLE_COUNT, CRC_TABLE_LENGTH } from '../layout/memory-map';

const CLAIMED_LENGTH: i32 = CRC_TABLES_ADDRESS + CRC_TABLE_COUNT * CRC_TABLE_LENGTH;
const CLAIMED: usize = memory.data(CRC_TABLES_ADDRESS + CRC_TABLE_COUNT * CRC_TABLE_LENGTH);

/** Fills the tables. Ends the program when they do not lie in the claimed range. */
export function initializeFixedMemory(): void {
  const tablesEnd = <usize>(CRC_TABLES_ADDRESS + CRC_TABLE_COUNT * CRC_TABLE_LENGTH);
  assert(CLAIMED <= <usize>CRC_TABLES_ADDRESS && CLAIMED + CLAIMED_LENGTH >= tablesEnd);
  initializeTables();
}
