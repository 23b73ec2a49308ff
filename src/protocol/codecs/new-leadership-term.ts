// new-leadership-term.ts: template 53 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A leader tells a follower which log to follow.
//
//     0  logLeadershipTermId: int64
//     8  nextLeadershipTermId: int64
//    16  nextTermBaseLogPosition: int64
//    24  nextLogPosition: int64
//    32  leadershipTermId: int64
//    40  termBaseLogPosition: int64
//    48  logPosition: int64
//    56  leaderRecordingId: int64
//    64  timestamp: int64
//    72  leaderMemberId: int32
//    76  logSessionId: int32
//    80  appVersion: int32
//    84  isStartup: boolean
//    88  commitPosition: int64 since version 15
//    96  length of the block

import { clearBytes, EMPTY_VIEW, NULL_LONG, readInt64, writeInt64 } from '../encoding.js';
import {
  MESSAGE_HEADER_LENGTH,
  messageBlockLength,
  messageTemplateId,
  messageVersion,
  writeMessageHeader,
} from '../message-header.js';

/** Writes NewLeadershipTerm. */
export class NewLeadershipTermEncoder {
  static readonly TEMPLATE_ID = 53;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 96;
  /** Header and block. */
  static readonly LENGTH_MIN = 104;
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
    writeMessageHeader(view, offset, 96, 53, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 96);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  logLeadershipTermId(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  nextLeadershipTermId(value: number): this {
    writeInt64(this.view, this.offset + 8, value);
    return this;
  }

  nextTermBaseLogPosition(value: number): this {
    writeInt64(this.view, this.offset + 16, value);
    return this;
  }

  nextLogPosition(value: number): this {
    writeInt64(this.view, this.offset + 24, value);
    return this;
  }

  leadershipTermId(value: number): this {
    writeInt64(this.view, this.offset + 32, value);
    return this;
  }

  termBaseLogPosition(value: number): this {
    writeInt64(this.view, this.offset + 40, value);
    return this;
  }

  logPosition(value: number): this {
    writeInt64(this.view, this.offset + 48, value);
    return this;
  }

  leaderRecordingId(value: number): this {
    writeInt64(this.view, this.offset + 56, value);
    return this;
  }

  timestamp(value: number): this {
    writeInt64(this.view, this.offset + 64, value);
    return this;
  }

  leaderMemberId(value: number): this {
    this.view.setInt32(this.offset + 72, value, true);
    return this;
  }

  logSessionId(value: number): this {
    this.view.setInt32(this.offset + 76, value, true);
    return this;
  }

  appVersion(value: number): this {
    this.view.setInt32(this.offset + 80, value, true);
    return this;
  }

  isStartup(value: boolean): this {
    this.view.setInt32(this.offset + 84, value ? 1 : 0, true);
    return this;
  }

  commitPosition(value: number): this {
    writeInt64(this.view, this.offset + 88, value);
    return this;
  }

  /** Length of the message without its header. */
  encodedLength(): number {
    return 96;
  }
}

/** Reads NewLeadershipTerm. */
export class NewLeadershipTermDecoder {
  static readonly TEMPLATE_ID = 53;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 96;
  /** Header and block. */
  static readonly LENGTH_MIN = 104;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingVersion = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 53) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const version = messageVersion(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return NewLeadershipTermDecoder.isBodyValid(view, start, rest, blockLength, version);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 96,
    actingVersion = 17,
  ): boolean {
    if (actingVersion >= 15 && actingBlockLength < 96) {
      return false;
    }
    if (actingBlockLength < 88) {
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
  wrap(view: DataView, offset: number, _actingBlockLength = 96, actingVersion = 17): this {
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

  nextLeadershipTermId(): number {
    return readInt64(this.view, this.offset + 8);
  }

  nextTermBaseLogPosition(): number {
    return readInt64(this.view, this.offset + 16);
  }

  nextLogPosition(): number {
    return readInt64(this.view, this.offset + 24);
  }

  leadershipTermId(): number {
    return readInt64(this.view, this.offset + 32);
  }

  termBaseLogPosition(): number {
    return readInt64(this.view, this.offset + 40);
  }

  logPosition(): number {
    return readInt64(this.view, this.offset + 48);
  }

  leaderRecordingId(): number {
    return readInt64(this.view, this.offset + 56);
  }

  timestamp(): number {
    return readInt64(this.view, this.offset + 64);
  }

  leaderMemberId(): number {
    return this.view.getInt32(this.offset + 72, true);
  }

  logSessionId(): number {
    return this.view.getInt32(this.offset + 76, true);
  }

  appVersion(): number {
    return this.view.getInt32(this.offset + 80, true);
  }

  isStartup(): boolean {
    return this.view.getInt32(this.offset + 84, true) === 1;
  }

  commitPosition(): number {
    if (this.actingVersion < 15) {
      return NULL_LONG;
    }
    return readInt64(this.view, this.offset + 88);
  }
}
