// liveness.ts: after the faults: the cluster must elect, serve and become equal, each in its time.
//
// First only a core comes back, a random majority with the clients, while the others stay away,
// hear nothing, or are not heard: a majority has to be enough, whatever the rest does. Then all is
// healed. Then a follower dies, which must not hold up anybody. At the end nothing may be left that
// the log does not account for.

import { quorumSize } from '../consensus/quorum.js';
import { areInOneTerm, areMembersEqual, describeCluster, latestLeader } from './convergence.js';
import { fixedDelay } from './delay.js';
import { FollowerDeath } from './follower-death.js';
import type { Judge } from './invariants/judge.js';
import type { Judges } from './judges.js';
import type { Nemesis } from './nemesis.js';
import type { Prng } from './prng.js';
import type { Reign } from './service-demand.js';
import type { SimulatedMember } from './simulated-cluster.js';
import type { NemesisParts } from './targets.js';
import { PERFECT_LINK } from './virtual-link.js';
import { PERFECT_SEND } from './virtual-socket.js';

const NS_PER_MS = 1_000_000;
const NS_PER_SECOND = 1_000_000_000;
/** After healing, a leader takes ingress within this. */
export const LEADER_LIMIT_NS = 5 * NS_PER_SECOND;
/** Then what every client has to say is served within this. */
export const SERVICE_LIMIT_NS = 10 * NS_PER_SECOND;
/** The members of a core then have what was committed within this. */
export const CATCH_UP_LIMIT_NS = 10 * NS_PER_SECOND;
/** Then the log has as many commands as the run is meant to have within this. */
export const COMMANDS_LIMIT_NS = 120 * NS_PER_SECOND;
/** Then, without clients, all members are equal within this. */
export const CONVERGENCE_LIMIT_NS = 10 * NS_PER_SECOND;
/** After the sessions have timed out, everything that they used is given back within this. */
export const REST_LIMIT_NS = 30 * NS_PER_SECOND;
/** A member that was given a snapshot starts again, and what waits for it may take this long. */
export const RESTART_ALLOWANCE_NS = 8 * NS_PER_SECOND;
/** However many of them there are, a limit is stretched by no more than this. */
export const INSTALL_ALLOWANCE_TOTAL_NS = 20 * NS_PER_SECOND;
/** Longest scrub cycle of a run in which something rots: a quiet one has that of production. */
const ROTTING_SCRUB_CYCLE_MAX_MS = 20_000;
/** The conditions are looked at this often. */
const CHECK_INTERVAL_NS = 20 * NS_PER_MS;
const HEALED_DELAY_NS = 100_000;

/** How those that are not of the core stay broken. */
const Absence = {
  Down: 'are down',
  Cut: 'are cut off',
  Deaf: 'hear nobody of the core',
  Mute: 'are heard by nobody of the core',
} as const;
type Absence = (typeof Absence)[keyof typeof Absence];

/** What the phases act on and ask. */
export interface LivenessParts extends NemesisParts {
  readonly judge: Judge;
  readonly judges: Judges;
  readonly nemesis: Nemesis;
  readonly random: Prng;
  /** Starts a member's process unless it runs. */
  start(member: SimulatedMember): void;
}

/** The phases after the faults. A phase that does not end in time is reported as `liveness`. */
export class Liveness {
  readonly #parts: LivenessParts;
  /** Members that are kept down: they are not started again when they end. */
  readonly #heldDown = new Set<SimulatedMember>();
  #restartingNs = Number.NEGATIVE_INFINITY;

  constructor(parts: LivenessParts) {
    this.#parts = parts;
  }

  /** Whether a member whose process has ended has to stay down. */
  isHeldDown(member: SimulatedMember): boolean {
    return this.#heldDown.has(member);
  }

  /** A member ends and starts again: from a snapshot that it was given, or after a shutdown. */
  onRestarting(): void {
    this.#restartingNs = this.#parts.world.nowNs;
  }

  /** Runs until a time, or until something is broken. */
  runUntil(timeNs: number): void {
    const { judge, world } = this.#parts;
    if (!world.runUntilTrue(() => judge.violation !== undefined, timeNs)) {
      world.runUntil(timeNs);
    }
  }

