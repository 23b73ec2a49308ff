// cluster-config.ts: every setting of a cluster and of one member, validated as a whole.
//
// Settings of the cluster must be equal on all members: they enter the configuration hash that
// members compare when they meet. Settings of the process may differ.

import { z } from 'zod';
import type { Opaque64 } from '../archive/birth.js';
import { SNAPSHOT_COUNT_MAX } from '../archive/snapshot-manifest.js';
import { type ConsensusConfig, concludeConsensusConfig } from '../consensus/consensus-config.js';
import { ErrorCode, PawlError } from '../errors.js';
import { DurabilityLevel } from '../protocol/codecs/enumerations.js';
import { type MemberEndpoints, parseMemberList } from '../protocol/member-endpoints.js';
import { MEMBER_PROTOCOL_VERSION } from '../protocol/streams.js';
import { serviceChannelLength } from './channel-lengths.js';
import { channelCountOf, memoryLengthMin } from './memory-budget.js';
import { SERVICE_COUNT_MAX } from './services.js';

export const MEMBER_COUNT_MAX = 7;
const DURABILITY_LEVELS = {
  fsync: DurabilityLevel.Fsync,
  'page-cache': DurabilityLevel.PageCache,
} as const;
export const SESSION_COUNT_MAX = 10_000;

const NS_PER_MS = 1_000_000;
const KIB = 1024;
const MIB = 1024 * KIB;

const powerOfTwo = (min: number, max: number) =>
  z
    .int()
    .min(min)
    .max(max)
    .refine((value) => Number.isInteger(Math.log2(value)), 'must be a power of two');

/** Milliseconds of a timeout: at least 1, at most one hour. */
const timeoutMs = z.number().min(1).max(3_600_000);

const clusterSchema = z.strictObject({
  /** Names the cluster in every hello; members of another cluster are refused. */
  clusterId: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  /** `id,ingress,consensus,log,catchup,archive|...`, each endpoint host:port. */
  members: z.string().min(1),
  /**
   * What an acknowledged byte survives: `fsync` a power cut, `page-cache` the death of the process.
   */
  durability: z.enum(['fsync', 'page-cache']).default('fsync'),
  /** Bytes of one of the log's three term buffers. A message is at most an eighth of it. */
  logTermLength: powerOfTwo(64 * KIB, 256 * MIB).default(16 * MIB),
  /** Bytes of a log segment file; a multiple of logTermLength. */
  segmentLength: powerOfTwo(64 * KIB, 1024 * MIB).default(128 * MIB),
  /** Services on the log of each member. A member is given that many. */
  serviceCount: z.int().min(1).max(SERVICE_COUNT_MAX).default(1),
  /** Concurrent client sessions. */
  sessionCountMax: z.int().min(1).max(SESSION_COUNT_MAX).default(1_000),
  /** Of these at most so many whose clients receive at one host. */
  sessionCountPerAddressMax: z.int().min(1).max(SESSION_COUNT_MAX).default(SESSION_COUNT_MAX),
  /** `required`: each member is given an Authenticator, which the leader asks about each client. */
  authentication: z.enum(['none', 'required']).default('none'),
  /** Clients whose credentials are being judged at one time; others have to ask again. */
  handshakeCountMax: z.int().min(1).max(SESSION_COUNT_MAX).default(256),
  /** Time from a client's request until it must have proved who it is. */
  handshakeTimeoutMs: timeoutMs.default(5_000),
  /**
   * Bytes of one of the three term buffers of a client's egress stream. A message to a client is at
   * most an eighth of it: what a service is told of a longer one must not depend on the member.
   */
  egressTermLength: powerOfTwo(64 * KIB, 128 * MIB).default(256 * KIB),
  /** Bytes of egress that may wait for one client before its session is closed by a log event. */
  egressBufferLengthMax: z
    .int()
    .min(4 * KIB)
    .max(256 * MIB)
    .default(4 * MIB),
  heartbeatIntervalMs: timeoutMs.default(100),
  leaderTimeoutMs: timeoutMs.default(600),
  electionTimeoutMs: timeoutMs.default(300),
  electionStatusIntervalMs: timeoutMs.default(50),
  sessionTimeoutMs: timeoutMs.default(10_000),
  /** A wall clock further than this from the log's time is not followed at the start of a term. */
  clockSkewMaxMs: timeoutMs.default(60_000),
});

