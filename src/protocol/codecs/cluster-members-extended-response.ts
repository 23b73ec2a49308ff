// cluster-members-extended-response.ts: template 43 of schema 111.
// Generated from src/protocol/schema.ts: change the table, then scripts/generate-codecs.ts.
//
// A member answers who is in the cluster and how far each has come.
//
//     0  correlationId: opaque64
//     8  currentTimeNs: opaque64
//    16  leaderMemberId: int32
//    20  memberId: int32
// group  activeMembers: block length u16, count u16, then per entry
//             0  leadershipTermId: int64
//             8  logPosition: int64
//            16  timeOfLastAppendNs: opaque64
//            24  memberId: int32
//           var  ingressEndpoint: length u32, ascii
//           var  consensusEndpoint: length u32, ascii
//           var  logEndpoint: length u32, ascii
//           var  catchupEndpoint: length u32, ascii
//           var  archiveEndpoint: length u32, ascii
// group  passiveMembers: block length u16, count u16, then per entry
//             0  leadershipTermId: int64
//             8  logPosition: int64
//            16  timeOfLastAppendNs: opaque64
//            24  memberId: int32
//           var  ingressEndpoint: length u32, ascii
//           var  consensusEndpoint: length u32, ascii
//           var  logEndpoint: length u32, ascii
//           var  catchupEndpoint: length u32, ascii
//           var  archiveEndpoint: length u32, ascii
//    24  length of the block

