// snapshot-writer.ts: writes the messages of a snapshot as the frames of a recording.
//
// Messages are copied into chunks of arena memory; a full chunk is written while the next fills.
// One write is under way at a time, and what was written is synced a piece at a time, so a snapshot
// never crowds out the log: left to itself the system writes hundreds of megabytes at once, and a
// sync of the log waits behind them all. The owner adds more when `pendingLength` is low. The files
// count only when the record says so.

import {
  DATA_CHECKSUM_OFFSET,
  DATA_LEADERSHIP_TERM_OFFSET,
  DATA_STREAM_ID_OFFSET,
  DATA_TERM_ID_OFFSET,
  DATA_TERM_OFFSET_OFFSET,
  FRAME_FLAGS_OFFSET,
  FRAME_LENGTH_OFFSET,
  FRAME_TYPE_DATA,
  FRAME_TYPE_OFFSET,
  FRAME_TYPE_PAD,
} from '../../assembly/layout/frame.js';
import { assert } from '../assert.js';
import type { PawlError } from '../errors.js';
import type { Arena } from '../memory/arena.js';
import { type FileHandle, OpenMode } from '../ports/storage.js';
import type { LeadershipTermId, Position } from '../position.js';
import { type LogGeometry, segmentBaseOf } from './log-geometry.js';
import {
  recordingFileName,
  SNAPSHOT_CHUNK_LENGTH,
  SNAPSHOT_PAYLOAD_LENGTH_MAX,
  SNAPSHOT_STREAM_ID,
} from './snapshot-recording.js';
import {
  checkCompletion,
  checkSync,
  closeFile,
  openFile,
  type StorageTask,
  type StorageTasks,
  syncNames,
} from './storage-task.js';

const HEADER_LENGTH = 32;
const FLAG_BEGIN = 0x80;
const FLAG_END = 0x40;
/** Writes of one snapshot go one after another. */
const WRITE_QUEUE = 'snapshot-write';
const NO_BYTES = new Uint8Array(0);
/** Bytes that are written and not synced, at most: what a sync of the log may have to wait for. */
export const SNAPSHOT_SYNC_LENGTH = 1024 * 1024;

/** What a writer is made of. */
export interface SnapshotWriterOptions {
  readonly tasks: StorageTasks;
  readonly arena: Arena;
  readonly geometry: LogGeometry;
  readonly recordingId: number;
  readonly leadershipTermId: LeadershipTermId;
}

/** Length and hash of a recording that is complete. */
export interface WrittenRecording {
  readonly length: number;
  readonly hash: number;
}

/** Writes one snapshot's recording. */
export class SnapshotWriter {
  readonly #tasks: StorageTasks;
  readonly #arena: Arena;
  readonly #geometry: LogGeometry;
  readonly #recordingId: number;
  readonly #termLow: number;
  /** Address of the chunk that is being filled; 0 for none. */
  #chunk = 0;
  #chunkLength = 0;
  // Position of the chunk's first byte.
  #position: Position = 0;
  #hash = 0;
  #pendingLength = 0;
  #file: FileHandle | undefined;
  #fileBase: Position = -1;
  #unsyncedLength = 0;
  #failure: PawlError | undefined;
  #isClosed = false;

  constructor(options: SnapshotWriterOptions) {
    this.#tasks = options.tasks;
    this.#arena = options.arena;
    this.#geometry = options.geometry;
    this.#recordingId = options.recordingId;
    this.#termLow = options.leadershipTermId | 0;
  }

  /** Bytes handed over for writing and not yet written. */
  get pendingLength(): number {
    return this.#pendingLength;
  }

  /** Why nothing more can be written; undefined while it can. */
  get failure(): PawlError | undefined {
    return this.#failure;
  }

  /**
   * Adds a message in two parts. Its bytes are copied.
   *
   * @param head @param headLength its first bytes. @param body from `offset`, `length` bytes.
   */
  append(
    head: Uint8Array,
    headLength: number,
    body: Uint8Array = NO_BYTES,
    offset = 0,
    length = 0,
  ): void {
    assert(!this.#isClosed, 'a message goes into a snapshot that is open');
    const total = headLength + length;
    let done = 0;
    do {
      const payload = Math.min(total - done, SNAPSHOT_PAYLOAD_LENGTH_MAX);
      const address = this.#claim(HEADER_LENGTH + payload);
      const to = address + HEADER_LENGTH;
      const headPart = Math.max(0, Math.min(headLength - done, payload));
      if (headPart > 0) {
        this.#arena.u8.set(head.subarray(done, done + headPart), to);
      }
      if (payload > headPart) {
        const start = offset + done + headPart - headLength;
        this.#arena.u8.set(body.subarray(start, start + payload - headPart), to + headPart);
      }
      const isFirst = done === 0;
      done += payload;
      const flags = (isFirst ? FLAG_BEGIN : 0) | (done === total ? FLAG_END : 0);
      this.#commit(address, HEADER_LENGTH + payload, FRAME_TYPE_DATA, flags);
    } while (done < total);
  }

  /** Writes what is left and syncs it; `onDone` is told when all is durable. */
  finish(onDone: (written: WrittenRecording) => void): void {
    assert(!this.#isClosed, 'a snapshot is finished once');
    this.#isClosed = true;
    if (this.#chunkLength > 0) {
      this.#handOver();
    }
    const written = { length: this.#position, hash: this.#hash >>> 0 };
    this.#run(this.#finish(), () => onDone(written));
  }

  /** Gives up. Writes under way end; the files are left to be removed. */
  abort(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      if (this.#chunk !== 0) {
        this.#arena.release(this.#chunk, SNAPSHOT_CHUNK_LENGTH);
        this.#chunk = 0;
      }
      this.#run(this.#closeFile(), () => undefined);
    }
  }

  /** Address of `length` bytes, which lie in one chunk. */
  #claim(length: number): number {
    if (this.#chunk !== 0 && align(length) > SNAPSHOT_CHUNK_LENGTH - this.#chunkLength) {
      this.#padChunk();
    }
    if (this.#chunk === 0) {
      this.#chunk = this.#arena.allocate(SNAPSHOT_CHUNK_LENGTH);
      this.#chunkLength = 0;
    }
    return this.#chunk + this.#chunkLength;
  }

  #padChunk(): void {
    const length = SNAPSHOT_CHUNK_LENGTH - this.#chunkLength;
    if (length > 0) {
      this.#commit(this.#chunk + this.#chunkLength, length, FRAME_TYPE_PAD, FLAG_BEGIN | FLAG_END);
    } else {
      this.#handOver();
    }
  }

