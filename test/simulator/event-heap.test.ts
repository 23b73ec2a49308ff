// The event heap against a sorted list.

import fc from 'fast-check';
import test from 'tape';
import { EventHeap, EventKind, NODE_NONE, WorldEvent } from '../../src/simulator/event-heap.js';

const NOTHING = { runEvent: (): undefined => undefined };

function newEvent(id: number): WorldEvent {
  return new WorldEvent(EventKind.Call, NOTHING, id, NODE_NONE, undefined);
}

interface Expected {
  timeNs: number;
  sequence: number;
  event: WorldEvent;
}

/** Does what a heap does, on a list that is sorted again each time. */
class SortedList {
  list: Expected[] = [];

  push(expected: Expected): void {
    this.list.push(expected);
    this.list.sort((a, b) => a.timeNs - b.timeNs || a.sequence - b.sequence);
  }
}

type Step = { kind: 'push'; timeNs: number } | { kind: 'pop' } | { kind: 'remove'; index: number };

const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('push' as const), timeNs: fc.nat(500) }) },
  { weight: 2, arbitrary: fc.constant({ kind: 'pop' as const }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('remove' as const), index: fc.nat(1000) }),
  },
);

function runSteps(steps: readonly Step[]): boolean {
  const heap = new EventHeap();
  const model = new SortedList();
  let sequence = 0;
  for (const current of steps) {
    if (current.kind === 'push') {
      const event = newEvent(sequence);
      heap.push(event, current.timeNs, sequence);
      model.push({ timeNs: current.timeNs, sequence, event });
      sequence++;
    } else if (current.kind === 'pop') {
      if (heap.pop() !== model.list.shift()?.event) {
        return false;
      }
    } else if (model.list.length > 0) {
      const [removed] = model.list.splice(current.index % model.list.length, 1);
      const event = (removed as Expected).event;
      if (!heap.remove(event) || heap.remove(event)) {
        return false;
      }
    }
    const firstTimeNs = model.list[0]?.timeNs ?? Number.POSITIVE_INFINITY;
    if (heap.size !== model.list.length || heap.firstTimeNs !== firstTimeNs) {
      return false;
    }
  }
  return model.list.every((expected) => heap.pop() === expected.event);
}

test('events leave the heap by time and then by sequence, removed ones excepted', (t) => {
  const steps = fc.array(step, { maxLength: 300, size: 'max' });
  fc.assert(fc.property(steps, runSteps), { seed: 1, numRuns: 500 });
  t.end();
});

test('an event is in the heap once, and may return when it has left', (t) => {
  const heap = new EventHeap();
  const event = newEvent(0);
  heap.push(event, 5, 0);
  t.throws(() => heap.push(event, 6, 1), /once/);
  t.equal(heap.pop(), event);
  heap.push(event, 7, 2);
  t.equal(heap.firstTimeNs, 7);
  t.end();
});
