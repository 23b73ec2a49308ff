// service-host.ts: what the consensus module and a service container are to each other.
//
// The container consumes the log by itself, from the same bytes; the two share positions, never
// objects, so that a container can move to another thread.

import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';
import type { LiveLog, LogReader, RecordedLog } from './log-poller.js';
import type { OutputSink } from './output-history.js';

/** The service that answers requests and queries: each of these has one answer. */
export const ANSWERING_SERVICE_ID = 0;

export type Role = 'follower' | 'candidate' | 'leader';

/** The answer to an exactly-once request. */
export interface EgressReply {
  readonly requestId: number;
  /** Log position after the request. */
  readonly logPosition: Position;
  /** Log time of the request, milliseconds. */
  readonly timestamp: number;
  /** See ReplyCode. */
  readonly code: number;
  readonly bytes: Uint8Array;
}

/** Takes what services send to clients, and decides whether and how it leaves the machine. */
export interface EgressSink {
  /** Longest message, bytes. Equal on all members. */
  readonly messageLengthMax: number;
  /** A message for a session's client. Dropped on a member that does not lead. */
  offer(
    sessionId: number,
    timestamp: number,
    buffer: ArrayBufferView,
    offset: number,
    length: number,
  ): void;
  /** The reply to a request, for the client of the session that asked (again). */
  offerReply(sessionId: number, reply: EgressReply): void;
  /**
   * The answer to a query, which holds at a position of the log. Nothing waits for it but its
   * client, who asks again: it is dropped where it would crowd out messages of the log.
   *
   * @param code see QueryCode.
   */
  offerAnswer(
    sessionId: number,
    queryId: number,
    logPosition: Position,
    code: number,
    buffer: ArrayBufferView,
    offset: number,
    length: number,
  ): void;
  /** A service wants the session closed; the leader makes it an event. */
  requestClose(sessionId: number): void;
}

/** What a service on another thread says to clients, as its engine takes it. */
export interface RelayedEgressSink extends EgressSink {
  /** What waits for the session's client has passed its limit on the way here. */
  overflow(sessionId: number): void;
}

/**
 * The timers of a service, as its leader proposes them. Which are pending is replicated state;
 * which are proposed is the leader's own.
 */
export interface TimerSource {
  /** Log time before which no timer is due, milliseconds; Infinity when none is pending. */
  nextDeadlineMs(): number;
  /**
   * Hands over timers that are due and not proposed, in the order of deadline and scheduling, until
   * `append` has no room or the limit is reached; returns how many were taken.
   */
  propose(nowMs: number, limit: number, append: (correlationId: number) => boolean): number;
  /** What was proposed and is still pending is to be proposed again. */
  forgetProposals(): void;
}

/** Told of what a service does to its timers. */
export interface TimerListener {
  onScheduled(correlationId: number, deadlineMs: number): void;
  /** Cancelled, or fired. */
  onCancelled(correlationId: number): void;
}

/** A message of a service, on its way into the log. */
export interface ServiceMessage {
  readonly serviceId: number;
  /** Its number among the messages of the service, from 1 and without gaps. */
  readonly sequence: number;
  /** Log position after the event in whose callback it was offered. */
  readonly originPosition: Position;
  /** Its number among the messages of that callback, from 0. */
  readonly ordinal: number;
  readonly bytes: Uint8Array;
}

/**
 * The messages of a service that the log has not got yet. Which they are is replicated state; which
 * of them are proposed is the leader's own.
 */
export interface ServiceMessageSource {
  /** Messages that the log has not got yet, proposed or not, and how many may be. */
  readonly pendingCount: number;
  readonly pendingCountMax: number;
  /** Messages that wait to be proposed. */
  readonly unproposedCount: number;
  /**
   * Hands over messages that are not proposed, in their order, until `append` has no room or the
   * limit is reached; returns how many were taken.
   */
  propose(limit: number, append: (message: ServiceMessage) => boolean): number;
  /** What was proposed and is still pending is to be proposed again. */
  forgetProposals(): void;
}

