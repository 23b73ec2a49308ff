// segment-reader.ts: reads recorded frames in order, verified, into the arena.
//
// A follower that catches up, a service that replays, and a service that fell out of the term
// buffers read the log from disk. Every byte is verified on its way in. A frame that does not
// verify is reported with its exact position; the reader never throws in a duty cycle and never
// waits.

import { assert } from '../assert.js';
import type { Arena } from '../memory/arena.js';
import { type FileHandle, OpenMode, type Storage, StorageResult } from '../ports/storage.js';
import { POSITION_NULL, type Position } from '../position.js';
import { type LogGeometry, segmentBaseOf, segmentFileName } from './log-geometry.js';
import { CHUNK_LENGTH_MIN, CHUNK_SCRATCH_LENGTH, verifyFrames } from './log-walk.js';
import type { RecordingLog } from './recording-log.js';
import { checkCompletion, closeFile, type StorageTask, type StorageTasks } from './storage-task.js';

/** Bytes of the log in the arena at a time. */
export const READ_CHUNK_LENGTH_DEFAULT = 256 * 1024;

/** What a reader is made of. */
export interface LogReaderOptions {
  readonly tasks: StorageTasks;
  readonly arena: Arena;
  readonly recordingLog: RecordingLog;
  readonly geometry: LogGeometry;
  /** At least CHUNK_LENGTH_MIN, so that the longest frame fits. */
  readonly chunkLength?: number;
}

/** Where and why the log cannot be read. */
export interface ReadFailure {
  readonly position: Position;
  readonly reason: string;
}

/** Reads the log in order through one window of arena memory. */
export class LogReader {
  readonly #tasks: StorageTasks;
  readonly #arena: Arena;
  readonly #recordingLog: RecordingLog;
  readonly #geometry: LogGeometry;
  readonly #chunkLength: number;
  readonly #chunk: number;
  // Verified frames in the chunk: [start, start + length) in position bytes.
  #start: Position = POSITION_NULL;
  #length = 0;
  #address = 0;
  #file: FileHandle | undefined;
  #fileBase: Position = POSITION_NULL;
  #failure: ReadFailure | undefined;
  #isReading = false;
  #isClosed = false;

  constructor(options: LogReaderOptions) {
    this.#chunkLength = options.chunkLength ?? READ_CHUNK_LENGTH_DEFAULT;
    assert(this.#chunkLength >= CHUNK_LENGTH_MIN, 'a chunk holds the longest frame');
    assert(this.#chunkLength % 32 === 0, 'a chunk is a multiple of the frame alignment');
    this.#tasks = options.tasks;
    this.#arena = options.arena;
    this.#recordingLog = options.recordingLog;
    this.#geometry = options.geometry;
    this.#chunk = options.arena.allocate(this.#chunkLength + CHUNK_SCRATCH_LENGTH);
    this.#address = this.#chunk;
  }

  /** Arena address of the bytes of the last `read` that gave some. */
  get address(): number {
    return this.#address;
  }

  /** Where and why the last read failed; undefined while it did not. */
  get failure(): ReadFailure | undefined {
    return this.#failure;
  }

  /**
   * Whole, verified frames from a position on.
   *
   * @param position where a frame starts. @param limit where a frame ends; how far the recording is
   *   known to reach.
   * @returns position bytes available at `address` (a last padding frame counts whole, though
   *   perhaps only its header is in memory); 0 while a read is under way; -1 when the log is
   *   damaged there.
   */
  read(position: Position, limit: Position): number {
    assert(!this.#isClosed, 'a closed reader reads nothing');
    const offset = position - this.#start;
    if (this.#start >= 0 && offset >= 0 && offset < this.#length) {
      this.#address = this.#chunk + offset;
      return Math.max(0, Math.min(this.#length - offset, limit - position));
    }
    if (this.#isReading || position >= limit) {
      return 0;
    }
    if (this.#failure !== undefined && this.#failure.position === position) {
      return -1;
    }
    this.#begin(position, limit);
    return 0;
  }

  /** Forgets what it holds: the log was truncated or repaired behind its back. */
  reset(): void {
    this.#start = POSITION_NULL;
    this.#failure = undefined;
    if (!this.#isReading) {
      this.#closeFile();
    } else {
      this.#fileBase = POSITION_NULL;
    }
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

  #begin(position: Position, limit: Position): void {
    this.#isReading = true;
    this.#start = POSITION_NULL;
    this.#failure = undefined;
    this.#tasks.run(
      this.#fill(position, limit),
      (failure) => this.#end(failure),
      (error) => this.#end({ position, reason: error.message }),
    );
  }

  #end(failure: ReadFailure | undefined): void {
    this.#failure = failure;
    this.#isReading = false;
    if (this.#isClosed) {
      this.#release();
    }
  }

  *#fill(position: Position, limit: Position): StorageTask<ReadFailure | undefined> {
    const { segmentLength } = this.#geometry;
    const storage = this.#tasks.storage;
    const base = segmentBaseOf(position, segmentLength);
    const path = segmentFileName(base);
    if (!(yield* this.#openSegment(storage, base, path))) {
      return { position, reason: `${path} is missing` };
    }
    const file = this.#file as FileHandle;
    const length = Math.min(this.#chunkLength, base + segmentLength - position, limit - position);
    const { u8 } = this.#arena;
    const read = yield storage.read(file, position - base, u8, this.#chunk, length);
    if (read.result !== StorageResult.Ok) {
      return { position, reason: `the device could not read ${path} (result ${read.result})` };
    }
    const valid = verifyFrames(
      this.#arena,
      this.#geometry,
      this.#recordingLog.entries(),
      this.#chunk,
      read.value - (read.value % 32),
      position,
      this.#chunk + this.#chunkLength,
    );
    if (valid === 0) {
      return { position, reason: `${path} has no valid frame at offset ${position - base}` };
    }
    this.#start = position;
    this.#length = valid;
    return undefined;
  }

  *#openSegment(storage: Storage, base: Position, path: string): StorageTask<boolean> {
    if (this.#fileBase === base) {
      return true;
    }
    if (this.#file !== undefined) {
      const previous = this.#file;
      this.#file = undefined;
      this.#fileBase = POSITION_NULL;
      yield* closeFile(storage, previous);
    }
    const opened = yield storage.open(path, OpenMode.Read);
    if (opened.result === StorageResult.NotFound) {
      return false;
    }
    checkCompletion(opened, `open ${path}`);
    this.#file = opened.value;
    this.#fileBase = base;
    return true;
  }

  #release(): void {
    this.#closeFile();
    this.#arena.release(this.#chunk, this.#chunkLength + CHUNK_SCRATCH_LENGTH);
  }

  #closeFile(): void {
    const file = this.#file;
    this.#file = undefined;
    this.#fileBase = POSITION_NULL;
    if (file !== undefined) {
      const ignore = (): void => undefined;
      this.#tasks.run(closeFile(this.#tasks.storage, file), ignore, ignore);
    }
  }
}
