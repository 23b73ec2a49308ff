// disk-watch.ts: how much room the disk has left, and what follows when it is little.
//
// A disk that is full ends its member. Long before that a leader on it hands over to a member that
// has room, while both of them are well, and the operator hears of it. Followers tell their leader
// whether they are short of room, in the flags of their acknowledgements.

import { checkCompletion, type StorageTask, type StorageTasks } from '../archive/storage-task.js';
import type { Election } from '../consensus/election.js';
import { TransferResult } from '../consensus/leadership-transfer.js';
import { hit, Mark } from '../marks.js';
import type { Storage } from '../ports/storage.js';
import type { ClusterConfig } from './cluster-config.js';

const NS_PER_MS = 1_000_000;
/** A member that was short of room has enough again at so much more, in hundredths. */
const ENOUGH_PERCENT = 125;

export interface DiskWatchParts {
  readonly config: ClusterConfig;
  readonly tasks: StorageTasks;
  onWarning(message: string): void;
}

/** Watches the room on the disk of the data directory. */
export class DiskWatch {
  readonly #parts: DiskWatchParts;
  readonly #lowLength: number;
  readonly #intervalNs: number;
  #election: Election | undefined;
  #freeLength: number | undefined;
  #isLow = false;
  #isAsking = false;
  #hasFailed = false;
  #nextCheckNs = 0;
  #nextTransferNs = 0;
  /** Times that the room became too little. */
  lowCount = 0;
  /** Times that this member began to hand leadership over because of it. */
  transferCount = 0;

  constructor(parts: DiskWatchParts) {
    const { lowSpaceLength, spaceCheckIntervalMs } = parts.config.member;
    this.#parts = parts;
    this.#lowLength = lowSpaceLength;
    this.#intervalNs = spaceCheckIntervalMs * NS_PER_MS;
  }

  /** Bytes that were free when it was looked at last; undefined before. */
  get freeLength(): number | undefined {
    return this.#freeLength;
  }

  get isLow(): boolean {
    return this.#isLow;
  }

  /** The election is there: leadership can be handed over. */
  join(election: Election): void {
    this.#election = election;
  }

  doWork(nowNs: number): number {
    if (this.#lowLength === 0) {
      return 0;
    }
    if (this.#isLow && nowNs >= this.#nextTransferNs) {
      this.#handOver(nowNs);
    }
    if (this.#isAsking || nowNs < this.#nextCheckNs) {
      return 0;
    }
    this.#isAsking = true;
    this.#nextCheckNs = nowNs + this.#intervalNs;
    const { tasks } = this.#parts;
    tasks.run(
      askFreeSpace(tasks.storage),
      (length) => {
        this.#isAsking = false;
        this.#onFreeLength(length);
      },
      (error) => {
        this.#isAsking = false;
        if (!this.#hasFailed) {
          this.#hasFailed = true;
          this.#parts.onWarning(`the room on the disk is not known: ${error.message}`);
        }
      },
    );
    return 1;
  }

  deadlineNs(): number {
    const isWaiting = this.#lowLength === 0 || this.#isAsking;
    return isWaiting ? Number.POSITIVE_INFINITY : this.#nextCheckNs;
  }

  #onFreeLength(length: number): void {
    this.#freeLength = length;
    if (!this.#isLow && length < this.#lowLength) {
      hit(Mark.SpaceLow);
      this.#isLow = true;
      this.#nextTransferNs = 0;
      this.lowCount++;
      this.#parts.onWarning(
        `the disk has ${length} bytes left, less than lowSpaceLength (${this.#lowLength}): this ` +
          'member leads no more while another one can, and ends when nothing is left. Free ' +
          "space, have snapshots taken with logRetention 'snapshots', or move the directory to a " +
          'larger disk',
      );
    } else if (this.#isLow && length * 100 >= this.#lowLength * ENOUGH_PERCENT) {
      hit(Mark.SpaceEnoughAgain);
      this.#isLow = false;
      this.#parts.onWarning(`the disk has room again: ${length} bytes are left`);
    }
  }

  /** Tries again after an interval: the others may have no room either, or be too slow. */
  #handOver(nowNs: number): void {
    const election = this.#election;
    if (election?.isIngressOpen() !== true || election.isHandingOver()) {
      return;
    }
    this.#nextTransferNs = nowNs + this.#intervalNs;
    if (election.transferLeadership(undefined, nowNs) === TransferResult.Started) {
      hit(Mark.SpaceLowHandsOver);
      this.transferCount++;
    }
  }
}

function* askFreeSpace(storage: Storage): StorageTask<number> {
  const completion = yield storage.freeSpace();
  checkCompletion(completion, 'ask for the room on the disk');
  return completion.value;
}
