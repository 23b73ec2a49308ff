// ring.test.ts: the many-to-one ring against a queue, and its unfinished records.

import fc from 'fast-check';
import test from 'tape';
import {
  RECORD_TYPE_OFFSET,
  RING_DESCRIPTOR_LENGTH,
  RING_HEAD_POSITION_OFFSET,
  RING_TAIL_POSITION_OFFSET,
} from '../../assembly/layout/ring.js';
import type { Arena } from '../../src/memory/arena.js';
import { SCAN_ENTRY_LENGTH, SCAN_HEADER_LENGTH, scanAreaLength } from '../../src/memory/core.js';
import { pattern, testArena } from './log-pair.js';
import { PROPERTY_SETTINGS } from './property-settings.js';
import { RingTwin } from './twin/ring-twin.js';

const CAPACITY = 1024;
const RECORDS_MAX = 200;

/** A ring of core.wasm with what a test does to it. */
class RingFixture {
  readonly arena: Arena = testArena();
  readonly ring: number;
  readonly #source: number;
  readonly #answer: number;

  constructor() {
    this.ring = this.arena.allocate(RING_DESCRIPTOR_LENGTH + CAPACITY);
    this.#source = this.arena.allocate(4096);
    this.#answer = this.arena.allocate(scanAreaLength(RECORDS_MAX));
    this.arena.core.ringInitialize(this.ring, CAPACITY);
  }

