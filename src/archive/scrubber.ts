// scrubber.ts: reads the recorded log again and again, so that rot is found while others still have
// what it ate.
//
// One chunk at a time, at a limited rate, round after round with pauses between: nobody waits for
// it. Whoever cannot read a frame names the place, and then that term is looked at next, without a
// limit: so a reader's complaint and a finding of the scrubber are judged by the same code.
//
// Everything that must not meet a truncation runs in TRUNCATE_QUEUE, and the scrubber rests while
// one is asked for: what is being cut is no damage.

import type { PawlError } from '../errors.js';
import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';
import type { DamagedRange, DamageList } from './damage-list.js';
import { DamageScan } from './damage-scan.js';
import type { LogGeometry } from './log-geometry.js';
import { CHUNK_LENGTH_MIN, CHUNK_SCRATCH_LENGTH } from './log-walk.js';
import type { RecordingLog } from './recording-log.js';
import type { StorageTasks } from './storage-task.js';
import { TRUNCATE_QUEUE } from './truncate.js';

/** Bytes that one duty cycle reads at most. */
export const SCRUB_STEP_LENGTH = CHUNK_LENGTH_MIN;
/** Places named by readers that wait to be looked at. */
const SUSPECT_COUNT_MAX = 64;

const NS_PER_SECOND = 1_000_000_000;

export interface ScrubberOptions {
  readonly tasks: StorageTasks;
  readonly arena: Arena;
  readonly geometry: LogGeometry;
  readonly recordingLog: RecordingLog;
  /** Findings are added to it. */
  readonly damage: DamageList;
  /** From the start of one round to the start of the next, nanoseconds. */
  readonly cycleNs: number;
  readonly bytesPerSecond: number;
  /** Where the log begins now. Default 0. */
  readonly startPosition?: () => Position;
  /** Whether the start has verified the whole log. Default true. */
  readonly isVerified?: boolean;
  /** A range was found that was not known. */
  readonly onFound: (range: DamagedRange) => void;
  readonly onFatal: (error: PawlError) => void;
}

/** Looks for damage below the end of the durable log. */
export class Scrubber {
  readonly #options: ScrubberOptions;
  readonly #chunk: number;
  #round: DamageScan | undefined;
  /** Starts of the terms that readers complained about. */
  readonly #suspects: Position[] = [];
  #suspectScan: DamageScan | undefined;
  /** Undefined until the first duty cycle tells the time. */
  #nextRoundNs: number | undefined;
  #nextStepNs = 0;
  #isBusy = false;
  #isResting = false;
  #isClosed = false;
  scrubbedBytes = 0;
  /** Rounds over the whole log that are complete. */
  roundCount = 0;

  constructor(options: ScrubberOptions) {
    this.#options = options;
    this.#chunk = options.arena.allocate(SCRUB_STEP_LENGTH + CHUNK_SCRATCH_LENGTH);
  }

  /**
   * Takes the next step when one is due.
   *
   * @param end of the durable log. @returns steps begun.
   */
  doWork(nowNs: number, end: Position): number {
    // Where the start has just read all of it, the first round waits.
    this.#nextRoundNs ??= nowNs + (this.#options.isVerified === false ? 0 : this.#options.cycleNs);
    if (this.#isBusy || this.#isResting || this.#isClosed) {
      return 0;
    }
    const suspectScan = this.#nextSuspect(end);
    if (suspectScan !== undefined) {
      this.#step(suspectScan, nowNs);
      return 1;
    }
    if (this.#round === undefined && nowNs >= this.#nextRoundNs) {
      this.#nextRoundNs = nowNs + this.#options.cycleNs;
      this.#round = this.#scan(this.#startPosition(), end);
    }
    if (this.#round?.isDone === true) {
      this.#finish(this.#round);
      this.#round = undefined;
      this.roundCount++;
    }
    if (this.#round === undefined || nowNs < this.#nextStepNs) {
      return 0;
    }
    this.#step(this.#round, nowNs);
    return 1;
  }

