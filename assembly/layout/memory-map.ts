// memory-map.ts: the fixed addresses at the start of every arena.
//
// Shared by AssemblyScript and TypeScript; imports nothing and holds 32-bit constants only.
//
//  0x00000  guard: nothing is ever stored here, so that address 0 is never a valid slab
//  0x01000  crc32c tables: 16 tables of 256 words, filled once by `initialize`
//  0x05000  unused
//  0x10000  heap: slabs handed out by the arena

/** First byte of the crc32c tables. */
export const CRC_TABLES_ADDRESS: i32 = 0x1000;
/** Bytes of one table: 256 words. */
export const CRC_TABLE_LENGTH: i32 = 1024;
/** Tables, one per byte of a slice. */
export const CRC_TABLE_COUNT: i32 = 16;
/** First byte that slabs may use. */
export const HEAP_START: i32 = 0x10000;
/** Counters lie this far apart, so that two threads never write the same pair of cache lines. */
export const COUNTER_LENGTH: i32 = 128;
