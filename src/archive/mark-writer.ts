// mark-writer.ts: writes the durable mark while a recorder records.
//
// Due every 4 MiB or 100 ms of log, and at the end of a recording. What a mark claims is synced
// first: at level `fsync` it claims what is durable already, at `page-cache` it syncs the segments
// itself. Nothing waits for a mark: it lags, and what lies behind it is found by its checksums.

import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { LeadershipTermId, Position } from '../position.js';
import {
  type DurableMark,
  DurableMarkFile,
  INITIAL_MARK,
  readDurableMark,
} from './durable-mark.js';
import type { SegmentWriter } from './segment-writer.js';
import { checkSync, type StorageTask, type StorageTasks } from './storage-task.js';

/** Log between two marks at most, bytes... */
export const MARK_INTERVAL_LENGTH = 4 * 1024 * 1024;
/** ... and nanoseconds. */
export const MARK_INTERVAL_NS = 100_000_000;

/** Keeps the mark of one recorder. */
export class MarkWriter {
  readonly #tasks: StorageTasks;
  readonly #segments: SegmentWriter;
  readonly #isFsync: boolean;
  readonly #onError: (error: PawlError) => void;
  #file: DurableMarkFile | undefined;
  #leadershipTermId: LeadershipTermId = 0;
  #mark: DurableMark = INITIAL_MARK;
  #lastMarkNs = Number.NEGATIVE_INFINITY;
  #isBusy = false;
  /** Opened, and the time of that is not known yet. */
  #isFresh = false;

  constructor(
    tasks: StorageTasks,
    segments: SegmentWriter,
    isFsync: boolean,
    onError: (error: PawlError) => void,
  ) {
    this.#tasks = tasks;
    this.#segments = segments;
    this.#isFsync = isFsync;
    this.#onError = onError;
  }

  /** Whether a mark is being written. */
  get isBusy(): boolean {
    return this.#isBusy;
  }

  /** Opens the mark for a term; the first one is due an interval after it. */
  *open(position: Position, leadershipTermId: LeadershipTermId): StorageTask<void> {
    const storage = this.#tasks.storage;
    const reading = yield* readDurableMark(storage);
    if (reading.kind !== 'found') {
      throw new PawlError(
        ErrorCode.RecordCorrupt,
        `durable-mark.dat is ${reading.kind} while the member runs: something else changes this ` +
          'data directory; stop it, and start the member anew',
        'fatal',
      );
    }
    const { mark, sequence } = reading;
    assert(mark.durablePosition <= position, 'a recording starts at or beyond the mark');
    assert(mark.leadershipTermId <= leadershipTermId, 'terms of the mark ascend');
    this.#leadershipTermId = leadershipTermId;
    this.#mark = mark;
    this.#file = yield* DurableMarkFile.open(storage, mark, sequence);
    this.#isFresh = true;
  }

  /** Writes a mark when one is due. */
  doWork(nowNs: number, durable: Position, commitPosition: Position): number {
    if (this.#isFresh) {
      this.#isFresh = false;
      this.#lastMarkNs = nowNs;
    }
    if (this.#file === undefined || nowNs < this.#dueNs(durable, commitPosition)) {
      return 0;
    }
    this.#isBusy = true;
    this.#lastMarkNs = nowNs;
    this.#tasks.run(
      this.#syncAndWrite(durable, commitPosition),
      () => {
        this.#isBusy = false;
        this.#segments.closeBelow(this.#mark.durablePosition);
      },
      (error) => {
        this.#isBusy = false;
        this.#onError(error);
      },
    );
    return 1;
  }

  /** When a mark is due; Infinity while there is nothing to note, or one is being written. */
  deadlineNs(durable: Position, commitPosition: Position): number {
    return this.#file === undefined
      ? Number.POSITIVE_INFINITY
      : this.#dueNs(durable, commitPosition);
  }

  /**
   * Writes the last mark of a recording and closes it and the segments. On a disk that is too full
   * for the mark it lags, which is allowed.
   */
  *close(durable: Position, commitPosition: Position): StorageTask<void> {
    const file = this.#file;
    this.#isBusy = true;
    if (file !== undefined) {
      try {
        yield* this.#syncAndWrite(durable, commitPosition);
      } catch (error) {
        if (!(error instanceof PawlError) || error.code !== ErrorCode.StorageFull) {
          throw error;
        }
      }
      yield* file.close();
    }
    this.#file = undefined;
    this.#isBusy = false;
    yield* this.#segments.closeAll();
  }

  #dueNs(durable: Position, commitPosition: Position): number {
    const newLength = durable - this.#mark.durablePosition;
    const isCommitNew = Math.min(commitPosition, durable) > this.#mark.commitPosition;
    if (this.#isBusy || (newLength === 0 && !isCommitNew)) {
      return Number.POSITIVE_INFINITY;
    }
    return newLength >= MARK_INTERVAL_LENGTH
      ? Number.NEGATIVE_INFINITY
      : this.#lastMarkNs + MARK_INTERVAL_NS;
  }

  /** At page-cache the claim is synced here; at fsync it was synced before it was durable. */
  *#syncAndWrite(durable: Position, commitPosition: Position): StorageTask<void> {
    if (!this.#isFsync) {
      for (const file of this.#segments.files.filter((segment) => segment.isDirty)) {
        file.isDirty = false;
        checkSync(yield this.#tasks.storage.syncBackground(file.handle), 'sync the log');
      }
    }
    const commit = Math.max(this.#mark.commitPosition, Math.min(commitPosition, durable));
    const leadershipTermId = this.#leadershipTermId;
    yield* this.#write({ durablePosition: durable, commitPosition: commit, leadershipTermId });
  }

  *#write(mark: DurableMark): StorageTask<void> {
    assert(this.#file !== undefined, 'a mark is written to an open file');
    yield* this.#file.write(mark, !this.#isFsync);
    this.#mark = mark;
  }
}
