// leader-sessions.ts: what a leader does for sessions: opens, closes and times them out.
//
// It has an opinion about sessions before the log has: an open or a close that is appended and not
// yet committed. That opinion lives here and in the session table, and ends with the term. What
// services ask for does not: it follows from the log, and whoever leads carries it out.

import { assert } from '../assert.js';
import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import { SESSION_TABLE_FULL, SessionTableState } from '../memory/core.js';
import { CloseReason } from '../protocol/codecs/enumerations.js';
import type { ClusterConfig } from './cluster-config.js';
import {
  type AppliedSessions,
  type ClusterSession,
  CountByName,
  sessionKeyOf,
} from './cluster-session.js';
import type { Egress } from './egress.js';
import type { LogPublisher, SessionDetails } from './log-publisher.js';
import { responseHost } from './response-channel.js';

/** Between two looks for sessions that have timed out. */
const TIMEOUT_CHECK_INTERVAL_MS = 100;

/** How a request to open a session ended. */
export const OpenResult = {
  /** Appended, or known already: the answer follows by itself. */
  Accepted: 0,
  /** The log has no room now: ask again later. */
  BackPressured: 1,
  /** As many sessions as are allowed. */
  LimitReached: 2,
  /** As many sessions as one address is allowed. */
  AddressLimitReached: 3,
  /** No memory for another session. */
  MemoryLimitReached: 4,
} as const;
export type OpenResult = (typeof OpenResult)[keyof typeof OpenResult];

/** Sessions of a leader's term. */
export class LeaderSessions {
  /** Address of the session table that the ingress batch reads: another one when it has grown. */
  table: number;
  readonly #arena: Arena;
  readonly #config: ClusterConfig;
  readonly #applied: AppliedSessions;
  readonly #egress: Egress;
  readonly #log: LogPublisher;
  // Room for twice the sessions that may be open, and for those that the log has opened all the
  // same: sessionCountMax may have been lowered since.
  #capacity: number;
  #tableLength: number;
  // Opens that are appended and not yet applied, by who asked: a client asks again until answered.
  readonly #opening = new Map<string, number>();
  readonly #openingOfHost = new CountByName();
  readonly #closing = new Set<number>();
  // To be closed: for services, as every member knows; and by the judgement of this leader alone.
  readonly #endedForService = new Set<number>();
  readonly #givenUp = new Set<number>();
  #leadershipTermId = -1;
  /** Log time at which ingress opened, or went on after it was held back. */
  #openedMs = 0;
  #checkedMs = 0;

