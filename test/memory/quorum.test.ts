// quorum.test.ts: the quorum position against a full sort, over every combination of small values.

import test from 'tape';
import { COUNTER_LENGTH } from '../../assembly/layout/memory-map.js';
import { testArena } from './log-pair.js';
import { quorumTwin } from './twin/quorum-twin.js';

const MEMBER_COUNT_MAX = 7;
/** Unknown, the start, and two positions beyond: enough to order and to tie in every way. */
const VALUES = [-1, 0, 32, 2 ** 53 - 32];

/** The n-th combination of values of `count` members. */
function combination(n: number, count: number): number[] {
  return Array.from({ length: count }, (_, i) => {
    return VALUES[Math.floor(n / VALUES.length ** i) % VALUES.length] as number;
  });
}

test('the quorum position is what a sort says, for up to seven members', (t) => {
  const arena = testArena();
  const address = arena.allocate(MEMBER_COUNT_MAX * COUNTER_LENGTH);
  let count = 0;
  let wrong = 0;
  for (let members = 1; members <= MEMBER_COUNT_MAX; members++) {
    for (let n = 0; n < VALUES.length ** members; n++) {
      const positions = combination(n, members);
      for (const [i, position] of positions.entries()) {
        arena.core.counterSet(address + i * COUNTER_LENGTH, position);
      }
      for (let rank = 1; rank <= members; rank++) {
        const found = arena.core.quorumPosition(address, members, COUNTER_LENGTH, rank);
        wrong += found === quorumTwin(positions, rank) ? 0 : 1;
        count++;
      }
    }
  }
  t.equal(wrong, 0, `${count} cases`);
  arena.release(address, MEMBER_COUNT_MAX * COUNTER_LENGTH);
  t.end();
});

test('a rank that no member can have is a broken invariant', (t) => {
  const arena = testArena();
  const address = arena.allocate(1024);
  t.throws(() => arena.core.quorumPosition(address, 3, 128, 4), /unreachable/);
  t.throws(() => arena.core.quorumPosition(address, 3, 128, 0), /unreachable/);
  t.throws(() => arena.core.quorumPosition(address, 0, 128, 1), /unreachable/);
  arena.release(address, 1024);
  t.end();
});