  /** Writes a frame's header, and hands the chunk over when it is full. */
  #commit(address: number, length: number, type: number, flags: number): void {
    const { core, view } = this.#arena;
    const position = this.#position + this.#chunkLength;
    const { termLength } = this.#geometry;
    view.setInt32(address + FRAME_LENGTH_OFFSET, length, true);
    view.setUint8(address + FRAME_FLAGS_OFFSET, flags);
    view.setUint16(address + FRAME_TYPE_OFFSET, type, true);
    view.setInt32(address + DATA_TERM_OFFSET_OFFSET, position % termLength, true);
    view.setInt32(address + DATA_STREAM_ID_OFFSET, SNAPSHOT_STREAM_ID, true);
    view.setInt32(address + DATA_TERM_ID_OFFSET, Math.floor(position / termLength), true);
    view.setInt32(address + DATA_LEADERSHIP_TERM_OFFSET, this.#termLow, true);
    view.setInt32(address + DATA_CHECKSUM_OFFSET, core.frameChecksum(address, length), true);
    this.#chunkLength += align(length);
    if (this.#chunkLength === SNAPSHOT_CHUNK_LENGTH) {
      this.#handOver();
    }
  }

  #handOver(): void {
    const address = this.#chunk;
    const length = this.#chunkLength;
    const position = this.#position;
    this.#hash = this.#arena.core.crc32c(address, length, this.#hash);
    this.#position += length;
    this.#pendingLength += length;
    this.#chunk = 0;
    this.#chunkLength = 0;
    this.#run(this.#write(address, length, position), () => {
      this.#pendingLength -= length;
    });
  }

  #run(task: StorageTask<void>, onDone: () => void): void {
    const onError = (error: PawlError): void => {
      this.#failure ??= error;
    };
    this.#tasks.run(task, onDone, onError, WRITE_QUEUE);
  }

  *#write(address: number, length: number, position: Position): StorageTask<void> {
    const { storage } = this.#tasks;
    const base = segmentBaseOf(position, this.#geometry.segmentLength);
    const path = recordingFileName(this.#recordingId, base);
    try {
      if (this.#failure !== undefined) {
        return;
      }
      if (this.#fileBase !== base) {
        yield* this.#closeFile();
        this.#file = yield* openFile(storage, path, OpenMode.WriteOrCreate);
        this.#fileBase = base;
        checkCompletion(yield storage.setLength(this.#file, 0), `shorten ${path}`);
      }
      const file = this.#file as FileHandle;
      checkCompletion(
        yield storage.write(file, position - base, this.#arena.u8, address, length),
        `write ${length} bytes at ${position - base} of ${path}`,
      );
      this.#unsyncedLength += length;
      if (this.#unsyncedLength >= SNAPSHOT_SYNC_LENGTH) {
        yield* this.#sync(file, path);
      }
    } finally {
      this.#arena.release(address, SNAPSHOT_CHUNK_LENGTH);
    }
  }

  /** Syncs and closes the file that is open. */
  *#closeFile(): StorageTask<void> {
    const file = this.#file;
    this.#file = undefined;
    if (file !== undefined) {
      const { storage } = this.#tasks;
      yield* this.#sync(file, recordingFileName(this.#recordingId, this.#fileBase));
      yield* closeFile(storage, file);
    }
  }

  *#sync(file: FileHandle, path: string): StorageTask<void> {
    this.#unsyncedLength = 0;
    checkSync(yield this.#tasks.storage.syncBackground(file), `sync ${path}`);
  }

  *#finish(): StorageTask<void> {
    yield* this.#closeFile();
    // A write before failed: bytes are missing, and the snapshot must not count.
    if (this.#failure !== undefined) {
      throw this.#failure;
    }
    yield* syncNames(this.#tasks.storage);
  }
}

function align(length: number): number {
  return Math.ceil(length / HEADER_LENGTH) * HEADER_LENGTH;
}
