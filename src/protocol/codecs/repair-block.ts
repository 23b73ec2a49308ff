// repair-block.ts: template 1032 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A piece of the frames that were asked for, or why there are none.
//
//     0  requestId: int64
//     8  logPosition: int64
//    16  memberId: int32
//    20  code: RepairCode
//    24  blockLength: int32
//    28  blockOffset: int32
//   var  frames: length u32, bytes
//    32  length of the block

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

/** Writes RepairBlock. */
export class RepairBlockEncoder {
  static readonly TEMPLATE_ID = 1032;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 32;
  /** Header and block. */
  static readonly LENGTH_MIN = 40;
  private view = EMPTY_VIEW;
  private offset = 0;
  private end = 0;
  private step = 0;

  /** Writes at a block that starts at `offset`; bytes not set keep their value. */
  wrap(view: DataView, offset: number): this {
    this.view = view;
    this.offset = offset;
    this.end = offset + 32;
    this.step = 0;
    return this;
  }

  /** Writes the header at `offset` and sets the block behind it to zero. */
  wrapAndApplyHeader(view: DataView, offset: number): this {
    writeMessageHeader(view, offset, 32, 1032, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 32);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  requestId(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  logPosition(value: number): this {
    writeInt64(this.view, this.offset + 8, value);
    return this;
  }

  memberId(value: number): this {
    this.view.setInt32(this.offset + 16, value, true);
    return this;
  }

  code(value: number): this {
    this.view.setInt32(this.offset + 20, value, true);
    return this;
  }

  blockLength(value: number): this {
    this.view.setInt32(this.offset + 24, value, true);
    return this;
  }

  blockOffset(value: number): this {
    this.view.setInt32(this.offset + 28, value, true);
    return this;
  }

  /** Appends bytes. Variable data is put in the order of the table. */
  putFrames(value: Uint8Array | string): this {
    assert(this.step === 0, 'frames is put in its turn');
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

/** Reads RepairBlock. */
export class RepairBlockDecoder {
  static readonly TEMPLATE_ID = 1032;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 32;
  /** Header and block. */
  static readonly LENGTH_MIN = 40;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingBlockLength = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 1032) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return RepairBlockDecoder.isBodyValid(view, start, rest, blockLength);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 32,
  ): boolean {
    if (actingBlockLength < 32) {
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
  wrap(view: DataView, offset: number, actingBlockLength = 32): this {
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

  requestId(): number {
    return readInt64(this.view, this.offset);
  }

  logPosition(): number {
    return readInt64(this.view, this.offset + 8);
  }

  memberId(): number {
    return this.view.getInt32(this.offset + 16, true);
  }

  code(): number {
    return this.view.getInt32(this.offset + 20, true);
  }

  blockLength(): number {
    return this.view.getInt32(this.offset + 24, true);
  }

  blockOffset(): number {
    return this.view.getInt32(this.offset + 28, true);
  }

  /** Offset in the view of the first byte of frames. */
  framesOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 0);
  }

  /** Length of frames in bytes. */
  framesLength(): number {
    return this.view.getUint32(this.framesOffset() - 4, true);
  }

  frames(): Uint8Array {
    return readBytes(this.view, this.framesOffset(), this.framesLength());
  }
}
