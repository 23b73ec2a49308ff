// swarm-profiles.ts: the characters that a run may have, beside that of the swarm.

import { MEMBER_DEFAULTS } from '../cluster/cluster-config.js';
import { fixedDelay } from './delay.js';
import { NO_MESSAGES } from './message-chain.js';
import type { Prng } from './prng.js';
import type { RequestOptions } from './request-workload.js';
import { SYNCHRONOUS_STORAGE } from './storage-operation.js';
import {
  drawRequests,
  drawRun,
  EGRESS_BUFFER_LENGTH_MAX,
  FaultClass,
  NO_REQUESTS,
  SAFETY_NS,
  SESSION_COUNT_MAX,
  type Swarm,
} from './swarm.js';
import { PERFECT_LINK } from './virtual-link.js';
import { PERFECT_SEND } from './virtual-socket.js';
import type { WorkloadOptions } from './workload.js';

const NS_PER_US = 1_000;
const NS_PER_MS = 1_000_000;
const NS_PER_SECOND = 1_000_000_000;
const NS_PER_HOUR = 3_600 * NS_PER_SECOND;
const MS_PER_MINUTE = 60_000;
const KIB = 1024;

/** How much of the run's character a caller fixes. */
export const PROFILES = [
  ...(['swarm', 'quiet', 'storm', 'sparse'] as const),
  ...(['figure-8', 'transfers', 'reads'] as const),
] as const;
export type Profile = (typeof PROFILES)[number];

/** Ten commands a second, with the times that a client has by default. */
const QUIET_WORKLOAD: WorkloadOptions = {
  clientCount: 1,
  intervalNs: 100 * NS_PER_MS,
  burstMax: 1,
  longPerMillion: 0,
  timerPerMillion: 0,
  registerPerMillion: 0,
  isPatient: true,
};
/** Four commands a second from two clients, with times that a client has by default. */
const SPARSE_WORKLOAD: WorkloadOptions = {
  clientCount: 2,
  intervalNs: 500 * NS_PER_MS,
  burstMax: 1,
  longPerMillion: 30_000,
  timerPerMillion: 100_000,
  registerPerMillion: 300_000,
  readIntervalNs: 2 * NS_PER_SECOND,
  isPatient: true,
};
const SPARSE_REQUESTS: Pick<RequestOptions, 'requesterCount' | 'intervalNs'> = {
  requesterCount: 1,
  intervalNs: 2 * NS_PER_SECOND,
};
/** Two hundred commands a second from four clients, as far as the faults let them. */
const STORM_WORKLOAD: WorkloadOptions = {
  clientCount: 4,
  intervalNs: 20 * NS_PER_MS,
  burstMax: 1,
  longPerMillion: 0,
  timerPerMillion: 50_000,
  registerPerMillion: 0,
};
const QUIET_MEMBER_COUNT = 3;
const SPARSE_MEMBER_COUNT_MAX = 5;
/** On both sides of a partition there is somebody mostly. */
const READ_CLIENT_COUNT = 4;
/** Fewer have no minority that could be left behind. */
const HUNT_MEMBER_COUNT_MIN = 3;

/** Draws a run. */
export function drawSwarm(random: Prng, profile: Profile): Swarm {
  switch (profile) {
    case 'quiet':
      return quietRun(random);
    case 'storm':
      return drawStorm(random);
    case 'sparse':
      return drawSparse(random);
    case 'figure-8':
      return drawHunt(random);
    case 'transfers':
      return drawTransfers(random);
    case 'reads':
      return drawReads(random);
    default:
      return drawRun(random, false);
  }
}

/** Three members with the times and limits that production has by default, and no faults. */
function quietRun(random: Prng): Swarm {
  return {
    ...drawRun(random, false),
    memberCount: QUIET_MEMBER_COUNT,
    durability: 'fsync',
    isRecorderInline: false,
    isServiceDedicated: false,
    shadowEvery: 0,
    segmentTerms: 1,
    mtuLength: 1408,
    sessionTimeoutMs: 10_000,
    sessionCountMax: SESSION_COUNT_MAX,
    egressBufferLengthMax: EGRESS_BUFFER_LENGTH_MAX,
    workload: QUIET_WORKLOAD,
    requests: NO_REQUESTS,
    isAuthenticated: false,
    intruderCount: 0,
    operatorIntervalNs: 0,
    shutdownIntervalNs: 0,
    messages: NO_MESSAGES,
    link: { ...PERFECT_LINK, delay: fixedDelay(100 * NS_PER_US) },
    send: PERFECT_SEND,
    storage: { ...SYNCHRONOUS_STORAGE, sync: fixedDelay(100 * NS_PER_US) },
    scrubCycleMs: MEMBER_DEFAULTS.scrubCycleMs,
    snapshotIntervalLength: MEMBER_DEFAULTS.snapshotIntervalLength,
    snapshotIntervalMs: MEMBER_DEFAULTS.snapshotIntervalMs,
    logRetention: 'all',
    turnCostNs: 0,
    faults: [],
  };
}

