// fragment-header.ts: what a handler learns about the fragment it is handed.

import {
  DATA_CHECKSUM_OFFSET,
  DATA_FLAG_BEGIN,
  DATA_FLAG_END,
  DATA_HEADER_LENGTH,
  DATA_LEADERSHIP_TERM_OFFSET,
  DATA_SESSION_ID_OFFSET,
  DATA_STREAM_ID_OFFSET,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  FRAME_ALIGNMENT,
  FRAME_FLAGS_OFFSET,
  FRAME_LENGTH_OFFSET,
} from '../../assembly/layout/frame.js';
import type { Position } from '../position.js';

/** What a controlled handler answers. */
export const Action = {
  /** Go on; the position moves when the poll ends. */
  Continue: 0,
  /** Go on, and move the position now. */
  Commit: 1,
  /** This fragment is consumed; stop after it. */
  Break: 2,
  /** This fragment is not consumed: stop, and deliver it again in the next poll. */
  Abort: 3,
} as const;
export type Action = (typeof Action)[keyof typeof Action];

/**
 * Receives a fragment. Bytes and header are valid during the call only.
 *
 * @param view of the memory that holds the payload. @param offset of the payload in the view.
 * @param length of the payload in bytes. @param header one instance serves all calls in turn.
 */
export type FragmentHandler = (
  view: DataView,
  offset: number,
  length: number,
  header: FragmentHeader,
) => void;

/** As FragmentHandler, with a say in what is consumed. */
export type ControlledFragmentHandler = (
  view: DataView,
  offset: number,
  length: number,
  header: FragmentHeader,
) => Action;

/** A view of the header of a published data frame. */
export class FragmentHeader {
  #view: DataView = new DataView(new ArrayBuffer(DATA_HEADER_LENGTH));
  #offset = 0;
  #initialTermId = 0;
  #termLength = 0;

  /** Reads frames of a stream with this geometry from now on. */
  setStream(view: DataView, initialTermId: number, termLength: number): this {
    this.#view = view;
    this.#initialTermId = initialTermId;
    this.#termLength = termLength;
    return this;
  }

  /** Points at the frame that starts at an offset of the view. */
  wrap(offset: number): this {
    this.#offset = offset;
    return this;
  }

  /** Header and payload, not aligned. */
  get frameLength(): number {
    return this.#view.getInt32(this.#offset + FRAME_LENGTH_OFFSET, true);
  }

  get flags(): number {
    return this.#view.getUint8(this.#offset + FRAME_FLAGS_OFFSET);
  }

  /** First fragment of a message. */
  get isBegin(): boolean {
    return (this.flags & DATA_FLAG_BEGIN) !== 0;
  }

  /** Last fragment of a message. */
  get isEnd(): boolean {
    return (this.flags & DATA_FLAG_END) !== 0;
  }

  get termOffset(): number {
    return this.#view.getInt32(this.#offset + DATA_TERM_OFFSET_OFFSET, true);
  }

  get sessionId(): number {
    return this.#view.getInt32(this.#offset + DATA_SESSION_ID_OFFSET, true);
  }

  get streamId(): number {
    return this.#view.getInt32(this.#offset + DATA_STREAM_ID_OFFSET, true);
  }

  get termId(): number {
    return this.#view.getInt32(this.#offset + DATA_TERM_ID_OFFSET, true);
  }

  /** Low 32 bits of the reserved value: the checksum between members. */
  get reservedLow(): number {
    return this.#view.getInt32(this.#offset + DATA_CHECKSUM_OFFSET, true);
  }

  /** High 32 bits of the reserved value: low bits of the leadership term between members. */
  get leadershipTermLow(): number {
    return this.#view.getInt32(this.#offset + DATA_LEADERSHIP_TERM_OFFSET, true);
  }

  /** Position after this frame. */
  get position(): Position {
    const termCount = (this.termId - this.#initialTermId) | 0;
    const aligned = Math.ceil(this.frameLength / FRAME_ALIGNMENT) * FRAME_ALIGNMENT;
    return termCount * this.#termLength + this.termOffset + aligned;
  }
}
