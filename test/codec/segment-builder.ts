// segment-builder.ts: writes the frames of a log with the flyweights of the protocol and a checksum
// written in TypeScript, so that the codec is compared with something that shares no code with it.

import { DataHeaderFlyweight } from '../../src/protocol/data-header-flyweight.js';
import { alignFrameLength } from '../../src/protocol/frames.js';
import { writeMessageHeader } from '../../src/protocol/message-header.js';

export const HEADER_LENGTH = 32;
export const UNFRAGMENTED = 0xc0;

/** The Castagnoli polynomial, bits reversed; bit by bit, because it is only a reference. */
export function referenceCrc32c(bytes: Uint8Array, seed = 0): number {
  let crc = ~seed >>> 0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) {
      crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    }
  }
  return ~crc >>> 0;
}

/** The crc of a frame as the protocol page defines it: a masked copy, then the plain crc. */
export function referenceFrameChecksum(frame: Uint8Array, isPadding: boolean): number {
  const masked = frame.slice(0, isPadding ? HEADER_LENGTH : frame.length);
  masked.fill(0, 12, 20);
  masked.fill(0, 24, 28);
  return referenceCrc32c(masked);
}

/** What a built log is made of. */
export interface FrameFact {
  readonly position: number;
  readonly isPadding: boolean;
  readonly frameLength: number;
  readonly flags: number;
  readonly leadershipTermId: number;
  readonly payload: Uint8Array;
}

export interface SegmentOptions {
  readonly termLength: number;
  /** Bytes of the file; sparse behind the last frame. */
  readonly length: number;
  readonly position?: number;
  readonly initialTermId?: number;
  readonly sessionId?: number;
  readonly streamId?: number;
}

/** Appends frames to a segment and pads terms as a publication does. */
export class SegmentBuilder {
  readonly bytes: Uint8Array;
  readonly facts: FrameFact[] = [];
  readonly begin: number;
  position: number;
  leadershipTermId = 0;
  private readonly view: DataView;
  private readonly termLength: number;
  private readonly initialTermId: number;
  private readonly sessionId: number;
  private readonly streamId: number;
  private readonly flyweight = new DataHeaderFlyweight();

  constructor(options: SegmentOptions) {
    this.bytes = new Uint8Array(options.length);
    this.view = new DataView(this.bytes.buffer);
    this.termLength = options.termLength;
    this.begin = options.position ?? 0;
    this.position = this.begin;
    this.initialTermId = options.initialTermId ?? 0;
    this.sessionId = options.sessionId ?? 0x51_5e_55;
    this.streamId = options.streamId ?? 100;
  }

  /** Appends a frame, behind padding when the term has no room for it. */
  append(payload: Uint8Array, flags = UNFRAGMENTED): this {
    const length = alignFrameLength(HEADER_LENGTH + payload.length);
    if (length > this.termRemaining()) {
      this.pad();
    }
    this.write(payload, HEADER_LENGTH + payload.length, flags, false);
    return this;
  }

  /** Appends a message of the cluster with an empty block. */
  appendMessage(templateId: number, blockLength: number, extraLength = 0): this {
    const payload = new Uint8Array(8 + blockLength + extraLength);
    writeMessageHeader(new DataView(payload.buffer), 0, blockLength, templateId, 111, 17);
    payload.fill(templateId & 0xff, 8 + blockLength);
    return this.append(payload);
  }

  /** Fills the term with padding. */
  pad(): this {
    this.write(new Uint8Array(0), this.termRemaining(), UNFRAGMENTED, true);
    return this;
  }

  termRemaining(): number {
    return this.termLength - (this.position % this.termLength);
  }

  private write(payload: Uint8Array, frameLength: number, flags: number, isPadding: boolean): void {
    const offset = this.position - this.begin;
    this.flyweight
      .wrapAndApplyHeader(this.view, offset, frameLength, flags, isPadding ? 0 : 1)
      .setTermOffset(this.position % this.termLength)
      .setTermId((this.initialTermId + Math.floor(this.position / this.termLength)) | 0)
      .setSessionId(this.sessionId)
      .setStreamId(this.streamId)
      .setLeadershipTermLow(this.leadershipTermId);
    this.bytes.set(payload, offset + HEADER_LENGTH);
    const frame = this.bytes.subarray(offset, offset + frameLength);
    this.flyweight.setChecksum(referenceFrameChecksum(frame, isPadding));
    const { position, leadershipTermId } = this;
    this.facts.push({ position, isPadding, frameLength, flags, leadershipTermId, payload });
    this.position += alignFrameLength(frameLength);
  }
}

const MASK = (1n << 64n) - 1n;
const MULTIPLIER_A = 0x9e3779b97f4a7c15n;
const MULTIPLIER_B = 0xd1b54a32d192ed03n;

function rotate(value: bigint, bits: bigint): bigint {
  return ((value << bits) | (value >> (64n - bits))) & MASK;
}

/** The hash of a log's frames by its definition, in plain TypeScript. */
export function referenceHash(builder: SegmentBuilder, from = builder.begin): string {
  let a = 0xcbf29ce484222325n;
  let b = MULTIPLIER_B;
  for (const fact of builder.facts.filter((f) => f.position >= from)) {
    const offset = fact.position - builder.begin;
    const length = fact.isPadding ? HEADER_LENGTH : fact.frameLength;
    const masked = new Uint8Array(Math.ceil(length / 8) * 8);
    masked.set(builder.bytes.subarray(offset, offset + length));
    masked.fill(0, 12, 20);
    const words = new BigUint64Array(masked.buffer);
    for (const word of words) {
      a = (rotate(a ^ word, 27n) * MULTIPLIER_A) & MASK;
      b = ((rotate(b, 31n) + word) * MULTIPLIER_B) & MASK;
    }
  }
  return a.toString(16).padStart(16, '0') + b.toString(16).padStart(16, '0');
}
