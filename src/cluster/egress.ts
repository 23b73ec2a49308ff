// egress.ts: what leaves the leader for its clients.
//
// One publication per open session, to the channel that the session was opened with. Only a leader
// has connections; on every other member an offer goes nowhere, so services act the same.

import { BACK_PRESSURED, CLOSED, NOT_CONNECTED } from '../../assembly/layout/frame.js';
import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';
import { EventCode, type QueryCode } from '../protocol/codecs/enumerations.js';
import { ReplyHeaderEncoder } from '../protocol/codecs/reply-header.js';
import { SessionMessageHeaderEncoder } from '../protocol/codecs/session-message-header.js';
import type { ExclusivePublication } from '../transport/exclusive-publication.js';
import type { Transport } from '../transport/transport.js';
import type { ClusterConfig } from './cluster-config.js';
import { EgressAnswers } from './egress-answers.js';
import {
  type Connection,
  type EgressHooks,
  EgressOpener,
  type EgressSession,
  Greeting,
} from './egress-connection.js';
import { EgressBlocks, EgressQueue } from './egress-queue.js';
import { SESSION_HEADER_LENGTH } from './log-publisher.js';
import { egressMessageLengthMax } from './message-lengths.js';
import type { EgressReply, RelayedEgressSink } from './service-host.js';
import { type Correlation, SessionEvents } from './session-events.js';

const NO_BYTES = new Uint8Array(0);
/** Header and block of a reply. */
const REPLY_HEADER_LENGTH = ReplyHeaderEncoder.LENGTH_MIN;

/** A leader presents itself this often to a client that it has not heard since. */
const PRESENT_INTERVAL_NS = 500_000_000;

/** Connections to clients. */
export class Egress implements RelayedEgressSink {
  readonly messageLengthMax: number;
  readonly #arena: Arena;
  readonly #config: ClusterConfig;
  readonly #hooks: EgressHooks;
  readonly #opener: EgressOpener;
  readonly #events: SessionEvents;
  readonly #head: number;
  readonly #replyHead: number;
  readonly #answers: EgressAnswers;
  // What the header at #head says; -1 when it has to be encoded anew.
  #headSessionId = -1;
  #headTimestamp = -1;
  readonly #memory: ArrayBufferLike;
  readonly #header = new SessionMessageHeaderEncoder();
  readonly #replyHeader = new ReplyHeaderEncoder();
  readonly #connections = new Map<number, Connection>();
  readonly #blocks = new EgressBlocks();
  // Where the last reply went: the next one mostly goes there too.
  #last: Connection | undefined;
  // Connections with something to say beside new messages: a greeting, or a queue.
  readonly #waiting = new Set<Connection>();
  // Connections whose client has not shown yet that it knows this leader: what tells it may be lost
  // with the image that it had.
  readonly #unheard = new Set<Connection>();
  #nowNs = 0;
  #leadershipTermId = -1;
  #ingressEndpoints = '';
  #isOpen = false;

