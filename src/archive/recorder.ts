// recorder.ts: writes the log to segment files, and says how far it is durable.
//
// The frames are written straight from the term buffers, in blocks. At level `fsync` all writes
// that accumulated share one sync (group commit), and the durable position moves when it returns.
// At level `page-cache` the durable position is what the operating system has taken. Either way it
// is the end of a contiguous prefix (B6), never what was merely submitted (B5).
//
// A failed write or sync poisons the member: nothing is acknowledged any more, nothing is retried
// (B39). A full disk is another matter: recording ceases, and the owner is told where.

import { assert } from '../assert.js';
import { ErrorCode, type PawlError } from '../errors.js';
import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import { BLOCK_ADDRESS_OFFSET, BLOCK_ADVANCE_OFFSET } from '../memory/core.js';
import type { Agent } from '../ports/agent.js';
import { type Completion, StorageResult } from '../ports/storage.js';
import { type Position, TERM_NULL } from '../position.js';
import type { LogGeometry } from './log-geometry.js';
import { MarkWriter } from './mark-writer.js';
import {
  RECORDER_ACK_POSITION_OFFSET,
  RECORDER_ACK_RESULT_OFFSET,
  RECORDER_ACK_SEQUENCE_OFFSET,
  RECORDER_CLOSING_OFFSET,
  RECORDER_COMMAND_KIND_OFFSET,
  RECORDER_COMMAND_META_OFFSET,
  RECORDER_COMMAND_POSITION_OFFSET,
  RECORDER_COMMAND_SEQUENCE_OFFSET,
  RECORDER_COMMAND_TERM_OFFSET,
  RECORDER_COMMIT_OFFSET,
  RECORDER_DURABLE_OFFSET,
  RECORDER_OWNER_WAKE_OFFSET,
  RECORDER_POISON_OFFSET,
  RECORDER_RECORD_LIMIT_OFFSET,
  RECORDER_SCRATCH_OFFSET,
  RECORDER_STOP_POSITION_OFFSET,
  RECORDER_STOP_REASON_OFFSET,
  RECORDER_WRITTEN_OFFSET,
  RecorderCommand,
  RecorderResult,
  RecorderStop,
} from './recorder-control.js';
import { RecorderWrites } from './recorder-writes.js';
import { type SegmentFile, SegmentWriter } from './segment-writer.js';
import { type StorageTask, type StorageTasks, storageError } from './storage-task.js';

/** What an acknowledged byte survives: a power cut, or the death of the process alone. */
export type Durability = 'fsync' | 'page-cache';

/** Bytes of one write at most. */
export const WRITE_LENGTH_MAX = 1024 * 1024;
/** Steps of one duty cycle: a storage that completes at submit gets from write to mark in one. */
const WORK_ROUNDS_MAX = 16;

/** What a recorder is made of. */
export interface RecorderOptions {
  readonly tasks: StorageTasks;
  /** The owner's arena, or one attached to its memory. */
  readonly arena: Arena;
  /** Address of the control block. */
  readonly control: number;
  readonly geometry: LogGeometry;
  readonly durability: Durability;
  /** Called after a duty cycle that moved a position or answered a command. */
  readonly onProgress?: () => void;
  /** Called once, when the member is poisoned. */
  readonly onFailure?: (error: PawlError) => void;
}

const RecorderState = {
  /** Waits for START. */
  Idle: 1,
  /** Opens mark and segment. */
  Starting: 2,
  Recording: 3,
  /** Ceased by itself; waits for STOP. */
  Ceased: 4,
  /** Makes durable what is written. */
  Stopping: 5,
  /** Has acknowledged STOP. */
  Stopped: 6,
  /** Writes the last mark and closes the files. */
  Closing: 7,
  /** Poisoned: does nothing any more. */
  Failed: 8,
} as const;
type RecorderState = (typeof RecorderState)[keyof typeof RecorderState];

