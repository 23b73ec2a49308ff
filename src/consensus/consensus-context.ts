// consensus-context.ts: what the parts of an election share.

import type { ConsensusConfig } from './consensus-config.js';
import type { ElectionEffects, MemberId } from './election-effects.js';
import type { MemberTable } from './membership.js';
import type { NodeRecord } from './node-record.js';
import type { OwnLog } from './own-log.js';

/** Counts of what happened, for the monitor; they only grow. */
export interface ConsensusCounters {
  /** Messages with a member id, term or position that cannot be. */
  messagesInvalid: number;
  /** Messages of a member that has not introduced itself. */
  messagesUnknownMember: number;
  /** Messages of a refused member, or votes of one whose vote does not count. */
  messagesRefusedMember: number;
  /** Messages of another term or state, dropped as the protocol asks. */
  messagesStale: number;
  nominations: number;
  electionsWon: number;
  truncations: number;
  /** Terms that this member led and gave up. */
  stepDowns: number;
  /** Times that this member gave up a leader it had followed. */
  leadersLost: number;
  admissions: number;
  /** Transfers of leadership that were begun, and those that the target was too slow for. */
  transfers: number;
  transfersFailed: number;
  /** Times that this member, as a leader, asked whether it still leads, to answer reads. */
  readRounds: number;
}

export function createConsensusCounters(): ConsensusCounters {
  return {
    messagesInvalid: 0,
    messagesUnknownMember: 0,
    messagesRefusedMember: 0,
    messagesStale: 0,
    nominations: 0,
    electionsWon: 0,
    truncations: 0,
    stepDowns: 0,
    leadersLost: 0,
    admissions: 0,
    transfers: 0,
    transfersFailed: 0,
    readRounds: 0,
  };
}

export interface ConsensusContext {
  readonly config: ConsensusConfig;
  readonly effects: ElectionEffects;
  readonly record: NodeRecord;
  readonly log: OwnLog;
  readonly members: MemberTable;
  readonly counters: ConsensusCounters;
  /** The configured members without the own one, ascending. */
  readonly others: readonly MemberId[];
  readonly nextUint32: () => number;
}

/** A random duration in [0, boundNs). */
export function randomDelayNs(context: ConsensusContext, boundNs: number): number {
  return Math.floor((context.nextUint32() / 2 ** 32) * boundNs);
}
