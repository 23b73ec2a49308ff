// recording-log.ts: which leadership term ordered which range of the log.
//
// Entry (T, B) says that the frames from B on, up to the next entry's base, were ordered by the
// leader of T. It is durable before any frame of T is recorded. Entries are 64 bytes, in the layout
// of Aeron's recording log, and eight lie in one sector, so each is written whole or not at all.
//
//   0 recordingId i64 | 8 leadershipTermId i64 | 16 termBaseLogPosition i64 | 24 logPosition i64
//  32 timestamp i64   | 40 serviceId i32       | 44 entryType i32           | 60 crc32c u32

import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import { type FileHandle, OpenMode, type Storage } from '../ports/storage.js';
import { type LeadershipTermId, POSITION_NULL, type Position, TERM_NULL } from '../position.js';
import { readInt64, writeInt64 } from '../protocol/encoding.js';
import { SECTOR_LENGTH } from './double-slot-file.js';
import { LOG_RECORDING_ID } from './log-geometry.js';
import { recordChecksum } from './record-checksum.js';
import {
  checkCompletion,
  closeFile,
  openFile,
  readWholeFile,
  type StorageTask,
  syncFile,
  writeFile,
} from './storage-task.js';

/** Queue of the writes of recording.log. */
export const RECORDING_LOG_QUEUE = 'recording-log';
export const RECORDING_LOG_PATH = 'recording.log';
export const RECORDING_LOG_ENTRY_LENGTH = 64;
/** Leadership terms that a log can have. */
export const RECORDING_LOG_ENTRY_COUNT_MAX = 1024 * 1024;

const TERM_OFFSET = 8;
const BASE_OFFSET = 16;
const LOG_POSITION_OFFSET = 24;
const TIMESTAMP_OFFSET = 32;
const SERVICE_ID_OFFSET = 40;
const ENTRY_TYPE_OFFSET = 44;
const CHECKSUM_OFFSET = 60;
const ENTRY_TYPE_TERM = 0;
const SERVICE_ID_NONE = -1;
const ENTRIES_PER_SECTOR = SECTOR_LENGTH / RECORDING_LOG_ENTRY_LENGTH;

/** A leadership term of the log. */
export interface TermEntry {
  readonly leadershipTermId: LeadershipTermId;
  /** Position of the term's first frame. */
  readonly termBaseLogPosition: Position;
  /** End of the term; POSITION_NULL while it is open. */
  readonly logPosition: Position;
  /** Wall clock when the entry was made, milliseconds. */
  readonly timestampMs: number;
}

/** What the bytes of recording.log say. */
export type RecordingLogReading =
  | {
      readonly kind: 'found';
      readonly entries: readonly TermEntry[];
      /** The last entry is invalid: an append that a crash tore. */
      readonly isTorn: boolean;
    }
  | { readonly kind: 'missing' }
  /** An invalid entry is followed by others, or valid entries contradict each other. */
  | { readonly kind: 'corrupt'; readonly entryIndex: number; readonly reason: string };

/** The leadership terms of the log: an index in memory over a durable file. */
export class RecordingLog {
  readonly #storage: Storage;
  readonly #file: FileHandle;
  // Invariant: terms ascend strictly, bases ascend, the first base is 0; what is here is durable.
  #entries: TermEntry[];

  private constructor(storage: Storage, file: FileHandle, entries: TermEntry[]) {
    this.#storage = storage;
    this.#file = file;
    this.#entries = entries;
  }

  /** Makes an empty file and syncs it; the caller syncs the directory. */
  static *create(storage: Storage): StorageTask<RecordingLog> {
    const file = yield* openFile(storage, RECORDING_LOG_PATH, OpenMode.WriteOrCreate);
    checkCompletion(yield storage.setLength(file, 0), `shorten ${RECORDING_LOG_PATH}`);
    yield* syncFile(storage, file, RECORDING_LOG_PATH);
    return new RecordingLog(storage, file, []);
  }

