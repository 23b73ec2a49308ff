// message-pieces.ts: messages of a snapshot, cut into pieces for a ring, and put together again.

import type { Arena } from '../memory/arena.js';
import { SNAPSHOT_PIECE_LENGTH } from './channel-lengths.js';
import { PIECE_BEGIN, PIECE_END } from './service-channel.js';

/** Bytes of the flags in front of a piece. */
const PIECE_HEAD_LENGTH = 8;
const NO_BYTES = new Uint8Array(0);

/** Takes one piece, which lies at an arena address with its flags. */
export type PieceWriter = (length: number) => void;

/**
 * Cuts a message of two parts into pieces, each encoded at `scratch`.
 *
 * @param scratch arena address of SNAPSHOT_PIECE_LENGTH bytes and a head.
 * @param write takes the piece at `scratch`.
 */
export function cutMessage(
  arena: Arena,
  scratch: number,
  write: PieceWriter,
  head: Uint8Array,
  headLength: number,
  body: Uint8Array = NO_BYTES,
  offset = 0,
  length = 0,
): void {
  const total = headLength + length;
  let done = 0;
  do {
    const size = Math.min(total - done, SNAPSHOT_PIECE_LENGTH);
    const flags = (done === 0 ? PIECE_BEGIN : 0) | (done + size === total ? PIECE_END : 0);
    arena.f64[scratch >> 3] = flags;
    const to = scratch + PIECE_HEAD_LENGTH;
    const headPart = Math.max(0, Math.min(headLength - done, size));
    if (headPart > 0) {
      arena.u8.set(head.subarray(done, done + headPart), to);
    }
    if (size > headPart) {
      const start = offset + done + headPart - headLength;
      arena.u8.set(body.subarray(start, start + size - headPart), to + headPart);
    }
    write(PIECE_HEAD_LENGTH + size);
    done += size;
  } while (done < total);
}

/** Receives a whole message; the bytes are the receiver's. */
export type WholeMessageHandler = (message: Uint8Array) => void;

/** Puts pieces together. */
export class MessageJoiner {
  readonly #arena: Arena;
  readonly #handler: WholeMessageHandler;
  #pieces: Uint8Array[] = [];
  #length = 0;

  constructor(arena: Arena, handler: WholeMessageHandler) {
    this.#arena = arena;
    this.#handler = handler;
  }

  /** Takes the piece at an arena address, flags included. */
  add(address: number, length: number): void {
    const flags = this.#arena.f64[address >> 3] as number;
    if ((flags & PIECE_BEGIN) !== 0) {
      this.#pieces = [];
      this.#length = 0;
    }
    const piece = this.#arena.u8.slice(address + PIECE_HEAD_LENGTH, address + length);
    this.#pieces.push(piece);
    this.#length += piece.length;
    if ((flags & PIECE_END) !== 0) {
      this.#handler(this.#pieces.length === 1 ? piece : this.#join());
      this.#pieces = [];
    }
  }

  #join(): Uint8Array {
    const whole = new Uint8Array(this.#length);
    let end = 0;
    for (const piece of this.#pieces) {
      whole.set(piece, end);
      end += piece.length;
    }
    return whole;
  }
}
