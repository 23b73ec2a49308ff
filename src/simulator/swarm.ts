// swarm.ts: what a seed decides about a run before it begins.
//
// Swarm testing: every fault class is on in half of the runs, with an intensity of its own, because
// a run with all faults at once hides the bugs that need only some of them.

import { fixedDelay } from './delay.js';
import type { MessageOptions } from './message-chain.js';
import type { Prng } from './prng.js';
import type { RequestOptions } from './request-workload.js';
import { INSTANT_STORAGE, type StorageLatency } from './storage-operation.js';
import { drawLink, drawSend, drawStorage } from './swarm-equipment.js';
import { type LinkOptions, PERFECT_LINK } from './virtual-link.js';
import { PERFECT_SEND, type SendOptions } from './virtual-socket.js';
import type { WorkloadOptions } from './workload.js';

const NS_PER_US = 1_000;
const NS_PER_MS = 1_000_000;
const NS_PER_SECOND = 1_000_000_000;
const KIB = 1024;
/** What a cluster has by default. */
export const SESSION_COUNT_MAX = 1_000;
export const EGRESS_BUFFER_LENGTH_MAX = 4 * 1024 * KIB;

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
  FormerDirectory: 'former directory',
  DamagedLog: 'damaged log',
  FullDisk: 'full disk',
  BitRot: 'bit rot',
  MisdirectedWrite: 'misdirected write',
  RottenSnapshot: 'rotten snapshot',
  ClientCut: 'client cut',
  SlowLinks: 'slow links',
  NarrowLinks: 'narrow links',
  Lag: 'lag',
  LeaderHunt: 'leader hunt',
  Transfer: 'transfer of leadership',
  ForgottenLeader: 'forgotten leader',
} as const;
export type FaultClass = (typeof FaultClass)[keyof typeof FaultClass];

/** What is wrong all the time and not at moments. */
export const LastingTrouble = {
  Links: 'links',
  Sockets: 'sockets',
  Disks: 'disks',
  Turns: 'turns',
} as const;
export type LastingTrouble = (typeof LastingTrouble)[keyof typeof LastingTrouble];

/** Faults that damage the recorded log, or what stands for it, at rest. */
export const ROTTING: readonly FaultClass[] = [
  FaultClass.DamagedLog,
  FaultClass.BitRot,
  FaultClass.MisdirectedWrite,
  FaultClass.RottenSnapshot,
];

/** What a seed decided. */
export interface Swarm {
  readonly memberCount: number;
  readonly durability: 'fsync' | 'page-cache';
  /** The recorder has no thread of its own. */
  readonly isRecorderInline: boolean;
  /** The service has a thread of its own, which stalls now and then. */
  readonly isServiceDedicated: boolean;
  /** Snapshots of every so many-th member are taken by a shadow of its service; 0 for none. */
  readonly shadowEvery: number;
  readonly segmentTerms: number;
  readonly mtuLength: number;
  readonly sessionTimeoutMs: number;
  readonly sessionCountMax: number;
  readonly egressBufferLengthMax: number;
  readonly workload: WorkloadOptions;
  readonly snapshotIntervalLength: number;
  readonly snapshotIntervalMs: number;
  readonly logRetention: 'all' | 'snapshots';
  readonly requests: RequestOptions;
  /** Clients are asked who they are. */
  readonly isAuthenticated: boolean;
  /** Machines from which strangers try to get a session. */
  readonly intruderCount: number;
  /** Mean time between two orders of an operator; 0 where there is none. */
  readonly operatorIntervalNs: number;
  /** Mean time between two orders that end the whole cluster; 0 for none. */
  readonly shutdownIntervalNs: number;
  /** Queries that may wait at a leader. */
  readonly queryCountMax: number;
  readonly messages: MessageOptions;
  readonly safetyNs: number;
  /** Link of every pair, faults included. */
  readonly link: LinkOptions;
  readonly send: SendOptions;
  readonly storage: StorageLatency;
  /** From one reading of the whole log, in search of rot, to the next. */
  readonly scrubCycleMs: number;
  readonly turnCostNs: number;
  /** Fault classes that are on. */
  readonly faults: readonly FaultClass[];
  /** How strong each class is where it is on. */
  readonly strengths: Readonly<Record<FaultClass, FaultStrength>>;
  /** Mean time between two faults. */
  readonly faultIntervalNs: number;
  /** Faults come in storms of this length, and then there is a calm. */
  readonly stormNs: number;
  readonly calmNs: number;
  /** Commands that the log has at the end at least: the clients go on until it does. */
  readonly commandCountMin: number;
}

/** How often a class strikes beside the others, and how long its faults last. */
export interface FaultStrength {
  readonly weight: number;
  /** Of the durations that the class has by itself. */
  readonly durationPercent: number;
}

/** Simulated time with faults of a seed whose length nobody has chosen. */
export const SAFETY_NS = 60 * NS_PER_SECOND;
/** Commands of such a seed at least. */
export const COMMAND_COUNT_MIN = 500;
/** Classes that end processes: nearly every seed has one of them. */
const CRASH_CLASSES: readonly FaultClass[] = [
  FaultClass.Kill,
  FaultClass.PowerCut,
  FaultClass.CrashBetweenEffects,
];

