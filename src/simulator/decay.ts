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

/** Reads bytes of the file. Returns how many there are. */
type Read = (position: number, target: Uint8Array) => number;

/**
 * The decays of one file. They do not overlap, and each is written again as a whole or not at all:
 * whoever writes the file splits them where the write begins and ends.
 */
export class DecayList {
  #decays: Decay[] = [];

  get isEmpty(): boolean {
    return this.#decays.length === 0;
  }

  /** @param atomicLength what a power cut keeps or loses as a whole, bytes. */
  add({ position, truth, rotten }: Decay, atomicLength: number): void {
    const end = position + truth.length;
    for (let from = position; from < end; ) {
      const to = Math.min(end, from + atomicLength - (from % atomicLength));
      this.#decays.push(partOf({ position, truth, rotten }, from, to));
      from = to;
    }
  }

  /** From here on the file is about to be written otherwise than before here. */
  splitAt(position: number): void {
    this.#decays = this.#decays.flatMap((decay) => {
      const end = decay.position + decay.truth.length;
      return decay.position < position && position < end
        ? [partOf(decay, decay.position, position), partOf(decay, position, end)]
        : [decay];
    });
  }

  /**
   * Something else is written over decays: bytes that come out as the rotten ones are true now. The
   * others are seen to be written again as they read, and may come back with the power lost.
   */
  overwrite(position: number, bytes: Uint8Array): void {
    this.#decays = this.#decays.filter((decay) => {
      const start = decay.position - position;
      const isWithin = start >= 0 && start + decay.rotten.length <= bytes.length;
      return !isWithin || !isEqualAt(bytes, start, decay.rotten);
    });
  }

  /** Puts the truth in the place of what rotted and was not written again, in bytes read. */
  restore(position: number, target: Uint8Array, offset: number, length: number): void {
    for (const decay of this.#decays) {
      const from = Math.max(position, decay.position);
      const to = Math.min(position + length, decay.position + decay.truth.length);
      if (from < to) {
        const { truth, rotten } = partOf(decay, from, to);
        const start = offset + from - position;
        if (isEqualAt(target, start, rotten)) {
          target.set(truth, start);
        }
      }
    }
  }

  /** Those that still read as rotten in one of the ways to read; the others are forgotten. */
  alive(...reads: readonly Read[]): readonly Decay[] {
    this.#decays = this.#decays.filter(({ position, rotten }) =>
      reads.some((read) => {
        const now = new Uint8Array(rotten.length);
        return read(position, now) === now.length && isEqualAt(now, 0, rotten);
      }),
    );
    return this.#decays;
  }
}

function partOf({ position, truth, rotten }: Decay, from: number, to: number): Decay {
  return {
    position: from,
    truth: truth.subarray(from - position, to - position),
    rotten: rotten.subarray(from - position, to - position),
  };
}

function isEqualAt(target: Uint8Array, start: number, bytes: Uint8Array): boolean {
  return bytes.every((byte, index) => target[start + index] === byte);
}
