// recording-descriptor.ts: template 22 of schema 101.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// One entry of the catalog: what was recorded, from where, and how far.
//
//     0  controlSessionId: opaque64
//     8  correlationId: opaque64
//    16  recordingId: int64
//    24  startTimestamp: int64
//    32  stopTimestamp: int64
//    40  startPosition: int64
//    48  stopPosition: int64
//    56  initialTermId: int32
//    60  segmentFileLength: int32
//    64  termBufferLength: int32
//    68  mtuLength: int32
//    72  sessionId: int32
//    76  streamId: int32
//   var  strippedChannel: length u32, ascii
//   var  originalChannel: length u32, ascii
//   var  sourceIdentity: length u32, ascii
//    80  length of the block

import { assert } from '../../assert.js';
import {
  clearBytes,
  EMPTY_VIEW,
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
  writeMessageHeader,
} from '../message-header.js';

/** Writes RecordingDescriptor. */
export class RecordingDescriptorEncoder {
  static readonly TEMPLATE_ID = 22;
  static readonly SCHEMA_ID = 101;
  static readonly SCHEMA_VERSION = 14;
  static readonly BLOCK_LENGTH = 80;
  /** Header and block. */
  static readonly LENGTH_MIN = 88;
  private view = EMPTY_VIEW;
  private offset = 0;
  private end = 0;
  private step = 0;

  /** Writes at a block that starts at `offset`; bytes not set keep their value. */
  wrap(view: DataView, offset: number): this {
    this.view = view;
    this.offset = offset;
    this.end = offset + 80;
    this.step = 0;
    return this;
  }

  /** Writes the header at `offset` and sets the block behind it to zero. */
  wrapAndApplyHeader(view: DataView, offset: number): this {
    writeMessageHeader(view, offset, 80, 22, 101, 14);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 80);
    return this.wrap(view, offset + MESSAGE_HEADER_LENGTH);
  }

  controlSessionId(value: bigint): this {
    this.view.setBigInt64(this.offset, BigInt.asIntN(64, value), true);
    return this;
  }

  controlSessionIdLow(value: number): this {
    this.view.setUint32(this.offset, value, true);
    return this;
  }

  controlSessionIdHigh(value: number): this {
    this.view.setUint32(this.offset + 4, value, true);
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

  recordingId(value: number): this {
    writeInt64(this.view, this.offset + 16, value);
    return this;
  }

  startTimestamp(value: number): this {
    writeInt64(this.view, this.offset + 24, value);
    return this;
  }

  stopTimestamp(value: number): this {
    writeInt64(this.view, this.offset + 32, value);
    return this;
  }

  startPosition(value: number): this {
    writeInt64(this.view, this.offset + 40, value);
    return this;
  }

  stopPosition(value: number): this {
    writeInt64(this.view, this.offset + 48, value);
    return this;
  }

  initialTermId(value: number): this {
    this.view.setInt32(this.offset + 56, value, true);
    return this;
  }

  segmentFileLength(value: number): this {
    this.view.setInt32(this.offset + 60, value, true);
    return this;
  }

  termBufferLength(value: number): this {
    this.view.setInt32(this.offset + 64, value, true);
    return this;
  }

  mtuLength(value: number): this {
    this.view.setInt32(this.offset + 68, value, true);
    return this;
  }

  sessionId(value: number): this {
    this.view.setInt32(this.offset + 72, value, true);
    return this;
  }

  streamId(value: number): this {
    this.view.setInt32(this.offset + 76, value, true);
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putStrippedChannel(value: Uint8Array | string): this {
    assert(this.step === 0, 'strippedChannel is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putOriginalChannel(value: Uint8Array | string): this {
    assert(this.step === 1, 'originalChannel is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putSourceIdentity(value: Uint8Array | string): this {
    assert(this.step === 2, 'sourceIdentity is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    return this;
  }

  /** Length of the message without its header. All variable data must have been put. */
  encodedLength(): number {
    assert(this.step === 3, 'every variable part has been put');
    return this.end - this.offset;
  }
}

/** Reads RecordingDescriptor. */
export class RecordingDescriptorDecoder {
  static readonly TEMPLATE_ID = 22;
  static readonly SCHEMA_ID = 101;
  static readonly SCHEMA_VERSION = 14;
  static readonly BLOCK_LENGTH = 80;
  /** Header and block. */
  static readonly LENGTH_MIN = 88;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingBlockLength = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 101);
    if (templateId !== 22) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return RecordingDescriptorDecoder.isBodyValid(view, start, rest, blockLength);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 80,
  ): boolean {
    if (actingBlockLength < 80) {
      return false;
    }
    const end = offset + length;
    let cursor = offset + actingBlockLength;
    if (offset < 0 || cursor > end || end > view.byteLength) {
      return false;
    }
    cursor = skipVarData(view, cursor, end, 3);
    return cursor >= 0;
  }

  /** Reads a block that starts at `offset`. */
  wrap(view: DataView, offset: number, actingBlockLength = 80): this {
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

  controlSessionId(): bigint {
    return this.view.getBigInt64(this.offset, true);
  }

  controlSessionIdLow(): number {
    return this.view.getUint32(this.offset, true);
  }

  controlSessionIdHigh(): number {
    return this.view.getUint32(this.offset + 4, true);
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

  recordingId(): number {
    return readInt64(this.view, this.offset + 16);
  }

  startTimestamp(): number {
    return readInt64(this.view, this.offset + 24);
  }

  stopTimestamp(): number {
    return readInt64(this.view, this.offset + 32);
  }

  startPosition(): number {
    return readInt64(this.view, this.offset + 40);
  }

  stopPosition(): number {
    return readInt64(this.view, this.offset + 48);
  }

  initialTermId(): number {
    return this.view.getInt32(this.offset + 56, true);
  }

  segmentFileLength(): number {
    return this.view.getInt32(this.offset + 60, true);
  }

  termBufferLength(): number {
    return this.view.getInt32(this.offset + 64, true);
  }

  mtuLength(): number {
    return this.view.getInt32(this.offset + 68, true);
  }

  sessionId(): number {
    return this.view.getInt32(this.offset + 72, true);
  }

  streamId(): number {
    return this.view.getInt32(this.offset + 76, true);
  }

  /** Offset in the view of the first byte of strippedChannel. */
  strippedChannelOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 0);
  }

  /** Length of strippedChannel in bytes. */
  strippedChannelLength(): number {
    return this.view.getUint32(this.strippedChannelOffset() - 4, true);
  }

  strippedChannel(): string {
    return readAscii(this.view, this.strippedChannelOffset(), this.strippedChannelLength());
  }

  /** Offset in the view of the first byte of originalChannel. */
  originalChannelOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 1);
  }

  /** Length of originalChannel in bytes. */
  originalChannelLength(): number {
    return this.view.getUint32(this.originalChannelOffset() - 4, true);
  }

  originalChannel(): string {
    return readAscii(this.view, this.originalChannelOffset(), this.originalChannelLength());
  }

  /** Offset in the view of the first byte of sourceIdentity. */
  sourceIdentityOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 2);
  }

  /** Length of sourceIdentity in bytes. */
  sourceIdentityLength(): number {
    return this.view.getUint32(this.sourceIdentityOffset() - 4, true);
  }

  sourceIdentity(): string {
    return readAscii(this.view, this.sourceIdentityOffset(), this.sourceIdentityLength());
  }
}
