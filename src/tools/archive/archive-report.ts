// archive-report.ts: what the archive of a member holds, as plain data for words and for JSON.

import type { DamagedRange } from '../../archive/damage-list.js';
import type { DirectoryDescription } from '../../archive/describe.js';
import { LOG_RECORDING_ID, type LogGeometry } from '../../archive/log-geometry.js';
import { termEntryAt } from '../../archive/recording-log.js';
import { SNAPSHOT_STREAM_ID } from '../../archive/snapshot-recording.js';
import { describeEvent, FrameFlag, FrameType, type LogFrame } from '../../codec/index.js';
import { ErrorCode, PawlError } from '../../errors.js';
import { POSITION_NULL, type Position } from '../../position.js';
import { LOG_STREAM_ID } from '../../protocol/streams.js';
import { readFrames } from './archive-frames.js';

/** One recording of an archive. */
export interface RecordingListing {
  readonly recordingId: number;
  readonly content: 'log' | 'snapshot';
  readonly streamId: number;
  readonly startPosition: Position;
  /** End of the valid frames. */
  readonly stopPosition: Position;
  readonly segmentCount: number;
  /** Bytes that its files take, as their lengths tell. */
  readonly fileBytes: number;
  readonly termCount: number;
  readonly health: string;
  /** Of a snapshot: its position in the log. */
  readonly logPosition?: Position;
}

/** Frames and messages of a part of a log. */
export interface FrameTotals {
  dataFrames: number;
  paddingFrames: number;
  /** Bytes of the log, headers and alignment included. */
  bytes: number;
  /** How many messages of each name; those that are no message of the cluster count as ''. */
  readonly messages: Record<string, number>;
}

/** Frames of one leadership term. */
export interface TermTotals extends FrameTotals {
  readonly leadershipTermId: number;
  readonly from: Position;
  readonly to: Position;
}

/** What `pawl archive verify` says. */
export interface ArchiveVerdict {
  readonly isSound: boolean;
  readonly health: string;
  readonly from: Position;
  readonly to: Position;
  readonly damaged: readonly DamagedRange[];
  /** Bytes behind the end that are no frames, which the next start cuts; undefined for none. */
  readonly torn: DamagedRange | undefined;
  readonly dataFrames: number;
  readonly paddingFrames: number;
  /** What the codec found wrong, beside the damaged ranges. */
  readonly problems: readonly string[];
  /** What is odd and costs no frame, such as a damaged spare slot. */
  readonly notes: readonly string[];
}

/** A log that can be read: it has a catalog and an end. */
export interface ReadableLog {
  readonly description: DirectoryDescription;
  readonly geometry: LogGeometry;
  readonly from: Position;
  readonly to: Position;
  readonly damaged: readonly DamagedRange[];
}

/**
 * The log in a directory.
 *
 * @throws PawlError DIRECTORY_NOT_BORN for a blank directory, RECORD_CORRUPT without its catalog.
 */
export function readableLog(directory: string, description: DirectoryDescription): ReadableLog {
  const { appendPosition, birth, catalog, health, segments } = description;
  if (birth === undefined && segments.length === 0) {
    throw new PawlError(
      ErrorCode.DirectoryNotBorn,
      `${directory} holds no archive: name the data directory of a member`,
    );
  }
  if (catalog === undefined || appendPosition === undefined) {
    throw new PawlError(
      ErrorCode.RecordCorrupt,
      `${directory}: the archive cannot be read without its catalog: ` +
        `${description.problems.join('; ')}; restore archive.catalog from a copy`,
      'corruption',
    );
  }
  return {
    description,
    geometry: catalog.geometry,
    from: Math.max(segments[0]?.base ?? 0, description.logStartPosition),
    to: appendPosition,
    damaged: health?.kind === 'corrupt' ? health.ranges : [],
  };
}

