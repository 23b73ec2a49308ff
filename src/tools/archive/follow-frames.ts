// follow-frames.ts: the frames of a log that grows: those that are committed, as they come.
//
// A member that runs is asked how far its services have come: that is committed, and on this disk.
// Of one that does not answer the durable mark tells it, which may lag a little. What is recorded
// beyond may still be cut, so it is not read.

import { setTimeout } from 'node:timers/promises';
import { type DurableMarkReading, readDurableMark } from '../../archive/durable-mark.js';
import { readSnapshotIndex, type SnapshotIndexReading } from '../../archive/snapshot-manifest.js';
import { completeTask, StorageTasks } from '../../archive/storage-task.js';
import type { LogFrame } from '../../codec/index.js';
import { ErrorCode, PawlError } from '../../errors.js';
import { NodeStorage } from '../../host/node-storage.js';
import type { Position } from '../../position.js';
import { askStatus } from '../cluster-directories.js';
import { type FrameRange, readFrames } from './archive-frames.js';

/** Looks at the records that find both slots bad before that is damage, and no write under way. */
const LOST_READINGS_MAX = 20;

/** Frames between two turns of the event loop, in which a signal is heard. */
const FRAMES_PER_TURN = 1_000;
const LOOK_INTERVAL_MS = 100;
/**
 * No member runs, it is busy, it is somebody else's, or its port is that of another program, which
 * may say anything: its mark tells the rest.
 */
const SILENT_CODES: readonly string[] = [
  ErrorCode.Closed,
  ErrorCode.Timeout,
  ErrorCode.SessionRefused,
  ErrorCode.LimitExceeded,
];

export interface FollowOptions {
  /** `to` is where the reading ends, Infinity for never; what is committed is its `end`. */
  readonly range: FrameRange;
  /** Ends the reading. */
  readonly stop: AbortSignal;
}

/** What the records of a member say now. */
class FollowedRecords {
  readonly #directory: string;
  readonly #storage: NodeStorage;
  readonly #tasks: StorageTasks;
  #lostCount = 0;
  commitPosition: Position = 0;

  constructor(directory: string) {
    this.#directory = directory;
    this.#storage = new NodeStorage(directory);
    this.#tasks = new StorageTasks(this.#storage);
  }

  /** @throws PawlError RECORD_CORRUPT, or ARGUMENT_OUT_OF_RANGE when the position is gone. */
  async read(position: Position): Promise<void> {
    const applied = await this.#appliedPosition();
    const mark = completeTask(this.#tasks, readDurableMark(this.#storage));
    const index = completeTask(this.#tasks, readSnapshotIndex(this.#storage));
    this.#checkFound(mark, index);
    const marked = mark.kind === 'found' ? mark.mark.commitPosition : 0;
    this.commitPosition = Math.max(this.commitPosition, applied, marked);
    const start = index.kind === 'found' ? index.index.logStartPosition : 0;
    if (start > position) {
      throw new PawlError(
        ErrorCode.ArgumentOutOfRange,
        `what follows ${position} has been given up: the log in ${this.#directory} begins at ` +
          `${start} now; go on from there with --from ${start}, or keep more (logRetention)`,
      );
    }
  }

  end(): void {
    this.#storage.end();
  }

  async #appliedPosition(): Promise<Position> {
    try {
      const { status } = await askStatus(this.#directory);
      return status.servicePosition;
    } catch (error) {
      if (!(error instanceof PawlError) || !SILENT_CODES.includes(error.code)) {
        throw error;
      }
      return 0;
    }
  }

  #checkFound(mark: DurableMarkReading, index: SnapshotIndexReading): void {
    const isLost = mark.kind !== 'found' || index.kind === 'lost';
    this.#lostCount = isLost ? this.#lostCount + 1 : 0;
    if (this.#lostCount > LOST_READINGS_MAX) {
      const path = mark.kind === 'found' ? 'snapshots.dat' : 'durable-mark.dat';
      throw new PawlError(
        ErrorCode.RecordCorrupt,
        `${this.#directory}: ${path} cannot be read: see what is damaged with pawl archive verify`,
        'corruption',
      );
    }
  }
}

/**
 * The frames of a log from a position on, as they are committed. Payloads are valid until the next
 * frame is asked for.
 *
 * @throws PawlError LOG_CORRUPT, RECORD_CORRUPT, or ARGUMENT_OUT_OF_RANGE when the member gives up
 *   log that is still to be read.
 */
export async function* followFrames({ range, stop }: FollowOptions): AsyncGenerator<LogFrame> {
  const records = new FollowedRecords(range.directory);
  let { from } = range;
  let begin: Position | undefined;
  let count = 0;
  try {
    while (!stop.aborted) {
      await records.read(from);
      const end = records.commitPosition;
      const to = Math.min(end, range.to);
      if (to > from) {
        for (const frame of readFrames({ ...range, from, to, begin, end })) {
          yield frame;
          if (++count % FRAMES_PER_TURN === 0 && (await isStoppedIn(0, stop))) {
            return;
          }
        }
        from = to;
        begin = to;
      }
      if (to >= range.to || (await isStoppedIn(LOOK_INTERVAL_MS, stop))) {
        return;
      }
    }
  } finally {
    records.end();
  }
}

async function isStoppedIn(delayMs: number, stop: AbortSignal): Promise<boolean> {
  try {
    await setTimeout(delayMs, undefined, { signal: stop });
  } catch (error) {
    if (!stop.aborted) {
      throw error;
    }
  }
  return stop.aborted;
}
