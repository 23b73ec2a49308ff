// cluster-members-query.ts: template 34 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A tool asks a member who is in the cluster.
//
//     0  correlationId: opaque64
//     8  extended: boolean since version 5
//    12  length of the block

import { clearBytes, EMPTY_VIEW } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  messageVersion,
  writeMessageHeader,
} from '../message-header.js';

/** Writes ClusterMembersQuery. */
export class ClusterMembersQueryEncoder {
  static readonly TEMPLATE_ID = 34;
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
    writeMessageHeader(view, offset, 12, 34, 111, 17);
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

  extended(value: boolean): this {
    this.view.setInt32(this.offset + 8, value ? 1 : 0, true);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 12;
  }
}

/** Reads ClusterMembersQuery. */
export class ClusterMembersQueryDecoder {
  static readonly TEMPLATE_ID = 34;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 12;
  /** Header and block. */
  static readonly LENGTH_MIN = 20;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingVersion = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 34) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const version = messageVersion(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return ClusterMembersQueryDecoder.isBodyValid(view, start, rest, blockLength, version);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 12,
    actingVersion = 17,
  ): boolean {
    if (actingVersion >= 5 && actingBlockLength < 12) {
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
  wrap(view: DataView, offset: number, _actingBlockLength = 12, actingVersion = 17): this {
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

  correlationId(): bigint {
    return this.view.getBigInt64(this.offset, true);
  }

  correlationIdLow(): number {
    return this.view.getUint32(this.offset, true);
  }

  correlationIdHigh(): number {
    return this.view.getUint32(this.offset + 4, true);
  }

  extended(): boolean {
    if (this.actingVersion < 5) {
      return false;
    }
    return this.view.getInt32(this.offset + 8, true) === 1;
  }
}
