// What a log says about the messages of a client.

import test from 'tape';
import { checkSequences } from '../../src/tools/log-check.js';

const isAcknowledged = (sequence: number) => sequence < 3;

test('a log with every acknowledged message once and in order is in order', (t) => {
  const findings = checkSequences([0, 1, 2, 4], 6, isAcknowledged);
  t.deepEqual(findings, { lost: 0, duplicated: 0, reordered: 0, unacknowledged: 1 });
  t.end();
});

test('a log without an acknowledged message, or with one twice or late, is found out', (t) => {
  t.equal(checkSequences([0, 2], 6, isAcknowledged).lost, 1);
  t.equal(checkSequences([0, 1, 1, 2], 6, isAcknowledged).duplicated, 1);
  t.equal(checkSequences([0, 2, 1], 6, isAcknowledged).reordered, 1);
  t.end();
});
