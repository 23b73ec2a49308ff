// frame-walk.ts: walks bytes of any length through the codec, piece by piece.

import {
  DATA_HEADER_LENGTH,
  DATA_LEADERSHIP_TERM_OFFSET,
  FRAME_ALIGNMENT,
  TERM_LENGTH_MAX,
} from '../../assembly/layout/frame.js';
import { ErrorCode, PawlError } from '../errors.js';
import { checkSafeInteger, positionBitsToShift } from '../position.js';
import {
  CHECK_CHECKSUM,
  CHECK_LEADERSHIP_ASCENT,
  CHECK_LEADERSHIP_TERM,
  CHECK_PLACE,
  INDEX_ADDRESS,
  INDEX_ENTRY_LENGTH,
  INDEX_FRAME_COUNT_MAX,
  STOP_CUT_SHORT,
  STOP_END,
  STOP_FRAME_LIMIT,
  WALK_CHECKS_OFFSET,
  WALK_INITIAL_TERM_ID_OFFSET,
  WALK_LEADERSHIP_TERM_OFFSET,
  WALK_POSITION_OFFSET,
  WALK_RECORD_ADDRESS,
  WALK_STOP_OFFSET,
  WALK_TERM_LENGTH_OFFSET,
} from './codec-exports.js';
import { CHUNK_LENGTH, type CodecMemory } from './codec-memory.js';

const LEADERSHIP_TERM_MODULUS = 2 ** 32;

/** Where bytes stand in a log. */
export interface LogPlace {
  /** Position of the first byte: the number after the dash in a segment's name. Default 0. */
  readonly position?: number;
  /**
   * Bytes of a term, a power of two from 64 KiB to 1 GiB. Without it nothing is said of where the
   * frames stand, only of their length, version and type.
   */
  readonly termLength?: number;
  /** Term id at position 0. Default 0, as in the log of a cluster. */
  readonly initialTermId?: number;
}

/** What `verify` compares the frames with. */
export interface VerifyPlace extends LogPlace {
  readonly termLength: number;
  /**
   * The one leadership term of all frames. Without it the terms only must not fall, as they never
   * do in a log.
   */
  readonly leadershipTermId?: number;
}

function checkPosition(position: number): number {
  checkSafeInteger(position, 'position');
  if (position < 0 || position % FRAME_ALIGNMENT !== 0) {
    throw new PawlError(
      ErrorCode.ArgumentOutOfRange,
      `position is ${position}: frames start at multiples of ${FRAME_ALIGNMENT} from 0 on`,
    );
  }
  return position;
}

function checksOf(place: LogPlace): number {
  return place.termLength === undefined ? 0 : CHECK_PLACE;
}

function verifyChecksOf(place: VerifyPlace): number {
  const term =
    place.leadershipTermId === undefined ? CHECK_LEADERSHIP_ASCENT : CHECK_LEADERSHIP_TERM;
  return CHECK_PLACE | CHECK_CHECKSUM | term;
}

