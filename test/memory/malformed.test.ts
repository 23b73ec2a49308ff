// malformed.test.ts: bytes from a network or a disk never trap, never loop, never lead outside.
//
// Method: valid runs of frames are damaged at random places, and pure noise is mixed in; the
// readers of untrusted bytes are compared with simple twins, and the bytes around must stay as they
// are.

import fc from 'fast-check';
import test from 'tape';
import {
  BLOCK_ADVANCE_OFFSET,
  INGRESS_AREA_LENGTH,
  INGRESS_END_OFFSET,
  SCAN_END_OFFSET,
  SCAN_HEADER_LENGTH,
  SCAN_STOP_OFFSET,
  ScanStop,
  scanAreaLength,
} from '../../src/memory/core.js';
import { LogPair, pattern, testArena } from './log-pair.js';
import { PROPERTY_SETTINGS } from './property-settings.js';
import { frameChecksumTwin } from './twin/crc32c-twin.js';
import { align } from './twin/log-twin.js';

const TERM_LENGTH = 64 * 1024;
const AREA_LENGTH = 16 * 1024;
const FRAME_LIMIT = 8;
const TERM_LOW = -77;

interface Edit {
  readonly at: number;
  readonly value: number;
}

interface Sample {
  readonly lengths: number[];
  readonly edits: Edit[];
  readonly cut: number;
  readonly paddingUnits: number;
}

/** Values that headers are most afraid of. */
const evilWord = fc.oneof(
  fc.constantFrom(0, -1, 1, 31, 32, 33, 2 ** 31 - 1, -(2 ** 31), 2 ** 30, 2 ** 30 + 1, 65536),
  fc.integer(),
);

const sample: fc.Arbitrary<Sample> = fc.record({
  lengths: fc.array(fc.nat(900), { maxLength: 12, size: 'max' }),
  edits: fc.array(fc.record({ at: fc.nat(2000), value: evilWord }), { maxLength: 4 }),
  cut: fc.nat(AREA_LENGTH),
  paddingUnits: fc.nat(20),
});

/** Frames as in a segment, then damaged and cut. */
function bytesOf({ lengths, edits, cut, paddingUnits }: Sample, start: number): Uint8Array {
  const pair = new LogPair({
    termLength: TERM_LENGTH,
    mtu: 1408,
    initialTermId: -1,
    sessionId: 1,
    streamId: 2,
    startPosition: start,
  });
  pair.setChecksum(true, TERM_LOW);
  pair.setLimit(start + TERM_LENGTH);
  for (const [i, length] of lengths.entries()) {
    pair.append(pattern(length, i));
    if (i === 3 && paddingUnits > 0) {
      pair.appendPadding(paddingUnits * 32);
    }
  }
  const at = pair.twin.offsetOf(start);
  const bytes = pair.twin.bytes.slice(at, at + AREA_LENGTH);
  pair.release();
  const view = new DataView(bytes.buffer);
  for (const edit of edits) {
    view.setInt32((edit.at * 4) % (AREA_LENGTH - 4), edit.value, true);
  }
  return bytes.subarray(0, cut);
}

interface Walk {
  offset: number;
  readonly frames: number[];
  isWhole: boolean;
}

/** Length of a frame that is whole at an offset, else 0. Of padding the header suffices. */
function wholeLength(view: DataView, offset: number): number {
  if (view.byteLength - offset < 32) {
    return 0;
  }
  const length = view.getInt32(offset, true);
  const type = view.getUint16(offset + 6, true);
  const isShape = length >= 32 && length <= 2 ** 30 && view.getUint8(offset + 4) === 0;
  const isThere = type === 0 || (type === 1 && align(length) <= view.byteLength - offset);
  return isShape && isThere ? length : 0;
}

