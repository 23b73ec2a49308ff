// query-answers.ts: template 1025 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// Precedes the records of answers that hold at one position.
//
//     0  leadershipTermId: int64
//     8  clusterSessionId: int64
//    16  logPosition: int64
//    24  length of the block

import { clearBytes, EMPTY_VIEW, readInt64, writeInt64 } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  writeMessageHeader,
} from '../message-header.js';

/** Writes QueryAnswers. */
export class QueryAnswersEncoder {
  static readonly TEMPLATE_ID = 1025;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 24;
  /** Header and block. */
  static readonly LENGTH_MIN = 32;
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
    writeMessageHeader(view, offset, 24, 1025, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 24);
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

  logPosition(value: number): this {
    writeInt64(this.view, this.offset + 16, value);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 24;
  }
}

/** Reads QueryAnswers. */
export class QueryAnswersDecoder {
  static readonly TEMPLATE_ID = 1025;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 24;
  /** Header and block. */
  static readonly LENGTH_MIN = 32;
  private view = EMPTY_VIEW;
  private offset = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 1025) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return QueryAnswersDecoder.isBodyValid(view, start, rest, blockLength);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 24,
  ): boolean {
    if (actingBlockLength < 24) {
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

  logPosition(): number {
    return readInt64(this.view, this.offset + 16);
  }
}
