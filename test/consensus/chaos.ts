// chaos.ts: one random schedule of faults, and then the proof that the cluster recovers.

import { MS, VirtualCluster } from './virtual-cluster.js';
import type { VirtualMember } from './virtual-member.js';

const CHAOS_NS = 6_000 * MS;
/** After everything is healed: two leader timeouts, a few ballots, catch-up. */
export const RECOVERY_NS = 6_000 * MS;

export interface ScheduleResult {
  readonly terms: number;
  readonly crashes: number;
  readonly truncations: number;
  readonly committed: number;
  readonly admissions: number;
  readonly recoveryNs: number;
}

/** Runs a schedule; throws when an invariant breaks or the cluster does not recover. */
export function runSchedule(seed: number): ScheduleResult {
  const schedule = new Schedule(seed);
  try {
    return schedule.run();
  } catch (error) {
    const { trace } = schedule.cluster;
    throw new Error(`seed ${seed}: ${String(error)}\n${trace.slice(-80).join('\n')}`, {
      cause: error,
    });
  }
}

class Schedule {
  readonly cluster: VirtualCluster;
  private crashes = 0;
  private wiped: VirtualMember | undefined;
  private readonly allowWipes: boolean;

  constructor(seed: number) {
    const memberCount = [1, 2, 3, 3, 3, 5, 5, 4][seed % 8] as number;
    const pick = (mask: number) => ((seed >>> 3) & mask) !== 0;
    this.allowWipes = memberCount >= 3 && pick(1);
    this.cluster = new VirtualCluster({
      seed,
      memberCount,
      lossRate: pick(2) ? 0.1 : 0,
      duplicateRate: pick(4) ? 0.1 : 0,
      staleDelayMaxNs: pick(8) ? 3_000 * MS : 20 * MS,
      delayMaxNs: pick(16) ? 20 * MS : 1 * MS,
      syncDelayMaxNs: pick(32) ? 30 * MS : 2 * MS,
      clientIntervalNs: 15 * MS,
    });
  }

  run(): ScheduleResult {
    const { cluster } = this;
    cluster.startAll();
    const endNs = CHAOS_NS;
    while (cluster.now() < endNs) {
      cluster.run((20 + cluster.random.below(500)) * MS);
      this.fault();
    }
    this.heal();
    const healedNs = cluster.now();
    const hasRecovered = cluster.run(RECOVERY_NS, () => cluster.isSettled() && this.isAdmitted());
    if (!hasRecovered) {
      throw new Error('the healed cluster did not settle');
    }
    const recoveryNs = cluster.now() - healedNs;
    this.checkEqualLogs();
    let admissions = 0;
    for (const member of cluster.members) {
      admissions += member.election?.counters.admissions ?? 0;
    }
    return {
      terms: cluster.checker.greatestTerm() + 1,
      crashes: this.crashes,
      truncations: cluster.checker.truncations,
      committed: cluster.checker.committedPosition,
      admissions,
      recoveryNs,
    };
  }

  private fault(): void {
    const { random, members } = this.cluster;
    const member = members[random.below(members.length)] as VirtualMember;
    switch (random.below(14)) {
      case 0:
      case 1:
        this.crash(member);
        break;
      case 2:
        this.crashLeader();
        break;
      case 3:
        for (const each of members) {
          this.crash(each);
        }
        break;
      case 4:
      case 5:
        this.partition();
        break;
      case 6:
        this.cluster.linkAll(true);
        break;
      case 7:
        member.pause();
        break;
      case 8:
        member.isDiskHung = true;
        break;
      case 9:
        this.wipe(member);
        break;
      case 10:
      case 11:
        this.isolateLeader();
        break;
      default:
        this.mend();
    }
  }

  private crash(member: VirtualMember): void {
    if (member.isRunning()) {
      member.crash();
      this.crashes++;
    }
  }

  private crashLeader(): void {
    const leader = this.cluster.leader();
    if (leader !== undefined) {
      this.crash(leader);
    }
  }

  /** A leader that hears nobody goes on appending until it notices: a tail that has to go. */
  private isolateLeader(): void {
    const { cluster } = this;
    const leader = cluster.leader();
    for (const other of cluster.memberIds) {
      if (leader !== undefined && other !== leader.memberId) {
        cluster.link(leader.memberId, other, false);
      }
    }
  }

  /** Each direction of each link on its own: halves, chains, stars, one-way links all occur. */
  private partition(): void {
    const { cluster } = this;
    const isSymmetric = cluster.random.chance(0.5);
    for (const a of cluster.memberIds) {
      for (const b of cluster.memberIds) {
        if (a < b && isSymmetric) {
          cluster.link(a, b, cluster.random.chance(0.5));
        } else if (a !== b && !isSymmetric) {
          cluster.linkOneWay(a, b, cluster.random.chance(0.6));
        }
      }
    }
  }

  /** One directory at a time may be lost: more could lose what was committed. */
  private wipe(member: VirtualMember): void {
    const lastState = this.wiped?.disk.nodeState;
    const isReadmitted =
      lastState === undefined || (lastState.voting && lastState.admittedTermId >= 0);
    if (!this.allowWipes || !isReadmitted) {
      return;
    }
    this.crash(member);
    const isVotingByMistake = this.cluster.random.chance(0.3);
    member.wipe(isVotingByMistake);
    this.wiped = member;
    // The others have to know the old incarnation, or the mistake could not be noticed.
    const isKnown = this.cluster.members.every(
      (other) =>
        other === member ||
        other.disk.nodeState.incarnations.some((known) => known.memberId === member.memberId),
    );
    if (isVotingByMistake && !isKnown) {
      member.disk.nodeState = { ...member.disk.nodeState, voting: false };
    }
  }

  private mend(): void {
    for (const member of this.cluster.members) {
      if (!member.isRunning() && this.cluster.random.chance(0.7)) {
        member.start();
      } else if (this.cluster.random.chance(0.7)) {
        member.isDiskHung = false;
        member.resume();
      }
    }
  }

  private heal(): void {
    this.cluster.note('heal');
    this.cluster.linkAll(true);
    for (const member of this.cluster.members) {
      member.isDiskHung = false;
      if (member.isRunning()) {
        member.resume();
      } else {
        member.start();
      }
    }
  }

  private isAdmitted(): boolean {
    return this.cluster.members.every((member) => member.election?.isVoting());
  }

  private checkEqualLogs(): void {
    const { cluster } = this;
    const target = cluster.checker.committedPosition;
    const isThere = cluster.run(RECOVERY_NS, () =>
      cluster.members.every((member) => (member.election?.consumablePosition() ?? 0) > target),
    );
    if (!isThere) {
      throw new Error(`not everybody consumed beyond ${target}`);
    }
  }
}
