// log-twin.ts: a log buffer in plain TypeScript, to compare core.wasm with.
//
// It is written from the layout on paper, not from the AssemblyScript: its state is positions, not
// packed tails, and it rotates nothing, because a position says in which term it lies. The bytes of
// the three terms must come out equal.

import { frameChecksumTwin } from './crc32c-twin.js';

export const BACK_PRESSURED = -2;
export const MAX_POSITION_EXCEEDED = -5;
export const MALFORMED = -1;
export const CHECKSUM_MISMATCH = -2;
export const UNDERRUN = -3;
export const OVERRUN = -4;

const HEADER = 32;
const POSITION_MAX = 2 ** 53 - 32;

export interface TwinGeometry {
  readonly termLength: number;
  readonly mtu: number;
  readonly initialTermId: number;
  readonly sessionId: number;
  readonly streamId: number;
  readonly startPosition?: number;
}

/** A frame that a scan found. */
export interface TwinFrame {
  readonly position: number;
  readonly offset: number;
  readonly length: number;
}

export const align = (length: number): number => Math.ceil(length / 32) * 32;

/** Three terms as one array, and everything else as numbers. */
export class LogTwin {
  readonly geometry: TwinGeometry;
  readonly bytes: Uint8Array;
  readonly view: DataView;
  tail: number;
  limit: number;
  clean: number;
  rebuilt: number;
  highWater: number;
  isChecksumEnabled = false;
  leadershipTermLow = 0;

  constructor(geometry: TwinGeometry) {
    this.geometry = geometry;
    this.bytes = new Uint8Array(3 * geometry.termLength);
    this.view = new DataView(this.bytes.buffer);
    const start = geometry.startPosition ?? 0;
    this.tail = start;
    this.limit = start;
    this.clean = start;
    this.rebuilt = start;
    this.highWater = start;
  }

  /** Index into `bytes` of a position. */
  offsetOf(position: number): number {
    return position % this.bytes.length;
  }

  get positionMax(): number {
    return Math.min(this.geometry.termLength * 2 ** 31, POSITION_MAX);
  }

  termRemaining(position: number): number {
    return this.geometry.termLength - (position % this.geometry.termLength);
  }

  /** The position of room for `required` bytes, or a negative result code. */
  reserve(required: number): number {
    const { termLength } = this.geometry;
    const inTerm = this.tail % termLength;
    // A tail at the very end of a term still belongs to it until the next append.
    const isFull = inTerm === 0 && this.tail > (this.geometry.startPosition ?? 0);
    const remaining = isFull ? 0 : termLength - inTerm;
    const begin = required <= remaining ? this.tail : this.tail + remaining;
    const end = begin + required;
    if (end > this.positionMax) {
      return MAX_POSITION_EXCEEDED;
    }
    if (end > this.limit) {
      return BACK_PRESSURED;
    }
    if (begin > this.tail) {
      this.writeHeader(this.tail, begin - this.tail, 0xc0, 0);
    }
    this.tail = end;
    return begin;
  }

  /** Writes a header and publishes it. */
  writeHeader(position: number, length: number, flags: number, type: number): void {
    const at = this.offsetOf(position);
    this.writeFields(position, flags, type);
    this.view.setInt32(at, length, true);
    this.seal(at, length);
  }

  writeFields(position: number, flags: number, type: number): void {
    const { termLength, initialTermId, sessionId, streamId } = this.geometry;
    const at = this.offsetOf(position);
    this.view.setUint8(at + 4, 0);
    this.view.setUint8(at + 5, flags);
    this.view.setUint16(at + 6, type, true);
    this.view.setInt32(at + 8, position % termLength, true);
    this.view.setInt32(at + 12, sessionId, true);
    this.view.setInt32(at + 16, streamId, true);
    this.view.setInt32(at + 20, initialTermId + Math.floor(position / termLength), true);
    this.view.setInt32(at + 24, 0, true);
    this.view.setInt32(at + 28, 0, true);
  }

  seal(at: number, length: number): void {
    if (this.isChecksumEnabled) {
      this.view.setInt32(at + 28, this.leadershipTermLow, true);
      this.view.setUint32(at + 24, frameChecksumTwin(this.view, at, length), true);
    }
  }

  framedLength(length: number): number {
    const payloadMax = this.geometry.mtu - HEADER;
    const fullCount = Math.floor(length / payloadMax);
    const rest = length % payloadMax;
    const tail = rest > 0 || length === 0 ? align(rest + HEADER) : 0;
    return fullCount * this.geometry.mtu + tail;
  }

