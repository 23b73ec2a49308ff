// leader-hunt.ts: strikes at the moments at which consensus is easiest to get wrong.
//
// Faults at random moments rarely meet a leader whose last frames are on some disks and not on a
// quorum, or an election in which some votes are under way. These strikes wait for such a moment:
// figure 8 of the Raft paper is a few of them in a row.

import { NODE_STATE_PATH } from '../archive/node-state-file.js';
import { RECORDING_LOG_PATH } from '../archive/recording-log.js';
import { MemberRole } from '../consensus/election-state.js';
import type { Prng } from './prng.js';
import type { SimulatedMember } from './simulated-cluster.js';
import type { NemesisParts, Targets } from './targets.js';
import { type Cut, type Direction, directionsBetween } from './virtual-network.js';
import { EndKind } from './virtual-process.js';

const NS_PER_MS = 1_000_000;
/** How often a strike looks whether its moment has come: many syncs take longer. */
const WATCH_INTERVAL_NS = NS_PER_MS / 4;
/** A moment that does not come within this is not waited for. */
const WATCH_LIMIT_NS = 1_500 * NS_PER_MS;

/** What a member writes down in an election. */
const ELECTION_RECORDS = [RECORDING_LOG_PATH, NODE_STATE_PATH] as const;

/** Ends a member's process; the nemesis counts it. */
export type MemberEnder = (member: SimulatedMember, kind: EndKind) => void;

/** Hunts leaders and candidates until it is told to heal. */
export class LeaderHunt {
  readonly #parts: NemesisParts;
  readonly #targets: Targets;
  readonly #random: Prng;
  readonly #end: MemberEnder;
  #isHealed = false;

  constructor(parts: NemesisParts, targets: Targets, random: Prng, end: MemberEnder) {
    this.#parts = parts;
    this.#targets = targets;
    this.#random = random;
    this.#end = end;
  }

  heal(): void {
    this.#isHealed = true;
  }

  /** One hunt, whichever chance picks. */
  strike(): void {
    switch (this.#random.below(6)) {
      case 0:
        this.#isolateLeader();
        break;
      case 1:
        this.#endBeforeQuorum();
        break;
      case 2:
        this.#disturbElection();
        break;
      case 3:
        this.#hangNewLeader();
        break;
      case 4:
        this.#endInRecord();
        break;
      default:
        this.#endNewLeaders();
    }
  }

