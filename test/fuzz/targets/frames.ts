// frames.ts: datagrams and bytes of segments, through everything that reads frames.
//
// Whatever the bytes are: no reader traps, throws, loops or answers a place outside of them, and
// the two readers (core.wasm and codec.wasm) agree about what is whole.

import { LogCodec } from '../../../src/codec/index.js';
import { Arena } from '../../../src/memory/arena.js';
import {
  BLOCK_ADVANCE_OFFSET,
  SCAN_END_OFFSET,
  SCAN_ENTRY_LENGTH,
  SCAN_HEADER_LENGTH,
  scanAreaLength,
} from '../../../src/memory/core.js';
import { ErrorFlyweight } from '../../../src/protocol/error-flyweight.js';
import { frameType, isDataDatagramValid, isFrameValid } from '../../../src/protocol/frames.js';
import { NakFlyweight } from '../../../src/protocol/nak-flyweight.js';
import { SetupFlyweight } from '../../../src/protocol/setup-flyweight.js';
import { StatusMessageFlyweight } from '../../../src/protocol/status-message-flyweight.js';
import type { Prng } from '../../../src/simulator/prng.js';
import { type FuzzTarget, hold, joined, randomBytes } from '../fuzz-target.js';

const TERM_LENGTH = 64 * 1024;
const AREA_LENGTH = 64 * 1024;
const GUARD = 0xa5;
const GUARD_LENGTH = 64;
const FRAME_LIMIT = 64;
const HEADER_LENGTH = 32;
const CONTROL_LENGTHS = [0, 0, 28, 36, 24, 40, 40, 20] as const;

/** Frames that follow each other at a position, as a sender or a recorder writes them. */
export function dataFrames(arena: Arena, scratch: number, random: Prng): Uint8Array {
  const { core, u8, view } = arena;
  const parts: Uint8Array[] = [];
  let offset = random.chance(1, 2) ? 0 : random.below(TERM_LENGTH / 32) * 32;
  for (let count = 1 + random.below(6); count > 0; count--) {
    const isPadding = random.chance(1, 8);
    const length = HEADER_LENGTH + random.below(300);
    const stated = isPadding ? TERM_LENGTH - offset : length;
    const stored = isPadding ? HEADER_LENGTH : Math.ceil(length / 32) * 32;
    u8.fill(0, scratch, scratch + stored);
    view.setInt32(scratch, stated, true);
    view.setUint8(scratch + 5, random.pick([0xc0, 0x80, 0x40, 0]));
    view.setUint16(scratch + 6, isPadding ? 0 : 1, true);
    view.setInt32(scratch + 8, offset, true);
    view.setInt32(scratch + 12, 4711, true);
    view.setInt32(scratch + 16, 100, true);
    view.setInt32(scratch + 20, 0, true);
    view.setInt32(scratch + 28, 5, true);
    u8.set(randomBytes(random, isPadding ? 0 : length - HEADER_LENGTH), scratch + HEADER_LENGTH);
    view.setUint32(scratch + 24, core.frameChecksum(scratch, stated), true);
    parts.push(u8.slice(scratch, scratch + stored));
    offset += Math.ceil(stated / 32) * 32;
    if (isPadding || offset >= TERM_LENGTH) {
      break;
    }
  }
  return joined(...parts);
}

function controlFrame(random: Prng): Uint8Array {
  const type = 2 + random.below(6);
  const length = CONTROL_LENGTHS[type] ?? 32;
  const bytes = randomBytes(random, length);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, length, true);
  view.setUint8(4, 0);
  view.setUint16(6, type === 7 ? 0x0b : type, true);
  for (let at = 8; at + 4 <= length; at += 4) {
    view.setInt32(at, random.pick([0, 1, 32, 1408, TERM_LENGTH, 7]), true);
  }
  return bytes;
}

/** Reads every field of a control frame that was called valid. */
function readControl(view: DataView): string {
  switch (frameType(view, 0)) {
    case 2: {
      const nak = new NakFlyweight().wrap(view, 0);
      hold(nak.termOffset() >= 0 && nak.rangeLength() > 0, 'a NAK names a range');
      return 'nak';
    }
    case 3: {
      const status = new StatusMessageFlyweight().wrap(view, 0);
      hold(status.receiverWindowLength() >= 0, 'a window is not negative');
      return 'status';
    }
    case 4:
      return `error ${new ErrorFlyweight().wrap(view, 0).text().length > 0}`;
    case 5: {
      const setup = new SetupFlyweight().wrap(view, 0);
      hold(Number.isInteger(Math.log2(setup.termLength())), 'a term length is a power of two');
      hold(setup.mtuLength() % 32 === 0, 'an MTU is aligned');
      return 'setup';
    }
    default:
      return 'other';
  }
}

