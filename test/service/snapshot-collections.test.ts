// Collections that are written while they change, against copies that were made at once.

import fc from 'fast-check';
import test from 'tape';
import { SnapshotArray } from '../../src/service/snapshot-array.js';
import { SnapshotMap } from '../../src/service/snapshot-map.js';
import type { SnapshotOutput, SnapshotView } from '../../src/service/snapshot-publication.js';
import { SnapshotRecords } from '../../src/service/snapshot-records.js';

const SETTINGS = { seed: 20_261_124, numRuns: 400 } as const;

/** Collects records as text. */
class Collected implements SnapshotOutput {
  readonly records: string[] = [];

  offer(buffer: ArrayBufferView, offset: number, length: number): void {
    const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
    this.records.push(new TextDecoder().decode(bytes));
  }
}

function offerText(output: SnapshotOutput, text: string): void {
  const bytes = new TextEncoder().encode(text);
  output.offer(bytes, 0, bytes.length);
}

type Step =
  | { readonly kind: 'set'; readonly key: number; readonly value: number }
  | { readonly kind: 'delete'; readonly key: number }
  | { readonly kind: 'clear' }
  | { readonly kind: 'freeze' }
  | { readonly kind: 'walk'; readonly count: number }
  | { readonly kind: 'giveUp' };

const keys = fc.integer({ min: 0, max: 9 });
const steps = fc.array(
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ kind: fc.constant('set' as const), key: keys, value: fc.nat(99) }),
    },
    { weight: 4, arbitrary: fc.record({ kind: fc.constant('delete' as const), key: keys }) },
    { weight: 1, arbitrary: fc.constant({ kind: 'clear' as const }) },
    { weight: 2, arbitrary: fc.constant({ kind: 'freeze' as const }) },
    {
      weight: 4,
      arbitrary: fc.record({
        kind: fc.constant('walk' as const),
        count: fc.integer({ min: 1, max: 4 }),
      }),
    },
    { weight: 1, arbitrary: fc.constant({ kind: 'giveUp' as const }) },
  ),
  { maxLength: 150 },
);

/** A frozen view, and what it must write. */
interface Frozen {
  readonly view: SnapshotView;
  readonly output: Collected;
  readonly expected: string[];
}

function walk(frozen: Frozen, count: number): boolean {
  for (let index = 0; index < count; index++) {
    if (!frozen.view.next(frozen.output)) {
      frozen.view.close();
      same(frozen.output.records.join(), frozen.expected.join(), 'records');
      return true;
    }
  }
  return false;
}

function same(found: unknown, expected: unknown, what: string): void {
  if (found !== expected) {
    throw new Error(`${what}: found ${String(found)}, expected ${String(expected)}`);
  }
}

function runMap(sequence: readonly Step[]): void {
  const map = new SnapshotMap<number, number>();
  const model = new Map<number, number>();
  const textOf = (key: number, value: number): string => `${key}=${value}`;
  let frozen: Frozen | undefined;
  for (const step of sequence) {
    switch (step.kind) {
      case 'set':
        map.set(step.key, step.value);
        model.set(step.key, step.value);
        break;
      case 'delete':
        same(map.delete(step.key), model.delete(step.key), 'delete');
        break;
      case 'clear':
        map.clear();
        model.clear();
        break;
      case 'freeze':
        frozen ??= {
          view: map.snapshot((key, value, output) => offerText(output, textOf(key, value))),
          output: new Collected(),
          expected: [...model].map(([key, value]) => textOf(key, value)),
        };
        break;
      case 'walk':
        frozen = frozen !== undefined && walk(frozen, step.count) ? undefined : frozen;
        break;
      case 'giveUp':
        frozen?.view.close();
        frozen = undefined;
    }
    same(JSON.stringify([...map]), JSON.stringify([...model]), 'entries');
    same(map.size, model.size, 'size');
  }
  same(frozen === undefined || walk(frozen, 1_000), true, 'the last view ends');
}

function runArray(sequence: readonly Step[]): void {
  const array = new SnapshotArray<number>();
  const model: number[] = [];
  let frozen: Frozen | undefined;
  for (const step of sequence) {
    if (step.kind === 'set' && step.key < model.length) {
      array.set(step.key, step.value);
      model[step.key] = step.value;
    } else if (step.kind === 'set') {
      same(array.push(step.value), model.push(step.value), 'push');
    } else if (step.kind === 'delete') {
      same(array.pop(), model.pop(), 'pop');
    } else if (step.kind === 'freeze') {
      frozen ??= {
        view: array.snapshot((value, index, output) => offerText(output, `${index}:${value}`)),
        output: new Collected(),
        expected: model.map((value, index) => `${index}:${value}`),
      };
    } else if (step.kind === 'walk') {
      frozen = frozen !== undefined && walk(frozen, step.count) ? undefined : frozen;
    } else if (step.kind === 'giveUp') {
      frozen?.view.close();
      frozen = undefined;
    }
    same(JSON.stringify([...array]), JSON.stringify(model), 'elements');
  }
  same(frozen === undefined || walk(frozen, 1_000), true, 'the last view ends');
}

test('a map is written as it was when it was frozen, whatever changes meanwhile', (t) => {
  fc.assert(fc.property(steps, runMap), SETTINGS);
  t.pass('400 random stories');
  t.end();
});

test('an array is written as it was when it was frozen, whatever changes meanwhile', (t) => {
  fc.assert(fc.property(steps, runArray), SETTINGS);
  t.pass('400 random stories');
  t.end();
});

test('a map keeps its order and content when the holes of many deletions are closed', (t) => {
  const map = new SnapshotMap<number, string>();
  for (let key = 0; key < 10_000; key++) {
    map.set(key, `value ${key}`);
  }
  const view = map.snapshot((key, _value, output) => offerText(output, String(key)));
  for (let key = 0; key < 10_000; key++) {
    if (key % 7 !== 0) {
      map.delete(key);
    }
  }
  const output = new Collected();
  while (view.next(output)) {
    // Every step writes one entry.
  }
  view.close();
  t.equal(output.records.length, 10_000, 'the view has all that was there');
  t.equal(map.size, 1_429);
  t.deepEqual([...map.keys()].slice(0, 4), [0, 7, 14, 21]);
  t.equal(map.get(7 * 1_000), 'value 7000');
  map.set(1, 'new');
  t.deepEqual([...map.keys()].at(-1), 1, 'what is new comes last');
  t.end();
});

test('records and views of a snapshot are given back in the order of the offers', (t) => {
  const records = new SnapshotRecords();
  const map = new SnapshotMap<string, string>();
  map.set('a', '1').set('b', '2');
  offerText(records, 'first');
  records.offerView(map.snapshot((key, value, output) => offerText(output, `${key}${value}`)));
  offerText(records, '');
  offerText(records, 'x'.repeat(300_000));
  map.set('a', '3');
  const found: string[] = [];
  const decoder = new TextDecoder();
  while (
    records.next((bytes, offset, length) => {
      found.push(decoder.decode(bytes.subarray(offset, offset + length)));
    })
  ) {
    // Every step gives one record.
  }
  t.deepEqual(found, ['first', 'a1', 'b2', '', 'x'.repeat(300_000)]);
  const again = map.snapshot(() => undefined);
  t.ok(again, 'the map can be frozen again once its view is written');
  t.end();
});
