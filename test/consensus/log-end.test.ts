import test from 'tape';
import { compareLogEnd } from '../../src/consensus/log-end.js';

const DOMAIN = [-1, 0, 1, 2, 2 ** 31, 2 ** 53 - 1];

test('compares log ends by term first and by position only within a term', (t) => {
  // B14: compared component by component, a stale log can win.
  let compared = 0;
  for (const termA of DOMAIN) {
    for (const positionA of DOMAIN) {
      for (const termB of DOMAIN) {
        for (const positionB of DOMAIN) {
          const order = compareLogEnd(
            { termId: termA, position: positionA },
            { termId: termB, position: positionB },
          );
          const expected =
            termA < termB || (termA === termB && positionA < positionB)
              ? -1
              : termA === termB && positionA === positionB
                ? 0
                : 1;
          if (Math.sign(order) !== expected) {
            t.fail(`(${termA}, ${positionA}) against (${termB}, ${positionB}) is ${order}`);
          }
          compared++;
        }
      }
    }
  }
  t.equal(compared, DOMAIN.length ** 4);
  t.end();
});
