// Which free range a slab takes, and what an arena says that it has room for.

import test from 'tape';
import { PawlError } from '../../src/errors.js';
import { Arena, SLAB_ALIGNMENT, type SlabKind } from '../../src/memory/arena.js';
import { SeededEntropy } from '../support/seeded-entropy.js';

const HEAP_LENGTH = 4 * 1024 * 1024;
const PAGE = SLAB_ALIGNMENT;

/** An arena of which only ranges of these lengths are free, in this order. */
function arenaWith(lengths: readonly number[]): { arena: Arena; addresses: number[] } {
  const arena = Arena.create(HEAP_LENGTH);
  const addresses = lengths.map((length) => {
    const address = arena.allocate(length);
    arena.allocate(PAGE);
    return address;
  });
  arena.allocate(arena.freeLength);
  lengths.forEach((length, index) => {
    arena.release(addresses[index] as number, length);
  });
  return { arena, addresses };
}

test('a slab takes the shortest range that is long enough, the first of several', (t) => {
  const { arena, addresses } = arenaWith([8 * PAGE, 2 * PAGE, 3 * PAGE, 2 * PAGE]);
  t.equal(arena.allocate(2 * PAGE), addresses[1]);
  t.equal(arena.allocate(PAGE + 1), addresses[3]);
  t.equal(arena.allocate(1), addresses[2]);
  t.ok(arena.canAllocate(8 * PAGE), 'the long one is whole');
  t.equal(arena.allocate(3 * PAGE), addresses[0]);
  t.end();
});

test('an arena has room for slabs if, and only if, allocating them one by one succeeds', (t) => {
  const entropy = new SeededEntropy(3);
  const below = (count: number): number => (entropy.nextUint32() >>> 0) % count;
  const listOf = <T>(count: number, make: () => T): T[] => Array.from({ length: count }, make);
  const answers = { yes: 0, no: 0 };
  for (let round = 0; round < 500; round++) {
    const { arena } = arenaWith(listOf(1 + below(8), () => (1 + below(12)) * PAGE));
    const kinds = listOf(1 + below(3), () => ({ length: 1 + below(8 * PAGE), count: below(5) }));
    const hasRoom = arena.canAllocateAll(kinds);
    if (hasRoom !== canAllocateEach(arena, kinds)) {
      t.fail(`${hasRoom} for ${JSON.stringify(kinds)} in round ${round}`);
    }
    answers[hasRoom ? 'yes' : 'no']++;
  }
  t.ok(answers.yes > 100 && answers.no > 100, JSON.stringify(answers));
  t.end();
});

function canAllocateEach(arena: Arena, kinds: readonly SlabKind[]): boolean {
  try {
    for (const { count, length } of kinds) {
      for (let index = 0; index < count; index++) {
        arena.allocate(length);
      }
    }
    return true;
  } catch (error) {
    if (error instanceof PawlError) {
      return false;
    }
    throw error;
  }
}
