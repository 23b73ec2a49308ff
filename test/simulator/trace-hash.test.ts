// The trace hash: sensitive to everything that makes two runs differ, and to nothing else.

import fc from 'fast-check';
import test from 'tape';
import { TraceHash } from '../../src/simulator/trace-hash.js';

function digestOf(...words: number[]): string {
  const hash = new TraceHash();
  for (const word of words) {
    hash.addWord(word);
  }
  return hash.digest();
}

test('a trace has the same digest in every version of the engine', (t) => {
  const hash = new TraceHash();
  hash.addWord(1);
  hash.addInteger(2 ** 53 - 1);
  hash.addBytes(Uint8Array.of(1, 2, 3, 4, 5, 6, 7), 1, 6);
  hash.addText('leader');
  t.equal(hash.digest(), 'f4a162dc07903186');
  t.equal(hash.digest(), 'f4a162dc07903186', 'reading the digest changes nothing');
  t.end();
});

test('a digest depends on the order, and on zeros', (t) => {
  t.notEqual(digestOf(1, 2), digestOf(2, 1));
  t.notEqual(digestOf(0), digestOf(0, 0));
  t.notEqual(digestOf(), digestOf(0));
  t.end();
});

test('a digest depends on the high bits of integers', (t) => {
  const low = new TraceHash();
  low.addInteger(5);
  const high = new TraceHash();
  high.addInteger(5 + 2 ** 40);
  t.notEqual(low.digest(), high.digest());
  t.end();
});

test('bytes hash the same wherever they lie in a buffer, and any change of them shows', (t) => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 1, maxLength: 70 }),
      fc.nat(9),
      fc.nat(1000),
      (bytes, shift, at) => {
        const moved = new Uint8Array(bytes.length + 20);
        moved.set(bytes, shift);
        const [a, b, c] = [new TraceHash(), new TraceHash(), new TraceHash()];
        a.addBytes(bytes, 0, bytes.length);
        b.addBytes(moved, shift, bytes.length);
        const index = shift + (at % bytes.length);
        moved[index] = (moved[index] as number) ^ 0x10;
        c.addBytes(moved, shift, bytes.length);
        return a.digest() === b.digest() && a.digest() !== c.digest();
      },
    ),
    { seed: 1, numRuns: 500 },
  );
  t.end();
});

test('100,000 short traces have 100,000 digests', (t) => {
  const digests = new Set<string>();
  for (let i = 0; i < 100_000; i++) {
    digests.add(digestOf(i));
  }
  t.equal(digests.size, 100_000);
  t.end();
});
