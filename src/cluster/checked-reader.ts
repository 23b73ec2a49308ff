// checked-reader.ts: reads the member's own recording, and has it repaired where it is damaged.
//
// Bytes below the durable position that cannot be read back have rotted since they were verified.
// Whoever reads them waits, or is refused, until the range was taken from another member. Nothing
// that does not verify is ever given to a service or sent.

import type { LogReader } from '../archive/segment-reader.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { Position } from '../position.js';
import type { BlockReader } from '../transport/block-source.js';
import type { RecordedLog } from './log-poller.js';

/** Complaints about one place that nobody else finds damaged, until the member gives up. */
const FALSE_ALARM_COUNT_MAX = 4;

/** Who looks after the recording. */
export interface ReadGuard {
  /** A frame could not be read at a position. */
  suspect(position: Position): void;
  /** Whether the log before and at a position was purged: nobody can be given it. */
  isPurged(position: Position): boolean;
  /** Whether it is being looked at, or waits for repair. */
  isInDoubt(position: Position): boolean;
  /** Where the first damage at or behind a position is; Infinity for none. */
  firstDamaged(position: Position): Position;
}

/** A reader whose failures are looked into. */
export class CheckedReader implements RecordedLog, BlockReader {
  readonly #reader: LogReader;
  readonly #guard: ReadGuard;
  readonly #onFatal: (error: PawlError) => void;
  #alarmPosition: Position = -1;
  #alarmCount = 0;

  constructor(reader: LogReader, guard: ReadGuard, onFatal: (error: PawlError) => void) {
    this.#reader = reader;
    this.#guard = guard;
    this.#onFatal = onFatal;
  }

  get address(): number {
    return this.#reader.address;
  }

  /** As LogReader: -1 also while the place is in doubt. Ask again in a later duty cycle. */
  read(position: Position, limit: Position): number {
    // What a repair has written can be read before it is durable, and must not be relied on.
    const end = Math.min(limit, this.#guard.firstDamaged(position));
    if (end <= position && position < limit) {
      return -1;
    }
    const available = this.#reader.read(position, end);
    const failure = this.#reader.failure;
    if (available > 0) {
      this.#alarmCount = 0;
      return available;
    }
    if (available === 0 || failure === undefined || this.#isAwaited(failure.position)) {
      return available;
    }
    this.#alarmCount = failure.position === this.#alarmPosition ? this.#alarmCount + 1 : 1;
    this.#alarmPosition = failure.position;
    if (this.#alarmCount > FALSE_ALARM_COUNT_MAX) {
      this.#onFatal(
        new PawlError(
          ErrorCode.LogCorrupt,
          `the recorded log cannot be read back at position ${failure.position}: ` +
            `${failure.reason}, and yet no damage is found there. Start the member again; if ` +
            'this happens again, replace the disk',
          'corruption',
        ),
      );
    } else if (this.#alarmCount % 2 === 1) {
      this.#guard.suspect(failure.position);
    } else {
      // It was repaired, or found sound: what the reader remembers of it is out of date.
      this.#reader.reset();
    }
    return available;
  }

  #isAwaited(position: Position): boolean {
    return this.#guard.isInDoubt(position) || this.#guard.isPurged(position);
  }

  close(): void {
    this.#reader.close();
  }
}
