// clustered-service.ts: what a user implements.

import type { Role } from '../cluster/service-host.js';
import type { CloseReason } from '../protocol/codecs/enumerations.js';
import type { SnapshotImage, SnapshotPublication } from './snapshot-publication.js';

export type { CloseReason, Role };

/**
 * What `ClientSession.offer` answers. It depends on the log and fixed limits alone, never on a
 * socket.
 */
export const EgressResult = {
  /** The session is closed or closing. */
  Closed: -4,
  /** Longer than `Cluster.egressMessageLengthMax`. */
  TooLong: -6,
} as const;

/**
 * What `Cluster.offer` answers. It depends on the log and fixed limits alone: equal on all members.
 */
export const ServiceMessageResult = {
  /** As many of the service's messages wait for the log as may. */
  PendingLimit: -2,
  /** Longer than `Cluster.serviceMessageLengthMax`. */
  TooLong: -6,
} as const;

/** A client's replicated identity. */
export interface ClientSession {
  /** Unique over the life of the cluster: the log position at which the session was opened. */
  readonly id: number;
  /** Channel on which the client receives egress. */
  readonly responseChannel: string;
  readonly responseStreamId: number;
  /**
   * Who the client is, as the leader's Authenticator said when it let it in: 0 to 512 bytes, equal
   * on all members, not to be changed. Empty where clients are not asked who they are.
   */
  readonly principal: Uint8Array;
  /** Set as soon as this service asks to close it, or the log does. */
  readonly isClosing: boolean;
  /**
   * Sends a message to the client; only the leader's leaves the machine. At most once: what the
   * leader had not sent when it failed is lost, and the client reports it as unknown.
   *
   * @param buffer bytes; a view of the message that is being handled costs no copy.
   * @param offset first byte, relative to the view.
   * @param length bytes.
   * @returns length, or an EgressResult. Equal on every member.
   */
  offer(buffer: ArrayBufferView, offset: number, length: number): number;
}

/** A request that is executed now. Valid during the callback only. */
export interface ClientRequest {
  /** The session that carried it: a retry may come over another one. */
  readonly session: ClientSession;
  /** The client over all its sessions: the id of its first one. */
  readonly clientId: number;
  /** Unique within the client. */
  readonly requestId: number;
  /** Longest reply, bytes. Equal on all members. */
  readonly replyLengthMax: number;
  /**
   * Answers the request; once. The reply is replicated state: whoever asks again gets it again.
   *
   * @param buffer bytes, which are copied. @param offset first byte, relative to the view.
   * @param length bytes.
   * @returns length, or EgressResult.TooLong: then it is not answered yet.
   * @throws PawlError SERVICE_FAILED when it was answered before, or its callback is over.
   */
  reply(buffer: ArrayBufferView, offset: number, length: number): number;
}

/** A query that is answered now. Valid during the callback only. */
export interface ClientQuery {
  readonly session: ClientSession;
  /** Longest answer, bytes. */
  readonly replyLengthMax: number;
  /**
   * Answers the query; once.
   *
   * @param buffer bytes, which are copied. @param offset first byte, relative to the view.
   * @param length bytes.
   * @returns length, or EgressResult.TooLong: then it is not answered yet.
   * @throws PawlError SERVICE_FAILED when it was answered before, or its callback is over.
   */
  reply(buffer: ArrayBufferView, offset: number, length: number): number;
}

/** Beginning of a leader's reign, as the log tells it. */
export interface LeadershipTerm {
  readonly leadershipTermId: number;
  /** Log position at which the term starts. */
  readonly termBaseLogPosition: number;
  readonly leaderMemberId: number;
  /** Position after the event. */
  readonly logPosition: number;
}