  deadlineNs(): number {
    if (this.#isBusy || this.#isResting || this.#isClosed) {
      return Number.POSITIVE_INFINITY;
    }
    if (this.#suspects.length > 0 || this.#suspectScan !== undefined) {
      return Number.NEGATIVE_INFINITY;
    }
    const roundNs = this.#nextRoundNs ?? Number.NEGATIVE_INFINITY;
    return this.#round === undefined ? roundNs : this.#nextStepNs;
  }

  /** A reader found no whole frame at a position: the term around it is looked at next. */
  suspect(position: Position): void {
    const start = this.#termStart(position);
    if (!this.#suspects.includes(start) && this.#suspects.length < SUSPECT_COUNT_MAX) {
      this.#suspects.push(start);
    }
  }

  /** Whether bytes at a position are damaged, or about to be looked at. */
  isInDoubt(position: Position): boolean {
    return (
      this.#suspects.includes(this.#termStart(position)) || this.#options.damage.covers(position)
    );
  }

  /** The log is about to be cut. */
  rest(position: Position): void {
    this.#isResting = true;
    this.#round?.limit(position);
    this.#suspectScan?.limit(position);
  }

  /** The log was cut, and ends at a position. */
  resume(position: Position): void {
    this.#isResting = false;
    this.#options.damage.remove(position, Number.POSITIVE_INFINITY);
  }

  /** Idempotent. Memory that the disk still writes to is released when the read has ended. */
  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#releaseWhenIdle();
    }
  }

  #nextSuspect(end: Position): DamageScan | undefined {
    if (this.#suspectScan?.isDone === true) {
      this.#finish(this.#suspectScan);
      this.#suspectScan = undefined;
      this.#suspects.shift();
    }
    while (this.#suspectScan === undefined && this.#suspects.length > 0) {
      const start = this.#suspects[0] as Position;
      const scan = this.#scan(start, Math.min(end, start + this.#options.geometry.termLength));
      if (scan.isDone) {
        this.#suspects.shift();
      } else {
        this.#suspectScan = scan;
      }
    }
    return this.#suspectScan;
  }

  #scan(from: Position, to: Position): DamageScan {
    const { arena, geometry, recordingLog } = this.#options;
    const chunk = this.#chunk;
    const entries = () => recordingLog.entries();
    const chunkLength = SCRUB_STEP_LENGTH;
    return new DamageScan({ arena, chunk, chunkLength, geometry, entries }, from, to);
  }

  #step(scan: DamageScan, nowNs: number): void {
    const { bytesPerSecond, tasks } = this.#options;
    const intervalNs = Math.ceil((SCRUB_STEP_LENGTH * NS_PER_SECOND) / bytesPerSecond);
    this.#nextStepNs = nowNs + intervalNs;
    this.#isBusy = true;
    tasks.run(
      scan.step(tasks.storage),
      (bytes) => {
        this.scrubbedBytes += bytes;
        this.#end();
      },
      (error) => {
        this.#end();
        this.#options.onFatal(error);
      },
      TRUNCATE_QUEUE,
    );
  }

  #end(): void {
    this.#isBusy = false;
    this.#releaseWhenIdle();
  }

  #finish(scan: DamageScan): void {
    const { damage, onFound } = this.#options;
    const start = this.#startPosition();
    for (const range of scan.found) {
      // What was purged meanwhile is gone, not damaged.
      if (range.to > start && damage.add(range)) {
        onFound(range);
      }
    }
  }

  #startPosition(): Position {
    return this.#options.startPosition?.() ?? 0;
  }

  #termStart(position: Position): Position {
    return position - (position % this.#options.geometry.termLength);
  }

  #releaseWhenIdle(): void {
    if (this.#isClosed && !this.#isBusy) {
      this.#options.arena.release(this.#chunk, SCRUB_STEP_LENGTH + CHUNK_SCRATCH_LENGTH);
    }
  }
}