const memberSchema = z.strictObject({
  memberId: z
    .int()
    .min(0)
    .max(2 ** 31 - 1),
  /** Longest datagram. At most 1408 on common networks; up to 60 KiB on loopback. */
  mtuLength: z
    .int()
    .min(288)
    .max(60 * KIB)
    .multipleOf(32)
    .default(1408),
  /** Receiver windows of log and client streams, bytes. */
  windowLength: z
    .int()
    .min(4 * KIB)
    .max(64 * MIB)
    .default(512 * KIB),
  /**
   * Bytes of one term buffer of a stream to another member, or to a client without a session; that
   * takes no more than egressTermLength.
   */
  streamTermLength: powerOfTwo(64 * KIB, 64 * MIB).default(256 * KIB),
  socketBufferLength: z
    .int()
    .min(64 * KIB)
    .max(64 * MIB)
    .default(4 * MIB),
  /** Bytes of address space for all buffers; committed by the system as they are used. */
  memoryLength: z
    .int()
    .min(4 * MIB)
    .max(2047 * MIB)
    .default(1024 * MIB),
  /** Most log messages that a service consumes in one duty cycle. */
  serviceFragmentLimit: z.int().min(1).max(100_000).default(2_048),
  /** Queries that wait for their answer at a leader; more are refused. */
  queryCountMax: z.int().min(1).max(1_000_000).default(65_536),
  /** Bytes of all queries that wait at a leader. */
  queryBytesMax: z
    .int()
    .min(4 * KIB)
    .max(256 * MIB)
    .default(16 * MIB),
  /** From the start of one reading of the whole recorded log to the next: it looks for rot. */
  scrubCycleMs: z
    .int()
    .min(10)
    .max(31 * 24 * 3_600_000)
    .default(3_600_000),
  /** How fast the recorded log is read for that, bytes per second. */
  scrubBytesPerSecond: z
    .int()
    .min(64 * KIB)
    .max(1024 * MIB)
    .default(8 * MIB),
  /** Bytes of log after which a leader has a snapshot taken; 0 for never. */
  snapshotIntervalLength: z
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .default(1024 * MIB),
  /** Time after which a leader has a snapshot taken, if the log has grown; 0 for never. */
  snapshotIntervalMs: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  /**
   * Bytes on the disk below which a leader hands over to a member that has more room, and the
   * operator is warned; 0 for never. What the log grows by in some seconds should fit into it.
   */
  lowSpaceLength: z
    .int()
    .min(0)
    .max(Number.MAX_SAFE_INTEGER)
    .default(256 * MIB),
  /** How often the room on the disk is looked at. */
  spaceCheckIntervalMs: timeoutMs.default(1_000),
  /** Snapshots that are kept: a damaged one is replaced by the one before. */
  snapshotCountKept: z.int().min(1).max(SNAPSHOT_COUNT_MAX).default(2),
  /**
   * `all` keeps the whole log; `snapshots` purges what lies before the oldest kept snapshot: a
   * member that needs it is given the newest snapshot instead.
   */
  logRetention: z.enum(['all', 'snapshots']).default('all'),
  /**
   * `service` has the service write its state where it stands; `shadow` has a fresh instance on a
   * thread of its own replay the log since the last snapshot and write it: the service is never
   * asked.
   */
  snapshotBy: z.enum(['service', 'shadow']).default('service'),
  /**
   * `shared` runs the service in the duty cycle of everything else; `dedicated` gives it the thread
   * that started the member, and the rest a thread of its own, which no callback can hold up.
   */
  threads: z.enum(['shared', 'dedicated']).default('shared'),
  /** How long a shutdown waits for members that can be reached and have not acknowledged it. */
  terminationTimeoutMs: timeoutMs.default(10_000),
  /**
   * With `snapshots`: bytes of log before the newest snapshot that are kept although snapshots hold
   * them; and how long log is kept, by its own time. What exceeds either is given up. Both 0: at
   * once.
   */
  logRetentionLength: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  logRetentionMs: z.int().min(0).max(Number.MAX_SAFE_INTEGER).default(0),
  /**
   * How often a member tells the others what its service has put out, if the log has moved; 0 for
   * never.
   */
  divergenceIntervalMs: z.int().min(0).max(3_600_000).default(1_000),
  /** What a member does when a majority has put out something else: goes on, or ends itself. */
  onDivergence: z.enum(['report', 'stop']).default('report'),
  /**
   * Clocks, chance, timers and the network throw when the service uses them inside a callback. For
   * development: it slows them down for the whole process.
   */
  guard: z.boolean().default(false),
  /** Must be true to listen on any address but loopback: nothing is encrypted yet. */
  insecure: z.boolean().default(false),
});

