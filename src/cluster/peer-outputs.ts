// peer-outputs.ts: what is known of another member's output, and where it first differs.
//
// Facts about equal positions come in, in any order. Because a hash covers all output before it,
// the first difference lies after the last position that was equal and is found by halving: first
// over checkpoints, which are remembered for long, then over single positions.

import type { MemberId } from '../consensus/election-effects.js';
import { POSITION_NULL, type Position } from '../position.js';
import { CHECKPOINT_LENGTH, type Hash64 } from './output-history.js';

/** Frames start at multiples of this, so events end there. */
const POSITION_ALIGNMENT = 32;

/** What a member said, and holds until this one has come so far. */
export interface OutputClaim {
  readonly position: Position;
  readonly hash: Hash64;
}

/** Where a difference begins. */
export interface FirstDifference {
  /** The first position that is known to differ. */
  readonly position: Position;
  /** The last position before it that is known to be equal; POSITION_NULL when none is. */
  readonly equalAt: Position;
  /** Nothing lies between the two. */
  readonly isExact: boolean;
}

/** Knowledge about one other member. */
export class PeerOutputs {
  readonly memberId: MemberId;
  /** A claim about a position that this member has not reached. */
  ahead: OutputClaim | undefined;
  /** Told to the operator; nothing more is looked for until the two are equal again. */
  isReported = false;
  #equalAt: Position = POSITION_NULL;
  #differsAt = Number.POSITIVE_INFINITY;
  #differingHash: Hash64 | undefined;
  /** At and below it one of the two does not remember. */
  #forgottenAt: Position = POSITION_NULL;

  constructor(memberId: MemberId) {
    this.memberId = memberId;
  }

  get differs(): boolean {
    return this.#differsAt !== Number.POSITIVE_INFINITY;
  }

  /** What the other one had put out by the first position that is known to differ. */
  get differingHash(): Hash64 | undefined {
    return this.#differingHash;
  }

  onEqual(position: Position): void {
    this.#equalAt = Math.max(this.#equalAt, position);
    if (position >= this.#differsAt) {
      // The other one has started anew, with other state.
      this.#differsAt = Number.POSITIVE_INFINITY;
      this.#forgottenAt = POSITION_NULL;
      this.isReported = false;
    }
  }

  /** @param hash of the other one. */
  onDifferent(position: Position, hash: Hash64): void {
    if (position <= this.#equalAt) {
      // What it said before it started anew does not hold any more.
      this.#equalAt = POSITION_NULL;
    }
    if (position <= this.#differsAt) {
      this.#differsAt = position;
      this.#differingHash = hash;
    }
  }

  /** One of the two cannot tell what was put out by a position. */
  onForgotten(position: Position): void {
    if (position < this.#differsAt) {
      this.#forgottenAt = Math.max(this.#forgottenAt, position);
    }
  }

  /** A position whose hashes say in which half the first difference lies; none when it is found. */
  nextProbe(): Position | undefined {
    const low = Math.max(this.#equalAt, this.#forgottenAt, 0);
    const high = this.#differsAt;
    return between(low, high, CHECKPOINT_LENGTH) ?? between(low, high, POSITION_ALIGNMENT);
  }

  firstDifference(): FirstDifference {
    const position = this.#differsAt;
    return {
      position,
      equalAt: this.#equalAt,
      isExact: position - Math.max(0, this.#equalAt) <= POSITION_ALIGNMENT,
    };
  }
}

/** The multiple in the middle between two positions; none when there is no multiple. */
function between(low: Position, high: Position, unit: number): Position | undefined {
  const first = Math.floor(low / unit) + 1;
  const last = Math.ceil(high / unit) - 1;
  return first > last ? undefined : Math.floor((first + last) / 2) * unit;
}
