// snapshot-manifest.ts: which snapshots are valid, and where the log begins.
//
// One double-slot record names both, so that no crash can leave a log that begins behind the last
// snapshot, or count a snapshot that is not whole: it is written last, when everything that it
// names is synced. And both slots name it before anything goes that only the former record needs:
// whichever of them rots, the other one never speaks of log or snapshots that are gone.
//
// Payload: 0 count u32 | 8 logStartPosition i64 | 16 entries of 64 bytes, positions ascending
// Entry: 0 recordingId | 8 logPosition | 16 leadershipTermId | 24 termBaseLogPosition
//        32 timestampMs | 40 length (all i64)
//        48 hash u32 | 52 formatVersion i32 | 56 appVersion i32

import { assert } from '../assert.js';
import type { Storage } from '../ports/storage.js';
import type { Position } from '../position.js';
import { readInt64, writeInt64 } from '../protocol/encoding.js';
import { DoubleSlotFile, type DoubleSlotFormat, readDoubleSlot } from './double-slot-file.js';
import type { SnapshotEntry } from './snapshot-recording.js';
import { type StorageTask, syncNames } from './storage-task.js';

/** Queue of the writes of snapshots.dat. */
export const SNAPSHOT_MANIFEST_QUEUE = 'snapshot-manifest';
/** Snapshots that are kept at most; one more is named while the oldest is being removed. */
export const SNAPSHOT_COUNT_MAX = 6;

const LOG_START_OFFSET = 8;
const ENTRIES_OFFSET = 16;
const ENTRY_LENGTH = 64;
const HASH_OFFSET = 48;
const FORMAT_VERSION_OFFSET = 52;
const APP_VERSION_OFFSET = 56;
const PAYLOAD_LENGTH = ENTRIES_OFFSET + (SNAPSHOT_COUNT_MAX + 1) * ENTRY_LENGTH;

const FORMAT: DoubleSlotFormat = {
  path: 'snapshots.dat',
  magic: 0x53574150, // "PAWS"
  payloadLength: PAYLOAD_LENGTH,
};

/** What snapshots.dat says. */
export interface SnapshotIndex {
  /** Where the log of this member begins. What is before it is in every snapshot. */
  readonly logStartPosition: Position;
  /** Valid snapshots, the newest last. */
  readonly snapshots: readonly SnapshotEntry[];
}

/** Of a member that never took a snapshot. */
export const EMPTY_INDEX: SnapshotIndex = { logStartPosition: 0, snapshots: [] };

export type SnapshotIndexReading =
  | { readonly kind: 'found'; readonly index: SnapshotIndex; readonly isDamaged: boolean }
  | { readonly kind: 'missing' }
  | { readonly kind: 'lost' };

/** snapshots.dat, open for writing. Run its writes in SNAPSHOT_MANIFEST_QUEUE. */
export class SnapshotManifest {
  readonly #slots: DoubleSlotFile;
  #index: SnapshotIndex;
  // What the newer slot says: another index between the two writes, and when the second one failed.
  #newest: SnapshotIndex;

  private constructor(slots: DoubleSlotFile, index: SnapshotIndex) {
    this.#slots = slots;
    this.#index = index;
    this.#newest = index;
  }

  /** Opens the file with what was read from it, and writes that again; makes a missing one. */
  static *open(storage: Storage, index: SnapshotIndex): StorageTask<SnapshotManifest> {
    const reading = yield* readDoubleSlot(storage, FORMAT);
    if (reading.kind !== 'found') {
      const made = yield* DoubleSlotFile.create(storage, FORMAT, encode(index));
      yield* syncNames(storage);
      return new SnapshotManifest(made, index);
    }
    const slots = yield* DoubleSlotFile.open(storage, FORMAT, reading.sequence);
    yield* slots.rewrite(encode(index));
    return new SnapshotManifest(slots, index);
  }

  /** What is durable, in both slots. */
  get index(): SnapshotIndex {
    return this.#index;
  }

