// service-snapshot.ts: the section of a snapshot that holds one service: sessions, timers, records.
//
//   SnapshotMarker BEGIN | ClientSession, and CloseSession when the service has closed it, each
//   | Timer, each, in the order of scheduling | retained replies (reply-snapshot.ts)
//   | messages on their way (message-snapshot.ts)
//   | SnapshotRecord, each | OutputState, when it is known | SnapshotMarker END
//
// Everything in it was frozen when the service reached the event; it is encoded in bounded steps.

import { InvariantError } from '../assert.js';
import type { Hash64 } from '../cluster/output-history.js';
import type { SnapshotSection, SnapshotWrite } from '../cluster/service-host.js';
import { ClientSessionEncoder } from '../protocol/codecs/client-session.js';
import { CloseSessionEncoder } from '../protocol/codecs/close-session.js';
import { SnapshotMark } from '../protocol/codecs/enumerations.js';
import { OutputStateEncoder } from '../protocol/codecs/output-state.js';
import { SnapshotMarkerEncoder } from '../protocol/codecs/snapshot-marker.js';
import { SnapshotRecordEncoder } from '../protocol/codecs/snapshot-record.js';
import { TimerEncoder } from '../protocol/codecs/timer.js';
import { MESSAGE_HEADER_LENGTH } from '../protocol/message-header.js';
import type { ContainerSession } from './container-session.js';
import { MessageSnapshot } from './message-snapshot.js';
import type { FrozenReplies } from './reply-cache.js';
import { ReplySnapshot } from './reply-snapshot.js';
import { serviceError } from './service-errors.js';
import type { FrozenMessages } from './service-messages.js';
import type { PendingTimer } from './service-timers.js';
import type { SnapshotRecords } from './snapshot-records.js';

/** `typeId` of a service's markers, as in Aeron. */
export const SERVICE_SNAPSHOT_TYPE = 2;
const HEAD_LENGTH_MAX = 16 * 1024;
const MILLIS = 0;
const TWO_POW_32 = 2 ** 32;

/** What a section is made of. */
export interface ServiceSnapshotParts {
  readonly serviceId: number;
  readonly logPosition: number;
  readonly leadershipTermId: number;
  readonly appVersion: number;
  readonly sessions: readonly ContainerSession[];
  /** Sessions of these whose end the service has asked for. */
  readonly closing: ReadonlySet<number>;
  readonly timers: readonly PendingTimer[];
  readonly replies: FrozenReplies;
  readonly messages: FrozenMessages;
  readonly records: SnapshotRecords;
  /** What the service had put out; undefined when that is not known. */
  readonly outputs: Hash64 | undefined;
}

/** Encodes a service's section. */
export class ServiceSnapshot implements SnapshotSection {
  readonly #parts: ServiceSnapshotParts;
  readonly #head = new Uint8Array(HEAD_LENGTH_MAX);
  readonly #view = new DataView(this.#head.buffer);
  readonly #marker = new SnapshotMarkerEncoder();
  readonly #session = new ClientSessionEncoder();
  readonly #close = new CloseSessionEncoder();
  readonly #timer = new TimerEncoder();
  readonly #replies: ReplySnapshot;
  readonly #messages: MessageSnapshot;
  readonly #record = new SnapshotRecordEncoder();
  readonly #outputs = new OutputStateEncoder();
  #sessionIndex = 0;
  #timerIndex = 0;
  #hasBegun = false;

  constructor(parts: ServiceSnapshotParts) {
    this.#parts = parts;
    this.#replies = new ReplySnapshot(parts.replies);
    this.#messages = new MessageSnapshot(parts.messages);
  }

  get oversizeLength(): number {
    return this.#parts.records.oversizeLength;
  }

