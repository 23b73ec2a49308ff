// committed-log.ts: the one log that all members must have, as it becomes known.
//
// I-4 (log matching), I-5 (leader completeness), I-6 (state-machine safety) and I-7 (committed
// means on a quorum of disks). The first member that is about to apply a range defines it, from its
// own disk; at that moment a quorum of disks must hold it, and whoever applies it later must apply
// the very same frames. How many a quorum is, this file says for itself: the product may be wrong.

import { FRAME_TYPE_DATA } from '../../../assembly/layout/frame.js';
import type { LogGeometry } from '../../archive/log-geometry.js';
import type { VirtualDisk } from '../virtual-disk.js';
import { DiskLog } from './disk-log.js';
import { FrameChain } from './frame-chain.js';
import { hashFrame, wordsOf } from './frame-hash.js';
import type { Judge } from './judge.js';

const HEADER_LENGTH = 32;
const TERM_FACTOR = 2 ** 32;

/** Compares what all members hold and apply. */
export class CommittedLog {
  readonly chain = new FrameChain();
  /** The member whose disk was replaced: what it held when it acknowledged may be gone. */
  excusedMember: () => number | undefined = () => undefined;
  readonly #judge: Judge;
  readonly #disks: readonly DiskLog[];
  readonly #readable: readonly DiskLog[];
  /** Chained hash by leadership term and end of a frame that was acknowledged or applied. */
  readonly #byTerm = new Map<number, number>();
  /** Next frame of the common log that each member's service gets. */
  readonly #cursors: number[];
  /** How much of the log each member held when its disk was replaced last. */
  readonly #lostEnds: number[];
  /** Ends of what was applied first in each term, ascending in both. */
  readonly #termEnds: { readonly termId: number; end: number }[] = [];
  /** Greatest position that any member has known to be committed. */
  #knownCommit = 0;

  /** @param isDurable whether only what is synced counts as on a disk. */
  constructor(
    judge: Judge,
    disks: readonly VirtualDisk[],
    geometry: LogGeometry,
    isDurable: boolean,
  ) {
    this.#judge = judge;
    const evidence = isDurable ? 'durable' : 'written';
    this.#disks = disks.map((disk) => new DiskLog(disk, geometry, evidence));
    this.#readable = disks.map((disk) => new DiskLog(disk, geometry, 'readable'));
    this.#cursors = disks.map(() => 0);
    this.#lostEnds = disks.map(() => 0);
  }

  /** End of what any service has been allowed to apply. */
  get end(): number {
    return this.chain.end;
  }

  /** Whether a member can read back all of the common log, from its disk as it is. */
  isReadable(memberId: number): boolean {
    const { chain } = this.#readable[memberId] as DiskLog;
    const log = this.#readable[memberId] as DiskLog;
    // What was purged is in the snapshots.
    log.skipPurged(this.chain);
    return log.extendTo(this.end) && chain.hashAt(this.end) === this.chain.hashAt(this.end);
  }

  /** A member's process starts: its disk is read anew, its service begins at 0. */
  onStart(memberId: number): void {
    const log = this.#diskOf(memberId);
    log.beginAnew(this.chain);
    this.#cursors[memberId] = 0;
  }

  /** A member's service starts at a position: it has the state of a snapshot. */
  onServiceStart(memberId: number, position: number): void {
    const { chain } = this;
    this.#cursors[memberId] = chain.indexOf(position) + 1;
    // The snapshot stands for the log before it, which may be purged here, or have rotted.
    this.#diskOf(memberId).chain.copyFrom(chain, position);
  }

  /** A member's disk is about to be replaced: it counts as a holder of no more than it has. */
  onLostDirectory(memberId: number): void {
    const log = this.#diskOf(memberId);
    log.beginAnew(this.chain);
    this.#lostEnds[memberId] = log.extend();
  }

  /** A member begins to take part in another term: its log may have been cut. */
  onTermChange(memberId: number): void {
    const { chain } = this.#diskOf(memberId);
    chain.cut(Math.min(this.chain.end, chain.commonEnd(this.chain)));
  }