  constructor(transport: Transport, config: ClusterConfig, hooks: EgressHooks) {
    this.#arena = transport.arena;
    this.#config = config;
    this.#hooks = hooks;
    this.#opener = new EgressOpener(transport, config);
    this.#head = this.#arena.allocate(SESSION_HEADER_LENGTH);
    this.#replyHead = this.#arena.allocate(REPLY_HEADER_LENGTH);
    this.#answers = new EgressAnswers(this.#arena, config, {
      connectionOf: (sessionId) => this.#connectionOf(sessionId),
      enqueue: (connection, head, headLength, body) =>
        this.#enqueue(connection, head, headLength, body, 0, body.length),
    });
    this.#memory = this.#arena.u8.buffer;
    this.#events = new SessionEvents(this.#arena, config);
    this.messageLengthMax = egressMessageLengthMax(config);
  }

  /** Answers to queries that a client did not take; it asks again. */
  get droppedAnswerCount(): number {
    return this.#answers.droppedCount;
  }

  get connectionCount(): number {
    return this.#connections.size;
  }

  /** Streams to clients that are open; others wait for their turn, or for memory. */
  openCount(): number {
    let count = 0;
    for (const { publication } of this.#connections.values()) {
      count += publication === undefined ? 0 : 1;
    }
    return count;
  }

  /** Bytes that wait for the client that takes least. */
  longestQueue(): number {
    let longest = 0;
    for (const { queue } of this.#connections.values()) {
      longest = Math.max(longest, queue.length);
    }
    return longest;
  }

  /** This member leads: sessions may be connected from now on. */
  startTerm(leadershipTermId: number, ingressEndpoints: string): void {
    this.#leadershipTermId = leadershipTermId;
    this.#ingressEndpoints = ingressEndpoints;
    this.#headSessionId = -1;
    this.#answers.leadershipTermId = leadershipTermId;
  }

  /**
   * The service has consumed all of the log before this leader's term. What it said until then
   * answered messages of earlier terms: their leader may have sent it, and a reply is sent at most
   * once. Their clients learn of the new leader, and hold as unknown what is unanswered.
   */
  open(): void {
    this.#isOpen = true;
  }

  /** This member leads no more: nothing is sent any more. */
  endTerm(): void {
    this.#leadershipTermId = -1;
    this.#isOpen = false;
    this.#answers.clear();
    for (const connection of this.#connections.values()) {
      connection.publication?.close();
    }
    this.#connections.clear();
    this.#last = undefined;
    this.#waiting.clear();
    this.#unheard.clear();
  }

  /** Connects to a new session's client, so that the answer can leave as soon as it may. */
  connect(session: EgressSession): void {
    this.#connect(session, Greeting.AwaitCommit);
  }

  /** Connects to the client of a session that an earlier leader opened. */
  reconnect(session: EgressSession): void {
    this.#connect(session, Greeting.NewLeader);
  }

  /** The session's open event is committed: the client may know. */
  confirm(sessionId: number): void {
    const connection = this.#connections.get(sessionId);
    if (connection !== undefined && connection.greeting === Greeting.AwaitCommit) {
      connection.greeting = Greeting.Opened;
    }
  }

  /** Whether there is memory for the connection of one more session, and for answers beside. */
  hasRoom(): boolean {
    return this.#opener.hasRoom();
  }

  /** Whether the last duty cycle left connections to open for the next one. */
  get hasMore(): boolean {
    return this.#opener.hasMore;
  }

  /** The client of an open session asks for it again: it has not got its answer. */
  answerAgain(sessionId: number): void {
    const connection = this.#connections.get(sessionId);
    if (connection !== undefined && connection.greeting !== Greeting.AwaitCommit) {
      hit(Mark.EgressAnswersAgain);
      connection.greeting = Greeting.Opened;
      this.#waiting.add(connection);
    }
  }

  /** The session is closed: tells the client once, if it can be told. */
  disconnect(sessionId: number, detail: string): void {
    this.#answers.send();
    const connection = this.#connections.get(sessionId);
    if (connection !== undefined) {
      const { publication, session } = connection;
      const term = this.#leadershipTermId;
      const length = this.#events.sessionEvent(session, session.id, term, EventCode.Closed, detail);
      publication?.offerAt(this.#events.address, length);
      publication?.close();
      this.#connections.delete(sessionId);
      this.#last = undefined;
      this.#waiting.delete(connection);
      this.#unheard.delete(connection);
    }
  }

  requestClose(sessionId: number): void {
    this.#hooks.onCloseRequest(sessionId);
  }

  offer(
    sessionId: number,
    timestamp: number,
    buffer: ArrayBufferView,
    offset: number,
    length: number,
  ): void {
    this.#answers.send();
    const connection = this.#connectionOf(sessionId);
    if (connection === undefined) {
      return;
    }
    if (sessionId !== this.#headSessionId || timestamp !== this.#headTimestamp) {
      this.#encodeHead(sessionId, timestamp);
    }
    const { publication, queue } = connection;
    if (publication !== undefined && connection.greeting === Greeting.None && queue.isEmpty) {
      const result = this.#send(publication, buffer, offset, length);
      if (result !== BACK_PRESSURED && result !== NOT_CONNECTED) {
        return;
      }
    }
    this.#enqueue(connection, this.#head, SESSION_HEADER_LENGTH, buffer, offset, length);
  }

  offerReply(sessionId: number, reply: EgressReply): void {
    this.#answers.send();
    const connection = this.#connectionOf(sessionId);
    if (connection === undefined) {
      return;
    }
    const { bytes } = reply;
    const head = this.#replyHead;
    this.#replyHeader
      .wrapAndApplyHeader(this.#arena.view, head)
      .leadershipTermId(this.#leadershipTermId)
      .clusterSessionId(sessionId)
      .timestamp(reply.timestamp)
      .requestId(reply.requestId)
      .logPosition(reply.logPosition)
      .code(reply.code);
    const { publication, queue } = connection;
    if (publication !== undefined && connection.greeting === Greeting.None && queue.isEmpty) {
      const result = publication.offer2(head, REPLY_HEADER_LENGTH, bytes, 0, bytes.length);
      if (result !== BACK_PRESSURED && result !== NOT_CONNECTED) {
        return;
      }
    }
    this.#enqueue(connection, head, REPLY_HEADER_LENGTH, bytes, 0, bytes.length);
  }

  overflow(sessionId: number): void {
    const connection = this.#connectionOf(sessionId);
    if (connection !== undefined) {
      this.#giveUp(connection);
    }
  }

  /** The answer to an order of the session's client. */
  offerAdminResponse(
    sessionId: number,
    correlation: Correlation,
    requestType: number,
    responseCode: number,
    message: string,
  ): void {
    const connection = this.#connectionOf(sessionId);
    if (connection !== undefined) {
      const { address } = this.#events;
      const length = this.#events.adminResponse(
        sessionId,
        correlation,
        requestType,
        responseCode,
        message,
      );
      // It takes its turn behind what waits.
      this.#enqueue(connection, address, length, NO_BYTES, 0, 0);
    }
  }

  offerAnswer(
    sessionId: number,
    queryId: number,
    logPosition: Position,
    code: QueryCode,
    buffer: ArrayBufferView,
    offset: number,
    length: number,
  ): void {
    this.#answers.offer(sessionId, queryId, logPosition, code, buffer, offset, length);
  }

  /** Where messages for a session go; undefined when nothing may leave. */
  #connectionOf(sessionId: number): Connection | undefined {
    if (!this.#isOpen) {
      return undefined;
    }
    let connection = this.#last;
    if (connection === undefined || connection.session.id !== sessionId) {
      connection = this.#connections.get(sessionId);
      this.#last = connection ?? this.#last;
    }
    // Behind what was dropped nothing leaves any more: its session is about to end.
    return connection?.hasOverflowed === true ? undefined : connection;
  }

  /** Replies of one batch mostly share a session and a time: their header is encoded once. */
  #encodeHead(sessionId: number, timestamp: number): void {
    this.#headSessionId = sessionId;
    this.#headTimestamp = timestamp;
    this.#header
      .wrapAndApplyHeader(this.#arena.view, this.#head)
      .leadershipTermId(this.#leadershipTermId)
      .clusterSessionId(sessionId)
      .timestamp(timestamp);
  }

  /** Sends greetings and what waited. */
  doWork(nowNs: number): number {
    this.#nowNs = nowNs;
    this.#answers.send();
    this.#opener.startTurn();
    this.#presentAgain();
    let work = 0;
    for (const connection of this.#waiting) {
      work += this.#flush(connection);
    }
    return work;
  }

  #presentAgain(): void {
    for (const connection of this.#unheard) {
      if (this.#hooks.isHeard(connection.session.id)) {
        this.#unheard.delete(connection);
      } else if (this.#nowNs >= connection.presentedNs + PRESENT_INTERVAL_NS) {
        hit(Mark.EgressPresentsAgain);
        connection.presentedNs = this.#nowNs;
        connection.greeting = Greeting.NewLeader;
        this.#waiting.add(connection);
      }
    }
  }

  close(): void {
    this.endTerm();
    this.#events.close();
    this.#arena.release(this.#head, SESSION_HEADER_LENGTH);
    this.#arena.release(this.#replyHead, REPLY_HEADER_LENGTH);
    this.#answers.release();
  }

  #connect(session: EgressSession, greeting: Greeting): void {
    const connection: Connection = {
      session,
      publication: this.#opener.open(session),
      queue: new EgressQueue(this.#config.egressBufferLengthMax, this.#blocks),
      greeting,
      presentedNs: this.#nowNs,
      hasOverflowed: false,
    };
    this.#connections.set(session.id, connection);
    this.#last = undefined;
    this.#waiting.add(connection);
    if (greeting === Greeting.NewLeader) {
      this.#unheard.add(connection);
    }
  }

  #send(
    publication: ExclusivePublication,
    buffer: ArrayBufferView,
    offset: number,
    length: number,
  ): number {
    if (buffer.buffer !== this.#memory) {
      const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
      return publication.offer2(this.#head, SESSION_HEADER_LENGTH, bytes, 0, length);
    }
    if (!publication.isConnected) {
      return publication.isClosed ? CLOSED : NOT_CONNECTED;
    }
    // The message lies in the arena already: it is copied once, frame to frame.
    const body = buffer.byteOffset + offset;
    const { core } = this.#arena;
    const result = core.append2(publication.meta, this.#head, SESSION_HEADER_LENGTH, body, length);
    if (result > 0) {
      publication.flushNeeded();
    }
    return result;
  }

  #enqueue(
    connection: Connection,
    head: number,
    headLength: number,
    buffer: ArrayBufferView,
    offset: number,
    length: number,
  ): void {
    const body = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
    if (connection.queue.push(this.#arena.u8, head, headLength, body)) {
      hit(Mark.EgressQueued);
      this.#waiting.add(connection);
    } else {
      this.#giveUp(connection);
    }
  }

  /** Nothing more is sent to a client that does not take it. */
  #giveUp(connection: Connection): void {
    hit(Mark.EgressOverflow);
    connection.hasOverflowed = true;
    connection.queue.clear();
    this.#hooks.onOverflow(connection.session.id);
  }

  #flush(connection: Connection): number {
    connection.publication ??= this.#opener.open(connection.session);
    const { publication, queue } = connection;
    if (publication?.isConnected !== true || !this.#greet(connection, publication)) {
      return 0;
    }
    let work = 0;
    for (let bytes = queue.peek(); bytes !== undefined; bytes = queue.peek()) {
      if (publication.offer(bytes, 0, bytes.length) < 0) {
        return work;
      }
      queue.shift();
      work++;
    }
    this.#waiting.delete(connection);
    return work;
  }

  /** Whether the connection's greeting has left. */
  #greet(connection: Connection, publication: ExclusivePublication): boolean {
    const { session, greeting } = connection;
    const term = this.#leadershipTermId;
    let length = 0;
    if (greeting === Greeting.AwaitCommit) {
      return false;
    }
    if (greeting === Greeting.Opened) {
      // Where this leader is: the client may have asked it by another member's name.
      const endpoints = this.#ingressEndpoints;
      length = this.#events.sessionEvent(session, session.id, term, EventCode.Ok, endpoints);
    } else if (greeting === Greeting.NewLeader) {
      length = this.#events.newLeader(session.id, term, this.#ingressEndpoints);
    } else {
      return true;
    }
    if (publication.offerAt(this.#events.address, length) < 0) {
      return false;
    }
    connection.greeting = Greeting.None;
    return true;
  }
}
