// codec.ts: what codec.wasm exports. It has its own memory and imports nothing, so that any runtime
// can read frames, segments and logs with it. docs/codec.md shows how; this file only gathers.

export { initializeTables as initialize, crc32c } from './checksum/crc32c';
export { frameChecksum } from './checksum/frame-checksum';
export { HASH_STATE_LENGTH, hashFrames, hashInitialize } from './codec/hash';
export {
  HASH_STATE_ADDRESS,
  INDEX_ADDRESS,
  INDEX_FRAME_COUNT_MAX,
  INPUT_ADDRESS,
  WALK_RECORD_ADDRESS,
  reserve,
} from './codec/memory';
export {
  CHECK_CHECKSUM,
  CHECK_LEADERSHIP_ASCENT,
  CHECK_LEADERSHIP_TERM,
  CHECK_PLACE,
  INDEX_ENTRY_LENGTH,
  STOP_CHECKSUM,
  STOP_CUT_SHORT,
  STOP_EMPTY,
  STOP_END,
  STOP_FRAME_LENGTH,
  STOP_FRAME_LIMIT,
  STOP_LEADERSHIP_TERM,
  STOP_NO_LENGTH,
  STOP_TERM_ID,
  STOP_TERM_OFFSET,
  STOP_TERM_OVERRUN,
  STOP_TYPE,
  STOP_VERSION,
  WALK_CHECKS_OFFSET,
  WALK_INITIAL_TERM_ID_OFFSET,
  WALK_LEADERSHIP_TERM_OFFSET,
  WALK_POSITION_OFFSET,
  WALK_RECORD_LENGTH,
  WALK_STOP_OFFSET,
  WALK_TERM_LENGTH_OFFSET,
  walk,
} from './codec/walk';
