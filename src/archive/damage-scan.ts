// damage-scan.ts: finds every damaged range of a stretch of the log, not only the first.
//
// Behind damage, the next frame is looked for at every alignment: a header names its own term and
// offset, and its checksum has to agree, so what is found there is a frame of the log, or bytes
// that somebody made to look like one. A repair that reaches over such a place finds out.
//
// A sector that cannot be read is damage like one that reads back wrong: writing it again is what
// makes a disk replace it.

import type { Arena } from '../memory/arena.js';
import { type FileHandle, OpenMode, type Storage, StorageResult } from '../ports/storage.js';
import type { Position } from '../position.js';
import type { DamagedRange } from './damage-list.js';
import {
  LOG_INITIAL_TERM_ID,
  type LogGeometry,
  segmentBaseOf,
  segmentFileName,
} from './log-geometry.js';
import { CHUNK_LENGTH_MIN, verifyFrames } from './log-walk.js';
import type { TermEntry } from './recording-log.js';
import { checkCompletion, closeFile, openIfExists, type StorageTask } from './storage-task.js';

/** What cannot be read in one piece is read in pieces of this length. */
const READ_PIECE_LENGTH = 4096;
const FRAME_HEADER_LENGTH = 32;
const FRAME_ALIGNMENT = 32;
const TERM_OFFSET_WORD = 2;
const TERM_ID_WORD = 5;

export interface DamageScanOptions {
  readonly arena: Arena;
  /** Slab of chunkLength + CHUNK_SCRATCH_LENGTH bytes. */
  readonly chunk: number;
  /** Bytes of one step; at least CHUNK_LENGTH_MIN. */
  readonly chunkLength: number;
  readonly geometry: LogGeometry;
  readonly entries: () => readonly TermEntry[];
}

/** Scans the log step by step. The range [from, to) begins and ends with frames that are whole. */
export class DamageScan {
  readonly #options: DamageScanOptions;
  readonly #found: DamagedRange[] = [];
  #position: Position;
  #end: Position;
  /** Where the damage began that has not ended yet; -1 for none. */
  #openFrom = -1;

  constructor(options: DamageScanOptions, from: Position, to: Position) {
    this.#options = options;
    this.#position = from;
    this.#end = to;
  }

  get position(): Position {
    return this.#position;
  }

  get isDone(): boolean {
    return this.#position >= this.#end;
  }

  /** What was found so far; complete when the scan is done. */
  get found(): readonly DamagedRange[] {
    return this.#found;
  }

  /** Ends the scan earlier: the log was cut. */
  limit(to: Position): void {
    if (to < this.#end) {
      this.#end = to;
      this.#openFrom = this.#openFrom >= to ? -1 : this.#openFrom;
      this.#finish();
    }
  }

  /** Reads and judges the next chunk. Returns the bytes read. */
  *step(storage: Storage): StorageTask<number> {
    const { arena, chunk, chunkLength, geometry } = this.#options;
    const base = segmentBaseOf(this.#position, geometry.segmentLength);
    const segmentEnd = Math.min(base + geometry.segmentLength, this.#end);
    const path = segmentFileName(base);
    const file = yield* openIfExists(storage, path, OpenMode.Read);
    if (file === undefined) {
      this.#open(this.#position);
      this.#moveTo(segmentEnd);
      return 0;
    }
    const length = Math.min(chunkLength, segmentEnd - this.#position);
    yield* readWhatCanBeRead(storage, file, path, this.#position - base, arena, chunk, length);
    yield* closeFile(storage, file);
    this.#moveTo(this.#position + this.#judge(length, this.#position + length < segmentEnd));
    return length;
  }

  /** Finds whole frames and damage in the chunk; returns how far it is judged. */
  #judge(length: number, hasMore: boolean): number {
    const { arena, chunk, chunkLength, geometry, entries } = this.#options;
    const scratch = chunk + chunkLength;
    const terms = entries();
    let offset = 0;
    while (offset < length) {
      const at = this.#position + offset;
      const rest = length - offset;
      const valid = verifyFrames(arena, geometry, terms, chunk + offset, rest, at, scratch);
      if (valid > 0) {
        this.#close(at);
        offset += valid;
        continue;
      }
      if (offset > 0 && hasMore && rest < CHUNK_LENGTH_MIN) {
        // Perhaps a frame that is not whole in this chunk: the next one starts with it.
        break;
      }
      this.#open(at);
      offset = this.#nextHeader(offset + FRAME_ALIGNMENT, length);
    }
    return offset;
  }

  /** Offset of the next header that names its own place; `length` when there is none. */
  #nextHeader(from: number, length: number): number {
    const { arena, chunk, geometry } = this.#options;
    const { i32 } = arena;
    const { termLength } = geometry;
    for (let offset = from; offset < length; offset += FRAME_ALIGNMENT) {
      const position = this.#position + offset;
      const word = (chunk + offset) >> 2;
      const termOffset = position % termLength;
      const termId = LOG_INITIAL_TERM_ID + (position - termOffset) / termLength;
      if (
        i32[word + TERM_OFFSET_WORD] === termOffset &&
        i32[word + TERM_ID_WORD] === (termId | 0) &&
        (i32[word] as number) >= FRAME_HEADER_LENGTH
      ) {
        return offset;
      }
    }
    return length;
  }

  #moveTo(position: Position): void {
    this.#position = position;
    this.#finish();
  }

  #finish(): void {
    if (this.isDone) {
      this.#close(this.#end);
    }
  }

  #open(position: Position): void {
    if (this.#openFrom < 0) {
      this.#openFrom = position;
    }
  }

  #close(position: Position): void {
    if (this.#openFrom >= 0) {
      this.#found.push({ from: this.#openFrom, to: position });
      this.#openFrom = -1;
    }
  }
}

/** Reads a range; what is behind the end of the file, or cannot be read, is zero. */
function* readWhatCanBeRead(
  storage: Storage,
  file: FileHandle,
  path: string,
  offset: number,
  arena: Arena,
  address: number,
  length: number,
): StorageTask<void> {
  const { u8 } = arena;
  const whole = yield storage.read(file, offset, u8, address, length);
  if (whole.result === StorageResult.Ok) {
    u8.fill(0, address + whole.value, address + length);
    return;
  }
  if (whole.result !== StorageResult.InputOutput) {
    checkCompletion(whole, `read ${length} bytes at ${offset} of ${path}`);
  }
  for (let done = 0; done < length; done += READ_PIECE_LENGTH) {
    const run = Math.min(READ_PIECE_LENGTH, length - done);
    const piece = yield storage.read(file, offset + done, u8, address + done, run);
    const count = piece.result === StorageResult.Ok ? piece.value : 0;
    u8.fill(0, address + done + count, address + done + run);
  }
}