/** Low half of the leadership term that the first frame names. */
function leadershipTermOf(bytes: Uint8Array): number {
  if (bytes.length < DATA_HEADER_LENGTH) {
    return 0;
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  return view.getUint32(DATA_LEADERSHIP_TERM_OFFSET, true);
}

/** One pass over some bytes. After `next` the frames of one piece can be read. */
export class FrameWalk {
  /** Position after the last frame taken. */
  position: number;
  /** Why the walk ended: a STOP_ number. */
  stop: number = STOP_END;
  /** Low half of the leadership term of the last frame taken. */
  leadershipTermLow = 0;
  /** Frames of this piece. */
  frameCount = 0;
  private readonly memory: CodecMemory;
  private readonly bytes: Uint8Array;
  private readonly begin: number;
  private readonly termLength: number;
  private readonly initialTermId: number;
  private readonly checks: number;
  private chunkLength = CHUNK_LENGTH;
  private ended = false;
  private readonly entries = new Int32Array(INDEX_FRAME_COUNT_MAX * 2);

  private constructor(memory: CodecMemory, bytes: Uint8Array, place: LogPlace, checks: number) {
    this.memory = memory;
    this.bytes = bytes;
    this.begin = checkPosition(place.position ?? 0);
    this.position = this.begin;
    this.termLength = place.termLength ?? TERM_LENGTH_MAX;
    positionBitsToShift(this.termLength);
    this.initialTermId = checkSafeInteger(place.initialTermId ?? 0, 'initial term id') | 0;
    this.checks = checks;
  }

  /** Looks only at where frames are. */
  static over(memory: CodecMemory, bytes: Uint8Array, place: LogPlace): FrameWalk {
    return new FrameWalk(memory, bytes, place, checksOf(place));
  }

  /** Checks everything that can be checked. */
  static verifying(memory: CodecMemory, bytes: Uint8Array, place: VerifyPlace): FrameWalk {
    const walk = new FrameWalk(memory, bytes, place, verifyChecksOf(place));
    // Where no term is given any first one is right, and only the frames behind it are compared.
    const term = place.leadershipTermId ?? leadershipTermOf(bytes);
    checkSafeInteger(term, 'leadership term id');
    walk.leadershipTermLow = (term % LEADERSHIP_TERM_MODULUS) | 0;
    return walk;
  }

  /** Offset in the bytes of a frame of this piece. */
  offsetAt(index: number): number {
    return this.entries[index * 2] ?? 0;
  }

  /** Unaligned length of a frame of this piece. */
  lengthAt(index: number): number {
    return this.entries[index * 2 + 1] ?? 0;
  }

  /** Examines the next piece. Returns false when the walk has ended; the frames are then none. */
  next(): boolean {
    this.frameCount = 0;
    while (!this.ended && this.position - this.begin < this.bytes.length) {
      this.step();
      if (this.frameCount > 0) {
        return true;
      }
    }
    return false;
  }

  private step(): void {
    const offset = this.position - this.begin;
    const available = this.bytes.length - offset;
    const length = Math.min(this.chunkLength, available);
    const address = this.memory.stage(this.bytes, offset, length);
    this.writeRecord();
    const { exports } = this.memory;
    this.frameCount = exports.walk(
      WALK_RECORD_ADDRESS,
      address,
      length,
      INDEX_ADDRESS,
      INDEX_FRAME_COUNT_MAX,
    );
    this.readRecord();
    this.readIndex(offset - address);
    if (this.stop === STOP_CUT_SHORT && length < available) {
      // It is only this piece that ends too early; a frame longer than a piece needs a longer one.
      this.chunkLength = this.frameCount > 0 ? this.chunkLength : this.chunkLength * 2;
    } else if (this.stop !== STOP_END && this.stop !== STOP_FRAME_LIMIT) {
      this.ended = true;
    }
  }

  private writeRecord(): void {
    const view = this.memory.view();
    view.setFloat64(WALK_RECORD_ADDRESS + WALK_POSITION_OFFSET, this.position, true);
    view.setInt32(WALK_RECORD_ADDRESS + WALK_TERM_LENGTH_OFFSET, this.termLength, true);
    view.setInt32(WALK_RECORD_ADDRESS + WALK_INITIAL_TERM_ID_OFFSET, this.initialTermId, true);
    view.setInt32(WALK_RECORD_ADDRESS + WALK_CHECKS_OFFSET, this.checks, true);
    view.setInt32(WALK_RECORD_ADDRESS + WALK_LEADERSHIP_TERM_OFFSET, this.leadershipTermLow, true);
  }

  private readRecord(): void {
    const view = this.memory.view();
    this.position = view.getFloat64(WALK_RECORD_ADDRESS + WALK_POSITION_OFFSET, true);
    this.stop = view.getInt32(WALK_RECORD_ADDRESS + WALK_STOP_OFFSET, true);
    const termAt = WALK_RECORD_ADDRESS + WALK_LEADERSHIP_TERM_OFFSET;
    this.leadershipTermLow = view.getInt32(termAt, true);
  }

  /** Copies the index out: another walk over the same memory may come before the next piece. */
  private readIndex(shift: number): void {
    const view = this.memory.view();
    for (let i = 0; i < this.frameCount; i++) {
      const entry = INDEX_ADDRESS + i * INDEX_ENTRY_LENGTH;
      this.entries[i * 2] = view.getInt32(entry, true) + shift;
      this.entries[i * 2 + 1] = view.getInt32(entry + 4, true);
    }
  }
}
