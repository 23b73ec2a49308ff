// The checker against the simplest judge there is: all orders of short random histories, tried one
// by one.

import fc from 'fast-check';
import test from 'tape';
import { CellModel, withoutUseless } from '../../../src/simulator/linearizability/cell.js';
import {
  type CheckLimits,
  checkHistory,
  prefixOf,
} from '../../../src/simulator/linearizability/check.js';
import type {
  EventType,
  History,
  HistoryEvent,
  Operation,
} from '../../../src/simulator/linearizability/history.js';
import { inSearchOrder, Search } from '../../../src/simulator/linearizability/search.js';
import { Prng } from '../../../src/simulator/prng.js';
import { atomicHistory } from './atomic-store.js';
import { faultOfOrder, isLinearizable } from './brute-force.js';
import { historyOf } from './mutations.js';

const SEED = 77_003;
const RUN_COUNT = 3_000;
const PROCESS_COUNT = 4;

interface Draw {
  readonly process: number;
  readonly word: number;
  readonly first: number;
  readonly second: number;
  readonly outcome: number;
}

const WORDS = ['get', 'get', 'put', 'put', 'compare-and-set', 'delete'] as const;
/** Mostly known outcomes, or nothing would ever be a violation. */
const OUTCOMES: readonly EventType[] = ['ok', 'ok', 'ok', 'ok', 'ok', 'info', 'fail'];

function valueOfDraw(value: number): number | null {
  return value === 0 ? null : value;
}

/** Results are drawn like everything else: some histories make sense, most do not. */
function resultOfDraw(word: string, { first, second }: Draw): number | boolean | null {
  if (word === 'get') {
    return valueOfDraw(first);
  }
  return word === 'put' ? null : ([true, true, false, null][(first + second) % 4] ?? null);
}

/** Turns draws into events: each draw begins an operation of a process, or ends its open one. */
function eventsOf(draws: readonly Draw[]): readonly HistoryEvent[] {
  const open = new Map<number, HistoryEvent>();
  return draws.map((draw): HistoryEvent => {
    const { first, outcome, process, second } = draw;
    const begun = open.get(process);
    if (begun !== undefined) {
      open.delete(process);
      const type = OUTCOMES[outcome % OUTCOMES.length] as EventType;
      const { key, operation } = begun;
      const value = type === 'ok' ? resultOfDraw(operation, draw) : undefined;
      return { process, type, operation, key, value };
    }
    const operation = WORDS[draw.word % WORDS.length] as string;
    const pair = [valueOfDraw(first), valueOfDraw(second)] as const;
    const written = operation === 'put' ? pair[1] : undefined;
    const value = operation === 'compare-and-set' ? pair : written;
    const event = { process, type: 'invoke', operation, key: 'k', value } as const;
    open.set(process, event);
    return event;
  });
}

const draws = fc.array(
  fc.record({
    process: fc.nat(PROCESS_COUNT - 1),
    word: fc.nat(WORDS.length - 1),
    first: fc.nat(2),
    second: fc.nat(2),
    outcome: fc.nat(OUTCOMES.length - 1),
  }),
  { minLength: 4, maxLength: 16 },
);

/** Runs a property with a seed that is printed on failure. */
function holds(property: (history: History) => boolean): void {
  fc.assert(
    fc.property(draws, (drawn) => property(historyOf(eventsOf(drawn)))),
    { seed: SEED, numRuns: RUN_COUNT },
  );
}

test('the verdict is that of all orders tried one by one', (t) => {
  const counts = { linearizable: 0, violation: 0, unknown: 0 };
  holds((history) => {
    const { verdict } = checkHistory(history);
    counts[verdict]++;
    return verdict === (isLinearizable(history.operations) ? 'linearizable' : 'violation');
  });
  t.ok(counts.linearizable > RUN_COUNT / 10, `${counts.linearizable} linearizable`);
  t.ok(counts.violation > RUN_COUNT / 10, `${counts.violation} violations`);
  t.equal(counts.unknown, 0, 'none unknown');
  t.end();
});

