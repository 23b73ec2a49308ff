// States of services: whatever is equal has one hash, whatever differs is found and named.

import test from 'tape';
import { Replier } from '../../../src/service/request.js';
import { SnapshotArray } from '../../../src/service/snapshot-array.js';
import { SnapshotBytesMap } from '../../../src/service/snapshot-bytes-map.js';
import { SnapshotMap } from '../../../src/service/snapshot-map.js';
import {
  differencesOf,
  hashState,
  hiddenPathsOf,
  textOfState,
} from '../../../src/simulator/user/state-sinks.js';
import { STATE_VALUES_MAX, walkState } from '../../../src/simulator/user/state-walk.js';

const digest = (state: unknown): string => hashState(state).digest;

class Account {
  balance = 0;
  history: number[] = [];
}

/** An object that holds itself. */
function loop(name: string): object {
  const value: Record<string, unknown> = { name };
  value.self = value;
  return value;
}

test('states that are built alike have one hash', (t) => {
  const make = (): unknown => ({
    accounts: new Map([['a', Object.assign(new Account(), { balance: 7 })]]),
    seen: new Set([3, 1, 2]),
    bytes: new Uint8Array([1, 2, 3]),
    big: 12n,
    none: undefined,
    nothing: null,
    ratio: 0.1,
    not: Number.NaN,
    at: new Date(86_400_000),
    loop: loop('x'),
    keys: new Map([[{ id: 1 }, 'object key']]),
    symbol: { [Symbol('s')]: 1 },
    make: () => 1,
  });
  t.equal(digest(make()), digest(make()));
  t.end();
});

test('whatever differs changes the hash and is named by its path', (t) => {
  const shared = { n: 1 };
  const cases: [string, unknown, unknown, string][] = [
    ['a number', { a: { b: 1 } }, { a: { b: 2 } }, 'state.a.b'],
    ['minus zero', { a: 0 }, { a: -0 }, 'state.a'],
    ['a number and its text', { a: 1 }, { a: '1' }, 'state.a'],
    ['undefined and a missing field', { a: undefined }, {}, 'state'],
    ['an entry of a map', new Map([['k', 1]]), new Map([['k', 2]]), 'state.get("k")'],
    ['a number as key and its text', new Map([[1, 1]]), new Map([['1', 1]]), 'state.get(1)'],
    ['the order of a map', mapOf('a', 'b'), mapOf('b', 'a'), 'state (order)'],
    ['the order of a set', new Set([1, 2]), new Set([2, 1]), 'state.value(0)'],
    ['the order of fields', { a: 1, b: 1 }, { b: 1, a: 1 }, 'state (order)'],
    ['an array', [1, [2]], [1, [3]], 'state[1][0]'],
    ['bytes', { b: new Uint8Array([1]) }, { b: new Uint8Array([2]) }, 'state.b'],
    ['a field of a class', new Account(), Object.assign(new Account(), { balance: 1 }), '.balance'],
    ['the class itself', new Account(), { balance: 0, history: [] }, 'state'],
    ['a date', { d: new Date(1) }, { d: new Date(2) }, 'state.d'],
    ['one object twice, or two', [shared, shared], [{ n: 1 }, { n: 1 }], 'state[1]'],
    ['the end of a long text', { s: 'x'.repeat(500) }, { s: `${'x'.repeat(499)}y` }, 'state.s'],
    ['the end of long bytes', new Uint8Array(99), new Uint8Array(99).fill(1, 98), ' from byte 96'],
    [
      'a key that is an object',
      new Map([[{ k: 1 }, 0]]),
      new Map([[{ k: 2 }, 0]]),
      '.entry(0)[0].k',
    ],
    ['a field with a name that is none', { 'a b': 1 }, { 'a b': 2 }, 'state["a b"]'],
  ];
  for (const [name, first, second, path] of cases) {
    t.notEqual(digest(first), digest(second), `${name}: another hash`);
    const found = differencesOf(textOfState(first), textOfState(second));
    t.ok(
      found.some((difference) => difference.path.endsWith(path)),
      `${name}: ${JSON.stringify(found)}`,
    );
  }
  t.end();
});

