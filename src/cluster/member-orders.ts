// member-orders.ts: an operator's orders, as a member knows of them.

import type { Position } from '../position.js';

/** What an operator's orders have come to. */
export interface MemberOrders {
  /** Whether the service takes snapshots. */
  readonly canTakeSnapshot: boolean;
  /** Snapshot events that were appended here because somebody asked, and the last one's end. */
  readonly snapshotsServed: number;
  readonly snapshotServedPosition: Position;
  /** Position after the event that suspended or resumed last; 0 when none did. */
  readonly suspensionPosition: Position;
  /** Where all members end; -1 while that is not known. */
  readonly shutdownPosition: Position;
  readonly shutdownAcknowledged: readonly number[];
}
