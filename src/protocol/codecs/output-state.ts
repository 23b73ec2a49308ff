// output-state.ts: template 1063 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// What a service had put out, in a snapshot.
//
//     0  hash: opaque64
//     8  serviceId: int32
//    12  length of the block

import { clearBytes, EMPTY_VIEW } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  writeMessageHeader,
} from '../message-header.js';

/** Writes OutputState. */
export class OutputStateEncoder {
  static readonly TEMPLATE_ID = 1063;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 12;
  /** Header and block. */
  static readonly LENGTH_MIN = 20;
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
    writeMessageHeader(view, offset, 12, 1063, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 12);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  hash(value: bigint): this {
    this.view.setBigInt64(this.offset, BigInt.asIntN(64, value), true);
    return this;
  }

  hashLow(value: number): this {
    this.view.setUint32(this.offset, value, true);
    return this;
  }

  hashHigh(value: number): this {
    this.view.setUint32(this.offset + 4, value, true);
    return this;
  }

  serviceId(value: number): this {
    this.view.setInt32(this.offset + 8, value, true);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 12;
  }
}

/** Reads OutputState. */
export class OutputStateDecoder {
  static readonly TEMPLATE_ID = 1063;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 12;
  /** Header and block. */
  static readonly LENGTH_MIN = 20;
  private view = EMPTY_VIEW;
  private offset = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 1063) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return OutputStateDecoder.isBodyValid(view, start, rest, blockLength);
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

  hash(): bigint {
    return this.view.getBigInt64(this.offset, true);
  }

  hashLow(): number {
    return this.view.getUint32(this.offset, true);
  }

  hashHigh(): number {
    return this.view.getUint32(this.offset + 4, true);
  }

  serviceId(): number {
    return this.view.getInt32(this.offset + 8, true);
  }
}
