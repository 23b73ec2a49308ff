// challenge-response.ts: template 8 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A client answers a challenge.
//
//     0  correlationId: opaque64
//     8  clusterSessionId: int64
//   var  encodedCredentials: length u32, bytes
//    16  length of the block

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

/** Writes ChallengeResponse. */
export class ChallengeResponseEncoder {
  static readonly TEMPLATE_ID = 8;
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
    writeMessageHeader(view, offset, 16, 8, 111, 17);
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

  clusterSessionId(value: number): this {
    writeInt64(this.view, this.offset + 8, value);
    return this;
  }

  /** Appends bytes. Variable data is put in the order of the table. */
  putEncodedCredentials(value: Uint8Array | string): this {
    assert(this.step === 0, 'encodedCredentials is put in its turn');
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

/** Reads ChallengeResponse. */
export class ChallengeResponseDecoder {
  static readonly TEMPLATE_ID = 8;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 16;
  /** Header and block. */
  static readonly LENGTH_MIN = 24;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingBlockLength = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 8) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return ChallengeResponseDecoder.isBodyValid(view, start, rest, blockLength);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 16,
  ): boolean {
    if (actingBlockLength < 16) {
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
  wrap(view: DataView, offset: number, actingBlockLength = 16): this {
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

  correlationId(): bigint {
    return this.view.getBigInt64(this.offset, true);
  }

  correlationIdLow(): number {
    return this.view.getUint32(this.offset, true);
  }

  correlationIdHigh(): number {
    return this.view.getUint32(this.offset + 4, true);
  }

  clusterSessionId(): number {
    return readInt64(this.view, this.offset + 8);
  }

  /** Offset in the view of the first byte of encodedCredentials. */
  encodedCredentialsOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 0);
  }

  /** Length of encodedCredentials in bytes. */
  encodedCredentialsLength(): number {
    return this.view.getUint32(this.encodedCredentialsOffset() - 4, true);
  }

  encodedCredentials(): Uint8Array {
    return readBytes(this.view, this.encodedCredentialsOffset(), this.encodedCredentialsLength());
  }
}
