// member-limits.ts: how much of each limit of a running member is in use.
//
// Every queue, table and buffer has a named limit (law 7). Here they stand together, for whoever
// watches that none is ever passed.

import { RECORDING_LOG_ENTRY_COUNT_MAX } from '../archive/recording-log.js';
import type { StorageTasks } from '../archive/storage-task.js';
import type { Arena } from '../memory/arena.js';
import type { ClusterConfig } from './cluster-config.js';
import type { MemberParts } from './member-assembly.js';
import { PENDING_ANSWER_COUNT_MAX } from './responder.js';

/** Storage operations and tasks that a member has under way at most. */
export const STORAGE_PENDING_COUNT_MAX = 256;

/** Told of one limit at a time. */
export type LimitVisitor = (name: string, used: number, max: number) => void;

/** What the limits of a member bound. */
export interface LimitedParts {
  readonly arena: Arena;
  readonly config: ClusterConfig;
  readonly tasks: StorageTasks;
  readonly running: MemberParts;
}

/** Visits every limit of a running member. Allocates nothing. */
export function visitLimits(parts: LimitedParts, visit: LimitVisitor): void {
  const { arena, config, running, tasks } = parts;
  visit('bytes of the arena', arena.allocatedLength, config.member.memoryLength);
  visit('storage operations under way', tasks.pendingCount, STORAGE_PENDING_COUNT_MAX);
  visit('open sessions', running.applied.count, config.sessionCountMax);
  visit('sessions open or being opened', running.sessions.count, config.sessionCountMax);
  const { handshakeCountMax } = config;
  visit('handshakes of clients', running.admission.count, handshakeCountMax);
  visit('egress connections', running.egress.connectionCount, config.sessionCountMax);
  visit('bytes of an egress queue', running.egress.longestQueue(), config.egressBufferLengthMax);
  visit('pending answers', running.responder.pendingCount, PENDING_ANSWER_COUNT_MAX);
  const { length, limits, count } = running.reads.queue;
  visit('queries that wait', count, limits.countMax);
  visit('bytes of queries that wait', length, limits.bytesMax);
  for (const { messages } of running.services.hosts) {
    visit('messages of a service that wait', messages.pendingCount, messages.pendingCountMax);
  }
  const termCount = running.election.termEntries().length;
  visit('leadership terms of the log', termCount, RECORDING_LOG_ENTRY_COUNT_MAX);
}
