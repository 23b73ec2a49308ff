// The wheel and the service's timers against a sorted list, which is right and slow.

import fc from 'fast-check';
import test from 'tape';
import { PawlError } from '../../src/errors.js';
import { ServiceTimers } from '../../src/service/service-timers.js';
import { TimerWheel, timerEntry } from '../../src/service/timer-wheel.js';

const SETTINGS = { seed: 20_261_123, numRuns: 300 } as const;
const START_MS = 1_763_000_000_000;

/** Deadlines around every boundary of the wheel's levels, and far beyond. */
const deadlines = fc.oneof(
  fc.integer({ min: -5, max: 200 }),
  fc.integer({ min: 4_000, max: 4_200 }),
  fc.integer({ min: 262_000, max: 262_300 }),
  fc.constantFrom(2 ** 30, 2 ** 31, 2 ** 36, 2 ** 42, 2 ** 48),
);

type Step =
  | { readonly kind: 'schedule'; readonly id: number; readonly delayMs: number }
  | { readonly kind: 'cancel'; readonly id: number }
  | { readonly kind: 'pass'; readonly durationMs: number }
  | { readonly kind: 'propose'; readonly limit: number }
  | { readonly kind: 'apply'; readonly count: number }
  | { readonly kind: 'loseTerm'; readonly backMs: number };

const ids = fc.integer({ min: -3, max: 12 });
const steps = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constant('schedule' as const), id: ids, delayMs: deadlines }),
    fc.record({ kind: fc.constant('cancel' as const), id: ids }),
    fc.record({
      kind: fc.constant('pass' as const),
      durationMs: fc.oneof(fc.integer({ min: 0, max: 70 }), fc.constantFrom(4_096, 2 ** 31)),
    }),
    fc.record({ kind: fc.constant('propose' as const), limit: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constant('apply' as const), count: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constant('loseTerm' as const), backMs: fc.integer({ min: 0, max: 50 }) }),
  ),
  { maxLength: 120 },
);

interface ModelTimer {
  readonly id: number;
  readonly deadlineMs: number;
  readonly sequence: number;
  isProposed: boolean;
}

/** Timers as a list; the log as a list of proposals that are not applied yet. */
class Model {
  readonly timers = new ServiceTimers();
  readonly fired: string[] = [];
  list: ModelTimer[] = [];
  log: { id: number; timestampMs: number }[] = [];
  sequence = 0;
  nowMs = START_MS;

  run(step: Step): void {
    switch (step.kind) {
      case 'schedule':
        this.schedule(step.id, this.nowMs + step.delayMs);
        return;
      case 'cancel':
        same(this.timers.cancel(step.id), this.remove(step.id), 'cancel');
        return;
      case 'pass':
        this.nowMs += step.durationMs;
        this.timers.advance(this.nowMs);
        return;
      case 'propose':
        this.propose(step.limit);
        return;
      case 'apply':
        for (let index = 0; index < step.count; index++) {
          this.apply();
        }
        return;
      case 'loseTerm':
        // The tail is lost, and the clock of the next leader may be behind.
        this.log = [];
        this.nowMs -= step.backMs;
        this.timers.forgetProposals();
        for (const timer of this.list) {
          timer.isProposed = false;
        }
    }
  }

  schedule(id: number, deadlineMs: number): void {
    this.remove(id);
    this.list.push({ id, deadlineMs, sequence: ++this.sequence, isProposed: false });
    same(this.timers.schedule(id, deadlineMs), true, 'schedule');
  }

  remove(id: number): boolean {
    const before = this.list.length;
    this.list = this.list.filter((timer) => timer.id !== id);
    return this.list.length < before;
  }

  propose(limit: number): void {
    const expected = this.list
      .filter((timer) => !timer.isProposed && timer.deadlineMs <= this.nowMs)
      .sort((a, b) => a.deadlineMs - b.deadlineMs || a.sequence - b.sequence)
      .slice(0, limit);
    const proposed: number[] = [];
    this.timers.propose(this.nowMs, limit, (id) => proposed.push(id) > 0);
    same(proposed.join(), expected.map((timer) => timer.id).join(), 'proposals');
    for (const timer of expected) {
      timer.isProposed = true;
      this.log.push({ id: timer.id, timestampMs: this.nowMs });
    }
  }