/** Steps over whole frames while `accept` holds; padding counts whole. */
function walk(bytes: Uint8Array, accept: (view: DataView, offset: number) => boolean): Walk {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const result: Walk = { offset: 0, frames: [], isWhole: true };
  while (result.offset < bytes.length) {
    const length = wholeLength(view, result.offset);
    if (length === 0 || !accept(view, result.offset)) {
      result.isWhole = false;
      break;
    }
    if (view.getUint16(result.offset + 6, true) === 1) {
      result.frames.push(result.offset);
    }
    result.offset += align(length);
  }
  return result;
}

/** A place in the arena with guard bytes around, to see what is written outside. */
function withBytes<T>(bytes: Uint8Array, use: (address: number, answer: number) => T): T {
  const arena = testArena();
  const area = arena.allocate(AREA_LENGTH + 8192);
  const answer = arena.allocate(scanAreaLength(FRAME_LIMIT) + 8192);
  arena.u8.fill(0xa5, area, area + AREA_LENGTH + 8192);
  const address = area + 4096;
  arena.u8.set(bytes, address);
  try {
    const result = use(address, answer);
    const before = arena.u8.subarray(area, address);
    const after = arena.u8.subarray(address + bytes.length, area + AREA_LENGTH + 8192);
    const isUntouched = [before, after].every((guard) => guard.every((byte) => byte === 0xa5));
    if (!isUntouched) {
      throw new Error('bytes outside were written');
    }
    return result;
  } finally {
    arena.release(area, AREA_LENGTH + 8192);
    arena.release(answer, scanAreaLength(FRAME_LIMIT) + 8192);
  }
}

test('scanBytes stops at the first frame that is not whole', (t) => {
  const { core, view } = testArena();
  const property = fc.property(sample, (shape) => {
    const bytes = bytesOf(shape, 0);
    return withBytes(bytes, (address, answer) => {
      const expected = walk(bytes, () => true);
      const count = core.scanBytes(address, bytes.length, FRAME_LIMIT, answer);
      const stop = view.getInt32(answer + SCAN_STOP_OFFSET, true);
      const end = view.getFloat64(answer + SCAN_END_OFFSET, true);
      const found = Array.from({ length: count }, (_, i) => {
        return view.getInt32(answer + SCAN_HEADER_LENGTH + i * 8, true) - address;
      });
      const isPrefix =
        JSON.stringify(found) === JSON.stringify(expected.frames.slice(0, FRAME_LIMIT));
      if (expected.frames.length > FRAME_LIMIT) {
        return isPrefix && stop === ScanStop.FrameLimit && end === expected.frames[FRAME_LIMIT];
      }
      return isPrefix && end === expected.offset && (stop === ScanStop.Limit) === expected.isWhole;
    });
  });
  fc.assert(property, PROPERTY_SETTINGS);
  t.pass('agrees with its twin');
  t.end();
});

test('nextBlockBytes hands out whole frames up to a padding frame', (t) => {
  const { core, view } = testArena();
  const property = fc.property(sample, fc.nat(4000), (shape, lengthMax) => {
    const bytes = bytesOf(shape, 0);
    return withBytes(bytes, (address, answer) => {
      let wire = 0;
      let advance = 0;
      let isEnded = false;
      walk(bytes, (frame, offset) => {
        const aligned = align(frame.getInt32(offset, true));
        const isPadding = frame.getUint16(offset + 6, true) === 0;
        isEnded ||= wire + (isPadding ? 32 : aligned) > lengthMax;
        if (!isEnded) {
          wire += isPadding ? 32 : aligned;
          advance += aligned;
        }
        isEnded ||= isPadding;
        return !isEnded;
      });
      const length = core.nextBlockBytes(address, bytes.length, lengthMax, answer);
      return length === wire && view.getInt32(answer + BLOCK_ADVANCE_OFFSET, true) === advance;
    });
  });
  fc.assert(property, PROPERTY_SETTINGS);
  t.pass('agrees with its twin');
  t.end();
});

