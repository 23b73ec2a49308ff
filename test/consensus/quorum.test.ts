import test from 'tape';
import { MEMBER_COUNT_MAX, quorumPosition, quorumSize } from '../../src/consensus/quorum.js';

/** The definition, said in another way: the greatest position that enough members have reached. */
function bruteForce(positions: Float64Array): number {
  let best = -1;
  for (const candidate of positions) {
    const reached = positions.filter((position) => position >= candidate).length;
    if (reached * 2 > positions.length && candidate > best) {
      best = candidate;
    }
  }
  return best;
}

test('any two quorums of a cluster share a member', (t) => {
  for (let count = 1; count <= MEMBER_COUNT_MAX; count++) {
    // B26: a quorum of majority minus one shares none.
    t.ok(2 * quorumSize(count) > count, `${count} members`);
    t.ok(2 * (quorumSize(count) - 1) <= count, `${count} members need no more`);
  }
  t.throws(() => quorumSize(0), /member count 0/);
  t.throws(() => quorumSize(MEMBER_COUNT_MAX + 1), /member count 8/);
  t.end();
});

test('the quorum position equals a brute force count for every assignment up to 7 members', (t) => {
  // B11: keeping progress sorted incrementally once committed without a quorum.
  const domain = [-1, 0, 32, 2 ** 53 - 1];
  let checked = 0;
  for (let count = 1; count <= MEMBER_COUNT_MAX; count++) {
    const positions = new Float64Array(count);
    const scratch = new Float64Array(count);
    const total = domain.length ** count;
    for (let code = 0; code < total; code++) {
      let rest = code;
      for (let index = 0; index < count; index++) {
        positions[index] = domain[rest % domain.length] as number;
        rest = Math.floor(rest / domain.length);
      }
      if (quorumPosition(positions, scratch) !== bruteForce(positions)) {
        t.fail(`positions ${positions.join(', ')}`);
      }
      checked++;
    }
  }
  t.equal(checked, 4 + 16 + 64 + 256 + 1024 + 4096 + 16384);
  t.end();
});
