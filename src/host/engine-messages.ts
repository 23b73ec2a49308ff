// engine-messages.ts: what the user's thread and a member's engine thread tell each other by
// messages: orders, events and the end. The log and all that follows from it is in shared memory.

import { InvariantError } from '../assert.js';
import type { ClusterSettings, MemberSettings } from '../cluster/cluster-config.js';
import type { MemberStatus } from '../cluster/member.js';
import type { ServiceChannelPlace } from '../cluster/service-channel.js';
import { type ErrorCategory, ErrorCode, PawlError } from '../errors.js';
import type { IdleStrategy } from './event-loop.js';
import { exitCodeOf, PoisonedError } from './exit-codes.js';
import type { MemberEvent } from './member-engine.js';
import type { ClockOrigin } from './node-clock.js';

/** What an engine knows of a service before it has started. */
export interface BootedService {
  readonly place: ServiceChannelPlace;
  readonly snapshotVersion: number;
  /** Messages into the log that may wait. */
  readonly pendingMessageCountMax: number;
}

/** What an engine is started with. */
export interface EngineBoot {
  readonly cluster: ClusterSettings;
  readonly member: MemberSettings;
  readonly directory: string;
  readonly idle: IdleStrategy;
  readonly clockOrigin: ClockOrigin;
  readonly memory: WebAssembly.Memory;
  /** Where the engine may allocate from. */
  readonly heapStart: number;
  /** By service id. */
  readonly services: readonly BootedService[];
  /** URL of the module that authenticator and authorisation are made of. */
  readonly authenticatorModule: string | undefined;
  readonly serviceModule: string | undefined;
  /** The engine's thread sleeps on the first, the service's on the second. */
  readonly engineCells: Int32Array;
  readonly serviceCells: Int32Array;
}

/** To the engine. What has an id is answered. */
export type EngineOrder =
  | { readonly type: 'status'; readonly id: number }
  | { readonly type: 'transfer'; readonly id: number; readonly targetMemberId: number }
  | { readonly type: 'snapshot' }
  | { readonly type: 'takeSnapshot'; readonly id: number; readonly timeoutMs: number }
  | { readonly type: 'suspend'; readonly id: number }
  | { readonly type: 'resume'; readonly id: number }
  | { readonly type: 'shutdown'; readonly id: number; readonly timeoutMs: number }
  /** Leaves cleanly and ends. */
  | { readonly type: 'stop' }
  /** Ends as it is. */
  | { readonly type: 'close' }
  /** The end was heard: this process ends, or goes on, as it should. */
  | { readonly type: 'heard' };

/** From the engine. */
export type EngineReport =
  | { readonly type: 'status'; readonly status: MemberStatus }
  | { readonly type: 'event'; readonly event: MemberEvent }
  | { readonly type: 'answer'; readonly id: number; readonly value: unknown }
  | { readonly type: 'refusal'; readonly id: number; readonly error: ErrorText }
  | { readonly type: 'ended'; readonly error: ErrorText | undefined };

/** An error in plain data. */
export interface ErrorText {
  readonly kind: 'pawl' | 'invariant' | 'poisoned' | 'other';
  readonly message: string;
  readonly stack: string | undefined;
  readonly code: string;
  readonly category: string;
  readonly exitCode: number;
}

/** An error as it crosses to another thread, where its class would be lost. */
export function toErrorText(error: unknown): ErrorText {
  const isPawl = error instanceof PawlError;
  const text = {
    message: error instanceof Error ? error.message : String(error),
    stack: error instanceof Error ? error.stack : undefined,
    code: isPawl ? error.code : '',
    category: isPawl ? error.category : '',
    exitCode: exitCodeOf(error),
  };
  if (isPawl) {
    return { kind: 'pawl', ...text };
  }
  if (error instanceof InvariantError) {
    return { kind: 'invariant', ...text };
  }
  return { kind: error instanceof PoisonedError ? 'poisoned' : 'other', ...text };
}

/** The error that a text was made of, with the same class, code and stack. */
export function toError(text: ErrorText): Error {
  const error = errorOf(text);
  error.message = text.message;
  if (text.stack !== undefined) {
    error.stack = text.stack;
  }
  return error;
}

function errorOf(text: ErrorText): Error {
  switch (text.kind) {
    case 'pawl':
      return new PawlError(text.code as ErrorCode, text.message, text.category as ErrorCategory);
    case 'invariant':
      return new InvariantError(text.message);
    case 'poisoned':
      return new PoisonedError('engine', text.exitCode);
    default:
      return new Error(text.message);
  }
}

/** Whether a member that ended so starts again in the same process. */
export function isInstalled(error: unknown): boolean {
  return error instanceof PawlError && error.code === ErrorCode.SnapshotInstalled;
}