  /** All phases, as long as nothing is broken. */
  run(): void {
    const { clients, cluster, judges, random, requesters, swarm } = this.#parts;
    const isQuiet = swarm.faults.length === 0;
    this.#endFaults();
    if (!isQuiet && !this.#serveByCore()) {
      return;
    }
    this.#healAll();
    if (!this.#serve('the healed cluster', cluster.members) || !this.#fillLog()) {
      return;
    }
    if (!isQuiet && !this.#loseFollower()) {
      return;
    }
    for (const client of [...clients, ...requesters]) {
      client.stop();
    }
    // What has rotted unseen is found by the next scrub, and repaired.
    const scrubCycleMs = Math.min(swarm.scrubCycleMs, ROTTING_SCRUB_CYCLE_MAX_MS);
    const isEqual = this.#holds(
      'all members are equal, every timer that is due has fired, every message has come',
      CONVERGENCE_LIMIT_NS + 2 * scrubCycleMs * NS_PER_MS,
      () => areMembersEqual(this.#parts.cluster, judges) && judges.services.isSettled(),
    );
    if (isEqual) {
      judges.onConverged();
    }
    if (isEqual && this.#areDisksWhole() && random.chance(1, 4)) {
      this.#rest();
    }
  }

  // --- phases ---

  #endFaults(): void {
    const { cluster, nemesis, swarm, world } = this.#parts;
    nemesis.heal();
    world.network.setAllLinks({ ...PERFECT_LINK, delay: fixedDelay(HEALED_DELAY_NS) });
    for (const node of world.nodes) {
      node.sendOptions = PERFECT_SEND;
    }
    for (const { node } of cluster.members) {
      node.disk.latency = swarm.storage;
    }
  }

  /** A majority comes back alone. False when it does not serve. */
  #serveByCore(): boolean {
    const { cluster, random, start, timeline } = this.#parts;
    const core = this.#drawCore();
    const others = cluster.members.filter((member) => !core.includes(member));
    const absence = random.pick(Object.values(Absence));
    const names = core.map(({ node }) => node.name).join(', ');
    timeline.add('nemesis', `ends for ${names}; the others, if any, ${absence}`);
    this.#absent(others, core, absence);
    for (const member of cluster.members.filter((each) => !this.#heldDown.has(each))) {
      start(member);
    }
    if (!this.#serve(`the core ${names}, while the others ${absence}`, core)) {
      return false;
    }
    const leader = latestLeader(core);
    const committed = leader?.member?.status().commitPosition ?? 0;
    return this.#holds(`the core ${names} has all that was committed`, CATCH_UP_LIMIT_NS, () =>
      core.every(({ member }) => (member?.servicePosition ?? -1) >= committed),
    );
  }

  /** A random majority of those that have a vote for sure, and some more members. */
  #drawCore(): SimulatedMember[] {
    const { cluster, nemesis, random } = this.#parts;
    const { members } = cluster;
    const { damage, losses } = nemesis;
    // A member whose log has rotted may need one that is away to get its vote back.
    const voters = members.filter(
      (member) => member.memberId !== losses.blankMemberId && !damage.isRotten(member),
    );
    const core = random.shuffle([...voters]).slice(0, quorumSize(members.length));
    if (core.length < quorumSize(members.length)) {
      return [...members];
    }
    const rest = members.filter((member) => !core.includes(member));
    core.push(...rest.filter(() => random.chance(1, 3)));
    return core;
  }

  #absent(
    others: readonly SimulatedMember[],
    core: readonly SimulatedMember[],
    absence: Absence,
  ): void {
    const { clients, nemesis, requesters, world } = this.#parts;
    const inside = [...core, ...clients, ...requesters].map(({ node }) => node);
    for (const member of others) {
      if (absence === Absence.Down) {
        this.#heldDown.add(member);
        nemesis.kill(member);
      }
      for (const node of inside) {
        if (absence !== Absence.Mute) {
          world.network.block(node, member.node);
        }
        if (absence !== Absence.Deaf) {
          world.network.block(member.node, node);
        }
      }
    }
  }

  #healAll(): void {
    const { cluster, start, timeline, world } = this.#parts;
    timeline.add('nemesis', 'ends: everything is healed');
    this.#heldDown.clear();
    world.network.heal();
    for (const member of cluster.members) {
      start(member);
    }
  }

  /** A leader is there, and every client is served. */
  #serve(who: string, members: readonly SimulatedMember[]): boolean {
    const { clients, requesters } = this.#parts;
    const isLed = this.#holds(
      `${who} has a leader that takes ingress`,
      LEADER_LIMIT_NS,
      () => latestLeader(members) !== undefined,
    );
    for (const client of clients) {
      client.demandService(() => reignOf(latestLeader(members)));
    }
    const made = requesters.map((requester) => requester.madeCount);
    return (
      isLed &&
      this.#holds(
        `${who} serves every client`,
        SERVICE_LIMIT_NS,
        () =>
          clients.every((client) => client.isServed) &&
          requesters.every(({ answeredSequence, id }) => answeredSequence > (made[id] ?? 0)),
      )
    );
  }

  #fillLog(): boolean {
    const { judges, swarm } = this.#parts;
    return this.#holds(
      `the log has ${swarm.commandCountMin} commands`,
      COMMANDS_LIMIT_NS,
      () => judges.acknowledged.appliedCount >= swarm.commandCountMin,
    );
  }

  /** A follower dies under load: commits must go on. */
  #loseFollower(): boolean {
    const { cluster, judge, random, start, world } = this.#parts;
    const areInOne = (): boolean => areInOneTerm(cluster.members);
    if (cluster.members.length < FollowerDeath.MEMBER_COUNT_MIN) {
      return true;
    }
    if (!this.#holds('every member has a vote and a leader', CATCH_UP_LIMIT_NS, areInOne)) {
      return false;
    }
    const leader = latestLeader(cluster.members);
    const follower = random.pick(cluster.members.filter((member) => member !== leader));
    if (leader === undefined) {
      return true;
    }
    this.#heldDown.add(follower);
    const death = new FollowerDeath(this.#parts, leader, follower);
    this.runUntil(world.nowNs + FollowerDeath.DURATION_NS);
    death.end();
    this.#heldDown.delete(follower);
    start(follower);
    return judge.violation === undefined;
  }

  /** What was committed is on every disk to the last byte, durably where that is promised. */
  #areDisksWhole(): boolean {
    const { cluster, judges } = this.#parts;
    const { committed } = judges;
    return this.#holds('every disk holds the whole log', CONVERGENCE_LIMIT_NS, () =>
      cluster.members.every(({ memberId }) => committed.isOnDiskOf(memberId, committed.end)),
    );
  }

  /** With the sessions everything goes that they used. */
  #rest(): void {
    const { cluster, swarm } = this.#parts;
    const limitNs = swarm.sessionTimeoutMs * NS_PER_MS + REST_LIMIT_NS;
    const count = cluster.members.length;
    this.#holds('sessions, streams and sockets are given back', limitNs, () =>
      cluster.members.every(({ member, node }) => {
        if (member === undefined || member.status().sessionCount > 0) {
          return false;
        }
        const { imageCount, publicationCount } = member.transport;
        // Members speak to each other, and the log goes from the leader to the others.
        const isTransportAtRest = publicationCount <= count && imageCount <= count;
        return isTransportAtRest && socketCountOf(node, this.#parts) <= 2 * count + 1;
      }),
    );
  }

  // --- conditions ---

  /** Runs until a condition holds; reports `liveness` when it does not in time. */
  #holds(what: string, limitNs: number, condition: () => boolean): boolean {
    const { clients, cluster, judge, judges, world } = this.#parts;
    const startNs = world.nowNs;
    const lastNs = startNs + limitNs + INSTALL_ALLOWANCE_TOTAL_NS;
    while (judge.violation === undefined) {
      judges.requests.check();
      if (condition()) {
        return true;
      }
      const endNs = Math.max(startNs + limitNs, this.#restartingNs + RESTART_ALLOWANCE_NS);
      if (world.nowNs >= Math.min(endNs, lastNs)) {
        const where = describeCluster(cluster, clients, judges);
        judge.report('liveness', `not within ${limitNs / NS_PER_SECOND} s: ${what}; ${where}`);
        return false;
      }
      this.runUntil(world.nowNs + CHECK_INTERVAL_NS);
    }
    return false;
  }
}

function reignOf(leader: SimulatedMember | undefined): Reign | undefined {
  const termId = leader?.member?.status().leadershipTermId;
  return leader === undefined || termId === undefined
    ? undefined
    : { memberId: leader.memberId, termId };
}

function socketCountOf(node: SimulatedMember['node'], { world }: LivenessParts): number {
  return world.network.socketCountOf(node);
}