  /**
   * What a leader appends is on a minority only. When it comes back, its successor goes, or it goes
   * itself while it takes the log of its successor over its own.
   */
  #isolateLeader(): void {
    const leader = this.#targets.leader();
    if (leader === undefined) {
      return;
    }
    const cut = this.#cutOff(leader, 'is alone with its clients and a minority');
    this.#later(this.#drawNs(200, 1_800), () => {
      cut.lift();
      const successor = this.#leaders().find((member) => member !== leader);
      if (successor !== undefined && this.#random.chance(2, 3)) {
        this.#end(successor, EndKind.Kill);
      } else {
        this.#later(this.#drawNs(20, 700), () => this.#end(leader, this.#drawEnd()));
      }
    });
  }

  /** The leader ends with frames that are not committed, on its own disk or on a few. */
  #endBeforeQuorum(): void {
    const leader = this.#targets.leader();
    if (leader === undefined) {
      return;
    }
    if (this.#random.chance(2, 3)) {
      const cut = this.#cutOff(leader, 'reaches a minority only');
      this.#later(this.#drawNs(5, 500), () => cut.lift());
    }
    this.#when(
      () => isAhead(leader),
      () => this.#end(leader, this.#drawEnd()),
    );
  }

  /**
   * Some directions are dead while votes are asked for, or a candidate ends among its effects, or
   * it sleeps while the votes for it arrive.
   */
  #disturbElection(): void {
    const { cluster } = this.#parts;
    const candidate = (): SimulatedMember | undefined =>
      cluster.members.find((member) => roleOf(member) === MemberRole.Candidate);
    this.#killLeader();
    this.#when(
      () => candidate() !== undefined,
      () => {
        const choice = this.#random.below(3);
        if (choice === 0) {
          const cut = this.#blockSome();
          this.#later(this.#drawNs(20, 700), () => cut.lift());
        } else {
          this.#disturbCandidate(candidate() as SimulatedMember, choice === 1);
        }
      },
    );
  }

  #disturbCandidate({ node }: SimulatedMember, isMortal: boolean): void {
    if (isMortal) {
      const count = this.#random.between(1, 12);
      this.#say(node.name, `stands, and will die before its effect ${count}`);
      node.process?.endBeforeEffect(count, this.#drawEnd());
    } else {
      const durationNs = this.#drawNs(100, 2_000);
      this.#say(node.name, `stands, and sleeps for ${durationNs / NS_PER_MS} ms`);
      node.process?.pause(durationNs);
    }
  }

  /** A member is elected, and its disk does nothing more: it has to make room for another one. */
  #hangNewLeader(): void {
    const old = this.#killLeader();
    const successor = (): SimulatedMember | undefined =>
      this.#leaders().find((member) => member !== old);
    this.#when(
      () => successor() !== undefined,
      () => {
        const { node } = successor() as SimulatedMember;
        const durationNs = this.#drawNs(300, 2_500);
        this.#say(node.name, `is elected, and its disk hangs for ${durationNs / NS_PER_MS} ms`);
        node.disk.hang();
        this.#later(durationNs, () => {
          if (node.disk.isHung) {
            node.disk.resume();
          }
        });
      },
    );
  }

  /** A leader ends, and in the election a member ends while what it records of it is not synced. */
  #endInRecord(): void {
    this.#killLeader();
    const path = this.#random.pick(ELECTION_RECORDS);
    const writer = (): SimulatedMember | undefined =>
      this.#parts.cluster.members.find(({ node }) => node.disk.hasUnsynced(path));
    this.#when(
      () => writer() !== undefined,
      () => {
        const member = writer() as SimulatedMember;
        this.#say(member.node.name, `is writing ${path}`);
        this.#end(member, this.#drawEnd());
      },
    );
  }

  /** Leaders live for moments only. */
  #endNewLeaders(): void {
    let left = this.#random.between(2, 4);
    const next = (): void => {
      this.#when(
        () => this.#targets.leader() !== undefined,
        () => {
          const leader = this.#targets.leader() as SimulatedMember;
          this.#later(this.#drawNs(0, 40), () => {
            this.#end(leader, this.#drawEnd());
            left--;
            if (left > 0) {
              next();
            }
          });
        },
      );
    };
    next();
  }

  /** Ends the leader of now, if there is one, and returns it. */
  #killLeader(): SimulatedMember | undefined {
    const leader = this.#targets.leader();
    if (leader !== undefined) {
      this.#end(leader, EndKind.Kill);
    }
    return leader;
  }

  /** The leader, its clients and a minority on one side, all others on the other. */
  #cutOff(leader: SimulatedMember, what: string): Cut {
    const { clients, cluster, world } = this.#parts;
    const others = this.#random.shuffle(cluster.members.filter((member) => member !== leader));
    const companionMax = Math.floor((cluster.members.length - 1) / 2);
    const companions = others.splice(0, this.#random.below(companionMax + 1));
    const left = [leader, ...companions].map(({ node }) => node);
    this.#say(leader.node.name, what);
    const inside = [...left, ...clients.map(({ node }) => node)];
    return world.network.cut(directionsBetween([inside, others.map(({ node }) => node)]));
  }

  #blockSome(): Cut {
    const { cluster, world } = this.#parts;
    const directions: Direction[] = [];
    for (const { node: from } of cluster.members) {
      for (const { node: to } of cluster.members) {
        if (from !== to && this.#random.chance(1, 3)) {
          this.#say(from.name, `is not heard by ${to.name} in an election`);
          directions.push({ from, to });
        }
      }
    }
    return world.network.cut(directions);
  }

  #leaders(): SimulatedMember[] {
    return this.#parts.cluster.members.filter((member) => roleOf(member) === MemberRole.Leader);
  }

  /** Power is cut only where what is synced counts. */
  #drawEnd(): EndKind {
    const isDurable = this.#parts.swarm.durability === 'fsync';
    return isDurable && this.#random.chance(1, 2) ? EndKind.PowerCut : EndKind.Kill;
  }

  #when(condition: () => boolean, action: () => void): void {
    const { world } = this.#parts;
    const limitNs = world.nowNs + WATCH_LIMIT_NS;
    const look = (): void => {
      if (condition()) {
        action();
      } else if (world.nowNs < limitNs) {
        this.#later(WATCH_INTERVAL_NS, look);
      }
    };
    look();
  }

  #later(delayNs: number, action: () => void): void {
    const { world } = this.#parts;
    world.schedule(world.nowNs + delayNs, undefined, () => {
      if (!this.#isHealed) {
        action();
      }
    });
  }

  #drawNs(minMs: number, maxMs: number): number {
    return this.#random.between(minMs, maxMs) * NS_PER_MS;
  }

  #say(name: string, what: string): void {
    this.#parts.timeline.add(name, what);
  }
}

/** Whether a member leads and has appended what is not committed. */
function isAhead({ member }: SimulatedMember): boolean {
  const observed = member?.observe();
  return (
    observed?.election.role() === MemberRole.Leader &&
    observed.module.appendPosition() > observed.election.commitPosition()
  );
}

function roleOf({ member }: SimulatedMember): MemberRole | undefined {
  return member?.observe()?.election.role();
}
