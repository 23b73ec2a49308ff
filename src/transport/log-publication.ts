// log-publication.ts: the leader's log, sent to every follower at its own pace.
//
// One log buffer, one destination per follower. A slow minority never closes the log's window: the
// limit follows the room that a quorum's receivers have, the leader's own disk, and what was
// cleaned.

import { FRAME_ALIGNMENT } from '../../assembly/layout/frame.js';
import { assert } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';
import type { Position } from '../position.js';
import { parseHostPort } from '../protocol/host-port.js';
import type { BlockSource } from './block-source.js';
import { LogDestination } from './log-destination.js';
import type { StreamGeometry } from './log-memory.js';
import { localHostFor } from './medium.js';
import { Publication } from './publication.js';
import type { TransportContext } from './transport-context.js';

/** Most followers of one log. */
export const LOG_DESTINATION_COUNT_MAX = 16;
/** The log may run ahead of the own disk by half its buffer: one and a half terms. */
const DURABLE_AHEAD_TERMS = 1.5;

/** How the log of a leadership term is opened. */
export interface LogPublicationOptions {
  readonly streamId: number;
  readonly sessionId: number;
  /** Where this term's log starts: the append position of the new leader. */
  readonly position: Position;
  readonly termLength: number;
  /** Default: mtuLength of the transport. */
  readonly mtuLength?: number;
  readonly leadershipTermId: number;
  /** Reads what the term buffers do not hold. Without it, followers must start within them. */
  readonly source?: BlockSource;
  /** Local address of the sockets. Default: chosen by the destination's address. */
  readonly localHost?: string;
  /** How long NAKs are answered after `close`. Default: lingerNs of the transport. */
  readonly lingerNs?: number;
}

/**
 * Bytes that a fresh log has room for before any follower has joined: the leader announces its term
 * by the first event of the log, and followers join only what was announced.
 */
const FIRST_ROOM_LENGTH = 4096;

/** The log of one leadership term. Made by `Transport.addLogPublication`. */
export class LogPublication extends Publication {
  readonly #source: BlockSource | undefined;
  readonly #localHost: string | undefined;
  readonly #lingerNs: number;
  readonly #destinations: LogDestination[] = [];
  /** Removed destinations whose memory a socket may still read. */
  readonly #leaving: LogDestination[] = [];
  readonly #rooms = new Float64Array(LOG_DESTINATION_COUNT_MAX);
  /** Unknown until it is set: nothing is appended before. */
  #quorumSize = 0;
  #localDurablePosition: Position;
  #closedNs = Infinity;

  constructor(context: TransportContext, geometry: StreamGeometry, options: LogPublicationOptions) {
    super(context, geometry, { leadershipTermId: options.leadershipTermId });
    this.#source = options.source;
    this.#localHost = options.localHost;
    this.#lingerNs = options.lingerNs ?? context.config.lingerNs;
    this.#localDurablePosition = geometry.position;
    this.flushNeeded();
  }

  /** Always: whether the log may be appended is the limit's business alone. */
  get isConnected(): boolean {
    return !this.isClosing;
  }

  get failure(): Error | undefined {
    return undefined;
  }

  get isWaiting(): boolean {
    return (
      this.#leaving.length > 0 ||
      this.#destinations.some((each) => each.isBlocked || each.isReading)
    );
  }

  /**
   * Why the recording could not be read for a follower: it is sent nothing until it is started
   * again. A socket that failed is opened again by itself.
   */
  destinationFailure(memberId: number): Error | undefined {
    return this.#destinationOf(memberId).sourceFailure;
  }

  /** What was sent to a follower. */
  destinationPosition(memberId: number): Position {
    return this.#destinationOf(memberId).senderPosition;
  }

  /** What a follower's image said it consumed. */
  destinationConsumed(memberId: number): Position {
    return this.#destinationOf(memberId).consumedPosition;
  }

