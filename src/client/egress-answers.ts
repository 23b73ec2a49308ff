// egress-answers.ts: replies to requests and answers to queries, as they come out of egress.

import { QueryAnswerDecoder } from '../protocol/codecs/query-answer.js';
import { ReplyHeaderDecoder } from '../protocol/codecs/reply-header.js';
import { MESSAGE_HEADER_LENGTH, messageBlockLength } from '../protocol/message-header.js';

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

/** Takes them; the bytes are valid during the call. */
export interface AnswerHandlers {
  /** The reply to an exactly-once request. It may come more than once. */
  onReply?(reply: ClientReply, view: DataView, offset: number, length: number): void;
  /** The answer to a query. It may come more than once; `answer` is valid during the call. */
  onQueryAnswer?(answer: ClientAnswer, view: DataView, offset: number, length: number): void;
}

/**
 * Decodes them. A deposed leader's are as good as any: only what is committed is executed, and only
 * who led when a query had arrived answers it.
 */
export class EgressAnswers {
  readonly #handlers: AnswerHandlers;
  readonly #reply = new ReplyHeaderDecoder();
  readonly #answer = new QueryAnswerDecoder();
  readonly #current = { queryId: 0, code: 0, logPosition: 0 };

  constructor(handlers: AnswerHandlers) {
    this.#handlers = handlers;
  }

  onReply(view: DataView, offset: number, length: number, clusterSessionId: number): void {
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

  onQueryAnswer(view: DataView, offset: number, length: number, clusterSessionId: number): void {
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
}
