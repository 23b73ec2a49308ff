// session-table.ts: the leader's table of cluster sessions, as the ingress batch reads it.
//
// Shared by AssemblyScript and TypeScript; imports nothing and holds 32-bit constants only. Open
// addressing with linear probing over twice `capacity` slots; a slot is free when its state is 0.
//
//  table +  0  capacity i32: sessions at most
//        +  4  slot bits i32: log2 of the number of slots
//        +  8  session count i32
//        + 64  slots of 32 bytes
//
//  slot  +  0  cluster session id i64
//        +  8  last activity i64, milliseconds
//        + 16  state i32

export const SESSION_TABLE_CAPACITY_OFFSET: i32 = 0;
export const SESSION_TABLE_SLOT_BITS_OFFSET: i32 = 4;
export const SESSION_TABLE_COUNT_OFFSET: i32 = 8;
export const SESSION_TABLE_HEADER_LENGTH: i32 = 64;

export const SESSION_SLOT_ID_OFFSET: i32 = 0;
export const SESSION_SLOT_ACTIVITY_OFFSET: i32 = 8;
export const SESSION_SLOT_STATE_OFFSET: i32 = 16;
export const SESSION_SLOT_LENGTH: i32 = 32;

export const SESSION_STATE_FREE: i32 = 0;
export const SESSION_STATE_OPEN: i32 = 1;
export const SESSION_STATE_CLOSING: i32 = 2;

/** Result of an insert into a table that holds `capacity` sessions. */
export const SESSION_TABLE_FULL: i32 = -1;
/** Capacity is a power of two up to this. */
export const SESSION_TABLE_CAPACITY_MAX: i32 = 4194304;

// ---- What the batch path reads of a session message: SBE header, then SessionMessageHeader ----

export const SBE_BLOCK_LENGTH_OFFSET: i32 = 0;
export const SBE_TEMPLATE_ID_OFFSET: i32 = 2;
export const SBE_SCHEMA_ID_OFFSET: i32 = 4;
export const SBE_HEADER_LENGTH: i32 = 8;
export const CLUSTER_SCHEMA_ID: i32 = 111;
export const SESSION_MESSAGE_TEMPLATE_ID: i32 = 1;
export const SESSION_MESSAGE_BLOCK_LENGTH: i32 = 24;
/** Offsets in the frame's payload, behind the SBE header. */
export const SESSION_MESSAGE_LEADERSHIP_TERM_OFFSET: i32 = 8;
export const SESSION_MESSAGE_CLUSTER_SESSION_OFFSET: i32 = 16;
export const SESSION_MESSAGE_TIMESTAMP_OFFSET: i32 = 24;
/** SBE header and block: what a session message has at least. */
export const SESSION_MESSAGE_LENGTH_MIN: i32 = 32;