  /**
   * Opens the file with the entries that were read from it, writes them again and drops what is
   * behind them. They may have been in the page cache alone.
   */
  static *open(storage: Storage, entries: readonly TermEntry[]): StorageTask<RecordingLog> {
    const path = RECORDING_LOG_PATH;
    const file = yield* openFile(storage, path, OpenMode.Write);
    const bytes = encodeEntries(entries);
    checkCompletion(yield storage.setLength(file, bytes.length), `shorten ${path}`);
    if (bytes.length > 0) {
      yield* writeFile(storage, file, path, 0, bytes);
    }
    yield* syncFile(storage, file, path);
    return new RecordingLog(storage, file, [...entries]);
  }

  /** Durable entries in order of their terms. */
  entries(): readonly TermEntry[] {
    return this.#entries;
  }

  /** The last term, undefined before the first. */
  lastTerm(): TermEntry | undefined {
    return this.#entries[this.#entries.length - 1];
  }

  /** The term that a frame at a position belongs to. */
  termAt(position: Position): TermEntry | undefined {
    return termEntryAt(this.#entries, position);
  }

  /** The entry of a term. */
  entryOf(leadershipTermId: LeadershipTermId): TermEntry | undefined {
    return this.#entries.find((entry) => entry.leadershipTermId === leadershipTermId);
  }

  /** Appends a term, durably, and closes nothing. */
  *append(
    leadershipTermId: LeadershipTermId,
    termBaseLogPosition: Position,
    timestampMs: number,
  ): StorageTask<void> {
    const entry = this.#nextEntry(leadershipTermId, termBaseLogPosition, timestampMs);
    yield* this.#writeEntries(this.#entries.length, [entry]);
    this.#entries.push(entry);
  }

  /**
   * Notes that the last term, if there is one, ended where another begins, and appends that one,
   * durably. Where both lie in one sector they are written at once: a new leader waits for a sync
   * less.
   */
  *begin(
    leadershipTermId: LeadershipTermId,
    termBaseLogPosition: Position,
    timestampMs: number,
  ): StorageTask<void> {
    const count = this.#entries.length;
    const last = this.#entries[count - 1];
    if (last === undefined || count % ENTRIES_PER_SECTOR === 0) {
      if (last !== undefined) {
        yield* this.closeTerm(last.leadershipTermId, termBaseLogPosition);
      }
      yield* this.append(leadershipTermId, termBaseLogPosition, timestampMs);
      return;
    }
    const entry = this.#nextEntry(leadershipTermId, termBaseLogPosition, timestampMs);
    const closed = { ...last, logPosition: termBaseLogPosition };
    yield* this.#writeEntries(count - 1, [closed, entry]);
    this.#entries[count - 1] = closed;
    this.#entries.push(entry);
  }

  #nextEntry(
    leadershipTermId: LeadershipTermId,
    termBaseLogPosition: Position,
    timestampMs: number,
  ): TermEntry {
    const last = this.lastTerm();
    const lastTermId = last === undefined ? TERM_NULL : last.leadershipTermId;
    const lastBase = last === undefined ? 0 : last.termBaseLogPosition;
    assert(leadershipTermId > lastTermId, 'terms of the recording log ascend strictly');
    assert(termBaseLogPosition >= lastBase, 'bases of the recording log ascend');
    assert(last !== undefined || termBaseLogPosition === 0, 'the first term starts at 0');
    if (this.#entries.length >= RECORDING_LOG_ENTRY_COUNT_MAX) {
      throw new PawlError(
        ErrorCode.LimitExceeded,
        `the recording log has ${RECORDING_LOG_ENTRY_COUNT_MAX} terms, which is its limit`,
        'environment',
      );
    }
    return { leadershipTermId, termBaseLogPosition, logPosition: POSITION_NULL, timestampMs };
  }

