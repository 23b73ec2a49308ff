// simulate-options.ts: what a user says about a simulation of a service, and whether it makes
// sense.

import { ErrorCode, PawlError } from '../../errors.js';
import type { ClusteredService } from '../../service/clustered-service.js';
import { FaultClass } from '../swarm.js';
import { PROFILES, type Profile } from '../swarm-profiles.js';

export const SEEDS_DEFAULT = 100;
export const SEEDS_MAX = 1_000_000;
export const MEMBERS_MAX = 7;
export const SECONDS_MAX = 36_000;
export const CLIENTS_MAX = 32;
export const COMMANDS_PER_SECOND_MAX = 10_000;

/** A stream of chance: the only one that a workload may draw from. */
export interface Random {
  /** Uniform integer from 0 to bound - 1. */
  below(bound: number): number;
  /** Uniform integer from min to max, both included. */
  between(min: number, max: number): number;
  /** True in `numerator` of `denominator` cases. */
  chance(numerator: number, denominator: number): boolean;
  /** One of the values. */
  pick<T>(values: readonly T[]): T;
  /** Shuffles in place and returns the same array. */
  shuffle<T>(values: T[]): T[];
}

/** One client of a run. */
export interface WorkloadContext {
  /** Drawn from the seed; a stream of its own for each client. */
  readonly random: Random;
  /** 0 for the first client. */
  readonly clientId: number;
  readonly seed: number;
}

/** What one client does. Made anew for each client of each run, so it may keep what it likes. */
export interface WorkloadClient {
  /**
   * The next command: bytes, or text that is sent as UTF-8; undefined when there is none now. It
   * is asked whenever it is the client's time to send, under every fault, and at once when the
   * faults are over.
   */
  next(): Uint8Array | string | undefined;
  /**
   * A message of the service has arrived. Say what is wrong with it, as text or by throwing, and
   * the run fails; return nothing when it is right. A command that was sent may stay unanswered:
   * its outcome is unknown.
   *
   * @param reply the message; with `requests` the body of the answer.
   * @param request with `requests`, the number of the command that it answers, from 1.
   */
  onReply?(reply: Uint8Array, request: number | undefined): string | undefined;
  /**
   * The next query for the service's `onQuery`: bytes, or text; undefined when there is none now.
   * Without this function nothing is asked.
   */
  nextQuery?(): Uint8Array | string | undefined;
  /**
   * The service has answered a query. Say what is wrong with the answer, as `onReply` does. A query
   * may stay unanswered while no majority runs.
   */
  onAnswer?(answer: Uint8Array, asked: AnsweredQuery): string | undefined;
  /**
   * The service threw, gave no answer or has no `onQuery`. Say what is wrong with that, or return
   * nothing; without this function the run fails.
   */
  onRefused?(reason: PawlError, query: Uint8Array): string | undefined;
}

/** What was asked, and which state it was that answered. */
export interface AnsweredQuery {
  readonly query: Uint8Array;
  /** Log position of that state: it holds all that was committed when the query was asked. */
  readonly logPosition: number;
}

/** A message that the log holds. */
export interface LogMessage {
  readonly position: number;
  readonly sessionId: number;
  readonly timestamp: number;
  readonly bytes: Uint8Array;
}

/** A run that has ended well: everything is healed and all members are equal. */
export interface SimulationEnd<S> {
  readonly seed: number;
  /** The members' services, in the order of their ids. */
  readonly services: readonly S[];
  /** Every message of the log, in its order. */
  readonly messages: readonly LogMessage[];
}

/** What `simulate` runs, and for how long. */
export interface SimulateOptions<S extends ClusteredService = ClusteredService> {
  /** Makes a fresh instance: one for each member, each restart and each replay. */
  readonly service: () => S;
  /** Makes what one client does. */
  readonly workload: (context: WorkloadContext) => WorkloadClient;
  /** How many seeds. Default 100. */
  readonly seeds?: number;
  /** The first of them. Default 1. */
  readonly firstSeed?: number;
  /** 1 to 7 members. Default: the seed decides. */
  readonly members?: number;
  /** Simulated seconds with faults of each seed. Default: the seed decides. */
  readonly seconds?: number;
  /** Clients of each run. Default: the seed decides. */
  readonly clients?: number;
  /** Mean rate of each client. Default: the seed decides. */
  readonly commandsPerSecond?: number;
  /** Mean rate of queries of each client, where its workload has any. Default: the seed decides. */
  readonly queriesPerSecond?: number;
  /**
   * `swarm` (default) draws a mix for each seed, `quiet` has none, `storm` has all; or the classes
   * themselves, such as `['kill', 'partition']`.
   */
  readonly faults?: Profile | readonly string[];
  /** The service answers requests as `Replier` does: commands and answers carry a number. */
  readonly requests?: boolean;
  /** What of a service is to be equal on all members. Default: every field that can be seen. */
  readonly stateOf?: (service: S) => unknown;
  /** Looks at a run that has ended well; says what is wrong, as text or by throwing. */
  readonly check?: (end: SimulationEnd<S>) => string | undefined;
  /** Clocks, chance and timers are replaced during a run, and calls of them named. Default true. */
  readonly guard?: boolean;
  /** Looks for the fewest faults with which a seed still fails. Default true. */
  readonly minimize?: boolean;
  /** Failing seeds after which no more are run. Default 1. */
  readonly failures?: number;
  /** Told after each seed. */
  readonly onSeed?: (seed: number, failure: string | undefined) => void;
}

