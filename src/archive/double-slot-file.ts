// double-slot-file.ts: one small record that a crash leaves old or new, never mixed.
//
//  offset 0    512   slot A                 offset 512   slot B
//  +--------+---------+----------+-----------------+--------+
//  | magic  | version | sequence | payload ...     | crc32c |      each slot is one sector
//  +--------+---------+----------+-----------------+--------+
//  0        4         8          16                508
//
// Record n lies in slot n mod 2, so a write never touches the record that counts. Sectors are taken
// as atomic: a crash leaves the slot that was written old or new. So a slot that does not hold what
// the protocol left there was *damaged*, and what it held may have been the newest record.

import { assert } from '../assert.js';
import { type FileHandle, OpenMode, type Storage } from '../ports/storage.js';
import { readInt64, writeInt64 } from '../protocol/encoding.js';
import { recordChecksum } from './record-checksum.js';
import {
  checkCompletion,
  checkSync,
  closeFile,
  openFile,
  readWholeFile,
  type StorageTask,
  writeFile,
} from './storage-task.js';

/** Bytes that the device writes whole or not at all. */
export const SECTOR_LENGTH = 512;
export const DOUBLE_SLOT_FILE_LENGTH = 2 * SECTOR_LENGTH;
/** Longest payload of a slot. */
export const SLOT_PAYLOAD_LENGTH_MAX = 480;

/** Nobody writes so often; what says more was never written here, and could not be counted on. */
const SEQUENCE_MAX = 2 ** 52;
/** Version of a record's layout unless its format names another. */
const FIRST_VERSION = 1;
const VERSION_OFFSET = 4;
const SEQUENCE_OFFSET = 8;
const PAYLOAD_OFFSET = 16;
const CHECKSUM_OFFSET = 508;

/** Which record a file holds. */
export interface DoubleSlotFormat {
  readonly path: string;
  /** Tells the files apart. */
  readonly magic: number;
  /** Bytes of the payload, at most SLOT_PAYLOAD_LENGTH_MAX. */
  readonly payloadLength: number;
  /** Version of the payload's layout, default 1. A slot of another one is not valid. */
  readonly version?: number;
}

/** What a double-slot file was found to hold. */
export type DoubleSlotReading =
  | {
      readonly kind: 'found';
      /** Copy of the payload of the valid slot with the greatest sequence. */
      readonly payload: DataView;
      readonly sequence: number;
      /** The other slot does not hold the record before: it may have held a newer one. */
      readonly isDamaged: boolean;
    }
  /** There is no such file. */
  | { readonly kind: 'missing' }
  /** Neither slot is valid. */
  | { readonly kind: 'lost' };

/** A double-slot file that is open for writing. One write at a time: run writes in one queue. */
export class DoubleSlotFile {
  readonly #storage: Storage;
  readonly #format: DoubleSlotFormat;
  readonly #file: FileHandle;
  readonly #slot = new Uint8Array(SECTOR_LENGTH);
  // Invariant: sequence of the record that is durable; the next goes to the other slot.
  #sequence: number;
  #isWriting = false;

  private constructor(
    storage: Storage,
    format: DoubleSlotFormat,
    file: FileHandle,
    sequence: number,
  ) {
    assert(format.payloadLength <= SLOT_PAYLOAD_LENGTH_MAX, 'a slot is one sector');
    this.#storage = storage;
    this.#format = format;
    this.#file = file;
    this.#sequence = sequence;
  }

  /** Makes the file anew with its first record and syncs it; the caller syncs the directory. */
  static *create(
    storage: Storage,
    format: DoubleSlotFormat,
    payload: DataView,
  ): StorageTask<DoubleSlotFile> {
    const file = yield* openFile(storage, format.path, OpenMode.WriteOrCreate);
    checkCompletion(yield storage.setLength(file, 0), `shorten ${format.path}`);
    checkCompletion(
      yield storage.setLength(file, DOUBLE_SLOT_FILE_LENGTH),
      `lengthen ${format.path}`,
    );
    const slots = new DoubleSlotFile(storage, format, file, 0);
    yield* slots.write(payload);
    return slots;
  }

  /** Opens a file whose reading was `found`. */
  static *open(
    storage: Storage,
    format: DoubleSlotFormat,
    sequence: number,
  ): StorageTask<DoubleSlotFile> {
    const file = yield* openFile(storage, format.path, OpenMode.Write);
    return new DoubleSlotFile(storage, format, file, sequence);
  }