/** Told of what becomes of a service's messages into the log. */
export interface MessageListener {
  /** The service has offered a message, or a snapshot says that it had. */
  onOffered(message: ServiceMessage): void;
  /** The log holds the service's messages up to a number. */
  onLogged(sequence: number): void;
}

/** Adds one message to a snapshot: a head, and a body that is not copied before. */
export type SnapshotWrite = (
  head: Uint8Array,
  headLength: number,
  body?: Uint8Array,
  offset?: number,
  length?: number,
) => void;

/** Longest record of a service in a snapshot, bytes. */
export const SNAPSHOT_RECORD_LENGTH_MAX = 16 * 1024 * 1024;

/** State that was frozen at one position of the log, written in bounded steps. */
export interface SnapshotSection {
  /**
   * Bytes of a record that is longer than a snapshot takes; 0 while there is none. With one the
   * section is of no use, and ends.
   */
  readonly oversizeLength?: number;
  /** Writes about `lengthMax` bytes; true when all is written. */
  write(append: SnapshotWrite, lengthMax: number): boolean;
  /** Nothing has to stand still any more. */
  close(): void;
}

/** Where a container brings its part of a snapshot. */
export interface SnapshotSink {
  /** Where this member writes a snapshot as soon as the service is there; -1 for nowhere. */
  readonly wantedPosition: Position;
  /** Whether this member writes a snapshot at the position that the service has reached. */
  wants(logPosition: Position): boolean;
  /**
   * The service's part at that position.
   *
   * @param pauseNs for how long the service stood still, where that is not from the question on.
   */
  offer(section: SnapshotSection, pauseNs?: number): void;
}

/** The snapshot that a container starts from. */
export interface SnapshotStart {
  readonly logPosition: Position;
  readonly timestampMs: number;
  readonly appVersion: number;
}

/** What a container gets to work with. */
export interface ServiceHostContext {
  readonly arena: Arena;
  readonly memberId: number;
  readonly poller: LogReader;
  readonly egress: RelayedEgressSink;
  /** Longest message that the log can hold, bytes. */
  readonly messageLengthMax: number;
  readonly fragmentLimit: number;
  readonly snapshots: SnapshotSink;
  /** For a service on another thread: what the term buffers do not hold any more. */
  readonly openRecording?: () => RecordedLog;
  readonly timerListener?: TimerListener;
  readonly messageListener?: MessageListener;
  /** Where the container keeps what its service has put out. */
  readonly outputs: OutputSink;
  /** What the poller's position is that of; undefined when the log is replayed from its start. */
  readonly snapshot: SnapshotStart | undefined;
}

/** Runs a service. Implemented by the service room. */
export interface ServiceHost {
  /** Place of the service among those of the member, from 0. Equal on all members. */
  readonly serviceId: number;
  /** End of what the service has consumed. */
  readonly position: Position;
  readonly timers: TimerSource;
  readonly messages: ServiceMessageSource;
  /** Greatest version of a snapshot that the service can load; -1 when it takes none. */
  readonly snapshotVersion: number;
  start(context: ServiceHostContext): void;
  /** Whether it takes more of the snapshot that it starts from. */
  readonly canLoad: boolean;
  /** Whether the service was told that the member leaves, or never started. */
  readonly isTerminated: boolean;
  /** One message of the service's section of the snapshot it starts from, before any work. */
  loadSnapshot(view: DataView, offset: number, length: number): void;
  /** The live log changed. It is undefined before the memory of the one before is released. */
  setLive(live: LiveLog | undefined): void;
  onRoleChange(role: Role): void;
  /** Consumes the log up to a position; returns work done. */
  doWork(limit: Position): number;
  /**
   * Answers a query of a session from the state as it is now; the bytes are valid during the call.
   */
  query(sessionId: number, queryId: number, view: DataView, offset: number, length: number): void;
  /** The member leaves cleanly: the service is told, and nothing is consumed any more. */
  terminate(): void;
  close(): void;
}
