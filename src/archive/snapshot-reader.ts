// snapshot-reader.ts: reads a snapshot's recording back, and tells a whole one from a damaged one.

import type { Arena } from '../memory/arena.js';
import { SCAN_ENTRY_LENGTH, SCAN_HEADER_LENGTH, scanAreaLength } from '../memory/core.js';
import { OpenMode, type Storage, StorageResult } from '../ports/storage.js';
import type { Position } from '../position.js';
import { LOG_INITIAL_TERM_ID, type LogGeometry, segmentBaseOf } from './log-geometry.js';
import {
  recordingFileName,
  SNAPSHOT_CHUNK_LENGTH,
  SNAPSHOT_FORMAT_VERSION,
  type SnapshotEntry,
} from './snapshot-recording.js';
import { closeFile, openIfExists, type StorageTask, type StorageTasks } from './storage-task.js';

const HEADER_LENGTH = 32;
const FLAGS_OFFSET = 5;
/** A chunk of frames without payload. */
const FRAMES_PER_CHUNK_MAX = SNAPSHOT_CHUNK_LENGTH / HEADER_LENGTH;

/** Receives a fragment of a snapshot; the bytes are valid during the call. */
export type SnapshotFragmentHandler = (
  view: DataView,
  offset: number,
  length: number,
  flags: number,
) => void;

/** Where chunks are read to. */
export interface SnapshotReadOptions {
  readonly arena: Arena;
  readonly geometry: LogGeometry;
  readonly entry: SnapshotEntry;
  /** SNAPSHOT_CHUNK_LENGTH bytes. */
  readonly chunk: number;
}

/**
 * Reads and verifies the chunk at a position.
 *
 * @returns why it is not valid; undefined when it is.
 */
export function* readSnapshotChunk(
  storage: Storage,
  options: SnapshotReadOptions,
  position: Position,
): StorageTask<string | undefined> {
  const { arena, chunk, entry, geometry } = options;
  const length = Math.min(SNAPSHOT_CHUNK_LENGTH, entry.length - position);
  const base = segmentBaseOf(position, geometry.segmentLength);
  const path = recordingFileName(entry.recordingId, base);
  const file = yield* openIfExists(storage, path, OpenMode.Read);
  if (file === undefined) {
    return `${path} is missing`;
  }
  const read = yield storage.read(file, position - base, arena.u8, chunk, length);
  // A completion is reused for the next operation.
  const readLength = read.result === StorageResult.Ok ? read.value : 0;
  yield* closeFile(storage, file);
  if (readLength < length) {
    return `${path} has ${readLength} of ${length} bytes to read at offset ${position - base}`;
  }
  const valid = arena.core.verifyBytes(
    chunk,
    length,
    position,
    geometry.termLength,
    LOG_INITIAL_TERM_ID,
    entry.leadershipTermId | 0,
  );
  return valid === length ? undefined : `${path} has no valid frame at ${position - base + valid}`;
}

/**
 * Reads a whole snapshot.
 *
 * @returns why it cannot be used; undefined when every byte is as its record says.
 */
export function* verifySnapshot(
  storage: Storage,
  arena: Arena,
  geometry: LogGeometry,
  entry: SnapshotEntry,
): StorageTask<string | undefined> {
  if (entry.formatVersion > SNAPSHOT_FORMAT_VERSION) {
    return `its format is version ${entry.formatVersion}, and ${SNAPSHOT_FORMAT_VERSION} is known`;
  }
  const chunk = arena.allocate(SNAPSHOT_CHUNK_LENGTH);
  try {
    let hash = 0;
    for (let position = 0; position < entry.length; position += SNAPSHOT_CHUNK_LENGTH) {
      const options = { arena, geometry, entry, chunk };
      const reason = yield* readSnapshotChunk(storage, options, position);
      if (reason !== undefined) {
        return reason;
      }
      const length = Math.min(SNAPSHOT_CHUNK_LENGTH, entry.length - position);
      hash = arena.core.crc32c(chunk, length, hash);
    }
    return hash >>> 0 === entry.hash ? undefined : 'its bytes are not those that were written';
  } finally {
    arena.release(chunk, SNAPSHOT_CHUNK_LENGTH);
  }
}

/** Reads a snapshot chunk by chunk, polled. */
export class SnapshotReader {
  readonly #tasks: StorageTasks;
  readonly #options: SnapshotReadOptions;
  readonly #scanArea: number;
  #position: Position = 0;
  #isReading = false;
  #isRead = false;
  #isClosed = false;
  #failure: string | undefined;

  constructor(tasks: StorageTasks, arena: Arena, geometry: LogGeometry, entry: SnapshotEntry) {
    this.#tasks = tasks;
    const chunk = arena.allocate(SNAPSHOT_CHUNK_LENGTH);
    this.#options = { arena, geometry, entry, chunk };
    this.#scanArea = arena.allocate(scanAreaLength(FRAMES_PER_CHUNK_MAX));
  }

  /** Everything has been delivered. */
  get isDone(): boolean {
    return this.#position >= this.#options.entry.length;
  }

  /** Why it cannot be read on; undefined while it can. */
  get failure(): string | undefined {
    return this.#failure;
  }

  /** Delivers the fragments of at most one chunk, and starts to read the next. */
  poll(handler: SnapshotFragmentHandler): number {
    if (this.#isReading || this.#isClosed || this.#failure !== undefined || this.isDone) {
      return 0;
    }
    let count = 0;
    if (this.#isRead) {
      count = this.#deliver(handler);
      this.#isRead = false;
      this.#position += SNAPSHOT_CHUNK_LENGTH;
    }
    if (!this.isDone) {
      this.#read();
    }
    return Math.max(1, count);
  }

  /** Idempotent. Memory that the disk still writes to is released when the read has ended. */
  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      if (!this.#isReading) {
        this.#release();
      }
    }
  }

  #read(): void {
    this.#isReading = true;
    const end = (failure: string | undefined): void => {
      this.#isReading = false;
      this.#isRead = failure === undefined;
      this.#failure = failure;
      if (this.#isClosed) {
        this.#release();
      }
    };
    this.#tasks.run(
      readSnapshotChunk(this.#tasks.storage, this.#options, this.#position),
      end,
      (error) => end(error.message),
    );
  }

  #deliver(handler: SnapshotFragmentHandler): number {
    const { arena, chunk, entry } = this.#options;
    const length = Math.min(SNAPSHOT_CHUNK_LENGTH, entry.length - this.#position);
    const count = arena.core.scanBytes(chunk, length, FRAMES_PER_CHUNK_MAX, this.#scanArea);
    let at = (this.#scanArea + SCAN_HEADER_LENGTH) >> 2;
    for (let index = 0; index < count; index++, at += SCAN_ENTRY_LENGTH >> 2) {
      const frame = arena.i32[at] as number;
      const frameLength = arena.i32[at + 1] as number;
      handler(
        arena.view,
        frame + HEADER_LENGTH,
        frameLength - HEADER_LENGTH,
        arena.view.getUint8(frame + FLAGS_OFFSET),
      );
    }
    return count;
  }

  #release(): void {
    const { arena, chunk } = this.#options;
    arena.release(chunk, SNAPSHOT_CHUNK_LENGTH);
    arena.release(this.#scanArea, scanAreaLength(FRAMES_PER_CHUNK_MAX));
  }
}
