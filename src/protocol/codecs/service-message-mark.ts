// service-message-mark.ts: template 1051 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// The last of a service's messages in a snapshot's log.
//
//     0  sequence: int64
//     8  serviceId: int32
//    12  length of the block

import { clearBytes, EMPTY_VIEW, readInt64, writeInt64 } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  writeMessageHeader,
} from '../message-header.js';

/** Writes ServiceMessageMark. */
export class ServiceMessageMarkEncoder {
  static readonly TEMPLATE_ID = 1051;
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
    writeMessageHeader(view, offset, 12, 1051, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 12);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  sequence(value: number): this {
    writeInt64(this.view, this.offset, value);
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

/** Reads ServiceMessageMark. */
export class ServiceMessageMarkDecoder {
  static readonly TEMPLATE_ID = 1051;
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
    if (templateId !== 1051) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return ServiceMessageMarkDecoder.isBodyValid(view, start, rest, blockLength);
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

  sequence(): number {
    return readInt64(this.view, this.offset);
  }

  serviceId(): number {
    return this.view.getInt32(this.offset + 8, true);
  }
}
