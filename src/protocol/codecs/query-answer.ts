// query-answer.ts: template 1023 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// Precedes the payload of the answer to a query.
//
//     0  leadershipTermId: int64
//     8  clusterSessionId: int64
//    16  queryId: int64
//    24  logPosition: int64
//    32  code: QueryCode
//    40  length of the block

import { clearBytes, EMPTY_VIEW, readInt64, writeInt64 } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  writeMessageHeader,
} from '../message-header.js';

/** Writes QueryAnswer. */
export class QueryAnswerEncoder {
  static readonly TEMPLATE_ID = 1023;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 40;
  /** Header and block. */
  static readonly LENGTH_MIN = 48;
  private view = EMPTY_VIEW;
  private offset = 0;

  /** Writes at a block that starts at `offset`; bytes not set keep their value. */
  wrap(view: DataView, offset: number): this {
    this.view = view;
    this.offset = offset;
    return this;
  }

  /** Writes the header at `offset` and sets the block behind it to zero. */
  wrapAndApplyHeader(view: DataView, offset: number): this {
    writeMessageHeader(view, offset, 40, 1023, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 40);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  leadershipTermId(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  clusterSessionId(value: number): this {
    writeInt64(this.view, this.offset + 8, value);
    return this;
  }

  queryId(value: number): this {
    writeInt64(this.view, this.offset + 16, value);
    return this;
  }

  logPosition(value: number): this {
    writeInt64(this.view, this.offset + 24, value);
    return this;
  }

  code(value: number): this {
    this.view.setInt32(this.offset + 32, value, true);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 40;
  }
}

/** Reads QueryAnswer. */
export class QueryAnswerDecoder {
  static readonly TEMPLATE_ID = 1023;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 40;
  /** Header and block. */
  static readonly LENGTH_MIN = 48;
  private view = EMPTY_VIEW;
  private offset = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 1023) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return QueryAnswerDecoder.isBodyValid(view, start, rest, blockLength);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 40,
  ): boolean {
    if (actingBlockLength < 36) {
      return false;
    }
    const end = offset + length;
    const cursor = offset + actingBlockLength;
    if (offset < 0 || cursor > end || end > view.byteLength) {
      return false;
    }
    return true;
  }

  /** Reads a block that starts at `offset`. */
  wrap(view: DataView, offset: number): this {
    this.view = view;
    this.offset = offset;
    return this;
  }

  /** Reads the message whose header is at `offset`. Check `isValid` first. */
  wrapAndApplyHeader(view: DataView, offset: number): this {
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  leadershipTermId(): number {
    return readInt64(this.view, this.offset);
  }

  clusterSessionId(): number {
    return readInt64(this.view, this.offset + 8);
  }

  queryId(): number {
    return readInt64(this.view, this.offset + 16);
  }

  logPosition(): number {
    return readInt64(this.view, this.offset + 24);
  }

  code(): number {
    return this.view.getInt32(this.offset + 32, true);
  }
}
