// ingress.test.ts: the leader's ingress batch against a twin over a Map of sessions.

import fc from 'fast-check';
import test from 'tape';
import {
  INGRESS_AREA_LENGTH,
  INGRESS_END_OFFSET,
  INGRESS_FRAME_ADDRESS_OFFSET,
  INGRESS_FRAME_LENGTH_OFFSET,
  INGRESS_REJECTED_OFFSET,
  INGRESS_STOP_OFFSET,
  IngressStop,
  MESSAGE_ENTRY_LENGTH,
  scanAreaLength,
} from '../../src/memory/core.js';
import { LogPair, pattern, testArena } from './log-pair.js';
import { PROPERTY_SETTINGS } from './property-settings.js';
import { ingressTwin, type TwinSession } from './twin/ingress-twin.js';
import { align } from './twin/log-twin.js';

const TERM_LENGTH = 64 * 1024;
const LEADERSHIP_TERM = 2 ** 40 + 5;
/** Frames of the messages of one property. */
const FRAMES_MAX = 64;
const NOW_MS = 1_800_000_000_000;
const IMAGE_GEOMETRY = {
  termLength: TERM_LENGTH,
  mtu: 4096,
  initialTermId: 9,
  sessionId: 3,
  streamId: 101,
} as const;
const LOG_GEOMETRY = { ...IMAGE_GEOMETRY, mtu: 1408, initialTermId: 0, streamId: 100 } as const;

interface Message {
  readonly schema: number;
  readonly template: number;
  readonly blockLength: number;
  readonly term: number;
  readonly session: number;
  readonly bodyLength: number;
}

const GOOD: Message = {
  schema: 111,
  template: 1,
  blockLength: 24,
  term: LEADERSHIP_TERM,
  session: 1,
  bodyLength: 100,
};

function encode(message: Message): Uint8Array {
  const bytes = pattern(32 + message.bodyLength, message.bodyLength);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, message.blockLength, true);
  view.setUint16(2, message.template, true);
  view.setUint16(4, message.schema, true);
  view.setUint16(6, 14, true);
  view.setBigInt64(8, BigInt(message.term), true);
  view.setBigInt64(16, BigInt(message.session), true);
  view.setBigInt64(24, -1n, true);
  return bytes;
}

interface Outcome {
  appended: number;
  rejected: number;
  end: number;
  stop: number;
  frameLength: number;
}

/** An ingress image, a log and a session table, each with its twin. */
class IngressFixture {
  readonly arena = testArena();
  readonly image = new LogPair(IMAGE_GEOMETRY);
  readonly log = new LogPair(LOG_GEOMETRY);
  readonly sessions = new Map<number, TwinSession>();
  readonly table: number;
  readonly #out: number;
  #from = 0;

  constructor() {
    const { core } = this.arena;
    this.table = this.arena.allocate(core.sessionTableLength(16));
    this.#out = this.arena.allocate(INGRESS_AREA_LENGTH);
    core.sessionTableInitialize(this.table, 16);
    this.image.setLimit(2 * TERM_LENGTH);
    this.log.setChecksum(true, LEADERSHIP_TERM | 0);
    this.log.setLimit(2 * TERM_LENGTH);
    for (let id = 1; id <= 6; id++) {
      const state = id <= 4 ? 1 : 2;
      core.sessionPut(this.table, id, state, 0);
      this.sessions.set(id, { state, lastActivityMs: 0 });
    }
  }

