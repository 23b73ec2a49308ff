// cluster-snapshot.ts: the section of a snapshot that holds the cluster's own state.
//
//   SnapshotMarker BEGIN | ClusterActionRequest, the event itself
//   | SnapshotService, one for each service
//   | ClusterActionRequest SUSPEND, where the cluster is suspended | SnapshotTerm, each
//   | ClusterSession and ClientSession, each | SnapshotMarker END
//
// Built from applied events only: what a leader has in mind and has not committed is elsewhere.

import type { TermEntry } from '../archive/recording-log.js';
import { POSITION_NULL, type Position } from '../position.js';
import { ClientSessionEncoder } from '../protocol/codecs/client-session.js';
import {
  type ClusterActionRequestDecoder,
  ClusterActionRequestEncoder,
} from '../protocol/codecs/cluster-action-request.js';
import { ClusterSessionEncoder } from '../protocol/codecs/cluster-session.js';
import { CloseReason, ClusterAction, SnapshotMark } from '../protocol/codecs/enumerations.js';
import { SnapshotMarkerEncoder } from '../protocol/codecs/snapshot-marker.js';
import { SnapshotServiceEncoder } from '../protocol/codecs/snapshot-service.js';
import { SnapshotTermEncoder } from '../protocol/codecs/snapshot-term.js';
import { MESSAGE_HEADER_LENGTH } from '../protocol/message-header.js';
import type { ClusterSession } from './cluster-session.js';
import type { SnapshotSection, SnapshotWrite } from './service-host.js';

/** `typeId` of the cluster's markers, as in Aeron. */
export const CLUSTER_SNAPSHOT_TYPE = 1;
const HEAD_LENGTH_MAX = 32 * 1024;
const MILLIS = 0;

/** A snapshot event that has been applied. */
export interface SnapshotEvent {
  /** Position after the event. */
  readonly logPosition: Position;
  readonly leadershipTermId: number;
  readonly timestampMs: number;
  /** The `logPosition` and `flags` that the event itself carries. */
  readonly eventPosition: Position;
  readonly flags: number;
}

/** What a ClusterActionRequest asks for; undefined when it is no snapshot. */
export function snapshotEventOf(
  event: ClusterActionRequestDecoder,
  logPosition: Position,
): SnapshotEvent | undefined {
  if (event.action() !== ClusterAction.Snapshot) {
    return undefined;
  }
  return {
    logPosition,
    leadershipTermId: event.leadershipTermId(),
    timestampMs: event.timestamp(),
    eventPosition: event.logPosition(),
    flags: event.flags(),
  };
}

/**
 * The leadership terms that ordered anything below a position. Others may be in a recording log or
 * not, and a snapshot holds what is the same everywhere.
 */
export function termsBelow(entries: readonly TermEntry[], position: Position): TermEntry[] {
  return entries.filter((entry, index) => {
    const next = entries[index + 1];
    const end = Math.min(position, next?.termBaseLogPosition ?? position);
    return entry.termBaseLogPosition < end;
  });
}

/** Encodes the cluster's section. */
export class ClusterSnapshot implements SnapshotSection {
  readonly #event: SnapshotEvent;
  readonly #appVersions: readonly number[];
  readonly #terms: readonly TermEntry[];
  readonly #sessions: readonly ClusterSession[];
  readonly #isSuspended: boolean;
  readonly #head = new Uint8Array(HEAD_LENGTH_MAX);
  readonly #view = new DataView(this.#head.buffer);
  readonly #marker = new SnapshotMarkerEncoder();
  readonly #action = new ClusterActionRequestEncoder();
  readonly #service = new SnapshotServiceEncoder();
  readonly #term = new SnapshotTermEncoder();
  readonly #session = new ClusterSessionEncoder();
  readonly #client = new ClientSessionEncoder();
  #hasBegun = false;
  #termIndex = 0;
  #sessionIndex = 0;

  /** @param appVersions versions of the services' states, by service id. */
  constructor(
    event: SnapshotEvent,
    appVersions: readonly number[],
    terms: readonly TermEntry[],
    sessions: readonly ClusterSession[],
    isSuspended: boolean,
  ) {
    this.#event = event;
    this.#appVersions = appVersions;
    this.#terms = terms;
    this.#sessions = sessions;
    this.#isSuspended = isSuspended;
  }