  /**
   * The least position that a follower may still make us read: what it asks for again is read from
   * a frame at or before it.
   */
  destinationNeeded(memberId: number): Position {
    return this.#destinationOf(memberId).neededPosition();
  }

  isDestinationConnected(memberId: number): boolean {
    return this.#destinationOf(memberId).isConnected;
  }

  /** The own recording reaches to here. Set it every turn: bytes from here on are never cleaned. */
  get localDurablePosition(): Position {
    return this.#localDurablePosition;
  }

  set localDurablePosition(position: Position) {
    assert(position <= this.position(), 'only what was appended can be durable');
    if (position > this.#localDurablePosition) {
      this.#localDurablePosition = position;
      this.context.enqueue(this);
    }
  }

  /** Sets how many members vote, this one included: the limit follows a quorum of them. */
  setQuorumSize(voters: number): void {
    assert(voters >= 1 && voters <= LOG_DESTINATION_COUNT_MAX + 1, 'a cluster has members');
    this.#quorumSize = Math.floor(voters / 2) + 1;
    this.#updateLimit();
  }

  /** A non-voting follower receives the log, but nobody waits for its room. */
  setVoting(memberId: number, isVoting: boolean): void {
    this.#destinationOf(memberId).isVoting = isVoting;
    this.#updateLimit();
  }

  /**
   * Opens a socket to a follower. Nothing is sent before `startDestination`.
   *
   * @param endpoint `host:port`, numeric host.
   * @throws PawlError ADDRESS_INVALID, LIMIT_EXCEEDED.
   */
  addDestination(memberId: number, endpoint: string): void {
    assert(!this.isClosing, 'a closed log has no new followers');
    assert(this.#find(memberId) === undefined, 'a follower is added once');
    if (this.#destinations.length >= LOG_DESTINATION_COUNT_MAX) {
      throw new PawlError(
        ErrorCode.LimitExceeded,
        `the log has ${LOG_DESTINATION_COUNT_MAX} followers already: remove one first`,
      );
    }
    const remote = parseHostPort(endpoint, 'log endpoint');
    const address = { host: this.#localHost ?? localHostFor(remote.host), port: 0, remote };
    this.#destinations.push(
      new LogDestination(this.context, this.log, memberId, address, this.#source),
    );
    this.#updateLimit();
  }

  /** Starts, or restarts, sending from a position where a frame starts. A SETUP names it. */
  startDestination(memberId: number, position: Position): void {
    assert(position >= 0 && position <= this.position(), 'a follower starts within the log');
    assert(position % FRAME_ALIGNMENT === 0, 'a follower starts at a frame');
    this.#destinationOf(memberId).start(position);
    this.context.enqueue(this);
  }

  /** Sends nothing more to a follower; for the limit it stays where it is. */
  stopDestination(memberId: number): void {
    this.#destinationOf(memberId).stop();
  }

  /** Forgets a follower. */
  removeDestination(memberId: number): void {
    const destination = this.#destinationOf(memberId);
    destination.stop();
    this.#destinations.splice(this.#destinations.indexOf(destination), 1);
    this.#leaving.push(destination);
    this.context.enqueue(this);
  }

  #find(memberId: number): LogDestination | undefined {
    return this.#destinations.find((each) => each.memberId === memberId);
  }

  #destinationOf(memberId: number): LogDestination {
    const destination = this.#find(memberId);
    assert(destination !== undefined, `member ${memberId} is a follower of this log`);
    return destination;
  }

  protected admission(): number {
    return 0;
  }

  /** Takes what arrived on the sockets. Returns how many datagrams. */
  poll(): number {
    let count = 0;
    for (const destination of this.#destinations) {
      count += destination.poll();
    }
    if (count > 0) {
      this.context.enqueue(this);
    }
    return count;
  }

