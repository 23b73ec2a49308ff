// disk-damage.ts: what the nemesis does to bytes that were written long ago.
//
// Bit rot, sectors of garbage, and blocks that were meant for another place, at random positions of
// the committed log below a member's mark, while the member runs or not. The fault atlas keeps one
// good copy of everything.

import { recordingFileName, recordingIdOf } from '../archive/snapshot-recording.js';
import { decayLog, FaultAtlas, FRAME_MARGIN_LENGTH } from './fault-atlas.js';
import { durableMarkPosition } from './invariants/durable-records.js';
import type { Prng } from './prng.js';
import type { SimulatedMember } from './simulated-cluster.js';
import { FaultClass } from './swarm.js';
import { SECTOR_LENGTH } from './virtual-file.js';

/** Lengths of damage: a bit, a sector, a page, a piece of a RAID stripe. */
const DAMAGE_LENGTHS = [1, SECTOR_LENGTH, 8 * SECTOR_LENGTH, 16 * SECTOR_LENGTH] as const;

/** Records of two slots, a sector each, and how much of a slot carries the record. */
const RECORD_FILES = ['node-state.dat', 'durable-mark.dat', 'snapshots.dat'] as const;
const RECORD_HEAD_LENGTH = 40;

/** What was done. */
export interface DamageCounts {
  rottenRanges: number;
  misdirectedWrites: number;
  rottenSnapshots: number;
}

export class DiskDamage {
  readonly counts: DamageCounts = { rottenRanges: 0, misdirectedWrites: 0, rottenSnapshots: 0 };
  readonly atlas: FaultAtlas;
  /** Members whose log has rotted since they were last started with a log that was whole. */
  readonly rottenMembers = new Set<number>();
  readonly #random: Prng;
  /** By member: recordings of snapshots that have rotted. */
  readonly #rottenSnapshots = new Map<number, Set<number>>();
  readonly #committedEnd: () => number;

  /** @param committedEnd end of what is known to be committed. */
  constructor(members: readonly SimulatedMember[], random: Prng, committedEnd: () => number) {
    this.atlas = new FaultAtlas(members);
    this.#random = random;
    this.#committedEnd = committedEnd;
  }

  /** Damages what a class of faults damages. Says what it did; undefined when nothing. */
  strike(fault: FaultClass, member: SimulatedMember): string | undefined {
    if (fault === FaultClass.RottenSnapshot) {
      const recordingId = this.#rotSnapshot(member);
      return recordingId > 0 ? `has snapshot recording ${recordingId} rot` : undefined;
    }
    const isRot = fault === FaultClass.BitRot;
    const position = isRot ? this.#rot(member) : this.#misdirect(member);
    const what = isRot ? 'rots' : 'takes a misdirected write';
    return position >= 0 ? `${what} at ${position}` : undefined;
  }

