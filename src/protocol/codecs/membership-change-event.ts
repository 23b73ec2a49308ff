// membership-change-event.ts: template 25 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A member joined or left (log event).
//
//     0  leadershipTermId: int64
//     8  logPosition: int64
//    16  timestamp: int64
//    24  leaderMemberId: int32
//    28  clusterSize: int32
//    32  changeType: ChangeType
//    36  memberId: int32
//   var  clusterMembers: length u32, ascii
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
  writeMessageHeader,
} from '../message-header.js';

/** Writes MembershipChangeEvent. */
export class MembershipChangeEventEncoder {
  static readonly TEMPLATE_ID = 25;
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
    writeMessageHeader(view, offset, 40, 25, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 40);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  leadershipTermId(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  logPosition(value: number): this {
    writeInt64(this.view, this.offset + 8, value);
    return this;
  }

  timestamp(value: number): this {
    writeInt64(this.view, this.offset + 16, value);
    return this;
  }

  leaderMemberId(value: number): this {
    this.view.setInt32(this.offset + 24, value, true);
    return this;
  }

  clusterSize(value: number): this {
    this.view.setInt32(this.offset + 28, value, true);
    return this;
  }

  changeType(value: number): this {
    this.view.setInt32(this.offset + 32, value, true);
    return this;
  }

  memberId(value: number): this {
    this.view.setInt32(this.offset + 36, value, true);
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putClusterMembers(value: Uint8Array | string): this {
    assert(this.step === 0, 'clusterMembers is put in its turn');
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

/** Reads MembershipChangeEvent. */
export class MembershipChangeEventDecoder {
  static readonly TEMPLATE_ID = 25;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 40;
  /** Header and block. */
  static readonly LENGTH_MIN = 48;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingBlockLength = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 25) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return MembershipChangeEventDecoder.isBodyValid(view, start, rest, blockLength);
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
    let cursor = offset + actingBlockLength;
    if (offset < 0 || cursor > end || end > view.byteLength) {
      return false;
    }
    cursor = skipVarData(view, cursor, end, 1);
    return cursor >= 0;
  }

  /** Reads a block that starts at `offset`. */
  wrap(view: DataView, offset: number, actingBlockLength = 40): this {
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

  leadershipTermId(): number {
    return readInt64(this.view, this.offset);
  }

  logPosition(): number {
    return readInt64(this.view, this.offset + 8);
  }

  timestamp(): number {
    return readInt64(this.view, this.offset + 16);
  }

  leaderMemberId(): number {
    return this.view.getInt32(this.offset + 24, true);
  }

  clusterSize(): number {
    return this.view.getInt32(this.offset + 28, true);
  }

  changeType(): number {
    return this.view.getInt32(this.offset + 32, true);
  }

  memberId(): number {
    return this.view.getInt32(this.offset + 36, true);
  }

  /** Offset in the view of the first byte of clusterMembers. */
  clusterMembersOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 0);
  }

  /** Length of clusterMembers in bytes. */
  clusterMembersLength(): number {
    return this.view.getUint32(this.clusterMembersOffset() - 4, true);
  }

  clusterMembers(): string {
    return readAscii(this.view, this.clusterMembersOffset(), this.clusterMembersLength());
  }
}
