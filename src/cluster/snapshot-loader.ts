// snapshot-loader.ts: brings a member to the state of the snapshot that it starts from.
//
// One chunk a duty cycle, so that a member that loads much state is heard by the others meanwhile.
// Nothing of the log is applied before it is done.

import type { SnapshotReader } from '../archive/snapshot-reader.js';
import { ErrorCode, PawlError } from '../errors.js';
import { ClientSessionDecoder } from '../protocol/codecs/client-session.js';
import { ClusterActionRequestDecoder } from '../protocol/codecs/cluster-action-request.js';
import { ClusterSessionDecoder } from '../protocol/codecs/cluster-session.js';
import { ClusterAction, SnapshotMark } from '../protocol/codecs/enumerations.js';
import { SnapshotMarkerDecoder } from '../protocol/codecs/snapshot-marker.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import { messageTemplateId } from '../protocol/message-header.js';
import type { ClusterSession } from './cluster-session.js';
import { CLUSTER_SNAPSHOT_TYPE } from './cluster-snapshot.js';
import { MessageAssembler } from './message-assembler.js';

/** Longest message of a snapshot: the longest record with its head. */
export const SNAPSHOT_MESSAGE_LENGTH_MAX = 16 * 1024 * 1024 + 64;

/** What takes the services' sections. */
export interface LoadedServices {
  readonly hosts: { readonly length: number };
  readonly canLoad: boolean;
  loadSnapshot(serviceId: number, view: DataView, offset: number, length: number): void;
}

export interface SnapshotLoaderParts {
  readonly reader: SnapshotReader;
  readonly services: LoadedServices;
  /** A session that was open. */
  onSession(session: ClusterSession): void;
  /** The cluster was suspended. */
  onSuspended(): void;
  onFatal(error: PawlError): void;
}

/** Loads one snapshot. */
export class SnapshotLoader {
  readonly #parts: SnapshotLoaderParts;
  readonly #assembler = new MessageAssembler(
    (view, offset, length) => this.#onMessage(view, offset, length),
    SNAPSHOT_MESSAGE_LENGTH_MAX,
  );
  readonly #marker = new SnapshotMarkerDecoder();
  readonly #action = new ClusterActionRequestDecoder();
  readonly #session = new ClusterSessionDecoder();
  readonly #client = new ClientSessionDecoder();
  // Whose section it is; undefined in the cluster's own.
  #serviceId: number | undefined;
  #endCount = 0;
  #opened: ClusterSession | undefined;
  #isDone = false;

  constructor(parts: SnapshotLoaderParts) {
    this.#parts = parts;
  }

  /** The member has the state of the snapshot. */
  get isDone(): boolean {
    return this.#isDone;
  }

  doWork(): number {
    const { onFatal, reader, services } = this.#parts;
    if (this.#isDone || !services.canLoad) {
      return 0;
    }
    const work = reader.poll((view, offset, length, flags) =>
      this.#assembler.onFragment(view, offset, length, flags, 0),
    );
    if (reader.failure !== undefined) {
      // It was whole when the member started: the disk changes what it holds.
      onFatal(damaged(reader.failure));
    } else if (reader.isDone) {
      this.#isDone = true;
      reader.close();
      if (this.#endCount < 1 + this.#parts.services.hosts.length) {
        onFatal(damaged('it ends before its sections do'));
      }
    }
    return work;
  }

  close(): void {
    this.#parts.reader.close();
  }

  #onMessage(view: DataView, offset: number, length: number): void {
    const templateId = messageTemplateId(view, offset, length);
    if (templateId === TemplateId.SnapshotMarker) {
      const marker = this.#marker.wrapAndApplyHeader(view, offset);
      this.#serviceId = marker.typeId() === CLUSTER_SNAPSHOT_TYPE ? undefined : marker.index();
      this.#endCount += marker.mark() === SnapshotMark.End ? 1 : 0;
    }
    if (this.#serviceId !== undefined) {
      this.#parts.services.loadSnapshot(this.#serviceId, view, offset, length);
    } else {
      this.#onClusterMessage(templateId, view, offset);
    }
  }

  #onClusterMessage(templateId: number, view: DataView, offset: number): void {
    if (templateId === TemplateId.ClusterSession) {
      const session = this.#session.wrapAndApplyHeader(view, offset);
      this.#opened = {
        id: session.clusterSessionId(),
        openedPosition: session.openedLogPosition(),
        correlationIdHigh: session.correlationIdHigh(),
        correlationIdLow: session.correlationIdLow(),
        responseStreamId: session.responseStreamId(),
        responseChannel: session.responseChannel(),
        encodedPrincipal: new Uint8Array(0),
      };
    } else if (templateId === TemplateId.ClientSession && this.#opened !== undefined) {
      const encodedPrincipal = this.#client.wrapAndApplyHeader(view, offset).encodedPrincipal();
      this.#parts.onSession({ ...this.#opened, encodedPrincipal });
      this.#opened = undefined;
    } else if (templateId === TemplateId.ClusterActionRequest) {
      // The first one is the snapshot's own event.
      if (this.#action.wrapAndApplyHeader(view, offset).action() === ClusterAction.Suspend) {
        this.#parts.onSuspended();
      }
    }
  }
}

function damaged(reason: string): PawlError {
  return new PawlError(
    ErrorCode.SnapshotInvalid,
    `the snapshot cannot be loaded: ${reason}. Start the member again: it takes an older one and ` +
      'replays more of the log; if this happens again, replace the disk',
    'corruption',
  );
}
