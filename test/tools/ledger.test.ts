// What became of every message: the books of a client.

import test from 'tape';
import { Ledger } from '../../src/tools/ledger.js';

function ledgerWith(sent: number): Ledger {
  const ledger = new Ledger();
  for (let count = 0; count < sent; count++) {
    ledger.noteSent();
  }
  return ledger;
}

test('echoes in order are acknowledged, and what is left is lost', (t) => {
  const ledger = ledgerWith(5);
  for (const sequence of [0, 1, 2]) {
    ledger.noteEcho(sequence);
  }
  const expected = { sent: 5, acknowledged: 3, unknown: 0, lost: 2, duplicated: 0, reordered: 0 };
  t.deepEqual(ledger.summary(), expected);
  t.ok(ledger.isAcknowledged(2));
  t.notOk(ledger.isAcknowledged(3));
  t.end();
});

test('what is unanswered when a leader is lost is unknown, and a late echo settles it', (t) => {
  const ledger = ledgerWith(4);
  ledger.noteEcho(0);
  ledger.noteLeaderLost();
  t.equal(ledger.owedCount, 0, 'nobody owes an answer');
  for (let count = 0; count < 3; count++) {
    ledger.noteSent();
  }
  t.equal(ledger.owedCount, 3);
  ledger.noteEcho(2);
  ledger.noteEcho(4);
  const expected = { sent: 7, acknowledged: 3, unknown: 2, lost: 2, duplicated: 0, reordered: 0 };
  t.deepEqual(ledger.summary(), expected);
  t.end();
});

test('a second echo is duplicated, and one behind a later one is reordered', (t) => {
  const ledger = ledgerWith(4);
  for (const sequence of [0, 2, 1, 1, 3, 9]) {
    ledger.noteEcho(sequence);
  }
  const expected = { sent: 4, acknowledged: 4, unknown: 0, lost: 0, duplicated: 2, reordered: 1 };
  t.deepEqual(ledger.summary(), expected, 'an echo of what was never sent counts as duplicated');
  t.end();
});