test('verifyBytes accepts exactly the prefix whose place, term and checksum are right', (t) => {
  const { core } = testArena();
  const start = 2 * TERM_LENGTH - 2048;
  let damagedCount = 0;
  const property = fc.property(sample, (shape) => {
    const bytes = bytesOf(shape, start);
    return withBytes(bytes, (address) => {
      const expected = walk(bytes, (view, offset) => {
        const length = view.getInt32(offset, true);
        const position = start + offset;
        return (
          length <= TERM_LENGTH - (position % TERM_LENGTH) &&
          view.getInt32(offset + 8, true) === position % TERM_LENGTH &&
          view.getInt32(offset + 20, true) === -1 + Math.floor(position / TERM_LENGTH) &&
          view.getInt32(offset + 28, true) === TERM_LOW &&
          view.getUint32(offset + 24, true) === frameChecksumTwin(view, offset, length)
        );
      });
      damagedCount += expected.isWhole ? 0 : 1;
      const verify = (term: number) =>
        core.verifyBytes(address, bytes.length, start, TERM_LENGTH, -1, term);
      return verify(TERM_LOW) === expected.offset && verify(TERM_LOW + 1) === 0;
    });
  });
  fc.assert(property, PROPERTY_SETTINGS);
  t.ok(damagedCount > PROPERTY_SETTINGS.numRuns / 4, `${damagedCount} were damaged or cut`);
  t.end();
});

test('verifyBytes refuses a frame that leaves its term, even with a right checksum', (t) => {
  const { core } = testArena();
  const bytes = new Uint8Array(96);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, 96, true);
  view.setUint16(6, 1, true);
  view.setInt32(28, TERM_LOW, true);
  const verifyAt = (termOffset: number): number => {
    view.setInt32(8, termOffset, true);
    view.setUint32(24, frameChecksumTwin(view, 0, 96), true);
    return withBytes(bytes, (address) =>
      core.verifyBytes(address, 96, termOffset, TERM_LENGTH, 0, TERM_LOW),
    );
  };
  t.equal(verifyAt(TERM_LENGTH - 96), 96, 'up to the last byte');
  t.equal(verifyAt(TERM_LENGTH - 64), 0, 'not beyond');
  t.end();
});

test('blockTermPrefix and rewriteStream stay within their bytes', (t) => {
  const { core, u8 } = testArena();
  const property = fc.property(sample, (shape) => {
    const bytes = bytesOf(shape, 0);
    return withBytes(bytes, (address) => {
      let expected = 0;
      let isEnded = false;
      walk(bytes, (view, offset) => {
        if (isEnded || view.getInt32(offset + 28, true) !== TERM_LOW) {
          return false;
        }
        isEnded = view.getUint16(offset + 6, true) === 0;
        expected = isEnded ? offset + 32 : offset + align(view.getInt32(offset, true));
        return true;
      });
      const length = core.blockTermPrefix(address, bytes.length, TERM_LOW);
      core.rewriteStream(address, bytes.length, 11, 12);
      const isOtherwiseEqual = bytes.every((byte, i) => {
        return i % 32 >= 12 || u8[address + i] === byte;
      });
      return length === expected && isOtherwiseEqual;
    });
  });
  fc.assert(property, PROPERTY_SETTINGS);
  t.pass('agrees with its twin');
  t.end();
});

