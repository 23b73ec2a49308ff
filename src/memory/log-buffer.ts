// log-buffer.ts: a log buffer in an arena, named by the address of its metadata page.
//
// [ term 0 ][ term 1 ][ term 2 ][ metadata ]
//                               ^ meta
//
// This view reads and writes fields of the metadata page. What happens to frames is core.wasm's.

import {
  DATA_SESSION_ID_OFFSET,
  DATA_STREAM_ID_OFFSET,
  LOG_ACTIVE_TRANSPORT_COUNT_OFFSET,
  LOG_DEFAULT_FRAME_HEADER_OFFSET,
  LOG_END_OF_STREAM_POSITION_OFFSET,
  LOG_INITIAL_TERM_ID_OFFSET,
  LOG_IS_CONNECTED_OFFSET,
  LOG_METADATA_LENGTH,
  LOG_MTU_LENGTH_OFFSET,
  LOG_TERM_LENGTH_OFFSET,
  LOG_TYPE_OFFSET,
  PARTITION_COUNT,
} from '../../assembly/layout/frame.js';
import {
  LOG_CHECKSUM_ENABLED_OFFSET,
  LOG_CLEAN_POSITION_OFFSET,
  LOG_HIGH_WATER_MARK_OFFSET,
  LOG_LEADERSHIP_TERM_LOW_OFFSET,
  LOG_PUBLISHER_LIMIT_OFFSET,
  LOG_REBUILD_POSITION_OFFSET,
} from '../../assembly/layout/log-buffer.js';
import { assert } from '../assert.js';
import { checkSafeInteger, positionBitsToShift } from '../position.js';
import type { Arena } from './arena.js';
import { Counter } from './counters.js';

/** What a log buffer is made for; fixed for its life. */
export interface LogBufferGeometry {
  /** Bytes of one of the three terms: a power of two from 64 KiB to 1 GiB. */
  readonly termLength: number;
  /** Bytes of a frame at most, header included; a multiple of 32. */
  readonly mtu: number;
  /** i32, any value. */
  readonly initialTermId: number;
  readonly sessionId: number;
  readonly streamId: number;
  /** Where the stream starts or resumes. Aligned to 32. Default 0. */
  readonly startPosition?: number;
}

/** Bytes of a log buffer in an arena: three terms and the metadata page. */
export function logBufferLength(termLength: number): number {
  return PARTITION_COUNT * termLength + LOG_METADATA_LENGTH;
}

/** Three rotating terms and their metadata in an arena. */
export class LogBuffer {
  readonly arena: Arena;
  /** Address of the metadata page: what core.wasm's functions take. */
  readonly meta: number;
  readonly termLength: number;
  /** log2 of the term length. */
  readonly positionBitsToShift: number;
  /** An append must end at or below it. */
  readonly publisherLimit: Counter;
  /** Bytes below it belong to the positions three terms later. */
  readonly cleanPosition: Counter;
  /** Image: every frame below it was received. */
  readonly rebuildPosition: Counter;
  /** Image: the highest position known to exist. */
  readonly highWaterMark: Counter;

  private constructor(arena: Arena, meta: number) {
    this.arena = arena;
    this.meta = meta;
    this.termLength = arena.view.getInt32(meta + LOG_TERM_LENGTH_OFFSET, true);
    this.positionBitsToShift = positionBitsToShift(this.termLength);
    this.publisherLimit = Counter.at(arena, meta + LOG_PUBLISHER_LIMIT_OFFSET);
    this.cleanPosition = Counter.at(arena, meta + LOG_CLEAN_POSITION_OFFSET);
    this.rebuildPosition = Counter.at(arena, meta + LOG_REBUILD_POSITION_OFFSET);
    this.highWaterMark = Counter.at(arena, meta + LOG_HIGH_WATER_MARK_OFFSET);
  }

