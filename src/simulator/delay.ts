// delay.ts: how long things take in a simulated world.
//
// A delay is a sum: a base, a uniform part, an exponential part (queues) and a rare spike. All of
// it is drawn in integers.
//
// The exponential part uses -ln(u) = k ln 2 + r: k, the number of leading zero bits of a uniform
// word, is geometric, and r is an exponential cut at ln 2, read from a table of 64 steps with
// linear interpolation. So the tail is right up to 32 ln 2, some 22 times the mean, and Math.log is
// not needed.

import type { Prng } from './prng.js';

/** Most a mean may be, so that the products stay below 2^53: about 4 seconds. */
export const DELAY_MEAN_NS_MAX = 2 ** 32;

/** A distribution of durations. Zero in a field switches that part off, and it draws nothing. */
export interface Delay {
  readonly baseNs: number;
  /** Added: uniform from 0 to this. */
  readonly uniformNs: number;
  /** Added: exponential with this mean, at most DELAY_MEAN_NS_MAX. */
  readonly exponentialNs: number;
  /** Chance of a spike, in millionths. */
  readonly spikePerMillion: number;
  /** Added in a spike: uniform from 0 to this. */
  readonly spikeNs: number;
}

/** round(-ln(1 - i / 128) * 2^16) for i from 0 to 64. */
const RESIDUE_Q16: readonly number[] = [
  0, 514, 1032, 1554, 2081, 2611, 3146, 3686, 4230, 4778, 5331, 5889, 6451, 7019, 7591, 8169, 8751,
  9339, 9932, 10530, 11135, 11744, 12360, 12981, 13608, 14241, 14880, 15526, 16178, 16837, 17502,
  18174, 18854, 19540, 20233, 20934, 21643, 22359, 23083, 23815, 24556, 25305, 26063, 26829, 27605,
  28390, 29184, 29988, 30802, 31627, 32461, 33307, 34164, 35032, 35911, 36803, 37707, 38624, 39553,
  40496, 41453, 42424, 43409, 44410, 45426,
];
const LN_2_Q16 = 45426;
const ONE_Q16 = 65536;

/** No time at all. */
export const NO_DELAY: Delay = fixedDelay(0);

/** Always the same. */
export function fixedDelay(ns: number): Delay {
  return { baseNs: ns, uniformNs: 0, exponentialNs: 0, spikePerMillion: 0, spikeNs: 0 };
}

/** Uniform from min to max, both included. */
export function uniformDelay(minNs: number, maxNs: number): Delay {
  return { ...fixedDelay(minNs), uniformNs: maxNs - minNs };
}

/** A least duration and an exponential tail behind it. */
export function exponentialDelay(minNs: number, meanNs: number): Delay {
  return { ...fixedDelay(minNs), exponentialNs: meanNs };
}

/** The same delay with a rare spike of up to spikeNs on top. */
export function withSpikes(delay: Delay, spikePerMillion: number, spikeNs: number): Delay {
  return { ...delay, spikePerMillion, spikeNs };
}

/** Exponentially distributed, in units of 2^-16 of the mean. */
function drawExponentialQ16(random: Prng): number {
  const halvings = Math.clz32(random.nextUint32());
  const word = random.nextUint32();
  const step = word >>> 26;
  const fraction = (word >>> 10) & 0xffff;
  const low = RESIDUE_Q16[step] as number;
  const high = RESIDUE_Q16[step + 1] as number;
  return halvings * LN_2_Q16 + low + Math.floor(((high - low) * fraction) / ONE_Q16);
}

/** Draws a duration, in whole nanoseconds. */
export function drawDelay(delay: Delay, random: Prng): number {
  let ns = delay.baseNs;
  if (delay.uniformNs > 0) {
    ns += random.below(delay.uniformNs + 1);
  }
  if (delay.exponentialNs > 0) {
    ns += Math.floor((delay.exponentialNs * drawExponentialQ16(random)) / ONE_Q16);
  }
  if (delay.spikePerMillion > 0 && random.chance(delay.spikePerMillion, 1_000_000)) {
    ns += random.below(delay.spikeNs + 1);
  }
  return ns;
}
