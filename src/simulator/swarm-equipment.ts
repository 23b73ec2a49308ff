// swarm-equipment.ts: what a seed decides about links, sockets and disks.

import { type Delay, exponentialDelay, fixedDelay, uniformDelay, withSpikes } from './delay.js';
import type { Prng } from './prng.js';
import { type StorageLatency, SYNCHRONOUS_STORAGE } from './storage-operation.js';
import { type LinkOptions, PERFECT_LINK } from './virtual-link.js';
import type { SendOptions } from './virtual-socket.js';

const NS_PER_US = 1_000;
const NS_PER_MS = 1_000_000;
const NS_PER_SECOND = 1_000_000_000;

/** Each value with probability one half, otherwise nothing. */
function half(random: Prng, values: readonly number[]): number {
  const value = random.pick(values);
  return random.chance(1, 2) ? value : 0;
}

export function drawLink(random: Prng): LinkOptions {
  const burstLoss = half(random, [300_000, 800_000]);
  return {
    ...PERFECT_LINK,
    delay: drawDelayOptions(random),
    lossPerMillion: half(random, [500, 5_000, 30_000, 100_000]),
    burstEnterPerMillion: burstLoss > 0 ? random.pick([200, 2_000]) : 0,
    burstLeavePerMillion: random.pick([20_000, 100_000]),
    burstLossPerMillion: burstLoss,
    duplicatePerMillion: half(random, [1_000, 20_000, 100_000]),
    duplicateDelay: random.pick([
      uniformDelay(0, 5 * NS_PER_MS),
      withSpikes(uniformDelay(0, 20 * NS_PER_MS), 100_000, 5 * NS_PER_SECOND),
    ]),
    reorderPerMillion: half(random, [5_000, 50_000, 200_000]),
    reorderDelay: random.pick([
      uniformDelay(0, 2 * NS_PER_MS),
      uniformDelay(0, 50 * NS_PER_MS),
      withSpikes(uniformDelay(0, 5 * NS_PER_MS), 50_000, 3 * NS_PER_SECOND),
    ]),
    isUnordered: random.chance(1, 4),
    corruptPerMillion: half(random, [500, 5_000, 20_000]),
  };
}

function drawDelayOptions(random: Prng): Delay {
  const base = random.pick([
    fixedDelay(20 * NS_PER_US),
    uniformDelay(20 * NS_PER_US, 500 * NS_PER_US),
    exponentialDelay(100 * NS_PER_US, 400 * NS_PER_US),
    exponentialDelay(1 * NS_PER_MS, 4 * NS_PER_MS),
  ]);
  return random.chance(1, 2) ? withSpikes(base, 2_000, 400 * NS_PER_MS) : base;
}

export function drawSend(random: Prng): SendOptions {
  const failed = half(random, [500, 10_000]);
  const backPressured = half(random, [500, 10_000]);
  const heldNs = half(random, [20 * NS_PER_US, 2 * NS_PER_MS]);
  return {
    heldNs,
    heldLengthMax: random.pick([64 * 1024, 4 * 1024 * 1024]),
    failedPerMillion: failed,
    backPressuredPerMillion: backPressured,
  };
}

export function drawStorage(random: Prng): StorageLatency {
  if (random.chance(1, 4)) {
    return SYNCHRONOUS_STORAGE;
  }
  const syncMeanNs = random.pick([50, 300, 2_000]) * NS_PER_US;
  return {
    write: exponentialDelay(3 * NS_PER_US, 10 * NS_PER_US),
    read: exponentialDelay(5 * NS_PER_US, 50 * NS_PER_US),
    sync: exponentialDelay(20 * NS_PER_US, syncMeanNs),
    metadata: exponentialDelay(3 * NS_PER_US, 20 * NS_PER_US),
  };
}
