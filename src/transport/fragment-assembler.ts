// fragment-assembler.ts: makes whole messages of fragments.
//
// Most messages are one fragment and pass through untouched, in place. Longer ones are gathered per
// session in a buffer that grows up to a named limit; beyond it the message is dropped and counted.

import { FRAME_ALIGNMENT } from '../../assembly/layout/frame.js';
import { assert } from '../assert.js';
import {
  Action,
  type ControlledFragmentHandler,
  type FragmentHandler,
  type FragmentHeader,
} from './fragment-header.js';

export type { ControlledFragmentHandler, FragmentHandler } from './fragment-header.js';

const BUFFER_LENGTH_MIN = 4096;
/** Longest message that an assembler gathers, unless it is told otherwise. */
export const ASSEMBLED_LENGTH_MAX_DEFAULT = 16 * 1024 * 1024;
/** Sessions whose messages may be under way in one assembler. */
export const ASSEMBLED_SESSION_COUNT_MAX = 65_536;

/** Bounds of an assembler. */
export interface FragmentAssemblerOptions {
  /** Longest message in bytes. Default ASSEMBLED_LENGTH_MAX_DEFAULT. */
  readonly messageLengthMax?: number;
}

/** A message of one session that is under way. */
class Builder {
  bytes = new Uint8Array(BUFFER_LENGTH_MIN);
  view = new DataView(this.bytes.buffer);
  length = 0;
  isActive = false;
  /** Where the next fragment must begin; the position after the last one. */
  nextPosition = 0;

  append(view: DataView, offset: number, length: number): void {
    if (this.length + length > this.bytes.length) {
      this.#grow(this.length + length);
    }
    this.bytes.set(new Uint8Array(view.buffer, view.byteOffset + offset, length), this.length);
    this.length += length;
  }

  #grow(length: number): void {
    const bytes = new Uint8Array(2 ** Math.ceil(Math.log2(length)));
    bytes.set(this.bytes.subarray(0, this.length));
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer);
  }
}

/** Gathers messages for a handler that decides what is consumed. */
export class ControlledFragmentAssembler {
  /** Hand this to a controlled poll. */
  readonly onFragment: ControlledFragmentHandler;
  /** Messages that were too long, or whose beginning was not seen. */
  droppedCount = 0;
  readonly #handler: ControlledFragmentHandler;
  readonly #messageLengthMax: number;
  readonly #builders = new Map<number, Builder>();

  constructor(handler: ControlledFragmentHandler, options: FragmentAssemblerOptions = {}) {
    this.#handler = handler;
    this.#messageLengthMax = options.messageLengthMax ?? ASSEMBLED_LENGTH_MAX_DEFAULT;
    assert(this.#messageLengthMax > 0, 'messages have a length');
    this.onFragment = (view, offset, length, header) => this.#take(view, offset, length, header);
  }

  /** Forgets a session: its image is gone. */
  release(sessionId: number): void {
    this.#builders.delete(sessionId);
  }

  #take(view: DataView, offset: number, length: number, header: FragmentHeader): Action {
    if (header.isBegin && header.isEnd) {
      return this.#handler(view, offset, length, header);
    }
    if (header.isBegin) {
      this.#begin(view, offset, length, header);
      return Action.Continue;
    }
    const builder = this.#builders.get(header.sessionId);
    if (builder === undefined || !builder.isActive) {
      this.droppedCount += header.isEnd ? 1 : 0;
      return Action.Continue;
    }
    return this.#continue(builder, view, offset, length, header);
  }

  #begin(view: DataView, offset: number, length: number, header: FragmentHeader): void {
    let builder = this.#builders.get(header.sessionId);
    if (builder === undefined) {
      if (this.#builders.size >= ASSEMBLED_SESSION_COUNT_MAX) {
        return;
      }
      builder = new Builder();
      this.#builders.set(header.sessionId, builder);
    }
    builder.length = 0;
    builder.isActive = length <= this.#messageLengthMax;
    if (builder.isActive) {
      builder.append(view, offset, length);
      builder.nextPosition = header.position;
    }
  }

  #continue(
    builder: Builder,
    view: DataView,
    offset: number,
    length: number,
    header: FragmentHeader,
  ): Action {
    const aligned = Math.ceil(header.frameLength / FRAME_ALIGNMENT) * FRAME_ALIGNMENT;
    const isNext = header.position - aligned === builder.nextPosition;
    if (!isNext || builder.length + length > this.#messageLengthMax) {
      builder.isActive = false;
      this.droppedCount += header.isEnd ? 1 : 0;
      return Action.Continue;
    }
    const lengthBefore = builder.length;
    builder.append(view, offset, length);
    if (!header.isEnd) {
      builder.nextPosition = header.position;
      return Action.Continue;
    }
    const action = this.#handler(builder.view, 0, builder.length, header);
    if (action === Action.Abort) {
      builder.length = lengthBefore;
      return action;
    }
    builder.isActive = false;
    return action;
  }
}

/** Gathers messages for a plain handler. */
export class FragmentAssembler {
  /** Hand this to a poll. */
  readonly onFragment: FragmentHandler;
  readonly #assembler: ControlledFragmentAssembler;

  constructor(handler: FragmentHandler, options: FragmentAssemblerOptions = {}) {
    this.#assembler = new ControlledFragmentAssembler((view, offset, length, header) => {
      handler(view, offset, length, header);
      return Action.Continue;
    }, options);
    const { onFragment } = this.#assembler;
    this.onFragment = (view, offset, length, header) => {
      onFragment(view, offset, length, header);
    };
  }

  /** Messages that were too long, or whose beginning was not seen. */
  get droppedCount(): number {
    return this.#assembler.droppedCount;
  }

  /** Forgets a session: its image is gone. */
  release(sessionId: number): void {
    this.#assembler.release(sessionId);
  }
}