  apply(): void {
    const event = this.log.shift();
    if (event === undefined) {
      return;
    }
    const timer = this.list.find((one) => one.id === event.id);
    const fires = timer !== undefined && timer.deadlineMs <= event.timestampMs;
    same(this.timers.fire(event.id, event.timestampMs), fires, 'fire');
    if (fires) {
      this.remove(event.id);
    }
  }

  check(): void {
    const waiting = this.list.filter((timer) => !timer.isProposed);
    const earliest = Math.min(...waiting.map((timer) => timer.deadlineMs));
    const next = this.timers.nextDeadlineMs();
    same(next <= earliest, true, `next deadline ${next} is not after ${earliest}`);
    same(next === Number.POSITIVE_INFINITY, waiting.length === 0, 'a deadline while one waits');
    same(
      [...this.timers.values()].map((timer) => timer.correlationId).join(),
      this.list.map((timer) => timer.id).join(),
      'pending timers, in the order of scheduling',
    );
  }
}

function same(found: unknown, expected: unknown, what: string): void {
  if (found !== expected) {
    throw new Error(`${what}: found ${String(found)}, expected ${String(expected)}`);
  }
}

test('timers do what a sorted list does, whatever happens to them', (t) => {
  fc.assert(
    fc.property(steps, (sequence) => {
      const model = new Model();
      model.timers.advance(START_MS);
      for (const step of sequence) {
        model.run(step);
        model.check();
      }
    }),
    SETTINGS,
  );
  t.pass('300 random stories');
  t.end();
});

test('a wheel gives each of many timers at its own millisecond, in order', (t) => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 300_000 }), { maxLength: 300 }), (delays) => {
      const wheel = new TimerWheel();
      wheel.advance(START_MS);
      const entries = delays.map((delay, index) => timerEntry(index, START_MS + delay, index));
      for (const entry of entries) {
        wheel.add(entry);
      }
      const taken: number[] = [];
      for (let nowMs = wheel.nextDeadlineMs(); Number.isFinite(nowMs); ) {
        wheel.advance(nowMs);
        for (let due = wheel.peekDue(nowMs); due !== undefined; due = wheel.peekDue(nowMs)) {
          same(due.deadlineMs, nowMs, 'a timer is due at its deadline');
          wheel.remove(due);
          taken.push(due.sequence);
        }
        nowMs = wheel.nextDeadlineMs();
      }
      const sorted = [...entries].sort(
        (a, b) => a.deadlineMs - b.deadlineMs || a.sequence - b.sequence,
      );
      same(taken.join(), sorted.map((entry) => entry.sequence).join(), 'order');
    }),
    SETTINGS,
  );
  t.pass('300 random sets');
  t.end();
});

test('a timer scheduled anew for later does not fire by its old event', (t) => {
  const timers = new ServiceTimers();
  timers.schedule(7, 100);
  t.equal(
    timers.propose(100, 10, () => true),
    1,
    'proposed for 100',
  );
  timers.schedule(7, 200);
  t.notOk(timers.fire(7, 100), 'the event of the first schedule is passed over');
  t.equal(timers.count, 1, 'it is still pending');
  t.equal(
    timers.propose(200, 10, () => true),
    1,
    'it is proposed again when it is due',
  );
  t.ok(timers.fire(7, 200), 'and fires');
  t.notOk(timers.fire(7, 200), 'once');
  t.end();
});

test('a log without room leaves due timers where they are, in their order', (t) => {
  const timers = new ServiceTimers();
  for (const id of [1, 2, 3]) {
    timers.schedule(id, 50);
  }
  const proposed: number[] = [];
  timers.propose(60, 10, (id) => id < 2 && proposed.push(id) > 0);
  timers.propose(60, 10, (id) => proposed.push(id) > 0);
  t.deepEqual(proposed, [1, 2, 3]);
  t.end();
});

test('as many timers are pending as the limit allows, and the next is refused', (t) => {
  const timers = new ServiceTimers(2);
  t.ok(timers.schedule(1, 10));
  t.ok(timers.schedule(2, 10));
  t.notOk(timers.schedule(3, 10), 'the third is refused');
  t.ok(timers.schedule(2, 20), 'one that is pending can be scheduled anew');
  t.end();
});

test('a deadline that is no integer is refused with the remedy', (t) => {
  const timers = new ServiceTimers();
  for (const deadline of [Number.NaN, 0.5, 2 ** 53]) {
    t.throws(() => timers.schedule(1, deadline), PawlError, String(deadline));
  }
  t.throws(() => timers.schedule(1.5, 10), /correlationId/);
  t.end();
});
