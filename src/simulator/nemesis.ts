// nemesis.ts: strikes at moments that its stream of chance decides.

import { DirectoryLosses } from './directory-losses.js';
import { DiskDamage } from './disk-damage.js';
import { EquipmentFaults } from './equipment-faults.js';
import { ForgottenLeader } from './forgotten-leader.js';
import { LeaderHunt } from './leader-hunt.js';
import { NetworkFaults } from './network-faults.js';
import type { Prng } from './prng.js';
import { ServiceStalls } from './service-stalls.js';
import type { SimulatedMember } from './simulated-cluster.js';
import type { SimulationCounts } from './simulation-counts.js';
import { OperationKind } from './storage-operation.js';
import { FaultClass } from './swarm.js';
import { type NemesisParts, Targets } from './targets.js';
import { DISK_CAPACITY_BYTES } from './virtual-disk.js';
import type { VirtualNode } from './virtual-node.js';
import { EndKind, type VirtualProcess } from './virtual-process.js';

const NS_PER_MS = 1_000_000;
/** A member that was told to leave and does not is killed after this. */
const LEAVE_LIMIT_NS = 3_000 * NS_PER_MS;
const LEAVE_POLL_NS = 5 * NS_PER_MS;

/** Where these fail a member does not see what is on its disk. */
const READING: readonly OperationKind[] = [
  OperationKind.Open,
  OperationKind.Read,
  OperationKind.List,
];

/** A fault that struck. */
export interface StruckFault {
  /** Counts all faults that a seed has, also those that are left out. */
  readonly number: number;
  readonly timeNs: number;
  readonly fault: FaultClass;
  /** What it did, in words. */
  readonly what: readonly string[];
}

/** What the nemesis did. */
export interface NemesisCounts {
  crashes: number;
  powerCuts: number;
  pauses: number;
  leaves: number;
  transfers: number;
  diskFailures: number;
  serviceStalls: number;
}

/** Brings the faults of a run, until it is told to heal. */
export class Nemesis {
  readonly counts: NemesisCounts = {
    crashes: 0,
    powerCuts: 0,
    pauses: 0,
    leaves: 0,
    transfers: 0,
    diskFailures: 0,
    serviceStalls: 0,
  };
  /** The faults of the run, in their order. */
  readonly struck: StruckFault[] = [];
  /** Members whose disk has failed since they were started: their end is expected. */
  readonly expectedFailures = new Set<number>();
  /** Those of them who may have missed what they have. */
  readonly failedReads = new Set<number>();
  readonly #parts: NemesisParts;
  readonly #random: Prng;
  readonly #targets: Targets;
  readonly #network: NetworkFaults;
  readonly damage: DiskDamage;
  readonly losses: DirectoryLosses;
  readonly #leaderHunt: LeaderHunt;
  readonly #forgottenLeader: ForgottenLeader;
  readonly #equipment: EquipmentFaults;
  readonly #serviceStalls: ServiceStalls;
  /** Processes that were told to leave. */
  readonly #leaving = new WeakSet<VirtualProcess>();
  #isHealed = false;
  /** Of the fault that strikes now. */
  #durationPercent = 100;
  #faultCount = 0;

