// fault-atlas.ts: where the disks of a cluster may be damaged without losing the log.
//
// Damage below the commit position can be repaired as long as one other member still has the bytes.
// The atlas looks at all disks before each blow and forbids the one that would hit the last copy.
// With it, every run must recover; a run without it must stop rather than serve another log.

import { segmentBaseOf, segmentFileName } from '../archive/log-geometry.js';
import type { Decay } from './decay.js';
import { durableMarkPosition } from './invariants/durable-records.js';
import type { SimulatedMember } from './simulated-cluster.js';

/** A frame around a damaged byte reaches no further than this: longer datagrams are not drawn. */
export const FRAME_MARGIN_LENGTH = 8 * 1024;

/** Bytes [from, to) of the log. */
interface LogRange {
  readonly from: number;
  readonly to: number;
}

export class FaultAtlas {
  /**
   * The member that waits to be admitted, whose log is no copy: those for whom it alone had one may
   * be needed to admit it, and have no vote before their own log is whole.
   */
  blankMember: () => number | undefined = () => undefined;
  readonly #members: readonly SimulatedMember[];

  constructor(members: readonly SimulatedMember[]) {
    this.#members = members;
  }

  /** Whether a member may lose a range of its log: another one has it whole. */
  mayRot(memberId: number, range: LogRange): boolean {
    const isApart = this.#decaysOf(memberId).every((known) => !isNear(known, range));
    return isApart && this.#hasCopy(memberId, range, [memberId]);
  }

  /** Whether a member may lose all it has: what has rotted elsewhere has a third copy. */
  mayLoseAll(memberId: number): boolean {
    return this.#members.every(
      (other) =>
        other.memberId === memberId ||
        this.#decaysOf(other.memberId).every((range) =>
          this.#hasCopy(other.memberId, range, [memberId, other.memberId]),
        ),
    );
  }

  /** Whether somebody else has durably what a member has, or had before it rotted. */
  #hasCopy(ownerId: number, range: LogRange, without: readonly number[]): boolean {
    const own = this.#truthOf(ownerId, range);
    return this.#members.some(
      ({ memberId, node }) =>
        !without.includes(memberId) &&
        memberId !== this.blankMember() &&
        durableMarkPosition(node.disk) >= range.to &&
        this.#decaysOf(memberId).every((known) => !isNear(known, range)) &&
        // A leader of former times may have another log there, which its own mark covers.
        isEqual(this.#truthOf(memberId, range), own),
    );
  }

  /** The bytes of a range as they were written, as far as a log has them. */
  #truthOf(memberId: number, { from, to }: LogRange): Uint8Array {
    const { config, node } = this.#members[memberId] as SimulatedMember;
    const { segmentLength } = config;
    const start = Math.max(0, from);
    const bytes = new Uint8Array(to - start);
    for (let at = start; at < to; ) {
      const base = segmentBaseOf(at, segmentLength);
      const length = Math.min(to, base + segmentLength) - at;
      const file = node.disk.snapshotCached(segmentFileName(base));
      file?.read(at - base, bytes, at - start, length);
      at += length;
    }
    return bytes;
  }

  /** What has rotted in a member's log and was not written again. */
  #decaysOf(memberId: number): LogRange[] {
    const { config, node } = this.#members[memberId] as SimulatedMember;
    const { segmentLength } = config;
    const end = durableMarkPosition(node.disk);
    const ranges: LogRange[] = [];
    for (let base = 0; base < end; base += segmentLength) {
      for (const decay of node.disk.decays(segmentFileName(base))) {
        ranges.push(rangeOf(base, decay));
      }
    }
    return ranges;
  }
}

/** Damages a member's log where the atlas allows it. False when nothing was done. */
export function decayLog(
  member: SimulatedMember,
  position: number,
  makeBytes: (before: Uint8Array) => Uint8Array,
  length: number,
): boolean {
  const { config, node } = member;
  const base = segmentBaseOf(position, config.segmentLength);
  const path = segmentFileName(base);
  const run = Math.min(length, base + config.segmentLength - position);
  const before = node.disk
    .snapshotRaw(path)
    ?.bytes()
    .subarray(position - base, position - base + run);
  if (before === undefined || before.length < run) {
    return false;
  }
  node.disk.decay(path, position - base, makeBytes(before));
  return true;
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

function rangeOf(base: number, decay: Decay): LogRange {
  return { from: base + decay.position, to: base + decay.position + decay.truth.length };
}

function isNear(known: LogRange, range: LogRange): boolean {
  return known.from < range.to + FRAME_MARGIN_LENGTH && range.from < known.to + FRAME_MARGIN_LENGTH;
}