test('the part that a violation names is one, and nothing shorter is', (t) => {
  let count = 0;
  holds((history) => {
    const { violations } = checkHistory(history);
    return violations.every(({ operations, prefixEventCount }) => {
      count++;
      const shorter = prefixOf(history.operations, prefixEventCount - 1);
      return !isLinearizable(operations) && isLinearizable(shorter);
    });
  });
  t.ok(count > RUN_COUNT / 10, `${count} violations`);
  t.end();
});

function orderFound(operations: readonly Operation[]): readonly Operation[] {
  const ordered = inSearchOrder(withoutUseless(operations));
  const model = new CellModel(ordered, null);
  const limits = { stepsMax: 10_000_000, memoryWordsMax: 10_000_000 };
  const search = new Search(ordered, model, limits);
  search.run();
  return search.order;
}

test('the order that is found explains every result and keeps the order of time', (t) => {
  let count = 0;
  holds((history) => {
    const { operations } = history;
    if (checkHistory(history).verdict !== 'linearizable') {
      return true;
    }
    count++;
    return faultOfOrder(operations, orderFound(operations)) === undefined;
  });
  t.ok(count > RUN_COUNT / 10, `${count} short histories`);
  const random = new Prng(SEED, 'long');
  for (const unknownPercent of [0, 1, 4]) {
    const events = atomicHistory(random.fork(`${unknownPercent}`), {
      processCount: 20,
      keyCount: 1,
      operationCount: 2_000,
      valueCount: 5,
      unknownPercent,
    });
    const { operations } = historyOf(events);
    const fault = faultOfOrder(operations, orderFound(operations));
    t.equal(fault, undefined, `2,000 operations, ${unknownPercent} % without outcome`);
  }
  t.end();
});

test('a limit makes a verdict unknown and never wrong', (t) => {
  let unknownCount = 0;
  const limits: readonly Partial<CheckLimits>[] = [
    { stepsMax: 3 },
    { stepsMax: 8 },
    { memoryWordsMax: 6 },
    { memoryWordsMax: 20 },
    { operationsMax: 3 },
  ];
  holds((history) => {
    const truth = checkHistory(history).verdict;
    return limits.every((limit) => {
      const { unknowns, verdict } = checkHistory(history, { limits: limit });
      unknownCount += verdict === 'unknown' ? 1 : 0;
      const isNamed = unknowns.every(({ reason }) => reason.includes('limit'));
      return isNamed && (verdict === 'unknown' || verdict === truth);
    });
  });
  t.ok(unknownCount > RUN_COUNT / 10, `${unknownCount} unknown`);
  t.end();
});

test('a violation in one key stands, whatever is unknown of another', (t) => {
  const get = (process: number, key: string, value: number) => [
    { process, type: 'invoke', operation: 'get', key } as const,
    { process, type: 'ok', operation: 'get', key, value } as const,
  ];
  const many = Array.from({ length: 5 }, () => [
    { process: 0, type: 'invoke', operation: 'put', key: 'many', value: 1 } as const,
    { process: 0, type: 'ok', operation: 'put', key: 'many' } as const,
  ]).flat();
  const limits = { operationsMax: 3 };
  const unknown = checkHistory(historyOf(many), { limits });
  t.equal(unknown.verdict, 'unknown');
  t.match(unknown.unknowns[0]?.reason ?? '', /5 operations, the limit is 3/);
  const both = checkHistory(historyOf([...many, ...get(1, 'bad', 9)]), { limits });
  t.equal(both.verdict, 'violation');
  t.equal(both.unknowns.length, 1);
  t.end();
});

test('many open writes that do the same are no burden', (t) => {
  const events: HistoryEvent[] = [];
  for (let process = 0; process < 60; process++) {
    const value = process % 3;
    events.push({ process, type: 'invoke', operation: 'put', key: 'k', value });
    events.push({ process, type: 'info', operation: 'put', key: 'k' });
  }
  for (const value of [0, 1, 2, 0, 1, 2, 1, 0, 2, 9]) {
    events.push({ process: 'reader', type: 'invoke', operation: 'get', key: 'k' });
    events.push({ process: 'reader', type: 'ok', operation: 'get', key: 'k', value });
  }
  const { stepCount, verdict, violations } = checkHistory(historyOf(events));
  t.equal(verdict, 'violation');
  t.equal(violations[0]?.operation.result, 9);
  t.ok(stepCount < 2_000_000, `${stepCount} steps`);
  t.end();
});