class Readers {
  readonly #codec = LogCodec.create();
  readonly #arena = Arena.create(4 * 1024 * 1024);
  readonly #area = this.#arena.allocate(AREA_LENGTH + 2 * GUARD_LENGTH);
  readonly #out = this.#arena.allocate(scanAreaLength(FRAME_LIMIT));
  readonly scratch = this.#arena.allocate(4096);

  get arena(): Arena {
    return this.#arena;
  }

  datagram(bytes: Uint8Array): string {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const isValid = isFrameValid(view, 0, bytes.length);
    const isData = isDataDatagramValid(view, 0, bytes.length, TERM_LENGTH);
    hold(!isData || isValid, 'a valid data datagram begins with a valid frame');
    if (!isValid) {
      return 'refused';
    }
    return frameType(view, 0) <= 1 ? `data ${isData}` : readControl(view);
  }

  /** core.wasm over bytes that lie contiguously, with guards around them. */
  core(bytes: Uint8Array): string {
    const { core, u8, view } = this.#arena;
    const start = this.#area + GUARD_LENGTH;
    u8.fill(GUARD, this.#area, start + bytes.length + GUARD_LENGTH);
    u8.set(bytes, start);
    const count = core.scanBytes(start, bytes.length, FRAME_LIMIT, this.#out);
    hold(count >= 0 && count <= FRAME_LIMIT, 'a scan answers a count');
    const end = view.getFloat64(this.#out + SCAN_END_OFFSET, true);
    for (let index = 0; index < count; index++) {
      const entry = this.#out + SCAN_HEADER_LENGTH + index * SCAN_ENTRY_LENGTH;
      const address = view.getInt32(entry, true);
      const length = view.getInt32(entry + 4, true);
      const isInside = address >= start && address + length <= start + bytes.length;
      hold(isInside && length >= HEADER_LENGTH, `frame ${index} lies within the bytes`);
    }
    let taken = 0;
    for (let blocks = 0; taken < bytes.length; blocks++) {
      hold(blocks <= bytes.length / 32, 'blocks come to an end');
      const rest = bytes.length - taken;
      const length = core.nextBlockBytes(start + taken, rest, 4096, this.#out);
      hold(length >= 0 && length <= rest, 'a block lies within the bytes');
      const advance = view.getInt32(this.#out + BLOCK_ADVANCE_OFFSET, true);
      if (length === 0 || advance > rest) {
        break;
      }
      hold(advance >= length, 'a block advances at least by its length');
      taken += advance;
    }
    const valid = core.verifyBytes(start, bytes.length, 0, TERM_LENGTH, 0, 5);
    hold(valid >= 0 && valid % 32 === 0, 'a valid prefix ends where a frame ends');
    const guards = u8.subarray(start + bytes.length, start + bytes.length + GUARD_LENGTH);
    hold(
      guards.every((byte) => byte === GUARD),
      'nothing is written behind the bytes',
    );
    const verdict = this.#codec.verify(bytes, { termLength: TERM_LENGTH, leadershipTermId: 5 });
    hold(verdict.validLength === valid, `codec.wasm finds ${verdict.validLength}, core ${valid}`);
    return `${count > 0} ${end > 0} ${taken > 0} ${verdict.reason}`;
  }

  codec(bytes: Uint8Array): string {
    let last = -1;
    let count = 0;
    for (const frame of this.#codec.frames(bytes)) {
      hold(frame.position > last && frame.position % 32 === 0, 'frames follow each other');
      hold(frame.payload.length <= bytes.length, 'a payload lies within the bytes');
      last = frame.position;
      count++;
    }
    hold(count <= bytes.length / HEADER_LENGTH, 'frames come to an end');
    return String(Math.min(count, 3));
  }
}

export function framesTarget(): FuzzTarget {
  const readers = new Readers();
  return {
    name: 'frames',
    generate: (random) =>
      random.chance(1, 3)
        ? controlFrame(random)
        : dataFrames(readers.arena, readers.scratch, random),
    run(input) {
      const bytes = input.slice(0, AREA_LENGTH - GUARD_LENGTH);
      return [readers.datagram(bytes), readers.core(bytes), readers.codec(bytes)].join(', ');
    },
  };
}
