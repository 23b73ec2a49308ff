// member-hello.ts: template 1000 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A member says who it is and what it was configured with.
//
//     0  clusterId: int64
//     8  leadershipTermId: int64
//    16  incarnation: opaque64
//    24  configurationHash: opaque64
//    32  memberId: int32
//    36  durability: DurabilityLevel
//    40  flags: int32
//    44  protocolVersion: int32
//    48  admittedPosition: int64
//    56  length of the block

import { clearBytes, EMPTY_VIEW, readInt64, writeInt64 } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  writeMessageHeader,
} from '../message-header.js';

/** Writes MemberHello. */
export class MemberHelloEncoder {
  static readonly TEMPLATE_ID = 1000;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 56;
  /** Header and block. */
  static readonly LENGTH_MIN = 64;
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
    writeMessageHeader(view, offset, 56, 1000, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 56);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  clusterId(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  leadershipTermId(value: number): this {
    writeInt64(this.view, this.offset + 8, value);
    return this;
  }

  incarnation(value: bigint): this {
    this.view.setBigInt64(this.offset + 16, BigInt.asIntN(64, value), true);
    return this;
  }

  incarnationLow(value: number): this {
    this.view.setUint32(this.offset + 16, value, true);
    return this;
  }

  incarnationHigh(value: number): this {
    this.view.setUint32(this.offset + 20, value, true);
    return this;
  }

  configurationHash(value: bigint): this {
    this.view.setBigInt64(this.offset + 24, BigInt.asIntN(64, value), true);
    return this;
  }

  configurationHashLow(value: number): this {
    this.view.setUint32(this.offset + 24, value, true);
    return this;
  }

  configurationHashHigh(value: number): this {
    this.view.setUint32(this.offset + 28, value, true);
    return this;
  }

  memberId(value: number): this {
    this.view.setInt32(this.offset + 32, value, true);
    return this;
  }

  durability(value: number): this {
    this.view.setInt32(this.offset + 36, value, true);
    return this;
  }

  flags(value: number): this {
    this.view.setInt32(this.offset + 40, value, true);
    return this;
  }

  protocolVersion(value: number): this {
    this.view.setInt32(this.offset + 44, value, true);
    return this;
  }

  admittedPosition(value: number): this {
    writeInt64(this.view, this.offset + 48, value);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 56;
  }
}

/** Reads MemberHello. */
export class MemberHelloDecoder {
  static readonly TEMPLATE_ID = 1000;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 56;
  /** Header and block. */
  static readonly LENGTH_MIN = 64;
  private view = EMPTY_VIEW;
  private offset = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 1000) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return MemberHelloDecoder.isBodyValid(view, start, rest, blockLength);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 56,
  ): boolean {
    if (actingBlockLength < 56) {
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

  clusterId(): number {
    return readInt64(this.view, this.offset);
  }

  leadershipTermId(): number {
    return readInt64(this.view, this.offset + 8);
  }

  incarnation(): bigint {
    return this.view.getBigInt64(this.offset + 16, true);
  }

  incarnationLow(): number {
    return this.view.getUint32(this.offset + 16, true);
  }

  incarnationHigh(): number {
    return this.view.getUint32(this.offset + 20, true);
  }

  configurationHash(): bigint {
    return this.view.getBigInt64(this.offset + 24, true);
  }

  configurationHashLow(): number {
    return this.view.getUint32(this.offset + 24, true);
  }

  configurationHashHigh(): number {
    return this.view.getUint32(this.offset + 28, true);
  }

  memberId(): number {
    return this.view.getInt32(this.offset + 32, true);
  }

  durability(): number {
    return this.view.getInt32(this.offset + 36, true);
  }

  flags(): number {
    return this.view.getInt32(this.offset + 40, true);
  }

  protocolVersion(): number {
    return this.view.getInt32(this.offset + 44, true);
  }

  admittedPosition(): number {
    return readInt64(this.view, this.offset + 48);
  }
}
