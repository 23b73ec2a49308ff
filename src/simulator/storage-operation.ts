// storage-operation.ts: one submitted storage operation, and the faults that may befall it.

import type { StorageResult, Ticket } from '../ports/storage.js';
import type { Delay } from './delay.js';
import { NO_DELAY } from './delay.js';
import type { VirtualFile } from './virtual-file.js';

export const OperationKind = {
  Open: 1,
  Close: 2,
  Write: 3,
  Read: 4,
  Sync: 5,
  SetLength: 6,
  Length: 7,
  Lock: 8,
  Rename: 9,
  Remove: 10,
  MakeDirectory: 11,
  List: 12,
  SyncDirectory: 13,
  FreeSpace: 14,
} as const;
export type OperationKind = (typeof OperationKind)[keyof typeof OperationKind];

/** A fault that a hook asks for. An empty object changes nothing. */
export interface StorageFault {
  /** The operation fails with this. A write may have been done in part; a sync is worthless. */
  readonly result?: StorageResult;
  /** It takes this much longer. */
  readonly delayNs?: number;
  /** It, and what follows on the same file, does not complete before the disk's `resume`. */
  readonly isHung?: boolean;
}

/** Sees every operation when it is submitted. */
export type StorageFaultHook = (operation: Readonly<StorageOperation>) => StorageFault | undefined;

/** How long operations take. Each draws for itself; those of one file keep their order. */
export interface StorageLatency {
  readonly write: Delay;
  readonly read: Delay;
  /** File and directory syncs. */
  readonly sync: Delay;
  /** Everything else. */
  readonly metadata: Delay;
  /**
   * What takes no time has completed when the call returns, as with synchronous system calls. A
   * hung or failing operation takes its usual way.
   */
  readonly isAtSubmit?: boolean;
}

export const INSTANT_STORAGE: StorageLatency = {
  write: NO_DELAY,
  read: NO_DELAY,
  sync: NO_DELAY,
  metadata: NO_DELAY,
};

/** A disk without delays, driven by synchronous calls as the host's is. */
export const SYNCHRONOUS_STORAGE: StorageLatency = { ...INSTANT_STORAGE, isAtSubmit: true };

const NO_BYTES = new Uint8Array(0);

/** A submitted operation. Its effect happens, and its result is known, when it completes. */
export class StorageOperation {
  readonly ticket: Ticket;
  readonly kind: OperationKind;
  /** Path of path operations; of a file, the path that it was opened by. */
  readonly path: string;
  file: VirtualFile | undefined = undefined;
  /** The handle was opened for writing. */
  isWritable = false;
  /** An OpenMode, for `open`. */
  mode = 0;
  targetPath = '';
  position = 0;
  /** The caller's bytes, held until the completion. */
  buffer: Uint8Array = NO_BYTES;
  offset = 0;
  length = 0;
  /** What a write was given, copied when it was submitted. */
  bytes: Uint8Array = NO_BYTES;
  /** A result that a fault asks for; 0 for none. */
  faultResult = 0;
  isHung = false;
  result = 0;
  value = 0;
  names: readonly string[] = [];

  constructor(ticket: Ticket, kind: OperationKind, path: string) {
    this.ticket = ticket;
    this.kind = kind;
    this.path = path;
  }
}

/** The delay that an operation draws from. */
export function latencyOf(latency: StorageLatency, kind: OperationKind): Delay {
  switch (kind) {
    case OperationKind.Write:
      return latency.write;
    case OperationKind.Read:
      return latency.read;
    case OperationKind.Sync:
    case OperationKind.SyncDirectory:
      return latency.sync;
    default:
      return latency.metadata;
  }
}
