// termination-position.ts: template 75 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// The leader says where the cluster is to end.
//
//     0  leadershipTermId: int64
//     8  logPosition: int64
//    16  leaderMemberId: int32
//    20  length of the block

import { clearBytes, EMPTY_VIEW, readInt64, writeInt64 } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  writeMessageHeader,
} from '../message-header.js';

/** Writes TerminationPosition. */
export class TerminationPositionEncoder {
  static readonly TEMPLATE_ID = 75;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 20;
  /** Header and block. */
  static readonly LENGTH_MIN = 28;
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
    writeMessageHeader(view, offset, 20, 75, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 20);
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

  leaderMemberId(value: number): this {
    this.view.setInt32(this.offset + 16, value, true);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 20;
  }
}

/** Reads TerminationPosition. */
export class TerminationPositionDecoder {
  static readonly TEMPLATE_ID = 75;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 20;
  /** Header and block. */
  static readonly LENGTH_MIN = 28;
  private view = EMPTY_VIEW;
  private offset = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 75) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return TerminationPositionDecoder.isBodyValid(view, start, rest, blockLength);
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

  leaderMemberId(): number {
    return this.view.getInt32(this.offset + 16, true);
  }
}
