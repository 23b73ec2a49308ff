// snapshot-offer.ts: template 1042 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A leader offers a snapshot for the log that it has purged.
//
//     0  leadershipTermId: int64
//     8  logPosition: int64
//    16  logLeadershipTermId: int64
//    24  termBaseLogPosition: int64
//    32  timestamp: int64
//    40  lengthBytes: int64
//    48  hash: uint32
//    52  formatVersion: int32
//    56  appVersion: int32
//    60  memberId: int32
//    64  length of the block

import { clearBytes, EMPTY_VIEW, readInt64, writeInt64 } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  writeMessageHeader,
} from '../message-header.js';

/** Writes SnapshotOffer. */
export class SnapshotOfferEncoder {
  static readonly TEMPLATE_ID = 1042;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 64;
  /** Header and block. */
  static readonly LENGTH_MIN = 72;
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
    writeMessageHeader(view, offset, 64, 1042, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 64);
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

  logLeadershipTermId(value: number): this {
    writeInt64(this.view, this.offset + 16, value);
    return this;
  }

  termBaseLogPosition(value: number): this {
    writeInt64(this.view, this.offset + 24, value);
    return this;
  }

  timestamp(value: number): this {
    writeInt64(this.view, this.offset + 32, value);
    return this;
  }

  lengthBytes(value: number): this {
    writeInt64(this.view, this.offset + 40, value);
    return this;
  }

  hash(value: number): this {
    this.view.setUint32(this.offset + 48, value, true);
    return this;
  }

  formatVersion(value: number): this {
    this.view.setInt32(this.offset + 52, value, true);
    return this;
  }

  appVersion(value: number): this {
    this.view.setInt32(this.offset + 56, value, true);
    return this;
  }

  memberId(value: number): this {
    this.view.setInt32(this.offset + 60, value, true);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 64;
  }
}

/** Reads SnapshotOffer. */
export class SnapshotOfferDecoder {
  static readonly TEMPLATE_ID = 1042;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 64;
  /** Header and block. */
  static readonly LENGTH_MIN = 72;
  private view = EMPTY_VIEW;
  private offset = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 1042) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return SnapshotOfferDecoder.isBodyValid(view, start, rest, blockLength);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 64,
  ): boolean {
    if (actingBlockLength < 64) {
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

  logPosition(): number {
    return readInt64(this.view, this.offset + 8);
  }

  logLeadershipTermId(): number {
    return readInt64(this.view, this.offset + 16);
  }

  termBaseLogPosition(): number {
    return readInt64(this.view, this.offset + 24);
  }

  timestamp(): number {
    return readInt64(this.view, this.offset + 32);
  }

  lengthBytes(): number {
    return readInt64(this.view, this.offset + 40);
  }

  hash(): number {
    return this.view.getUint32(this.offset + 48, true);
  }

  formatVersion(): number {
    return this.view.getInt32(this.offset + 52, true);
  }

  appVersion(): number {
    return this.view.getInt32(this.offset + 56, true);
  }

  memberId(): number {
    return this.view.getInt32(this.offset + 60, true);
  }
}
