// log-codec.test.ts: frames and verification, against frames that plain TypeScript wrote.

import fc from 'fast-check';
import test from 'tape';
import { describeStop, FrameType, LogCodec, PawlError } from '../../src/codec/index.js';
import { readVector } from '../vectors/read-vector.js';
import { GOLDEN_TERM_LENGTH, goldenSegment, pattern } from './golden-segment.js';
import { randomLog } from './log-arbitrary.js';
import { PROPERTY_SETTINGS } from './property-settings.js';
import { HEADER_LENGTH, SegmentBuilder } from './segment-builder.js';

const codec = LogCodec.create();
const PLACE = { termLength: GOLDEN_TERM_LENGTH };

/** What is compared of a frame and of what was built. */
function summaryOf(frame: {
  position: number;
  frameLength: number;
  flags: number;
  payload: Uint8Array;
}): string {
  const { position, frameLength, flags, payload } = frame;
  return [position, frameLength, flags, Buffer.from(payload).toString('base64')].join(' ');
}

test('the frames of a segment are those that were written, padding too', (t) => {
  const builder = goldenSegment();
  const frames = [...codec.frames(builder.bytes, PLACE)];
  t.deepEqual(frames.map(summaryOf), builder.facts.map(summaryOf));
  const padding = frames.filter((frame) => frame.type === FrameType.Padding);
  t.deepEqual(
    padding.map(({ position, frameLength }) => position + frameLength),
    [GOLDEN_TERM_LENGTH],
  );
  const last = frames.at(-1);
  t.equal(last?.leadershipTermLow, 1);
  t.equal(last?.termId, 1);
  t.equal(last?.termOffset, (last?.position ?? 0) - GOLDEN_TERM_LENGTH);
  t.equal(last?.sessionId, 0x515e55);
  t.equal(last?.streamId, 100);
  t.end();
});

test('a golden vector of a data frame reads as its comments say', (t) => {
  const bytes = readVector('data-frame');
  const [frame] = codec.frames(bytes);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  t.equal(frame?.frameLength, view.getInt32(0, true));
  t.equal(frame?.termOffset, view.getInt32(8, true));
  t.equal(frame?.termId, view.getInt32(20, true));
  t.equal(frame?.payload.length, (frame?.frameLength ?? 0) - HEADER_LENGTH);
  t.end();
});

test('a payload is a view of the bytes that were handed over, not a copy', (t) => {
  const { bytes } = goldenSegment();
  const [first] = codec.frames(bytes);
  t.equal(first?.payload.buffer, bytes.buffer);
  t.end();
});

test('two readers of one codec do not disturb each other', (t) => {
  const one = goldenSegment();
  const other = new SegmentBuilder({ termLength: GOLDEN_TERM_LENGTH, length: 65_536 });
  for (let i = 0; i < 100; i++) {
    other.append(pattern(i, i));
  }
  const left = codec.frames(one.bytes, PLACE);
  const right = codec.frames(other.bytes, PLACE);
  const hasher = codec.hasher();
  const seen: string[] = [];
  for (const fact of other.facts) {
    const [a, b] = [left.next().value, right.next().value];
    hasher.update(one.bytes, 0);
    seen.push(summaryOf(a), summaryOf(b));
    if (summaryOf(b) !== summaryOf(fact)) {
      t.fail(`frame at ${fact.position}`);
    }
  }
  t.equal(seen.length, 200);
  t.deepEqual([...left].length, one.facts.length - 100);
  t.end();
});

test('a segment is verified up to what was written', (t) => {
  const builder = goldenSegment();
  t.deepEqual(codec.verify(builder.bytes, PLACE), {
    isGood: true,
    reason: 'empty',
    position: builder.position,
    validLength: builder.position,
    frameCount: builder.facts.length - 1,
    paddingCount: 1,
    leadershipTermLow: 1,
  });
  const written = codec.verify(builder.bytes.subarray(0, builder.position), PLACE);
  t.equal(written.reason, 'end');
  const nothing = codec.verify(new Uint8Array(0), PLACE);
  t.deepEqual([nothing.isGood, nothing.reason, nothing.frameCount], [true, 'end', 0]);
  t.end();
});