/** The cluster as a service sees it. */
export interface Cluster {
  readonly memberId: number;
  /** Place of this service among those of the member, from 0. Equal on all members. */
  readonly serviceId: number;
  /** Local to the member: state must not depend on it. */
  readonly role: Role;
  /** Milliseconds since 1970 as stamped by the leader. Moves with the log only, never back. */
  time(): number;
  /** Log position after the event that is being handled. */
  logPosition(): number;
  /** Longest egress message, bytes. */
  readonly egressMessageLengthMax: number;
  /** Longest message for `offer`, bytes. */
  readonly serviceMessageLengthMax: number;
  session(id: number): ClientSession | undefined;
  /** Open sessions, in the order in which they were opened. */
  sessions(): IterableIterator<ClientSession>;
  /** Asks for the end of a session: it becomes an event in the log. Only inside a log callback. */
  closeSession(id: number): void;
  /**
   * Schedules a timer: at or after its deadline it becomes an event in the log, and every member
   * gets `onTimerEvent`. It fires once, whatever leaders change, unless it is cancelled or
   * scheduled anew under the same id before. Only inside a log callback.
   *
   * @param correlationId a safe integer of the service's choice.
   * @param deadline cluster time in milliseconds: `cluster.time() + delay`. One that is past is due
   *   at once. Timers of one deadline fire in the order in which they were scheduled.
   * @returns false when as many timers are pending as are allowed (8 Mi); then it is not pending.
   */
  scheduleTimer(correlationId: number, deadline: number): boolean;
  /**
   * Cancels a timer: it will not fire, even if its event is on its way. Only inside a log callback.
   *
   * @returns whether it was pending. Equal on every member.
   */
  cancelTimer(correlationId: number): boolean;
  /**
   * Sends a message into the log: it comes to every service of the cluster, this one included, as
   * `onServiceMessage`, exactly once whatever leaders change, and in the order in which this
   * service sent. Only inside a log callback.
   *
   * @param buffer bytes, which are copied. @param offset first byte, relative to the view.
   * @param length bytes.
   * @returns length, or a ServiceMessageResult: then nothing was sent. Equal on every member. At
   *   most 65,536 messages and 64 MiB of a service wait for the log.
   */
  offer(buffer: ArrayBufferView, offset: number, length: number): number;
}

/**
 * A deterministic state machine. Every callback but onStart, onQuery, onRoleChange and onTerminate
 * is an event of the log: all members get the same ones, in the same order, with the same times.
 * Results must depend on nothing else: no clock, no randomness, no network, no iteration order that
 * varies.
 *
 * An error thrown from a callback ends the member with exit code 8.
 */
export interface ClusteredService {
  /**
   * Version of the state that `onTakeSnapshot` writes, from 0; default 0. A snapshot of a greater
   * version is not loaded: an older one and a longer replay are.
   */
  readonly snapshotVersion?: number;
  /**
   * Once, before any event. Local: no offers.
   *
   * @param snapshot the state to start from; the service must `read` it. Without one, the service
   *   gets every event of the log.
   */
  onStart?(cluster: Cluster, snapshot?: SnapshotImage): void;
  /**
   * Writes the state at this position of the log. Called on every member at the same positions;
   * all must write the same records. It must change nothing. A service without it is never
   * snapshotted, and replays the whole log when it starts.
   */
  onTakeSnapshot?(snapshot: SnapshotPublication): void;
  onSessionOpen?(session: ClientSession, timestamp: number): void;
  onSessionClose?(session: ClientSession, timestamp: number, reason: CloseReason): void;
  /**
   * A client's message. The bytes are `buffer` from `offset`, `length` of them; they are valid
   * during the call only.
   */
  onSessionMessage(
    session: ClientSession,
    timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void;
  /**
   * A client's request, executed exactly once however often it is sent: `request.reply` answers it.
   * Of several services the first one gets requests; another that has this function is refused.
   * A request that is not answered here is reported to its client as unanswered. The bytes are as
   * in `onSessionMessage`. Without this function requests are refused.
   */
  onRequest?(
    request: ClientRequest,
    timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void;
  /**
   * A client's query: `query.reply` answers it from the state. It is no event of the log: only the
   * leader gets it, and it must change nothing, offer nothing, and set no timer. The state is at
   * least as new as when the query arrived, so an answer is linearizable with all that the log
   * does. An error that is thrown goes to the client and ends nothing else. The bytes are as in
   * `onSessionMessage`. Without this function queries are refused. Of several services the first
   * one gets them; another that has this function is refused.
   */
  onQuery?(query: ClientQuery, buffer: DataView, offset: number, length: number): void;
  /** A timer has fired. `timestamp` is at or after its deadline. It is not pending any more. */
  onTimerEvent?(correlationId: number, timestamp: number): void;
  /**
   * A message that a service sent into the log with `Cluster.offer`.
   *
   * @param serviceId who sent it. The bytes are as in `onSessionMessage`.
   */
  onServiceMessage?(
    serviceId: number,
    timestamp: number,
    buffer: DataView,
    offset: number,
    length: number,
  ): void;
  onNewLeadershipTermEvent?(term: LeadershipTerm, timestamp: number): void;
  /** Local: no offers, and no change of state. */
  onRoleChange?(role: Role): void;
  /**
   * The member leaves cleanly: no event follows. Called after `onStart`, or not at all. Local: what
   * it throws ends the member as soon as that has left.
   */
  onTerminate?(): void;
  /**
   * A hash of the state, for comparing members at equal positions. Optional; the demo, the tests
   * and the simulator use it.
   */
  stateHash?(): string;
}

/** What a service module exports as `createService`: snapshots and replays make fresh instances. */
export type ServiceFactory = () => ClusteredService;
