// nemesis.ts: strikes at moments that its stream of chance decides.

import { MemberRole } from '../consensus/election-state.js';
import { StorageResult } from '../ports/storage.js';
import { exponentialDelay } from './delay.js';
import { durableNodeState } from './invariants/votes.js';
import type { Prng } from './prng.js';
import type { SimulatedCluster, SimulatedMember } from './simulated-cluster.js';
import { OperationKind } from './storage-operation.js';
import { FaultClass, type Swarm } from './swarm.js';
import type { Timeline } from './timeline.js';
import type { VirtualNode } from './virtual-node.js';
import { EndKind } from './virtual-process.js';
import type { SimulatedClient } from './workload.js';
import type { World } from './world.js';

const NS_PER_MS = 1_000_000;
/** A member that was told to leave and does not is killed after this. */
const LEAVE_LIMIT_NS = 3_000 * NS_PER_MS;
const LEAVE_POLL_NS = 5 * NS_PER_MS;
/** A clock runs at most this many thousandths fast or slow. */
const RATE_SKEW_MAX = 50;

/** What the nemesis acts on. */
export interface NemesisParts {
  readonly world: World;
  readonly cluster: SimulatedCluster;
  readonly clients: readonly SimulatedClient[];
  readonly swarm: Swarm;
  readonly timeline: Timeline;
}

/** What the nemesis did. */
export interface NemesisCounts {
  crashes: number;
  powerCuts: number;
  pauses: number;
  partitions: number;
  leaves: number;
  diskFailures: number;
  lostDirectories: number;
}

/** Brings the faults of a run, until it is told to heal. */
export class Nemesis {
  readonly counts: NemesisCounts = {
    crashes: 0,
    powerCuts: 0,
    pauses: 0,
    partitions: 0,
    leaves: 0,
    diskFailures: 0,
    lostDirectories: 0,
  };
  /** Members whose disk has been told to fail: their end is expected. */
  readonly expectedFailures = new Set<number>();
  /** Members that have ever lost their directory. */
  readonly blankMembers = new Set<number>();
  /** The member that has lost its directory and was not seen with a vote since: one at a time. */
  blankMemberId: number | undefined = undefined;
  /** Told before a directory is lost. */
  onLostDirectory: ((memberId: number) => void) | undefined = undefined;
  readonly #parts: NemesisParts;
  readonly #random: Prng;
  #isHealed = false;

  constructor(parts: NemesisParts) {
    this.#parts = parts;
    this.#random = parts.world.random.fork('nemesis');
  }