  write(append: SnapshotWrite, lengthMax: number): boolean {
    let written = 0;
    const count: SnapshotWrite = (head, headLength, body, offset, length) => {
      append(head, headLength, body, offset, length);
      written += headLength + (length ?? 0);
    };
    while (written < lengthMax) {
      const hasMore = this.#writeNext(count);
      if (this.oversizeLength > 0) {
        return true;
      }
      if (!hasMore) {
        this.#writeOutputs(count);
        this.#writeMarker(count, SnapshotMark.End);
        return true;
      }
    }
    return false;
  }

  close(): void {
    this.#parts.records.close();
  }

  /** Writes one piece; false when there is none left. */
  #writeNext(append: SnapshotWrite): boolean {
    const { records, sessions, timers } = this.#parts;
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      this.#writeMarker(append, SnapshotMark.Begin);
      return true;
    }
    const session = sessions[this.#sessionIndex];
    if (session !== undefined) {
      this.#sessionIndex++;
      this.#writeSession(append, session);
      return true;
    }
    const timer = timers[this.#timerIndex];
    if (timer !== undefined) {
      this.#timerIndex++;
      this.#writeTimer(append, timer);
      return true;
    }
    if (this.#replies.writeNext(append) || this.#messages.writeNext(append)) {
      return true;
    }
    this.#record.wrapAndApplyHeader(this.#view, 0).serviceId(this.#parts.serviceId);
    const headLength = MESSAGE_HEADER_LENGTH + SnapshotRecordEncoder.BLOCK_LENGTH;
    try {
      return records.next((bytes, offset, length) => {
        append(this.#head, headLength, bytes, offset, length);
      });
    } catch (error) {
      // Encoders of frozen collections are the service's.
      throw error instanceof InvariantError ? error : serviceError(error, this.#parts.logPosition);
    }
  }

  #writeMarker(append: SnapshotWrite, mark: number): void {
    const length = this.#marker
      .wrapAndApplyHeader(this.#view, 0)
      .typeId(SERVICE_SNAPSHOT_TYPE)
      .logPosition(this.#parts.logPosition)
      .leadershipTermId(this.#parts.leadershipTermId)
      .index(this.#parts.serviceId)
      .mark(mark)
      .timeUnit(MILLIS)
      .appVersion(this.#parts.appVersion)
      .encodedLength();
    append(this.#head, MESSAGE_HEADER_LENGTH + length);
  }

  #writeOutputs(append: SnapshotWrite): void {
    const { outputs } = this.#parts;
    if (outputs !== undefined) {
      const length = this.#outputs
        .wrapAndApplyHeader(this.#view, 0)
        .hashLow(outputs.low)
        .hashHigh(outputs.high)
        .serviceId(this.#parts.serviceId)
        .encodedLength();
      append(this.#head, MESSAGE_HEADER_LENGTH + length);
    }
  }

  #writeSession(append: SnapshotWrite, session: ContainerSession): void {
    const length = this.#session
      .wrapAndApplyHeader(this.#view, 0)
      .clusterSessionId(session.id)
      .responseStreamId(session.responseStreamId)
      .putResponseChannel(session.responseChannel)
      .putEncodedPrincipal(session.principal)
      .encodedLength();
    append(this.#head, MESSAGE_HEADER_LENGTH + length);
    if (this.#parts.closing.has(session.id)) {
      const closeLength = this.#close
        .wrapAndApplyHeader(this.#view, 0)
        .clusterSessionId(session.id)
        .encodedLength();
      append(this.#head, MESSAGE_HEADER_LENGTH + closeLength);
    }
  }

  #writeTimer(append: SnapshotWrite, timer: PendingTimer): void {
    const { correlationId, deadlineMs } = timer;
    const length = this.#timer
      .wrapAndApplyHeader(this.#view, 0)
      .correlationIdLow(correlationId >>> 0)
      .correlationIdHigh(Math.floor(correlationId / TWO_POW_32) >>> 0)
      .deadline(deadlineMs)
      .encodedLength();
    append(this.#head, MESSAGE_HEADER_LENGTH + length);
  }
}
