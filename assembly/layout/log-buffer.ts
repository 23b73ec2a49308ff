// log-buffer.ts: our own fields in the metadata page of a log buffer.
//
// Shared by AssemblyScript and TypeScript; imports nothing and holds 32-bit constants only. The
// fields of the public layout end at byte 504 of the page (frame.ts); ours start at 1024. Every
// position is an i64 alone on a line of 128 bytes, so that any thread can use it as a counter.
//
//  meta +    0  public layout: tails, connection, geometry, default frame header
//       + 1024  publisher limit     written by the conductor, read by the publisher
//       + 1152  clean position      written by whoever cleans, read by writers
//       + 1280  rebuild position    written by the receiver, read by every consumer of the image
//       + 1408  high-water mark     written by the receiver
//       + 1536  checksum mode, leadership term
//       + 1664  cleaning position   written by whoever cleans, read by those who copy meanwhile

/** i64: an append must end at or below it. */
export const LOG_PUBLISHER_LIMIT_OFFSET: i32 = 1024;
/** i64: bytes below it are zero again and belong to the positions three terms later. */
export const LOG_CLEAN_POSITION_OFFSET: i32 = 1152;
/** i64: every frame below it was received and is well-formed. */
export const LOG_REBUILD_POSITION_OFFSET: i32 = 1280;
/** i64: the highest position known to exist at the source. */
export const LOG_HIGH_WATER_MARK_OFFSET: i32 = 1408;
/** i32: 1 when frames carry a checksum and a leadership term in their reserved value. */
export const LOG_CHECKSUM_ENABLED_OFFSET: i32 = 1536;
/** i32: low 32 bits of the leadership term that appended frames carry. */
export const LOG_LEADERSHIP_TERM_LOW_OFFSET: i32 = 1540;

/** i64: bytes below it are zero, or are being zeroed now. Never behind the clean position. */
export const LOG_CLEANING_POSITION_OFFSET: i32 = 1664;

/** Written in the metadata as the page size of the log buffer. */
export const LOG_PAGE_SIZE: i32 = 4096;