  constructor(
    arena: Arena,
    config: ClusterConfig,
    applied: AppliedSessions,
    egress: Egress,
    log: LogPublisher,
  ) {
    this.#arena = arena;
    this.#config = config;
    this.#applied = applied;
    this.#egress = egress;
    this.#log = log;
    this.#capacity = 2 ** Math.ceil(Math.log2(config.sessionCountMax * 2));
    this.#tableLength = arena.core.sessionTableLength(this.#capacity);
    this.table = arena.allocate(this.#tableLength);
    arena.core.sessionTableInitialize(this.table, this.#capacity);
  }

  /** The log of a term is open. Clients of sessions that are open already are connected to. */
  startTerm(leadershipTermId: number): void {
    this.#leadershipTermId = leadershipTermId;
    for (const session of this.#applied.values()) {
      this.#egress.reconnect(session);
    }
  }

  /** Ingress opens: every session that the log has opened may send, and its time starts anew. */
  openIngress(nowMs: number): void {
    this.#checkedMs = nowMs;
    this.#openedMs = nowMs;
    for (const session of this.#applied.values()) {
      this.#admit(session.id, nowMs);
    }
  }

  /** Whether a session's client has sent anything in this term since ingress opened or went on. */
  isHeard(id: number): boolean {
    return this.#arena.core.sessionLastActivityMs(this.table, id) > this.#openedMs;
  }

  endTerm(): void {
    this.#leadershipTermId = -1;
    this.#opening.clear();
    this.#openingOfHost.clear();
    this.#closing.clear();
    this.#givenUp.clear();
    this.#arena.core.sessionTableInitialize(this.table, this.#capacity);
  }

  close(): void {
    this.#arena.release(this.table, this.#tableLength);
  }

  /** Sessions open or being opened. */
  get count(): number {
    return this.#applied.count + this.#opening.size;
  }

  /** Sessions open or being opened whose clients receive at a host. */
  countOfHost(host: string): number {
    return this.#applied.countOfHost(host) + this.#openingOfHost.of(host);
  }

  /** Whether a request has been granted: its session is open, or about to be. */
  isKnown(details: SessionDetails): boolean {
    const key = sessionKeyOf(details);
    return this.#opening.has(key) || this.#applied.findByKey(key) !== undefined;
  }

  /** A client that may have one asks for a session. */
  open(details: SessionDetails, timestamp: number): OpenResult {
    const key = sessionKeyOf(details);
    const applied = this.#applied.findByKey(key);
    if (applied !== undefined) {
      this.#egress.answerAgain(applied.id);
      return OpenResult.Accepted;
    }
    if (this.#opening.has(key)) {
      hit(Mark.SessionAskedAgainWhileOpening);
      return OpenResult.Accepted;
    }
    const host = responseHost(details.responseChannel);
    const refusal = this.#refusalOf(host);
    if (refusal !== undefined) {
      return refusal;
    }
    const id = this.#log.tail();
    const end = this.#log.appendSessionOpen(this.#leadershipTermId, id, timestamp, details);
    if (end < 0) {
      hit(Mark.SessionOpenBackPressured);
      return OpenResult.BackPressured;
    }
    this.#opening.set(key, id);
    this.#openingOfHost.add(host, 1);
    this.#egress.connect({ ...details, id });
    return OpenResult.Accepted;
  }

  /** The limit that stands against one more session; live ones are never given up for it. */
  #refusalOf(host: string): OpenResult | undefined {
    // A closed session has its connection until all services, which may be slow, have seen the end.
    const held = Math.max(this.count, this.#egress.connectionCount);
    if (held >= this.#config.sessionCountMax) {
      hit(Mark.SessionLimitReached);
      return OpenResult.LimitReached;
    }
    if (this.countOfHost(host) >= this.#config.sessionCountPerAddressMax) {
      hit(Mark.SessionAddressLimitReached);
      return OpenResult.AddressLimitReached;
    }
    return this.#egress.hasRoom() ? undefined : OpenResult.MemoryLimitReached;
  }

  /** A client asks for the end of its session. False when the log has no room now. */
  closeByClient(id: number, timestamp: number): boolean {
    return this.#close(id, timestamp, CloseReason.ClientAction);
  }

  /**
   * A service ends a session, on every member alike. Whoever leads appends the event, now or in a
   * later term.
   */
  endForService(id: number): void {
    this.#endedForService.add(id);
  }

  /**
   * This leader ends a session whose client is silent, or does not take what it is sent. Another
   * leader has not seen that, nor has this one in another term: it is forgotten when the term ends
   * first.
   */
  giveUp(id: number): void {
    this.#givenUp.add(id);
  }

  /** The log opened a session. */
  onOpened(session: ClusterSession, isIngressOpen: boolean, nowMs: number): void {
    if (this.#leadershipTermId < 0) {
      return;
    }
    if (this.#opening.delete(sessionKeyOf(session))) {
      this.#openingOfHost.add(responseHost(session.responseChannel), -1);
      this.#egress.confirm(session.id);
    } else {
      hit(Mark.SessionOfEarlierLeader);
      // Opened by an earlier leader, whose answer the client may not have got.
      this.#egress.reconnect(session);
    }
    if (isIngressOpen) {
      this.#admit(session.id, nowMs);
    }
  }

  /** The log closed a session. */
  onClosed(id: number, detail: string): void {
    this.#closing.delete(id);
    this.#endedForService.delete(id);
    this.#givenUp.delete(id);
    if (this.#leadershipTermId >= 0) {
      this.#arena.core.sessionRemove(this.table, id);
      this.#egress.disconnect(id, detail);
    }
  }

  /** A session's client has shown that it lives. Returns whether the session is open. */
  touch(id: number, nowMs: number): boolean {
    return this.#arena.core.sessionTouch(this.table, id, nowMs) === 1;
  }

  /** Ingress was held back: nobody's silence of that time counts. */
  restartTimes(nowMs: number): void {
    // Nobody has been heard by that.
    this.#openedMs = nowMs;
    for (const { id } of this.#applied.values()) {
      this.#arena.core.sessionTouch(this.table, id, nowMs);
    }
  }

  /**
   * Appends the closes that are due. Only while ingress is open.
   *
   * @param isHeld whether ingress is held back, so that clients cannot show that they live.
   */
  doWork(nowMs: number, isHeld = false): number {
    let work = this.#closeAll(this.#endedForService, nowMs, CloseReason.ServiceAction);
    work += this.#closeAll(this.#givenUp, nowMs, CloseReason.Timeout);
    if (!isHeld && nowMs - this.#checkedMs >= TIMEOUT_CHECK_INTERVAL_MS) {
      this.#checkedMs = nowMs;
      work += this.#closeIdle(nowMs);
    }
    return work;
  }

  #closeAll(ids: Set<number>, nowMs: number, reason: number): number {
    let work = 0;
    for (const id of ids) {
      if (this.#applied.get(id) === undefined) {
        ids.delete(id);
      } else if (!this.#closing.has(id) && this.#close(id, nowMs, reason)) {
        work++;
      }
    }
    return work;
  }

  #closeIdle(nowMs: number): number {
    const { core } = this.#arena;
    let work = 0;
    for (const session of this.#applied.values()) {
      const lastMs = core.sessionLastActivityMs(this.table, session.id);
      const isIdle = lastMs >= 0 && nowMs - lastMs > this.#config.sessionTimeoutMs;
      if (isIdle && !this.#closing.has(session.id)) {
        hit(Mark.SessionTimedOut);
        this.giveUp(session.id);
        work++;
      }
    }
    return work;
  }

