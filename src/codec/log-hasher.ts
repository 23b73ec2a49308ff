// log-hasher.ts: the hash of a log up to a position, by which two members' logs are compared.

import { FRAME_LENGTH_OFFSET } from '../../assembly/layout/frame.js';
import { ErrorCode, PawlError } from '../errors.js';
import { HASH_STATE_ADDRESS, HASH_STATE_LENGTH } from './codec-exports.js';
import { CHUNK_LENGTH, type CodecMemory } from './codec-memory.js';

/**
 * Takes the frames of a log one block after another.
 *
 * The digest depends on the frames alone: not on how the log was cut into blocks, nor on the
 * session and stream ids that a replay rewrites. It finds differences; it is no cryptographic hash.
 */
export class LogHasher {
  /** End of the last frame taken: where the next block has to go on. */
  position: number;
  private readonly memory: CodecMemory;
  private state: Uint8Array;

  /** Made by `LogCodec.hasher`. */
  constructor(memory: CodecMemory, position: number) {
    this.memory = memory;
    this.position = position;
    memory.exports.hashInitialize(HASH_STATE_ADDRESS);
    this.state = memory.copyOut(HASH_STATE_ADDRESS, HASH_STATE_LENGTH);
  }

  /**
   * Takes the whole frames of a block that stands at a position.
   *
   * Bytes before the hasher's position are skipped: they are the rest of a padding frame, or were
   * taken before. A frame that is cut short is not taken; hand it over again with what follows. To
   * stop at a commit position, end the block there.
   *
   * @returns the new position; may lie behind the block when padding ends it.
   * @throws PawlError ArgumentOutOfRange when the block starts behind the hasher's position.
   */
  update(bytes: Uint8Array, position: number): number {
    if (position > this.position) {
      throw new PawlError(
        ErrorCode.ArgumentOutOfRange,
        `the block starts at ${position}, but the hash has come to ${this.position}: ` +
          'hand over the bytes between first',
      );
    }
    let chunkLength = CHUNK_LENGTH;
    while (this.position - position < bytes.length) {
      const offset = this.position - position;
      const available = bytes.length - offset;
      const length = Math.min(chunkLength, available);
      const taken = this.take(bytes, offset, length);
      this.position += taken;
      if (taken > 0) {
        continue;
      }
      if (length === available || !isLonger(bytes, offset, length)) {
        break;
      }
      chunkLength *= 2;
    }
    return this.position;
  }

  /** The hash of the frames taken so far: 32 hexadecimal digits. */
  digest(): string {
    const digits = [...this.state].map((byte) => byte.toString(16).padStart(2, '0'));
    const lane = (from: number) =>
      digits
        .slice(from, from + 8)
        .reverse()
        .join('');
    return lane(0) + lane(8);
  }

  private take(bytes: Uint8Array, offset: number, length: number): number {
    const address = this.memory.stage(bytes, offset, length);
    this.memory.copyIn(HASH_STATE_ADDRESS, this.state);
    const taken = this.memory.exports.hashFrames(HASH_STATE_ADDRESS, address, length);
    this.state = this.memory.copyOut(HASH_STATE_ADDRESS, HASH_STATE_LENGTH);
    return taken;
  }
}

/** Whether the frame at an offset may only need a longer piece to be whole. */
function isLonger(bytes: Uint8Array, offset: number, length: number): boolean {
  if (offset + 4 > bytes.length) {
    return false;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return view.getInt32(offset + FRAME_LENGTH_OFFSET, true) > length;
}