type SessionLimits = Pick<Swarm, 'sessionTimeoutMs' | 'sessionCountMax' | 'egressBufferLengthMax'>;

/** Draws a run of the profile `swarm`; a storm has all faults that the durability allows. */
export function drawRun(random: Prng, isStorm: boolean): Swarm {
  const workload = drawWorkload(random.fork('workload'));
  const durability = random.chance(1, 2) ? 'fsync' : 'page-cache';
  const drawnCount = random.pick([3, 3, 3, 3, 5, 5, 5, 4, 2, 1, 6, 7, 7]);
  const memberCount = isStorm ? STORM_MEMBER_COUNT : drawnCount;
  const faults = drawFaults(random, durability, memberCount, isStorm);
  const limits = drawSessionLimits(random.fork('sessions'), workload.clientCount);
  const requests = drawRequests(random.fork('requests'));
  const swarm: Swarm = {
    memberCount,
    durability,
    isRecorderInline: durability === 'page-cache' && random.fork('inline').chance(2, 3),
    isServiceDedicated: random.fork('service thread').chance(1, 3),
    shadowEvery: random.fork('shadows').pick([0, 1, 1, 2]),
    segmentTerms: random.pick([1, 1, 2, 4]),
    mtuLength: random.pick([1408, 1408, 1408, 512, 4096]),
    ...limits,
    workload,
    queryCountMax: random.fork('waiting queries').pick([2, 16, 65_536]),
    // Where sessions are few, the clients have them all.
    requests: limits.sessionCountMax < SESSION_COUNT_MAX ? NO_REQUESTS : requests,
    ...drawOperations(random.fork('operations')),
    shutdownIntervalNs: drawShutdownInterval(random.fork('shutdowns')),
    messages: drawMessages(random.fork('services')),
    safetyNs: SAFETY_NS,
    commandCountMin: COMMAND_COUNT_MIN,
    link: drawLink(random.fork('link')),
    send: drawSend(random.fork('send')),
    storage: drawStorage(random.fork('storage')),
    scrubCycleMs: random.fork('scrub').pick([1_000, 5_000, 20_000]),
    turnCostNs: random.pick([0, 1, 5, 20]) * NS_PER_US,
    faults,
    logRetention: 'all',
    ...drawSnapshots(random.fork('snapshots')),
    strengths: drawStrengths(random.fork('strengths')),
    faultIntervalNs: random.pick([250, 600, 1_500, 4_000]) * NS_PER_MS,
    stormNs: random.pick([4, 12, 60]) * NS_PER_SECOND,
    calmNs: random.pick([1, 4, 8]) * NS_PER_SECOND,
  };
  return withRetention(random.fork('retention'), swarm);
}

/**
 * Where the log is purged, it does not rot: the one good copy of a range may be what others have
 * purged. It grows fast there, so that members are left behind.
 */
function withRetention(random: Prng, swarm: Swarm): Swarm {
  if (swarm.faults.length === 0 || random.chance(2, 3)) {
    return swarm;
  }
  const { workload } = swarm;
  return {
    ...swarm,
    logRetention: 'snapshots',
    segmentTerms: 1,
    snapshotIntervalLength: random.pick([20_000, 60_000]),
    snapshotIntervalMs: random.pick([0, 300]),
    workload: { ...workload, longPerMillion: Math.max(workload.longPerMillion, 400_000) },
    faults: swarm.faults.filter((fault) => !ROTTING.includes(fault)),
  };
}

function drawOperations(random: Prng) {
  const isAuthenticated = random.chance(1, 3);
  const intruderCount = random.pick([0, 1, 2]);
  const operatorIntervalNs = random.pick([2, 6]) * NS_PER_SECOND;
  return {
    isAuthenticated,
    intruderCount: isAuthenticated ? intruderCount : 0,
    operatorIntervalNs: random.chance(1, 3) ? operatorIntervalNs : 0,
  };
}

/** Whole clusters end seldom: what else a run has goes on meanwhile, or waits for them. */
function drawShutdownInterval(random: Prng): number {
  const intervalNs = random.pick([8, 20]) * NS_PER_SECOND;
  return random.chance(1, 5) ? intervalNs : 0;
}

function drawSnapshots(random: Prng) {
  return {
    snapshotIntervalLength: random.pick([0, 10_000, 100_000]),
    snapshotIntervalMs: random.pick([0, 400, 2_000]),
  };
}

/** The run without some of what is wrong all the time; everything else stays as it was drawn. */
export function withoutTrouble(swarm: Swarm, without: readonly LastingTrouble[]): Swarm {
  const isOff = (trouble: LastingTrouble): boolean => without.includes(trouble);
  const perfect = { ...PERFECT_LINK, delay: fixedDelay(100 * NS_PER_US) };
  return {
    ...swarm,
    link: isOff(LastingTrouble.Links) ? perfect : swarm.link,
    send: isOff(LastingTrouble.Sockets) ? PERFECT_SEND : swarm.send,
    storage: isOff(LastingTrouble.Disks) ? INSTANT_STORAGE : swarm.storage,
    turnCostNs: isOff(LastingTrouble.Turns) ? 0 : swarm.turnCostNs,
  };
}

