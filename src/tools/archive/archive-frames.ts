// archive-frames.ts: the frames of a recorded log, read from its files without a member.
//
// The stand-alone codec reads here, not the code that a member reads with: what both find is found
// twice.

import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import type { DamagedRange } from '../../archive/damage-list.js';
import { type LogGeometry, segmentBaseOf, segmentFileName } from '../../archive/log-geometry.js';
import { LogCodec, type LogFrame } from '../../codec/index.js';
import { ErrorCode, PawlError } from '../../errors.js';
import type { Position } from '../../position.js';

/** Holds many frames, whatever their length. */
const CHUNK_LENGTH = 4 * 1024 * 1024;

/** What of a log is read. */
export interface FrameRange {
  readonly directory: string;
  readonly geometry: LogGeometry;
  /** Frames that begin before this position are left out. */
  readonly from: Position;
  /** Frames that begin at or behind this position are left out. */
  readonly to: Position;
  /** Where the log ends, or is not to be read beyond: a frame ends there. Default `to`. */
  readonly end?: Position | undefined;
  /** Where a frame is known to begin, at or before `from`; a term of the log buffers does. */
  readonly begin?: Position | undefined;
  /** Stepped over. */
  readonly damaged: readonly DamagedRange[];
}

/** Where the next sound bytes are: [begin, end), or undefined when none are left. */
function nextSoundRange(
  position: Position,
  to: Position,
  damaged: readonly DamagedRange[],
): { begin: Position; end: Position } | undefined {
  let begin = position;
  for (const range of damaged) {
    if (begin < range.from) {
      break;
    }
    begin = Math.max(begin, range.to);
  }
  if (begin >= to) {
    return undefined;
  }
  const next = damaged.find((range) => range.from > begin);
  return { begin, end: Math.min(to, next?.from ?? to) };
}

/** Reads bytes of one segment from a position on. */
function readChunk(range: FrameRange, position: Position, end: Position, buffer: Uint8Array) {
  const { directory, geometry } = range;
  const base = segmentBaseOf(position, geometry.segmentLength);
  const path = join(directory, segmentFileName(base));
  if (!existsSync(path)) {
    throw corrupt(path, position, 'the segment is missing');
  }
  const chunkEnd = Math.min(end, base + geometry.segmentLength, position + buffer.length);
  const file = openSync(path, 'r');
  try {
    return buffer.subarray(0, readSync(file, buffer, 0, chunkEnd - position, position - base));
  } finally {
    closeSync(file);
  }
}

function corrupt(path: string, position: Position, reason: string): PawlError {
  return new PawlError(
    ErrorCode.LogCorrupt,
    `${path}: no valid frame at ${position} (${reason}): see what is damaged with ` +
      'pawl archive verify, and read on from behind it with --from',
    'corruption',
  );
}

/**
 * The frames of a log in order, padding too, each verified. The payloads are valid until the next
 * frame is asked for.
 *
 * @throws PawlError LOG_CORRUPT where a frame is not valid and no damage was known.
 */
export function* readFrames(range: FrameRange): Generator<LogFrame> {
  const { directory, geometry, from, damaged, to } = range;
  const { termLength } = geometry;
  const codec = LogCodec.create();
  const buffer = new Uint8Array(CHUNK_LENGTH);
  // A frame begins where a term of the log buffers does, whatever position was asked for.
  let position = range.begin ?? from - (from % termLength);
  for (;;) {
    const sound = nextSoundRange(position, range.end ?? to, damaged);
    if (sound === undefined || sound.begin >= to) {
      return;
    }
    position = sound.begin;
    const chunk = readChunk(range, position, sound.end, buffer);
    const verdict = codec.verify(chunk, { position, termLength });
    if (verdict.position === position) {
      throw corrupt(directory, position, verdict.reason);
    }
    for (const frame of codec.frames(chunk, { position, termLength })) {
      if (frame.position >= Math.min(verdict.position, to)) {
        break;
      }
      if (frame.position >= from) {
        yield frame;
      }
    }
    position = verdict.position;
  }
}