  free(): void {
    this.image.release();
    this.log.release();
    this.arena.release(this.table, this.arena.core.sessionTableLength(16));
    this.arena.release(this.#out, INGRESS_AREA_LENGTH);
  }

  /** One batch on both sides; the twin's answer, or undefined when they disagree. */
  batch(frameLimit: number, nowMs = NOW_MS, mayAppend = true): Outcome | undefined {
    const { core, view } = this.arena;
    const limit = this.image.twin.tail;
    const appended = core.ingressBatch(
      this.image.log.meta,
      this.#from,
      limit,
      this.table,
      this.log.log.meta,
      LEADERSHIP_TERM,
      nowMs,
      frameLimit,
      mayAppend ? 1 : 0,
      this.#out,
    );
    const found: Outcome = {
      appended,
      rejected: view.getInt32(this.#out + INGRESS_REJECTED_OFFSET, true),
      end: view.getFloat64(this.#out + INGRESS_END_OFFSET, true),
      stop: view.getInt32(this.#out + INGRESS_STOP_OFFSET, true),
      frameLength: view.getInt32(this.#out + INGRESS_FRAME_LENGTH_OFFSET, true),
    };
    const twin = this.image.twin;
    const expected = ingressTwin(
      twin,
      this.#from,
      limit,
      this.sessions,
      this.log.twin,
      LEADERSHIP_TERM,
      nowMs,
      frameLimit,
      mayAppend,
    );
    this.#from = found.end;
    const keys = ['appended', 'rejected', 'end', 'stop', 'frameLength'] as const;
    const isActivityEqual = [...this.sessions].every(([id, { lastActivityMs }]) => {
      return core.sessionLastActivityMs(this.table, id) === lastActivityMs;
    });
    const isEqual = keys.every((key) => found[key] === expected[key]);
    return isEqual && isActivityEqual ? found : undefined;
  }

  /** What TypeScript does with a control frame: looks at it, and steps over it. */
  skip(outcome: Outcome): void {
    this.#from = outcome.end + align(outcome.frameLength);
  }

  get frameAddress(): number {
    return this.arena.view.getInt32(this.#out + INGRESS_FRAME_ADDRESS_OFFSET, true);
  }
}

/** Lengths of a block: as it is, as it never is, and such that it ends where its message does. */
const blockLengthIn = (bodyLength: number): fc.Arbitrary<number> =>
  fc.oneof(
    { weight: 20, arbitrary: fc.constant(24) },
    { weight: 1, arbitrary: fc.constantFrom(0, 16, 23, 25, 32, 65_528, 65_535) },
    {
      weight: 1,
      arbitrary: fc.constantFrom(-8, -1, 0, 1, 8).map((more) => 24 + bodyLength + more),
    },
  );

const message: fc.Arbitrary<Message> = fc
  .record({
    schema: fc.oneof({ weight: 20, arbitrary: fc.constant(111) }, fc.constantFrom(0, 112)),
    template: fc.oneof({ weight: 20, arbitrary: fc.constant(1) }, fc.constantFrom(3, 4, 5)),
    term: fc.oneof(
      { weight: 10, arbitrary: fc.constant(LEADERSHIP_TERM) },
      fc.constantFrom(0, LEADERSHIP_TERM - 1, LEADERSHIP_TERM + 2 ** 32, -1),
    ),
    session: fc.integer({ min: 0, max: 8 }),
    bodyLength: fc.oneof(
      { weight: 10, arbitrary: fc.nat(400) },
      fc.constantFrom(1408 - 64, 1408 - 63, 3000, 5000),
    ),
  })
  .chain((fields) =>
    blockLengthIn(fields.bodyLength).map((blockLength) => ({ ...fields, blockLength })),
  );

const steps = fc.array(
  fc.oneof(
    { weight: 5, arbitrary: message },
    { weight: 2, arbitrary: fc.nat(10) },
    { weight: 1, arbitrary: fc.constant('abort' as const) },
  ),
  { minLength: 1, maxLength: 150, size: 'max' },
);

test('an ingress batch does what its twin does, message for message', (t) => {
  const stops = new Map<number, number>();
  const property = fc.property(steps, fc.nat(1500), (sequence, limitUnits) => {
    const fixture = new IngressFixture();
    fixture.log.setLimit(limitUnits * 64);
    let isEqual = true;
    for (const step of sequence) {
      if (typeof step === 'object') {
        fixture.image.append(encode(step));
      } else if (step === 'abort') {
        const claim = fixture.image.claim(64);
        if (claim >= 0) {
          fixture.image.abort(claim, 64);
        }
      } else {
        const outcome = fixture.batch(step, NOW_MS + step, step % 4 !== 3);
        isEqual &&= outcome !== undefined;
        if (outcome?.stop === IngressStop.Control) {
          fixture.skip(outcome);
        }
        const stop = outcome?.stop ?? -1;
        stops.set(stop, (stops.get(stop) ?? 0) + 1);
      }
    }
    fixture.log.check();
    fixture.free();
    return isEqual;
  });
  fc.assert(property, PROPERTY_SETTINGS);
  for (const [name, stop] of Object.entries(IngressStop)) {
    t.ok((stops.get(stop) ?? 0) > 20, `${stops.get(stop)} batches stopped ${name}`);
  }
  t.end();
});

test('a message reaches the log with the term, session and time of the leader', (t) => {
  const fixture = new IngressFixture();
  fixture.image.append(encode(GOOD));
  const outcome = fixture.batch(10);
  t.deepEqual(outcome, { appended: 1, rejected: 0, end: 192, stop: 0, frameLength: 0 });
  const { view } = fixture.arena;
  const payload = fixture.log.base + 32;
  t.equal(view.getUint16(payload + 4, true), 111, 'the header stays as received');
  t.equal(Number(view.getBigInt64(payload + 8, true)), LEADERSHIP_TERM);
  t.equal(Number(view.getBigInt64(payload + 16, true)), 1);
  t.equal(Number(view.getBigInt64(payload + 24, true)), NOW_MS);
  const body = Buffer.from(fixture.arena.u8.slice(payload + 32, payload + 132));
  t.ok(body.equals(encode(GOOD).subarray(32)));
  fixture.log.check();
  fixture.free();
  t.end();
});

test('what is not a whole session message is left to the slow path, at its own place', (t) => {
  const cases: [string, Message][] = [
    ['another schema', { ...GOOD, schema: 112 }],
    ['another template', { ...GOOD, template: 5 }],
    ['a short block', { ...GOOD, blockLength: 16 }],
    ['a block that ends behind the message', { ...GOOD, blockLength: 125 }],
    ['a block beyond any message', { ...GOOD, blockLength: 65_535, bodyLength: 0 }],
    ['too long for a frame of the log', { ...GOOD, bodyLength: 1408 - 63 }],
    ['fragmented', { ...GOOD, bodyLength: 5000 }],
  ];
  for (const [name, bad] of cases) {
    const fixture = new IngressFixture();
    fixture.image.append(encode(GOOD));
    fixture.image.append(encode(bad));
    const outcome = fixture.batch(10);
    t.equal(outcome?.stop, IngressStop.Control, name);
    t.equal(outcome?.end, 192, 'stops before it');
    t.equal(fixture.frameAddress, fixture.image.base + 192, 'and says where it is');
    fixture.free();
  }
  t.end();
});

/** How many frames lie in a log, and how many of them are decoded as session messages. */
function decoded(fixture: IngressFixture): readonly [frames: number, messages: number] {
  const { arena, log } = fixture;
  const area = arena.allocate(scanAreaLength(FRAMES_MAX));
  const entries = arena.allocate(FRAMES_MAX * MESSAGE_ENTRY_LENGTH);
  const frames = arena.core.scan(log.log.meta, 0, log.twin.tail, FRAMES_MAX, area);
  const messages = arena.core.decodeMessages(area, frames, TERM_LENGTH, 0, entries);
  arena.release(area, scanAreaLength(FRAMES_MAX));
  arena.release(entries, FRAMES_MAX * MESSAGE_ENTRY_LENGTH);
  return [frames, messages];
}

test('what a batch has taken for a session message is one to those who read the log', (t) => {
  let appendedCount = 0;
  let controlCount = 0;
  const property = fc.property(fc.array(message, { maxLength: 20 }), (messages) => {
    const fixture = new IngressFixture();
    for (const one of messages) {
      fixture.image.append(encode(one));
    }
    let stop: number = IngressStop.Control;
    while (stop === IngressStop.Control) {
      const outcome = fixture.batch(FRAMES_MAX) as Outcome;
      stop = outcome.stop;
      appendedCount += outcome.appended;
      if (stop === IngressStop.Control) {
        controlCount++;
        fixture.skip(outcome);
      }
    }
    const [frames, decodedCount] = decoded(fixture);
    fixture.free();
    return frames === decodedCount;
  });
  t.doesNotThrow(() => fc.assert(property, PROPERTY_SETTINGS));
  t.ok(appendedCount > 100, `${appendedCount} messages were appended`);
  t.ok(controlCount > 100, `${controlCount} were left to the slow path`);
  t.end();
});
