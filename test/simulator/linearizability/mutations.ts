// mutations.ts: makes good histories wrong, as a faulty store would.

import {
  type History,
  HistoryBuilder,
  type HistoryEvent,
} from '../../../src/simulator/linearizability/history.js';
import type { Prng } from '../../../src/simulator/prng.js';

/** A changed copy, or nothing when this history offers no place for the change. */
export type Mutation = (
  events: readonly HistoryEvent[],
  random: Prng,
) => readonly HistoryEvent[] | undefined;

interface Pair {
  readonly invoke: number;
  readonly end: number;
  readonly event: HistoryEvent;
}

/** Operations that ended ok, as places of their two events. */
function pairsOf(events: readonly HistoryEvent[], operation: string): readonly Pair[] {
  const begun = new Map<number | string, number>();
  const pairs: Pair[] = [];
  events.forEach((event, index) => {
    if (event.type === 'invoke') {
      begun.set(event.process, index);
    } else if (event.type === 'ok' && event.operation === operation) {
      const invoke = begun.get(event.process) as number;
      pairs.push({ invoke, end: index, event: events[invoke] as HistoryEvent });
    }
  });
  return pairs;
}

function withValue(
  events: readonly HistoryEvent[],
  index: number,
  value: HistoryEvent['value'],
): readonly HistoryEvent[] {
  return events.map((event, at) => (at === index ? { ...event, value } : event));
}

function without(events: readonly HistoryEvent[], { invoke, end }: Pair): readonly HistoryEvent[] {
  return events.filter((_, index) => index !== invoke && index !== end);
}

function swapResults(events: readonly HistoryEvent[], random: Prng) {
  const gets = pairsOf(events, 'get');
  if (gets.length < 2) {
    return undefined;
  }
  const [first, second] = random.shuffle([...gets]) as [Pair, Pair];
  const left = events[first.end]?.value;
  const right = events[second.end]?.value;
  const isSame = first.event.key !== second.event.key || left === right;
  return isSame ? undefined : withValue(withValue(events, first.end, right), second.end, left);
}

function dropWrite(events: readonly HistoryEvent[], random: Prng) {
  const read = pairsOf(events, 'get').map(({ end }) => events[end]?.value);
  const seen = pairsOf(events, 'put').filter(({ event }) => read.includes(event.value));
  return seen.length === 0 ? undefined : without(events, random.pick(seen));
}

function staleRead(events: readonly HistoryEvent[], random: Prng) {
  const gets = pairsOf(events, 'get');
  if (gets.length === 0) {
    return undefined;
  }
  const get = random.pick(gets);
  const older = pairsOf(events, 'put').filter(
    ({ end, event }) =>
      end < get.invoke && event.key === get.event.key && event.value !== events[get.end]?.value,
  );
  return older.length === 0
    ? undefined
    : withValue(events, get.end, random.pick(older).event.value);
}

function strangeValue(events: readonly HistoryEvent[], random: Prng) {
  const gets = pairsOf(events, 'get');
  return gets.length === 0 ? undefined : withValue(events, random.pick(gets).end, 'never written');
}

/** Moves a whole operation to another moment, as one that took no time there. */
function moveInTime(events: readonly HistoryEvent[], random: Prng) {
  const pairs = [...pairsOf(events, 'put'), ...pairsOf(events, 'get')];
  if (pairs.length === 0) {
    return undefined;
  }
  const pair = random.pick(pairs);
  const rest = without(events, pair);
  const at = random.between(0, rest.length);
  const mover = { process: 'mover' };
  return [
    ...rest.slice(0, at),
    { ...(events[pair.invoke] as HistoryEvent), ...mover },
    { ...(events[pair.end] as HistoryEvent), ...mover },
    ...rest.slice(at),
  ];
}

/** An answer about a match is turned around. */
function turnedAnswer(events: readonly HistoryEvent[], random: Prng) {
  const told = [...pairsOf(events, 'compare-and-set'), ...pairsOf(events, 'delete')];
  if (told.length === 0) {
    return undefined;
  }
  const { end } = random.pick(told);
  return withValue(events, end, events[end]?.value !== true);
}

export const MUTATIONS: Readonly<Record<string, Mutation>> = {
  'two results swapped': swapResults,
  'a write that was read dropped': dropWrite,
  'a read made stale': staleRead,
  'a value that nobody wrote': strangeValue,
  'an operation moved in time': moveInTime,
  'an answer turned around': turnedAnswer,
};

/** The operations of events. */
export function historyOf(events: readonly HistoryEvent[]): History {
  const builder = new HistoryBuilder({ model: 'key-value' });
  for (const event of events) {
    builder.add(event);
  }
  return builder.finish();
}