/** The recordings of an archive. */
export function listRecordings(log: ReadableLog): readonly RecordingListing[] {
  const { health, segments, snapshots, terms } = log.description;
  const { segmentLength } = log.geometry;
  return [
    {
      recordingId: LOG_RECORDING_ID,
      content: 'log',
      streamId: LOG_STREAM_ID,
      startPosition: log.from,
      stopPosition: log.to,
      segmentCount: segments.length,
      fileBytes: segments.reduce((sum, segment) => sum + segment.length, 0),
      termCount: terms.length,
      health: health?.kind ?? 'unknown',
    },
    ...snapshots.map((snapshot) => ({
      recordingId: snapshot.recordingId,
      content: 'snapshot' as const,
      streamId: SNAPSHOT_STREAM_ID,
      startPosition: 0,
      stopPosition: snapshot.length,
      segmentCount: Math.ceil(snapshot.length / segmentLength),
      fileBytes: snapshot.length,
      termCount: 1,
      health: snapshot.problem === undefined ? 'sound' : 'unusable',
      logPosition: snapshot.logPosition,
    })),
  ];
}

function emptyTotals(): FrameTotals {
  return { dataFrames: 0, paddingFrames: 0, bytes: 0, messages: {} };
}

const FRAME_ALIGNMENT = 32;

function count(totals: FrameTotals, frame: LogFrame): void {
  totals.bytes += Math.ceil(frame.frameLength / FRAME_ALIGNMENT) * FRAME_ALIGNMENT;
  if (frame.type === FrameType.Padding) {
    totals.paddingFrames++;
    return;
  }
  totals.dataFrames++;
  if ((frame.flags & FrameFlag.Begin) !== 0) {
    const name = describeEvent(frame.payload)?.name ?? '';
    totals.messages[name] = (totals.messages[name] ?? 0) + 1;
  }
}

/** What each leadership term of the log holds. Damaged ranges are stepped over. */
export function describeTerms(directory: string, log: ReadableLog): readonly TermTotals[] {
  const { terms } = log.description;
  const totals = terms.map((term, index) => ({
    leadershipTermId: term.leadershipTermId,
    from: Math.max(log.from, term.termBaseLogPosition),
    to: terms[index + 1]?.termBaseLogPosition ?? log.to,
    ...emptyTotals(),
  }));
  for (const frame of readFrames({ directory, ...log })) {
    const termId = termEntryAt(terms, frame.position)?.leadershipTermId;
    const term = totals.find((one) => one.leadershipTermId === termId);
    if (term !== undefined) {
      count(term, frame);
    }
  }
  return totals;
}

/**
 * Judges every frame of an archive twice: by the walk of a member, which also looks at the terms
 * that the recording log tells, and by the codec.
 */
export function verifyArchive(directory: string, log: ReadableLog): ArchiveVerdict {
  const { health, mark } = log.description;
  const problems: string[] = [];
  const totals = emptyTotals();
  let termLow = 0;
  try {
    for (const frame of readFrames({ directory, ...log })) {
      count(totals, frame);
      if (frame.leadershipTermLow < termLow) {
        problems.push(`the leadership term falls at ${frame.position}`);
      }
      termLow = frame.leadershipTermLow;
    }
  } catch (error) {
    if (!(error instanceof PawlError) || error.category !== 'corruption') {
      throw error;
    }
    problems.push(error.message);
  }
  const durable = mark?.durablePosition ?? POSITION_NULL;
  if (log.to < durable) {
    problems.push(`the log ends at ${log.to}, before its durable mark ${durable}`);
  }
  for (const { logPosition, problem, recordingId } of log.description.snapshots) {
    if (problem !== undefined) {
      problems.push(`snapshot ${recordingId} of position ${logPosition}: ${problem}`);
    }
  }
  return {
    isSound: health?.kind !== 'corrupt' && problems.length === 0,
    health: health?.kind ?? 'unknown',
    from: log.from,
    to: log.to,
    damaged: log.damaged,
    torn: health?.kind === 'torn' ? { from: health.from, to: health.to } : undefined,
    dataFrames: totals.dataFrames,
    paddingFrames: totals.paddingFrames,
    problems,
    notes: log.description.problems,
  };
}
