// catalog-header.ts: template 20 of schema 101.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// Head of the catalog file.
//
//     0  version: int32
//     4  length: int32
//     8  nextRecordingId: int64
//    16  alignment: int32
//    31  reserved: int8
//    32  length of the block

import { clearBytes, EMPTY_VIEW, readInt64, writeInt64 } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  writeMessageHeader,
} from '../message-header.js';

/** Writes CatalogHeader. */
export class CatalogHeaderEncoder {
  static readonly TEMPLATE_ID = 20;
  static readonly SCHEMA_ID = 101;
  static readonly SCHEMA_VERSION = 14;
  static readonly BLOCK_LENGTH = 32;
  /** Header and block. */
  static readonly LENGTH_MIN = 40;
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
    writeMessageHeader(view, offset, 32, 20, 101, 14);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 32);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  version(value: number): this {
    this.view.setInt32(this.offset, value, true);
    return this;
  }

  length(value: number): this {
    this.view.setInt32(this.offset + 4, value, true);
    return this;
  }

  nextRecordingId(value: number): this {
    writeInt64(this.view, this.offset + 8, value);
    return this;
  }

  alignment(value: number): this {
    this.view.setInt32(this.offset + 16, value, true);
    return this;
  }

  reserved(value: number): this {
    this.view.setInt8(this.offset + 31, value);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 32;
  }
}

/** Reads CatalogHeader. */
export class CatalogHeaderDecoder {
  static readonly TEMPLATE_ID = 20;
  static readonly SCHEMA_ID = 101;
  static readonly SCHEMA_VERSION = 14;
  static readonly BLOCK_LENGTH = 32;
  /** Header and block. */
  static readonly LENGTH_MIN = 40;
  private view = EMPTY_VIEW;
  private offset = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 101);
    if (templateId !== 20) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return CatalogHeaderDecoder.isBodyValid(view, start, rest, blockLength);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 32,
  ): boolean {
    if (actingBlockLength < 32) {
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

  version(): number {
    return this.view.getInt32(this.offset, true);
  }

  length(): number {
    return this.view.getInt32(this.offset + 4, true);
  }

  nextRecordingId(): number {
    return readInt64(this.view, this.offset + 8);
  }

  alignment(): number {
    return this.view.getInt32(this.offset + 16, true);
  }

  reserved(): number {
    return this.view.getInt8(this.offset + 31);
  }
}
