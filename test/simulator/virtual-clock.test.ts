// Clocks with skew, against exact fractions of BigInt.

import fc from 'fast-check';
import test from 'tape';
import {
  CLOCK_RATE_TERM_MAX,
  VirtualClock,
  VirtualOscillator,
  WALL_START_MS,
} from '../../src/simulator/virtual-clock.js';

const rateTerm = fc.oneof(
  fc.integer({ min: 1, max: CLOCK_RATE_TERM_MAX }),
  fc.integer({ min: 800_000, max: 1_200_000 }),
);
/** Up to 39 hours, and far beyond what a rate of 2^26 keeps exact is left out. */
const worldTime = fc.nat(2 ** 47);

function isExact(timeNs: number, numerator: number, denominator: number): boolean {
  return (BigInt(timeNs) * BigInt(numerator)) / BigInt(denominator) < 2n ** 52n;
}

test('local time is the exact floor of world time times the rate', (t) => {
  fc.assert(
    fc.property(worldTime, rateTerm, rateTerm, (timeNs, numerator, denominator) => {
      fc.pre(isExact(timeNs, numerator, denominator));
      const world = { nowNs: 0 };
      const oscillator = new VirtualOscillator(world);
      oscillator.setRate(numerator, denominator);
      world.nowNs = timeNs;
      const exact = (BigInt(timeNs) * BigInt(numerator)) / BigInt(denominator);
      return BigInt(oscillator.localNs()) === exact;
    }),
    { seed: 1, numRuns: 1000 },
  );
  t.end();
});

test('a wake-up comes at the first instant at which the local clock has reached it', (t) => {
  fc.assert(
    fc.property(fc.nat(2 ** 45), rateTerm, rateTerm, (localNs, numerator, denominator) => {
      fc.pre(isExact(localNs, denominator, numerator));
      const world = { nowNs: 0 };
      const oscillator = new VirtualOscillator(world);
      oscillator.setRate(numerator, denominator);
      world.nowNs = oscillator.worldNsAt(localNs);
      const isReached = oscillator.localNs() >= localNs;
      world.nowNs -= 1;
      return isReached && (world.nowNs < 0 || oscillator.localNs() < localNs);
    }),
    { seed: 2, numRuns: 1000 },
  );
  t.end();
});

test('a clock never goes back when its rate changes', (t) => {
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(1_000_000), rateTerm, rateTerm), { maxLength: 30 }),
      (steps) => {
        const world = { nowNs: 0 };
        const oscillator = new VirtualOscillator(world);
        let before = 0;
        for (const [elapsedNs, numerator, denominator] of steps) {
          world.nowNs += elapsedNs;
          oscillator.setRate(numerator, denominator);
          const now = oscillator.localNs();
          if (now < before) {
            return false;
          }
          before = now;
        }
        return true;
      },
    ),
    { seed: 3, numRuns: 300 },
  );
  t.end();
});

test('a process counts from its start, and the wall clock jumps without it', (t) => {
  const world = { nowNs: 5_000_000_000 };
  const oscillator = new VirtualOscillator(world);
  const clock = new VirtualClock(oscillator);
  t.equal(clock.nowNs(), 0);
  t.equal(clock.wallMs(), WALL_START_MS + 5_000);
  world.nowNs += 1_500_000;
  oscillator.jumpWall(-3_600_000);
  t.equal(clock.nowNs(), 1_500_000);
  t.equal(clock.wallMs(), WALL_START_MS + 5_001 - 3_600_000);
  oscillator.wallOffsetMs = 0;
  t.equal(clock.wallMs(), WALL_START_MS + 5_001);
  t.equal(clock.worldNsAt(1_500_001), world.nowNs + 1);
  t.equal(clock.worldNsAt(Number.POSITIVE_INFINITY), Number.POSITIVE_INFINITY);
  t.end();
});

test('a rate of impossible terms is refused', (t) => {
  const oscillator = new VirtualOscillator({ nowNs: 0 });
  t.throws(() => oscillator.setRate(0, 1), /clock rate term, 0/);
  t.throws(() => oscillator.setRate(1, CLOCK_RATE_TERM_MAX + 1), /clock rate term/);
  t.throws(() => oscillator.setRate(1.5, 1), /clock rate term/);
  t.end();
});