  /** Sequence of the durable record. */
  get sequence(): number {
    return this.#sequence;
  }

  /**
   * Writes the next record and syncs it. The payload is copied before the first yield.
   *
   * @param isBackground syncs off the calling thread where the host can.
   */
  *write(payload: DataView, isBackground = false): StorageTask<void> {
    const { path } = this.#format;
    assert(!this.#isWriting, 'one write of a double-slot file at a time');
    assert(payload.byteLength === this.#format.payloadLength, 'a payload has its length');
    this.#isWriting = true;
    const sequence = this.#sequence + 1;
    encodeSlot(this.#slot, this.#format, sequence, payload);
    const offset = (sequence % 2) * SECTOR_LENGTH;
    try {
      yield* writeFile(this.#storage, this.#file, path, offset, this.#slot);
      const ticket = isBackground
        ? this.#storage.syncBackground(this.#file)
        : this.#storage.sync(this.#file);
      checkSync(yield ticket, `sync ${path}`);
      this.#sequence = sequence;
    } finally {
      this.#isWriting = false;
    }
  }

  /**
   * Writes a record to both slots. Recovery does so: what it found may have been in the page cache
   * alone, or in one good slot.
   */
  *rewrite(payload: DataView): StorageTask<void> {
    yield* this.write(payload);
    yield* this.write(payload);
  }

  *close(): StorageTask<void> {
    yield* closeFile(this.#storage, this.#file);
  }
}

/** Reads a double-slot file without changing it. */
export function* readDoubleSlot(
  storage: Storage,
  format: DoubleSlotFormat,
): StorageTask<DoubleSlotReading> {
  const length = DOUBLE_SLOT_FILE_LENGTH;
  const bytes = yield* readWholeFile(storage, format.path, OpenMode.Read, length);
  return bytes === undefined ? { kind: 'missing' } : decodeDoubleSlot(bytes, format);
}

/** Decides which slot of a file's bytes counts. */
export function decodeDoubleSlot(bytes: Uint8Array, format: DoubleSlotFormat): DoubleSlotReading {
  const first = slotSequence(bytes, 0, format);
  const second = slotSequence(bytes, 1, format);
  const sequence = Math.max(first, second);
  if (sequence === 0) {
    return { kind: 'lost' };
  }
  const slot = sequence % 2;
  const start = slot * SECTOR_LENGTH + PAYLOAD_OFFSET;
  const payload = new DataView(bytes.slice(start, start + format.payloadLength).buffer);
  const other = slot === 0 ? second : first;
  // The first record has no record before it: its other slot was never written.
  const isOtherAsLeft =
    sequence === 1 ? isBlank(bytes, (1 - slot) * SECTOR_LENGTH) : other === sequence - 1;
  return { kind: 'found', payload, sequence, isDamaged: !isOtherAsLeft };
}

function encodeSlot(
  slot: Uint8Array,
  format: DoubleSlotFormat,
  sequence: number,
  payload: DataView,
): void {
  slot.fill(0);
  const view = new DataView(slot.buffer);
  view.setUint32(0, format.magic, true);
  view.setUint32(VERSION_OFFSET, format.version ?? FIRST_VERSION, true);
  writeInt64(view, SEQUENCE_OFFSET, sequence);
  slot.set(new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength), PAYLOAD_OFFSET);
  view.setUint32(CHECKSUM_OFFSET, recordChecksum(slot, 0, CHECKSUM_OFFSET), true);
}

/** Sequence of a valid slot, 0 for any other. */
function slotSequence(bytes: Uint8Array, slot: number, format: DoubleSlotFormat): number {
  const start = slot * SECTOR_LENGTH;
  if (bytes.length < start + SECTOR_LENGTH) {
    return 0;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset + start, SECTOR_LENGTH);
  const sequence = readInt64(view, SEQUENCE_OFFSET);
  const isValid =
    view.getUint32(CHECKSUM_OFFSET, true) === recordChecksum(bytes, start, CHECKSUM_OFFSET) &&
    view.getUint32(0, true) === format.magic &&
    view.getUint32(VERSION_OFFSET, true) === (format.version ?? FIRST_VERSION) &&
    sequence > 0 &&
    sequence <= SEQUENCE_MAX &&
    sequence % 2 === slot;
  return isValid ? sequence : 0;
}

function isBlank(bytes: Uint8Array, start: number): boolean {
  const slot = bytes.subarray(start, start + SECTOR_LENGTH);
  return slot.length === SECTOR_LENGTH && slot.every((byte) => byte === 0);
}
