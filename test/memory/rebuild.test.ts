// rebuild.test.ts: an image rebuilt from datagrams that were lost, doubled and reordered.
//
// Method: a source log of random messages is cut into datagrams as a sender does; a seeded network
// maltreats them; the receiver asks again for what findGap names until nothing is missing. Then the
// bytes of the image are those of the source.

import fc from 'fast-check';
import test from 'tape';
import { InsertResult } from '../../src/memory/core.js';
import { LogPair, pattern } from './log-pair.js';
import { PROPERTY_SETTINGS } from './property-settings.js';

const TERM_LENGTH = 64 * 1024;
const GEOMETRY = {
  termLength: TERM_LENGTH,
  mtu: 1408,
  initialTermId: 2 ** 31 - 3,
  sessionId: -5,
  streamId: 1001,
} as const;

/** What the network does to one datagram. */
const Fate = { Deliver: 0, Lose: 1, Double: 2, Delay: 3, Damage: 4 } as const;

const fate = fc.oneof(
  { weight: 6, arbitrary: fc.constant(Fate.Deliver) },
  { weight: 2, arbitrary: fc.constant(Fate.Lose) },
  { weight: 1, arbitrary: fc.constant(Fate.Double) },
  { weight: 2, arbitrary: fc.constant(Fate.Delay) },
  { weight: 1, arbitrary: fc.constant(Fate.Damage) },
);

interface Stream {
  readonly start: number;
  readonly lengths: number[];
  readonly paddingUnits: number;
  readonly fates: number[];
  readonly mtus: number[];
}

const stream: fc.Arbitrary<Stream> = fc.record({
  start: fc
    .tuple(fc.constantFrom(0, 2 ** 31, 2 ** 32, 2 ** 45), fc.nat(4096))
    .map(([around, units]) => around + units * 32),
  lengths: fc.array(fc.nat(4000), { minLength: 1, maxLength: 40, size: 'max' }),
  paddingUnits: fc.integer({ min: 1, max: 50 }),
  fates: fc.array(fate, { minLength: 1, maxLength: 60, size: 'max' }),
  mtus: fc.array(fc.integer({ min: 44, max: 250 }), { minLength: 1, maxLength: 5 }),
});

function isAbortedAt(i: number): boolean {
  return i % 9 === 4;
}

function writeSource(shape: Stream): LogPair {
  const source = new LogPair({ ...GEOMETRY, startPosition: shape.start });
  source.setChecksum(true, -9);
  source.setLimit(shape.start + 2 * TERM_LENGTH);
  for (const [i, length] of shape.lengths.entries()) {
    source.append(pattern(length, i));
    if (isAbortedAt(i)) {
      const claim = source.claim(100);
      source.abort(claim, 100);
      source.appendPadding(shape.paddingUnits * 32);
    }
  }
  return source;
}

/** Datagrams of [from, limit), of varying length as a sender's limits make them. */
function cut(source: LogPair, from: number, limit: number, mtus: number[]): Uint8Array[] {
  const datagrams: Uint8Array[] = [];
  let position = from;
  for (let i = 0; ; i++) {
    const lengthMax = (mtus[i % mtus.length] as number) * 32;
    const { length, advance } = source.nextBlock(position, limit, lengthMax);
    if (length === 0) {
      return datagrams;
    }
    datagrams.push(source.blockBytes(position, length));
    position += advance;
  }
}

/** Any changed bit of a data frame, but for the stream's ids, must be noticed. */
function damage(datagram: Uint8Array, i: number): Uint8Array {
  const copy = datagram.slice();
  const at = copy.length > 40 ? 36 + (i % (copy.length - 36)) : 24;
  copy[at] = (copy[at] as number) ^ (1 << (i % 8));
  return copy;
}

function deliver(image: LogPair, datagrams: readonly Uint8Array[], fates: number[]): void {
  const delayed: Uint8Array[] = [];
  for (const [i, datagram] of datagrams.entries()) {
    const what = fates[i % fates.length] as number;
    if (what === Fate.Deliver || what === Fate.Double) {
      image.insert(datagram);
    }
    if (what === Fate.Double) {
      image.insert(datagram);
    }
    if (what === Fate.Delay) {
      delayed.unshift(datagram);
    }
    if (what === Fate.Damage) {
      image.insert(damage(datagram, i));
    }
    if (i % 5 === 0) {
      image.advance();
      image.findGap();
    }
  }
  for (const datagram of delayed) {
    image.insert(datagram);
  }
}

