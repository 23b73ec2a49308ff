// memory-budget.ts: what of a member's memory its log keeps, and the least that serves a client.

import type { Arena } from '../memory/arena.js';
import { logLength, messageLengthMax } from '../transport/log-memory.js';
import { publicationSlabs } from '../transport/publication-memory.js';
import { serviceChannelLength } from './channel-lengths.js';
import type { ClusterConfig } from './cluster-config.js';

const KIB = 1024;
const MIB = 1024 * KIB;
/**
 * Log buffers that clients' streams leave room for beside the one in use: the log of a term that
 * was led lingers while the logs of the next terms open.
 */
const LOG_SPARE_COUNT = 2;
/** Egress streams that no session may take: answers to clients that are refused. */
export const EGRESS_SPARE_COUNT = 4;
/** Ingress of a client that sets nothing. */
const INGRESS_TERM_LENGTH = 256 * 1024;
/**
 * For each member: a reader of the recorded log while it catches up, chunks of a snapshot or of a
 * repair. They are allocated when they are needed, which may be when many clients are there.
 */
const MEMBER_WORK_LENGTH = 512 * KIB;
/** Session table, scan areas, staging. */
const BASE_LENGTH = 4 * MIB;
/** What each further service reads the log with, and speaks through on another thread. */
const SERVICE_LENGTH = 320 * KIB;

export interface BudgetSettings {
  readonly logTermLength: number;
  readonly egressTermLength: number;
  readonly streamTermLength: number;
  readonly memberCount: number;
  readonly serviceCount: number;
  readonly threads: 'shared' | 'dedicated';
  readonly snapshotBy: 'service' | 'shadow';
}

/** Channels to services on other threads, and to their shadow. */
export function channelCountOf(
  settings: Pick<BudgetSettings, 'serviceCount' | 'threads' | 'snapshotBy'>,
): number {
  const { serviceCount, snapshotBy, threads } = settings;
  return (threads === 'dedicated' ? serviceCount : 0) + (snapshotBy === 'shadow' ? 1 : 0);
}

/** What the reserve depends on. */
export type ReserveSettings = Pick<BudgetSettings, 'logTermLength' | 'memberCount'>;

/** Bytes that are free, in one piece, beside whatever a client is given. */
export function reserveLength({ logTermLength, memberCount }: ReserveSettings): number {
  return LOG_SPARE_COUNT * logLength(logTermLength) + memberCount * MEMBER_WORK_LENGTH;
}

/**
 * Term length of a stream to a client that has no session. It finds room wherever an egress stream
 * does, of which EGRESS_SPARE_COUNT are kept for it.
 */
export function answerTermLength({ egressTermLength, member }: ClusterConfig): number {
  return Math.min(egressTermLength, member.streamTermLength);
}

/** The reserve of a member that has its configuration. */
export function reserveLengthOf({ endpoints, logTermLength }: ClusterConfig): number {
  return reserveLength({ logTermLength, memberCount: endpoints.length });
}

/**
 * Whether a client's stream finds memory, and later its answers, or, to be told to the client, why
 * not.
 *
 * @param unansweredCount streams of clients, this one included, that are to be answered yet.
 */
export function roomForStream(
  arena: Arena,
  termLength: number,
  config: ClusterConfig,
  unansweredCount: number,
): true | string {
  const length = logLength(termLength);
  const reserve = reserveLengthOf(config);
  const answerCount = unansweredCount === 0 ? 0 : unansweredCount + EGRESS_SPARE_COUNT;
  const answers = publicationSlabs(config.egressTermLength, answerCount);
  // As whoever answers asks for it: what is taken here can be answered.
  const [stream, spare] = [
    { length, count: 1 },
    { length: reserve, count: 1 },
  ];
  if (arena.canAllocateAll([stream, ...answers, spare])) {
    return true;
  }
  const answersLength = answers.reduce((sum, kind) => sum + kind.length * kind.count, 0);
  return (
    `no memory for a client's stream of ${length} bytes: ${arena.allocatedLength} of ` +
    `memoryLength ${arena.u8.length} are in use, and ${reserve} are kept for the log and ` +
    `${answersLength} for answers to clients. Lower the client's ingressTermLength ` +
    `(${termLength}), close sessions, or raise the member's memoryLength`
  );
}

/**
 * Bytes of memory with which a leader can open one session of a client that sets nothing.
 * With less it would lead, and never hear a client.
 */
export function memoryLengthMin(settings: BudgetSettings): number {
  const { logTermLength, egressTermLength, streamTermLength, memberCount } = settings;
  const log = logLength(logTermLength) + messageLengthMax(logTermLength);
  const peers = 2 * (memberCount - 1) * logLength(streamTermLength);
  const egress = (1 + EGRESS_SPARE_COUNT) * logLength(egressTermLength);
  const free = reserveLength(settings) + egress;
  const services = (settings.serviceCount - 1) * SERVICE_LENGTH;
  const channels = channelCountOf(settings) * serviceChannelLength(settings);
  const fixed = BASE_LENGTH + services + channels;
  return fixed + log + peers + logLength(INGRESS_TERM_LENGTH) + free;
}
