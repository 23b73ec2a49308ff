// reply-snapshot.ts: the retained replies as a snapshot holds them.
//
//   RequestClients | RequestClient, and RetainedReply with its bytes behind it, each
//
// Clients stand in the order of their last request, replies in the order of execution: what is
// restored drops in the same order as what was frozen.

import { PRINCIPAL_LENGTH_MAX } from '../cluster/authenticator.js';
import type { SnapshotWrite } from '../cluster/service-host.js';
import { RequestClientDecoder, RequestClientEncoder } from '../protocol/codecs/request-client.js';
import {
  RequestClientsDecoder,
  RequestClientsEncoder,
} from '../protocol/codecs/request-clients.js';
import { RetainedReplyDecoder, RetainedReplyEncoder } from '../protocol/codecs/retained-reply.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import { MESSAGE_HEADER_LENGTH, messageBlockLength } from '../protocol/message-header.js';
import type { FrozenReplies, Reply, ReplyCache, ReplyCode } from './reply-cache.js';

const HEAD_LENGTH = 64 + PRINCIPAL_LENGTH_MAX;

/** Writes frozen replies, a piece at a time. */
export class ReplySnapshot {
  readonly #frozen: FrozenReplies;
  readonly #head = new Uint8Array(HEAD_LENGTH);
  readonly #view = new DataView(this.#head.buffer);
  readonly #clients = new RequestClientsEncoder();
  readonly #client = new RequestClientEncoder();
  readonly #reply = new RetainedReplyEncoder();
  #hasBegun = false;
  #clientIndex = 0;
  // -1: the client itself is next.
  #replyIndex = -1;

  constructor(frozen: FrozenReplies) {
    this.#frozen = frozen;
  }

  /** Writes one piece; false when there is none left. */
  writeNext(append: SnapshotWrite): boolean {
    const { clients, forgottenThrough } = this.#frozen;
    if (!this.#hasBegun) {
      this.#hasBegun = true;
      const encoder = this.#clients.wrapAndApplyHeader(this.#view, 0);
      append(this.#head, headLength(encoder.forgottenThrough(forgottenThrough).encodedLength()));
      return true;
    }
    const client = clients[this.#clientIndex];
    if (client === undefined) {
      return false;
    }
    if (this.#replyIndex < 0) {
      const encoder = this.#client.wrapAndApplyHeader(this.#view, 0);
      encoder.clientId(client.clientId).floor(client.floor).lastUsed(client.lastUsedMs);
      encoder.putPrincipal(client.principal);
      append(this.#head, headLength(encoder.encodedLength()));
    } else {
      this.#writeReply(append, client.replies[this.#replyIndex] as Reply);
    }
    this.#replyIndex++;
    if (this.#replyIndex === client.replies.length) {
      this.#clientIndex++;
      this.#replyIndex = -1;
    }
    return true;
  }

  #writeReply(append: SnapshotWrite, reply: Reply): void {
    const length = this.#reply
      .wrapAndApplyHeader(this.#view, 0)
      .requestId(reply.requestId)
      .logPosition(reply.logPosition)
      .timestamp(reply.timestamp)
      .code(reply.code)
      .encodedLength();
    append(this.#head, headLength(length), reply.bytes, 0, reply.bytes.length);
  }
}

function headLength(blockLength: number): number {
  return MESSAGE_HEADER_LENGTH + blockLength;
}

/** Loads the messages of a snapshot that hold replies. */
export class ReplyImage {
  readonly #cache: ReplyCache;
  readonly #clients = new RequestClientsDecoder();
  readonly #client = new RequestClientDecoder();
  readonly #reply = new RetainedReplyDecoder();
  #clientId = -1;

  constructor(cache: ReplyCache) {
    this.#cache = cache;
  }

  onMessage(templateId: number, view: DataView, offset: number, length: number): void {
    if (templateId === TemplateId.RequestClients) {
      const clients = this.#clients.wrapAndApplyHeader(view, offset);
      this.#cache.restoreForgotten(clients.forgottenThrough());
    } else if (templateId === TemplateId.RequestClient) {
      const client = this.#client.wrapAndApplyHeader(view, offset);
      // Snapshots of format 1 were written where nobody was asked who he is.
      const hasPrincipal = RequestClientDecoder.isValid(view, offset, length);
      this.#clientId = client.clientId();
      this.#cache.restoreClient({
        clientId: this.#clientId,
        floor: client.floor(),
        principal: hasPrincipal ? client.principal() : new Uint8Array(0),
        lastUsedMs: client.lastUsed(),
      });
    } else if (templateId === TemplateId.RetainedReply) {
      this.#onReply(view, offset, length);
    }
  }

  #onReply(view: DataView, offset: number, length: number): void {
    const reply = this.#reply.wrapAndApplyHeader(view, offset);
    const start = MESSAGE_HEADER_LENGTH + messageBlockLength(view, offset);
    const at = view.byteOffset + offset + start;
    this.#cache.restoreReply(this.#clientId, {
      requestId: reply.requestId(),
      logPosition: reply.logPosition(),
      timestamp: reply.timestamp(),
      code: reply.code() as ReplyCode,
      bytes: new Uint8Array(view.buffer, at, length - start).slice(),
    });
  }
}
