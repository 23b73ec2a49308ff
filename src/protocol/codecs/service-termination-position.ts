// service-termination-position.ts: template 42 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A service is to end at a position.
//
//     0  logPosition: int64
//     8  ackRequired: boolean since version 17
//    12  length of the block

import { clearBytes, EMPTY_VIEW, readInt64, writeInt64 } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  messageVersion,
  writeMessageHeader,
} from '../message-header.js';

/** Writes ServiceTerminationPosition. */
export class ServiceTerminationPositionEncoder {
  static readonly TEMPLATE_ID = 42;
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
    writeMessageHeader(view, offset, 12, 42, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 12);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  logPosition(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  ackRequired(value: boolean): this {
    this.view.setInt32(this.offset + 8, value ? 1 : 0, true);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 12;
  }
}

/** Reads ServiceTerminationPosition. */
export class ServiceTerminationPositionDecoder {
  static readonly TEMPLATE_ID = 42;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 12;
  /** Header and block. */
  static readonly LENGTH_MIN = 20;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingVersion = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 42) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const version = messageVersion(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return ServiceTerminationPositionDecoder.isBodyValid(view, start, rest, blockLength, version);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 12,
    actingVersion = 17,
  ): boolean {
    if (actingVersion >= 17 && actingBlockLength < 12) {
      return false;
    }
    if (actingBlockLength < 8) {
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
  wrap(view: DataView, offset: number, _actingBlockLength = 12, actingVersion = 17): this {
    this.view = view;
    this.offset = offset;
    this.actingVersion = actingVersion;
    return this;
  }

  /** Reads the message whose header is at `offset`. Check `isValid` first. */
  wrapAndApplyHeader(view: DataView, offset: number): this {
    const blockLength = messageBlockLength(view, offset);
    const version = messageVersion(view, offset);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH, blockLength, version);
  }

  logPosition(): number {
    return readInt64(this.view, this.offset);
  }

  ackRequired(): boolean {
    if (this.actingVersion < 17) {
      return false;
    }
    return this.view.getInt32(this.offset + 8, true) === 1;
  }
}
