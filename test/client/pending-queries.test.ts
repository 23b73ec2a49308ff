// pending-queries.test.ts: the queries of a client that have no answer yet.

import test from 'tape';
import { PendingQueries, type PendingQuery } from '../../src/client/pending-queries.js';

const BODY = Uint8Array.of(1, 2, 3);

function add(pending: PendingQueries, deadlineNs = 1_000): PendingQuery {
  const query = pending.add(BODY, deadlineNs);
  if (query === undefined) {
    throw new Error('there is room');
  }
  return query;
}

/** Everything that is due counts as sent. */
function send(pending: PendingQueries, nowNs: number): number {
  let count = 0;
  for (let next = pending.nextDue(); next !== undefined; next = pending.nextDue()) {
    pending.shiftDue();
    pending.onSent(next, nowNs, 100);
    count++;
  }
  return count;
}

test('a query that stays without an answer is found among any number of later ones', (t) => {
  const pending = new PendingQueries(1_000, 1_000_000);
  const first = add(pending);
  const found: number[] = [];
  for (let count = 0; count < 10_000; count++) {
    const next = add(pending);
    send(pending, 1);
    found.push(pending.get(next.queryId)?.queryId ?? -1, pending.get(first.queryId)?.queryId ?? -1);
    pending.remove(next);
    if (pending.get(next.queryId) !== undefined) {
      t.fail(`query ${next.queryId} has its outcome`);
    }
  }
  t.equal(found.filter((id) => id === first.queryId).length, 10_000, 'the first each time');
  t.equal(new Set(found).size, 10_001, 'and each of the others');
  t.equal(pending.count, 1);
  pending.remove(first);
  t.equal(pending.get(first.queryId), undefined);
  t.equal(pending.count, 0);
  t.end();
});

test('queries whose places in the ring are taken are visited, expire and are sent again', (t) => {
  const pending = new PendingQueries(1_000, 1_000_000);
  const kept = Array.from({ length: 5 }, () => add(pending, 500));
  for (let count = 0; count < 300; count++) {
    const passing = add(pending, 2_000);
    send(pending, 1);
    pending.remove(passing);
  }
  // These share the places of those that were kept.
  const later = Array.from({ length: 300 }, () => add(pending, 2_000));
  t.equal(send(pending, 2), 300);
  const ids = new Set([...pending.values()].map(({ queryId }) => queryId));
  t.equal(ids.size, 305, 'each is visited once');
  pending.sendAgain();
  t.equal(send(pending, 3), 305, 'and sent again to a new leader');
  const expired: number[] = [];
  pending.look(600, (query) => {
    expired.push(query.queryId);
    pending.remove(query);
  });
  t.deepEqual(
    expired,
    kept.map(({ queryId }) => queryId),
    'those past their deadline',
  );
  t.equal(send(pending, 601), 300, 'the others are asked again');
  t.ok(
    later.every((query) => pending.get(query.queryId) === query),
    'and wait for their answers',
  );
  t.end();
});

test('a query that ends before it is sent is passed over, and its memory stays its own', (t) => {
  const pending = new PendingQueries(10, 1_000);
  const first = add(pending);
  const second = add(pending);
  pending.remove(first);
  pending.remove(first);
  t.equal(pending.count, 1, 'removed once');
  const third = add(pending);
  t.notEqual(third, first, 'it stands in the queue still');
  t.equal(pending.dueAt(0), first);
  t.equal(pending.nextDue(), second);
  t.equal(send(pending, 1), 2);
  t.end();
});
