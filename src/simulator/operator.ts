// operator.ts: somebody who suspends and resumes a simulated cluster, and has it take snapshots.

import { ControlResult } from '../cluster/cluster-control.js';
import type { Member } from '../cluster/member.js';
import { ClusterAction } from '../protocol/codecs/enumerations.js';
import type { Prng } from './prng.js';
import type { SimulatedCluster } from './simulated-cluster.js';
import type { Timeline } from './timeline.js';
import type { World } from './world.js';

const NS_PER_MS = 1_000_000;
/** Between two tries to resume. */
const RETRY_NS = 50 * NS_PER_MS;
/** A cluster is suspended for so long at most, as far as a leader can be told. */
const SUSPENSION_MAX_NS = 2_500 * NS_PER_MS;

export interface OperatorParts {
  readonly world: World;
  readonly cluster: SimulatedCluster;
  readonly timeline: Timeline;
  /** Mean time between two orders; 0 for none. */
  readonly intervalNs: number;
}

/** Gives orders until it is told to stop, and leaves nothing suspended. */
export class Operator {
  readonly #parts: OperatorParts;
  readonly #random: Prng;
  #isStopped = false;

  constructor(parts: OperatorParts) {
    this.#parts = parts;
    this.#random = parts.world.random.fork('operator');
  }

  begin(): void {
    if (this.#parts.intervalNs > 0) {
      this.#later(this.#parts.intervalNs, () => this.#act());
    }
  }

  /** From now on the cluster is to serve: what is suspended is resumed, by whoever leads. */
  stop(): void {
    if (!this.#isStopped && this.#parts.intervalNs > 0) {
      this.#isStopped = true;
      this.#resume();
    }
  }

  #act(): void {
    const { intervalNs, timeline } = this.#parts;
    if (this.#isStopped) {
      return;
    }
    const leader = this.#leader();
    if (this.#random.chance(1, 3)) {
      this.#tell(leader, (member) => member.requestSnapshot());
      this.#later(intervalNs, () => this.#act());
      return;
    }
    const result = this.#order(leader, ClusterAction.Suspend);
    if (result === ControlResult.Ordered) {
      timeline.add('operator', `orders member ${leader?.config.member.memberId} to suspend`);
    }
    this.#later(SUSPENSION_MAX_NS, () => this.#resume());
  }

  /** Tries until nobody says that the cluster is suspended. */
  #resume(): void {
    const { cluster, intervalNs, timeline } = this.#parts;
    const leader = this.#leader();
    const result = this.#order(leader, ClusterAction.Resume);
    if (result === ControlResult.Ordered) {
      timeline.add('operator', `orders member ${leader?.config.member.memberId} to resume`);
    }
    // Only a leader that has applied all of the log knows for certain.
    const isDone = result === ControlResult.AlreadySo;
    if (!isDone || cluster.members.some(({ member }) => member?.status().isSuspended === true)) {
      this.#later(RETRY_NS, () => this.#resume());
    } else if (!this.#isStopped) {
      this.#later(intervalNs, () => this.#act());
    }
  }

  #leader(): Member | undefined {
    return this.#parts.cluster.members.find(({ member }) => member?.status().isIngressOpen === true)
      ?.member;
  }

  #order(leader: Member | undefined, action: 0 | 1): ControlResult {
    let result: ControlResult = ControlResult.NotLeader;
    this.#tell(leader, (member) => {
      result = member.orderSuspension(action);
    });
    return result;
  }

  /** Calls into a member's process, and wakes it. */
  #tell(told: Member | undefined, call: (member: Member) => void): void {
    const simulated = this.#parts.cluster.members.find(({ member }) => member === told);
    const process = simulated?.node.process;
    if (told !== undefined && process?.isRunning === true) {
      call(told);
      for (const thread of process.threads) {
        thread.wake();
      }
    }
  }

  #later(meanNs: number, action: () => void): void {
    const { world } = this.#parts;
    world.schedule(world.nowNs + 1 + this.#random.below(2 * meanNs), undefined, action);
  }
}
