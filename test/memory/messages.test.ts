// messages.test.ts: decodeMessages and selectEvents against a reading of the same bytes in
// TypeScript.

import fc from 'fast-check';
import test from 'tape';
import {
  MESSAGE_BODY_LENGTH_OFFSET,
  MESSAGE_BODY_OFFSET,
  MESSAGE_CLUSTER_SESSION_OFFSET,
  MESSAGE_ENTRY_LENGTH,
  MESSAGE_LEADERSHIP_TERM_OFFSET,
  MESSAGE_POSITION_OFFSET,
  MESSAGE_TIMESTAMP_OFFSET,
  SCAN_ENTRY_LENGTH,
  SCAN_HEADER_LENGTH,
  scanAreaLength,
} from '../../src/memory/core.js';
import { LogPair, pattern } from './log-pair.js';
import { PROPERTY_SETTINGS } from './property-settings.js';
import { align } from './twin/log-twin.js';

const TERM_LENGTH = 64 * 1024;
const FRAMES_MAX = 64;
const GEOMETRY = {
  termLength: TERM_LENGTH,
  mtu: 1408,
  initialTermId: -3,
  sessionId: 3,
  streamId: 101,
} as const;

interface Content {
  readonly schema: number;
  readonly template: number;
  readonly blockLength: number;
  readonly term: bigint;
  readonly session: bigint;
  readonly time: bigint;
  /** Bytes of the payload, of which the header may be cut off. */
  readonly length: number;
}

const integer = fc.oneof(
  fc.bigInt({ min: 0n, max: 2n ** 53n - 1n }),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
);
const content: fc.Arbitrary<Content> = fc.record({
  schema: fc.constantFrom(111, 111, 111, 101),
  template: fc.constantFrom(1, 1, 1, 2, 257),
  blockLength: fc.constantFrom(24, 24, 24, 23, 40, 65535),
  term: integer,
  session: integer,
  time: integer,
  // Above 1376 bytes a message is fragmented.
  length: fc.oneof(fc.integer({ min: 0, max: 400 }), fc.integer({ min: 1300, max: 3000 })),
});

function encode(value: Content): Uint8Array {
  const bytes = pattern(Math.max(32, value.length), value.length);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, value.blockLength, true);
  view.setUint16(2, value.template, true);
  view.setUint16(4, value.schema, true);
  view.setBigInt64(8, value.term, true);
  view.setBigInt64(16, value.session, true);
  view.setBigInt64(24, value.time, true);
  return bytes.subarray(0, value.length);
}

/** Offset of the body in the payload; 0 when the frame is no whole session message. */
function bodyOf(value: Content, isWhole: boolean): number {
  const offset = 8 + value.blockLength;
  const isMessage = value.schema === 111 && value.template === 1 && value.blockLength >= 24;
  return isWhole && isMessage && value.length >= 32 && offset <= value.length ? offset : 0;
}

