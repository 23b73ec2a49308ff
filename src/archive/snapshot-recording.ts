// snapshot-recording.ts: what a snapshot is as a recording of its own.
//
// A snapshot is a stream of frames like the log: term id and offset by position, crc and leadership
// term in the reserved value, from position 0 on, in files named like an archive's segments. It
// does not depend on the member: at one position of the log all members write the same bytes.

import type { LeadershipTermId, Position } from '../position.js';

/** Stream id in the frames of a snapshot, as in Aeron. */
export const SNAPSHOT_STREAM_ID = 106;
/**
 * Bytes that are made, written and read at a time. A frame never crosses such a boundary: what is
 * left before it is padding. It divides every term and segment length.
 */
export const SNAPSHOT_CHUNK_LENGTH = 64 * 1024;
/** Longest payload of a frame: longer messages are fragmented. */
export const SNAPSHOT_PAYLOAD_LENGTH_MAX = 16 * 1024 - 32;
/**
 * Version of what a snapshot's messages mean. One that is newer is not loaded. Version 2 names the
 * services and holds their messages on the way, principals, and whether the cluster is suspended;
 * version 1, of one service without any of it, is read.
 */
export const SNAPSHOT_FORMAT_VERSION = 2;
export const SNAPSHOT_FORMAT_ONE_SERVICE = 1;

const RECORDING_NAME = /^([1-9][0-9]{0,15})-(0|[1-9][0-9]{0,15})\.rec$/;

/** A snapshot that is complete and durable, as its record names it. */
export interface SnapshotEntry {
  /** Number of its recording in this member's archive: from 1, the log is 0. */
  readonly recordingId: number;
  /** The state is that of the log up to here. */
  readonly logPosition: Position;
  /** Term of the log at that position, and where it begins. */
  readonly leadershipTermId: LeadershipTermId;
  readonly termBaseLogPosition: Position;
  /** Log time at that position, milliseconds. */
  readonly timestampMs: number;
  /** Bytes of the recording. */
  readonly length: number;
  /** crc32c of all its bytes; equal on all members. */
  readonly hash: number;
  /** SNAPSHOT_FORMAT_VERSION of who wrote it. */
  readonly formatVersion: number;
  /** Version of the state of service 0, as it named it; the recording tells those of all. */
  readonly appVersion: number;
}

/** Name of the file that holds a recording's bytes from `base` on. */
export function recordingFileName(recordingId: number, base: Position): string {
  return `${recordingId}-${base}.rec`;
}

/** Recording id that a file name tells; -1 when it is no file of a snapshot. */
export function recordingIdOf(name: string): number {
  const match = RECORDING_NAME.exec(name);
  const id = match === null ? -1 : Number(match[1]);
  return Number.isSafeInteger(id) ? id : -1;
}
