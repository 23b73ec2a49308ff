// codec-exports.ts: what codec.wasm exports, as TypeScript sees it.
//
// The module exports its constants under the same names; a test compares them with these. The
// functions are described in assembly/codec/: an `address` is a byte offset into the memory of the
// codec, a `position` crosses as f64.

/** Where the walk leaves what it has found. */
export const WALK_RECORD_ADDRESS = 0x5000;
export const WALK_POSITION_OFFSET = 0;
export const WALK_TERM_LENGTH_OFFSET = 8;
export const WALK_INITIAL_TERM_ID_OFFSET = 12;
export const WALK_CHECKS_OFFSET = 16;
export const WALK_LEADERSHIP_TERM_OFFSET = 20;
export const WALK_STOP_OFFSET = 24;
export const WALK_RECORD_LENGTH = 32;

export const HASH_STATE_ADDRESS = 0x5040;
export const HASH_STATE_LENGTH = 16;

/** Entries of i32 frame address and i32 unaligned frame length. */
export const INDEX_ADDRESS = 0x6000;
export const INDEX_ENTRY_LENGTH = 8;
export const INDEX_FRAME_COUNT_MAX = 4096;

export const INPUT_ADDRESS = 0x10000;

/** What a walk checks of each frame besides its length, version and type; added up. */
export const CHECK_PLACE = 1;
export const CHECK_CHECKSUM = 2;
export const CHECK_LEADERSHIP_TERM = 4;
export const CHECK_LEADERSHIP_ASCENT = 8;

/** Why a walk stopped; the numbers that are not reasons for a user. */
export const STOP_END = 0;
export const STOP_EMPTY = 1;
export const STOP_CUT_SHORT = 2;
export const STOP_FRAME_LIMIT = 3;

/** The functions and the memory of one instance. */
export interface CodecExports {
  readonly memory: WebAssembly.Memory;
  /** Fills the tables of the checksum. Once, before anything else. */
  initialize(): void;
  /** Signed result: use `>>> 0`. */
  crc32c(address: number, length: number, seed: number): number;
  /** Signed result: use `>>> 0`. */
  frameChecksum(frame: number, frameLength: number): number;
  /** Number of frames taken; position and reason stand in the record. */
  walk(record: number, address: number, length: number, index: number, frameMax: number): number;
  hashInitialize(state: number): void;
  /** Bytes by which the position moved. */
  hashFrames(state: number, address: number, length: number): number;
  /** Address of the input, or 0 when the memory cannot grow. */
  reserve(length: number): number;
}
