// virtual-cluster.ts: several elections over a seeded network and disks that forget, in one thread.
//
// The log is a list of frames (term, id, length); disk work takes time, and a crash loses what was
// not done. After every step the invariants of the protocol are checked by checker.ts.

import type { ConsensusConfig } from '../../src/consensus/consensus-config.js';
import { concludeConsensusConfig } from '../../src/consensus/consensus-config.js';
import type { Election } from '../../src/consensus/election.js';
import type { MemberId } from '../../src/consensus/election-effects.js';
import { ElectionState } from '../../src/consensus/election-state.js';
import { Checker } from './checker.js';
import { EventQueue, Random } from './virtual-events.js';
import { VirtualMember } from './virtual-member.js';

export const MS = 1_000_000;

/** How one schedule differs from another. */
export interface ClusterOptions {
  readonly seed: number;
  readonly memberCount: number;
  readonly lossRate: number;
  readonly duplicateRate: number;
  readonly delayMaxNs: number;
  /** Some duplicates arrive this much later, as if from a queue somewhere. */
  readonly staleDelayMaxNs: number;
  readonly syncDelayMaxNs: number;
  readonly clientIntervalNs: number;
}

export const CALM: Omit<ClusterOptions, 'seed' | 'memberCount'> = {
  lossRate: 0,
  duplicateRate: 0,
  delayMaxNs: 1 * MS,
  staleDelayMaxNs: 0,
  syncDelayMaxNs: 2 * MS,
  clientIntervalNs: 20 * MS,
};

export class VirtualCluster {
  readonly options: ClusterOptions;
  readonly random: Random;
  readonly events = new EventQueue();
  readonly checker: Checker;
  readonly members: VirtualMember[] = [];
  readonly memberIds: readonly MemberId[];
  /** reachable[from][to]; every direction on its own. */
  readonly reachable: boolean[][];
  readonly sentByKind = new Map<string, number>();
  trace: string[] = [];
  private nextFrameId = 1;

  constructor(options: ClusterOptions) {
    this.options = options;
    this.random = new Random(options.seed);
    this.memberIds = Array.from({ length: options.memberCount }, (_, index) => index);
    this.reachable = this.memberIds.map(() => this.memberIds.map(() => true));
    this.checker = new Checker(this.memberIds.length);
    for (const memberId of this.memberIds) {
      this.members.push(new VirtualMember(this, memberId));
    }
    this.scheduleClient();
  }

  config(memberId: MemberId): ConsensusConfig {
    return concludeConsensusConfig({
      memberId,
      memberIds: this.memberIds,
      clusterId: 7,
      configurationHash: 99n,
      durability: 0,
      protocolVersion: 1,
    });
  }

  member(memberId: MemberId): VirtualMember {
    return this.members[memberId] as VirtualMember;
  }

  startAll(): void {
    for (const member of this.members) {
      member.start();
    }
  }

  now(): number {
    return this.events.nowNs;
  }

  note(text: string): void {
    this.trace.push(`${(this.now() / MS).toFixed(2)} ${text}`);
    if (this.trace.length > 4000) {
      this.trace.splice(0, 2000);
    }
  }

  /** Runs until a time, or until a condition holds. */
  run(durationNs: number, until?: () => boolean): boolean {
    const endNs = this.now() + durationNs;
    while (this.events.hasBefore(endNs)) {
      this.events.step();
      if (until?.()) {
        return true;
      }
    }
    this.events.advance(endNs);
    return until === undefined ? true : until();
  }

  /** The member that leads with open ingress in the greatest term. */
  leader(): VirtualMember | undefined {
    let best: VirtualMember | undefined;
    for (const member of this.members) {
      const election = member.election;
      if (election?.isIngressOpen() && !member.isPaused) {
        const bestTermId = best?.election?.leadershipTermId() ?? -1;
        best = election.leadershipTermId() > bestTermId ? member : best;
      }
    }
    return best;
  }

  isSettled(): boolean {
    const leader = this.leader();
    return (
      leader !== undefined &&
      this.members.every((member) => {
        const election = member.election;
        return (
          election !== undefined &&
          election.state() === ElectionState.Closed &&
          election.leadershipTermId() === leader.election?.leadershipTermId()
        );
      })
    );
  }

  send(from: MemberId, to: MemberId, kind: string, deliver: (election: Election) => void): void {
    this.sentByKind.set(kind, (this.sentByKind.get(kind) ?? 0) + 1);
    if (!this.reachable[from]?.[to] || this.random.chance(this.options.lossRate)) {
      return;
    }
    this.deliverLater(to, this.random.below(this.options.delayMaxNs) + 1000, deliver);
    if (this.random.chance(this.options.duplicateRate)) {
      const extraNs = this.random.below(this.options.staleDelayMaxNs + 1);
      this.deliverLater(to, extraNs + 1000, deliver);
    }
  }

  link(a: MemberId, b: MemberId, isUp: boolean): void {
    this.linkOneWay(a, b, isUp);
    this.linkOneWay(b, a, isUp);
  }

  linkOneWay(from: MemberId, to: MemberId, isUp: boolean): void {
    (this.reachable[from] as boolean[])[to] = isUp;
  }

  linkAll(isUp: boolean): void {
    for (const a of this.memberIds) {
      for (const b of this.memberIds) {
        this.linkOneWay(a, b, isUp);
      }
    }
  }

  frameId(): number {
    return this.nextFrameId++;
  }

  private deliverLater(to: MemberId, delayNs: number, deliver: (election: Election) => void): void {
    this.events.after(delayNs, () => {
      // A partition that began while the message was under way does not call it back.
      this.member(to).receive(deliver);
    });
  }

  private scheduleClient(): void {
    const { clientIntervalNs } = this.options;
    if (clientIntervalNs === 0) {
      return;
    }
    this.events.after(this.random.below(2 * clientIntervalNs) + 1, () => {
      for (const member of this.members) {
        member.offer();
      }
      this.scheduleClient();
    });
  }
}
