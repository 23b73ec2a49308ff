// equipment-faults.ts: disks that are slow, hang, fail or are full, and clocks that go wrong.

import { StorageResult } from '../ports/storage.js';
import { exponentialDelay } from './delay.js';
import type { DrawDuration } from './network-faults.js';
import type { Prng } from './prng.js';
import { OperationKind } from './storage-operation.js';
import type { NemesisParts, Targets } from './targets.js';
import { DISK_CAPACITY_BYTES, type VirtualDisk } from './virtual-disk.js';
import type { VirtualNode } from './virtual-node.js';

const NS_PER_MS = 1_000_000;
/** A clock runs at most this many thousandths fast or slow. */
const RATE_SKEW_MAX = 50;
/** Members of a run call it little room when less is left, bytes. */
export const LOW_SPACE_LENGTH = 512 * 1024;
/** A disk that somebody else fills has so much left at first, and this much less at each step. */
const FILLING_START_LENGTH = 768 * 1024;
const FILLING_STEP_LENGTH = 64 * 1024;
const FILLING_STEP_NS = 150 * NS_PER_MS;
/** What fails beside writes and syncs. */
const SELDOM: readonly OperationKind[] = [
  OperationKind.Open,
  OperationKind.Read,
  OperationKind.SetLength,
  OperationKind.Rename,
  OperationKind.Remove,
  OperationKind.List,
];

/** Spoils disks and clocks. */
export class EquipmentFaults {
  /** Members whose disk has ever been full. */
  readonly fullMembers = new Set<number>();
  readonly #parts: NemesisParts;
  readonly #targets: Targets;
  readonly #random: Prng;
  readonly #drawNs: DrawDuration;
  readonly #onDiskFailure: (memberId: number, kind: OperationKind) => void;

  /** @param onDiskFailure is told when a member's disk fails: the member must not go on. */
  constructor(
    parts: NemesisParts,
    targets: Targets,
    random: Prng,
    drawNs: DrawDuration,
    onDiskFailure: (memberId: number, kind: OperationKind) => void,
  ) {
    this.#parts = parts;
    this.#targets = targets;
    this.#random = random;
    this.#drawNs = drawNs;
    this.#onDiskFailure = onDiskFailure;
  }

  /** A disk takes long to sync, for a while. */
  slowDisk(): void {
    const { swarm, world } = this.#parts;
    const { node } = this.#targets.pickMember();
    const meanNs = this.#random.pick([5, 30, 150]) * NS_PER_MS;
    this.#say(node, `has a disk that syncs in ${meanNs / NS_PER_MS} ms`);
    node.disk.latency = { ...swarm.storage, sync: exponentialDelay(NS_PER_MS, meanNs) };
    world.schedule(world.nowNs + this.#drawNs(200, 4_000), undefined, () => {
      node.disk.latency = swarm.storage;
    });
  }

  /** Nothing that a disk is asked for completes, for a while. */
  hangDisk(): void {
    const { world } = this.#parts;
    const { node } = this.#targets.pickMember();
    const durationNs = this.#drawNs(50, 2_000);
    this.#say(node, `has a disk that hangs for ${durationNs / NS_PER_MS} ms`);
    node.disk.hang();
    world.schedule(world.nowNs + durationNs, undefined, () => {
      if (node.disk.isHung) {
        node.disk.resume();
      }
    });
  }

  /** One of the next operations fails; the member that meets it must not go on as if it had not. */
  failDisk(): void {
    const { world } = this.#parts;
    const member = this.#targets.pickMember();
    const { disk } = member.node;
    const writing: OperationKind[] = this.#random.chance(1, 2)
      ? [OperationKind.Sync]
      : [OperationKind.Write, OperationKind.Sync, OperationKind.SyncDirectory];
    // A stream of its own: what fails was not always drawn.
    const other = this.#random.fork(`failing ${world.nowNs}`);
    const kinds = other.chance(1, 3) ? [other.pick(SELDOM)] : writing;
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
      this.#onDiskFailure(member.memberId, operation.kind);
      this.#say(member.node, `disk fails: ${operation.path}`);
      return { result: StorageResult.InputOutput };
    };
  }

  /** No new file can be made for a while; a member that needs one ends, and says why. */
  fillDisk(): void {
    const { world } = this.#parts;
    const member = this.#targets.pickMember();
    const { disk } = member.node;
    const before = disk.capacityBytes;
    // Mostly so little that it is gone at once: a log grows slowly.
    const leftBytes = this.#random.below(this.#random.pick([1, 4 * 1024, 128 * 1024]));
    const endNs = world.nowNs + this.#drawNs(200, 4_000);
    this.fullMembers.add(member.memberId);
    if (this.#random.fork(`filling ${world.nowNs}`).chance(2, 3)) {
      this.#say(member.node, 'has a disk that somebody else fills');
      this.#fillSlowly(disk, FILLING_START_LENGTH, endNs);
    } else {
      this.#say(member.node, `has ${leftBytes} bytes left on its disk`);
      disk.capacityBytes = before - disk.freeBytes + leftBytes;
    }
    world.schedule(endNs, undefined, () => {
      disk.capacityBytes = DISK_CAPACITY_BYTES;
    });
  }

  /** Room goes away step by step: a leader can see it coming. */
  #fillSlowly(disk: VirtualDisk, leftBytes: number, endNs: number): void {
    const { world } = this.#parts;
    if (world.nowNs >= endNs) {
      return;
    }
    disk.capacityBytes -= disk.freeBytes - Math.min(disk.freeBytes, Math.max(0, leftBytes));
    const capacityBytes = disk.capacityBytes;
    world.schedule(world.nowNs + FILLING_STEP_NS, undefined, () => {
      // Another capacity: the disk was healed meanwhile, and stays so.
      if (disk.capacityBytes === capacityBytes) {
        this.#fillSlowly(disk, leftBytes - FILLING_STEP_LENGTH, endNs);
      }
    });
  }

  /** A wall clock is set. */
  jumpWall(): void {
    const node = this.#targets.pickNode();
    const magnitudeMs = this.#random.pick([5, 500, 30_000, 3_600_000]);
    const deltaMs = this.#random.between(-magnitudeMs, magnitudeMs);
    this.#say(node, `wall clock jumps by ${deltaMs} ms`);
    node.oscillator.jumpWall(deltaMs);
  }

  /** A monotonic clock runs too fast or too slow from now on. */
  skewClock(): void {
    const node = this.#targets.pickNode();
    const skew = this.#random.between(-RATE_SKEW_MAX, RATE_SKEW_MAX);
    this.#say(node, `clock runs at ${1000 + skew}/1000`);
    node.setClockRate(1000 + skew, 1000);
  }

  #say(node: VirtualNode, what: string): void {
    this.#parts.timeline.add(node.name, what);
  }
}