  /** Sets what holds for the whole run, and begins. */
  begin(): void {
    const { cluster, swarm, world } = this.#parts;
    world.network.setAllLinks(swarm.link);
    // What clients send carries no checksum of its own; there the network's has to do.
    for (const client of this.#parts.clients) {
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
    if (swarm.faults.length > 0) {
      this.#strikeLater();
    }
  }

  /** Ends all faults. Processes that are down are started by the simulation. */
  heal(): void {
    const { cluster, world } = this.#parts;
    this.#isHealed = true;
    world.network.heal();
    for (const { node } of cluster.members) {
      node.disk.faultHook = undefined;
      if (node.disk.isHung) {
        node.disk.resume();
      }
    }
    for (const node of world.nodes) {
      node.process?.resume();
      node.setClockRate(1, 1);
    }
  }

  #strikeLater(): void {
    const { swarm, world } = this.#parts;
    const waitNs = 1 + this.#random.below(2 * swarm.faultIntervalNs);
    world.schedule(world.nowNs + waitNs, undefined, () => {
      if (!this.#isHealed) {
        this.#strike(this.#random.pick(swarm.faults));
        this.#strikeLater();
      }
    });
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
        this.#partition();
        break;
      case FaultClass.OneWay:
        this.#oneWay();
        break;
      case FaultClass.Flapping:
        this.#flap();
        break;
      default:
        this.#strikeDiskOrClock(fault);
    }
  }

  #strikeDiskOrClock(fault: FaultClass): void {
    switch (fault) {
      case FaultClass.SlowDisk:
        this.#slowDisk();
        break;
      case FaultClass.HangingDisk:
        this.#hangDisk();
        break;
      case FaultClass.FailingDisk:
        this.#failDisk();
        break;
      case FaultClass.WallJump:
        this.#jumpWall();
        break;
      case FaultClass.ClockRate:
        this.#skewClock();
        break;
      case FaultClass.Leave:
        this.#leave();
        break;
      case FaultClass.LostDirectory:
        this.#loseDirectory();
        break;
      default:
        this.#killClient();
    }
  }

  /** The member that had lost its directory has a vote again, perhaps not durably yet. */
  onVote(memberId: number): void {
    const { node } = this.#parts.cluster.members[memberId] as SimulatedMember;
    if (durableNodeState(node.disk)?.voting === true) {
      this.blankMemberId = undefined;
    }
  }

  // --- processes ---

  /** Ends one member, or by chance a minority, a majority or all. */
  #endSome(kind: EndKind): void {
    const { cluster } = this.#parts;
    const first = this.#pickMember();
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
    const member = this.#pickMember();
    const isPower = durability === 'fsync' && this.#random.chance(1, 2);
    const count = this.#random.between(1, this.#random.pick([3, 10, 40]));
    const { process } = member.node;
    if (process !== undefined) {
      this.counts.crashes++;
      this.#say(member.node, `will ${isPower ? 'lose power' : 'die'} before its effect ${count}`);
      process.endBeforeEffect(count, isPower ? EndKind.PowerCut : EndKind.Kill);
    }
  }

  #pause(): void {
    const node = this.#pickNode();
    const durationNs = this.#drawNs(10, 2_000);
    this.counts.pauses++;
    this.#say(node, `is paused for ${durationNs / NS_PER_MS} ms`);
    node.process?.pause(durationNs);
  }

  #stall(): void {
    const node = this.#pickNode();
    const threads = node.process?.threads ?? [];
    if (threads.length > 0) {
      const thread = this.#random.pick(threads);
      const durationNs = this.#drawNs(5, 1_500);
      this.#say(node, `thread ${thread.name} stalls for ${durationNs / NS_PER_MS} ms`);
      thread.stall(durationNs);
    }
  }

  #leave(): void {
    const { world } = this.#parts;
    const member = this.#pickMember();
    const { process } = member.node;
    if (process === undefined || member.member === undefined || !process.isRunning) {
      return;
    }
    this.counts.leaves++;
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

  /** A member comes back with an empty disk. */
  #loseDirectory(): void {
    const { members } = this.#parts.cluster;
    const isComplete = members.every(
      ({ member, node }) =>
        member?.observe()?.election.isVoting() === true && durableNodeState(node.disk)?.voting,
    );
    if (this.blankMemberId !== undefined || !isComplete) {
      return;
    }
    const member = this.#pickMember();
    this.blankMemberId = member.memberId;
    this.blankMembers.add(member.memberId);
    this.counts.lostDirectories++;
    this.#say(member.node, 'is killed and loses its directory');
    member.node.kill();
    this.onLostDirectory?.(member.memberId);
    member.node.disk.reformat();
  }

  #killClient(): void {
    const { clients } = this.#parts;
    if (clients.length > 0) {
      const { node } = this.#random.pick(clients);
      this.#say(node, 'is killed');
      node.kill();
    }
  }

  // --- network ---

  #partition(): void {
    const { world } = this.#parts;
    const [left, right] = this.#random.chance(1, 2) ? this.#splitLeader() : this.#splitAll();
    const isBridged = this.#random.chance(1, 4) && right.length > 1;
    const bridge = isBridged ? (right.pop() as VirtualNode) : undefined;
    const names = (group: readonly VirtualNode[]): string =>
      group.map((node) => node.name).join(', ');
    const bridged = bridge === undefined ? '' : `, bridged by ${bridge.name}`;
    this.counts.partitions++;
    this.#parts.timeline.add('network', `splits: ${names(left)} | ${names(right)}${bridged}`);
    world.network.partition([left, right]);
    this.#healLater();
  }

  /** The leader with the clients and a minority against the others: what it appends is lost. */
  #splitLeader(): [VirtualNode[], VirtualNode[]] {
    const { clients, cluster } = this.#parts;
    const leader = this.#leader() ?? this.#pickMember();
    const others = this.#random.shuffle(cluster.members.filter((member) => member !== leader));
    const companionMax = Math.floor((cluster.members.length - 1) / 2);
    const companions = others.splice(0, this.#random.below(companionMax + 1));
    const left = [leader, ...companions].map((member) => member.node);
    const right = others.map((member) => member.node);
    for (const { node } of clients) {
      (this.#random.chance(3, 4) ? left : right).push(node);
    }
    return [left, right];
  }

  #splitAll(): [VirtualNode[], VirtualNode[]] {
    const nodes = this.#random.shuffle(this.#networkNodes());
    const cut = this.#random.chance(1, 2) ? 1 : this.#random.between(1, nodes.length - 1);
    return [nodes.slice(0, cut), nodes.slice(cut)];
  }

  #oneWay(): void {
    const { world } = this.#parts;
    const nodes = this.#networkNodes();
    const from = this.#random.pick(nodes);
    const others = nodes.filter((node) => node !== from && this.#random.chance(2, 3));
    const isDeaf = this.#random.chance(1, 2);
    this.counts.partitions++;
    this.#say(from, isDeaf ? 'does not hear some' : 'is not heard by some');
    for (const other of others) {
      world.network.block(isDeaf ? other : from, isDeaf ? from : other);
    }
    this.#healLater();
  }

  #flap(): void {
    const { world } = this.#parts;
    const nodes = this.#random.shuffle(this.#networkNodes());
    const [left, right] = nodes;
    if (left === undefined || right === undefined) {
      return;
    }
    const periodNs = this.#drawNs(20, 300);
    const endNs = world.nowNs + this.#drawNs(500, 3_000);
    this.counts.partitions++;
    this.#say(left, `its link with ${right.name} flaps`);
    const toggle = (isBlocked: boolean): void => {
      if (this.#isHealed || world.nowNs >= endNs) {
        world.network.unblock(left, right);
        world.network.unblock(right, left);
        return;
      }
      if (isBlocked) {
        world.network.block(left, right);
        world.network.block(right, left);
      } else {
        world.network.unblock(left, right);
        world.network.unblock(right, left);
      }
      world.schedule(world.nowNs + periodNs, undefined, () => toggle(!isBlocked));
    };
    toggle(true);
  }

  #healLater(): void {
    const { timeline, world } = this.#parts;
    world.schedule(world.nowNs + this.#drawNs(50, 4_000), undefined, () => {
      timeline.add('network', 'heals');
      world.network.heal();
    });
  }

  // --- disks and clocks ---

  #slowDisk(): void {
    const { swarm, world } = this.#parts;
    const { node } = this.#pickMember();
    const meanNs = this.#random.pick([5, 30, 150]) * NS_PER_MS;
    this.#say(node, `has a disk that syncs in ${meanNs / NS_PER_MS} ms`);
    node.disk.latency = { ...swarm.storage, sync: exponentialDelay(NS_PER_MS, meanNs) };
    world.schedule(world.nowNs + this.#drawNs(200, 4_000), undefined, () => {
      node.disk.latency = swarm.storage;
    });
  }

  #hangDisk(): void {
    const { world } = this.#parts;
    const { node } = this.#pickMember();
    const durationNs = this.#drawNs(50, 2_000);
    this.#say(node, `has a disk that hangs for ${durationNs / NS_PER_MS} ms`);
    node.disk.hang();
    world.schedule(world.nowNs + durationNs, undefined, () => {
      if (node.disk.isHung) {
        node.disk.resume();
      }
    });
  }

  /** One of the next writes or syncs fails; the member that meets it must not go on. */
  #failDisk(): void {
    const member = this.#pickMember();
    const { disk } = member.node;
    const kinds: OperationKind[] = this.#random.chance(1, 2)
      ? [OperationKind.Sync]
      : [OperationKind.Write, OperationKind.Sync, OperationKind.SyncDirectory];
    let left = this.#random.between(1, 5);
    this.#say(member.node, `has a disk that will fail at operation ${left}`);
    disk.faultHook = (operation) => {
      if (!kinds.includes(operation.kind)) {
        return undefined;
      }
      left--;
      if (left > 0) {
        return undefined;
      }
      disk.faultHook = undefined;
      this.counts.diskFailures++;
      this.expectedFailures.add(member.memberId);
      this.#say(member.node, `disk fails: ${operation.path}`);
      return { result: StorageResult.InputOutput };
    };
  }

  #jumpWall(): void {
    const node = this.#pickNode();
    const magnitudeMs = this.#random.pick([5, 500, 30_000, 3_600_000]);
    const deltaMs = this.#random.between(-magnitudeMs, magnitudeMs);
    this.#say(node, `wall clock jumps by ${deltaMs} ms`);
    node.oscillator.jumpWall(deltaMs);
  }

  #skewClock(): void {
    const node = this.#pickNode();
    const skew = this.#random.between(-RATE_SKEW_MAX, RATE_SKEW_MAX);
    this.#say(node, `clock runs at ${1000 + skew}/1000`);
    node.setClockRate(1000 + skew, 1000);
  }

  // --- chance ---

  #networkNodes(): VirtualNode[] {
    const members = this.#parts.cluster.members.map((member) => member.node);
    return [...members, ...this.#parts.clients.map((client) => client.node)];
  }

  #pickNode(): VirtualNode {
    return this.#random.chance(7, 8)
      ? this.#pickMember().node
      : this.#random.pick(this.#networkNodes());
  }

  /** The leader more often than others: what befalls it matters most. */
  #pickMember(): SimulatedMember {
    const { members } = this.#parts.cluster;
    const leader = this.#leader();
    return leader !== undefined && this.#random.chance(1, 3) ? leader : this.#random.pick(members);
  }

  #leader(): SimulatedMember | undefined {
    return this.#parts.cluster.members.find(
      ({ member }) => member?.observe()?.election.role() === MemberRole.Leader,
    );
  }

  #drawNs(minMs: number, maxMs: number): number {
    return this.#random.between(minMs, maxMs) * NS_PER_MS;
  }

  #say(node: VirtualNode, what: string): void {
    this.#parts.timeline.add(node.name, what);
  }
}