/** Appends a content to a log whose frames are scanned from `from` on. */
class Fixture {
  readonly pair = new LogPair(GEOMETRY);
  readonly #areaLength = scanAreaLength(FRAMES_MAX);
  readonly area = this.pair.arena.allocate(this.#areaLength);
  readonly entries = this.pair.arena.allocate(FRAMES_MAX * MESSAGE_ENTRY_LENGTH);

  constructor(prefixLength: number) {
    this.pair.setLimit(2 * TERM_LENGTH);
    // Lets the frames lie around the end of the first term.
    this.pair.appendPadding(prefixLength);
  }

  scan(from: number): number {
    const { core } = this.pair.arena;
    const tail = this.pair.twin.tail;
    return core.scan(this.pair.log.meta, from, tail, FRAMES_MAX, this.area);
  }

  frame(index: number): { address: number; length: number } {
    const { i32 } = this.pair.arena;
    const pair = (this.area + SCAN_HEADER_LENGTH + index * SCAN_ENTRY_LENGTH) >> 2;
    return { address: i32[pair] as number, length: i32[pair + 1] as number };
  }

  free(): void {
    this.pair.release();
    this.pair.arena.release(this.area, this.#areaLength);
    this.pair.arena.release(this.entries, FRAMES_MAX * MESSAGE_ENTRY_LENGTH);
  }
}

/** Checks one entry against what was appended. Returns whether all fields agree. */
function isDecoded(fixture: Fixture, index: number, value: Content, isWhole: boolean): boolean {
  const { i32, f64, view } = fixture.pair.arena;
  const entry = fixture.entries + index * MESSAGE_ENTRY_LENGTH;
  const { address, length } = fixture.frame(index);
  const termCount = view.getInt32(address + 20, true) - GEOMETRY.initialTermId;
  const position = termCount * TERM_LENGTH + view.getInt32(address + 8, true) + align(length);
  const body = bodyOf(value, isWhole);
  const f64At = (offset: number): number => f64[(entry + offset) >> 3] as number;
  const i32At = (offset: number): number => i32[(entry + offset) >> 2] as number;
  return (
    f64At(MESSAGE_POSITION_OFFSET) === position &&
    (body === 0
      ? i32At(MESSAGE_BODY_OFFSET) === 0
      : i32At(MESSAGE_BODY_OFFSET) === address + 32 + body &&
        i32At(MESSAGE_BODY_LENGTH_OFFSET) === value.length - body &&
        f64At(MESSAGE_CLUSTER_SESSION_OFFSET) === Number(value.session) &&
        f64At(MESSAGE_TIMESTAMP_OFFSET) === Number(value.time) &&
        f64At(MESSAGE_LEADERSHIP_TERM_OFFSET) === Number(value.term))
  );
}

/** Each frame of the log: what it holds, and whether it is the whole message. */
function framesOf(values: readonly Content[]): readonly { value: Content; isWhole: boolean }[] {
  const payloadLengthMax = GEOMETRY.mtu - 32;
  return values.flatMap((value) => {
    const count = Math.max(1, Math.ceil(value.length / payloadLengthMax));
    return Array.from({ length: count }, () => ({ value, isWhole: count === 1 }));
  });
}

const logs = fc.record({
  prefixLength: fc.integer({ min: 1, max: TERM_LENGTH / 32 - 1 }).map((count) => count * 32),
  values: fc.array(content, { maxLength: 20 }),
});

test('every frame of a scan is decoded, or said to be no whole session message', (t) => {
  const property = fc.property(logs, ({ prefixLength, values }) => {
    const fixture = new Fixture(prefixLength);
    for (const value of values) {
      fixture.pair.append(encode(value));
    }
    const frames = framesOf(values);
    const count = fixture.scan(prefixLength);
    const { core } = fixture.pair.arena;
    const { area, entries } = fixture;
    const messageCount = core.decodeMessages(area, count, TERM_LENGTH, -3, entries);
    const expected = frames.filter(({ value, isWhole }) => bodyOf(value, isWhole) !== 0).length;
    const isEqual =
      count === frames.length &&
      messageCount === expected &&
      frames.every(({ value, isWhole }, index) => isDecoded(fixture, index, value, isWhole));
    fixture.free();
    return isEqual;
  });
  t.doesNotThrow(() => fc.assert(property, PROPERTY_SETTINGS));
  t.end();
});

test('the events of a scan are its frames that are no whole session messages, in order', (t) => {
  const property = fc.property(logs, ({ prefixLength, values }) => {
    const fixture = new Fixture(prefixLength);
    for (const value of values) {
      fixture.pair.append(encode(value));
    }
    const frames = framesOf(values);
    const count = fixture.scan(prefixLength);
    const events = frames.flatMap(({ value, isWhole }, index) =>
      bodyOf(value, isWhole) === 0 ? [fixture.frame(index)] : [],
    );
    const kept = fixture.pair.arena.core.selectEvents(fixture.area, count);
    const found = Array.from({ length: kept }, (_, index) => fixture.frame(index));
    fixture.free();
    return JSON.stringify(found) === JSON.stringify(events);
  });
  t.doesNotThrow(() => fc.assert(property, PROPERTY_SETTINGS));
  t.end();
});
