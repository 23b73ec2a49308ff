// decay.ts: bytes of a virtual file that are no longer what was written.
//
// Bit rot and misdirected writes change a file behind the back of whoever wrote it. What was there
// is remembered, so that those who judge what a member *made* durable can look past the damage, and
// those who judge whether it was *repaired* can look at it.

/** Bytes that changed by themselves. */
export interface Decay {
  readonly position: number;
  /** What was written. */
  readonly truth: Uint8Array;
  /** What is read. */
  readonly rotten: Uint8Array;
}

/** The decays of one file. They do not overlap. */
export class DecayList {
  readonly #decays: Decay[] = [];

  get isEmpty(): boolean {
    return this.#decays.length === 0;
  }

  add(decay: Decay): void {
    this.#decays.push(decay);
  }

  /** Puts the truth in the place of what rotted and was not written again, in bytes read. */
  restore(position: number, target: Uint8Array, offset: number, length: number): void {
    for (const decay of this.#decays) {
      const from = Math.max(position, decay.position);
      const to = Math.min(position + length, decay.position + decay.truth.length);
      if (from < to) {
        const rotten = decay.rotten.subarray(from - decay.position, to - decay.position);
        const start = offset + from - position;
        if (isEqualAt(target, start, rotten)) {
          target.set(decay.truth.subarray(from - decay.position, to - decay.position), start);
        }
      }
    }
  }

  /** Those that still read as rotten; the others are forgotten. */
  alive(read: (position: number, target: Uint8Array) => number): readonly Decay[] {
    for (let index = this.#decays.length - 1; index >= 0; index--) {
      const { position, rotten } = this.#decays[index] as Decay;
      const now = new Uint8Array(rotten.length);
      if (read(position, now) < now.length || !isEqualAt(now, 0, rotten)) {
        this.#decays.splice(index, 1);
      }
    }
    return this.#decays;
  }
}

function isEqualAt(target: Uint8Array, start: number, bytes: Uint8Array): boolean {
  return bytes.every((byte, index) => target[start + index] === byte);
}
