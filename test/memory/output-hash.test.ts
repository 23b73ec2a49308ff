// output-hash.test.ts: the hash of a service's output against published values and its twin.

import fc from 'fast-check';
import test from 'tape';
import { pattern, testArena } from './log-pair.js';
import { PROPERTY_SETTINGS } from './property-settings.js';
import { addOutputTwin, endEventTwin, xxh64Twin } from './twin/output-hash-twin.js';

const STATE_LENGTH = 8;
const BYTES_LENGTH = 16 * 1024;

/** Values that xxHash's own documentation and tools give, seed 0. */
const VECTORS: [string, bigint][] = [
  ['', 0xef46db3751d8e999n],
  ['a', 0xd24ec4f1a98c6e5bn],
  ['abc', 0x44bc2cf5ad770999n],
  ['Nobody inspects the spammish repetition', 0xfbcea83c8a378bf1n],
];

test('the twin of the hash of output is XXH64', (t) => {
  for (const [text, expected] of VECTORS) {
    t.equal(xxh64Twin(new TextEncoder().encode(text), 0n), expected, `'${text}'`);
  }
  t.end();
});

test('the hash of output equals its twin at every length and alignment', (t) => {
  const arena = testArena();
  const state = arena.allocate(STATE_LENGTH);
  const area = arena.allocate(BYTES_LENGTH);
  let wrong = 0;
  for (let length = 0; length < 140; length++) {
    for (let shift = 0; shift < 8; shift++) {
      const bytes = pattern(length, shift);
      arena.u8.set(bytes, area + shift);
      arena.view.setBigUint64(state, 7n, true);
      arena.core.outputHashBytes(state, area + shift, length);
      const expected = length === 0 ? 7n : xxh64Twin(bytes, 7n);
      wrong += arena.view.getBigUint64(state, true) === expected ? 0 : 1;
    }
  }
  t.equal(wrong, 0);
  t.end();
});

test('any run of outputs has the hash of its twin, whole or in pieces', (t) => {
  const arena = testArena();
  const state = arena.allocate(STATE_LENGTH);
  const area = arena.allocate(BYTES_LENGTH);
  const output = fc.record({
    kind: fc.integer({ min: 1, max: 255 }),
    detail: fc.integer(),
    id: fc.maxSafeInteger(),
    value: fc.maxSafeInteger(),
    bytes: fc.uint8Array({ maxLength: 10_000, size: 'max' }),
    position: fc.maxSafeNat(),
    isCut: fc.boolean(),
  });
  const property = fc.property(
    fc.array(output, { maxLength: 4 }),
    fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
    (outputs, seed) => {
      let expected = seed;
      arena.view.setBigUint64(state, seed, true);
      for (const { isCut, position, ...each } of outputs) {
        const { bytes, detail, id, kind, value } = each;
        const first = isCut ? Math.min(4096, bytes.length) : bytes.length;
        arena.u8.set(bytes, area);
        arena.core.outputHashAdd(state, kind, detail, id, value, area, first);
        arena.core.outputHashBytes(state, area + first, bytes.length - first);
        arena.core.outputHashEnd(state, position);
        expected = endEventTwin(addOutputTwin(expected, each), position);
      }
      return arena.view.getBigUint64(state, true) === expected;
    },
  );
  fc.assert(property, PROPERTY_SETTINGS);
  t.pass('equal');
  t.end();
});