  /** A member claims that its log is durable up to a position (I-11, I-4). */
  onAcknowledged(memberId: number, position: number): void {
    const log = this.#diskOf(memberId);
    const isHeld = log.extendTo(position, (term, end, chained) =>
      this.#matchTerm(memberId, term, end, chained),
    );
    if (!isHeld) {
      this.#judge.report(
        'I-11',
        `member ${memberId} acknowledges ${position}, but its disk is certain to hold whole ` +
          `frames only up to ${log.chain.end}`,
      );
    }
  }

  /**
   * A member becomes the leader of a term: its log must hold what earlier terms have committed.
   * A candidate of an old term may be late, and owes nothing to the terms above its own.
   */
  onLeader(memberId: number, termId: number): void {
    const required = this.#termEnds.filter((mark) => mark.termId < termId).at(-1)?.end ?? 0;
    // It may have been cut since it was read: elections are rare enough to read all of it.
    this.#diskOf(memberId).beginAnew(this.chain);
    if (!this.#holds(memberId, required)) {
      this.#judge.report(
        'I-5',
        `member ${memberId} becomes leader of term ${termId}, but its disk does not hold the ` +
          `log up to ${required}, which was committed in an earlier term`,
      );
    }
  }

  /**
   * What a leader of a term, which began at a base, takes for committed after a duty cycle.
   * Copies of frames of earlier terms commit nothing: the first frame of its own term does.
   */
  onLeaderCommit(memberId: number, termId: number, base: number, position: number): void {
    if (position > this.#knownCommit && position <= base) {
      this.#judge.report(
        'I-7',
        `leader ${memberId} commits up to ${position} in term ${termId}, which begins at ` +
          `${base}: what earlier terms left is committed only by a frame of the own term`,
      );
    }
    this.onCommitKnown(position);
  }

  /** A member knows that everything below a position is committed. */
  onCommitKnown(position: number): void {
    this.#knownCommit = Math.max(this.#knownCommit, position);
  }

  /**
   * A member's service is about to apply everything below a position.
   *
   * @param termId leadership term that the member is in; negative when in none.
   */
  onApply(memberId: number, limit: number, termId: number): void {
    if (limit <= this.chain.end) {
      if (!this.#holds(memberId, limit)) {
        this.#judge.report(
          'I-9',
          `member ${memberId} applies up to ${limit}, which its own disk does not hold`,
        );
      }
      return;
    }
    this.#extend(memberId, limit);
    this.onCommitKnown(limit);
    this.#noteTerm(termId, limit);
  }

  /** What is applied first in a term was committed in that term or an earlier one. */
  #noteTerm(termId: number, limit: number): void {
    const last = this.#termEnds.at(-1);
    if (last !== undefined && termId >= 0 && last.termId >= termId) {
      last.end = limit;
    } else if (termId >= 0) {
      this.#termEnds.push({ termId, end: limit });
    }
  }

  #extend(memberId: number, limit: number): void {
    const log = this.#diskOf(memberId);
    log.chain.cut(Math.min(this.chain.end, log.chain.commonEnd(this.chain)));
    const before = this.chain.end;
    const isHeld = log.extendTo(limit, (term, end, chained) =>
      this.#matchTerm(memberId, term, end, chained),
    );
    if (!isHeld || log.chain.commonEnd(this.chain) < before) {
      this.#judge.report(
        'I-9',
        `member ${memberId} is the first to apply up to ${limit}, but its own disk holds the ` +
          `common log only up to ${log.chain.end}`,
      );
      return;
    }
    for (let index = this.chain.count; index < log.chain.count; index++) {
      this.chain.push(
        log.chain.ends[index] as number,
        log.chain.frames[index] as number,
        log.chain.isPadding[index] as boolean,
      );
    }
    const excused = this.excusedMember();
    const ids = this.#disks.map((_, id) => id);
    const holders = ids.filter(
      (id) => (id === excused && limit <= (this.#lostEnds[id] ?? 0)) || this.#holds(id, limit),
    );
    if (holders.length < majorityOf(this.#disks.length)) {
      this.#judge.report(
        'I-7',
        `member ${memberId} applies up to ${limit}, which only the disks of members ` +
          `${holders.join(', ')} of ${this.#disks.length} are certain to hold`,
      );
    }
  }

  /** Where a member's service stands: it got there past this judge, or this judge is asleep. */
  onServicePosition(memberId: number, position: number): void {
    if (position > this.chain.end) {
      this.#judge.report(
        'I-6',
        `the service of member ${memberId} stands at ${position}, but only what lies below ` +
          `${this.chain.end} was seen to be applied`,
      );
    }
  }

  /** A member's service gets a frame. The bytes of its header precede those of its payload. */
  onFragment(
    memberId: number,
    view: DataView,
    offset: number,
    length: number,
    position: number,
  ): void {
    const { chain } = this;
    let index = this.#cursors[memberId] as number;
    while (chain.isPadding[index] === true && chain.ends[index] !== position) {
      index++;
    }
    this.#cursors[memberId] = index + 1;
    if (chain.ends[index] !== position) {
      this.#judge.report(
        'I-6',
        `member ${memberId} applies a frame that ends at ${position}; the next frame of the ` +
          `common log ends at ${chain.ends[index]}`,
      );
      return;
    }
    const words = wordsOf(view);
    const start = view.byteOffset + offset - HEADER_LENGTH;
    const hash = hashFrame(words, start, length + HEADER_LENGTH, FRAME_TYPE_DATA);
    if (hash !== chain.frames[index]) {
      this.#judge.report(
        'I-6',
        `member ${memberId} applies other bytes in the frame that ends at ${position} than ` +
          'the first member that applied it',
      );
    }
  }

  /** Whether a member's disk holds the common log up to a position for certain. */
  isOnDiskOf(memberId: number, position: number): boolean {
    return position === 0 || this.#holds(memberId, position);
  }

  /** Whether a disk holds the common log up to a position. */
  #holds(memberId: number, position: number): boolean {
    const log = this.#diskOf(memberId);
    const wanted = this.chain.hashAt(position);
    if (wanted === undefined) {
      return false;
    }
    if (log.chain.hashAt(position) === wanted) {
      return true;
    }
    // What was read of it may have been cut and written again since.
    log.chain.cut(log.chain.commonEnd(this.chain));
    const isHeld = log.extendTo(position) && log.chain.hashAt(position) === wanted;
    if (!isHeld) {
      log.chain.cut(log.chain.commonEnd(this.chain));
    }
    return isHeld;
  }

  #matchTerm(memberId: number, term: number, end: number, chained: number): void {
    const key = term * TERM_FACTOR + end;
    const known = this.#byTerm.get(key);
    if (known === undefined) {
      this.#byTerm.set(key, chained);
    } else if (known !== chained) {
      this.#judge.report(
        'I-4',
        `member ${memberId} holds a frame of term ${term} that ends at ${end}, and another ` +
          'member holds one there with another log before it',
      );
    }
  }

  #diskOf(memberId: number): DiskLog {
    return this.#disks[memberId] as DiskLog;
  }
}

function majorityOf(memberCount: number): number {
  return Math.floor(memberCount / 2) + 1;
}