/** Records the log. Shares only a control block and term buffers with its owner. */
export class Recorder implements Agent {
  readonly roleName = 'recorder';
  /** The last duty cycle went on until there was nothing left to do. */
  isSettled = false;
  readonly #tasks: StorageTasks;
  readonly #arena: Arena;
  readonly #control: number;
  readonly #geometry: LogGeometry;
  readonly #isFsync: boolean;
  readonly #onProgress: (() => void) | undefined;
  readonly #onFailure: ((error: PawlError) => void) | undefined;
  readonly #segments: SegmentWriter;
  readonly #writes: RecorderWrites;
  readonly #marks: MarkWriter;
  #state: RecorderState = RecorderState.Idle;
  #failure: PawlError | undefined;
  #sequence = 0;
  #meta = 0;
  #leadershipTermId = TERM_NULL;
  // Invariant: durable <= written <= submitted. At page-cache durable === written.
  #submitted: Position = 0;
  #written: Position = 0;
  #durable: Position = 0;
  #publishedDurable: Position = 0;
  // A group of syncs under way: how many are missing, and what is durable when they are there.
  #syncCount = 0;
  #syncTarget: Position = 0;
  #hasProgress = false;
  readonly #onSynced = (completion: Completion): void => this.#takeSync(completion);

  constructor(options: RecorderOptions) {
    const isFsync = options.durability === 'fsync';
    const onError = (error: PawlError): void => this.#takeError(error);
    this.#tasks = options.tasks;
    this.#arena = options.arena;
    this.#control = options.control;
    this.#geometry = options.geometry;
    this.#isFsync = isFsync;
    this.#onProgress = options.onProgress;
    this.#onFailure = options.onFailure;
    this.#segments = new SegmentWriter(options.tasks, options.geometry, !isFsync, onError);
    this.#marks = new MarkWriter(options.tasks, this.#segments, isFsync, onError);
    this.#writes = new RecorderWrites(options.tasks, (file, result) =>
      this.#takeWrite(file, result),
    );
  }

  /** What poisoned the member. */
  get failure(): PawlError | undefined {
    return this.#failure;
  }

  doWork(nowNs: number): number {
    let total = 0;
    for (let round = 0; round < WORK_ROUNDS_MAX; round++) {
      let work = this.#tasks.poll();
      if (this.#state !== RecorderState.Failed) {
        work += this.#takeCommand() + this.#record() + this.#sync() + this.#finish();
        // On a thread of its own a recorder waits for each sync: the owner does not, for a mark.
        this.#tellOwner();
        work += this.#closeStopped();
        work += this.#marks.doWork(nowNs, this.#durable, this.#commitPosition());
      }
      total += work;
      this.isSettled = work === 0;
      if (this.isSettled) {
        break;
      }
    }
    this.#tellOwner();
    return total;
  }

  #tellOwner(): void {
    if (this.#hasProgress) {
      this.#hasProgress = false;
      Atomics.add(this.#arena.i32, (this.#control + RECORDER_OWNER_WAKE_OFFSET) >> 2, 1);
      this.#onProgress?.();
    }
  }

  deadlineNs(): number {
    return this.#state === RecorderState.Recording || this.#state === RecorderState.Ceased
      ? this.#marks.deadlineNs(this.#durable, this.#commitPosition())
      : Number.POSITIVE_INFINITY;
  }

  /** Nothing is held that STOP did not give back. */
  close(): void {
    this.#meta = 0;
    this.#state = RecorderState.Failed;
  }

  // --- commands ---

  #takeCommand(): number {
    const sequence = this.#loadInt(RECORDER_COMMAND_SEQUENCE_OFFSET);
    const isResting =
      this.#state === RecorderState.Idle ||
      this.#state === RecorderState.Recording ||
      this.#state === RecorderState.Ceased;
    if (sequence === this.#sequence || !isResting) {
      return 0;
    }
    this.#sequence = sequence;
    if (this.#loadInt(RECORDER_COMMAND_KIND_OFFSET) === RecorderCommand.Start) {
      this.#start();
    } else if (this.#state === RecorderState.Idle) {
      this.#acknowledge(RecorderResult.Ok);
    } else {
      this.#state = RecorderState.Stopping;
    }
    return 1;
  }

  #start(): void {
    assert(this.#state === RecorderState.Idle, 'a recorder that starts is idle');
    const { core } = this.#arena;
    const position = core.counterGet(this.#control + RECORDER_COMMAND_POSITION_OFFSET);
    this.#meta = this.#loadInt(RECORDER_COMMAND_META_OFFSET);
    this.#leadershipTermId = core.counterGet(this.#control + RECORDER_COMMAND_TERM_OFFSET);
    assert(position % 32 === 0, 'a recording starts where a frame starts');
    this.#submitted = position;
    this.#written = position;
    this.#durable = position;
    this.#publishPositions();
    core.counterSet(this.#control + RECORDER_STOP_POSITION_OFFSET, 0);
    this.#storeInt(RECORDER_STOP_REASON_OFFSET, RecorderStop.None);
    this.#state = RecorderState.Starting;
    this.#tasks.run(
      this.#open(position),
      () => {
        this.#state = RecorderState.Recording;
        this.#acknowledge(RecorderResult.Ok);
      },
      (error) => this.#takeError(error),
    );
  }

  *#open(position: Position): StorageTask<void> {
    yield* this.#segments.open(position);
    yield* this.#marks.open(position, this.#leadershipTermId);
  }

  #acknowledge(result: RecorderResult): void {
    this.#storeInt(RECORDER_ACK_RESULT_OFFSET, result);
    this.#arena.core.counterSet(this.#control + RECORDER_ACK_POSITION_OFFSET, this.#durable);
    this.#storeInt(RECORDER_ACK_SEQUENCE_OFFSET, this.#sequence);
    this.#hasProgress = true;
  }

  // --- writing ---

  #record(): number {
    let work = 0;
    const { core } = this.#arena;
    while (this.#state === RecorderState.Recording && !this.#writes.isFull) {
      const limit = core.counterGet(this.#control + RECORDER_RECORD_LIMIT_OFFSET);
      if (this.#submitted >= limit) {
        break;
      }
      const file = this.#segments.fileOf(this.#submitted);
      if (file === undefined) {
        work += this.#segments.need(this.#submitted) ? 1 : 0;
        break;
      }
      if (!this.#writeBlock(file, limit)) {
        break;
      }
      work++;
    }
    return work;
  }

  /** Writes the next block to the file that holds it. False when there is none. */
  #writeBlock(file: SegmentFile, limit: Position): boolean {
    const { core, i32 } = this.#arena;
    const scratch = this.#control + RECORDER_SCRATCH_OFFSET;
    const from = this.#submitted;
    const length = core.nextBlock(this.#meta, from, limit, WRITE_LENGTH_MAX, scratch);
    if (length === 0) {
      return false;
    }
    const address = i32[(scratch + BLOCK_ADDRESS_OFFSET) >> 2] as number;
    const prefix = core.blockTermPrefix(address, length, this.#leadershipTermId | 0);
    // Padding ends a block, so a prefix that is shorter than the block has none.
    const advance =
      prefix < length ? prefix : (i32[(scratch + BLOCK_ADVANCE_OFFSET) >> 2] as number);
    if (prefix > 0) {
      this.#submitted = from + advance;
      this.#writes.submit(file, from - file.base, this.#arena.u8, address, prefix, this.#submitted);
    }
    this.#prepareNext(file);
    if (prefix < length) {
      hit(Mark.RecorderOtherTerm);
      this.#cease(RecorderStop.OtherTerm, this.#submitted);
    }
    return prefix > 0;
  }

  #prepareNext(file: SegmentFile): void {
    const { segmentLength, termLength } = this.#geometry;
    const nextBase = file.base + segmentLength;
    if (nextBase - this.#submitted < termLength) {
      hit(Mark.RecorderSegmentRolls);
      this.#segments.prepare(nextBase);
    }
  }

  #takeWrite(file: SegmentFile, result: number): void {
    if (result === StorageResult.NoSpace) {
      hit(Mark.RecorderNoSpace);
      this.#cease(RecorderStop.NoSpace, this.#writes.failedFrom(this.#written));
    } else if (result !== StorageResult.Ok) {
      this.#fail(storageError(StorageResult.InputOutput, 'write the log'));
    } else {
      file.isDirty = true;
    }
    this.#written = this.#writes.contiguousEnd(this.#written);
    if (!this.#isFsync) {
      this.#durable = this.#written;
    }
    this.#publishPositions();
  }

  // --- syncing ---

  #sync(): number {
    const isWanted = this.#isFsync && this.#written > this.#durable && this.#syncCount === 0;
    if (!isWanted || this.#state === RecorderState.Failed) {
      return 0;
    }
    // Syncs cover the writes that have completed: what completes from now on is dirty again.
    this.#syncTarget = this.#written;
    for (const file of this.#segments.files) {
      if (file.isDirty) {
        file.isDirty = false;
        this.#syncCount++;
        this.#tasks.expect(this.#tasks.storage.sync(file.handle), this.#onSynced);
      }
    }
    assert(this.#syncCount > 0, 'bytes that are written and not durable lie in a dirty file');
    return 1;
  }

  #takeSync(completion: Completion): void {
    if (completion.result !== StorageResult.Ok) {
      this.#fail(storageError(StorageResult.InputOutput, 'sync the log'));
      return;
    }
    this.#syncCount--;
    if (this.#syncCount === 0) {
      this.#durable = this.#syncTarget;
      this.#segments.closeBelow(this.#durable);
      this.#publishPositions();
    }
  }

  // --- stopping ---

  /** Ceases to record without being asked. */
  #cease(reason: RecorderStop, position: Position): void {
    if (this.#state === RecorderState.Recording) {
      this.#state = RecorderState.Ceased;
    }
    if (this.#loadInt(RECORDER_STOP_REASON_OFFSET) === RecorderStop.None) {
      this.#arena.core.counterSet(this.#control + RECORDER_STOP_POSITION_OFFSET, position);
      this.#storeInt(RECORDER_STOP_REASON_OFFSET, reason);
    }
    this.#hasProgress = true;
  }

  /** Acknowledges a STOP once all that is written is durable. */
  #finish(): number {
    const isFinal =
      this.#writes.isEmpty && this.#syncCount === 0 && this.#durable === this.#written;
    if (this.#state !== RecorderState.Stopping || !isFinal) {
      return 0;
    }
    this.#writes.clear();
    this.#storeInt(RECORDER_CLOSING_OFFSET, 1);
    this.#acknowledge(RecorderResult.Ok);
    this.#state = RecorderState.Stopped;
    return 1;
  }

  /**
   * Writes the last mark and closes the files. Whoever waits for the final positions has been told:
   * an election needs them, and not what the mark says of them.
   */
  #closeStopped(): number {
    const isQuiet = !this.#segments.isMaking && !this.#marks.isBusy;
    if (this.#state !== RecorderState.Stopped || !isQuiet) {
      return 0;
    }
    this.#state = RecorderState.Closing;
    this.#tasks.run(
      this.#marks.close(this.#durable, this.#commitPosition()),
      () => {
        this.#state = RecorderState.Idle;
        this.#storeInt(RECORDER_CLOSING_OFFSET, 0);
        this.#hasProgress = true;
      },
      (error) => this.#takeError(error),
    );
    return 1;
  }

  #takeError(error: PawlError): void {
    if (error.code === ErrorCode.StorageFull && this.#state !== RecorderState.Closing) {
      this.#takeFullDisk();
    } else {
      this.#fail(error);
    }
  }

  #takeFullDisk(): void {
    hit(Mark.RecorderNoSpaceForSegment);
    const isStarting = this.#state === RecorderState.Starting;
    this.#cease(RecorderStop.NoSpace, this.#submitted);
    if (isStarting) {
      this.#state = RecorderState.Ceased;
      this.#acknowledge(RecorderResult.NoSpace);
    }
  }

  #fail(error: PawlError): void {
    if (this.#state === RecorderState.Failed) {
      return;
    }
    hit(Mark.RecorderPoisoned);
    this.#state = RecorderState.Failed;
    this.#failure = error;
    this.#tasks.poison(error);
    this.#storeInt(RECORDER_POISON_OFFSET, 1);
    this.#hasProgress = true;
    this.#onFailure?.(error);
  }

  #publishPositions(): void {
    if (this.#state === RecorderState.Failed) {
      return;
    }
    assert(
      this.#durable <= this.#written && this.#written <= this.#submitted,
      'order of positions',
    );
    const { core } = this.#arena;
    core.counterSet(this.#control + RECORDER_WRITTEN_OFFSET, this.#written);
    core.counterSet(this.#control + RECORDER_DURABLE_OFFSET, this.#durable);
    // Nobody acts on what is written and not durable: the owner sleeps on until it is.
    this.#hasProgress ||= this.#durable !== this.#publishedDurable;
    this.#publishedDurable = this.#durable;
  }

  #commitPosition(): Position {
    return this.#arena.core.counterGet(this.#control + RECORDER_COMMIT_OFFSET);
  }

  #loadInt(offset: number): number {
    return Atomics.load(this.#arena.i32, (this.#control + offset) >> 2);
  }

  #storeInt(offset: number, value: number): void {
    Atomics.store(this.#arena.i32, (this.#control + offset) >> 2, value);
  }
}
