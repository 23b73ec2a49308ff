// recorder-control.ts: the counters that a recorder shares with its owner.
//
// The recorder may run on another thread, so the two share nothing but term buffers and this block
// of arena memory. Each side writes its own lines; a command is published by its sequence, which is
// written last, and answered by the same sequence in the acknowledgement.
//
//      0  record limit        i64  owner      frames below may be recorded
//    128  commit position     i64  owner      for the durable mark
//    256  written position    i64  recorder   end of the log handed to the operating system
//    384  durable position    i64  recorder   end of the log durable at the configured level
//    512  stop position       i64, 520 stop reason i32  recorder   why it ceased by itself
//    640  command sequence    i32, 644 kind i32, 648 log meta i32, 656 term i64, 664 position i64
//    768  ack sequence        i32, 772 result i32, 776 position i64, 784 closing i32
//    896  wake                i32, 900 sleeping i32     the recorder sleeps on wake
//   1024  owner wake          i32                       bumped by the recorder on progress
//   1152  poison              i32                       the disk failed: nothing is sent any more
//   1280  scratch of the recorder

import type { Arena } from '../memory/arena.js';

export const RECORDER_CONTROL_LENGTH = 4096;

export const RECORDER_RECORD_LIMIT_OFFSET = 0;
export const RECORDER_COMMIT_OFFSET = 128;
export const RECORDER_WRITTEN_OFFSET = 256;
export const RECORDER_DURABLE_OFFSET = 384;
export const RECORDER_STOP_POSITION_OFFSET = 512;
export const RECORDER_STOP_REASON_OFFSET = 520;
export const RECORDER_COMMAND_SEQUENCE_OFFSET = 640;
export const RECORDER_COMMAND_KIND_OFFSET = 644;
export const RECORDER_COMMAND_META_OFFSET = 648;
export const RECORDER_COMMAND_TERM_OFFSET = 656;
export const RECORDER_COMMAND_POSITION_OFFSET = 664;
export const RECORDER_ACK_SEQUENCE_OFFSET = 768;
export const RECORDER_ACK_RESULT_OFFSET = 772;
export const RECORDER_ACK_POSITION_OFFSET = 776;
/** 1 from the acknowledgement of a stop until the last mark is durable and the files are closed. */
export const RECORDER_CLOSING_OFFSET = 784;
export const RECORDER_WAKE_OFFSET = 896;
export const RECORDER_SLEEPING_OFFSET = 900;
export const RECORDER_OWNER_WAKE_OFFSET = 1024;
export const RECORDER_POISON_OFFSET = 1152;
export const RECORDER_SCRATCH_OFFSET = 1280;

export const RecorderCommand = {
  /** Records [position, record limit) of a log buffer as one leadership term. */
  Start: 1,
  /** Makes durable what is written, and ceases. */
  Stop: 2,
} as const;
export type RecorderCommand = (typeof RecorderCommand)[keyof typeof RecorderCommand];

export const RecorderResult = {
  Ok: 0,
  /** The disk is full: nothing was recorded behind the acknowledged position. */
  NoSpace: -1,
} as const;
export type RecorderResult = (typeof RecorderResult)[keyof typeof RecorderResult];

/** Why a recorder ceased without being asked. */
export const RecorderStop = {
  None: 0,
  /** The frame at the stop position belongs to another leadership term. */
  OtherTerm: 1,
  /** The disk is full: a leader steps down, a follower acknowledges nothing more. */
  NoSpace: 2,
} as const;
export type RecorderStop = (typeof RecorderStop)[keyof typeof RecorderStop];

/** Allocates a control block, zeroed. Release it with RECORDER_CONTROL_LENGTH. */
export function allocateRecorderControl(arena: Arena): number {
  return arena.allocate(RECORDER_CONTROL_LENGTH);
}
