// snapshots.ts: I-10 (snapshots of one position are equal on all members, byte by byte).
//
// That a snapshot plus the rest of the log is the same state as the whole log is seen by the state
// hashes: a member that started from one reports the positions after it as every other does.

import type { SnapshotEntry } from '../../archive/snapshot-recording.js';
import type { Judge } from './judge.js';

/** The first snapshot of each position, with which all others are compared. */
export class Snapshots {
  readonly #judge: Judge;
  readonly #first = new Map<number, string>();
  /** By member: recording of the snapshot from which it started last. */
  readonly #started = new Map<number, number>();
  /** Snapshots that members completed. */
  takenCount = 0;
  /** Starts from a snapshot. */
  loadedCount = 0;

  constructor(judge: Judge) {
    this.#judge = judge;
  }

  /** A member has completed a snapshot. */
  onSnapshot(memberId: number, entry: SnapshotEntry): void {
    this.takenCount++;
    // The number of the recording is the member's own.
    const text = JSON.stringify({ ...entry, recordingId: 0 });
    const first = this.#first.get(entry.logPosition);
    if (first === undefined) {
      this.#first.set(entry.logPosition, text);
    } else if (first !== text) {
      this.#judge.report(
        'I-10',
        `member ${memberId} has snapshot ${text} of position ${entry.logPosition}, and the first ` +
          `member that took one there has ${first}`,
      );
    }
  }

  /** Recording of the snapshot from which a member started last; 0 for none. */
  startOf(memberId: number): number {
    return this.#started.get(memberId) ?? 0;
  }

  /**
   * A member has started from `used`; `newest` is what its record named last, undefined when its
   * log is damaged and may end before it.
   */
  onStart(
    memberId: number,
    newest: SnapshotEntry | undefined,
    used: SnapshotEntry | undefined,
  ): void {
    this.loadedCount += used === undefined ? 0 : 1;
    this.#started.set(memberId, used?.recordingId ?? 0);
    if (newest !== undefined && newest.logPosition !== used?.logPosition) {
      this.#judge.report(
        'I-10',
        `member ${memberId} starts from ${used?.logPosition ?? 'the beginning'}, and its record ` +
          `names a snapshot of ${newest.logPosition} that nothing has damaged`,
      );
    }
  }
}
