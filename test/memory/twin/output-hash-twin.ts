// output-hash-twin.ts: the hash of a service's output again, in BigInt: slow, and plainly XXH64.

const MASK = (1n << 64n) - 1n;
const PRIMES = [
  0x9e3779b185ebca87n,
  0xc2b2ae3d27d4eb4fn,
  0x165667b19e3779f9n,
  0x85ebca77c2b2ae63n,
  0x27d4eb2f165667c5n,
] as const;
const [P1, P2, P3, P4, P5] = PRIMES;
const PIECE_LENGTH = 4096;

function rotate(value: bigint, count: bigint): bigint {
  const word = value & MASK;
  return ((word << count) | (word >> (64n - count))) & MASK;
}

function round(lane: bigint, word: bigint): bigint {
  return (rotate(lane + word * P2, 31n) * P1) & MASK;
}

function takeWord(hash: bigint, word: bigint): bigint {
  return (rotate(hash ^ round(0n, word), 27n) * P1 + P4) & MASK;
}

/** XXH64 of bytes. */
export function xxh64Twin(bytes: Uint8Array, seed: bigint): bigint {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const word = (at: number): bigint => view.getBigUint64(at, true);
  let at = 0;
  let hash = seed + P5;
  if (bytes.length >= 32) {
    const lanes = [seed + P1 + P2, seed + P2, seed, seed - P1].map((lane) => lane & MASK);
    for (; at + 32 <= bytes.length; at += 32) {
      lanes.forEach((lane, index) => {
        lanes[index] = round(lane, word(at + 8 * index));
      });
    }
    const turns = [1n, 7n, 12n, 18n];
    hash = lanes.reduce((sum, lane, index) => sum + rotate(lane, turns[index] as bigint), 0n);
    for (const lane of lanes) {
      hash = (((hash & MASK) ^ round(0n, lane)) * P1 + P4) & MASK;
    }
  }
  hash = (hash + BigInt(bytes.length)) & MASK;
  for (; at + 8 <= bytes.length; at += 8) {
    hash = takeWord(hash, word(at));
  }
  if (at + 4 <= bytes.length) {
    const mixed = hash ^ ((BigInt(view.getUint32(at, true)) * P1) & MASK);
    hash = (rotate(mixed, 23n) * P2 + P3) & MASK;
    at += 4;
  }
  for (; at < bytes.length; at++) {
    hash = (rotate(hash ^ ((BigInt(view.getUint8(at)) * P5) & MASK), 11n) * P1) & MASK;
  }
  hash = ((hash ^ (hash >> 33n)) * P2) & MASK;
  hash = ((hash ^ (hash >> 29n)) * P3) & MASK;
  return hash ^ (hash >> 32n);
}

/** An output: what it is, what it concerns, its bytes. */
export interface TwinOutput {
  readonly kind: number;
  readonly detail: number;
  readonly id: number;
  readonly value: number;
  readonly bytes: Uint8Array;
}

/** The hash after an output. */
export function addOutputTwin(before: bigint, output: TwinOutput): bigint {
  const { bytes, detail, id, kind, value } = output;
  let hash = takeWord(before, (BigInt(detail >>> 0) << 32n) | BigInt(kind >>> 0));
  hash = takeWord(takeWord(hash, BigInt(id) & MASK), BigInt(value) & MASK);
  for (let at = 0; at < bytes.length; at += PIECE_LENGTH) {
    hash = xxh64Twin(bytes.subarray(at, at + PIECE_LENGTH), hash);
  }
  return hash;
}

/** The hash after the end of an event. */
export function endEventTwin(before: bigint, position: number): bigint {
  return takeWord(before, BigInt(position) & MASK);
}
