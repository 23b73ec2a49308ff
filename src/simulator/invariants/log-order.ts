// log-order.ts: I-8 for what lies in the log itself, read before any service sees it.
//
// Log time never goes back, and sessions are numbered upwards. Both are decided by leaders, of
// which the next one knows only the log. A service container asserts the first; this judge names
// it.

import { eventTimestamp } from '../../cluster/tail-time.js';
import { SessionOpenEventDecoder } from '../../protocol/codecs/session-open-event.js';
import { TemplateId } from '../../protocol/codecs/template-ids.js';
import { messageTemplateId } from '../../protocol/message-header.js';
import type { Judge } from './judge.js';

const FLAG_BEGIN = 0x80;

interface Seen {
  timestampMs: number;
  sessionId: number;
}

/** Watches the frames that each member's service is given. */
export class LogOrder {
  readonly #judge: Judge;
  readonly #seen: Seen[];
  #latestMs = 0;
  readonly #openEvent = new SessionOpenEventDecoder();

  constructor(judge: Judge, memberCount: number) {
    this.#judge = judge;
    this.#seen = Array.from({ length: memberCount }, () => nothing());
  }

  /** The greatest time of an event that any member was given. */
  get latestMs(): number {
    return this.#latestMs;
  }

  /** A member's process starts: its service begins at position 0. */
  onStart(memberId: number): void {
    this.#seen[memberId] = nothing();
  }

  /** A member's service is about to get a fragment that ends at a position. */
  onFragment(
    memberId: number,
    view: DataView,
    offset: number,
    length: number,
    flags: number,
    position: number,
  ): void {
    if ((flags & FLAG_BEGIN) === 0) {
      return;
    }
    const timestampMs = eventTimestamp(view, offset, length);
    if (timestampMs >= 0) {
      this.onTimestamp(memberId, timestampMs, position);
    }
    if (messageTemplateId(view, offset, length) === TemplateId.SessionOpenEvent) {
      const event = this.#openEvent.wrapAndApplyHeader(view, offset);
      this.onSessionOpened(memberId, event.clusterSessionId(), position);
    }
  }

  onTimestamp(memberId: number, timestampMs: number, position: number): void {
    const seen = this.#seen[memberId] as Seen;
    if (timestampMs < seen.timestampMs) {
      this.#judge.report(
        'I-8',
        `log time went back from ${seen.timestampMs} to ${timestampMs} at position ${position}, ` +
          `as member ${memberId} reads it`,
      );
    }
    seen.timestampMs = timestampMs;
    this.#latestMs = Math.max(this.#latestMs, timestampMs);
  }

  onSessionOpened(memberId: number, sessionId: number, position: number): void {
    const seen = this.#seen[memberId] as Seen;
    if (sessionId <= seen.sessionId) {
      this.#judge.report(
        'I-8',
        `session ${sessionId} is opened at position ${position} after session ${seen.sessionId}, ` +
          `as member ${memberId} reads it`,
      );
    }
    seen.sessionId = sessionId;
  }
}

function nothing(): Seen {
  return { timestampMs: 0, sessionId: -1 };
}
