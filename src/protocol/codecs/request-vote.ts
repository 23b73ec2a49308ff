// request-vote.ts: template 51 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A candidate asks for a vote.
//
//     0  logLeadershipTermId: int64
//     8  logPosition: int64
//    16  candidateTermId: int64
//    24  candidateMemberId: int32
//    28  protocolVersion: int32 since version 9
//    32  length of the block

import { clearBytes, EMPTY_VIEW, readInt64, writeInt64 } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  messageVersion,
  writeMessageHeader,
} from '../message-header.js';

/** Writes RequestVote. */
export class RequestVoteEncoder {
  static readonly TEMPLATE_ID = 51;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 32;
  /** Header and block. */
  static readonly LENGTH_MIN = 40;
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
    writeMessageHeader(view, offset, 32, 51, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 32);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  logLeadershipTermId(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  logPosition(value: number): this {
    writeInt64(this.view, this.offset + 8, value);
    return this;
  }

  candidateTermId(value: number): this {
    writeInt64(this.view, this.offset + 16, value);
    return this;
  }

  candidateMemberId(value: number): this {
    this.view.setInt32(this.offset + 24, value, true);
    return this;
  }

  protocolVersion(value: number): this {
    this.view.setInt32(this.offset + 28, value, true);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 32;
  }
}

/** Reads RequestVote. */
export class RequestVoteDecoder {
  static readonly TEMPLATE_ID = 51;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 32;
  /** Header and block. */
  static readonly LENGTH_MIN = 40;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingVersion = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 51) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const version = messageVersion(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return RequestVoteDecoder.isBodyValid(view, start, rest, blockLength, version);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 32,
    actingVersion = 17,
  ): boolean {
    if (actingVersion >= 9 && actingBlockLength < 32) {
      return false;
    }
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
  wrap(view: DataView, offset: number, _actingBlockLength = 32, actingVersion = 17): this {
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

  logLeadershipTermId(): number {
    return readInt64(this.view, this.offset);
  }

  logPosition(): number {
    return readInt64(this.view, this.offset + 8);
  }

  candidateTermId(): number {
    return readInt64(this.view, this.offset + 16);
  }

  candidateMemberId(): number {
    return this.view.getInt32(this.offset + 24, true);
  }

  protocolVersion(): number {
    if (this.actingVersion < 9) {
      return 0;
    }
    return this.view.getInt32(this.offset + 28, true);
  }
}
