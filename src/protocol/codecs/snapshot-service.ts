// snapshot-service.ts: template 1053 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A service whose state a snapshot holds.
//
//     0  serviceId: int32
//     4  serviceCount: int32
//     8  appVersion: int32
//    12  length of the block

import { clearBytes, EMPTY_VIEW } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  writeMessageHeader,
} from '../message-header.js';

/** Writes SnapshotService. */
export class SnapshotServiceEncoder {
  static readonly TEMPLATE_ID = 1053;
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
    writeMessageHeader(view, offset, 12, 1053, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 12);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  serviceId(value: number): this {
    this.view.setInt32(this.offset, value, true);
    return this;
  }

  serviceCount(value: number): this {
    this.view.setInt32(this.offset + 4, value, true);
    return this;
  }

  appVersion(value: number): this {
    this.view.setInt32(this.offset + 8, value, true);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 12;
  }
}

/** Reads SnapshotService. */
export class SnapshotServiceDecoder {
  static readonly TEMPLATE_ID = 1053;
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
    if (templateId !== 1053) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return SnapshotServiceDecoder.isBodyValid(view, start, rest, blockLength);
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

  serviceId(): number {
    return this.view.getInt32(this.offset, true);
  }

  serviceCount(): number {
    return this.view.getInt32(this.offset + 4, true);
  }

  appVersion(): number {
    return this.view.getInt32(this.offset + 8, true);
  }
}