/** Asks for the first gap until none is left. Returns how often. */
function repair(source: LogPair, image: LogPair, shape: Stream): number {
  image.raiseHighWaterMark(source.twin.tail);
  for (let rounds = 0; ; rounds++) {
    image.advance();
    const gap = image.findGap();
    if (gap === undefined) {
      return rounds;
    }
    const termCount = (gap.termId - GEOMETRY.initialTermId) | 0;
    const from = termCount * TERM_LENGTH + gap.termOffset;
    for (const datagram of cut(source, from, from + gap.length, shape.mtus)) {
      image.insert(datagram);
    }
  }
}

test('a maltreated stream is rebuilt byte for byte', (t) => {
  let repairs = 0;
  const property = fc.property(stream, (shape) => {
    const source = writeSource(shape);
    const image = new LogPair({ ...GEOMETRY, startPosition: shape.start });
    image.setChecksum(true, 0);
    deliver(image, cut(source, shape.start, source.twin.tail, shape.mtus), shape.fates);
    repairs += repair(source, image, shape);
    image.check();
    const isWhole = image.advance() === source.twin.tail;
    const left = Buffer.from(image.arena.u8.subarray(image.base, image.log.meta));
    const right = Buffer.from(source.arena.u8.subarray(source.base, source.log.meta));
    const isEqual = left.equals(right);
    source.release();
    image.release();
    return isWhole && isEqual;
  });
  fc.assert(property, PROPERTY_SETTINGS);
  t.ok(repairs > PROPERTY_SETTINGS.numRuns, `${repairs} gaps were repaired`);
  t.end();
});

test('the bytes of three terms ago, under an image, are never taken for frames', (t) => {
  const property = fc.property(stream, (shape) => {
    const source = writeSource(shape);
    const image = new LogPair({ ...GEOMETRY, startPosition: shape.start });
    image.setChecksum(true, 0);
    image.litter();
    deliver(image, cut(source, shape.start, source.twin.tail, shape.mtus), shape.fates);
    repair(source, image, shape);
    image.check();
    const isWhole = image.advance() === source.twin.tail;
    // What is sent on, or recorded, is byte for byte what the source would send.
    const sent = cut(source, shape.start, source.twin.tail, shape.mtus);
    const again = cut(image, shape.start, source.twin.tail, shape.mtus);
    const isEqual = Buffer.concat(sent).equals(Buffer.concat(again));
    source.release();
    image.release();
    return isWhole && isEqual;
  });
  t.doesNotThrow(() => fc.assert(property, PROPERTY_SETTINGS));
  t.end();
});

function imageAt(startPosition: number): LogPair {
  return new LogPair({ ...GEOMETRY, startPosition });
}

/** One frame as a datagram, appended to a log of its own. */
function frameAt(position: number, length: number, checksum = false): Uint8Array {
  const source = imageAt(position);
  source.setChecksum(checksum, 3);
  source.setLimit(position + TERM_LENGTH);
  source.append(pattern(length, 1));
  const bytes = source.blockBytes(position, Math.ceil((length + 32) / 32) * 32);
  source.release();
  return bytes;
}

test('a datagram outside the window is refused as a whole', (t) => {
  const image = imageAt(TERM_LENGTH);
  t.equal(image.insert(frameAt(0, 100)), InsertResult.Underrun, 'before the rebuild position');
  const last = 4 * TERM_LENGTH - 160;
  t.equal(image.insert(frameAt(last, 100)), 160, 'the last cleaned bytes are within');
  t.equal(image.insert(frameAt(4 * TERM_LENGTH, 100)), InsertResult.Overrun, 'beyond');
  t.equal(image.insert(frameAt(1000 * TERM_LENGTH, 0)), InsertResult.Overrun, 'far beyond');
  image.check();
  image.release();
  t.end();
});

test('a duplicate changes nothing and counts no new bytes', (t) => {
  const image = imageAt(0);
  const frame = frameAt(64, 100);
  t.equal(image.insert(frame), 160);
  const other = frame.slice();
  other[40] = (other[40] as number) ^ 0xff;
  t.equal(image.insert(other), 0, 'a published frame is never written again');
  image.check();
  image.release();
  t.end();
});

test('one bad frame keeps the whole datagram out, and its repetition gets in', (t) => {
  const source = imageAt(0);
  source.setChecksum(true, 3);
  source.setLimit(TERM_LENGTH);
  source.append(pattern(10, 1));
  source.append(pattern(20, 2));
  const good = source.blockBytes(0, 128);
  const bad = good.slice();
  bad[64 + 32 + 5] = 0;
  const image = imageAt(0);
  image.setChecksum(true, 0);
  t.equal(image.insert(bad), InsertResult.ChecksumMismatch);
  image.check();
  t.equal(image.insert(good), 128);
  t.equal(image.advance(), 128);
  t.equal(image.insert(frameAt(128, 4)), InsertResult.ChecksumMismatch, 'none where one is due');
  image.release();
  source.release();
  t.end();
});

