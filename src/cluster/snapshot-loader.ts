// snapshot-loader.ts: brings a member to the state of the snapshot that it starts from.
//
// One chunk a duty cycle, so that a member that loads much state is heard by the others meanwhile.
// Nothing of the log is applied before it is done.

import type { SnapshotReader } from '../archive/snapshot-reader.js';
import { ErrorCode, PawlError } from '../errors.js';
import { ClientSessionDecoder } from '../protocol/codecs/client-session.js';
import { ClusterSessionDecoder } from '../protocol/codecs/cluster-session.js';
import { SnapshotMark } from '../protocol/codecs/enumerations.js';
import { SnapshotMarkerDecoder } from '../protocol/codecs/snapshot-marker.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import { messageTemplateId } from '../protocol/message-header.js';
import type { ClusterSession } from './cluster-session.js';
import { CLUSTER_SNAPSHOT_TYPE } from './cluster-snapshot.js';
import { MessageAssembler } from './message-assembler.js';
import type { ServiceHost } from './service-host.js';

/** Longest message of a snapshot: the longest record with its head. */
export const SNAPSHOT_MESSAGE_LENGTH_MAX = 16 * 1024 * 1024 + 64;

export interface SnapshotLoaderParts {
  readonly reader: SnapshotReader;
  readonly service: ServiceHost;
  /** A session that was open. */
  onSession(session: ClusterSession): void;
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
  readonly #session = new ClusterSessionDecoder();
  readonly #client = new ClientSessionDecoder();
  #isServiceSection = false;
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
    const { onFatal, reader, service } = this.#parts;
    if (this.#isDone || !service.canLoad) {
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
      if (this.#endCount < 2) {
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
      this.#isServiceSection = marker.typeId() !== CLUSTER_SNAPSHOT_TYPE;
      this.#endCount += marker.mark() === SnapshotMark.End ? 1 : 0;
    }
    if (this.#isServiceSection) {
      this.#parts.service.loadSnapshot(view, offset, length);
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
