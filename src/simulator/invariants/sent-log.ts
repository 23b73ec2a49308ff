// sent-log.ts: I-3 (a leader only appends) and I-4 on the wire.
//
// A frame is known by its leadership term and its position. Whoever sends it, now or later, sends
// the same bytes: a leader that sends others has overwritten its own log.

import {
  DATA_LEADERSHIP_TERM_OFFSET,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  FRAME_TYPE_OFFSET,
} from '../../../assembly/layout/frame.js';
import { hashFrame, wordsOf } from './frame-hash.js';
import type { Judge } from './judge.js';

const TERM_FACTOR = 2 ** 32;

interface SentFrame {
  readonly memberId: number;
  readonly hash: number;
}

/** Frames of the log as leaders send them. */
export class SentLog {
  readonly #judge: Judge;
  readonly #termLength: number;
  readonly #frames = new Map<number, SentFrame>();

  constructor(judge: Judge, termLength: number) {
    this.#judge = judge;
    this.#termLength = termLength;
  }

  /** A member sends the frame of the log that starts at `at` in the memory behind a view. */
  onFrame(memberId: number, view: DataView, at: number, frameLength: number): void {
    // The log's initial term id is 0 for the life of the cluster.
    const position =
      view.getInt32(at + DATA_TERM_ID_OFFSET, true) * this.#termLength +
      view.getInt32(at + DATA_TERM_OFFSET_OFFSET, true);
    const termId = view.getUint32(at + DATA_LEADERSHIP_TERM_OFFSET, true);
    const type = view.getUint16(at + FRAME_TYPE_OFFSET, true);
    const hash = hashFrame(wordsOf(view), at, frameLength, type);
    const key = termId * TERM_FACTOR + position;
    const known = this.#frames.get(key);
    if (known === undefined) {
      this.#frames.set(key, { memberId, hash });
    } else if (known.hash !== hash) {
      this.#judge.report(
        known.memberId === memberId ? 'I-3' : 'I-4',
        `member ${memberId} sends a frame of term ${termId} at ${position} that is not the one ` +
          `that member ${known.memberId} has sent`,
      );
    }
  }
}