/** What a member has when nothing is set. */
export const MEMBER_DEFAULTS = Object.freeze(memberSchema.parse({ memberId: 0 }));

export type ClusterSettings = z.input<typeof clusterSchema>;
export type MemberSettings = z.input<typeof memberSchema>;

/** Settings of one member, checked and frozen. Times in nanoseconds or milliseconds as named. */
export interface ClusterConfig extends z.output<typeof clusterSchema> {
  readonly member: z.output<typeof memberSchema>;
  readonly endpoints: readonly MemberEndpoints[];
  readonly consensus: ConsensusConfig;
  readonly sessionTimeoutNs: number;
  /** Hash of the cluster's settings, as two unsigned 32-bit halves. */
  readonly configurationHash: Opaque64;
}

/**
 * Validates the settings of a cluster and of one member together.
 *
 * @throws PawlError CONFIGURATION_INVALID naming the setting, its value and the remedy, or
 *   INSECURE_ADDRESS for an address off loopback without `insecure`.
 */
export function concludeClusterConfig(
  cluster: ClusterSettings,
  member: MemberSettings,
): ClusterConfig {
  const clusterValues = parse(clusterSchema, cluster, 'cluster');
  const memberValues = parse(memberSchema, member, 'member');
  const endpoints = parseMemberList(clusterValues.members);
  checkRelations(clusterValues, memberValues, endpoints);
  const hash = hashSettings(clusterValues);
  const consensus = concludeConsensusConfig({
    memberId: memberValues.memberId,
    memberIds: endpoints.map((endpoint) => endpoint.memberId),
    clusterId: clusterValues.clusterId,
    configurationHash: toOpaque64(hash),
    durability: DURABILITY_LEVELS[clusterValues.durability],
    protocolVersion: MEMBER_PROTOCOL_VERSION,
    heartbeatIntervalNs: clusterValues.heartbeatIntervalMs * NS_PER_MS,
    leaderTimeoutNs: clusterValues.leaderTimeoutMs * NS_PER_MS,
    electionTimeoutNs: clusterValues.electionTimeoutMs * NS_PER_MS,
    electionStatusIntervalNs: clusterValues.electionStatusIntervalMs * NS_PER_MS,
    sessionTimeoutNs: clusterValues.sessionTimeoutMs * NS_PER_MS,
  });
  return Object.freeze({
    ...clusterValues,
    member: memberValues,
    endpoints,
    consensus,
    sessionTimeoutNs: clusterValues.sessionTimeoutMs * NS_PER_MS,
    configurationHash: hash,
  });
}

/** What a data directory is born with, and is opened with ever after. */
export function fixedAtBirth(config: ClusterConfig) {
  return {
    clusterId: config.clusterId,
    memberId: config.member.memberId,
    geometry: { termLength: config.logTermLength, segmentLength: config.segmentLength },
    egressTermLength: config.egressTermLength,
  };
}

function parse<T extends z.ZodType>(schema: T, value: unknown, name: string): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) {
    return result.data;
  }
  const reasons = result.error.issues
    .map((issue) => `${[name, ...issue.path].join('.')}: ${issue.message}`)
    .join('; ');
  throw new PawlError(ErrorCode.ConfigurationInvalid, `the configuration is not valid: ${reasons}`);
}