const NAMES: Record<keyof SimulateOptions, 'function' | 'integer' | 'other'> = {
  service: 'function',
  workload: 'function',
  seeds: 'integer',
  firstSeed: 'integer',
  members: 'integer',
  seconds: 'other',
  clients: 'integer',
  commandsPerSecond: 'other',
  queriesPerSecond: 'other',
  faults: 'other',
  requests: 'other',
  stateOf: 'function',
  check: 'function',
  guard: 'other',
  minimize: 'other',
  failures: 'integer',
  onSeed: 'function',
};

const RANGES: readonly [keyof SimulateOptions, number, number][] = [
  ['seeds', 1, SEEDS_MAX],
  ['firstSeed', 0, 2 ** 32 - 1],
  ['members', 1, MEMBERS_MAX],
  ['seconds', 0.1, SECONDS_MAX],
  ['clients', 1, CLIENTS_MAX],
  ['commandsPerSecond', 0.01, COMMANDS_PER_SECOND_MAX],
  ['queriesPerSecond', 0.01, COMMANDS_PER_SECOND_MAX],
  ['failures', 1, SEEDS_MAX],
];

/**
 * Checks options.
 *
 * @throws PawlError CONFIGURATION_INVALID that names the option, the value and what is allowed.
 */
export function checkSimulateOptions<S extends ClusteredService>(
  options: SimulateOptions<S>,
): void {
  if (typeof options !== 'object' || options === null) {
    throw invalid('simulate() takes an object: simulate({ service, workload })');
  }
  const given = options as unknown as Record<string, unknown>;
  for (const name of Object.keys(given)) {
    if (!(name in NAMES)) {
      throw invalid(`simulate() has no option '${name}': use ${Object.keys(NAMES).join(', ')}`);
    }
  }
  for (const name of ['service', 'workload'] as const) {
    if (typeof given[name] !== 'function') {
      throw invalid(`${name} is ${String(given[name])}: give a function, as in ${USAGE[name]}`);
    }
  }
  checkTypes(given);
  checkFaults(options.faults, options.members);
  if (typeof options.service()?.onSessionMessage !== 'function') {
    throw invalid('service() returned no service: give a factory of objects with onSessionMessage');
  }
}

const USAGE = {
  service: '`service: () => new MyService()`',
  workload: '`workload: ({ random }) => ({ next: () => String(random.below(10)) })`',
};

function checkTypes(given: Record<string, unknown>): void {
  for (const [name, kind] of Object.entries(NAMES)) {
    const value = given[name];
    if (value !== undefined && kind === 'function' && typeof value !== 'function') {
      throw invalid(`${name} is ${String(value)}: give a function`);
    }
    if (value !== undefined && kind === 'integer' && !Number.isSafeInteger(value)) {
      throw invalid(`${name} is ${String(value)}: give an integer`);
    }
  }
  for (const [name, min, max] of RANGES) {
    const value = given[name];
    if (value !== undefined && !(typeof value === 'number' && value >= min && value <= max)) {
      throw invalid(`${name} is ${String(value)}: give a number from ${min} to ${max}`);
    }
  }
}

const NEEDS_THREE_MEMBERS: readonly string[] = [FaultClass.LostDirectory, FaultClass.DamagedLog];

function checkFaults(faults: SimulateOptions['faults'], members: number | undefined): void {
  const classes: readonly string[] = Object.values(FaultClass);
  if (faults === undefined || PROFILES.some((profile) => profile === faults)) {
    return;
  }
  if (!Array.isArray(faults)) {
    throw invalid(
      `faults is '${String(faults)}': use ${PROFILES.join(', ')} or a list of fault classes`,
    );
  }
  for (const fault of faults) {
    if (!classes.includes(fault)) {
      throw invalid(`faults has '${fault}': use of ${classes.join(', ')}`);
    }
    if (NEEDS_THREE_MEMBERS.includes(fault) && members !== undefined && members < 3) {
      throw invalid(
        `faults has '${fault}' and members is ${members}: a member that loses its log takes it ` +
          'from a quorum of others; give 3 members or more',
      );
    }
  }
}

function invalid(message: string): PawlError {
  return new PawlError(ErrorCode.ConfigurationInvalid, message);
}
