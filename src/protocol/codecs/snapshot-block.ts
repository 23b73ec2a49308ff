// snapshot-block.ts: template 1044 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A piece of a snapshot that was asked for.
//
//     0  logPosition: int64
//     8  offsetBytes: int64
//    16  memberId: int32
//   var  data: length u32, bytes
//    20  length of the block

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

/** Writes SnapshotBlock. */
export class SnapshotBlockEncoder {
  static readonly TEMPLATE_ID = 1044;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 20;
  /** Header and block. */
  static readonly LENGTH_MIN = 28;
  private view = EMPTY_VIEW;
  private offset = 0;
  private end = 0;
  private step = 0;

  /** Writes at a block that starts at `offset`; bytes not set keep their value. */
  wrap(view: DataView, offset: number): this {
    this.view = view;
    this.offset = offset;
    this.end = offset + 20;
    this.step = 0;
    return this;
  }

  /** Writes the header at `offset` and sets the block behind it to zero. */
  wrapAndApplyHeader(view: DataView, offset: number): this {
    writeMessageHeader(view, offset, 20, 1044, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 20);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  logPosition(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  offsetBytes(value: number): this {
    writeInt64(this.view, this.offset + 8, value);
    return this;
  }

  memberId(value: number): this {
    this.view.setInt32(this.offset + 16, value, true);
    return this;
  }

  /** Appends bytes. Variable data is put in the order of the table. */
  putData(value: Uint8Array | string): this {
    assert(this.step === 0, 'data is put in its turn');
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

/** Reads SnapshotBlock. */
export class SnapshotBlockDecoder {
  static readonly TEMPLATE_ID = 1044;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 20;
  /** Header and block. */
  static readonly LENGTH_MIN = 28;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingBlockLength = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 1044) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return SnapshotBlockDecoder.isBodyValid(view, start, rest, blockLength);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 20,
  ): boolean {
    if (actingBlockLength < 20) {
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
  wrap(view: DataView, offset: number, actingBlockLength = 20): this {
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

  logPosition(): number {
    return readInt64(this.view, this.offset);
  }

  offsetBytes(): number {
    return readInt64(this.view, this.offset + 8);
  }

  memberId(): number {
    return this.view.getInt32(this.offset + 16, true);
  }

  /** Offset in the view of the first byte of data. */
  dataOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 0);
  }

  /** Length of data in bytes. */
  dataLength(): number {
    return this.view.getUint32(this.dataOffset() - 4, true);
  }

  data(): Uint8Array {
    return readBytes(this.view, this.dataOffset(), this.dataLength());
  }
}
