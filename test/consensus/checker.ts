// checker.ts: what must hold whatever the network and the disks did.

import type { NodeState } from '../../src/consensus/election-effects.js';
import type { TermEntry } from '../../src/consensus/term-entries.js';
import type { Frame, VirtualLog } from './virtual-log.js';

export class Violation extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'Violation';
  }
}

function check(condition: boolean, message: () => string): void {
  if (!condition) {
    throw new Violation(message());
  }
}

/** Knows everything that any member ever did. */
export class Checker {
  committedPosition = 0;
  truncations = 0;
  leaders = new Map<number, number>();
  private readonly memberCount: number;
  private readonly votes = new Map<string, number>();
  private readonly hashes = new Map<string, number>();
  private readonly bases = new Map<number, number>();
  private readonly committed = new Map<number, number>();

  constructor(memberCount: number) {
    this.memberCount = memberCount;
  }

  greatestTerm(): number {
    return Math.max(-1, ...this.leaders.keys());
  }

  /** I-1 and I-5: one leader per term, and it has everything that was ever committed. */
  onLeader(memberId: number, termId: number, log: VirtualLog): void {
    const known = this.leaders.get(termId);
    check(known === undefined || known === memberId, () => `two leaders in term ${termId}`);
    this.leaders.set(termId, memberId);
    const hash = log.hashAt(this.committedPosition);
    check(
      hash !== undefined &&
        (this.committedPosition === 0 || hash === this.committed.get(this.committedPosition)),
      () => `leader ${memberId} of ${termId} lacks the committed ${this.committedPosition}`,
    );
  }

  /** I-2: the term never falls, and a vote never changes, on one directory. */
  onNodeState(directory: string, before: NodeState, after: NodeState): void {
    check(
      after.candidateTermId >= before.candidateTermId,
      () => `${directory}: term ${before.candidateTermId} fell to ${after.candidateTermId}`,
    );
    if (after.votedForMemberId === -1) {
      check(
        after.candidateTermId > before.candidateTermId || before.votedForMemberId === -1,
        () => `${directory}: forgot its vote in ${after.candidateTermId}`,
      );
      return;
    }
    const key = `${directory}/${after.candidateTermId}`;
    const known = this.votes.get(key);
    check(
      known === undefined || known === after.votedForMemberId,
      () => `${directory}: voted twice in ${after.candidateTermId}`,
    );
    this.votes.set(key, after.votedForMemberId);
  }

  /** I-4: equal (term, end) means equal prefix. */
  onFrame(frame: Frame): void {
    const key = `${frame.termId}/${frame.end}`;
    const known = this.hashes.get(key);
    check(known === undefined || known === frame.hash, () => `logs differ at ${key}`);
    this.hashes.set(key, frame.hash);
  }

  onTermEntry(entry: TermEntry): void {
    const known = this.bases.get(entry.termId);
    check(
      known === undefined || known === entry.basePosition,
      () => `term ${entry.termId} has two bases, ${known} and ${entry.basePosition}`,
    );
    this.bases.set(entry.termId, entry.basePosition);
  }

  /** I-7: what a leader commits is on a quorum of disks; and it is the one committed log. */
  onCommit(termId: number, position: number, log: VirtualLog, disks: readonly VirtualLog[]): void {
    const hash = log.hashAt(position);
    check(hash !== undefined, () => `commit ${position} of term ${termId} is no frame`);
    if (position > this.committedPosition) {
      const holders = disks.filter((disk) => disk.hashAt(position) === hash).length;
      check(
        holders > this.memberCount / 2,
        () => `commit ${position} of term ${termId} is on ${holders} disks`,
      );
      for (let index = log.countUpTo(this.committedPosition); index >= 0; index--) {
        const frame = log.frames[index - 1];
        const known = frame === undefined ? undefined : this.committed.get(frame.end);
        if (frame !== undefined && known !== undefined) {
          check(known === frame.hash, () => `commit ${position} rewrites ${frame.end}`);
          break;
        }
      }
      for (const frame of log.slice(this.committedPosition, position, Number.MAX_SAFE_INTEGER)) {
        this.committed.set(frame.end, frame.hash);
      }
      this.committedPosition = position;
    }
  }

  /** I-6 and I-8: what is consumed is what was committed, and it only grows. */
  onConsume(memberId: number, before: number, after: number, log: VirtualLog): void {
    check(after >= before, () => `member ${memberId} went back from ${before} to ${after}`);
    check(
      after <= this.committedPosition,
      () => `member ${memberId} consumes ${after} beyond ${this.committedPosition}`,
    );
    for (const frame of log.slice(before, after, Number.MAX_SAFE_INTEGER)) {
      check(
        this.committed.get(frame.end) === frame.hash,
        () => `member ${memberId} consumes another frame at ${frame.end}`,
      );
    }
  }
}
