// session-connect-request.ts: template 3 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A client asks for a session.
//
//     0  correlationId: opaque64
//     8  responseStreamId: int32
//    12  version: int32 since version 2
//   var  responseChannel: length u32, ascii
//   var  encodedCredentials: length u32, bytes
//   var  clientInfo: length u32, ascii since version 14
//    16  length of the block

import { assert } from '../../assert.js';
import {
  clearBytes,
  EMPTY_VIEW,
  readAscii,
  readBytes,
  skipVarData,
  varDataOffset,
  writeVarData,
} from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  messageVersion,
  writeMessageHeader,
} from '../message-header.js';

/** Writes SessionConnectRequest. */
export class SessionConnectRequestEncoder {
  static readonly TEMPLATE_ID = 3;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 16;
  /** Header and block. */
  static readonly LENGTH_MIN = 24;
  private view = EMPTY_VIEW;
  private offset = 0;
  private end = 0;
  private step = 0;

  /** Writes at a block that starts at `offset`; bytes not set keep their value. */
  wrap(view: DataView, offset: number): this {
    this.view = view;
    this.offset = offset;
    this.end = offset + 16;
    this.step = 0;
    return this;
  }

  /** Writes the header at `offset` and sets the block behind it to zero. */
  wrapAndApplyHeader(view: DataView, offset: number): this {
    writeMessageHeader(view, offset, 16, 3, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 16);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  correlationId(value: bigint): this {
    this.view.setBigInt64(this.offset, BigInt.asIntN(64, value), true);
    return this;
  }

  correlationIdLow(value: number): this {
    this.view.setUint32(this.offset, value, true);
    return this;
  }

  correlationIdHigh(value: number): this {
    this.view.setUint32(this.offset + 4, value, true);
    return this;
  }

  responseStreamId(value: number): this {
    this.view.setInt32(this.offset + 8, value, true);
    return this;
  }

  version(value: number): this {
    this.view.setInt32(this.offset + 12, value, true);
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
  putEncodedCredentials(value: Uint8Array | string): this {
    assert(this.step === 1, 'encodedCredentials is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putClientInfo(value: Uint8Array | string): this {
    assert(this.step === 2, 'clientInfo is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    return this;
  }

  /** Length of the message without its header. All variable data must have been put. */
  encodedLength(): number {
    assert(this.step === 3, 'every variable part has been put');
    return this.end - this.offset;
  }
}

/** Reads SessionConnectRequest. */
export class SessionConnectRequestDecoder {
  static readonly TEMPLATE_ID = 3;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 16;
  /** Header and block. */
  static readonly LENGTH_MIN = 24;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingBlockLength = 0;
  private actingVersion = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 3) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const version = messageVersion(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return SessionConnectRequestDecoder.isBodyValid(view, start, rest, blockLength, version);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 16,
    actingVersion = 17,
  ): boolean {
    if (actingVersion >= 2 && actingBlockLength < 16) {
      return false;
    }
    if (actingBlockLength < 12) {
      return false;
    }
    const end = offset + length;
    let cursor = offset + actingBlockLength;
    if (offset < 0 || cursor > end || end > view.byteLength) {
      return false;
    }
    const count = actingVersion >= 14 ? 3 : 2;
    cursor = skipVarData(view, cursor, end, count);
    return cursor >= 0;
  }

  /** Reads a block that starts at `offset`. */
  wrap(view: DataView, offset: number, actingBlockLength = 16, actingVersion = 17): this {
    this.view = view;
    this.offset = offset;
    this.actingBlockLength = actingBlockLength;
    this.actingVersion = actingVersion;
    return this;
  }

  /** Reads the message whose header is at `offset`. Check `isValid` first. */
  wrapAndApplyHeader(view: DataView, offset: number): this {
    const blockLength = messageBlockLength(view, offset);
    const version = messageVersion(view, offset);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH, blockLength, version);
  }

  correlationId(): bigint {
    return this.view.getBigInt64(this.offset, true);
  }

  correlationIdLow(): number {
    return this.view.getUint32(this.offset, true);
  }

  correlationIdHigh(): number {
    return this.view.getUint32(this.offset + 4, true);
  }

  responseStreamId(): number {
    return this.view.getInt32(this.offset + 8, true);
  }

  version(): number {
    if (this.actingVersion < 2) {
      return 0;
    }
    return this.view.getInt32(this.offset + 12, true);
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

  /** Offset in the view of the first byte of encodedCredentials. */
  encodedCredentialsOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 1);
  }

  /** Length of encodedCredentials in bytes. */
  encodedCredentialsLength(): number {
    return this.view.getUint32(this.encodedCredentialsOffset() - 4, true);
  }

  encodedCredentials(): Uint8Array {
    return readBytes(this.view, this.encodedCredentialsOffset(), this.encodedCredentialsLength());
  }

  /** Offset in the view of the first byte of clientInfo. */
  clientInfoOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 2);
  }

  /** Length of clientInfo in bytes. */
  clientInfoLength(): number {
    if (this.actingVersion < 14) {
      return 0;
    }
    return this.view.getUint32(this.clientInfoOffset() - 4, true);
  }

  clientInfo(): string {
    if (this.actingVersion < 14) {
      return '';
    }
    return readAscii(this.view, this.clientInfoOffset(), this.clientInfoLength());
  }
}
