// shutdowns.ts: an operator who ends whole clusters, and has them started again.
//
// All members that end by one order must end at one position, with their log ending there. What
// was acknowledged before is looked for by the other judges, when the members are back.

import { ControlResult } from '../cluster/cluster-control.js';
import type { Position } from '../position.js';
import type { Judge } from './invariants/judge.js';
import type { Prng } from './prng.js';
import type { SimulatedCluster, SimulatedMember } from './simulated-cluster.js';
import type { Timeline } from './timeline.js';
import type { World } from './world.js';

const NS_PER_MS = 1_000_000;
/** No order is given so long before the faults end: a cluster that is to serve is not ended. */
const QUIET_END_NS = 6_000 * NS_PER_MS;
/** A process is looked at so often until it has done what it does last... */
const LEAVE_POLL_NS = NS_PER_MS;
/** ... and is ended after so long, as by a service manager. */
const LEAVE_LIMIT_NS = 5_000 * NS_PER_MS;

export interface ShutdownsParts {
  readonly world: World;
  readonly cluster: SimulatedCluster;
  readonly timeline: Timeline;
  readonly judge: Judge;
  /** Mean time between two orders; 0 for none. */
  readonly intervalNs: number;
}

/** Orders shutdowns, and judges how members end by them. */
export class Shutdowns {
  readonly #parts: ShutdownsParts;
  readonly #random: Prng;
  /** Where the members of a term have ended that its leader has ended. */
  readonly #positions = new Map<number, Position>();
  #lastNs = 0;
  /** Members that ended by an order. */
  endedCount = 0;

  constructor(parts: ShutdownsParts) {
    this.#parts = parts;
    this.#random = parts.world.random.fork('shutdowns');
  }

  /** Orders after which at least one member ended. */
  get count(): number {
    return this.#positions.size;
  }

  /** @param faultsEndNs when the faults end. */
  begin(faultsEndNs: number): void {
    this.#lastNs = faultsEndNs - QUIET_END_NS;
    this.#orderLater();
  }

  /** A member is about to end, because its leader said so. Called in its duty cycle. */
  onTerminated(memberId: number, position: Position): void {
    const { cluster, judge, timeline } = this.#parts;
    const simulated = cluster.members[memberId] as SimulatedMember;
    const { member } = simulated;
    const termId = member?.observe()?.shutdown.termId ?? -1;
    const before = this.#positions.get(termId);
    this.#positions.set(termId, position);
    this.endedCount++;
    timeline.add(`member ${memberId}`, `ends at ${position}, as the leader of ${termId} has it`);
    if (before !== undefined && before !== position) {
      judge.report(
        'shutdown',
        `member ${memberId} ends at ${position}, and another at ${before}, by one order in term ` +
          `${termId}`,
      );
    }
    const status = member?.status();
    const isInTerm = status?.leadershipTermId === termId;
    if (status !== undefined && isInTerm && status.durablePosition !== position) {
      judge.report(
        'shutdown',
        `member ${memberId} ends at ${position}, and its log at ${status.durablePosition}`,
      );
    }
    this.#endProcess(simulated);
  }

  /** The process ends with code 0 when its member has left, and is started again as any other. */
  #endProcess(simulated: SimulatedMember): void {
    const { world } = this.#parts;
    const { node } = simulated;
    const { process } = node;
    const limitNs = world.nowNs + LEAVE_LIMIT_NS;
    const poll = (): void => {
      if (node.process !== process) {
        return;
      }
      if (simulated.member?.hasLeft === true) {
        node.stop();
      } else if (world.nowNs >= limitNs) {
        node.kill();
      } else {
        world.schedule(world.nowNs + LEAVE_POLL_NS, undefined, poll);
      }
    };
    world.schedule(world.nowNs + LEAVE_POLL_NS, undefined, poll);
  }

  #orderLater(): void {
    const { intervalNs, world } = this.#parts;
    if (intervalNs > 0) {
      const timeNs = world.nowNs + 1 + this.#random.below(2 * intervalNs);
      world.schedule(timeNs, undefined, () => this.#order());
    }
  }

  #order(): void {
    const { cluster, timeline, world } = this.#parts;
    if (world.nowNs > this.#lastNs) {
      return;
    }
    const leader = cluster.members.find(({ member }) => member?.status().isIngressOpen === true);
    const process = leader?.node.process;
    if (leader !== undefined && process?.isRunning === true) {
      const result = leader.member?.orderShutdown(process.clock.nowNs());
      if (result === ControlResult.Ordered) {
        timeline.add('operator', `orders member ${leader.memberId} to end the cluster`);
      }
      for (const thread of process.threads) {
        thread.wake();
      }
    }
    this.#orderLater();
  }
}
