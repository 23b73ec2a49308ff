// cluster-members-response.ts: template 41 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A member answers who is in the cluster.
//
//     0  correlationId: opaque64
//     8  leaderMemberId: int32
//   var  activeMembers: length u32, ascii
//   var  passiveFollowers: length u32, ascii
//    12  length of the block

import { assert } from '../../assert.js';
import {
  clearBytes,
  EMPTY_VIEW,
  readAscii,
  skipVarData,
  varDataOffset,
  writeVarData,
} from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  writeMessageHeader,
} from '../message-header.js';

/** Writes ClusterMembersResponse. */
export class ClusterMembersResponseEncoder {
  static readonly TEMPLATE_ID = 41;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 12;
  /** Header and block. */
  static readonly LENGTH_MIN = 20;
  private view = EMPTY_VIEW;
  private offset = 0;
  private end = 0;
  private step = 0;

  /** Writes at a block that starts at `offset`; bytes not set keep their value. */
  wrap(view: DataView, offset: number): this {
    this.view = view;
    this.offset = offset;
    this.end = offset + 12;
    this.step = 0;
    return this;
  }

  /** Writes the header at `offset` and sets the block behind it to zero. */
  wrapAndApplyHeader(view: DataView, offset: number): this {
    writeMessageHeader(view, offset, 12, 41, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 12);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  correlationId(value: bigint): this {
    this.view.setBigInt64(this.offset, BigInt.asIntN(64, value), true);
    return this;
  }

  correlationIdLow(value: number): this {
    this.view.setUint32(this.offset, value, true);
    return this;
  }

  correlationIdHigh(value: number): this {
    this.view.setUint32(this.offset + 4, value, true);
    return this;
  }

  leaderMemberId(value: number): this {
    this.view.setInt32(this.offset + 8, value, true);
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putActiveMembers(value: Uint8Array | string): this {
    assert(this.step === 0, 'activeMembers is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putPassiveFollowers(value: Uint8Array | string): this {
    assert(this.step === 1, 'passiveFollowers is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    return this;
  }

  /** Length of the message without its header. All variable data must have been put. */
  encodedLength(): number {
    assert(this.step === 2, 'every variable part has been put');
    return this.end - this.offset;
  }
}

/** Reads ClusterMembersResponse. */
export class ClusterMembersResponseDecoder {
  static readonly TEMPLATE_ID = 41;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 12;
  /** Header and block. */
  static readonly LENGTH_MIN = 20;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingBlockLength = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 41) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return ClusterMembersResponseDecoder.isBodyValid(view, start, rest, blockLength);
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
    let cursor = offset + actingBlockLength;
    if (offset < 0 || cursor > end || end > view.byteLength) {
      return false;
    }
    cursor = skipVarData(view, cursor, end, 2);
    return cursor >= 0;
  }

  /** Reads a block that starts at `offset`. */
  wrap(view: DataView, offset: number, actingBlockLength = 12): this {
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

  correlationId(): bigint {
    return this.view.getBigInt64(this.offset, true);
  }

  correlationIdLow(): number {
    return this.view.getUint32(this.offset, true);
  }

  correlationIdHigh(): number {
    return this.view.getUint32(this.offset + 4, true);
  }

  leaderMemberId(): number {
    return this.view.getInt32(this.offset + 8, true);
  }

  /** Offset in the view of the first byte of activeMembers. */
  activeMembersOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 0);
  }

  /** Length of activeMembers in bytes. */
  activeMembersLength(): number {
    return this.view.getUint32(this.activeMembersOffset() - 4, true);
  }

  activeMembers(): string {
    return readAscii(this.view, this.activeMembersOffset(), this.activeMembersLength());
  }

  /** Offset in the view of the first byte of passiveFollowers. */
  passiveFollowersOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 1);
  }

  /** Length of passiveFollowers in bytes. */
  passiveFollowersLength(): number {
    return this.view.getUint32(this.passiveFollowersOffset() - 4, true);
  }

  passiveFollowers(): string {
    return readAscii(this.view, this.passiveFollowersOffset(), this.passiveFollowersLength());
  }
}