  free(): void {
    this.arena.release(this.ring, RING_DESCRIPTOR_LENGTH + CAPACITY);
    this.arena.release(this.#source, 4096);
    this.arena.release(this.#answer, scanAreaLength(RECORDS_MAX));
  }

  write(typeId: number, payload: Uint8Array): number {
    this.arena.u8.set(payload, this.#source);
    return this.arena.core.ringWrite(this.ring, typeId, this.#source, payload.length);
  }

  /** Records as text: type id and payload. */
  read(limit: number): string[] {
    const { core, view, u8 } = this.arena;
    const count = core.ringRead(this.ring, limit, this.#answer);
    return Array.from({ length: count }, (_, i) => {
      const entry = this.#answer + SCAN_HEADER_LENGTH + i * SCAN_ENTRY_LENGTH;
      const address = view.getInt32(entry, true);
      const length = view.getInt32(entry + 4, true);
      const typeId = view.getInt32(address - 4, true);
      return recordText(typeId, u8.slice(address, address + length));
    });
  }

  release(): void {
    this.arena.core.ringRelease(this.ring);
  }

  unblock(): number {
    return this.arena.core.ringUnblock(this.ring);
  }

  /** What a producer leaves that dies after it moved the tail, or after it marked its record. */
  abandonClaim(length: number, isMarked: boolean): void {
    const { view } = this.arena;
    const tail = Number(view.getBigInt64(this.ring + RING_TAIL_POSITION_OFFSET, true));
    const record = this.ring + RING_DESCRIPTOR_LENGTH + (tail % CAPACITY);
    const aligned = Math.ceil((length + 8) / 8) * 8;
    view.setBigInt64(this.ring + RING_TAIL_POSITION_OFFSET, BigInt(tail + aligned), true);
    if (isMarked) {
      view.setInt32(record, -(length + 8), true);
      view.setInt32(record + RECORD_TYPE_OFFSET, 1, true);
    }
  }

  get isEmpty(): boolean {
    const { view } = this.arena;
    const head = view.getBigInt64(this.ring + RING_HEAD_POSITION_OFFSET, true);
    return head === view.getBigInt64(this.ring + RING_TAIL_POSITION_OFFSET, true);
  }
}

function recordText(typeId: number, payload: Uint8Array): string {
  return `${typeId}:${Buffer.from(payload).toString('hex')}`;
}

type Step = (fixture: RingFixture, twin: RingTwin, seed: number) => boolean;

const writeStep = fc.nat(140).map((length): Step => {
  return (fixture, twin, seed) => {
    const payload = pattern(length, seed);
    return fixture.write(seed, payload) === twin.write(seed, payload);
  };
});

const readStep = fc.record({ limit: fc.nat(20), isReleased: fc.boolean() }).map((how): Step => {
  return (fixture, twin) => {
    const expected = twin
      .read(how.limit)
      .map(({ typeId, offset, length }) =>
        recordText(typeId, twin.bytes.slice(offset, offset + length)),
      );
    const isEqual = JSON.stringify(fixture.read(how.limit)) === JSON.stringify(expected);
    if (how.isReleased) {
      fixture.release();
      twin.release();
    }
    return isEqual;
  };
});

const steps = fc.array(
  fc.oneof({ weight: 3, arbitrary: writeStep }, { weight: 1, arbitrary: readStep }),
  { minLength: 1, maxLength: 300, size: 'max' },
);

test('a ring gives out what was written, in order, and refuses when its twin does', (t) => {
  let stepCount = 0;
  const property = fc.property(steps, (sequence) => {
    const fixture = new RingFixture();
    const twin = new RingTwin(CAPACITY);
    const isEqual = sequence.every((step, i) => step(fixture, twin, i + 1));
    stepCount += sequence.length;
    fixture.free();
    return isEqual;
  });
  fc.assert(property, PROPERTY_SETTINGS);
  t.ok(stepCount > 50 * PROPERTY_SETTINGS.numRuns, `${stepCount} operations agree`);
  t.end();
});

test('a record longer than an eighth of the ring is refused for good', (t) => {
  const fixture = new RingFixture();
  t.equal(fixture.write(1, new Uint8Array(CAPACITY / 8 + 1)), -1);
  t.equal(fixture.write(1, new Uint8Array(CAPACITY / 8)), 1);
  fixture.free();
  t.end();
});

test('records that are read but not released are read again', (t) => {
  const fixture = new RingFixture();
  fixture.write(3, pattern(5, 1));
  const first = fixture.read(10);
  t.deepEqual(fixture.read(10), first);
  fixture.release();
  t.deepEqual(fixture.read(10), []);
  fixture.release();
  t.ok(fixture.isEmpty);
  fixture.free();
  t.end();
});

test('a record of a dead producer is skipped, and what follows is kept', (t) => {
  for (const isMarked of [true, false]) {
    for (let offset = 0; offset < CAPACITY / 8; offset += 3) {
      const fixture = new RingFixture();
      for (let i = 0; i < offset; i++) {
        fixture.write(9, new Uint8Array(0));
        fixture.read(1);
        fixture.release();
      }
      const toEnd = CAPACITY - offset * 8;
      fixture.abandonClaim(Math.min(40, toEnd - 8), isMarked);
      fixture.write(7, pattern(30, offset));
      const beforeUnblock = fixture.read(10);
      const unblocked = fixture.unblock();
      const after = fixture.read(10);
      fixture.release();
      const expected = [recordText(7, pattern(30, offset))];
      const isAfterEqual = JSON.stringify(after) === JSON.stringify(expected);
      const isDataZero = fixture.arena.u8
        .subarray(fixture.ring + RING_DESCRIPTOR_LENGTH)
        .subarray(0, CAPACITY)
        .every((byte) => byte === 0);
      if (beforeUnblock.length > 0 || unblocked !== 1 || !isAfterEqual || !isDataZero) {
        t.fail(`marked ${isMarked}, ${offset} records before: ${unblocked} ${after.join()}`);
      }
      fixture.free();
    }
  }
  t.pass('claimed and marked records at every third place');
  t.end();
});

test('nothing is unblocked in an empty ring, before a whole record, or for a lone claim', (t) => {
  const fixture = new RingFixture();
  t.equal(fixture.unblock(), 0, 'empty');
  fixture.abandonClaim(16, false);
  t.equal(fixture.unblock(), 0, 'its producer may still be alive');
  fixture.write(1, pattern(8, 1));
  t.equal(fixture.unblock(), 1);
  t.equal(fixture.read(10).length, 1);
  t.equal(fixture.unblock(), 0, 'a padding record at the head is whole');
  fixture.release();
  fixture.write(1, pattern(8, 2));
  t.equal(fixture.unblock(), 0, 'a whole record');
  fixture.free();
  t.end();
});
