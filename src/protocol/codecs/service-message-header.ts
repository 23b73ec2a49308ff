// service-message-header.ts: template 1050 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// Precedes a message of a service (log event).
//
//     0  leadershipTermId: int64
//     8  timestamp: int64
//    16  originPosition: int64
//    24  sequence: int64
//    32  serviceId: int32
//    36  ordinal: int32
//    40  length of the block

import { clearBytes, EMPTY_VIEW, readInt64, writeInt64 } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  writeMessageHeader,
} from '../message-header.js';

/** Writes ServiceMessageHeader. */
export class ServiceMessageHeaderEncoder {
  static readonly TEMPLATE_ID = 1050;
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
    writeMessageHeader(view, offset, 40, 1050, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 40);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  leadershipTermId(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  timestamp(value: number): this {
    writeInt64(this.view, this.offset + 8, value);
    return this;
  }

  originPosition(value: number): this {
    writeInt64(this.view, this.offset + 16, value);
    return this;
  }

  sequence(value: number): this {
    writeInt64(this.view, this.offset + 24, value);
    return this;
  }

  serviceId(value: number): this {
    this.view.setInt32(this.offset + 32, value, true);
    return this;
  }

  ordinal(value: number): this {
    this.view.setInt32(this.offset + 36, value, true);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 40;
  }
}

/** Reads ServiceMessageHeader. */
export class ServiceMessageHeaderDecoder {
  static readonly TEMPLATE_ID = 1050;
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
    if (templateId !== 1050) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return ServiceMessageHeaderDecoder.isBodyValid(view, start, rest, blockLength);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 40,
  ): boolean {
    if (actingBlockLength < 40) {
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

  timestamp(): number {
    return readInt64(this.view, this.offset + 8);
  }

  originPosition(): number {
    return readInt64(this.view, this.offset + 16);
  }

  sequence(): number {
    return readInt64(this.view, this.offset + 24);
  }

  serviceId(): number {
    return this.view.getInt32(this.offset + 32, true);
  }

  ordinal(): number {
    return this.view.getInt32(this.offset + 36, true);
  }
}