function checkRelations(
  cluster: z.output<typeof clusterSchema>,
  member: z.output<typeof memberSchema>,
  endpoints: readonly MemberEndpoints[],
): void {
  if (endpoints.length > MEMBER_COUNT_MAX) {
    throw invalid(
      `cluster.members names ${endpoints.length} members: ` +
        `at most ${MEMBER_COUNT_MAX} are supported`,
    );
  }
  if (!endpoints.some((endpoint) => endpoint.memberId === member.memberId)) {
    const ids = endpoints.map((endpoint) => endpoint.memberId).join(', ');
    throw invalid(
      `member.memberId is ${member.memberId}, which cluster.members does not name: ` +
        `use one of ${ids}`,
    );
  }
  if (cluster.segmentLength % cluster.logTermLength !== 0) {
    throw invalid(
      `cluster.segmentLength is ${cluster.segmentLength}: use a multiple of logTermLength ` +
        `(${cluster.logTermLength})`,
    );
  }
  if (member.logRetention === 'all' && member.logRetentionLength + member.logRetentionMs > 0) {
    throw invalid(
      'member.logRetentionLength and logRetentionMs say when log is given up, and ' +
        "member.logRetention is 'all', which gives up none: set it to 'snapshots', or leave them 0",
    );
  }
  if (member.snapshotBy === 'shadow' && cluster.serviceCount > 1) {
    throw invalid(
      `member.snapshotBy is 'shadow', and cluster.serviceCount is ${cluster.serviceCount}: a ` +
        "shadow takes the snapshots of one service; use snapshotBy 'service', or one service",
    );
  }
  if (member.mtuLength > member.streamTermLength / 4) {
    throw invalid(
      `member.mtuLength is ${member.mtuLength}: use at most a quarter of streamTermLength ` +
        `(${member.streamTermLength}), or raise streamTermLength`,
    );
  }
  if (member.mtuLength > cluster.egressTermLength / 4) {
    throw invalid(
      `member.mtuLength is ${member.mtuLength}: use at most a quarter of egressTermLength ` +
        `(${cluster.egressTermLength}), or raise egressTermLength on all members`,
    );
  }
  checkMemory(cluster, member, endpoints.length);
  const own = endpoints.find((endpoint) => endpoint.memberId === member.memberId);
  const hosts = [own?.ingress.host, own?.consensus.host, own?.log.host];
  for (const host of hosts) {
    if (host !== undefined && !isLoopback(host) && !member.insecure) {
      throw new PawlError(
        ErrorCode.InsecureAddress,
        `member ${member.memberId} would listen on ${host}, and Pawl does not encrypt yet: ` +
          'use a loopback address (127.0.0.1), or set insecure to true on a network that you trust',
      );
    }
  }
}

/** A member with less would lead, and silently serve nobody. */
function checkMemory(
  cluster: z.output<typeof clusterSchema>,
  member: z.output<typeof memberSchema>,
  memberCount: number,
): void {
  const needed = memoryLengthMin({ ...cluster, ...member, memberCount });
  if (member.memoryLength < needed) {
    const channelCount = channelCountOf({ ...cluster, ...member });
    const channels =
      channelCount === 0
        ? ''
        : `, with ${channelCount * serviceChannelLength(cluster)} bytes for ${channelCount} ` +
          "channels to services on other threads (threads 'dedicated', snapshotBy 'shadow')";
    throw invalid(
      `member.memoryLength is ${member.memoryLength}: use at least ${needed}, or lower ` +
        `logTermLength (${cluster.logTermLength}) or egressTermLength ` +
        `(${cluster.egressTermLength}) on all members, or streamTermLength ` +
        `(${member.streamTermLength}): there is no room for the log and one client${channels}`,
    );
  }
}

/** Whether a numeric host is on this machine alone. */
export function isLoopback(host: string): boolean {
  return host.startsWith('127.') || host === '::1' || host === 'localhost';
}

function invalid(message: string): PawlError {
  return new PawlError(ErrorCode.ConfigurationInvalid, message);
}

/** Two unsigned 32-bit halves as one opaque value. */
export function toOpaque64(halves: Opaque64): bigint {
  return (BigInt(halves.high) << 32n) | BigInt(halves.low);
}

/** FNV-1a over the canonical settings, in two 32-bit lanes with different offsets. */
function hashSettings(values: z.output<typeof clusterSchema>): Opaque64 {
  const text = JSON.stringify(values, Object.keys(values).sort());
  return { high: fnv1a(text, 0x811c9dc5), low: fnv1a(text, 0x01000193 ^ 0x5bd1e995) };
}

function fnv1a(text: string, offset: number): number {
  let hash = offset;
  for (let index = 0; index < text.length; index++) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
