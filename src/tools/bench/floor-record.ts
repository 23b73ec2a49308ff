// floor-record.ts: the least that keeps what a floor replicates: it takes a crc of each
// message, as the frames of a log have one, and appends all of them to files, not synced.
//
// So it is what a member does at durability `page-cache`: checksums by core.wasm, and files of one
// length, of which the two youngest stay, as of a log that is purged behind snapshots.

import { closeSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { DATA_HEADER_LENGTH, FRAME_ALIGNMENT } from '../../../assembly/layout/frame.js';
import { SESSION_MESSAGE_LENGTH_MIN } from '../../../assembly/layout/session-table.js';
import { ARENA_HEAP_START, Arena } from '../../memory/arena.js';
import { MessageRing, RING_LENGTH_MAX } from './floor-link.js';

const FILE_LENGTH = 64 * 1024 * 1024;
/** The one that is written, and the one before it. */
const FILES_KEPT = 2;

/** Bytes that a message of a session takes in the log: headers of frame and message, alignment. */
export function frameLengthOf(payload: number): number {
  const length = DATA_HEADER_LENGTH + SESSION_MESSAGE_LENGTH_MIN + payload;
  return Math.ceil(length / FRAME_ALIGNMENT) * FRAME_ALIGNMENT;
}

/** Checks and writes everything that a ring gets. */
export class FloorRecord {
  readonly ring: MessageRing;
  readonly #arena = Arena.create(ARENA_HEAP_START + RING_LENGTH_MAX);
  readonly #directory: string;
  readonly #name: string;
  readonly #fileLengthMax: number;
  #fileCount = 0;
  #descriptor = -1;
  /** Bytes of the file that is written; before the first one as many as would end it. */
  #fileLength: number;
  #written = 0;
  #checksum = 0;

  /** @param name of this process among those of one directory. */
  constructor(
    directory: string,
    name: string,
    lengths: { readonly message: number; readonly mtu: number; readonly file?: number },
  ) {
    this.#directory = directory;
    this.#name = name;
    this.#fileLengthMax = lengths.file ?? FILE_LENGTH;
    this.#fileLength = this.#fileLengthMax;
    const memory = this.#arena.u8.subarray(ARENA_HEAP_START);
    this.ring = new MessageRing(lengths.message, lengths.mtu, memory);
  }

  /** All crcs so far, by exclusive or. */
  get checksum(): number {
    return this.#checksum >>> 0;
  }

  /** Takes what came since the last call. */
  write(): void {
    const { ring } = this;
    for (let position = this.#written; position < ring.end; position += ring.stride) {
      const address = ARENA_HEAP_START + ring.offsetOf(position);
      this.#checksum ^= this.#arena.core.crc32c(address, ring.stride, 0);
    }
    while (this.#written < ring.end) {
      if (this.#fileLength === this.#fileLengthMax) {
        this.#nextFile();
      }
      const offset = ring.offsetOf(this.#written);
      const contiguous = Math.min(ring.end - this.#written, ring.capacity - offset);
      const length = Math.min(contiguous, this.#fileLengthMax - this.#fileLength);
      const taken = writeSync(this.#descriptor, ring.bytes, offset, length, this.#fileLength);
      this.#fileLength += taken;
      this.#written += taken;
    }
  }

  close(): void {
    if (this.#descriptor >= 0) {
      closeSync(this.#descriptor);
      this.#descriptor = -1;
    }
  }

  #nextFile(): void {
    this.close();
    if (this.#fileCount >= FILES_KEPT) {
      unlinkSync(this.#pathOf(this.#fileCount - FILES_KEPT));
    }
    this.#descriptor = openSync(this.#pathOf(this.#fileCount), 'w');
    this.#fileCount++;
    this.#fileLength = 0;
  }

  #pathOf(index: number): string {
    return join(this.#directory, `${this.#name}-${index}`);
  }
}