  constructor(parts: NemesisParts) {
    this.#parts = parts;
    this.#random = parts.world.random.fork('nemesis');
    this.#targets = new Targets(parts, this.#random);
    this.#network = new NetworkFaults(parts, this.#targets, this.#random, (min, max) =>
      this.#drawNs(min, max),
    );
    this.#equipment = new EquipmentFaults(
      parts,
      this.#targets,
      this.#random,
      (min, max) => this.#drawNs(min, max),
      (memberId, kind) => {
        this.counts.diskFailures++;
        this.expectedFailures.add(memberId);
        if (READING.includes(kind)) {
          this.failedReads.add(memberId);
        }
      },
    );
    this.#serviceStalls = new ServiceStalls(parts, this.counts);
    const random = parts.world.random.fork('damage');
    this.damage = new DiskDamage(parts.cluster.members, random, parts.committedEnd);
    this.losses = new DirectoryLosses(parts.cluster, this.#targets, this.damage, (member, what) =>
      this.#say(member.node, what),
    );
    this.#forgottenLeader = new ForgottenLeader(parts, this.#targets, this.#random);
    const hunting = parts.world.random.fork('leader hunt');
    this.#leaderHunt = new LeaderHunt(parts, this.#targets, hunting, (member, kind) =>
      this.#end(member, kind),
    );
  }

  /** Members whose disk has ever been full. */
  get fullMembers(): ReadonlySet<number> {
    return this.#equipment.fullMembers;
  }

  /** Sets what holds for the whole run, and begins. */
  begin(): void {
    const { clients, cluster, intruders, requesters, swarm, world } = this.#parts;
    world.network.setAllLinks(swarm.link);
    // What clients send carries no checksum of its own; there the network's has to do.
    for (const client of [...clients, ...requesters, ...intruders]) {
      for (const { node } of cluster.members) {
        world.network.setLink(client.node, node, { corruptPerMillion: 0 });
        world.network.setLink(node, client.node, { corruptPerMillion: 0 });
      }
    }
    for (const node of world.nodes) {
      node.sendOptions = swarm.send;
      node.turnCostNs = swarm.turnCostNs;
    }
    for (const { node } of cluster.members) {
      node.disk.latency = swarm.storage;
    }
    if (swarm.isServiceDedicated) {
      this.#serviceStalls.begin();
    }
    if (swarm.faults.length > 0) {
      this.#strikeLater();
    }
  }

  /** Ends all faults. Processes that are down are started by the simulation. */
  heal(): void {
    const { cluster, world } = this.#parts;
    this.#isHealed = true;
    this.#network.heal();
    this.#serviceStalls.heal();
    this.#leaderHunt.heal();
    this.#forgottenLeader.heal();
    for (const { node } of cluster.members) {
      if (node.process !== undefined && this.#leaving.has(node.process)) {
        // It would be down for a while of the time in which a healed cluster has to serve.
        this.#say(node, 'has not left, and is killed');
        node.kill();
      }
      node.disk.faultHook = undefined;
      node.disk.capacityBytes = DISK_CAPACITY_BYTES;
      if (node.disk.isHung) {
        node.disk.resume();
      }
    }
    for (const node of world.nodes) {
      node.process?.recover();
      node.setClockRate(1, 1);
    }
  }

  /** A member starts: what befell it before is no excuse any more. */
  onStart(memberId: number): void {
    this.expectedFailures.delete(memberId);
    this.failedReads.delete(memberId);
  }

  /** A start found a member's log and its vote whole: what it is excused for has to come anew. */
  onWhole(member: SimulatedMember): void {
    this.damage.onWhole(member);
    this.losses.onWhole(member.memberId);
  }

  /** Sets what it counts of a run. */
  addTo(counts: SimulationCounts): void {
    counts.crashes = this.counts.crashes;
    counts.serviceStalls = this.counts.serviceStalls;
    counts.diskFailures = this.counts.diskFailures;
    counts.lostDirectories = this.losses.counts.lostDirectories;
    counts.formerDirectories = this.losses.counts.formerDirectories;
    const { misdirectedWrites, rottenRanges, rottenSnapshots } = this.damage.counts;
    counts.rottenRanges = rottenRanges + misdirectedWrites;
    counts.rottenSnapshots = rottenSnapshots;
  }

  #strikeLater(): void {
    const { swarm, world } = this.#parts;
    const number = this.#faultCount++;
    // A stream of chance for each: it keeps its moment and its dice when others are left out.
    this.#random.restart(`fault ${number}`);
    const waitNs = 1 + this.#random.below(2 * swarm.faultIntervalNs);
    world.schedule(world.nowNs + waitNs, undefined, () => {
      if (!this.#isHealed) {
        this.#random.restart(`strike ${number}`);
        if (!this.#isCalm()) {
          this.#strikeUnlessLeftOut(number, this.#pickFault());
        }
        this.#strikeLater();
      }
    });
  }

  /** Between two storms members catch up, and there is something to lose again. */
  #isCalm(): boolean {
    const { swarm, world } = this.#parts;
    return world.nowNs % (swarm.stormNs + swarm.calmNs) >= swarm.stormNs;
  }

  /** One of the classes that are on, by their weights. */
  #pickFault(): FaultClass {
    const { faults, strengths } = this.#parts.swarm;
    const total = faults.reduce((sum, fault) => sum + strengths[fault].weight, 0);
    let left = this.#random.below(total);
    const picked = faults.find((fault) => {
      left -= strengths[fault].weight;
      return left < 0;
    }) as FaultClass;
    this.#durationPercent = strengths[picked].durationPercent;
    return picked;
  }

  #strikeUnlessLeftOut(number: number, fault: FaultClass): void {
    const { onlyFaults, timeline, world } = this.#parts;
    if (onlyFaults?.includes(number) === false) {
      return;
    }
    const what: string[] = [];
    this.struck.push({ number, timeNs: world.nowNs, fault, what });
    timeline.listener = (who, text) => {
      what.push(`${who} ${text}`);
    };
    this.#strike(fault);
    timeline.listener = undefined;
  }

  #strike(fault: FaultClass): void {
    switch (fault) {
      case FaultClass.Kill:
        this.#endSome(EndKind.Kill);
        break;
      case FaultClass.PowerCut:
        this.#endSome(EndKind.PowerCut);
        break;
      case FaultClass.CrashBetweenEffects:
        this.#crashBetweenEffects();
        break;
      case FaultClass.Pause:
        this.#pause();
        break;
      case FaultClass.Stall:
        this.#stall();
        break;
      case FaultClass.Partition:
        this.#network.partition();
        break;
      case FaultClass.OneWay:
        this.#network.oneWay();
        break;
      case FaultClass.Flapping:
        this.#network.flap();
        break;
      case FaultClass.ClientCut:
        this.#network.cutClients();
        break;
      case FaultClass.SlowLinks:
        this.#network.slowDown();
        break;
      case FaultClass.NarrowLinks:
        this.#network.narrow();
        break;
      case FaultClass.Lag:
        this.#network.lag();
        break;
      case FaultClass.ForgottenLeader:
        this.#forgottenLeader.strike();
        break;
      case FaultClass.LeaderHunt:
        this.#leaderHunt.strike();
        break;
      default:
        this.#strikeDiskOrClock(fault);
    }
  }

  #strikeDiskOrClock(fault: FaultClass): void {
    switch (fault) {
      case FaultClass.SlowDisk:
        this.#equipment.slowDisk();
        break;
      case FaultClass.HangingDisk:
        this.#equipment.hangDisk();
        break;
      case FaultClass.FailingDisk:
        this.#equipment.failDisk();
        break;
      case FaultClass.WallJump:
        this.#equipment.jumpWall();
        break;
      case FaultClass.ClockRate:
        this.#equipment.skewClock();
        break;
      case FaultClass.Leave:
        this.#leave();
        break;
      case FaultClass.LostDirectory:
        this.losses.loseDirectory();
        break;
      case FaultClass.FormerDirectory:
        this.losses.exchangeDirectory();
        break;
      case FaultClass.DamagedLog:
        this.losses.damageLog(this.#random);
        break;
      case FaultClass.Transfer:
        this.#transfer();
        break;
      case FaultClass.FullDisk:
        this.#equipment.fillDisk();
        break;
      case FaultClass.BitRot:
      case FaultClass.MisdirectedWrite:
      case FaultClass.RottenSnapshot:
        this.#rot(fault);
        break;
      default:
        this.#killClient();
    }
  }

  /** Ends a member's process, outside of the storms as well. */
  kill(member: SimulatedMember): void {
    this.#end(member, EndKind.Kill);
  }

  // --- processes ---

  /** Ends one member, or by chance a minority, a majority or all. */
  #endSome(kind: EndKind): void {
    const { cluster } = this.#parts;
    const first = this.#targets.pickMember();
    const others = cluster.members.filter((member) => member !== first);
    const members = [first, ...this.#random.shuffle(others)];
    const count = this.#random.chance(1, 4) ? this.#random.between(1, members.length) : 1;
    for (const member of members.slice(0, count)) {
      this.#end(member, kind);
    }
  }

  #end(member: SimulatedMember, kind: EndKind): void {
    const { node } = member;
    const isPower = kind === EndKind.PowerCut;
    this.#say(node, isPower ? 'loses power' : 'is killed');
    this.counts.powerCuts += isPower ? 1 : 0;
    this.counts.crashes += node.process === undefined ? 0 : 1;
    node.end(kind);
  }

  #crashBetweenEffects(): void {
    const { durability } = this.#parts.swarm;
    const member = this.#targets.pickMember();
    const isPower = durability === 'fsync' && this.#random.chance(1, 2);
    const count = this.#random.between(1, this.#random.pick([3, 10, 40]));
    const { process } = member.node;
    if (process !== undefined) {
      this.#say(member.node, `will ${isPower ? 'lose power' : 'die'} before its effect ${count}`);
      process.endBeforeEffect(count, isPower ? EndKind.PowerCut : EndKind.Kill, () => {
        this.counts.crashes++;
        this.counts.powerCuts += isPower ? 1 : 0;
      });
    }
  }

  #pause(): void {
    const node = this.#targets.pickNode();
    const durationNs = this.#drawNs(10, 2_000);
    this.counts.pauses++;
    this.#say(node, `is paused for ${durationNs / NS_PER_MS} ms`);
    node.process?.pause(durationNs);
  }

  #stall(): void {
    const node = this.#targets.pickNode();
    const threads = node.process?.threads ?? [];
    if (threads.length > 0) {
      const thread = this.#random.pick(threads);
      const durationNs = this.#drawNs(5, 1_500);
      this.#say(node, `thread ${thread.name} stalls for ${durationNs / NS_PER_MS} ms`);
      thread.stall(durationNs);
    }
  }

  /** The leader is told to hand over to a member by chance, fit or not. */
  #transfer(): void {
    const leader = this.#targets.leader();
    const target = this.#targets.pickMember();
    const process = leader?.node.process;
    if (leader === undefined || process === undefined || !process.isRunning) {
      return;
    }
    this.counts.transfers++;
    this.#say(leader.node, `is told to hand over to member ${target.memberId}`);
    process.guard(() => leader.member?.transferLeadership(target.memberId, process.clock.nowNs()));
    process.threads[0]?.wake();
  }

  #leave(): void {
    const { world } = this.#parts;
    const member = this.#targets.pickMember();
    const { process } = member.node;
    if (process === undefined || member.member === undefined || !process.isRunning) {
      return;
    }
    this.counts.leaves++;
    this.#leaving.add(process);
    this.#say(member.node, 'is told to leave');
    process.guard(() => member.member?.leave(process.clock.nowNs()));
    process.threads[0]?.wake();
    const limitNs = world.nowNs + LEAVE_LIMIT_NS;
    const poll = (): void => {
      if (member.node.process !== process) {
        return;
      }
      if (member.member?.hasLeft === true) {
        this.#say(member.node, 'has left');
        member.node.stop();
      } else if (world.nowNs >= limitNs) {
        member.node.kill();
      } else {
        world.schedule(world.nowNs + LEAVE_POLL_NS, undefined, poll);
      }
    };
    poll();
  }

  /** Bytes on a disk change by themselves, while its member runs or not. */
  #rot(fault: FaultClass): void {
    const member = this.#targets.pickMember();
    const what = this.damage.strike(fault, member);
    if (what !== undefined) {
      this.#say(member.node, what);
    }
  }

  #killClient(): void {
    const { clients } = this.#parts;
    if (clients.length > 0) {
      const { node } = this.#random.pick(clients);
      this.#say(node, 'is killed');
      node.kill();
    }
  }

  // --- chance ---

  #drawNs(minMs: number, maxMs: number): number {
    const ms = Math.ceil((this.#random.between(minMs, maxMs) * this.#durationPercent) / 100);
    return ms * NS_PER_MS;
  }

  #say(node: VirtualNode, what: string): void {
    this.#parts.timeline.add(node.name, what);
  }
}