  #close(id: number, timestamp: number, reason: number): boolean {
    if (this.#applied.get(id) === undefined || this.#closing.has(id)) {
      return true;
    }
    if (this.#log.appendSessionClose(this.#leadershipTermId, id, timestamp, reason) < 0) {
      return false;
    }
    // From here on its ingress is rejected, as it will be on every member from that position on.
    this.#closing.add(id);
    this.#arena.core.sessionPut(this.table, id, SessionTableState.Closing, timestamp);
    return true;
  }

  #admit(id: number, nowMs: number): void {
    const { core } = this.#arena;
    if (core.sessionPut(this.table, id, SessionTableState.Open, nowMs) === SESSION_TABLE_FULL) {
      this.#grow();
      const slot = core.sessionPut(this.table, id, SessionTableState.Open, nowMs);
      assert(slot !== SESSION_TABLE_FULL, 'a table that has grown has room');
    }
  }

  /** Goes on with a table of twice the room. */
  #grow(): void {
    const { core } = this.#arena;
    const [former, formerLength] = [this.table, this.#tableLength];
    this.#capacity *= 2;
    this.#tableLength = core.sessionTableLength(this.#capacity);
    this.table = this.#arena.allocate(this.#tableLength);
    core.sessionTableInitialize(this.table, this.#capacity);
    for (const { id } of this.#applied.values()) {
      const state = core.sessionState(former, id);
      if (state !== SessionTableState.Absent) {
        core.sessionPut(this.table, id, state, core.sessionLastActivityMs(former, id));
      }
    }
    this.#arena.release(former, formerLength);
  }
}
