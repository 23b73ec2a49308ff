// batch.ts: the small areas in which batch calls leave their answers.
//
// Shared by AssemblyScript and TypeScript; imports nothing and holds 32-bit constants only. The
// TypeScript side of the contract (src/memory/core.ts) states the same numbers; a test compares.

// ---- Scan area: a header, then pairs of i32 (frame address, frame length) ----

/** f64: position after the last frame examined. */
export const SCAN_END_OFFSET: i32 = 0;
/** i32: why the scan stopped. */
export const SCAN_STOP_OFFSET: i32 = 8;
export const SCAN_HEADER_LENGTH: i32 = 16;
export const SCAN_ENTRY_LENGTH: i32 = 8;

export const SCAN_STOP_LIMIT: i32 = 0;
export const SCAN_STOP_UNAVAILABLE: i32 = 1;
export const SCAN_STOP_FRAME_LIMIT: i32 = 2;
export const SCAN_STOP_MALFORMED: i32 = 3;

// ---- Message entries: what `decodeMessages` makes of the frames of a scan ----

/** i32: address of the message's body; 0 when the frame is no whole session message. */
export const MESSAGE_BODY_OFFSET: i32 = 0;
/** i32: length of the body. */
export const MESSAGE_BODY_LENGTH_OFFSET: i32 = 4;
/** f64: position of the stream after the frame; of every entry. */
export const MESSAGE_POSITION_OFFSET: i32 = 8;
/** f64 each. */
export const MESSAGE_CLUSTER_SESSION_OFFSET: i32 = 16;
export const MESSAGE_TIMESTAMP_OFFSET: i32 = 24;
export const MESSAGE_LEADERSHIP_TERM_OFFSET: i32 = 32;
export const MESSAGE_ENTRY_LENGTH: i32 = 40;

// ---- Block area ----

/** i32: where the block starts. */
export const BLOCK_ADDRESS_OFFSET: i32 = 0;
/** i32: bytes by which the position advances. */
export const BLOCK_ADVANCE_OFFSET: i32 = 4;

// ---- Gap area ----

export const GAP_TERM_ID_OFFSET: i32 = 0;
export const GAP_TERM_OFFSET_OFFSET: i32 = 4;
export const GAP_LENGTH_OFFSET: i32 = 8;

// ---- Results of an insert ----

export const INSERT_MALFORMED: i32 = -1;
export const INSERT_CHECKSUM_MISMATCH: i32 = -2;
export const INSERT_UNDERRUN: i32 = -3;
export const INSERT_OVERRUN: i32 = -4;

// ---- Ingress area ----

/** f64: position in the image after the last frame handled. */
export const INGRESS_END_OFFSET: i32 = 0;
/** i32: why the batch stopped. */
export const INGRESS_STOP_OFFSET: i32 = 8;
/** i32: frames of unknown sessions or other leadership terms, skipped. */
export const INGRESS_REJECTED_OFFSET: i32 = 12;
/** i32: the frame that needs the slow path. */
export const INGRESS_FRAME_ADDRESS_OFFSET: i32 = 16;
export const INGRESS_FRAME_LENGTH_OFFSET: i32 = 20;

export const INGRESS_STOP_DRAINED: i32 = 0;
export const INGRESS_STOP_CONTROL: i32 = 1;
export const INGRESS_STOP_BACK_PRESSURED: i32 = 2;
export const INGRESS_STOP_FRAME_LIMIT: i32 = 3;