function mapOf(...keys: string[]): Map<string, number> {
  return new Map(keys.map((key) => [key, 1]));
}

test('what belongs to others is named and not looked into', (t) => {
  const cluster = { secret: 1 };
  const other = { secret: 2 };
  const opaque = (value: object): string | undefined =>
    value === cluster || value === other ? 'the cluster' : undefined;
  t.equal(hashState({ cluster }, opaque).digest, hashState({ cluster: other }, opaque).digest);
  t.end();
});

test('a state that is too large or too deep is refused with the remedy', (t) => {
  let deep: unknown = 1;
  for (let level = 0; level < 1_100; level++) {
    deep = [deep];
  }
  t.throws(() => hashState(deep), /nested 1000 levels deep: give simulate\(\) a stateOf/);
  const wide = new Uint8Array(8 * STATE_VALUES_MAX + 8);
  t.throws(() => hashState({ wide }), /has more than 5000000 values/);
  t.end();
});

test('the cost of a state is how many values it has', (t) => {
  const ignore = (): void => undefined;
  const sink = {
    enter: ignore,
    leave: ignore,
    open: ignore,
    close: ignore,
    number: ignore,
    text: ignore,
    word: ignore,
    bytes: ignore,
  };
  t.equal(walkState({ a: 1, b: [1, 2] }, sink), 5, 'two objects and three numbers');
  t.equal(walkState(new Uint8Array(80), sink), 11, 'eight bytes count as one');
  t.end();
});

/** Pawl's own collections, with these entries. */
function collections(...keys: string[]) {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  const map = new SnapshotMap<string, number>();
  const list = new SnapshotArray<string>();
  const table = new SnapshotBytesMap();
  for (const key of keys) {
    map.set(key, key.length);
    list.push(key);
    table.set(bytes(key), bytes(`value of ${key}`));
  }
  return { map, list, table };
}

test("the contents of Pawl's own collections are seen", (t) => {
  t.equal(digest(collections('a', 'b')), digest(collections('a', 'b')));
  const found = differencesOf(textOfState(collections('a', 'b')), textOfState(collections('a')));
  const paths = found.map(({ path }) => path);
  t.deepEqual(paths, ['state.map.get("b")', 'state.list[1]', 'state.table.get(bytes of "b")']);
  for (const name of ['map', 'list', 'table'] as const) {
    const ordered = collections('a', 'b')[name];
    t.notEqual(digest(ordered), digest(collections('b', 'a')[name]), `the order of ${name}`);
  }
  t.deepEqual([...hiddenPathsOf(collections('a'))], []);
  t.end();
});

test('objects that show nothing of what they may hold are named by class and path', (t) => {
  class Sealed {
    #value = 0;
    add(): number {
      return ++this.#value;
    }
  }
  class Wrapper extends Sealed {
    readonly log = (): void => undefined;
  }
  const count = { value: 0 };
  const closure = { add: () => ++count.value };
  const state = {
    items: new Map([['k', new Sealed()]]),
    other: [new Sealed(), new Wrapper()],
    closure,
  };
  const expected = [
    ['Sealed', 'state.items.get("k")'],
    ['Wrapper', 'state.other[1]'],
    ['Object', 'state.closure'],
  ];
  t.deepEqual([...hiddenPathsOf(state)], expected);
  t.deepEqual([...hashState(state).hiddenClasses], ['Sealed', 'Wrapper', 'Object']);
  const open = {
    ...{ empty: {}, date: new Date(0), error: new Error('x'), url: new URL('a:b'), set: new Set() },
    ...{ account: new Account(), decoder: new TextDecoder(), replier: new Replier(), when: null },
    ...{ bytes: new Uint8Array(2), map: new Map(), pattern: /x/, none: Object.create(null) },
  };
  t.deepEqual([...hiddenPathsOf(open)], []);
  t.end();
});
