// ring.ts: the many-to-one ring between threads.
//
// Shared by AssemblyScript and TypeScript; imports nothing and holds 32-bit constants only. Fields
// and records are those of Agrona's many-to-one ring, but the descriptor comes first: a ring is
// named by one address, and its capacity must be found from that address alone.
//
//  ring +   0  capacity
//       + 128  tail position           producers, compare and swap
//       + 256  head cache position     producers' copy of the head
//       + 384  head position, pending  consumer
//       + 768  data: `capacity` bytes, a power of two
//
//  record:  [ length i32 (< 0 claimed, 0 free) ][ type id i32 ][ payload ... ] aligned to 8

export const RING_CAPACITY_OFFSET: i32 = 0;
/** i64 */
export const RING_TAIL_POSITION_OFFSET: i32 = 128;
/** i64 */
export const RING_HEAD_CACHE_POSITION_OFFSET: i32 = 256;
/** i64 */
export const RING_HEAD_POSITION_OFFSET: i32 = 384;
/** i64: where the head goes at the next release. */
export const RING_PENDING_POSITION_OFFSET: i32 = 392;
export const RING_DESCRIPTOR_LENGTH: i32 = 768;

/** Length of header and payload, unaligned. Written last. */
export const RECORD_LENGTH_OFFSET: i32 = 0;
export const RECORD_TYPE_OFFSET: i32 = 4;
export const RECORD_HEADER_LENGTH: i32 = 8;
export const RECORD_ALIGNMENT: i32 = 8;
/** Fills the end of the ring, or the place of a dead producer's record. */
export const RECORD_TYPE_PADDING: i32 = -1;

/** A ring is at least this long. */
export const RING_CAPACITY_MIN: i32 = 128;
/** A payload is at most capacity >> this. */
export const RING_RECORD_SHARE_SHIFT: i32 = 3;