  /** Notes where a term ended, durably. */
  *closeTerm(leadershipTermId: LeadershipTermId, endPosition: Position): StorageTask<void> {
    const index = this.#entries.findIndex((entry) => entry.leadershipTermId === leadershipTermId);
    const entry = this.#entries[index];
    assert(entry !== undefined, 'a term that ends is in the recording log');
    assert(endPosition >= entry.termBaseLogPosition, 'a term ends at or behind its base');
    const closed = { ...entry, logPosition: endPosition };
    yield* this.#writeEntries(index, [closed]);
    this.#entries[index] = closed;
  }

  /**
   * Removes the terms whose base is at or beyond a cut, from the last to the first, and opens the
   * one that the cut shortened.
   *
   * @param keepTermId a term to keep, with all before it, though its base is at the cut.
   */
  *truncate(position: Position, keepTermId: LeadershipTermId = TERM_NULL): StorageTask<void> {
    const count = countTermsToKeep(this.#entries, position, keepTermId);
    const kept = this.#entries.slice(0, count);
    const last = kept[count - 1];
    if (last !== undefined && last.logPosition > position) {
      kept[count - 1] = { ...last, logPosition: POSITION_NULL };
    }
    const firstChanged = kept[count - 1] === last ? count : count - 1;
    const lastSector = Math.floor((this.#entries.length - 1) / ENTRIES_PER_SECTOR);
    const firstSector = Math.floor(firstChanged / ENTRIES_PER_SECTOR);
    // Sector by sector from the end, each synced: a crash leaves a whole prefix of the terms.
    for (let sector = lastSector; sector >= firstSector; sector--) {
      const start = sector * ENTRIES_PER_SECTOR;
      const end = Math.min(start + ENTRIES_PER_SECTOR, this.#entries.length);
      const bytes = new Uint8Array((end - start) * RECORDING_LOG_ENTRY_LENGTH);
      bytes.set(encodeEntries(kept.slice(start, end)));
      const offset = start * RECORDING_LOG_ENTRY_LENGTH;
      yield* writeFile(this.#storage, this.#file, RECORDING_LOG_PATH, offset, bytes);
      yield* syncFile(this.#storage, this.#file, RECORDING_LOG_PATH);
    }
    this.#entries = kept;
  }

  *close(): StorageTask<void> {
    yield* closeFile(this.#storage, this.#file);
  }

  /** Entries of one sector. */
  *#writeEntries(index: number, entries: readonly TermEntry[]): StorageTask<void> {
    const offset = index * RECORDING_LOG_ENTRY_LENGTH;
    const bytes = encodeEntries(entries);
    yield* writeFile(this.#storage, this.#file, RECORDING_LOG_PATH, offset, bytes);
    yield* syncFile(this.#storage, this.#file, RECORDING_LOG_PATH);
  }
}

/** Reads recording.log without changing it. */
export function* readRecordingLog(storage: Storage): StorageTask<RecordingLogReading> {
  const lengthMax = RECORDING_LOG_ENTRY_COUNT_MAX * RECORDING_LOG_ENTRY_LENGTH;
  const bytes = yield* readWholeFile(storage, RECORDING_LOG_PATH, OpenMode.Read, lengthMax);
  return bytes === undefined ? { kind: 'missing' } : decodeRecordingLog(bytes);
}

/**
 * The term among entries that a frame at a position belongs to: the last whose base is not beyond.
 */
export function termEntryAt(
  entries: readonly TermEntry[],
  position: Position,
): TermEntry | undefined {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle] as TermEntry).termBaseLogPosition <= position) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return entries[low - 1];
}

/** Decides what the bytes of recording.log say. */
export function decodeRecordingLog(bytes: Uint8Array): RecordingLogReading {
  const entries: TermEntry[] = [];
  let invalidIndex = -1;
  let isEnded = false;
  const slotCount = Math.ceil(bytes.length / RECORDING_LOG_ENTRY_LENGTH);
  for (let index = 0; index < slotCount; index++) {
    const start = index * RECORDING_LOG_ENTRY_LENGTH;
    const slot = bytes.subarray(start, start + RECORDING_LOG_ENTRY_LENGTH);
    if (slot.every((byte) => byte === 0)) {
      isEnded = true;
      continue;
    }
    const entry = decodeEntry(slot);
    if (isEnded || invalidIndex >= 0) {
      const entryIndex = invalidIndex >= 0 ? invalidIndex : index;
      return { kind: 'corrupt', entryIndex, reason: 'entries follow one that is not valid' };
    }
    if (entry === undefined) {
      invalidIndex = index;
    } else if (follows(entries[entries.length - 1], entry)) {
      entries.push(entry);
    } else {
      return { kind: 'corrupt', entryIndex: index, reason: 'terms or their bases do not ascend' };
    }
  }
  return { kind: 'found', entries, isTorn: invalidIndex >= 0 };
}

function follows(last: TermEntry | undefined, entry: TermEntry): boolean {
  return last === undefined
    ? entry.termBaseLogPosition === 0
    : entry.leadershipTermId > last.leadershipTermId &&
        entry.termBaseLogPosition >= last.termBaseLogPosition;
}

/**
 * How many terms a truncation keeps: those that begin before the cut, and `keepTermId`, when it is
 * there, with all before it.
 */
export function countTermsToKeep(
  entries: readonly TermEntry[],
  position: Position,
  keepTermId: LeadershipTermId,
): number {
  let count = entries.length;
  for (; count > 0; count--) {
    const entry = entries[count - 1] as TermEntry;
    if (entry.termBaseLogPosition < position || entry.leadershipTermId === keepTermId) {
      break;
    }
  }
  return count;
}

function encodeEntries(entries: readonly TermEntry[]): Uint8Array {
  const bytes = new Uint8Array(entries.length * RECORDING_LOG_ENTRY_LENGTH);
  const view = new DataView(bytes.buffer);
  entries.forEach((entry, index) => {
    const start = index * RECORDING_LOG_ENTRY_LENGTH;
    writeInt64(view, start, LOG_RECORDING_ID);
    writeInt64(view, start + TERM_OFFSET, entry.leadershipTermId);
    writeInt64(view, start + BASE_OFFSET, entry.termBaseLogPosition);
    writeInt64(view, start + LOG_POSITION_OFFSET, entry.logPosition);
    writeInt64(view, start + TIMESTAMP_OFFSET, entry.timestampMs);
    view.setInt32(start + SERVICE_ID_OFFSET, SERVICE_ID_NONE, true);
    view.setInt32(start + ENTRY_TYPE_OFFSET, ENTRY_TYPE_TERM, true);
    const checksum = recordChecksum(bytes, start, CHECKSUM_OFFSET);
    view.setUint32(start + CHECKSUM_OFFSET, checksum, true);
  });
  return bytes;
}

function decodeEntry(slot: Uint8Array): TermEntry | undefined {
  if (slot.length !== RECORDING_LOG_ENTRY_LENGTH) {
    return undefined;
  }
  const view = new DataView(slot.buffer, slot.byteOffset, slot.length);
  const entry = {
    leadershipTermId: readInt64(view, TERM_OFFSET),
    termBaseLogPosition: readInt64(view, BASE_OFFSET),
    logPosition: readInt64(view, LOG_POSITION_OFFSET),
    timestampMs: readInt64(view, TIMESTAMP_OFFSET),
  };
  const isValid =
    view.getUint32(CHECKSUM_OFFSET, true) === recordChecksum(slot, 0, CHECKSUM_OFFSET) &&
    readInt64(view, 0) === LOG_RECORDING_ID &&
    view.getInt32(ENTRY_TYPE_OFFSET, true) === ENTRY_TYPE_TERM &&
    entry.leadershipTermId >= 0 &&
    entry.termBaseLogPosition >= 0 &&
    entry.logPosition >= POSITION_NULL &&
    Object.values(entry).every(Number.isSafeInteger);
  return isValid ? entry : undefined;
}