test('the stream ids may differ from what the checksum saw, and nothing else', (t) => {
  const frame = frameAt(0, 50, true);
  const image = new LogPair({ ...GEOMETRY, sessionId: 12, streamId: 13 });
  image.setChecksum(true, 0);
  t.equal(image.insert(frame), InsertResult.Malformed, 'another stream');
  image.put(frame);
  image.arena.core.rewriteStream(image.scratch, frame.length, 12, 13);
  const rewritten = image.arena.u8.slice(image.scratch, image.scratch + frame.length);
  t.equal(image.insert(rewritten), frame.length, 'rewritten, it is ours');
  image.release();
  t.end();
});

test('a heartbeat and every kind of malformed datagram is refused without harm', (t) => {
  const image = imageAt(TERM_LENGTH);
  const good = frameAt(TERM_LENGTH, 100);
  const edits: [string, (view: DataView) => void][] = [
    ['heartbeat', (view) => view.setInt32(0, 0, true)],
    ['negative length', (view) => view.setInt32(0, -132, true)],
    ['shorter than its header', (view) => view.setInt32(0, 31, true)],
    ['longer than the datagram', (view) => view.setInt32(0, 161, true)],
    ['longer than the term', (view) => view.setInt32(0, 2 ** 31 - 1, true)],
    ['version 1', (view) => view.setUint8(4, 1)],
    ['type setup', (view) => view.setUint16(6, 5, true)],
    ['type extension', (view) => view.setUint16(6, 0xffff, true)],
    ['another session', (view) => view.setInt32(12, 1, true)],
    ['another stream', (view) => view.setInt32(16, 1, true)],
    ['offset off the grid', (view) => view.setInt32(8, 8, true)],
    ['offset negative', (view) => view.setInt32(8, -32, true)],
    ['offset beyond the term', (view) => view.setInt32(8, TERM_LENGTH, true)],
    ['term before the initial', (view) => view.setInt32(20, GEOMETRY.initialTermId - 1, true)],
    ['padding with a payload', (view) => view.setUint16(6, 0, true)],
  ];
  for (const [name, edit] of edits) {
    const bytes = good.slice();
    edit(new DataView(bytes.buffer));
    t.equal(image.insert(bytes), InsertResult.Malformed, name);
  }
  for (const length of [0, 1, 31]) {
    t.equal(image.insert(good.subarray(0, length)), InsertResult.Malformed, `${length} bytes`);
  }
  image.check();
  t.equal(image.insert(good), 160, 'and the good one is taken');
  image.release();
  t.end();
});

test('what is behind the rebuild position is not written again, whatever a datagram says', (t) => {
  const image = imageAt(0);
  // A payload of zeroes: within it every word reads as room for a frame.
  const source = imageAt(0);
  source.setLimit(TERM_LENGTH);
  source.append(new Uint8Array(1024 - 32));
  image.insert(source.blockBytes(0, 1024));
  t.equal(image.advance(), 1024);
  const datagram = new Uint8Array(1024);
  datagram.set(frameAt(512, 512 - 32));
  datagram.set(frameAt(1024, 512 - 32), 512);
  t.equal(image.insert(datagram), 512, 'only the frame beyond it is new');
  image.check();
  t.equal(image.arena.view.getInt32(image.base + 512, true), 0);
  image.release();
  source.release();
  t.end();
});

test('padding is refused where it is not the last frame', (t) => {
  const source = imageAt(0);
  source.setLimit(TERM_LENGTH);
  source.appendPadding(32);
  source.append(pattern(20, 1));
  const image = imageAt(0);
  t.equal(image.insert(source.blockBytes(0, 96)), InsertResult.Malformed);
  t.equal(image.insert(source.blockBytes(0, 32)), 32);
  image.check();
  image.release();
  source.release();
  t.end();
});

test('an unaligned last frame is taken as it is', (t) => {
  const image = imageAt(0);
  t.equal(image.insert(frameAt(0, 100).subarray(0, 132)), 160);
  t.equal(image.advance(), 160);
  image.check();
  image.release();
  t.end();
});

test('a high-water mark from a heartbeat is held to the window', (t) => {
  const image = imageAt(0);
  image.raiseHighWaterMark(2 ** 52);
  t.equal(image.log.highWaterMark.get(), 3 * TERM_LENGTH);
  t.deepEqual(image.findGap(), {
    termId: GEOMETRY.initialTermId,
    termOffset: 0,
    length: TERM_LENGTH,
  });
  image.raiseHighWaterMark(64);
  t.equal(image.log.highWaterMark.get(), 3 * TERM_LENGTH, 'and never moves back');
  image.release();
  t.end();
});
