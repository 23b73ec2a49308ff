// installs.ts: snapshots on their way between members, in both directions.

import type { SnapshotEntry } from '../archive/snapshot-recording.js';
import type { Election } from '../consensus/election.js';
import type { MemberId } from '../consensus/election-effects.js';
import type { Position } from '../position.js';
import type { InstallSource, SnapshotPartRequest } from './install-source.js';
import type { InstallTarget } from './install-target.js';

/** What gives snapshots away, and what takes one. */
export class Installs {
  readonly source: InstallSource;
  readonly target: InstallTarget;
  readonly #election: Election;

  constructor(source: InstallSource, target: InstallTarget, election: Election) {
    this.source = source;
    this.target = target;
    this.#election = election;
  }

  /** A message of another member. False when it is dropped. */
  onOffer(from: MemberId, termId: number, entry: SnapshotEntry, nowNs: number): boolean {
    if (!this.#election.peers.isIntroduced(from) || termId !== this.#election.leadershipTermId()) {
      return false;
    }
    this.target.onOffer(from, entry, nowNs);
    return true;
  }

  onRequest(from: MemberId, request: SnapshotPartRequest, nowNs: number): boolean {
    return this.#election.peers.isIntroduced(from) && this.source.onRequest(from, request, nowNs);
  }

  onBlock(
    from: MemberId,
    logPosition: Position,
    offsetBytes: number,
    bytes: Uint8Array,
    nowNs: number,
  ): boolean {
    if (!this.#election.peers.isIntroduced(from)) {
      return false;
    }
    this.target.onBlock(from, logPosition, offsetBytes, bytes, nowNs);
    return true;
  }

  doWork(nowNs: number): number {
    return this.source.doWork(nowNs) + this.target.doWork(nowNs);
  }

  deadlineNs(): number {
    return Math.min(this.source.deadlineNs(), this.target.deadlineNs());
  }

  close(): void {
    this.source.close();
    this.target.close();
  }
}
