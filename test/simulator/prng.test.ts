// Streams of chance: the same everywhere, independent of each other, and fair enough.

import fc from 'fast-check';
import test from 'tape';
import {
  drawDelay,
  exponentialDelay,
  fixedDelay,
  uniformDelay,
  withSpikes,
} from '../../src/simulator/delay.js';
import { Prng } from '../../src/simulator/prng.js';

const GOLDEN_ZERO = [3899946321, 519802868, 3567160840, 2737518692];
const GOLDEN_FORK = [3612374009, 783395161, 2516010704, 508766509];

function draw(random: Prng, count: number): number[] {
  return Array.from({ length: count }, () => random.nextUint32());
}

test('a seed gives the same numbers in every version of the engine', (t) => {
  t.deepEqual(draw(new Prng(0), 4), GOLDEN_ZERO);
  t.deepEqual(draw(new Prng(2 ** 53 - 1).fork('network').fork('a>b'), 4), GOLDEN_FORK);
  t.end();
});

test('a stream split off by name does not depend on what was drawn before', (t) => {
  const fresh = new Prng(7);
  const used = new Prng(7);
  draw(used, 100);
  t.deepEqual(draw(fresh.fork('disk'), 10), draw(used.fork('disk'), 10));
  t.notDeepEqual(draw(new Prng(7).fork('disk'), 10), draw(new Prng(7).fork('clock'), 10));
  t.notDeepEqual(draw(new Prng(7), 10), draw(new Prng(8), 10));
  t.end();
});

test('neighbouring seeds give streams that differ in about half of their bits', (t) => {
  let bits = 0;
  for (let seed = 0; seed < 1000; seed++) {
    let difference = new Prng(seed).nextUint32() ^ new Prng(seed + 1).nextUint32();
    for (; difference !== 0; difference &= difference - 1) {
      bits++;
    }
  }
  t.ok(bits > 15_500 && bits < 16_500, `${bits} of 32,000 bits differ`);
  t.end();
});

test('a draw below a bound stays below it, for bounds up to 2^53', (t) => {
  fc.assert(
    fc.property(fc.maxSafeNat(), fc.integer({ min: 1, max: 2 ** 53 - 1 }), (seed, bound) => {
      const value = new Prng(seed).below(bound);
      return Number.isSafeInteger(value) && value >= 0 && value < bound;
    }),
    { seed: 1, numRuns: 500 },
  );
  t.throws(() => new Prng(1).below(0), /at least 1/);
  t.end();
});

test('draws below a small bound are uniform', (t) => {
  const counts = new Array<number>(10).fill(0);
  const random = new Prng(3);
  for (let i = 0; i < 100_000; i++) {
    const value = random.below(10);
    counts[value] = (counts[value] as number) + 1;
  }
  t.ok(
    counts.every((count) => count > 9_500 && count < 10_500),
    counts.join(' '),
  );
  t.end();
});

test('an outcome that is certain draws nothing', (t) => {
  const random = new Prng(5);
  t.notOk(random.chance(0, 100));
  t.ok(random.chance(100, 100));
  t.equal(random.nextUint32(), new Prng(5).nextUint32());
  t.end();
});

test('a shuffle keeps every element and a pick gives one of them', (t) => {
  const random = new Prng(9);
  const values = [1, 2, 3, 4, 5, 6, 7, 8];
  const shuffled = random.shuffle([...values]);
  t.notDeepEqual(shuffled, values);
  t.deepEqual([...shuffled].sort(), values);
  t.ok(values.includes(random.pick(values)));
  t.end();
});

test('an exponential delay has the mean and the tail that it should have', (t) => {
  const random = new Prng(11);
  const mean = 1_000_000;
  const count = 200_000;
  let sum = 0;
  let beyondThreeMeans = 0;
  for (let i = 0; i < count; i++) {
    const ns = drawDelay(exponentialDelay(500, mean), random) - 500;
    sum += ns;
    beyondThreeMeans += ns > 3 * mean ? 1 : 0;
  }
  t.ok(Math.abs(sum / count / mean - 1) < 0.01, `mean ${Math.round(sum / count)}`);
  // e^-3 of the draws lie beyond three means.
  t.ok(Math.abs(beyondThreeMeans / count / 0.049787 - 1) < 0.05, `${beyondThreeMeans} beyond`);
  t.end();
});

test('delays are whole, within their range, and spike as often as asked', (t) => {
  const random = new Prng(13);
  let spikes = 0;
  let outside = 0;
  for (let i = 0; i < 10_000; i++) {
    const uniform = drawDelay(uniformDelay(10, 20), random);
    outside += Number.isInteger(uniform) && uniform >= 10 && uniform <= 20 ? 0 : 1;
    spikes += drawDelay(withSpikes(fixedDelay(5), 100_000, 1000), random) > 5 ? 1 : 0;
  }
  t.equal(outside, 0);
  t.ok(spikes > 900 && spikes < 1100, `${spikes} spikes`);
  t.end();
});
