// The register of rare paths: known before anything runs, and counted when it does.

import { readFileSync } from 'node:fs';
import test from 'tape';
import { hit, MARK_NAMES, Mark, markHits } from '../../src/marks.js';
import { runSeeds } from '../../src/simulator/index.js';

test('every mark has a number and a name of its own', (t) => {
  const numbers = Object.values(Mark);
  t.ok(numbers.length >= 60, `${numbers.length} marks`);
  t.deepEqual(
    numbers,
    numbers.map((_, index) => index),
    'numbers are dense, in the order of the register',
  );
  t.equal(MARK_NAMES[Mark.ReconcileTruncates], 'ReconcileTruncates');
  t.end();
});

test('a hit counts one path and no other', (t) => {
  const before = markHits();
  hit(Mark.EgressOverflow);
  hit(Mark.EgressOverflow);
  const after = markHits();
  const changed = MARK_NAMES.filter((_, number) => after[number] !== before[number]);
  t.deepEqual(changed, ['EgressOverflow']);
  t.equal((after[Mark.EgressOverflow] ?? 0) - (before[Mark.EgressOverflow] ?? 0), 2);
  t.end();
});

test('a run counts only its own hits and names what it did not reach', (t) => {
  hit(Mark.EgressOverflow);
  const result = runSeeds({ seeds: 1, profile: 'quiet', seconds: 1 });
  t.equal(result.marksTotal, MARK_NAMES.length);
  t.equal(result.marksHit + result.marksNeverHit.length, result.marksTotal);
  t.ok(result.marksNeverHit.includes('EgressOverflow'), 'a hit before the run is not of the run');
  t.end();
});

test('what a long run need not reach is a mark that exists, with a reason', (t) => {
  const text = readFileSync('test/simulation/unreached-marks.json', 'utf8');
  const explained = JSON.parse(text) as Record<string, string>;
  for (const [name, reason] of Object.entries(explained)) {
    t.ok(MARK_NAMES.includes(name), name);
    t.ok(reason.length > 20, reason);
  }
  t.end();
});
