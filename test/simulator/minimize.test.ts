// Delta debugging: what is left still fails, and nothing of it can be spared.

import fc from 'fast-check';
import test from 'tape';
import { type FaultSelection, minimize } from '../../src/simulator/story/minimize.js';

const SEED = 20_261_122;
const CLASSES = ['kill', 'pause', 'partition'];
type Kind = 'links' | 'disks';

function faultsOf(count: number): { number: number; fault: string }[] {
  return Array.from({ length: count }, (_, index) => ({
    number: index,
    fault: CLASSES[index % CLASSES.length] as string,
  }));
}

/** A run fails when it has all of these faults and all of these kinds. */
function needing(numbers: readonly number[], kinds: readonly Kind[]) {
  return ({ only, without }: FaultSelection<Kind>): boolean =>
    numbers.every((number) => only?.includes(number) === true) &&
    kinds.every((kind) => !without.includes(kind));
}

test('exactly the faults and kinds that are needed are left', (t) => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 60 }),
      fc.array(fc.nat(59), { maxLength: 6 }),
      fc.subarray<Kind>(['links', 'disks']),
      (count, wanted, kinds) => {
        const numbers = [...new Set(wanted.filter((number) => number < count))].sort(
          (left, right) => left - right,
        );
        const result = minimize<Kind>({
          kinds: ['links', 'disks'],
          faults: faultsOf(count),
          fails: needing(numbers, kinds),
          runsMax: 10_000,
        });
        t.deepEqual(result?.only, numbers);
        t.deepEqual(
          result?.without.slice().sort(),
          (['disks', 'links'] as Kind[]).filter((kind) => !kinds.includes(kind)),
        );
        t.ok(result?.isMinimal);
      },
    ),
    { seed: SEED, numRuns: 60 },
  );
  t.end();
});

test('what is left is 1-minimal also where faults stand in for each other', (t) => {
  // Fails with any two of the faults below 10, or with fault 20.
  const fails = ({ only }: FaultSelection<Kind>): boolean =>
    (only?.filter((number) => number < 10).length ?? 0) >= 2 || only?.includes(20) === true;
  const result = minimize<Kind>({ kinds: [], faults: faultsOf(30), fails, runsMax: 10_000 });
  const only = result?.only ?? [];
  t.ok(fails({ only, without: [] }), `it fails with ${only}`);
  for (const spared of only) {
    const rest = only.filter((number) => number !== spared);
    t.notOk(fails({ only: rest, without: [] }), `and not without ${spared}`);
  }
  t.end();
});

test('a run that does not fail again is not minimised, and runs are bounded', (t) => {
  const never = minimize<Kind>({ kinds: [], faults: faultsOf(9), fails: () => false, runsMax: 99 });
  t.equal(never, undefined);
  let runs = 0;
  const bounded = minimize<Kind>({
    kinds: ['links'],
    faults: faultsOf(50),
    fails: (selection) => {
      runs++;
      return needing([3, 33], [])(selection);
    },
    runsMax: 6,
  });
  t.ok(runs <= 6, `${runs} runs`);
  t.equal(bounded?.isMinimal, false);
  t.ok(needing([3, 33], [])({ only: bounded?.only, without: [] }), 'what is left still fails');
  t.end();
});