const STORM_MEMBER_COUNT = 5;
/** Nobody makes requests. */
export const NO_REQUESTS: RequestOptions = {
  requesterCount: 0,
  intervalNs: 100 * NS_PER_MS,
  requestTimeoutNs: 10 * NS_PER_SECOND,
  retryIntervalNs: NS_PER_SECOND,
  windowMax: 64,
  longPerMillion: 0,
  strayPerMillion: 0,
};

function drawWorkload(random: Prng): WorkloadOptions {
  const clientCount = random.between(1, 3);
  return {
    clientCount,
    // Each run has some twenty commands a second at least, so that a crash always finds some.
    intervalNs: random.pick([20, 40, 60]) * clientCount * NS_PER_MS,
    burstMax: random.pick([1, 4, 20]),
    longPerMillion: random.pick([0, 30_000, 200_000]),
    registerPerMillion: random.fork('registers').pick([0, 200_000, 600_000]),
    timerPerMillion: random.fork('timers').pick([0, 50_000, 500_000]),
    readIntervalNs: random.fork('reads').pick([0, 30, 150]) * NS_PER_MS,
    hangUpPerMillion: random.fork('hang ups').pick([0, 0, 2_000, 10_000]),
    windowLength: random.fork('window').pick([4 * KIB, 16 * KIB, 16 * KIB]),
  };
}

export function drawRequests(random: Prng): RequestOptions {
  return {
    requesterCount: random.pick([0, 1, 1, 2]),
    intervalNs: random.pick([30, 100, 300]) * NS_PER_MS,
    requestTimeoutNs: random.pick([2, 10, 30]) * NS_PER_SECOND,
    // The shortest sends again what is merely slow, so that many retries find their reply.
    retryIntervalNs: random.pick([20, 200, 1_000]) * NS_PER_MS,
    windowMax: random.pick([1, 16, 64]),
    longPerMillion: random.pick([0, 100_000]),
    strayPerMillion: random.fork('strays').pick([0, 10_000]),
  };
}

/** One to three services, that send messages to each other in most runs. */
function drawMessages(random: Prng): MessageOptions {
  return {
    serviceCount: random.pick([1, 2, 2, 3]),
    commandsPerChain: random.pick([0, 2, 5, 20]),
    burstMax: random.pick([1, 4]),
    hopsMax: random.pick([0, 2, 10]),
    messagesPerLong: random.pick([0, 25]),
    // A limit that a burst of commands reaches, or none that anything does.
    pendingCountMax: random.pick([4, 10_000]),
  };
}

/** Sessions and what waits for them, with room for all that the clients may leave behind or not. */
function drawSessionLimits(random: Prng, clientCount: number): SessionLimits {
  const sessionTimeoutMs = random.pick([1_500, 3_000, 10_000]);
  // A client that lost its session waits until the old one has timed out: that has to be soon.
  const isTight = sessionTimeoutMs < 10_000 && random.chance(1, 4);
  return {
    sessionTimeoutMs,
    sessionCountMax: isTight ? clientCount : SESSION_COUNT_MAX,
    egressBufferLengthMax: random.pick([4 * KIB, 64 * KIB, EGRESS_BUFFER_LENGTH_MAX]),
  };
}

function drawFaults(
  random: Prng,
  durability: string,
  memberCount: number,
  isAll: boolean,
): FaultClass[] {
  // These have profiles of their own: they would change what every other seed does.
  const excluded: FaultClass[] = [FaultClass.Transfer, FaultClass.ForgottenLeader];
  if (durability !== 'fsync') {
    // A power cut at page-cache level may lose what was acknowledged: it is not promised.
    excluded.push(FaultClass.PowerCut);
  }
  if (memberCount < LOST_DIRECTORY_MEMBERS_MIN) {
    excluded.push(...[FaultClass.LostDirectory, FaultClass.FormerDirectory, FaultClass.DamagedLog]);
  }
  if (memberCount === 1) {
    // Nobody has another copy.
    excluded.push(FaultClass.BitRot, FaultClass.MisdirectedWrite);
  }
  const classes = Object.values(FaultClass).filter((fault) => !excluded.includes(fault));
  // A stream of chance for each: a new class changes nothing in the runs without it.
  const drawn = classes.filter((fault) => random.fork(fault).chance(1, 2) || isAll);
  const hasCrash = drawn.some((fault) => CRASH_CLASSES.includes(fault));
  return hasCrash || random.fork('no crash').chance(1, 16) ? drawn : [FaultClass.Kill, ...drawn];
}

function drawStrengths(random: Prng): Record<FaultClass, FaultStrength> {
  const strengths: Partial<Record<FaultClass, FaultStrength>> = {};
  for (const fault of Object.values(FaultClass)) {
    const stream = random.fork(fault);
    strengths[fault] = {
      weight: stream.pick([1, 2, 4]),
      durationPercent: stream.pick([30, 100, 100, 250]),
    };
  }
  return strengths as Record<FaultClass, FaultStrength>;
}