test('any log is read and verified as it was written', (t) => {
  const property = fc.property(randomLog, ({ builder, termLength, initialTermId }) => {
    const place = { position: builder.begin, termLength, initialTermId };
    const frames = [...codec.frames(builder.bytes, place)].map(summaryOf);
    const expected = builder.facts.map(summaryOf);
    const verdict = codec.verify(builder.bytes, place);
    return (
      frames.join() === expected.join() &&
      verdict.isGood &&
      verdict.position === builder.position &&
      verdict.frameCount + verdict.paddingCount === expected.length
    );
  });
  t.doesNotThrow(() => fc.assert(property, PROPERTY_SETTINGS));
  t.end();
});

test('a log cut anywhere is valid up to the last whole frame', (t) => {
  const property = fc.property(randomLog, fc.nat(), (log, cut) => {
    const { builder, termLength, initialTermId } = log;
    const place = { position: builder.begin, termLength, initialTermId };
    const length = cut % (builder.position - builder.begin + 1);
    const verdict = codec.verify(builder.bytes.subarray(0, length), place);
    const end = builder.begin + length;
    const whole = builder.facts.filter(({ position, isPadding, frameLength }) =>
      isPadding
        ? position + HEADER_LENGTH <= end
        : position + Math.ceil(frameLength / 32) * 32 <= end,
    );
    const reason = verdict.position >= end ? 'end' : 'cut-short';
    return verdict.frameCount + verdict.paddingCount === whole.length && verdict.reason === reason;
  });
  t.doesNotThrow(() => fc.assert(property, PROPERTY_SETTINGS));
  t.end();
});

test('frames longer than a piece and more frames than an index are read', (t) => {
  const termLength = 4 * 1024 * 1024;
  const builder = new SegmentBuilder({ termLength, length: termLength });
  for (let i = 0; i < 9000; i++) {
    builder.append(pattern(i % 3, i));
  }
  builder.append(pattern(1_500_000, 1)).append(pattern(10, 2)).append(pattern(300_000, 3));
  const verdict = codec.verify(builder.bytes, { termLength });
  t.deepEqual([verdict.isGood, verdict.frameCount], [true, 9003]);
  t.equal(verdict.position, builder.position);
  const lengths = [...codec.frames(builder.bytes)].map((frame) => frame.payload.length);
  t.deepEqual(lengths.slice(-3), [1_500_000, 10, 300_000]);
  const cut = codec.verify(builder.bytes.subarray(0, 1_000_000), { termLength });
  t.deepEqual([cut.reason, cut.frameCount], ['cut-short', 9000]);
  t.end();
});

/** A byte that the checksum leaves out on purpose: session and stream id, and alignment. */
function isOutsideTheLog(builder: SegmentBuilder, offset: number): boolean {
  const fact = builder.facts.findLast(({ position }) => position <= offset);
  const at = offset - (fact?.position ?? 0);
  const end = fact?.isPadding ? HEADER_LENGTH : (fact?.frameLength ?? 0);
  return (at >= 12 && at < 20) || at >= end;
}

test('each changed byte of a small segment is found in its frame and named', (t) => {
  const builder = new SegmentBuilder({ termLength: GOLDEN_TERM_LENGTH, length: 1024 });
  builder.appendMessage(24, 48).append(pattern(33, 1)).append(pattern(0, 2), 0x80);
  builder.leadershipTermId = 1;
  builder.appendMessage(1, 24, 100);
  const reasons = new Map<string, number>();
  for (let offset = 0; offset < builder.position; offset++) {
    const byte = builder.bytes[offset] ?? 0;
    for (const change of new Set([0x01, 0x80, 0xff, byte]).values()) {
      const bytes = builder.bytes.slice();
      bytes[offset] = byte ^ change;
      const verdict = codec.verify(bytes, PLACE);
      const hidden = isOutsideTheLog(builder, offset);
      const frame = builder.facts.findLast(({ position }) => position <= offset);
      const isSame = hidden || change === 0;
      if (verdict.isGood !== isSame || (!isSame && verdict.position !== frame?.position)) {
        t.fail(`byte ${offset} changed by ${change}: ${JSON.stringify(verdict)}`);
      }
      reasons.set(verdict.reason, (reasons.get(verdict.reason) ?? 0) + 1);
    }
  }
  t.comment(JSON.stringify(Object.fromEntries(reasons)));
  const found = ['checksum', 'frame-length', 'version', 'type', 'term-offset', 'term-id'];
  for (const reason of [...found, 'no-length', 'cut-short']) {
    t.ok(reasons.has(reason), `some change is named ${reason}`);
  }
  t.end();
});

