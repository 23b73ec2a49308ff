// log-check.ts: reads the committed log of a member from its files, for comparing members and for
// finding every message of a client in it.

import { closeSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { type LogGeometry, segmentBaseOf, segmentFileName } from '../archive/log-geometry.js';
import { FrameType, LogCodec, type LogFrame } from '../codec/index.js';
import { ErrorCode, PawlError } from '../errors.js';
import { SessionMessageHeaderDecoder } from '../protocol/codecs/session-message-header.js';
import { MESSAGE_HEADER_LENGTH, messageBlockLength } from '../protocol/message-header.js';
import { sequenceOf } from './load.js';

const CHUNK_LENGTH = 4 * 1024 * 1024;

/** Bytes of a log from a position on, from one segment file. */
function readChunk(
  directory: string,
  geometry: LogGeometry,
  position: number,
  limit: number,
  buffer: Uint8Array,
): Uint8Array {
  const base = segmentBaseOf(position, geometry.segmentLength);
  const end = Math.min(limit, base + geometry.segmentLength, position + buffer.length);
  const file = openSync(join(directory, segmentFileName(base)), 'r');
  try {
    const count = readSync(file, buffer, 0, end - position, position - base);
    return buffer.subarray(0, count);
  } finally {
    closeSync(file);
  }
}

export interface LogReading {
  /** Hash of all frames up to the limit. */
  readonly digest: string;
  readonly frameCount: number;
  /** Sequence numbers of the client's messages, in log order. */
  readonly sequences: readonly number[];
}

/**
 * Reads a member's log from position 0 to a commit position. The member may run meanwhile.
 *
 * @throws PawlError LOG_CORRUPT naming the position at which a frame is not valid.
 */
export function readCommittedLog(
  directory: string,
  geometry: LogGeometry,
  limit: number,
): LogReading {
  const codec = LogCodec.create();
  const hasher = codec.hasher();
  const buffer = new Uint8Array(CHUNK_LENGTH);
  const sequences: number[] = [];
  let frameCount = 0;
  while (hasher.position < limit) {
    const position = hasher.position;
    const chunk = readChunk(directory, geometry, position, limit, buffer);
    const verdict = codec.verify(chunk, { position, termLength: geometry.termLength });
    if (hasher.update(chunk, position) === position) {
      throw new PawlError(
        ErrorCode.LogCorrupt,
        `the log in ${directory} has no valid frame at ${position} (${verdict.reason}), below ` +
          `its commit position ${limit}: describe the directory with pawl describe`,
        'corruption',
      );
    }
    for (const frame of codec.frames(chunk, { position, termLength: geometry.termLength })) {
      frameCount++;
      const sequence = clientSequence(frame);
      if (sequence >= 0) {
        sequences.push(sequence);
      }
    }
  }
  return { digest: hasher.digest(), frameCount, sequences };
}

/** Sequence number of a client's message; -1 for every other frame, and what is not whole. */
function clientSequence(frame: LogFrame): number {
  const { payload, type } = frame;
  if (type !== FrameType.Data) {
    return -1;
  }
  const view = new DataView(payload.buffer, payload.byteOffset, payload.length);
  if (!SessionMessageHeaderDecoder.isValid(view, 0, payload.length)) {
    return -1;
  }
  return sequenceOf(view, MESSAGE_HEADER_LENGTH + messageBlockLength(view, 0));
}

/** What the log says about the messages of a client. */
export interface SequenceFindings {
  /** Acknowledged, and not in the log. */
  readonly lost: number;
  /** In the log more than once. */
  readonly duplicated: number;
  /** Behind one with a greater number. */
  readonly reordered: number;
  /** In the log, and not acknowledged. */
  readonly unacknowledged: number;
}

/** Compares what a client was told with what the log holds. */
export function checkSequences(
  sequences: readonly number[],
  sentCount: number,
  isAcknowledged: (sequence: number) => boolean,
): SequenceFindings {
  const counts = new Uint8Array(sentCount);
  let highest = -1;
  let reordered = 0;
  for (const sequence of sequences) {
    counts[sequence] = Math.min(255, (counts[sequence] ?? 0) + 1);
    reordered += sequence < highest ? 1 : 0;
    highest = Math.max(highest, sequence);
  }
  let lost = 0;
  let duplicated = 0;
  let unacknowledged = 0;
  for (let sequence = 0; sequence < sentCount; sequence++) {
    const count = counts[sequence] ?? 0;
    lost += count === 0 && isAcknowledged(sequence) ? 1 : 0;
    duplicated += Math.max(0, count - 1);
    unacknowledged += count > 0 && !isAcknowledged(sequence) ? 1 : 0;
  }
  return { lost, duplicated, reordered, unacknowledged };
}