  /** Whether a start may find a snapshot named, in one slot or both: then its recording stays. */
  names(recordingId: number): boolean {
    const named = [...this.#index.snapshots, ...this.#newest.snapshots];
    return named.some((entry) => entry.recordingId === recordingId);
  }

  /**
   * Writes and syncs what the record says from now on, to one slot after the other. What it does
   * not name may be removed when this is done.
   */
  *write(index: SnapshotIndex): StorageTask<void> {
    assert(
      index.logStartPosition >= this.#index.logStartPosition,
      'the start of the log never falls',
    );
    const payload = encode(index);
    yield* this.#slots.write(payload, true);
    this.#newest = index;
    yield* this.#slots.write(payload, true);
    this.#index = index;
  }

  *close(): StorageTask<void> {
    yield* this.#slots.close();
  }
}

/**
 * Has both slots say what was found, synced: it may be in one of them, or in the page cache alone.
 * A start does so before it removes anything by it.
 */
export function* confirmSnapshotIndex(storage: Storage, index: SnapshotIndex): StorageTask<void> {
  const manifest = yield* SnapshotManifest.open(storage, index);
  yield* manifest.close();
}

/** Reads snapshots.dat without changing it. */
export function* readSnapshotIndex(storage: Storage): StorageTask<SnapshotIndexReading> {
  const reading = yield* readDoubleSlot(storage, FORMAT);
  if (reading.kind !== 'found') {
    return reading;
  }
  const index = decode(reading.payload);
  return index === undefined
    ? { kind: 'lost' }
    : { kind: 'found', index, isDamaged: reading.isDamaged };
}

function encode(index: SnapshotIndex): DataView {
  const { logStartPosition, snapshots } = index;
  assert(snapshots.length <= SNAPSHOT_COUNT_MAX + 1, 'a record names as many as it holds');
  const view = new DataView(new ArrayBuffer(PAYLOAD_LENGTH));
  view.setUint32(0, snapshots.length, true);
  writeInt64(view, LOG_START_OFFSET, logStartPosition);
  snapshots.forEach((entry, number) => {
    const at = ENTRIES_OFFSET + number * ENTRY_LENGTH;
    fieldsOf(entry).forEach((value, field) => {
      writeInt64(view, at + field * 8, value);
    });
    view.setUint32(at + HASH_OFFSET, entry.hash, true);
    view.setInt32(at + FORMAT_VERSION_OFFSET, entry.formatVersion, true);
    view.setInt32(at + APP_VERSION_OFFSET, entry.appVersion, true);
  });
  return view;
}

function fieldsOf(entry: SnapshotEntry): readonly number[] {
  return [
    entry.recordingId,
    entry.logPosition,
    entry.leadershipTermId,
    entry.termBaseLogPosition,
    entry.timestampMs,
    entry.length,
  ];
}

function decode(view: DataView): SnapshotIndex | undefined {
  const count = view.getUint32(0, true);
  const logStartPosition = readInt64(view, LOG_START_OFFSET);
  if (count > SNAPSHOT_COUNT_MAX + 1) {
    return undefined;
  }
  const snapshots = Array.from({ length: count }, (_, number): SnapshotEntry => {
    const at = ENTRIES_OFFSET + number * ENTRY_LENGTH;
    return {
      recordingId: readInt64(view, at),
      logPosition: readInt64(view, at + 8),
      leadershipTermId: readInt64(view, at + 16),
      termBaseLogPosition: readInt64(view, at + 24),
      timestampMs: readInt64(view, at + 32),
      length: readInt64(view, at + 40),
      hash: view.getUint32(at + HASH_OFFSET, true),
      formatVersion: view.getInt32(at + FORMAT_VERSION_OFFSET, true),
      appVersion: view.getInt32(at + APP_VERSION_OFFSET, true),
    };
  });
  const isExact =
    isPosition(logStartPosition) && snapshots.every((entry) => fieldsOf(entry).every(isPosition));
  return isExact ? { logStartPosition, snapshots } : undefined;
}

function isPosition(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
