// checked-reader.ts: reads the member's own recording, and ends the member when it is damaged.
//
// Bytes below the durable position that cannot be read back have rotted since they were verified. A
// member that goes on would be stuck at that position, and might be asked for them as a leader. So
// it ends: when it starts again, recovery finds the damage, takes its vote away, and it takes the
// log again from a leader.

import type { LogReader } from '../archive/segment-reader.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { Position } from '../position.js';
import type { BlockReader } from '../transport/block-source.js';
import type { RecordedLog } from './log-poller.js';

/** A reader whose failures are fatal. */
export class CheckedReader implements RecordedLog, BlockReader {
  readonly #reader: LogReader;
  readonly #onFatal: (error: PawlError) => void;

  constructor(reader: LogReader, onFatal: (error: PawlError) => void) {
    this.#reader = reader;
    this.#onFatal = onFatal;
  }

  get address(): number {
    return this.#reader.address;
  }

  read(position: Position, limit: Position): number {
    const available = this.#reader.read(position, limit);
    const failure = this.#reader.failure;
    if (available < 0 && failure !== undefined) {
      this.#onFatal(
        new PawlError(
          ErrorCode.LogCorrupt,
          `the recorded log cannot be read back at position ${failure.position}: ` +
            `${failure.reason}. Start the member again: it will run without a vote until it has ` +
            'taken the log from a leader; if this happens again, replace the disk',
          'corruption',
        ),
      );
    }
    return available;
  }

  close(): void {
    this.#reader.close();
  }
}