test('an image that was fed noise is still advanced and scanned without harm', (t) => {
  const property = fc.property(
    fc.array(fc.tuple(sample, fc.nat(60)), { minLength: 1, maxLength: 30, size: 'max' }),
    (samples) => {
      const arena = testArena();
      const image = new LogPair({
        termLength: TERM_LENGTH,
        mtu: 1408,
        initialTermId: -1,
        sessionId: 1,
        streamId: 2,
      });
      const { core } = arena;
      const answer = arena.allocate(scanAreaLength(FRAME_LIMIT));
      let previous = 0;
      for (const [shape, units] of samples) {
        // Frames of a stream that contradicts itself: overlapping, and without checksums.
        const bytes = bytesOf({ ...shape, edits: [], cut: 1408 }, units * 32).slice();
        const view = new DataView(bytes.buffer);
        walk(bytes, (_, offset) => {
          view.setInt32(offset + 24, 0, true);
          view.setInt32(offset + 28, 0, true);
          return true;
        });
        const prefix = walk(bytes, () => true).offset;
        image.put(bytes);
        core.rebuildInsert(image.log.meta, image.scratch, Math.min(prefix, bytes.length));
        core.findGap(image.log.meta, answer);
        const rebuilt = core.rebuildAdvance(image.log.meta);
        core.scan(image.log.meta, 0, rebuilt, FRAME_LIMIT, answer);
        if (rebuilt < previous || rebuilt > core.highWaterMark(image.log.meta)) {
          return false;
        }
        previous = rebuilt;
      }
      let from = 0;
      while (from < previous) {
        core.scan(image.log.meta, from, previous, FRAME_LIMIT, answer);
        const end = arena.view.getFloat64(answer + SCAN_END_OFFSET, true);
        if (end <= from) {
          return false;
        }
        from = end;
      }
      arena.release(answer, scanAreaLength(FRAME_LIMIT));
      image.release();
      return true;
    },
  );
  fc.assert(property, { ...PROPERTY_SETTINGS, numRuns: 60 });
  t.pass('everything below the rebuild position reads as frames');
  t.end();
});

test('payload in the place of a header reads as a gap again, not as a frame', (t) => {
  const shape = { termLength: TERM_LENGTH, mtu: 8192, initialTermId: 0, sessionId: 1, streamId: 2 };
  const image = new LogPair(shape);
  const frame = (position: number, payload: Uint8Array): Uint8Array => {
    const source = new LogPair({ ...shape, startPosition: position });
    source.setLimit(position + TERM_LENGTH);
    source.append(payload);
    const bytes = source.blockBytes(position, align(payload.length + 32));
    source.release();
    return bytes;
  };
  image.insert(frame(1024, new Uint8Array(1024 - 32)));
  // It starts inside the frame before, and its payload covers the header that should follow.
  image.insert(frame(1056, new Uint8Array(2048).fill(0xee)));
  image.insert(frame(0, new Uint8Array(1024 - 32)));
  const { core } = image.arena;
  t.equal(core.rebuildAdvance(image.log.meta), 2048, 'stops before the noise');
  t.equal(image.arena.view.getInt32(image.base + 2048, true), 0, 'which reads as missing');
  t.equal(core.rebuildAdvance(image.log.meta), 2048);
  image.put(frame(2048, new Uint8Array(96)));
  t.equal(core.rebuildInsert(image.log.meta, image.scratch, 128), 128, 'so it can be repaired');
  t.ok(core.rebuildAdvance(image.log.meta) >= 2176);
  image.release();
  t.end();
});

test('an ingress batch over noise neither traps nor leaves its image', (t) => {
  const arena = testArena();
  const { core, view } = arena;
  const property = fc.property(sample, fc.integer({ min: 0, max: 40 }), (shape, frameLimit) => {
    const geometry = {
      termLength: TERM_LENGTH,
      mtu: 1408,
      initialTermId: 0,
      sessionId: 1,
      streamId: 2,
    };
    const image = new LogPair(geometry);
    const log = new LogPair(geometry);
    log.setLimit(TERM_LENGTH);
    const table = arena.allocate(core.sessionTableLength(4));
    core.sessionTableInitialize(table, 4);
    arena.u8.set(bytesOf(shape, 0), image.base);
    const out = arena.allocate(INGRESS_AREA_LENGTH);
    const appended = core.ingressBatch(
      image.log.meta,
      0,
      2 * TERM_LENGTH,
      table,
      log.log.meta,
      1,
      2,
      frameLimit,
      1,
      out,
    );
    const end = view.getFloat64(out + INGRESS_END_OFFSET, true);
    arena.release(table, core.sessionTableLength(4));
    arena.release(out, INGRESS_AREA_LENGTH);
    image.release();
    log.release();
    return appended === 0 && end >= 0 && end <= TERM_LENGTH && end % 32 === 0;
  });
  fc.assert(property, PROPERTY_SETTINGS);
  t.pass('nothing of it is a message of a session');
  t.end();
});
