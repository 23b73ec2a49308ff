// message-snapshot.ts: messages of services as a snapshot holds them.
//
//   ServiceMessageMark, one for each service that has sent any, by id
//   | PendingServiceMessage with its bytes behind it, each, in order

import type { SnapshotWrite } from '../cluster/service-host.js';
import {
  PendingServiceMessageDecoder,
  PendingServiceMessageEncoder,
} from '../protocol/codecs/pending-service-message.js';
import {
  ServiceMessageMarkDecoder,
  ServiceMessageMarkEncoder,
} from '../protocol/codecs/service-message-mark.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import { MESSAGE_HEADER_LENGTH, messageBlockLength } from '../protocol/message-header.js';
import type { FrozenMessages, ServiceMessages } from './service-messages.js';

const HEAD_LENGTH = 64;

/** Writes frozen messages, a piece at a time. */
export class MessageSnapshot {
  readonly #frozen: FrozenMessages;
  readonly #head = new Uint8Array(HEAD_LENGTH);
  readonly #view = new DataView(this.#head.buffer);
  readonly #mark = new ServiceMessageMarkEncoder();
  readonly #pending = new PendingServiceMessageEncoder();
  #markIndex = 0;
  #pendingIndex = 0;

  constructor(frozen: FrozenMessages) {
    this.#frozen = frozen;
  }

  /** Writes one piece; false when there is none left. */
  writeNext(append: SnapshotWrite): boolean {
    const mark = this.#frozen.logged[this.#markIndex];
    if (mark !== undefined) {
      this.#markIndex++;
      const encoder = this.#mark.wrapAndApplyHeader(this.#view, 0);
      encoder.serviceId(mark.serviceId).sequence(mark.sequence);
      append(this.#head, MESSAGE_HEADER_LENGTH + encoder.encodedLength());
      return true;
    }
    const message = this.#frozen.pending[this.#pendingIndex];
    if (message === undefined) {
      return false;
    }
    this.#pendingIndex++;
    const { bytes, ordinal, originPosition, sequence } = message;
    const encoder = this.#pending.wrapAndApplyHeader(this.#view, 0);
    encoder.originPosition(originPosition).sequence(sequence).ordinal(ordinal);
    const headLength = MESSAGE_HEADER_LENGTH + encoder.encodedLength();
    append(this.#head, headLength, bytes, 0, bytes.length);
    return true;
  }
}

/** Loads the messages of a snapshot that hold messages of services. */
export class MessageImage {
  readonly #messages: ServiceMessages;
  readonly #mark = new ServiceMessageMarkDecoder();
  readonly #pending = new PendingServiceMessageDecoder();

  constructor(messages: ServiceMessages) {
    this.#messages = messages;
  }

  onMessage(templateId: number, view: DataView, offset: number, length: number): void {
    if (templateId === TemplateId.ServiceMessageMark) {
      const mark = this.#mark.wrapAndApplyHeader(view, offset);
      this.#messages.restoreLogged({ serviceId: mark.serviceId(), sequence: mark.sequence() });
    } else if (templateId === TemplateId.PendingServiceMessage) {
      const message = this.#pending.wrapAndApplyHeader(view, offset);
      const start = MESSAGE_HEADER_LENGTH + messageBlockLength(view, offset);
      const at = view.byteOffset + offset + start;
      this.#messages.restorePending({
        sequence: message.sequence(),
        originPosition: message.originPosition(),
        ordinal: message.ordinal(),
        bytes: new Uint8Array(view.buffer, at, length - start).slice(),
      });
    }
  }
}
