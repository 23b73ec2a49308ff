// disk-log.ts: the log as a member's simulated disk holds it, read behind the member's back.
//
// At level `fsync` only what a power cut is certain to leave counts; at `page-cache` what survives
// the end of the process.

import {
  DATA_LEADERSHIP_TERM_OFFSET,
  FRAME_ALIGNMENT_MASK,
  FRAME_TYPE_DATA,
  FRAME_TYPE_OFFSET,
  FRAME_TYPE_PAD,
} from '../../../assembly/layout/frame.js';
import { type LogGeometry, segmentBaseOf, segmentFileName } from '../../archive/log-geometry.js';
import type { FileView, VirtualDisk } from '../virtual-disk.js';
import { durableLogStart, durableSnapshotPosition } from './durable-records.js';
import { FrameChain } from './frame-chain.js';
import { hashFrame } from './frame-hash.js';

const SCRATCH_LENGTH = 64 * 1024;
const HEADER_LENGTH = 32;

/** Told of each frame that is read: its leadership term and where it ends. */
export type FrameVisitor = (leadershipTermLow: number, end: number, chained: number) => void;

/**
 * What counts as held: what was made durable, what was written, or what can be read now. Only the
 * last sees what has rotted.
 */
export type Evidence = 'durable' | 'written' | 'readable';

const SNAPSHOTS = {
  durable: (disk: VirtualDisk, name: string) => disk.snapshotDurable(name),
  written: (disk: VirtualDisk, name: string) => disk.snapshotCached(name),
  readable: (disk: VirtualDisk, name: string) => disk.snapshotRaw(name),
} as const;

/** The log on one disk. */
export class DiskLog {
  /** What was read and found to be frames. */
  readonly chain = new FrameChain();
  readonly #disk: VirtualDisk;
  readonly #geometry: LogGeometry;
  readonly #snapshot: (disk: VirtualDisk, name: string) => FileView | undefined;
  #bytes = new Uint8Array(SCRATCH_LENGTH);
  #words = new Int32Array(this.#bytes.buffer);

  constructor(disk: VirtualDisk, geometry: LogGeometry, evidence: Evidence) {
    this.#disk = disk;
    this.#geometry = geometry;
    this.#snapshot = SNAPSHOTS[evidence];
  }

  /**
   * Forgets what was read of the disk. A snapshot on it stands for the log before its position,
   * which may be purged: up to there the disk holds what all members have.
   */
  beginAnew(common: FrameChain): void {
    this.chain.copyFrom(common, durableSnapshotPosition(this.#disk));
  }

  /** Forgets what was read, and begins where the log on the disk begins. */
  skipPurged(common: FrameChain): void {
    this.chain.copyFrom(common, durableLogStart(this.#disk));
  }

  /**
   * Reads frames from the end of the chain up to a position.
   *
   * @returns whether the disk holds whole frames that end exactly there.
   */
  extendTo(position: number, visit?: FrameVisitor): boolean {
    const { chain } = this;
    if (position <= chain.end) {
      return position === 0 || chain.indexOf(position) >= 0;
    }
    while (chain.end < position) {
      const from = chain.end;
      const to = Math.min(position, from + SCRATCH_LENGTH);
      if (!this.#read(from, to) || !this.#walk(from, to, position, visit)) {
        return false;
      }
    }
    return chain.end === position;
  }

  /** Reads all frames from the end of the chain on. Returns where they end. */
  extend(): number {
    const { chain } = this;
    const { segmentLength } = this.#geometry;
    for (;;) {
      const base = segmentBaseOf(chain.end, segmentLength);
      const length = this.#snapshot(this.#disk, segmentFileName(base))?.length ?? 0;
      const end = base + Math.min(segmentLength, length);
      if (end <= chain.end || !this.extendTo(end)) {
        return chain.end;
      }
    }
  }

  /** Pushes the frames in the scratch; false when there is none, or one that is none. */
  #walk(from: number, to: number, limit: number, visit: FrameVisitor | undefined): boolean {
    const words = this.#words;
    const { chain } = this;
    let at = from;
    while (at < to) {
      const offset = at - from;
      const length = words[offset >> 2] as number;
      const type = (words[(offset + FRAME_TYPE_OFFSET) >> 2] as number) >>> 16;
      const end = at + ((length + FRAME_ALIGNMENT_MASK) & ~FRAME_ALIGNMENT_MASK);
      const isFrame = type === FRAME_TYPE_DATA || type === FRAME_TYPE_PAD;
      if (length < HEADER_LENGTH || !isFrame || end > limit) {
        return false;
      }
      if (type === FRAME_TYPE_DATA && end > to) {
        return at > from;
      }
      chain.push(end, hashFrame(words, offset, length, type), type === FRAME_TYPE_PAD);
      const term = words[(offset + DATA_LEADERSHIP_TERM_OFFSET) >> 2] as number;
      visit?.(term >>> 0, end, chain.chained[chain.count - 1] as number);
      at = end;
    }
    return true;
  }

  #read(from: number, to: number): boolean {
    const { segmentLength } = this.#geometry;
    if (to - from > this.#bytes.length) {
      this.#bytes = new Uint8Array(to - from);
      this.#words = new Int32Array(this.#bytes.buffer);
    }
    for (let at = from; at < to; ) {
      const base = segmentBaseOf(at, segmentLength);
      const length = Math.min(to, base + segmentLength) - at;
      const name = segmentFileName(base);
      const file = this.#snapshot(this.#disk, name);
      if (file === undefined || file.read(at - base, this.#bytes, at - from, length) < length) {
        return false;
      }
      at += length;
    }
    return true;
  }
}