/** Leaders that end at the moments that matter, one after the other, and nothing else. */
function drawHunt(random: Prng): Swarm {
  const run = drawRun(random, false);
  return {
    ...run,
    memberCount: Math.max(HUNT_MEMBER_COUNT_MIN, run.memberCount),
    faults: [FaultClass.LeaderHunt],
    faultIntervalNs: random.fork('hunt').pick([250, 600, 1_500]) * NS_PER_MS,
    stormNs: SAFETY_NS,
  };
}

/** Leaders that are told to hand over, among what may befall them and those that they name. */
function drawTransfers(random: Prng): Swarm {
  const run = drawRun(random, false);
  return {
    ...run,
    memberCount: Math.max(HUNT_MEMBER_COUNT_MIN, run.memberCount),
    faults: [
      ...[FaultClass.Transfer, FaultClass.Transfer, FaultClass.Transfer, FaultClass.Kill],
      ...[FaultClass.CrashBetweenEffects, FaultClass.Pause, FaultClass.Partition],
      ...[FaultClass.OneWay, FaultClass.SlowDisk, FaultClass.SlowLinks, FaultClass.Leave],
    ],
    faultIntervalNs: random.fork('transfers').pick([200, 500, 1_000]) * NS_PER_MS,
    stormNs: SAFETY_NS,
  };
}

/**
 * Leaders that do not know that they lead no more, and leaders that do not know yet what their
 * predecessors have answered, while clients on all sides write and read the same few registers.
 */
function drawReads(random: Prng): Swarm {
  const run = drawRun(random, false);
  const stream = random.fork('reads');
  const isCalm = stream.chance(1, 2);
  return {
    ...run,
    memberCount: stream.pick([3, 3, 5]),
    // Where a sync takes time, a leader mostly wakes with log that waits, and gives up.
    durability: 'page-cache',
    isRecorderInline: true,
    sessionCountMax: SESSION_COUNT_MAX,
    egressBufferLengthMax: EGRESS_BUFFER_LENGTH_MAX,
    workload: {
      clientCount: READ_CLIENT_COUNT,
      intervalNs: stream.pick([20, 40]) * NS_PER_MS,
      burstMax: 1,
      longPerMillion: 0,
      timerPerMillion: 0,
      registerPerMillion: 700_000,
      readIntervalNs: stream.pick([10, 20]) * NS_PER_MS,
      windowLength: 16 * KIB,
    },
    requests: NO_REQUESTS,
    link: isCalm ? { ...PERFECT_LINK, delay: fixedDelay(100 * NS_PER_US) } : run.link,
    send: isCalm ? PERFECT_SEND : run.send,
    faults: [
      ...[FaultClass.ForgottenLeader, FaultClass.ForgottenLeader, FaultClass.ForgottenLeader],
      ...[FaultClass.CrashBetweenEffects, FaultClass.CrashBetweenEffects, FaultClass.Kill],
      ...(isCalm ? [] : [FaultClass.Partition, FaultClass.Transfer]),
    ],
    faultIntervalNs: stream.pick([800, 1_300]) * NS_PER_MS,
    stormNs: SAFETY_NS,
  };
}

/**
 * Hours with the times and limits of production, a few commands a second, and bad luck minutes
 * apart: what only builds up would show, such as logs that are purged and snapshots that are kept.
 */
function drawSparse(random: Prng): Swarm {
  const run = drawRun(random, false);
  const stream = random.fork('sparse');
  const isCalm = stream.chance(2, 3);
  const intervalMs = stream.pick([1, 5, 20]) * MS_PER_MINUTE;
  return {
    ...run,
    memberCount: Math.min(run.memberCount, SPARSE_MEMBER_COUNT_MAX),
    sessionTimeoutMs: 10_000,
    sessionCountMax: SESSION_COUNT_MAX,
    egressBufferLengthMax: EGRESS_BUFFER_LENGTH_MAX,
    workload: SPARSE_WORKLOAD,
    requests: { ...drawRequests(random.fork('requests')), ...SPARSE_REQUESTS },
    link: isCalm ? { ...PERFECT_LINK, delay: fixedDelay(100 * NS_PER_US) } : run.link,
    send: isCalm ? PERFECT_SEND : run.send,
    snapshotIntervalLength: stream.pick([0, 100_000, 1_000_000]),
    snapshotIntervalMs: stream.pick([0, 1, 3]) * intervalMs,
    faultIntervalNs: stream.pick([10, 30, 120]) * NS_PER_SECOND,
    stormNs: stream.pick([60, 300]) * NS_PER_SECOND,
    calmNs: stream.pick([0, 60, 600]) * NS_PER_SECOND,
    safetyNs: NS_PER_HOUR,
  };
}

/** Five members, all faults that the durability allows, and many commands. */
function drawStorm(random: Prng): Swarm {
  return {
    ...drawRun(random, true),
    sessionCountMax: SESSION_COUNT_MAX,
    faultIntervalNs: random.fork('storm').pick([150, 400, 800]) * NS_PER_MS,
    workload: STORM_WORKLOAD,
    requests: { ...drawRequests(random.fork('requests')), requesterCount: 1 },
  };
}
