// virtual-log.ts: a log of frames that knows what identifies its every prefix.

/** One frame of the log; `end` and `hash` identify the whole prefix that it closes. */
export interface Frame {
  readonly termId: number;
  readonly id: number;
  readonly length: number;
  readonly end: number;
  readonly hash: number;
}

const SEED_HASH = 17;

export function mix(hash: number, termId: number, id: number): number {
  let h = Math.imul(hash ^ termId, 0x9e3779b1) ^ Math.imul(id, 0x85ebca6b);
  h ^= h >>> 15;
  return Math.imul(h, 0xc2b2ae35) >>> 0;
}

export class VirtualLog {
  readonly frames: Frame[];

  constructor(frames: readonly Frame[] = []) {
    this.frames = [...frames];
  }

  end(): number {
    return this.frames.at(-1)?.end ?? 0;
  }

  append(termId: number, id: number, length: number): Frame {
    const hash = mix(this.frames.at(-1)?.hash ?? SEED_HASH, termId, id);
    const frame = { termId, id, length, end: this.end() + length, hash };
    this.frames.push(frame);
    return frame;
  }

  /** Number of frames that end at or before a position. */
  countUpTo(position: number): number {
    let low = 0;
    let high = this.frames.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.frames[middle] as Frame).end <= position) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }

  /** Hash of the prefix that ends at a position; undefined when no frame ends there. */
  hashAt(position: number): number | undefined {
    if (position === 0) {
      return SEED_HASH;
    }
    const frame = this.frames[this.countUpTo(position) - 1];
    return frame?.end === position ? frame.hash : undefined;
  }

  truncate(position: number): void {
    this.frames.length = this.countUpTo(position);
  }

  slice(from: number, limit: number, countMax: number): Frame[] {
    const start = this.countUpTo(from);
    const end = Math.min(this.countUpTo(limit), start + countMax);
    return this.frames.slice(start, end);
  }
}
