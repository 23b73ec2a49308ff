// session-event.ts: template 2 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// The cluster answers a connect request, redirects it, or closes a session.
//
//     0  clusterSessionId: int64
//     8  correlationId: opaque64
//    16  leadershipTermId: int64
//    24  leaderMemberId: int32
//    28  code: EventCode
//    32  version: int32 since version 6
//    36  leaderHeartbeatTimeoutNs: int64 since version 13
//   var  detail: length u32, ascii
//    44  length of the block

import { assert } from '../../assert.js';
import {
  clearBytes,
  EMPTY_VIEW,
  NULL_LONG,
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

/** Writes SessionEvent. */
export class SessionEventEncoder {
  static readonly TEMPLATE_ID = 2;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 44;
  /** Header and block. */
  static readonly LENGTH_MIN = 52;
  private view = EMPTY_VIEW;
  private offset = 0;
  private end = 0;
  private step = 0;

  /** Writes at a block that starts at `offset`; bytes not set keep their value. */
  wrap(view: DataView, offset: number): this {
    this.view = view;
    this.offset = offset;
    this.end = offset + 44;
    this.step = 0;
    return this;
  }

  /** Writes the header at `offset` and sets the block behind it to zero. */
  wrapAndApplyHeader(view: DataView, offset: number): this {
    writeMessageHeader(view, offset, 44, 2, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 44);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  clusterSessionId(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  correlationId(value: bigint): this {
    this.view.setBigInt64(this.offset + 8, BigInt.asIntN(64, value), true);
    return this;
  }

  correlationIdLow(value: number): this {
    this.view.setUint32(this.offset + 8, value, true);
    return this;
  }

  correlationIdHigh(value: number): this {
    this.view.setUint32(this.offset + 12, value, true);
    return this;
  }

  leadershipTermId(value: number): this {
    writeInt64(this.view, this.offset + 16, value);
    return this;
  }

  leaderMemberId(value: number): this {
    this.view.setInt32(this.offset + 24, value, true);
    return this;
  }

  code(value: number): this {
    this.view.setInt32(this.offset + 28, value, true);
    return this;
  }

  version(value: number): this {
    this.view.setInt32(this.offset + 32, value, true);
    return this;
  }

  leaderHeartbeatTimeoutNs(value: number): this {
    writeInt64(this.view, this.offset + 36, value);
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putDetail(value: Uint8Array | string): this {
    assert(this.step === 0, 'detail is put in its turn');
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

/** Reads SessionEvent. */
export class SessionEventDecoder {
  static readonly TEMPLATE_ID = 2;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 44;
  /** Header and block. */
  static readonly LENGTH_MIN = 52;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingBlockLength = 0;
  private actingVersion = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 2) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const version = messageVersion(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return SessionEventDecoder.isBodyValid(view, start, rest, blockLength, version);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 44,
    actingVersion = 17,
  ): boolean {
    if (actingVersion >= 13 && actingBlockLength < 44) {
      return false;
    }
    if (actingVersion >= 6 && actingBlockLength < 36) {
      return false;
    }
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
  wrap(view: DataView, offset: number, actingBlockLength = 44, actingVersion = 17): this {
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

  clusterSessionId(): number {
    return readInt64(this.view, this.offset);
  }

  correlationId(): bigint {
    return this.view.getBigInt64(this.offset + 8, true);
  }

  correlationIdLow(): number {
    return this.view.getUint32(this.offset + 8, true);
  }

  correlationIdHigh(): number {
    return this.view.getUint32(this.offset + 12, true);
  }

  leadershipTermId(): number {
    return readInt64(this.view, this.offset + 16);
  }

  leaderMemberId(): number {
    return this.view.getInt32(this.offset + 24, true);
  }

  code(): number {
    return this.view.getInt32(this.offset + 28, true);
  }

  version(): number {
    if (this.actingVersion < 6) {
      return 0;
    }
    return this.view.getInt32(this.offset + 32, true);
  }

  leaderHeartbeatTimeoutNs(): number {
    if (this.actingVersion < 13) {
      return NULL_LONG;
    }
    return readInt64(this.view, this.offset + 36);
  }

  /** Offset in the view of the first byte of detail. */
  detailOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 0);
  }

  /** Length of detail in bytes. */
  detailLength(): number {
    return this.view.getUint32(this.detailOffset() - 4, true);
  }

  detail(): string {
    return readAscii(this.view, this.detailOffset(), this.detailLength());
  }
}
