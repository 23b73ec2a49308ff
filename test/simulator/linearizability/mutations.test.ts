// Histories of an atomic store are accepted, and what a fault makes of them is rejected. For short
// ones every order is tried to know the verdict; in long ones the fault is certain by construction.

import test from 'tape';
import { checkHistory } from '../../../src/simulator/linearizability/check.js';
import type { HistoryEvent } from '../../../src/simulator/linearizability/history.js';
import { Prng } from '../../../src/simulator/prng.js';
import { atomicHistory, type StoreOptions } from './atomic-store.js';
import { isLinearizable } from './brute-force.js';
import { historyOf, MUTATIONS, type Mutation } from './mutations.js';

const SEED = 20_401;
const SHORT_COUNT = 400;
const LONG_COUNT = 60;
/** Fewer would say little. */
const EFFECTIVE_COUNT_MIN = 20;

const SHORT: StoreOptions = {
  processCount: 3,
  keyCount: 2,
  operationCount: 8,
  valueCount: 3,
  unknownPercent: 10,
};
const LONG: StoreOptions = {
  processCount: 12,
  keyCount: 3,
  operationCount: 600,
  valueCount: 0,
  unknownPercent: 6,
};

function shortHistories(): readonly (readonly HistoryEvent[])[] {
  const random = new Prng(SEED, 'short');
  return Array.from({ length: SHORT_COUNT }, (_, index) =>
    atomicHistory(random.fork(`${index}`), {
      ...SHORT,
      valueCount: index % 2 === 0 ? SHORT.valueCount : 0,
    }),
  );
}

function longHistories(): readonly (readonly HistoryEvent[])[] {
  const random = new Prng(SEED, 'long');
  return Array.from({ length: LONG_COUNT }, (_, index) =>
    atomicHistory(random.fork(`${index}`), LONG),
  );
}

function verdictOf(events: readonly HistoryEvent[]): string {
  return checkHistory(historyOf(events)).verdict;
}

test('every history of an atomic store is accepted, short or long', (t) => {
  const short = shortHistories();
  t.ok(
    short.every((events) => isLinearizable(historyOf(events).operations)),
    'by all orders too',
  );
  t.deepEqual(new Set(short.map(verdictOf)), new Set(['linearizable']), `${short.length} short`);
  const long = longHistories();
  t.deepEqual(new Set(long.map(verdictOf)), new Set(['linearizable']), `${long.length} long`);
  t.end();
});

test('short histories with a fault are rejected exactly when no order explains them', (t) => {
  for (const [name, mutate] of Object.entries(MUTATIONS)) {
    const random = new Prng(SEED, name);
    let harmlessCount = 0;
    let effectiveCount = 0;
    let wrongCount = 0;
    for (const events of shortHistories()) {
      const mutated = mutate(events, random);
      if (mutated !== undefined) {
        const isHarmless = isLinearizable(historyOf(mutated).operations);
        harmlessCount += isHarmless ? 1 : 0;
        effectiveCount += isHarmless ? 0 : 1;
        wrongCount += verdictOf(mutated) === (isHarmless ? 'linearizable' : 'violation') ? 0 : 1;
      }
    }
    t.equal(wrongCount, 0, `${name}: ${effectiveCount} rejected, ${harmlessCount} harmless`);
    t.ok(effectiveCount >= EFFECTIVE_COUNT_MIN, 'enough of them did harm');
  }
  t.end();
});

/** Values are written once here, so that each of these cannot be explained. */
const CERTAIN: readonly string[] = ['a value that nobody wrote', 'a write that was read dropped'];

test('long histories with a certain fault are rejected', (t) => {
  for (const name of CERTAIN) {
    const random = new Prng(SEED, name);
    const mutate = MUTATIONS[name] as Mutation;
    const mutated = longHistories().flatMap((events) => {
      const changed = mutate(events, random);
      return changed === undefined ? [] : [changed];
    });
    t.ok(mutated.length >= LONG_COUNT / 2, `${name}: ${mutated.length} histories`);
    t.deepEqual(new Set(mutated.map(verdictOf)), new Set(['violation']), name);
  }
  t.end();
});

/** A get of a value that was overwritten for sure, and nobody can have put back. */
function certainlyStale(events: readonly HistoryEvent[]): readonly HistoryEvent[] | undefined {
  const ended: { key: unknown; value: unknown; end: number; invoke: number }[] = [];
  const begun = new Map<unknown, number>();
  for (const [index, event] of events.entries()) {
    if (event.type === 'invoke') {
      begun.set(event.process, index);
    } else if (event.type === 'ok' && event.operation === 'put') {
      const invoke = begun.get(event.process) as number;
      ended.push({ key: event.key, value: events[invoke]?.value, end: index, invoke });
    } else if (event.type === 'ok' && event.operation === 'get' && index > events.length / 2) {
      const invoke = begun.get(event.process) as number;
      const before = ended.filter(({ end, key }) => key === event.key && end < invoke);
      const old = before.find((first) => before.some((next) => next.invoke > first.end));
      if (old !== undefined) {
        const value = old.value as number;
        return events.map((one, at) => (at === index ? { ...one, value } : one));
      }
    }
  }
  return undefined;
}

test('a value that was overwritten for sure is never accepted in a long history', (t) => {
  const mutated = longHistories().flatMap((events) => {
    const changed = certainlyStale(events);
    return changed === undefined ? [] : [changed];
  });
  t.ok(mutated.length >= LONG_COUNT / 2, `${mutated.length} histories`);
  t.deepEqual(new Set(mutated.map(verdictOf)), new Set(['violation']));
  t.end();
});
