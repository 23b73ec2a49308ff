// cluster-session.ts: the sessions that the log has opened, as the consensus module knows them.
//
// Built from applied events only. What a leader has in mind but has not yet committed lives
// elsewhere, so that losing the leadership leaves nothing behind here.

import { assert } from '../assert.js';
import type { Position } from '../position.js';
import type { SessionDetails } from './log-publisher.js';

/** A session between its open and its close event. */
export interface ClusterSession extends SessionDetails {
  /** Log position at which its open event was appended. */
  readonly id: number;
  /** Log position after its open event. */
  readonly openedPosition: Position;
}

/** Open sessions by id, in the order of the log. */
export class AppliedSessions {
  readonly #sessions = new Map<number, ClusterSession>();

  get count(): number {
    return this.#sessions.size;
  }

  get(id: number): ClusterSession | undefined {
    return this.#sessions.get(id);
  }

  values(): IterableIterator<ClusterSession> {
    return this.#sessions.values();
  }

  open(session: ClusterSession): void {
    assert(!this.#sessions.has(session.id), 'the log opens a session once');
    this.#sessions.set(session.id, session);
  }

  /** Returns whether it was open. */
  close(id: number): boolean {
    return this.#sessions.delete(id);
  }
}