  append(message: Uint8Array): number {
    const begin = this.reserve(this.framedLength(message.length));
    if (begin < 0) {
      return begin;
    }
    const payloadMax = this.geometry.mtu - HEADER;
    const count = Math.max(1, Math.ceil(message.length / payloadMax));
    for (let i = 0; i < count; i++) {
      const part = count === 1 ? message : message.subarray(i * payloadMax, (i + 1) * payloadMax);
      const position = begin + i * this.geometry.mtu;
      const flags = (i === 0 ? 0x80 : 0) | (i === count - 1 ? 0x40 : 0);
      this.clearEnd(position, part.length + HEADER);
      this.bytes.set(part, this.offsetOf(position) + HEADER);
      this.writeHeader(position, part.length + HEADER, flags, 1);
    }
    return this.tail;
  }

  /** Position of a claimed frame, or a negative result code. */
  claim(length: number): number {
    const begin = this.reserve(align(length + HEADER));
    if (begin >= 0) {
      this.clearEnd(begin, length + HEADER);
      this.writeFields(begin, 0xc0, 1);
      this.view.setInt32(this.offsetOf(begin), -(length + HEADER), true);
    }
    return begin;
  }

  commit(position: number, payload: Uint8Array): void {
    this.bytes.set(payload, this.offsetOf(position) + HEADER);
    this.writeHeader(position, payload.length + HEADER, 0xc0, 1);
  }

  abort(position: number, length: number): void {
    this.writeHeader(position, align(length + HEADER), 0xc0, 0);
  }

  appendPadding(length: number): number {
    const begin = this.reserve(length);
    if (begin < 0) {
      return begin;
    }
    this.writeHeader(begin, length, 0xc0, 0);
    return this.tail;
  }

  /** Zeroes the last 32 bytes of a frame's room. */
  clearEnd(position: number, length: number): void {
    const end = this.offsetOf(position) + align(length);
    this.bytes.fill(0, end - 32, end);
  }

  zero(from: number, to: number): void {
    for (let position = from; position < to; ) {
      const at = this.offsetOf(position);
      const end = Math.min(this.bytes.length, at + to - position);
      this.bytes.fill(0, at, end);
      position += end - at;
    }
  }

  cleanTo(position: number, lengthMax: number): number {
    const length = Math.min(position - this.clean, Math.floor(lengthMax / 32) * 32);
    this.zero(this.clean, this.clean + length);
    this.clean += Math.max(0, length);
    return this.clean;
  }

  /** As `cleanTo`, without zeroing. */
  retireTo(position: number): number {
    this.clean = Math.max(this.clean, position - (position % 32));
    return this.clean;
  }

  /** Length of a published frame that ends at or below a limit and in its term, else 0. */
  frameAt(position: number, limit: number): number {
    const length = this.view.getInt32(this.offsetOf(position), true);
    const room = Math.min(this.termRemaining(position), limit - position);
    return length >= HEADER && align(length) <= room ? length : 0;
  }

  isPaddingAt(position: number): boolean {
    return this.view.getUint16(this.offsetOf(position) + 6, true) === 0;
  }

  scan(from: number, limit: number, frameLimit: number): { frames: TwinFrame[]; end: number } {
    const frames: TwinFrame[] = [];
    let position = from;
    for (;;) {
      const length = position < limit ? this.frameAt(position, limit) : 0;
      if (length === 0 || (!this.isPaddingAt(position) && frames.length >= frameLimit)) {
        return { frames, end: position };
      }
      if (!this.isPaddingAt(position)) {
        frames.push({ position, offset: this.offsetOf(position), length });
      }
      position += align(length);
    }
  }

  nextBlock(from: number, limit: number, lengthMax: number): { length: number; advance: number } {
    const termEnd = from + this.termRemaining(from);
    let length = 0;
    if (from < this.clean || from % 32 !== 0) {
      return { length, advance: 0 };
    }
    while (from + length + HEADER <= limit && length + HEADER <= lengthMax) {
      const frameLength = from + length < termEnd ? this.frameAt(from + length, termEnd) : 0;
      if (frameLength === 0) {
        break;
      }
      const aligned = align(frameLength);
      const termOffset = this.view.getInt32(this.offsetOf(from + length) + 8, true);
      if (termOffset !== (from + length) % this.geometry.termLength) {
        break;
      }
      if (this.isPaddingAt(from + length)) {
        return { length: length + HEADER, advance: length + aligned };
      }
      if (length + aligned > lengthMax || from + length + aligned > limit) {
        break;
      }
      length += aligned;
    }
    return { length, advance: length };
  }
}
