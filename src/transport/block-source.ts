// block-source.ts: where a log publication reads what its term buffers no longer hold.
//
// The archive implements it. A reader owns the memory that it reads into; the transport sends from
// there, polls, and never waits.

import type { Position } from '../position.js';

/** One sequential reader of recorded frames. */
export interface BlockReader {
  /**
   * Whole, verified frames from a position on.
   *
   * The transport writes session id and stream id into the bytes, and asks for other bytes only
   * when no socket reads these any more.
   *
   * @param position where a frame starts. @param limit how far the recording is known to reach.
   * @returns position bytes available at `address` (a last padding frame counts whole, though only
   *   its header is in memory); 0 while a read is under way: ask again in the next duty cycle; -1
   *   when the bytes cannot be had, and the reader knows why.
   */
  read(position: Position, limit: Position): number;
  /** Arena address of the bytes of the last successful `read`. */
  readonly address: number;
  /** Idempotent. Memory that a disk still writes to is released by the reader afterwards. */
  close(): void;
}

/** Opens readers: at most two per destination at once. */
export interface BlockSource {
  open(): BlockReader;
}