  /** Bits flip, or a sector or more is garbage. Says where; -1 when the atlas forbids it. */
  #rot(member: SimulatedMember): number {
    const random = this.#random;
    const length = random.pick(DAMAGE_LENGTHS);
    const position = this.#drawPosition(member, length);
    const isDone =
      position >= 0 &&
      decayLog(
        member,
        position,
        (before) =>
          length === 1
            ? before.map((byte) => nonZero(byte ^ (1 << random.below(8)), byte))
            : before.map((byte) => nonZero(random.below(256), byte)),
        length,
      );
    this.counts.rottenRanges += isDone ? 1 : 0;
    return this.#note(member, isDone, position);
  }

  /** A block of the log that was meant for another place lands here. */
  #misdirect(member: SimulatedMember): number {
    const length = this.#random.pick(DAMAGE_LENGTHS.slice(1));
    const position = this.#drawPosition(member, length);
    const sector = Math.floor(position / SECTOR_LENGTH) * SECTOR_LENGTH;
    const other = this.#drawPosition(member, length);
    const source = Math.floor(other / SECTOR_LENGTH) * SECTOR_LENGTH;
    if (position < 0 || other < 0 || source === sector) {
      return -1;
    }
    const bytes = readLog(member, source, length);
    const isDone =
      bytes !== undefined &&
      decayLog(member, sector, (before) => bytes.slice(0, before.length), length);
    this.counts.misdirectedWrites += isDone ? 1 : 0;
    return this.#note(member, isDone, sector);
  }

  /**
   * A bit of a member's newest snapshot flips; an earlier one and the log are whole. Says which
   * recording; 0 when it has none.
   */
  #rotSnapshot({ memberId, node }: SimulatedMember): number {
    const ids = node.disk.listCached('').map((name) => recordingIdOf(name));
    const newest = Math.max(0, ...ids);
    if (newest === 0) {
      return 0;
    }
    const name = recordingFileName(newest, 0);
    const length = node.disk.snapshotCached(name)?.length ?? 0;
    if (length === 0) {
      return 0;
    }
    node.disk.flipBits(name, this.#random.below(length), 1 << this.#random.below(8));
    this.counts.rottenSnapshots++;
    const known = this.#rottenSnapshots.get(memberId) ?? new Set();
    this.#rottenSnapshots.set(memberId, known.add(newest));
    return newest;
  }

  /** A member has lost all snapshots; its next ones have the same numbers. */
  forgetSnapshots(memberId: number): void {
    this.#rottenSnapshots.delete(memberId);
  }

  /** Whether a snapshot of a member has rotted. */
  hasRotten(memberId: number, recordingId: number): boolean {
    return this.#rottenSnapshots.get(memberId)?.has(recordingId) === true;
  }

  /** Whether a log has rotted and is not whole again, as far as its member shows that. */
  isRotten({ member, memberId, node }: SimulatedMember): boolean {
    const isVoting = member?.observe()?.election.isVoting() === true;
    return this.rottenMembers.has(memberId) && (node.disk.hasDecays || !isVoting);
  }

  /** A start found a log whole: whatever is wrong with it from now on has come since. */
  onWhole({ memberId, node }: SimulatedMember): void {
    if (!node.disk.hasDecays) {
      this.rottenMembers.delete(memberId);
    }
  }

  /** Whether anything of a member has rotted, and was not written again. */
  isDamaged({ memberId, node }: SimulatedMember): boolean {
    return node.disk.hasDecays || (this.#rottenSnapshots.get(memberId)?.size ?? 0) > 0;
  }

  /**
   * A slot of the vote, of the durable mark or of the record of snapshots is not what was written.
   * Says which.
   */
  spoilRecord(member: SimulatedMember): string {
    const name = this.#random.pick(RECORD_FILES);
    const slot = this.#random.below(2);
    const offset = this.#random.below(RECORD_HEAD_LENGTH);
    const mask = 1 << this.#random.below(8);
    member.node.disk.flipBits(name, slot * SECTOR_LENGTH + offset, mask);
    return `${name} at ${offset} of slot ${slot}`;
  }

  /** Where the atlas allows a range to be damaged; -1 when it does not. */
  #drawPosition(member: SimulatedMember, length: number): number {
    // Damage at the mark itself may hide how long the log was; another fault class does that.
    const mark = durableMarkPosition(member.node.disk) - FRAME_MARGIN_LENGTH;
    const end = Math.min(mark, this.#committedEnd()) - length - SECTOR_LENGTH;
    if (end <= 0) {
      return -1;
    }
    const position = this.#random.below(end);
    const range = { from: position - SECTOR_LENGTH, to: position + length + SECTOR_LENGTH };
    return this.atlas.mayRot(member.memberId, range) ? position : -1;
  }

  #note(member: SimulatedMember, isDone: boolean, position: number): number {
    if (!isDone) {
      return -1;
    }
    this.rottenMembers.add(member.memberId);
    return position;
  }
}

/** Bytes that differ from what was there and are not zero, which truncated log would be. */
function nonZero(byte: number, before: number): number {
  return byte !== 0 && byte !== before ? byte : (before + 1) & 0xff || 1;
}

function readLog(
  member: SimulatedMember,
  position: number,
  length: number,
): Uint8Array | undefined {
  const { segmentLength } = member.config;
  const base = position - (position % segmentLength);
  const file = member.node.disk.snapshotRaw(`0-${base}.rec`);
  const bytes = new Uint8Array(length);
  const count = file?.read(position - base, bytes, 0, length) ?? 0;
  return count === length ? bytes : undefined;
}
