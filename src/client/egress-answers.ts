// egress-answers.ts: replies to requests, answers to queries and to orders, as they come out of
// egress.

import { AdminResponseDecoder } from '../protocol/codecs/admin-response.js';
import { QueryAnswerDecoder } from '../protocol/codecs/query-answer.js';
import { QueryAnswersDecoder } from '../protocol/codecs/query-answers.js';
import { ReplyHeaderDecoder } from '../protocol/codecs/reply-header.js';
import { TemplateId } from '../protocol/codecs/template-ids.js';
import { MESSAGE_HEADER_LENGTH, messageBlockLength } from '../protocol/message-header.js';
import {
  countRecords,
  RECORD_HEADER_LENGTH,
  recordBodyLength,
  recordCode,
  recordLength,
  recordQueryId,
} from '../protocol/query-records.js';

const TWO_POW_32 = 2 ** 32;

/** What precedes the body of a reply. */
export interface ClientReply {
  readonly requestId: number;
  /** See ReplyCode. */
  readonly code: number;
  /** Log time of the request, milliseconds. */
  readonly timestamp: number;
  /** Log position after the request. */
  readonly logPosition: number;
}

/** What precedes the body of the answer to a query. */
export interface ClientAnswer {
  readonly queryId: number;
  /** See QueryCode. */
  readonly code: number;
  /** Log position of the state that was read. */
  readonly logPosition: number;
}

/** The answer to an order. */
export interface AdminResponse {
  readonly correlationId: number;
  /** Of AdminResponseCode: Ok, Error or UnauthorisedAccess. */
  readonly code: number;
  /** Why not, for people. */
  readonly message: string;
}

/** Takes them; the bytes are valid during the call. */
export interface AnswerHandlers {
  /** The reply to an exactly-once request. It may come more than once. */
  onReply?(reply: ClientReply, view: DataView, offset: number, length: number): void;
  /** The answer to a query. It may come more than once; `answer` is valid during the call. */
  onQueryAnswer?(answer: ClientAnswer, view: DataView, offset: number, length: number): void;
  /** What became of an order; see `orderSnapshot`. */
  onAdminResponse?(response: AdminResponse): void;
}

/**
 * Decodes them. A deposed leader's are as good as any: only what is committed is executed, and only
 * who led when a query had arrived answers it.
 */
export class EgressAnswers {
  readonly #handlers: AnswerHandlers;
  readonly #reply = new ReplyHeaderDecoder();
  readonly #answer = new QueryAnswerDecoder();
  readonly #queryAnswers = new QueryAnswersDecoder();
  readonly #adminResponse = new AdminResponseDecoder();
  readonly #current = { queryId: 0, code: 0, logPosition: 0 };

  constructor(handlers: AnswerHandlers) {
    this.#handlers = handlers;
  }

  /** One whole message that may be an answer to the session. */
  onMessage(
    templateId: number,
    view: DataView,
    offset: number,
    length: number,
    clusterSessionId: number,
  ): void {
    switch (templateId) {
      case TemplateId.ReplyHeader:
        this.#onReply(view, offset, length, clusterSessionId);
        break;
      case TemplateId.QueryAnswer:
        this.#onQueryAnswer(view, offset, length, clusterSessionId);
        break;
      case TemplateId.QueryAnswers:
        this.#onQueryAnswers(view, offset, length, clusterSessionId);
        break;
      case TemplateId.AdminResponse:
        this.#onAdminResponse(view, offset, length, clusterSessionId);
        break;
      default:
        break;
    }
  }

  #onAdminResponse(view: DataView, offset: number, length: number, clusterSessionId: number): void {
    if (!AdminResponseDecoder.isValid(view, offset, length)) {
      return;
    }
    const response = this.#adminResponse.wrapAndApplyHeader(view, offset);
    if (response.clusterSessionId() === clusterSessionId) {
      const correlationId = response.correlationIdHigh() * TWO_POW_32 + response.correlationIdLow();
      const [code, message] = [response.responseCode(), response.message()];
      this.#handlers.onAdminResponse?.({ correlationId, code, message });
    }
  }

  #onReply(view: DataView, offset: number, length: number, clusterSessionId: number): void {
    if (!ReplyHeaderDecoder.isValid(view, offset, length)) {
      return;
    }
    const header = this.#reply.wrapAndApplyHeader(view, offset);
    if (header.clusterSessionId() === clusterSessionId) {
      const headLength = MESSAGE_HEADER_LENGTH + messageBlockLength(view, offset);
      const reply = {
        requestId: header.requestId(),
        code: header.code(),
        timestamp: header.timestamp(),
        logPosition: header.logPosition(),
      };
      this.#handlers.onReply?.(reply, view, offset + headLength, length - headLength);
    }
  }

  #onQueryAnswer(view: DataView, offset: number, length: number, clusterSessionId: number): void {
    if (!QueryAnswerDecoder.isValid(view, offset, length)) {
      return;
    }
    const header = this.#answer.wrapAndApplyHeader(view, offset);
    if (header.clusterSessionId() === clusterSessionId) {
      const headLength = MESSAGE_HEADER_LENGTH + messageBlockLength(view, offset);
      const answer = this.#current;
      answer.queryId = header.queryId();
      answer.code = header.code();
      answer.logPosition = header.logPosition();
      this.#handlers.onQueryAnswer?.(answer, view, offset + headLength, length - headLength);
    }
  }

  /** Answers in one message: each is told, or none where the bytes are no answers. */
  #onQueryAnswers(view: DataView, offset: number, length: number, clusterSessionId: number): void {
    if (!QueryAnswersDecoder.isValid(view, offset, length)) {
      return;
    }
    const header = this.#queryAnswers.wrapAndApplyHeader(view, offset);
    if (header.clusterSessionId() !== clusterSessionId) {
      return;
    }
    const logPosition = header.logPosition();
    const headLength = MESSAGE_HEADER_LENGTH + messageBlockLength(view, offset);
    let at = offset + headLength;
    let count = countRecords(view, at, length - headLength);
    const answer = this.#current;
    for (; count > 0; count--) {
      const bodyLength = recordBodyLength(view, at);
      answer.queryId = recordQueryId(view, at);
      answer.code = recordCode(view, at);
      answer.logPosition = logPosition;
      this.#handlers.onQueryAnswer?.(answer, view, at + RECORD_HEADER_LENGTH, bodyLength);
      at += recordLength(bodyLength);
    }
  }
}
