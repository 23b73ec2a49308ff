// snapshot-record.ts: template 1040 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// Precedes a piece of a service's state in a snapshot.
//
//     0  serviceId: int32
//     4  length of the block

import { clearBytes, EMPTY_VIEW } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  writeMessageHeader,
} from '../message-header.js';

/** Writes SnapshotRecord. */
export class SnapshotRecordEncoder {
  static readonly TEMPLATE_ID = 1040;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 4;
  /** Header and block. */
  static readonly LENGTH_MIN = 12;
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
    writeMessageHeader(view, offset, 4, 1040, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 4);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  serviceId(value: number): this {
    this.view.setInt32(this.offset, value, true);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 4;
  }
}

/** Reads SnapshotRecord. */
export class SnapshotRecordDecoder {
  static readonly TEMPLATE_ID = 1040;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 4;
  /** Header and block. */
  static readonly LENGTH_MIN = 12;
  private view = EMPTY_VIEW;
  private offset = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 1040) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return SnapshotRecordDecoder.isBodyValid(view, start, rest, blockLength);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 4,
  ): boolean {
    if (actingBlockLength < 4) {
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

  serviceId(): number {
    return this.view.getInt32(this.offset, true);
  }
}
