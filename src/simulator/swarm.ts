// swarm.ts: what a seed decides about a run before it begins.
//
// Swarm testing: every fault class is on in half of the runs, with an intensity of its own, because
// a run with all faults at once hides the bugs that need only some of them.

import { type Delay, exponentialDelay, fixedDelay, uniformDelay, withSpikes } from './delay.js';
import type { Prng } from './prng.js';
import { INSTANT_STORAGE, type StorageLatency } from './storage-operation.js';
import { type LinkOptions, PERFECT_LINK } from './virtual-link.js';
import { PERFECT_SEND, type SendOptions } from './virtual-socket.js';
import type { WorkloadOptions } from './workload.js';

const NS_PER_US = 1_000;
const NS_PER_MS = 1_000_000;
const NS_PER_SECOND = 1_000_000_000;

/** A directory is lost or damaged only where the others are a quorum. */
const LOST_DIRECTORY_MEMBERS_MIN = 3;

/** Fault classes that strike at moments. */
export const FaultClass = {
  Kill: 'kill',
  PowerCut: 'power cut',
  CrashBetweenEffects: 'crash between effects',
  Pause: 'pause',
  Stall: 'stall',
  Partition: 'partition',
  OneWay: 'one-way partition',
  Flapping: 'flapping',
  SlowDisk: 'slow disk',
  HangingDisk: 'hanging disk',
  FailingDisk: 'failing disk',
  WallJump: 'wall clock jump',
  ClockRate: 'clock rate',
  Leave: 'clean leave',
  ClientKill: 'client kill',
  LostDirectory: 'lost directory',
  DamagedLog: 'damaged log',
  FullDisk: 'full disk',
  BitRot: 'bit rot',
  MisdirectedWrite: 'misdirected write',
} as const;
export type FaultClass = (typeof FaultClass)[keyof typeof FaultClass];

/** How much of the run's character a caller fixes. */
export const PROFILES = ['swarm', 'quiet', 'storm'] as const;
export type Profile = (typeof PROFILES)[number];

/** What a seed decided. */
export interface Swarm {
  readonly memberCount: number;
  readonly durability: 'fsync' | 'page-cache';
  /** The recorder has no thread of its own. */
  readonly isRecorderInline: boolean;
  readonly segmentTerms: number;
  readonly mtuLength: number;
  readonly sessionTimeoutMs: number;
  readonly workload: WorkloadOptions;
  readonly safetyNs: number;
  /** Link of every pair, faults included. */
  readonly link: LinkOptions;
  readonly send: SendOptions;
  readonly storage: StorageLatency;
  /** From one reading of the whole log, in search of rot, to the next. */
  readonly scrubCycleMs: number;
  readonly turnCostNs: number;
  readonly faults: readonly FaultClass[];
  /** Mean time between two faults. */
  readonly faultIntervalNs: number;
}

/** Draws a run. */
export function drawSwarm(random: Prng, profile: Profile): Swarm {
  const isQuiet = profile === 'quiet';
  const isStorm = profile === 'storm';
  const durability = random.chance(1, 2) ? 'fsync' : 'page-cache';
  const drawnCount = random.pick([3, 3, 3, 3, 5, 5, 5, 4, 2, 1]);
  const memberCount = isQuiet ? 3 : isStorm ? 5 : drawnCount;
  return {
    memberCount,
    durability,
    isRecorderInline: durability === 'page-cache' && random.fork('inline').chance(2, 3),
    segmentTerms: random.pick([1, 1, 2, 4]),
    mtuLength: random.pick([1408, 1408, 1408, 512, 4096]),
    sessionTimeoutMs: random.pick([1_500, 3_000, 10_000]),
    workload: drawWorkload(random.fork('workload'), profile),
    safetyNs: (isQuiet ? 20 : random.between(8, 16)) * NS_PER_SECOND,
    link: isQuiet
      ? { ...PERFECT_LINK, delay: fixedDelay(100 * NS_PER_US) }
      : drawLink(random.fork('link')),
    send: isQuiet ? PERFECT_SEND : drawSend(random.fork('send')),
    storage: isQuiet ? INSTANT_STORAGE : drawStorage(random.fork('storage')),
    scrubCycleMs: isQuiet ? 60_000 : random.fork('scrub').pick([200, 700, 2_000]),
    turnCostNs: isQuiet ? 0 : random.pick([0, 1, 5, 20]) * NS_PER_US,
    faults: isQuiet ? [] : drawFaults(random, durability, memberCount, isStorm),
    faultIntervalNs: random.pick([150, 400, 800, 2_000]) * NS_PER_MS,
  };
}

function drawWorkload(random: Prng, profile: Profile): WorkloadOptions {
  const intervalMs = profile === 'storm' ? 15 : random.pick([30, 60, 150]);
  return {
    clientCount: profile === 'quiet' ? 1 : random.between(1, 3),
    intervalNs: intervalMs * NS_PER_MS,
    burstMax: random.pick([1, 4, 20]),
    longPerMillion: random.pick([0, 30_000, 200_000]),
    timerPerMillion: random.fork('timers').pick([0, 50_000, 500_000]),
  };
}

function drawFaults(
  random: Prng,
  durability: string,
  memberCount: number,
  isAll: boolean,
): FaultClass[] {
  const excluded: FaultClass[] = [];
  if (durability !== 'fsync') {
    // A power cut at page-cache level may lose what was acknowledged: it is not promised.
    excluded.push(FaultClass.PowerCut);
  }
  if (memberCount < LOST_DIRECTORY_MEMBERS_MIN) {
    excluded.push(FaultClass.LostDirectory, FaultClass.DamagedLog);
  }
  if (memberCount === 1) {
    // Nobody has another copy.
    excluded.push(FaultClass.BitRot, FaultClass.MisdirectedWrite);
  }
  const classes = Object.values(FaultClass).filter((fault) => !excluded.includes(fault));
  // A stream of chance for each: a new class changes nothing in the runs without it.
  return classes.filter((fault) => random.fork(fault).chance(1, 2) || isAll);
}

/** Each value with probability one half, otherwise nothing. */
function half(random: Prng, values: readonly number[]): number {
  const value = random.pick(values);
  return random.chance(1, 2) ? value : 0;
}

function drawLink(random: Prng): LinkOptions {
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

function drawSend(random: Prng): SendOptions {
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

function drawStorage(random: Prng): StorageLatency {
  if (random.chance(1, 4)) {
    return INSTANT_STORAGE;
  }
  const syncMeanNs = random.pick([50, 300, 2_000]) * NS_PER_US;
  return {
    write: exponentialDelay(3 * NS_PER_US, 10 * NS_PER_US),
    read: exponentialDelay(5 * NS_PER_US, 50 * NS_PER_US),
    sync: exponentialDelay(20 * NS_PER_US, syncMeanNs),
    metadata: exponentialDelay(3 * NS_PER_US, 20 * NS_PER_US),
  };
}
