// consensus-config.ts: the timings of an election and who takes part, checked as a whole.
//
// Each relation that is refused here has brought a real cluster down: a heartbeat that one lost
// packet turns into an election, an election that ends before its votes can be repeated (B30),
// sessions that every failover closes. A value is never corrected silently.

import { ErrorCode, PawlError } from '../errors.js';
import type { MemberId } from './election-effects.js';
import { MEMBER_COUNT_MAX } from './quorum.js';

const MILLISECOND_NS = 1_000_000;
const MEMBER_ID_MAX = 2 ** 31 - 1;

export const HEARTBEAT_INTERVAL_DEFAULT_NS = 100 * MILLISECOND_NS;
export const LEADER_TIMEOUT_DEFAULT_NS = 600 * MILLISECOND_NS;
export const ELECTION_TIMEOUT_DEFAULT_NS = 300 * MILLISECOND_NS;
export const ELECTION_STATUS_INTERVAL_DEFAULT_NS = 50 * MILLISECOND_NS;
export const SESSION_TIMEOUT_DEFAULT_NS = 10_000 * MILLISECOND_NS;

/** A minute without a heartbeat is not a slow network but a wrong unit. */
export const HEARTBEAT_INTERVAL_MAX_NS = 60_000 * MILLISECOND_NS;
export const LEADER_TIMEOUT_MAX_NS = 600_000 * MILLISECOND_NS;
export const ELECTION_TIMEOUT_MAX_NS = 600_000 * MILLISECOND_NS;
export const ELECTION_STATUS_INTERVAL_MAX_NS = 60_000 * MILLISECOND_NS;
export const SESSION_TIMEOUT_MAX_NS = 24 * 3_600_000 * MILLISECOND_NS;

export const LEADER_TIMEOUT_HEARTBEATS_MIN = 3;
export const ELECTION_TIMEOUT_STATUS_INTERVALS_MIN = 4;
export const SESSION_TIMEOUT_LEADER_TIMEOUTS_MIN = 2;

/** What consensus needs to know. Frozen; all times in nanoseconds. */
export interface ConsensusConfig {
  readonly memberId: MemberId;
  /** All configured members, the own one included, ascending. */
  readonly memberIds: readonly MemberId[];
  readonly clusterId: number;
  /** Opaque 64 bits over everything that all members must agree on. */
  readonly configurationHash: bigint;
  /** The durability level as the message MemberHello numbers it. */
  readonly durability: number;
  readonly protocolVersion: number;
  readonly heartbeatIntervalNs: number;
  readonly leaderTimeoutNs: number;
  readonly electionTimeoutNs: number;
  readonly electionStatusIntervalNs: number;
  readonly sessionTimeoutNs: number;
}

type Timings =
  | 'heartbeatIntervalNs'
  | 'leaderTimeoutNs'
  | 'electionTimeoutNs'
  | 'electionStatusIntervalNs'
  | 'sessionTimeoutNs';

/** The same, as a user gives it: the times have defaults. */
export type ConsensusConfigInput = Omit<ConsensusConfig, Timings> &
  Partial<Pick<ConsensusConfig, Timings>>;

/**
 * Fills in the defaults, checks every value and every relation, and freezes the result.
 *
 * @throws PawlError CONFIGURATION_INVALID that names the value, the limit and the remedy.
 */
