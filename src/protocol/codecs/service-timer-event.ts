// service-timer-event.ts: template 1054 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A timer of a service other than 0 fired (log event).
//
//     0  leadershipTermId: int64
//     8  correlationId: opaque64
//    16  timestamp: int64
//    24  serviceId: int32
//    28  length of the block

import { clearBytes, EMPTY_VIEW, readInt64, writeInt64 } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  writeMessageHeader,
} from '../message-header.js';

/** Writes ServiceTimerEvent. */
export class ServiceTimerEventEncoder {
  static readonly TEMPLATE_ID = 1054;
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
    writeMessageHeader(view, offset, 28, 1054, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 28);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  leadershipTermId(value: number): this {
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

  timestamp(value: number): this {
    writeInt64(this.view, this.offset + 16, value);
    return this;
  }

  serviceId(value: number): this {
    this.view.setInt32(this.offset + 24, value, true);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 28;
  }
}

/** Reads ServiceTimerEvent. */
export class ServiceTimerEventDecoder {
  static readonly TEMPLATE_ID = 1054;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 28;
  /** Header and block. */
  static readonly LENGTH_MIN = 36;
  private view = EMPTY_VIEW;
  private offset = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 1054) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return ServiceTimerEventDecoder.isBodyValid(view, start, rest, blockLength);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 28,
  ): boolean {
    if (actingBlockLength < 28) {
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

  leadershipTermId(): number {
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

  timestamp(): number {
    return readInt64(this.view, this.offset + 16);
  }

  serviceId(): number {
    return this.view.getInt32(this.offset + 24, true);
  }
}