test('a frame that would leave its term is named so', (t) => {
  const builder = new SegmentBuilder({ termLength: 131_072, length: 262_144 });
  builder.append(pattern(70_000, 1));
  const verdict = codec.verify(builder.bytes, PLACE);
  t.deepEqual([verdict.isGood, verdict.reason, verdict.position], [false, 'term-overrun', 0]);
  t.equal([...codec.frames(builder.bytes, PLACE)].length, 0, 'it is no frame of such a log');
  t.equal([...codec.frames(builder.bytes)].length, 1, 'it is a frame somewhere');
  t.end();
});

test('a frame of an older leadership term behind a newer one is a ghost', (t) => {
  const builder = new SegmentBuilder({ termLength: GOLDEN_TERM_LENGTH, length: 65_536 });
  builder.leadershipTermId = 5;
  builder.append(pattern(10, 1));
  builder.leadershipTermId = 4;
  builder.append(pattern(10, 2));
  const verdict = codec.verify(builder.bytes, PLACE);
  t.deepEqual([verdict.reason, verdict.position, verdict.frameCount], ['leadership-term', 64, 1]);
  t.ok(describeStop(verdict.reason).includes('leadership term'));
  t.end();
});

test('where one leadership term is asked for, no other is taken', (t) => {
  const builder = goldenSegment();
  const elected = builder.facts.find((fact) => fact.leadershipTermId === 1)?.position;
  const first = codec.verify(builder.bytes, { ...PLACE, leadershipTermId: 0 });
  t.deepEqual([first.reason, first.position], ['leadership-term', elected]);
  const none = codec.verify(builder.bytes, { ...PLACE, leadershipTermId: 1 });
  t.deepEqual([none.reason, none.position], ['leadership-term', 0]);
  const high = new SegmentBuilder({ termLength: GOLDEN_TERM_LENGTH, length: 65_536 });
  high.leadershipTermId = 2 ** 32 - 1;
  high.append(pattern(5, 5));
  const term = 3 * 2 ** 32 + 2 ** 32 - 1;
  t.ok(
    codec.verify(high.bytes, { ...PLACE, leadershipTermId: term }).isGood,
    'the low half counts',
  );
  t.end();
});

test('a segment taken for another is refused at its first frame', (t) => {
  const { bytes } = goldenSegment();
  const shifted = codec.verify(bytes, { ...PLACE, position: GOLDEN_TERM_LENGTH });
  t.equal(shifted.reason, 'term-id');
  const offset = codec.verify(bytes, { ...PLACE, position: 32 });
  t.equal(offset.reason, 'term-offset');
  const initial = codec.verify(bytes, { ...PLACE, initialTermId: 3 });
  t.equal(initial.reason, 'term-id');
  t.end();
});

test('no bytes make the codec throw or read outside', (t) => {
  const junk = fc.uint8Array({ minLength: 0, maxLength: 300 });
  const property = fc.property(junk, fc.boolean(), (bytes, looksLikeFrame) => {
    if (looksLikeFrame && bytes.length >= 8) {
      bytes.set([bytes.length, 0, 0, 0, 0, 0xc0, 1, 0]);
    }
    const frames = [...codec.frames(bytes)];
    const verdict = codec.verify(bytes, PLACE);
    return frames.every((f) => f.payload.byteLength <= bytes.length) && verdict.validLength >= 0;
  });
  t.doesNotThrow(() => fc.assert(property, { ...PROPERTY_SETTINGS, numRuns: 2000 }));
  t.end();
});

test('a place that cannot be is refused with the value and the limit', (t) => {
  const bytes = new Uint8Array(64);
  const refused = (call: () => unknown, pattern: RegExp) => {
    try {
      call();
      t.fail('not refused');
    } catch (error) {
      t.ok(error instanceof PawlError && pattern.test(error.message), String(error));
    }
  };
  refused(() => codec.verify(bytes, { termLength: 1000 }), /1000: use a power of two/);
  refused(() => codec.verify(bytes, { ...PLACE, position: 33 }), /33: frames start at multiples/);
  refused(() => codec.verify(bytes, { ...PLACE, position: -32 }), /-32/);
  refused(() => codec.verify(bytes, { ...PLACE, leadershipTermId: 0.5 }), /0.5/);
  refused(() => codec.hasher(-1), /-1/);
  t.end();
});
