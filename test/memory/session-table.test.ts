// session-table.test.ts: the leader's session table against a Map.

import fc from 'fast-check';
import test from 'tape';
import { SESSION_TABLE_FULL, SessionTableState } from '../../src/memory/core.js';
import { testArena } from './log-pair.js';
import { PROPERTY_SETTINGS } from './property-settings.js';

const CAPACITY = 16;

interface Session {
  state: number;
  lastActivityMs: number;
}

/** A table of core.wasm and its model. */
class TableFixture {
  readonly core = testArena().core;
  readonly table: number;
  readonly model = new Map<number, Session>();

  readonly capacity: number;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.table = testArena().allocate(this.core.sessionTableLength(capacity));
    this.core.sessionTableInitialize(this.table, capacity);
  }

  free(): void {
    testArena().release(this.table, this.core.sessionTableLength(this.capacity));
  }

  put(id: number, state: number, nowMs: number): boolean {
    const isFull = !this.model.has(id) && this.model.size === this.capacity;
    const result = this.core.sessionPut(this.table, id, state, nowMs);
    if (isFull) {
      return result === SESSION_TABLE_FULL;
    }
    this.model.set(id, { state, lastActivityMs: nowMs });
    return result > this.table;
  }

  remove(id: number): boolean {
    return this.core.sessionRemove(this.table, id) === (this.model.delete(id) ? 1 : 0);
  }

  touch(id: number, nowMs: number): boolean {
    const session = this.model.get(id);
    const isOpen = session?.state === SessionTableState.Open;
    if (isOpen) {
      session.lastActivityMs = nowMs;
    }
    return this.core.sessionTouch(this.table, id, nowMs) === (isOpen ? 1 : 0);
  }

  agreesOn(id: number): boolean {
    const session = this.model.get(id);
    return (
      this.core.sessionState(this.table, id) === (session?.state ?? 0) &&
      this.core.sessionLastActivityMs(this.table, id) === (session?.lastActivityMs ?? -1)
    );
  }
}

type Step = (fixture: TableFixture, nowMs: number) => boolean;

/** Few ids, so that they meet; some at the ends of what a number holds. */
const sessionId = fc.oneof(
  fc.nat(40),
  fc.constantFrom(2 ** 31, 2 ** 32, 2 ** 53 - 1, -1, -(2 ** 53) + 1),
);
const putStep = fc
  .record({ id: sessionId, state: fc.constantFrom(1, 2) })
  .map(({ id, state }): Step => {
    return (fixture, nowMs) => fixture.put(id, state, nowMs) && fixture.agreesOn(id);
  });
const removeStep = sessionId.map((id): Step => {
  return (fixture) => fixture.remove(id) && fixture.agreesOn(id);
});
const touchStep = sessionId.map((id): Step => {
  return (fixture, nowMs) => fixture.touch(id, nowMs) && fixture.agreesOn(id);
});

test('the session table holds what a Map holds, whatever comes and goes', (t) => {
  const steps = fc.array(fc.oneof(putStep, putStep, removeStep, touchStep), {
    minLength: 1,
    maxLength: 400,
    size: 'max',
  });
  const property = fc.property(steps, (sequence) => {
    const fixture = new TableFixture(CAPACITY);
    const isEqual = sequence.every((step, i) => step(fixture, 1_700_000_000_000 + i));
    const ids = [...Array(41).keys(), 2 ** 31, 2 ** 32, 2 ** 53 - 1, -1, -(2 ** 53) + 1];
    const isWhole = ids.every((id) => fixture.agreesOn(id));
    fixture.free();
    return isEqual && isWhole;
  });
  fc.assert(property, PROPERTY_SETTINGS);
  t.pass(`${PROPERTY_SETTINGS.numRuns} sequences agree`);
  t.end();
});

test('a table of one session can be filled and emptied forever', (t) => {
  const fixture = new TableFixture(1);
  let isRight = true;
  for (let i = 0; i < 10_000; i++) {
    isRight &&= fixture.put(i, 1, i) && fixture.put(i + 1, 1, i) && fixture.remove(i);
    isRight &&= fixture.agreesOn(i) && fixture.agreesOn(i - 1);
  }
  t.ok(isRight, 'no tombstones wear it out');
  fixture.free();
  t.end();
});

test('a full table of many sessions finds them all', (t) => {
  const fixture = new TableFixture(4096);
  for (let i = 0; i < 4096; i++) {
    fixture.put(i * 7919, 1 + (i % 2), i);
  }
  t.ok(fixture.put(1, 1, 0), 'one more is refused');
  const ids = [...fixture.model.keys()];
  t.ok(ids.every((id) => fixture.agreesOn(id)));
  t.ok(ids.filter((_, i) => i % 3 > 0).every((id) => fixture.remove(id)));
  t.ok(
    ids.every((id) => fixture.agreesOn(id)),
    'also after two thirds have gone',
  );
  fixture.free();
  t.end();
});
