// vote.ts: template 52 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A member votes for or against a candidate.
//
//     0  candidateTermId: int64
//     8  logLeadershipTermId: int64
//    16  logPosition: int64
//    24  candidateMemberId: int32
//    28  followerMemberId: int32
//    32  vote: boolean
//    36  length of the block

import { clearBytes, EMPTY_VIEW, readInt64, writeInt64 } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  writeMessageHeader,
} from '../message-header.js';

/** Writes Vote. */
export class VoteEncoder {
  static readonly TEMPLATE_ID = 52;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 36;
  /** Header and block. */
  static readonly LENGTH_MIN = 44;
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
    writeMessageHeader(view, offset, 36, 52, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 36);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  candidateTermId(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  logLeadershipTermId(value: number): this {
    writeInt64(this.view, this.offset + 8, value);
    return this;
  }

  logPosition(value: number): this {
    writeInt64(this.view, this.offset + 16, value);
    return this;
  }

  candidateMemberId(value: number): this {
    this.view.setInt32(this.offset + 24, value, true);
    return this;
  }

  followerMemberId(value: number): this {
    this.view.setInt32(this.offset + 28, value, true);
    return this;
  }

  vote(value: boolean): this {
    this.view.setInt32(this.offset + 32, value ? 1 : 0, true);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 36;
  }
}

/** Reads Vote. */
export class VoteDecoder {
  static readonly TEMPLATE_ID = 52;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 36;
  /** Header and block. */
  static readonly LENGTH_MIN = 44;
  private view = EMPTY_VIEW;
  private offset = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 52) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return VoteDecoder.isBodyValid(view, start, rest, blockLength);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 36,
  ): boolean {
    if (actingBlockLength < 36) {
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

  candidateTermId(): number {
    return readInt64(this.view, this.offset);
  }

  logLeadershipTermId(): number {
    return readInt64(this.view, this.offset + 8);
  }

  logPosition(): number {
    return readInt64(this.view, this.offset + 16);
  }

  candidateMemberId(): number {
    return this.view.getInt32(this.offset + 24, true);
  }

  followerMemberId(): number {
    return this.view.getInt32(this.offset + 28, true);
  }

  vote(): boolean {
    return this.view.getInt32(this.offset + 32, true) === 1;
  }
}