import { assert } from '../../assert.js';
import {
  clearBytes,
  EMPTY_VIEW,
  GROUP_HEADER_LENGTH,
  type GroupOwner,
  readAscii,
  readInt64,
  skipGroup,
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

/** Writes the entries of activeMembers. */
export class ClusterMembersExtendedResponseActiveMembersEncoder {
  private view = EMPTY_VIEW;
  private offset = 0;
  private end = 0;
  private step = 0;
  private remaining = 0;
  private parent: GroupOwner | undefined;

  /** Writes the head of the group. */
  begin(view: DataView, at: number, count: number, parent: GroupOwner): this {
    view.setUint16(at, 28, true);
    view.setUint16(at + 2, count, true);
    this.view = view;
    this.end = at + GROUP_HEADER_LENGTH;
    this.step = 5;
    this.remaining = count;
    this.parent = parent;
    parent.groupEnd(this.end);
    return this;
  }

  /** Moves on to the next entry. */
  next(): this {
    assert(this.remaining > 0, 'a group has as many entries as its count says');
    assert(this.step === 5, 'every variable part has been put');
    this.remaining--;
    this.step = 0;
    this.offset = this.end;
    clearBytes(this.view, this.offset, 28);
    this.end += 28;
    this.parent?.groupEnd(this.end);
    return this;
  }

  /** Whether every entry has been written, with its variable data. */
  isComplete(): boolean {
    return this.remaining === 0 && this.step === 5;
  }

  leadershipTermId(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  logPosition(value: number): this {
    writeInt64(this.view, this.offset + 8, value);
    return this;
  }

  timeOfLastAppendNs(value: bigint): this {
    this.view.setBigInt64(this.offset + 16, BigInt.asIntN(64, value), true);
    return this;
  }

  timeOfLastAppendNsLow(value: number): this {
    this.view.setUint32(this.offset + 16, value, true);
    return this;
  }

  timeOfLastAppendNsHigh(value: number): this {
    this.view.setUint32(this.offset + 20, value, true);
    return this;
  }

  memberId(value: number): this {
    this.view.setInt32(this.offset + 24, value, true);
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putIngressEndpoint(value: Uint8Array | string): this {
    assert(this.step === 0, 'ingressEndpoint is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    this.parent?.groupEnd(this.end);
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putConsensusEndpoint(value: Uint8Array | string): this {
    assert(this.step === 1, 'consensusEndpoint is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    this.parent?.groupEnd(this.end);
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putLogEndpoint(value: Uint8Array | string): this {
    assert(this.step === 2, 'logEndpoint is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    this.parent?.groupEnd(this.end);
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putCatchupEndpoint(value: Uint8Array | string): this {
    assert(this.step === 3, 'catchupEndpoint is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    this.parent?.groupEnd(this.end);
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putArchiveEndpoint(value: Uint8Array | string): this {
    assert(this.step === 4, 'archiveEndpoint is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    this.parent?.groupEnd(this.end);
    return this;
  }
}

/** Reads the entries of activeMembers. */
export class ClusterMembersExtendedResponseActiveMembersDecoder {
  private readonly view: DataView;
  private readonly actingBlockLength: number;
  private remaining: number;
  private offset: number;
  private end: number;

  constructor(view: DataView, at: number) {
    this.view = view;
    this.actingBlockLength = view.getUint16(at, true);
    this.remaining = view.getUint16(at + 2, true);
    this.offset = at + GROUP_HEADER_LENGTH;
    this.end = this.offset;
  }

  /** Moves on to the next entry; false when there is none. */
  next(): boolean {
    if (this.remaining === 0) {
      return false;
    }
    this.remaining--;
    this.offset = this.end;
    const start = this.offset + this.actingBlockLength;
    this.end = skipVarData(this.view, start, this.view.byteLength, 5);
    return true;
  }

  leadershipTermId(): number {
    return readInt64(this.view, this.offset);
  }

  logPosition(): number {
    return readInt64(this.view, this.offset + 8);
  }

  timeOfLastAppendNs(): bigint {
    return this.view.getBigInt64(this.offset + 16, true);
  }

  timeOfLastAppendNsLow(): number {
    return this.view.getUint32(this.offset + 16, true);
  }

  timeOfLastAppendNsHigh(): number {
    return this.view.getUint32(this.offset + 20, true);
  }

  memberId(): number {
    return this.view.getInt32(this.offset + 24, true);
  }

  /** Offset in the view of the first byte of ingressEndpoint. */
  ingressEndpointOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 0);
  }

  /** Length of ingressEndpoint in bytes. */
  ingressEndpointLength(): number {
    return this.view.getUint32(this.ingressEndpointOffset() - 4, true);
  }

  ingressEndpoint(): string {
    return readAscii(this.view, this.ingressEndpointOffset(), this.ingressEndpointLength());
  }

  /** Offset in the view of the first byte of consensusEndpoint. */
  consensusEndpointOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 1);
  }

  /** Length of consensusEndpoint in bytes. */
  consensusEndpointLength(): number {
    return this.view.getUint32(this.consensusEndpointOffset() - 4, true);
  }

  consensusEndpoint(): string {
    return readAscii(this.view, this.consensusEndpointOffset(), this.consensusEndpointLength());
  }

  /** Offset in the view of the first byte of logEndpoint. */
  logEndpointOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 2);
  }

  /** Length of logEndpoint in bytes. */
  logEndpointLength(): number {
    return this.view.getUint32(this.logEndpointOffset() - 4, true);
  }

  logEndpoint(): string {
    return readAscii(this.view, this.logEndpointOffset(), this.logEndpointLength());
  }

  /** Offset in the view of the first byte of catchupEndpoint. */
  catchupEndpointOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 3);
  }

  /** Length of catchupEndpoint in bytes. */
  catchupEndpointLength(): number {
    return this.view.getUint32(this.catchupEndpointOffset() - 4, true);
  }

  catchupEndpoint(): string {
    return readAscii(this.view, this.catchupEndpointOffset(), this.catchupEndpointLength());
  }

  /** Offset in the view of the first byte of archiveEndpoint. */
  archiveEndpointOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 4);
  }

  /** Length of archiveEndpoint in bytes. */
  archiveEndpointLength(): number {
    return this.view.getUint32(this.archiveEndpointOffset() - 4, true);
  }

  archiveEndpoint(): string {
    return readAscii(this.view, this.archiveEndpointOffset(), this.archiveEndpointLength());
  }
}

/** Writes the entries of passiveMembers. */
export class ClusterMembersExtendedResponsePassiveMembersEncoder {
  private view = EMPTY_VIEW;
  private offset = 0;
  private end = 0;
  private step = 0;
  private remaining = 0;
  private parent: GroupOwner | undefined;

  /** Writes the head of the group. */
  begin(view: DataView, at: number, count: number, parent: GroupOwner): this {
    view.setUint16(at, 28, true);
    view.setUint16(at + 2, count, true);
    this.view = view;
    this.end = at + GROUP_HEADER_LENGTH;
    this.step = 5;
    this.remaining = count;
    this.parent = parent;
    parent.groupEnd(this.end);
    return this;
  }

  /** Moves on to the next entry. */
  next(): this {
    assert(this.remaining > 0, 'a group has as many entries as its count says');
    assert(this.step === 5, 'every variable part has been put');
    this.remaining--;
    this.step = 0;
    this.offset = this.end;
    clearBytes(this.view, this.offset, 28);
    this.end += 28;
    this.parent?.groupEnd(this.end);
    return this;
  }

  /** Whether every entry has been written, with its variable data. */
  isComplete(): boolean {
    return this.remaining === 0 && this.step === 5;
  }

  leadershipTermId(value: number): this {
    writeInt64(this.view, this.offset, value);
    return this;
  }

  logPosition(value: number): this {
    writeInt64(this.view, this.offset + 8, value);
    return this;
  }

  timeOfLastAppendNs(value: bigint): this {
    this.view.setBigInt64(this.offset + 16, BigInt.asIntN(64, value), true);
    return this;
  }

  timeOfLastAppendNsLow(value: number): this {
    this.view.setUint32(this.offset + 16, value, true);
    return this;
  }

  timeOfLastAppendNsHigh(value: number): this {
    this.view.setUint32(this.offset + 20, value, true);
    return this;
  }

  memberId(value: number): this {
    this.view.setInt32(this.offset + 24, value, true);
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putIngressEndpoint(value: Uint8Array | string): this {
    assert(this.step === 0, 'ingressEndpoint is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    this.parent?.groupEnd(this.end);
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putConsensusEndpoint(value: Uint8Array | string): this {
    assert(this.step === 1, 'consensusEndpoint is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    this.parent?.groupEnd(this.end);
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putLogEndpoint(value: Uint8Array | string): this {
    assert(this.step === 2, 'logEndpoint is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    this.parent?.groupEnd(this.end);
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putCatchupEndpoint(value: Uint8Array | string): this {
    assert(this.step === 3, 'catchupEndpoint is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    this.parent?.groupEnd(this.end);
    return this;
  }

  /** Appends ASCII text. Variable data is put in the order of the table. */
  putArchiveEndpoint(value: Uint8Array | string): this {
    assert(this.step === 4, 'archiveEndpoint is put in its turn');
    this.end = writeVarData(this.view, this.end, value);
    this.step++;
    this.parent?.groupEnd(this.end);
    return this;
  }
}

/** Reads the entries of passiveMembers. */
export class ClusterMembersExtendedResponsePassiveMembersDecoder {
  private readonly view: DataView;
  private readonly actingBlockLength: number;
  private remaining: number;
  private offset: number;
  private end: number;

  constructor(view: DataView, at: number) {
    this.view = view;
    this.actingBlockLength = view.getUint16(at, true);
    this.remaining = view.getUint16(at + 2, true);
    this.offset = at + GROUP_HEADER_LENGTH;
    this.end = this.offset;
  }

  /** Moves on to the next entry; false when there is none. */
  next(): boolean {
    if (this.remaining === 0) {
      return false;
    }
    this.remaining--;
    this.offset = this.end;
    const start = this.offset + this.actingBlockLength;
    this.end = skipVarData(this.view, start, this.view.byteLength, 5);
    return true;
  }

  leadershipTermId(): number {
    return readInt64(this.view, this.offset);
  }

  logPosition(): number {
    return readInt64(this.view, this.offset + 8);
  }

  timeOfLastAppendNs(): bigint {
    return this.view.getBigInt64(this.offset + 16, true);
  }

  timeOfLastAppendNsLow(): number {
    return this.view.getUint32(this.offset + 16, true);
  }

  timeOfLastAppendNsHigh(): number {
    return this.view.getUint32(this.offset + 20, true);
  }

  memberId(): number {
    return this.view.getInt32(this.offset + 24, true);
  }

  /** Offset in the view of the first byte of ingressEndpoint. */
  ingressEndpointOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 0);
  }

  /** Length of ingressEndpoint in bytes. */
  ingressEndpointLength(): number {
    return this.view.getUint32(this.ingressEndpointOffset() - 4, true);
  }

  ingressEndpoint(): string {
    return readAscii(this.view, this.ingressEndpointOffset(), this.ingressEndpointLength());
  }

  /** Offset in the view of the first byte of consensusEndpoint. */
  consensusEndpointOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 1);
  }

  /** Length of consensusEndpoint in bytes. */
  consensusEndpointLength(): number {
    return this.view.getUint32(this.consensusEndpointOffset() - 4, true);
  }

  consensusEndpoint(): string {
    return readAscii(this.view, this.consensusEndpointOffset(), this.consensusEndpointLength());
  }

  /** Offset in the view of the first byte of logEndpoint. */
  logEndpointOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 2);
  }

  /** Length of logEndpoint in bytes. */
  logEndpointLength(): number {
    return this.view.getUint32(this.logEndpointOffset() - 4, true);
  }

  logEndpoint(): string {
    return readAscii(this.view, this.logEndpointOffset(), this.logEndpointLength());
  }

  /** Offset in the view of the first byte of catchupEndpoint. */
  catchupEndpointOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 3);
  }

  /** Length of catchupEndpoint in bytes. */
  catchupEndpointLength(): number {
    return this.view.getUint32(this.catchupEndpointOffset() - 4, true);
  }

  catchupEndpoint(): string {
    return readAscii(this.view, this.catchupEndpointOffset(), this.catchupEndpointLength());
  }

  /** Offset in the view of the first byte of archiveEndpoint. */
  archiveEndpointOffset(): number {
    return varDataOffset(this.view, this.offset + this.actingBlockLength, 4);
  }

  /** Length of archiveEndpoint in bytes. */
  archiveEndpointLength(): number {
    return this.view.getUint32(this.archiveEndpointOffset() - 4, true);
  }

  archiveEndpoint(): string {
    return readAscii(this.view, this.archiveEndpointOffset(), this.archiveEndpointLength());
  }
}

/** Writes ClusterMembersExtendedResponse. */
export class ClusterMembersExtendedResponseEncoder {
  static readonly TEMPLATE_ID = 43;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 24;
  /** Header and block. */
  static readonly LENGTH_MIN = 32;
  private view = EMPTY_VIEW;
  private offset = 0;
  private end = 0;
  private step = 0;
  private readonly activeMembers = new ClusterMembersExtendedResponseActiveMembersEncoder();
  private readonly passiveMembers = new ClusterMembersExtendedResponsePassiveMembersEncoder();

  /** Writes at a block that starts at `offset`; bytes not set keep their value. */
  wrap(view: DataView, offset: number): this {
    this.view = view;
    this.offset = offset;
    this.end = offset + 24;
    this.step = 0;
    return this;
  }

  /** Writes the header at `offset` and sets the block behind it to zero. */
  wrapAndApplyHeader(view: DataView, offset: number): this {
    writeMessageHeader(view, offset, 24, 43, 111, 17);
    clearBytes(view, offset + MESSAGE_HEADER_LENGTH, 24);
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

  currentTimeNs(value: bigint): this {
    this.view.setBigInt64(this.offset + 8, BigInt.asIntN(64, value), true);
    return this;
  }

  currentTimeNsLow(value: number): this {
    this.view.setUint32(this.offset + 8, value, true);
    return this;
  }

  currentTimeNsHigh(value: number): this {
    this.view.setUint32(this.offset + 12, value, true);
    return this;
  }

  leaderMemberId(value: number): this {
    this.view.setInt32(this.offset + 16, value, true);
    return this;
  }

  memberId(value: number): this {
    this.view.setInt32(this.offset + 20, value, true);
    return this;
  }

  /** Begins the group; call `next()` on the result once per entry. */
  activeMembersCount(count: number): ClusterMembersExtendedResponseActiveMembersEncoder {
    assert(this.step === 0, 'activeMembers comes in its turn');
    this.step++;
    return this.activeMembers.begin(this.view, this.end, count, this);
  }

  /** Begins the group; call `next()` on the result once per entry. */
  passiveMembersCount(count: number): ClusterMembersExtendedResponsePassiveMembersEncoder {
    assert(this.step === 1, 'passiveMembers comes in its turn');
    this.step++;
    return this.passiveMembers.begin(this.view, this.end, count, this);
  }

  /** Called by a group that has written an entry. */
  groupEnd(end: number): void {
    this.end = end;
  }

  /** Length of the message without its header. All variable data must have been put. */
  encodedLength(): number {
    assert(this.step === 2, 'every variable part has been put');
    assert(this.activeMembers.isComplete(), 'activeMembers has the entries it announced');
    assert(this.passiveMembers.isComplete(), 'passiveMembers has the entries it announced');
    return this.end - this.offset;
  }
}

/** Reads ClusterMembersExtendedResponse. */
export class ClusterMembersExtendedResponseDecoder {
  static readonly TEMPLATE_ID = 43;
  static readonly SCHEMA_ID = 111;
  static readonly SCHEMA_VERSION = 17;
  static readonly BLOCK_LENGTH = 24;
  /** Header and block. */
  static readonly LENGTH_MIN = 32;
  private view = EMPTY_VIEW;
  private offset = 0;
  private actingBlockLength = 0;

  /** Whether header, block and variable data lie in `length` bytes from the header on. */
  static isValid(view: DataView, offset: number, length: number): boolean {
    const templateId = messageTemplateId(view, offset, length, 111);
    if (templateId !== 43) {
      return false;
    }
    const blockLength = messageBlockLength(view, offset);
    const start = offset + MESSAGE_HEADER_LENGTH;
    const rest = length - MESSAGE_HEADER_LENGTH;
    return ClusterMembersExtendedResponseDecoder.isBodyValid(view, start, rest, blockLength);
  }

  /** Whether block and variable data lie in `length` bytes from the block on. */
  static isBodyValid(
    view: DataView,
    offset: number,
    length: number,
    actingBlockLength = 24,
  ): boolean {
    if (actingBlockLength < 24) {
      return false;
    }
    const end = offset + length;
    let cursor = offset + actingBlockLength;
    if (offset < 0 || cursor > end || end > view.byteLength) {
      return false;
    }
    cursor = skipGroup(view, cursor, end, 28, 5);
    cursor = skipGroup(view, cursor, end, 28, 5);
    return cursor >= 0;
  }

  /** Reads a block that starts at `offset`. */
  wrap(view: DataView, offset: number, actingBlockLength = 24): this {
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

  correlationId(): bigint {
    return this.view.getBigInt64(this.offset, true);
  }

  correlationIdLow(): number {
    return this.view.getUint32(this.offset, true);
  }

  correlationIdHigh(): number {
    return this.view.getUint32(this.offset + 4, true);
  }

  currentTimeNs(): bigint {
    return this.view.getBigInt64(this.offset + 8, true);
  }

  currentTimeNsLow(): number {
    return this.view.getUint32(this.offset + 8, true);
  }

  currentTimeNsHigh(): number {
    return this.view.getUint32(this.offset + 12, true);
  }

  leaderMemberId(): number {
    return this.view.getInt32(this.offset + 16, true);
  }

  memberId(): number {
    return this.view.getInt32(this.offset + 20, true);
  }

  /** The entries of activeMembers: call `next()` on the result until it returns false. */
  activeMembers(): ClusterMembersExtendedResponseActiveMembersDecoder {
    const at = this.offset + this.actingBlockLength;
    return new ClusterMembersExtendedResponseActiveMembersDecoder(this.view, at);
  }

  /** The entries of passiveMembers: call `next()` on the result until it returns false. */
  passiveMembers(): ClusterMembersExtendedResponsePassiveMembersDecoder {
    let at = this.offset + this.actingBlockLength;
    at = skipGroup(this.view, at, this.view.byteLength, 28, 5);
    return new ClusterMembersExtendedResponsePassiveMembersDecoder(this.view, at);
  }
}