  write(append: SnapshotWrite, lengthMax: number): boolean {
    let written = 0;
    const count: SnapshotWrite = (head, headLength) => {
      append(head, headLength);
      written += headLength;
    };
    while (written < lengthMax) {
      if (!this.#writeNext(count)) {
        this.#writeMarker(count, SnapshotMark.End);
        return true;
      }
    }
    return false;
  }

  close(): void {
    // Everything was copied when it was frozen.
  }

  #writeNext(append: SnapshotWrite): boolean {
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#writeMarker(append, SnapshotMark.Begin);
      this.#writeEvent(append, ClusterAction.Snapshot);
      this.#writeServices(append);
      if (this.#isSuspended) {
        this.#writeEvent(append, ClusterAction.Suspend);
      }
      return true;
    }
    const term = this.#terms[this.#termIndex];
    if (term !== undefined) {
      this.#termIndex++;
      const length = this.#term
        .wrapAndApplyHeader(this.#view, 0)
        .leadershipTermId(term.leadershipTermId)
        .termBaseLogPosition(term.termBaseLogPosition)
        .encodedLength();
      append(this.#head, MESSAGE_HEADER_LENGTH + length);
      return true;
    }
    const session = this.#sessions[this.#sessionIndex];
    if (session === undefined) {
      return false;
    }
    this.#sessionIndex++;
    this.#writeSession(append, session);
    return true;
  }

  #writeMarker(append: SnapshotWrite, mark: number): void {
    const length = this.#marker
      .wrapAndApplyHeader(this.#view, 0)
      .typeId(CLUSTER_SNAPSHOT_TYPE)
      .logPosition(this.#event.logPosition)
      .leadershipTermId(this.#event.leadershipTermId)
      .index(0)
      .mark(mark)
      .timeUnit(MILLIS)
      .appVersion(0)
      .encodedLength();
    append(this.#head, MESSAGE_HEADER_LENGTH + length);
  }

  #writeEvent(append: SnapshotWrite, action: ClusterAction): void {
    const { eventPosition, flags, leadershipTermId, timestampMs } = this.#event;
    const length = this.#action
      .wrapAndApplyHeader(this.#view, 0)
      .leadershipTermId(leadershipTermId)
      .logPosition(eventPosition)
      .timestamp(timestampMs)
      .action(action)
      .flags(flags)
      .encodedLength();
    append(this.#head, MESSAGE_HEADER_LENGTH + length);
  }

  #writeServices(append: SnapshotWrite): void {
    this.#appVersions.forEach((appVersion, serviceId) => {
      const length = this.#service
        .wrapAndApplyHeader(this.#view, 0)
        .serviceId(serviceId)
        .serviceCount(this.#appVersions.length)
        .appVersion(appVersion)
        .encodedLength();
      append(this.#head, MESSAGE_HEADER_LENGTH + length);
    });
  }

  #writeSession(append: SnapshotWrite, session: ClusterSession): void {
    const length = this.#session
      .wrapAndApplyHeader(this.#view, 0)
      .clusterSessionId(session.id)
      .correlationIdLow(session.correlationIdLow)
      .correlationIdHigh(session.correlationIdHigh)
      .openedLogPosition(session.openedPosition)
      // When a client was last heard is known to its leader alone: time starts anew with each.
      .timeOfLastActivity(POSITION_NULL)
      .closeReason(CloseReason.ClientAction)
      .responseStreamId(session.responseStreamId)
      .putResponseChannel(session.responseChannel)
      .encodedLength();
    append(this.#head, MESSAGE_HEADER_LENGTH + length);
    const clientLength = this.#client
      .wrapAndApplyHeader(this.#view, 0)
      .clusterSessionId(session.id)
      .responseStreamId(session.responseStreamId)
      .putResponseChannel(session.responseChannel)
      .putEncodedPrincipal(session.encodedPrincipal)
      .encodedLength();
    append(this.#head, MESSAGE_HEADER_LENGTH + clientLength);
  }
}
