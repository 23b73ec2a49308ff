// log-pair.ts: a log buffer of core.wasm and its twin, driven side by side.

import { assert } from '../../src/assert.js';
import { Arena } from '../../src/memory/arena.js';
import {
  BLOCK_ADVANCE_OFFSET,
  GAP_LENGTH_OFFSET,
  GAP_TERM_ID_OFFSET,
  GAP_TERM_OFFSET_OFFSET,
  SCAN_END_OFFSET,
  SCAN_ENTRY_LENGTH,
  SCAN_HEADER_LENGTH,
  scanAreaLength,
} from '../../src/memory/core.js';
import { LogBuffer } from '../../src/memory/log-buffer.js';
import { LogTwin, type TwinFrame, type TwinGeometry } from './twin/log-twin.js';
import { advanceTwin, findGapTwin, insertTwin, type TwinGap } from './twin/rebuild-twin.js';

/** Scratch for messages, datagrams and answers. */
const SCRATCH_LENGTH = 256 * 1024;
const SCAN_FRAMES_MAX = 1024;

/** One arena for all pairs of a test file: pages are cheap, instances are not. */
let sharedArena: Arena | undefined;

export function testArena(): Arena {
  sharedArena ??= Arena.create(64 * 1024 * 1024);
  return sharedArena;
}

function assertEqual(actual: unknown, expected: unknown, what: string): void {
  const left = JSON.stringify(actual);
  const right = JSON.stringify(expected);
  assert(left === right, `${what}: core.wasm says ${left}, the twin ${right}`);
}

/** Bytes that depend on their index and a seed, so that misplaced ones show. */
export function pattern(length: number, seed: number): Uint8Array {
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    bytes[i] = (i * 31 + seed * 17 + (i >> 8)) & 0xff;
  }
  return bytes;
}

/** Every method does the same to both, asserts equal answers, and returns the answer. */
export class LogPair {
  readonly arena: Arena;
  readonly log: LogBuffer;
  readonly twin: LogTwin;
  readonly scratch: number;
  readonly #answer: number;

  constructor(geometry: TwinGeometry) {
    this.arena = testArena();
    this.log = LogBuffer.allocate(this.arena, geometry);
    this.twin = new LogTwin(geometry);
    this.scratch = this.arena.allocate(SCRATCH_LENGTH);
    this.#answer = this.arena.allocate(scanAreaLength(SCAN_FRAMES_MAX));
  }