export function concludeConsensusConfig(input: ConsensusConfigInput): ConsensusConfig {
  const config: ConsensusConfig = {
    memberId: input.memberId,
    memberIds: [...input.memberIds].sort((a, b) => a - b),
    clusterId: input.clusterId,
    configurationHash: BigInt.asUintN(64, input.configurationHash),
    durability: input.durability,
    protocolVersion: input.protocolVersion,
    heartbeatIntervalNs: input.heartbeatIntervalNs ?? HEARTBEAT_INTERVAL_DEFAULT_NS,
    leaderTimeoutNs: input.leaderTimeoutNs ?? LEADER_TIMEOUT_DEFAULT_NS,
    electionTimeoutNs: input.electionTimeoutNs ?? ELECTION_TIMEOUT_DEFAULT_NS,
    electionStatusIntervalNs: input.electionStatusIntervalNs ?? ELECTION_STATUS_INTERVAL_DEFAULT_NS,
    sessionTimeoutNs: input.sessionTimeoutNs ?? SESSION_TIMEOUT_DEFAULT_NS,
  };
  checkMembers(config);
  checkRange('heartbeatIntervalNs', config.heartbeatIntervalNs, HEARTBEAT_INTERVAL_MAX_NS);
  checkRange('leaderTimeoutNs', config.leaderTimeoutNs, LEADER_TIMEOUT_MAX_NS);
  checkRange('electionTimeoutNs', config.electionTimeoutNs, ELECTION_TIMEOUT_MAX_NS);
  checkRange(
    'electionStatusIntervalNs',
    config.electionStatusIntervalNs,
    ELECTION_STATUS_INTERVAL_MAX_NS,
  );
  checkRange('sessionTimeoutNs', config.sessionTimeoutNs, SESSION_TIMEOUT_MAX_NS);
  checkRelations(config);
  Object.freeze(config.memberIds);
  return Object.freeze(config);
}

function checkMembers(config: ConsensusConfig): void {
  const { memberId, memberIds } = config;
  if (memberIds.length < 1 || memberIds.length > MEMBER_COUNT_MAX) {
    refuse(`memberIds has ${memberIds.length} members: configure 1 to ${MEMBER_COUNT_MAX}`);
  }
  for (const id of memberIds) {
    if (!Number.isInteger(id) || id < 0 || id > MEMBER_ID_MAX) {
      refuse(`memberIds contains ${id}: use integers from 0 to ${MEMBER_ID_MAX}`);
    }
  }
  if (new Set(memberIds).size !== memberIds.length) {
    refuse(`memberIds is ${memberIds.join(', ')}: give every member an id of its own`);
  }
  if (!memberIds.includes(memberId)) {
    refuse(`memberId is ${memberId}, not one of ${memberIds.join(', ')}: add it, or correct it`);
  }
}

function checkRange(name: string, valueNs: number, maxNs: number): void {
  if (!Number.isSafeInteger(valueNs) || valueNs <= 0 || valueNs > maxNs) {
    refuse(`${name} is ${valueNs}: use an integer from 1 to ${maxNs} nanoseconds`);
  }
}

function checkRelations(config: ConsensusConfig): void {
  checkFactor(
    ['leaderTimeout', config.leaderTimeoutNs],
    ['heartbeatInterval', config.heartbeatIntervalNs],
    LEADER_TIMEOUT_HEARTBEATS_MIN,
    'with less, a single lost packet would start an election',
  );
  checkFactor(
    ['electionTimeout', config.electionTimeoutNs],
    ['electionStatusInterval', config.electionStatusIntervalNs],
    ELECTION_TIMEOUT_STATUS_INTERVALS_MIN,
    'with less, a lost vote could not be repeated before the ballot ends',
  );
  checkFactor(
    ['sessionTimeout', config.sessionTimeoutNs],
    ['leaderTimeout', config.leaderTimeoutNs],
    SESSION_TIMEOUT_LEADER_TIMEOUTS_MIN,
    'with less, every failover would close sessions',
  );
}

/** Refuses in the milliseconds and by the names in which a cluster is configured. */
function checkFactor(
  [name, valueNs]: readonly [string, number],
  [baseName, baseNs]: readonly [string, number],
  factor: number,
  reason: string,
): void {
  if (valueNs < factor * baseNs) {
    const leastMs = (factor * baseNs) / MILLISECOND_NS;
    refuse(
      `${name}Ms is ${valueNs / MILLISECOND_NS}, below ${factor} times ${baseName}Ms ` +
        `(${baseNs / MILLISECOND_NS}): ${reason}; raise ${name}Ms to at least ${leastMs} or ` +
        `lower ${baseName}Ms`,
    );
  }
}

function refuse(message: string): never {
  throw new PawlError(ErrorCode.ConfigurationInvalid, message);
}
