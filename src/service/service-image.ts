// service-image.ts: reads a service's section of a snapshot back into a container.

import type { Hash64 } from '../cluster/output-history.js';
import { ErrorCode, PawlError } from '../errors.js';
import { ClientSessionDecoder } from '../protocol/codecs/client-session.js';
import { CloseSessionDecoder } from '../protocol/codecs/close-session.js';
import { OutputStateDecoder } from '../protocol/codecs/output-state.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import { TimerDecoder } from '../protocol/codecs/timer.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
} from '../protocol/message-header.js';
import type { OpenedSession } from './container-session.js';
import { MessageImage } from './message-snapshot.js';
import type { ReplyCache } from './reply-cache.js';
import { ReplyImage } from './reply-snapshot.js';
import type { ServiceMessages } from './service-messages.js';
import type { SnapshotImage, SnapshotRecordHandler } from './snapshot-publication.js';

const TWO_POW_32 = 2 ** 32;

/** What a container does with what a snapshot holds. */
export interface ImageTarget {
  onSession(session: OpenedSession): void;
  onClosing(id: number): void;
  onTimer(correlationId: number, deadlineMs: number): void;
  /** What the service had put out. Comes last. */
  onOutputs(hash: Hash64): void;
  /** Empty; takes the retained replies. */
  readonly replies: ReplyCache;
  /** Empty; takes what was on its way into the log. */
  readonly messages: ServiceMessages;
}

/** The snapshot that a container loads. */
export class ServiceImage implements SnapshotImage {
  readonly logPosition: number;
  readonly timestamp: number;
  readonly version: number;
  readonly #target: ImageTarget;
  readonly #session = new ClientSessionDecoder();
  readonly #close = new CloseSessionDecoder();
  readonly #timer = new TimerDecoder();
  readonly #outputs = new OutputStateDecoder();
  readonly #replies: ReplyImage;
  readonly #messages: MessageImage;
  #handler: SnapshotRecordHandler | undefined;

  constructor(logPosition: number, timestamp: number, version: number, target: ImageTarget) {
    this.logPosition = logPosition;
    this.timestamp = timestamp;
    this.version = version;
    this.#target = target;
    this.#replies = new ReplyImage(target.replies);
    this.#messages = new MessageImage(target.messages);
  }

  /** Whether the service has said who gets the records. */
  get isRead(): boolean {
    return this.#handler !== undefined;
  }

  read(handler: SnapshotRecordHandler): void {
    this.#handler = handler;
  }

  /** Takes one message of the section. */
  onMessage(view: DataView, offset: number, length: number): void {
    const templateId = messageTemplateId(view, offset, length);
    switch (templateId) {
      case TemplateId.ClientSession: {
        const session = this.#session.wrapAndApplyHeader(view, offset);
        this.#target.onSession({
          id: session.clusterSessionId(),
          responseStreamId: session.responseStreamId(),
          responseChannel: session.responseChannel(),
          principal: session.encodedPrincipal(),
        });
        break;
      }
      case TemplateId.CloseSession:
        this.#target.onClosing(this.#close.wrapAndApplyHeader(view, offset).clusterSessionId());
        break;
      case TemplateId.Timer: {
        const timer = this.#timer.wrapAndApplyHeader(view, offset);
        const high = (timer.correlationIdHigh() | 0) * TWO_POW_32;
        this.#target.onTimer(high + timer.correlationIdLow(), timer.deadline());
        break;
      }
      case TemplateId.OutputState: {
        const outputs = this.#outputs.wrapAndApplyHeader(view, offset);
        this.#target.onOutputs({ low: outputs.hashLow(), high: outputs.hashHigh() });
        break;
      }
      case TemplateId.SnapshotRecord:
        this.#onRecord(view, offset, length);
        break;
      default:
        // Retained replies, messages on their way, and markers, which the loader has understood.
        this.#replies.onMessage(templateId, view, offset, length);
        this.#messages.onMessage(templateId, view, offset, length);
        break;
    }
  }

  #onRecord(view: DataView, offset: number, length: number): void {
    const headLength = MESSAGE_HEADER_LENGTH + messageBlockLength(view, offset);
    if (this.#handler === undefined) {
      throw new PawlError(
        ErrorCode.ServiceInvalid,
        `the service was given a snapshot of position ${this.logPosition} and did not read it: ` +
          'call snapshot.read(handler) in onStart',
      );
    }
    this.#handler(view, offset + headLength, length - headLength);
  }
}