  release(): void {
    this.log.release();
    this.arena.release(this.scratch, SCRATCH_LENGTH);
    this.arena.release(this.#answer, scanAreaLength(SCAN_FRAMES_MAX));
  }

  /** Address of the three terms. */
  get base(): number {
    return this.log.meta - 3 * this.log.termLength;
  }

  setChecksum(enabled: boolean, leadershipTermLow: number): void {
    this.arena.core.logSetChecksum(this.log.meta, enabled ? 1 : 0, leadershipTermLow);
    this.twin.isChecksumEnabled = enabled;
    this.twin.leadershipTermLow = leadershipTermLow;
  }

  /** Never beyond what was cleaned: that would be a broken invariant. */
  setLimit(position: number): void {
    const limit = Math.min(position, this.twin.clean + this.twin.bytes.length);
    this.arena.core.logSetPublisherLimit(this.log.meta, limit);
    this.twin.limit = limit;
  }

  put(bytes: Uint8Array, at = this.scratch): number {
    this.arena.u8.set(bytes, at);
    return at;
  }

  append(message: Uint8Array, headLength = 0): number {
    const { core } = this.arena;
    const source = this.put(message);
    const result =
      headLength === 0
        ? core.append(this.log.meta, source, message.length)
        : core.append2(
            this.log.meta,
            source,
            headLength,
            source + headLength,
            message.length - headLength,
          );
    assertEqual(result, this.twin.append(message), `append of ${message.length}`);
    return result;
  }

  appendPadding(length: number): number {
    const result = this.arena.core.appendPadding(this.log.meta, length);
    assertEqual(result, this.twin.appendPadding(length), `padding of ${length}`);
    return result;
  }

  /** Position of the claimed frame, or a negative result code. */
  claim(length: number): number {
    const result = this.arena.core.appendClaim(this.log.meta, length);
    const position = this.twin.claim(length);
    const expected = position < 0 ? position : this.base + this.twin.offsetOf(position) + 32;
    assertEqual(result, expected, `claim of ${length}`);
    return position;
  }

  commit(position: number, payload: Uint8Array): void {
    const address = this.base + this.twin.offsetOf(position) + 32;
    this.put(payload, address);
    const tail = this.arena.core.appendCommit(this.log.meta, address);
    this.twin.commit(position, payload);
    assertEqual(tail, this.twin.tail, 'tail after commit');
  }

  abort(position: number, length: number): void {
    const address = this.base + this.twin.offsetOf(position) + 32;
    this.arena.core.appendAbort(this.log.meta, address);
    this.twin.abort(position, length);
  }

  clean(position: number, lengthMax = 1 << 30): number {
    const result = this.arena.core.logClean(this.log.meta, position, lengthMax);
    assertEqual(result, this.twin.cleanTo(position, lengthMax), 'clean position');
    return result;
  }

  /** Fills the three terms with frames of another round, as they lie there after `retire`. */
  litter(): void {
    const { termLength, initialTermId } = this.twin.geometry;
    for (let at = 0; at < 3 * termLength; at += 96) {
      const length = Math.min(96, 3 * termLength - at);
      this.twin.bytes.fill(0xa5, at, at + length);
      this.twin.view.setInt32(at, length, true);
      this.twin.view.setInt32(at + 20, initialTermId - 3, true);
    }
    this.put(this.twin.bytes, this.base);
  }

  retire(position: number): number {
    const result = this.arena.core.logRetire(this.log.meta, position);
    assertEqual(result, this.twin.retireTo(position), 'clean position');
    return result;
  }

  scan(from: number, limit: number, frameLimit: number): { frames: TwinFrame[]; end: number } {
    const { core, view } = this.arena;
    const count = core.scan(this.log.meta, from, limit, frameLimit, this.#answer);
    const expected = this.twin.scan(from, limit, frameLimit);
    assertEqual(count, expected.frames.length, `frames of a scan from ${from} to ${limit}`);
    const end = view.getFloat64(this.#answer + SCAN_END_OFFSET, true);
    assertEqual(end, expected.end, `end of a scan from ${from} to ${limit}`);
    for (const [i, { offset, length }] of expected.frames.entries()) {
      const entry = this.#answer + SCAN_HEADER_LENGTH + i * SCAN_ENTRY_LENGTH;
      const found = [view.getInt32(entry, true), view.getInt32(entry + 4, true)];
      assertEqual(found, [this.base + offset, length], `entry ${i}`);
    }
    return expected;
  }

  nextBlock(from: number, limit: number, lengthMax: number): { length: number; advance: number } {
    const { core, view } = this.arena;
    const length = core.nextBlock(this.log.meta, from, limit, lengthMax, this.#answer);
    const advance = view.getInt32(this.#answer + BLOCK_ADVANCE_OFFSET, true);
    const expected = this.twin.nextBlock(from, limit, lengthMax);
    assertEqual({ length, advance }, expected, `block from ${from} to ${limit}`);
    return expected;
  }

  /** A copy of a block, as it would travel. */
  blockBytes(position: number, length: number): Uint8Array {
    const at = this.twin.offsetOf(position);
    return this.twin.bytes.slice(at, at + length);
  }

  insert(datagram: Uint8Array): number {
    const source = this.put(datagram);
    const result = this.arena.core.rebuildInsert(this.log.meta, source, datagram.length);
    assertEqual(result, insertTwin(this.twin, datagram), `insert of ${datagram.length} bytes`);
    return result;
  }

  advance(): number {
    const result = this.arena.core.rebuildAdvance(this.log.meta);
    assertEqual(result, advanceTwin(this.twin), 'rebuild position');
    return result;
  }

  raiseHighWaterMark(position: number): void {
    this.arena.core.rebuildHighWaterMark(this.log.meta, position);
    const reachable = Math.min(position, this.twin.clean + this.twin.bytes.length);
    this.twin.zero(this.twin.highWater, reachable);
    this.twin.highWater = Math.max(this.twin.highWater, reachable);
    assertEqual(this.log.highWaterMark.get(), this.twin.highWater, 'high-water mark');
  }

  findGap(): TwinGap | undefined {
    const { core, view } = this.arena;
    const isFound = core.findGap(this.log.meta, this.#answer) === 1;
    const gap = isFound
      ? {
          termId: view.getInt32(this.#answer + GAP_TERM_ID_OFFSET, true),
          termOffset: view.getInt32(this.#answer + GAP_TERM_OFFSET_OFFSET, true),
          length: view.getInt32(this.#answer + GAP_LENGTH_OFFSET, true),
        }
      : undefined;
    assertEqual(gap, findGapTwin(this.twin), 'gap');
    return gap;
  }

  /** Compares every byte of the three terms, and the tail. */
  check(): void {
    const bytes = this.arena.u8.subarray(this.base, this.log.meta);
    const isEqual = Buffer.compare(bytes, this.twin.bytes) === 0;
    if (!isEqual) {
      const at = this.twin.bytes.findIndex((byte, i) => byte !== bytes[i]);
      assert(false, `byte ${at} of the terms differs: ${bytes[at]}, twin ${this.twin.bytes[at]}`);
    }
    assertEqual(this.log.tailPosition, this.twin.tail, 'tail');
    assertEqual(this.log.cleanPosition.get(), this.twin.clean, 'clean position');
  }
}
