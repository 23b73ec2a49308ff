// virtual-life.ts: what one life of a virtual member has in memory.

import type { LogJoin, MemberId } from '../../src/consensus/election-effects.js';
import { VirtualLog } from './virtual-log.js';
import type { Disk } from './virtual-messages.js';

/** What one life of a process has in memory. */
export interface Life {
  readonly epoch: number;
  /** The log as the process sees it: the durable part and what is behind it. */
  readonly log: VirtualLog;
  join: LogJoin | undefined;
  session: number;
  /** Of the log that is open, or is to open. */
  ledTermId: number;
  readonly destinations: Map<MemberId, number>;
  logHeartbeatNs: number;
  isSyncing: boolean;
  /** Disk work under way: a crash may still let the first of it happen. */
  pending: { apply: () => void; done: () => void }[];
  consumed: number;
}

/** A life that begins with what the disk holds. */
export function newLife(epoch: number, disk: Disk): Life {
  return {
    epoch,
    log: new VirtualLog(disk.log.frames),
    join: undefined,
    session: 0,
    ledTermId: -1,
    destinations: new Map(),
    logHeartbeatNs: 0,
    isSyncing: false,
    pending: [],
    consumed: disk.commitPosition,
  };
}
