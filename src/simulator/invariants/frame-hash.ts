// frame-hash.ts: one number for one frame of the log, whoever holds it.
//
// Session id and stream id (bytes 12 to 19) may differ between copies and are left out; of a
// padding frame only the header counts, for only the header is written.

import { FRAME_TYPE_PAD } from '../../../assembly/layout/frame.js';

const HEADER_WORDS = 8;
const FIRST_MASKED_WORD = 3;
const LAST_MASKED_WORD = 4;

/** Folds one word into a hash. */
export function mixWord(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, 0x9e3779b1);
  return (mixed << 15) | (mixed >>> 17);
}

/** Spreads the bits of a finished hash. */
export function finishHash(hash: number): number {
  const mixed = Math.imul(hash ^ (hash >>> 16), 0x7feb352d);
  return mixed ^ (mixed >>> 15);
}

/**
 * Hash of the frame that starts at a byte offset, a multiple of 4.
 *
 * @param words the memory that holds it. @param length of header and payload, bytes.
 */
export function hashFrame(words: Int32Array, offset: number, length: number, type: number): number {
  const first = offset >> 2;
  const wholeWords = type === FRAME_TYPE_PAD ? HEADER_WORDS : length >> 2;
  let hash = length;
  for (let index = 0; index < wholeWords; index++) {
    if (index < FIRST_MASKED_WORD || index > LAST_MASKED_WORD) {
      hash = mixWord(hash, words[first + index] as number);
    }
  }
  const rest = type === FRAME_TYPE_PAD ? 0 : length & 3;
  if (rest > 0) {
    const mask = (1 << (8 * rest)) - 1;
    hash = mixWord(hash, (words[first + wholeWords] as number) & mask);
  }
  return finishHash(hash);
}

const wordViews = new WeakMap<ArrayBufferLike, Int32Array>();

/** All words of the memory behind a view. */
export function wordsOf(view: DataView): Int32Array {
  let words = wordViews.get(view.buffer);
  if (words === undefined) {
    words = new Int32Array(view.buffer);
    wordViews.set(view.buffer, words);
  }
  return words;
}
