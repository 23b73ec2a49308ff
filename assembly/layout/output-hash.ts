// output-hash.ts: the area in which a service's output is hashed.
//
// Shared by AssemblyScript and TypeScript; imports nothing and holds 32-bit constants only.
//
//  +  0  the running hash, u64
//  + 64  room for a piece of bytes that lie outside the arena

export const OUTPUT_HASH_LOW_OFFSET: i32 = 0;
export const OUTPUT_HASH_HIGH_OFFSET: i32 = 4;
export const OUTPUT_PIECE_OFFSET: i32 = 64;
/** Bytes that are hashed as one piece, wherever they lie. */
export const OUTPUT_PIECE_LENGTH: i32 = 4096;
export const OUTPUT_AREA_LENGTH: i32 = 4160;