  duty(nowNs: number): number {
    this.isUrgent = false;
    const tail = this.position();
    let work = 0;
    for (let index = 0; index < this.#destinations.length; index++) {
      const destination = this.#destinations[index] as LogDestination;
      if (destination.isStarted) {
        destination.recordedPosition = this.#localDurablePosition;
        if (this.isClosing && destination.senderPosition >= tail && !destination.isEndOfStream) {
          destination.isEndOfStream = true;
          destination.hastenHeartbeat();
        }
        work += destination.send(nowNs, tail);
        this.isUrgent ||= destination.hasMore;
      }
    }
    this.#updateLimit();
    this.setConnected(this.isConnected);
    this.#finish(nowNs);
    return work;
  }

  #updateLimit(): void {
    const durable = this.#localDurablePosition;
    const limit = Math.min(
      this.#quorumRoom(),
      durable + DURABLE_AHEAD_TERMS * this.termLength,
      this.slowestReader(Infinity) + DURABLE_AHEAD_TERMS * this.termLength,
    );
    const consumed = this.slowestReader(this.position());
    this.advanceLimit(consumed, Math.min(durable, this.#heldPosition()), limit);
  }

  /** The position that a quorum's receivers have room for; this member counts as unlimited. */
  #quorumRoom(): Position {
    const rank = this.#quorumSize - 1;
    if (rank <= 0) {
      return rank === 0 ? Infinity : this.log.geometry.position;
    }
    const rooms = this.#rooms;
    let count = 0;
    for (const destination of this.#destinations) {
      if (destination.isVoting) {
        // Insertion from the largest down: there are a handful.
        let place = count++;
        const room = destination.roomPosition();
        while (place > 0 && (rooms[place - 1] as number) < room) {
          rooms[place] = rooms[place - 1] as number;
          place--;
        }
        rooms[place] = room;
      }
    }
    const start = this.log.geometry.position;
    const room = rank <= count ? (rooms[rank - 1] as number) : start;
    return Math.max(room, start + FIRST_ROOM_LENGTH);
  }

  #heldPosition(): Position {
    let held = Infinity;
    for (const destination of this.#destinations) {
      held = Math.min(held, destination.heldPosition());
    }
    for (const destination of this.#leaving) {
      held = Math.min(held, destination.heldPosition());
    }
    return held;
  }

  /** Lets removed followers go, and the whole log once it has lingered. */
  #finish(nowNs: number): void {
    for (let index = this.#leaving.length - 1; index >= 0; index--) {
      const destination = this.#leaving[index] as LogDestination;
      if (destination.closeReaders() && destination.heldPosition() === Infinity) {
        destination.close();
        this.#leaving.splice(index, 1);
      }
    }
    if (!this.isClosing || this.isDone) {
      return;
    }
    if (this.#closedNs === Infinity) {
      this.#closedNs = nowNs;
    }
    const isOver = nowNs - this.#closedNs >= this.#lingerNs;
    if (this.retainCount === 0 && (isOver || !this.#destinations.some((e) => e.isConnected))) {
      this.dispose();
    }
  }

  deadlineNs(): number {
    let deadline = this.#ownDeadlineNs();
    for (const destination of this.#destinations) {
      if (destination.isStarted) {
        deadline = Math.min(deadline, destination.deadlineNs());
      }
    }
    return deadline;
  }

  readyNs(): number {
    let ready = this.#ownDeadlineNs();
    for (const destination of this.#destinations) {
      if (destination.isStarted) {
        ready = Math.min(ready, destination.readyNs());
      }
    }
    return ready;
  }

  /** When something is due that is not a destination's. */
  #ownDeadlineNs(): number {
    const { nowNs, config } = this.context;
    const retryNs = this.isWaiting ? nowNs + config.sendRetryNs : Infinity;
    const isEnding = this.isClosing && this.retainCount === 0;
    return isEnding ? Math.min(retryNs, this.#closedNs + this.#lingerNs) : retryNs;
  }

  protected disposeMedia(): void {
    for (const destination of [...this.#destinations, ...this.#leaving]) {
      destination.close();
    }
    this.#destinations.length = 0;
    this.#leaving.length = 0;
  }
}
