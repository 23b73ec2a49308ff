// request-client.ts: template 1013 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A client that makes requests, in a snapshot.
//
//     0  clientId: int64
//     8  floor: int64
//    16  lastUsed: int64
//   var  principal: length u32, bytes
//    24  length of the block

import { assert } from '../../assert.js';
import {
  clearBytes,
  EMPTY_VIEW,
  readBytes,
  readInt64,
  skipVarData,
  varDataOffset,
  writeInt64,
  writeVarData,
} from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  writeMessageHeader,
} from '../message-header.js';

/** Writes RequestClient. */
export class RequestClientEncoder {
  static readonly TEMPLATE_ID = 1013;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 24;
  /** Header and block. */
  static readonly LENGTH_MIN = 32;
  private view = EMPTY_VIEW;
  private offset = 0;
  private end = 0;
  private step = 0;

  /** Writes at a block that starts at `offset`; bytes not set keep their value. */
  wrap(view: DataView, offset: number): this {
    this.view = view;
    this.offset = offset;
    this.end = offset + 24;
    this.step = 0;
    return this;
  }

  /** Writes the header at `offset` and sets the block behind it to zero. */
  wrapAndApplyHeader(view: DataView, offset: number): this {
    writeMessageHeader(view, offset, 24, 1013, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 24);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  clientId(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  floor(value: number): this {
    writeInt64(this.view, this.offset + 8, value);
    return this;
  }

  lastUsed(value: number): this {
    writeInt64(this.view, this.offset + 16, value);
    return this;
  }

  /** Appends bytes. Variable data is put in the order of the table. */
  putPrincipal(value: Uint8Array | string): this {
    assert(this.step === 0, 'principal is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    return this;
  }

  /** Length of the message without its header. All variable data must have been put. */
  encodedLength(): number {
    assert(this.step === 1, 'every variable part has been put');
    return this.end - this.offset;
  }
}

/** Reads RequestClient. */
export class RequestClientDecoder {
  static readonly TEMPLATE_ID = 1013;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 24;
  /** Header and block. */
  static readonly LENGTH_MIN = 32;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingBlockLength = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 1013) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return RequestClientDecoder.isBodyValid(view, start, rest, blockLength);
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
    let cursor = offset + actingBlockLength;
    if (offset < 0 || cursor > end || end > view.byteLength) {
      return false;
    }
    cursor = skipVarData(view, cursor, end, 1);
    return cursor >= 0;
  }

  /** Reads a block that starts at `offset`. */
  wrap(view: DataView, offset: number, actingBlockLength = 24): this {
    this.view = view;
    this.offset = offset;
    this.actingBlockLength = actingBlockLength;
    return this;
  }

  /** Reads the message whose header is at `offset`. Check `isValid` first. */
  wrapAndApplyHeader(view: DataView, offset: number): this {
    const blockLength = messageBlockLength(view, offset);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH, blockLength);
  }

  clientId(): number {
    return readInt64(this.view, this.offset);
  }

  floor(): number {
    return readInt64(this.view, this.offset + 8);
  }

  lastUsed(): number {
    return readInt64(this.view, this.offset + 16);
  }

  /** Offset in the view of the first byte of principal. */
  principalOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 0);
  }

  /** Length of principal in bytes. */
  principalLength(): number {
    return this.view.getUint32(this.principalOffset() - 4, true);
  }

  principal(): Uint8Array {
    return readBytes(this.view, this.principalOffset(), this.principalLength());
  }
}
