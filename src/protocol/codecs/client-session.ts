// client-session.ts: template 102 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A session, in the snapshot of a service container.
//
//     0  clusterSessionId: int64
//     8  responseStreamId: int32
//   var  responseChannel: length u32, ascii
//   var  encodedPrincipal: length u32, bytes
//    12  length of the block

import { assert } from '../../assert.js';
import {
  clearBytes,
  EMPTY_VIEW,
  readAscii,
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

/** Writes ClientSession. */
export class ClientSessionEncoder {
  static readonly TEMPLATE_ID = 102;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 12;
  /** Header and block. */
  static readonly LENGTH_MIN = 20;
  private view = EMPTY_VIEW;
  private offset = 0;
  private end = 0;
  private step = 0;

  /** Writes at a block that starts at `offset`; bytes not set keep their value. */
  wrap(view: DataView, offset: number): this {
    this.view = view;
    this.offset = offset;
    this.end = offset + 12;
    this.step = 0;
    return this;
  }

  /** Writes the header at `offset` and sets the block behind it to zero. */
  wrapAndApplyHeader(view: DataView, offset: number): this {
    writeMessageHeader(view, offset, 12, 102, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 12);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  clusterSessionId(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  responseStreamId(value: number): this {
    this.view.setInt32(this.offset + 8, value, true);
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putResponseChannel(value: Uint8Array | string): this {
    assert(this.step === 0, 'responseChannel is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    return this;
  }

  /** Appends bytes. Variable data is put in the order of the table. */
  putEncodedPrincipal(value: Uint8Array | string): this {
    assert(this.step === 1, 'encodedPrincipal is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    return this;
  }

  /** Length of the message without its header. All variable data must have been put. */
  encodedLength(): number {
    assert(this.step === 2, 'every variable part has been put');
    return this.end - this.offset;
  }
}

/** Reads ClientSession. */
export class ClientSessionDecoder {
  static readonly TEMPLATE_ID = 102;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 12;
  /** Header and block. */
  static readonly LENGTH_MIN = 20;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingBlockLength = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 102) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return ClientSessionDecoder.isBodyValid(view, start, rest, blockLength);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 12,
  ): boolean {
    if (actingBlockLength < 12) {
      return false;
    }
    const end = offset + length;
    let cursor = offset + actingBlockLength;
    if (offset < 0 || cursor > end || end > view.byteLength) {
      return false;
    }
    cursor = skipVarData(view, cursor, end, 2);
    return cursor >= 0;
  }

  /** Reads a block that starts at `offset`. */
  wrap(view: DataView, offset: number, actingBlockLength = 12): this {
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

  clusterSessionId(): number {
    return readInt64(this.view, this.offset);
  }

  responseStreamId(): number {
    return this.view.getInt32(this.offset + 8, true);
  }

  /** Offset in the view of the first byte of responseChannel. */
  responseChannelOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 0);
  }

  /** Length of responseChannel in bytes. */
  responseChannelLength(): number {
    return this.view.getUint32(this.responseChannelOffset() - 4, true);
  }

  responseChannel(): string {
    return readAscii(this.view, this.responseChannelOffset(), this.responseChannelLength());
  }

  /** Offset in the view of the first byte of encodedPrincipal. */
  encodedPrincipalOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 1);
  }

  /** Length of encodedPrincipal in bytes. */
  encodedPrincipalLength(): number {
    return this.view.getUint32(this.encodedPrincipalOffset() - 4, true);
  }

  encodedPrincipal(): Uint8Array {
    return readBytes(this.view, this.encodedPrincipalOffset(), this.encodedPrincipalLength());
  }
}
