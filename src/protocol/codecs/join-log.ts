// join-log.ts: template 40 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// The consensus module tells a service which log to read.
//
//     0  logPosition: int64
//     8  maxLogPosition: int64
//    16  memberId: int32
//    20  logSessionId: int32
//    24  logStreamId: int32
//    28  isStartup: boolean
//    32  role: int32
//    36  isStandby: boolean since version 16
//   var  logChannel: length u32, ascii
//    40  length of the block

import { assert } from '../../assert.js';
import {
  clearBytes,
  EMPTY_VIEW,
  readAscii,
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
  messageVersion,
  writeMessageHeader,
} from '../message-header.js';

/** Writes JoinLog. */
export class JoinLogEncoder {
  static readonly TEMPLATE_ID = 40;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 40;
  /** Header and block. */
  static readonly LENGTH_MIN = 48;
  private view = EMPTY_VIEW;
  private offset = 0;
  private end = 0;
  private step = 0;

  /** Writes at a block that starts at `offset`; bytes not set keep their value. */
  wrap(view: DataView, offset: number): this {
    this.view = view;
    this.offset = offset;
    this.end = offset + 40;
    this.step = 0;
    return this;
  }

  /** Writes the header at `offset` and sets the block behind it to zero. */
  wrapAndApplyHeader(view: DataView, offset: number): this {
    writeMessageHeader(view, offset, 40, 40, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 40);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  logPosition(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  maxLogPosition(value: number): this {
    writeInt64(this.view, this.offset + 8, value);
    return this;
  }

  memberId(value: number): this {
    this.view.setInt32(this.offset + 16, value, true);
    return this;
  }

  logSessionId(value: number): this {
    this.view.setInt32(this.offset + 20, value, true);
    return this;
  }

  logStreamId(value: number): this {
    this.view.setInt32(this.offset + 24, value, true);
    return this;
  }

  isStartup(value: boolean): this {
    this.view.setInt32(this.offset + 28, value ? 1 : 0, true);
    return this;
  }

  role(value: number): this {
    this.view.setInt32(this.offset + 32, value, true);
    return this;
  }

  isStandby(value: boolean): this {
    this.view.setInt32(this.offset + 36, value ? 1 : 0, true);
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putLogChannel(value: Uint8Array | string): this {
    assert(this.step === 0, 'logChannel is put in its turn');
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

/** Reads JoinLog. */
export class JoinLogDecoder {
  static readonly TEMPLATE_ID = 40;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 40;
  /** Header and block. */
  static readonly LENGTH_MIN = 48;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingBlockLength = 0;
  private actingVersion = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 40) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const version = messageVersion(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return JoinLogDecoder.isBodyValid(view, start, rest, blockLength, version);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 40,
    actingVersion = 17,
  ): boolean {
    if (actingVersion >= 16 && actingBlockLength < 40) {
      return false;
    }
    if (actingBlockLength < 36) {
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
  wrap(view: DataView, offset: number, actingBlockLength = 40, actingVersion = 17): this {
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

  logPosition(): number {
    return readInt64(this.view, this.offset);
  }

  maxLogPosition(): number {
    return readInt64(this.view, this.offset + 8);
  }

  memberId(): number {
    return this.view.getInt32(this.offset + 16, true);
  }

  logSessionId(): number {
    return this.view.getInt32(this.offset + 20, true);
  }

  logStreamId(): number {
    return this.view.getInt32(this.offset + 24, true);
  }

  isStartup(): boolean {
    return this.view.getInt32(this.offset + 28, true) === 1;
  }

  role(): number {
    return this.view.getInt32(this.offset + 32, true);
  }

  isStandby(): boolean {
    if (this.actingVersion < 16) {
      return false;
    }
    return this.view.getInt32(this.offset + 36, true) === 1;
  }

  /** Offset in the view of the first byte of logChannel. */
  logChannelOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 0);
  }

  /** Length of logChannel in bytes. */
  logChannelLength(): number {
    return this.view.getUint32(this.logChannelOffset() - 4, true);
  }

  logChannel(): string {
    return readAscii(this.view, this.logChannelOffset(), this.logChannelLength());
  }
}
