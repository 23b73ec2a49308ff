// recorder-proxy.ts: the owner's side of a recorder, inline or on another thread.
//
// One command is outstanding at a time. Everything else is a position in a counter, so the cluster
// agent neither knows nor cares where the recorder runs.

import { assert } from '../assert.js';
import type { Arena } from '../memory/arena.js';
import type { LeadershipTermId, Position } from '../position.js';
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
  RECORDER_POISON_OFFSET,
  RECORDER_RECORD_LIMIT_OFFSET,
  RECORDER_SLEEPING_OFFSET,
  RECORDER_STOP_POSITION_OFFSET,
  RECORDER_STOP_REASON_OFFSET,
  RECORDER_WAKE_OFFSET,
  RECORDER_WRITTEN_OFFSET,
  RecorderCommand,
  type RecorderResult,
  type RecorderStop,
} from './recorder-control.js';

/** Where a recorder listens. */
export interface RecorderProxyOptions {
  readonly arena: Arena;
  /** Address of the control block. */
  readonly control: number;
  /** Wakes a recorder that sleeps on another thread; not needed inline. */
  readonly notify?: () => void;
}

/** Commands a recorder and reads its positions. */
export class RecorderProxy {
  readonly #arena: Arena;
  readonly #control: number;
  readonly #notify: (() => void) | undefined;
  #sequence = 0;
  #recordLimit = -1;
  #commitPosition = -1;
  // Invariant: true from `start` until the acknowledgement of `stop`.
  #isStarted = false;
  #isStopping = false;

  constructor(options: RecorderProxyOptions) {
    this.#arena = options.arena;
    this.#control = options.control;
    this.#notify = options.notify;
  }

  /**
   * Records a log buffer from a position on, as one leadership term whose recording log entry is
   * durable. Acknowledged when the segment is open; the mark of the term follows in its interval.
   *
   * @param meta metadata address of the log buffer.
   * @param position end of the recorded log.
   */
  start(meta: number, position: Position, leadershipTermId: LeadershipTermId): void {
    assert(!this.isBusy() && !this.isRecording(), 'a recorder that starts is stopped');
    const { core } = this.#arena;
    this.#recordLimit = position;
    core.counterSet(this.#control + RECORDER_RECORD_LIMIT_OFFSET, position);
    this.#storeInt(RECORDER_COMMAND_META_OFFSET, meta);
    core.counterSet(this.#control + RECORDER_COMMAND_TERM_OFFSET, leadershipTermId);
    core.counterSet(this.#control + RECORDER_COMMAND_POSITION_OFFSET, position);
    this.#isStarted = true;
    this.#isStopping = false;
    this.#publish(RecorderCommand.Start);
  }

  /**
   * Makes durable what is written and ceases; then `durablePosition` is final and the log buffer is
   * not read any more. The last mark is written after that: see `isClosing`.
   */
  stop(): void {
    assert(!this.isBusy(), 'one command of a recorder at a time');
    this.#isStopping = true;
    this.#publish(RecorderCommand.Stop);
  }

  /** Whether a command waits for its acknowledgement. */
  isBusy(): boolean {
    return this.#loadInt(RECORDER_ACK_SEQUENCE_OFFSET) !== this.#sequence;
  }

  /**
   * Whether it was started and has not acknowledged `stop`. It may have ceased: see `stopReason`.
   */
  isRecording(): boolean {
    if (this.#isStarted && this.#isStopping && !this.isBusy()) {
      this.#isStarted = false;
      this.#isStopping = false;
    }
    return this.#isStarted;
  }

  /**
   * Whether a recording that has acknowledged `stop` still writes its last mark. Whoever changes
   * the segments or the mark waits for its end; the next `start` need not.
   */
  isClosing(): boolean {
    return this.#loadInt(RECORDER_CLOSING_OFFSET) !== 0;
  }

  /** Result of the last acknowledged command. */
  lastResult(): RecorderResult {
    return this.#loadInt(RECORDER_ACK_RESULT_OFFSET) as RecorderResult;
  }

  /** Durable position at the last acknowledged command. */
  lastResultPosition(): Position {
    return this.#counter(RECORDER_ACK_POSITION_OFFSET);
  }

  /** Lets frames below a position be recorded. Call it every turn; it never falls within a term. */
  setRecordLimit(position: Position): void {
    if (position !== this.#recordLimit) {
      assert(position > this.#recordLimit, 'a record limit never falls while recording');
      this.#recordLimit = position;
      this.#arena.core.counterSet(this.#control + RECORDER_RECORD_LIMIT_OFFSET, position);
      this.#wake();
    }
  }

  /**
   * Tells what is committed of the log that this member holds, for the mark.
   *
   * @param position learned from a leader with which this member is reconciled.
   */
  setCommitPosition(position: Position): void {
    if (position > this.#commitPosition) {
      this.#commitPosition = position;
      this.#arena.core.counterSet(this.#control + RECORDER_COMMIT_OFFSET, position);
    }
  }

  /** End of the log that is durable at the configured level. */
  durablePosition(): Position {
    return this.#counter(RECORDER_DURABLE_OFFSET);
  }

  /** End of the log that was handed to the operating system. */
  writtenPosition(): Position {
    return this.#counter(RECORDER_WRITTEN_OFFSET);
  }

  /** The disk failed. Check it before every send: nothing may leave any more. */
  isPoisoned(): boolean {
    return this.#loadInt(RECORDER_POISON_OFFSET) !== 0;
  }

  /** Why the recorder ceased without being asked. */
  stopReason(): RecorderStop {
    return this.#loadInt(RECORDER_STOP_REASON_OFFSET) as RecorderStop;
  }

  /** Where it ceased. */
  stopPosition(): Position {
    return this.#counter(RECORDER_STOP_POSITION_OFFSET);
  }

  #publish(kind: RecorderCommand): void {
    this.#sequence = (this.#sequence + 1) | 0;
    this.#storeInt(RECORDER_COMMAND_KIND_OFFSET, kind);
    this.#storeInt(RECORDER_COMMAND_SEQUENCE_OFFSET, this.#sequence);
    this.#wake();
  }

  #wake(): void {
    Atomics.add(this.#arena.i32, (this.#control + RECORDER_WAKE_OFFSET) >> 2, 1);
    if (this.#notify !== undefined && this.#loadInt(RECORDER_SLEEPING_OFFSET) !== 0) {
      this.#notify();
    }
  }

  #counter(offset: number): number {
    return this.#arena.core.counterGet(this.#control + offset);
  }

  #loadInt(offset: number): number {
    return Atomics.load(this.#arena.i32, (this.#control + offset) >> 2);
  }

  #storeInt(offset: number, value: number): void {
    Atomics.store(this.#arena.i32, (this.#control + offset) >> 2, value);
  }
}
