// container-sessions.ts: the sessions that the log has opened, as one service has them.

import { assert } from '../assert.js';
import { ContainerSession, type OpenedSession, type SessionOwner } from './container-session.js';

/** Open sessions, in the order in which they were opened. */
export class ContainerSessions {
  readonly #owner: SessionOwner;
  readonly #sessions = new Map<number, ContainerSession>();
  // The session of the last message: the next one mostly comes from it too.
  #last: ContainerSession | undefined;

  constructor(owner: SessionOwner) {
    this.#owner = owner;
  }

  get(id: number): ContainerSession | undefined {
    const last = this.#last;
    if (last?.id === id) {
      return last;
    }
    const session = this.#sessions.get(id);
    this.#last = session ?? last;
    return session;
  }

  values(): IterableIterator<ContainerSession> {
    return this.#sessions.values();
  }

  open(opened: OpenedSession): ContainerSession {
    assert(!this.#sessions.has(opened.id), 'a session is opened once');
    const session = new ContainerSession(this.#owner, opened);
    this.#sessions.set(opened.id, session);
    return session;
  }

  /** Undefined when it is not open. */
  close(id: number): ContainerSession | undefined {
    const session = this.#sessions.get(id);
    if (session !== undefined) {
      session.isClosing = true;
      this.#sessions.delete(id);
      this.#last = undefined;
    }
    return session;
  }

  /** Ids of those whose end the service has asked for. */
  closingIds(): ReadonlySet<number> {
    const ids = new Set<number>();
    for (const session of this.#sessions.values()) {
      if (session.isClosing) {
        ids.add(session.id);
      }
    }
    return ids;
  }
}
