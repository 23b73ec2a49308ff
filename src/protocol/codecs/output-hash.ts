// output-hash.ts: template 1062 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// What the services of a member had put out by a position.
//
//     0  logPosition: int64
//     8  hash: opaque64
//    16  memberId: int32
//    20  serviceId: int32
//    24  flags: int32
//    32  length of the block

import { clearBytes, EMPTY_VIEW, readInt64, writeInt64 } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  writeMessageHeader,
} from '../message-header.js';

/** Writes OutputHash. */
export class OutputHashEncoder {
  static readonly TEMPLATE_ID = 1062;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
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
    writeMessageHeader(view, offset, 32, 1062, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 32);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  logPosition(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  hash(value: bigint): this {
    this.view.setBigInt64(this.offset + 8, BigInt.asIntN(64, value), true);
    return this;
  }

  hashLow(value: number): this {
    this.view.setUint32(this.offset + 8, value, true);
    return this;
  }

  hashHigh(value: number): this {
    this.view.setUint32(this.offset + 12, value, true);
    return this;
  }

  memberId(value: number): this {
    this.view.setInt32(this.offset + 16, value, true);
    return this;
  }

  serviceId(value: number): this {
    this.view.setInt32(this.offset + 20, value, true);
    return this;
  }

  flags(value: number): this {
    this.view.setInt32(this.offset + 24, value, true);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 32;
  }
}

/** Reads OutputHash. */
export class OutputHashDecoder {
  static readonly TEMPLATE_ID = 1062;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 32;
  /** Header and block. */
  static readonly LENGTH_MIN = 40;
  private view = EMPTY_VIEW;
  private offset = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 1062) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return OutputHashDecoder.isBodyValid(view, start, rest, blockLength);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 32,
  ): boolean {
    if (actingBlockLength < 28) {
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

  logPosition(): number {
    return readInt64(this.view, this.offset);
  }

  hash(): bigint {
    return this.view.getBigInt64(this.offset + 8, true);
  }

  hashLow(): number {
    return this.view.getUint32(this.offset + 8, true);
  }

  hashHigh(): number {
    return this.view.getUint32(this.offset + 12, true);
  }

  memberId(): number {
    return this.view.getInt32(this.offset + 16, true);
  }

  serviceId(): number {
    return this.view.getInt32(this.offset + 20, true);
  }

  flags(): number {
    return this.view.getInt32(this.offset + 24, true);
  }
}
