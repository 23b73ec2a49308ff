// consensus-module.ts: template 105 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// Counters of the consensus module, in a snapshot.
//
//     0  nextSessionId: int64
//     8  nextServiceSessionId: int64 since version 3
//    16  logServiceSessionId: int64 since version 3
//    24  pendingMessageCapacity: int32 since version 3
//    28  length of the block

import { clearBytes, EMPTY_VIEW, NULL_LONG, readInt64, writeInt64 } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  messageVersion,
  writeMessageHeader,
} from '../message-header.js';

/** Writes ConsensusModule. */
export class ConsensusModuleEncoder {
  static readonly TEMPLATE_ID = 105;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 28;
  /** Header and block. */
  static readonly LENGTH_MIN = 36;
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
    writeMessageHeader(view, offset, 28, 105, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 28);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  nextSessionId(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  nextServiceSessionId(value: number): this {
    writeInt64(this.view, this.offset + 8, value);
    return this;
  }

  logServiceSessionId(value: number): this {
    writeInt64(this.view, this.offset + 16, value);
    return this;
  }

  pendingMessageCapacity(value: number): this {
    this.view.setInt32(this.offset + 24, value, true);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 28;
  }
}

/** Reads ConsensusModule. */
export class ConsensusModuleDecoder {
  static readonly TEMPLATE_ID = 105;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 28;
  /** Header and block. */
  static readonly LENGTH_MIN = 36;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingVersion = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 105) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const version = messageVersion(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return ConsensusModuleDecoder.isBodyValid(view, start, rest, blockLength, version);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 28,
    actingVersion = 17,
  ): boolean {
    if (actingVersion >= 3 && actingBlockLength < 28) {
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
  wrap(view: DataView, offset: number, _actingBlockLength = 28, actingVersion = 17): this {
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

  nextSessionId(): number {
    return readInt64(this.view, this.offset);
  }

  nextServiceSessionId(): number {
    if (this.actingVersion < 3) {
      return NULL_LONG;
    }
    return readInt64(this.view, this.offset + 8);
  }

  logServiceSessionId(): number {
    if (this.actingVersion < 3) {
      return NULL_LONG;
    }
    return readInt64(this.view, this.offset + 16);
  }

  pendingMessageCapacity(): number {
    if (this.actingVersion < 3) {
      return 0;
    }
    return this.view.getInt32(this.offset + 24, true);
  }
}
