// cluster-session.ts: the sessions that the log has opened, as the consensus module knows them.
//
// Built from applied events only. What a leader has in mind but has not yet committed lives
// elsewhere, so that losing the leadership leaves nothing behind here.

import { assert } from '../assert.js';
import type { Position } from '../position.js';
import type { SessionDetails } from './log-publisher.js';
import { responseHost } from './response-channel.js';

/** A session between its open and its close event. */
export interface ClusterSession extends SessionDetails {
  /** Log position at which its open event was appended. */
  readonly id: number;
  /** Log position after its open event. */
  readonly openedPosition: Position;
}

/** A session that the log has closed, as far as its client may still have to be told. */
export interface ClosedSession {
  readonly session: ClusterSession;
  readonly detail: string;
}

/** Sessions that were closed last, whose clients are told when they speak once more. */
export const CLOSED_SESSION_COUNT_MAX = 1_024;

/** What a client asks for: the same text for the same request, however often it is sent. */
export function sessionKeyOf(details: SessionDetails): string {
  const { correlationIdHigh, correlationIdLow, responseStreamId, responseChannel } = details;
  return `${correlationIdHigh}:${correlationIdLow}:${responseStreamId}:${responseChannel}`;
}

/** How many there are of each, for what is counted by a name. */
export class CountByName {
  readonly #counts = new Map<string, number>();

  of(name: string): number {
    return this.#counts.get(name) ?? 0;
  }

  add(name: string, count: number): void {
    const sum = this.of(name) + count;
    if (sum > 0) {
      this.#counts.set(name, sum);
    } else {
      this.#counts.delete(name);
    }
  }

  clear(): void {
    this.#counts.clear();
  }
}

/** Open sessions by id, in the order of the log. */
export class AppliedSessions {
  readonly #sessions = new Map<number, ClusterSession>();
  readonly #byKey = new Map<string, ClusterSession>();
  readonly #countOfHost = new CountByName();
  readonly #closed = new Map<number, ClosedSession>();

  get count(): number {
    return this.#sessions.size;
  }

  get(id: number): ClusterSession | undefined {
    return this.#sessions.get(id);
  }

  /** The session that a request has opened already. */
  findByKey(key: string): ClusterSession | undefined {
    return this.#byKey.get(key);
  }

  /** Sessions whose clients receive at a host. */
  countOfHost(host: string): number {
    return this.#countOfHost.of(host);
  }

  values(): IterableIterator<ClusterSession> {
    return this.#sessions.values();
  }

  open(session: ClusterSession): void {
    assert(!this.#sessions.has(session.id), 'the log opens a session once');
    this.#sessions.set(session.id, session);
    this.#byKey.set(sessionKeyOf(session), session);
    this.#countOfHost.add(responseHost(session.responseChannel), 1);
  }

  /** Returns the session, if it was open. */
  close(id: number): ClusterSession | undefined {
    const session = this.#sessions.get(id);
    if (session !== undefined) {
      this.#sessions.delete(id);
      this.#byKey.delete(sessionKeyOf(session));
      this.#countOfHost.add(responseHost(session.responseChannel), -1);
    }
    return session;
  }

  /** A session that was closed not long ago: its client is told for certain only by asking. */
  closed(id: number): ClosedSession | undefined {
    return this.#closed.get(id);
  }

  /** Everything that there was to say in a session has been said, but that it is closed. */
  rememberClosed(closed: ClosedSession): void {
    this.#closed.set(closed.session.id, closed);
    for (const oldest of this.#closed.keys()) {
      if (this.#closed.size <= CLOSED_SESSION_COUNT_MAX) {
        return;
      }
      this.#closed.delete(oldest);
    }
  }
}