  /**
   * Allocates a zeroed log buffer in the arena of this thread and writes its metadata.
   *
   * @throws PawlError ARGUMENT_OUT_OF_RANGE for a term length that is no power of two in range,
   *   MEMORY_EXHAUSTED when the arena has no room.
   */
  static allocate(arena: Arena, geometry: LogBufferGeometry): LogBuffer {
    const { termLength, mtu, initialTermId, sessionId, streamId } = geometry;
    const startPosition = checkSafeInteger(geometry.startPosition ?? 0, 'start position');
    positionBitsToShift(termLength);
    const address = arena.allocate(logBufferLength(termLength));
    const meta = address + PARTITION_COUNT * termLength;
    arena.core.logInitialize(meta, termLength, mtu, initialTermId, sessionId, streamId);
    arena.core.logStartAt(meta, startPosition);
    return new LogBuffer(arena, meta);
  }

  /** The view of another thread over a log buffer that exists. */
  static attach(arena: Arena, meta: number): LogBuffer {
    return new LogBuffer(arena, meta);
  }

  /** Gives the memory back. Nothing may use the log buffer, or hold bytes of it, any more. */
  release(): void {
    const address = this.meta - PARTITION_COUNT * this.termLength;
    this.arena.release(address, logBufferLength(this.termLength));
  }

  get mtu(): number {
    return this.#int(LOG_MTU_LENGTH_OFFSET);
  }

  get initialTermId(): number {
    return this.#int(LOG_INITIAL_TERM_ID_OFFSET);
  }

  get sessionId(): number {
    return this.#int(LOG_DEFAULT_FRAME_HEADER_OFFSET + DATA_SESSION_ID_OFFSET);
  }

  get streamId(): number {
    return this.#int(LOG_DEFAULT_FRAME_HEADER_OFFSET + DATA_STREAM_ID_OFFSET);
  }

  /** Whether frames carry a checksum and a leadership term in their reserved value. */
  get isChecksumEnabled(): boolean {
    return this.#int(LOG_CHECKSUM_ENABLED_OFFSET) !== 0;
  }

  /** Low 32 bits of the leadership term that appended frames carry, as i32. */
  get leadershipTermLow(): number {
    return this.#int(LOG_LEADERSHIP_TERM_LOW_OFFSET);
  }

  /** Sets whether frames carry a checksum, and the leadership term whose low bits they carry. */
  setChecksum(enabled: boolean, leadershipTermId: number): void {
    const low = (leadershipTermId % 2 ** 32) | 0;
    this.arena.core.logSetChecksum(this.meta, enabled ? 1 : 0, low);
  }

  /** Tail position of a publication. */
  get tailPosition(): number {
    return this.arena.core.logTail(this.meta);
  }

  /** Position at which the stream ended, or undefined while it goes on. */
  get endOfStreamPosition(): number | undefined {
    const value = Atomics.load(this.#bigInts(), this.#endOfStreamIndex());
    return value > BigInt(Number.MAX_SAFE_INTEGER) ? undefined : Number(value);
  }

  set endOfStreamPosition(position: number) {
    Atomics.store(this.#bigInts(), this.#endOfStreamIndex(), BigInt(position));
  }

  get isConnected(): boolean {
    return Atomics.load(this.arena.i32, (this.meta + LOG_IS_CONNECTED_OFFSET) >> 2) !== 0;
  }

  set isConnected(value: boolean) {
    Atomics.store(this.arena.i32, (this.meta + LOG_IS_CONNECTED_OFFSET) >> 2, value ? 1 : 0);
  }

  get activeTransportCount(): number {
    return Atomics.load(this.arena.i32, (this.meta + LOG_ACTIVE_TRANSPORT_COUNT_OFFSET) >> 2);
  }

  set activeTransportCount(value: number) {
    Atomics.store(this.arena.i32, (this.meta + LOG_ACTIVE_TRANSPORT_COUNT_OFFSET) >> 2, value);
  }

  /** One of the LOG_TYPE constants. */
  get type(): number {
    return this.arena.u8[this.meta + LOG_TYPE_OFFSET] ?? 0;
  }

  set type(value: number) {
    this.arena.u8[this.meta + LOG_TYPE_OFFSET] = value;
  }

  #int(offset: number): number {
    return this.arena.view.getInt32(this.meta + offset, true);
  }

  #bigInts(): BigInt64Array {
    return new BigInt64Array(this.arena.memory.buffer);
  }

  #endOfStreamIndex(): number {
    assert(this.meta % 8 === 0, 'a metadata page starts at a multiple of 8');
    return (this.meta + LOG_END_OF_STREAM_POSITION_OFFSET) >> 3;
  }
}
