// log-codec.ts: reads logs anywhere: frames, their verification, their hash.

import { FRAME_TYPE_OFFSET } from '../../assembly/layout/frame.js';
import { ErrorCode, PawlError } from '../errors.js';
import { CHUNK_LENGTH, CodecMemory } from './codec-memory.js';
import { FrameWalk, type LogPlace, type VerifyPlace } from './frame-walk.js';
import { compileCodec, loadCodec } from './load-codec.js';
import { FrameType, type LogFrame, readFrame } from './log-frame.js';
import { LogHasher } from './log-hasher.js';
import { type StopReason, stopReasonOf } from './stop-reason.js';

/** What `verify` has found. */
export interface Verdict {
  /** Whether all frames are good up to the end of the bytes or of what was written. */
  readonly isGood: boolean;
  /** Why the valid frames end. */
  readonly reason: StopReason;
  /** Where they end: the position of the bad frame, if there is one. */
  readonly position: number;
  /** Bytes of the log that are valid; may exceed the bytes given when padding ends them. */
  readonly validLength: number;
  /** Data frames. */
  readonly frameCount: number;
  readonly paddingCount: number;
  /** Low 32 bits of the last valid frame's leadership term, unsigned. */
  readonly leadershipTermLow: number;
}

/**
 * The codec of logs: one small WebAssembly instance with its own memory.
 *
 * Bytes come from anywhere: a segment file, a part of one, a message of another program. They are
 * never changed and never trusted.
 */
export class LogCodec {
  private readonly memory: CodecMemory;

  private constructor(memory: CodecMemory) {
    this.memory = memory;
  }

  /** Makes a codec at once. On a browser's main thread use `load`. */
  static create(): LogCodec {
    return new LogCodec(new CodecMemory(compileCodec()));
  }

  /** Makes a codec and compiles it in the background. */
  static load() {
    return loadCodec().then((module) => new LogCodec(new CodecMemory(module)));
  }

  /**
   * The frames at the start of the bytes, padding too, up to the first that is not whole or stands
   * in a wrong place. Says neither why it ends nor whether checksums fit: that is `verify`.
   */
  *frames(bytes: Uint8Array, place: LogPlace = {}): IterableIterator<LogFrame> {
    const walk = FrameWalk.over(this.memory, bytes, place);
    const begin = place.position ?? 0;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    while (walk.next()) {
      for (let i = 0; i < walk.frameCount; i++) {
        const offset = walk.offsetAt(i);
        yield readFrame(view, bytes, offset, walk.lengthAt(i), begin + offset);
      }
    }
  }

  /**
   * Checks every frame: length, version, type, term id, term offset, leadership term and checksum.
   *
   * @throws PawlError ArgumentOutOfRange for a place that cannot be; never for what the bytes say.
   */
  verify(bytes: Uint8Array, place: VerifyPlace): Verdict {
    const walk = FrameWalk.verifying(this.memory, bytes, place);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let frameCount = 0;
    let paddingCount = 0;
    while (walk.next()) {
      for (let i = 0; i < walk.frameCount; i++) {
        const type = view.getUint16(walk.offsetAt(i) + FRAME_TYPE_OFFSET, true);
        if (type === FrameType.Padding) {
          paddingCount++;
        } else {
          frameCount++;
        }
      }
    }
    const reason = stopReasonOf(walk.stop);
    return {
      isGood: reason === 'end' || reason === 'empty',
      reason,
      position: walk.position,
      validLength: walk.position - (place.position ?? 0),
      frameCount,
      paddingCount,
      leadershipTermLow: frameCount + paddingCount === 0 ? 0 : walk.leadershipTermLow >>> 0,
    };
  }

  /** Starts the hash of a log at a position, which must be the start of a frame. */
  hasher(position = 0): LogHasher {
    if (!Number.isSafeInteger(position) || position < 0) {
      throw new PawlError(
        ErrorCode.ArgumentOutOfRange,
        `position is ${position}: it must be an integer from 0 to 2^53 - 1`,
      );
    }
    return new LogHasher(this.memory, position);
  }

  /**
   * crc32c of bytes, unsigned.
   *
   * @param seed 0 to start, the result for the bytes before to go on.
   */
  crc32c(bytes: Uint8Array, seed = 0): number {
    let crc = seed;
    for (let offset = 0; offset < bytes.length; offset += CHUNK_LENGTH) {
      const length = Math.min(CHUNK_LENGTH, bytes.length - offset);
      const address = this.memory.stage(bytes, offset, length);
      crc = this.memory.exports.crc32c(address, length, crc) >>> 0;
    }
    return crc;
  }
}
