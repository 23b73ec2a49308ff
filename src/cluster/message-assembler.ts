// message-assembler.ts: whole messages from fragments.
//
// An unfragmented message is handed on where it lies. Only a fragmented one is copied, into a
// buffer that grows to a named limit and is kept.

import type { Position } from '../position.js';
import type { FragmentHandler } from './log-poller.js';

const FLAG_BEGIN = 0x80;
const FLAG_END = 0x40;
const FLAGS_UNFRAGMENTED = FLAG_BEGIN | FLAG_END;
const INITIAL_LENGTH = 4096;

/** Receives one whole message; the bytes are valid during the call. */
export type MessageHandler = (
  view: DataView,
  offset: number,
  length: number,
  position: Position,
) => void;

/** Assembles the messages of one stream. */
export class MessageAssembler {
  readonly #handler: MessageHandler;
  readonly #lengthMax: number;
  #bytes = new Uint8Array(INITIAL_LENGTH);
  #view = new DataView(this.#bytes.buffer);
  // Invariant: -1 outside a fragmented message, otherwise the bytes gathered of it.
  #length = -1;
  /**
   * Fragments dropped: without a beginning (a stream joined in the middle), or beyond the limit.
   */
  droppedCount = 0;
  /** Messages dropped because they are longer than the limit. */
  tooLongCount = 0;

  constructor(handler: MessageHandler, lengthMax: number) {
    this.#handler = handler;
    this.#lengthMax = lengthMax;
  }

  /** Pass this to a poll. */
  readonly onFragment: FragmentHandler = (view, offset, length, flags, position) => {
    if ((flags & FLAGS_UNFRAGMENTED) === FLAGS_UNFRAGMENTED) {
      this.#length = -1;
      this.#handler(view, offset, length, position);
      return;
    }
    if ((flags & FLAG_BEGIN) !== 0) {
      this.#length = 0;
    }
    if (this.#length < 0 || this.#length + length > this.#lengthMax) {
      this.tooLongCount += this.#length < 0 ? 0 : 1;
      this.#length = -1;
      this.droppedCount++;
      return;
    }
    this.#gather(view, offset, length);
    if ((flags & FLAG_END) !== 0) {
      const total = this.#length;
      this.#length = -1;
      this.#handler(this.#view, 0, total, position);
    }
  };

  #gather(view: DataView, offset: number, length: number): void {
    const end = this.#length + length;
    if (end > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(end, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    this.#bytes.set(new Uint8Array(view.buffer, view.byteOffset + offset, length), this.#length);
    this.#length = end;
  }
}
