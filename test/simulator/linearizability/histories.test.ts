// Histories made by hand, each with its verdict and the reason for it, in both formats.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'tape';
import { checkHistory } from '../../../src/simulator/linearizability/check.js';
import { explainViolation } from '../../../src/simulator/linearizability/explanation.js';
import type { FailedComparison } from '../../../src/simulator/linearizability/history.js';
import { readHistory } from '../../../src/simulator/linearizability/history-text.js';

interface Verdict {
  readonly name: string;
  readonly files: readonly string[];
  readonly verdict: string;
  readonly reason: string;
  /** Of a violation: the line of the event that ends the shortest part which is one. */
  readonly line?: number;
  readonly initial?: number;
  readonly failedComparison?: FailedComparison;
}

const FOLDER = fileURLToPath(new URL('./histories/', import.meta.url));
const VERDICTS = JSON.parse(readFileSync(join(FOLDER, 'verdicts.json'), 'utf8')) as Verdict[];

function judge(file: string, verdict: Verdict) {
  const { failedComparison = 'drop', initial } = verdict;
  const text = readFileSync(join(FOLDER, file), 'utf8');
  const { format, history } = readHistory(text, { failedComparison });
  return { format, result: checkHistory(history, { initialValue: initial ?? null }) };
}

for (const verdict of VERDICTS) {
  test(`history ${verdict.name}: ${verdict.verdict}. ${verdict.reason}`, (t) => {
    for (const file of verdict.files) {
      const { format, result } = judge(file, verdict);
      t.equal(format, file.endsWith('.log') ? 'jepsen' : 'json-lines', `${file} is recognised`);
      t.equal(result.verdict, verdict.verdict, file);
      const lines = result.violations.map(({ operation }) => operation.returnLine);
      t.deepEqual(lines, verdict.line === undefined ? [] : [verdict.line], 'where it breaks');
    }
    t.end();
  });
}

test('the histories made by hand are enough, and each file has a verdict', (t) => {
  const named = VERDICTS.flatMap(({ files }) => files).sort();
  const found = readdirSync(FOLDER).filter((file) => file !== 'verdicts.json');
  t.deepEqual(found.sort(), named);
  const violations = VERDICTS.filter(({ verdict }) => verdict === 'violation');
  t.ok(VERDICTS.length >= 60, `${VERDICTS.length} histories`);
  t.ok(violations.length >= 30, `${violations.length} of them are violations`);
  t.end();
});

test('a violation names key, operation, the order found and what is missing', (t) => {
  const verdict = VERDICTS.find(({ name }) => name === 'one-bad-key') as Verdict;
  const { result } = judge('one-bad-key.jsonl', verdict);
  const [violation] = result.violations;
  t.equal(result.keyCount, 3);
  t.equal(violation?.key, 'b');
  t.deepEqual(explainViolation(violation as NonNullable<typeof violation>), [
    'key "b" is not linearizable: up to line 10 no order of its operations explains their results',
    '  cannot be placed: process 1 get gave 1 (lines 9 to 10)',
    '  longest order found, 2 of the 3 operations of known outcome:',
    '    at first the value is null',
    '    1. process 0 put 1 (lines 3 to 4): the value is 1',
    '    2. process 0 put 2 (lines 5 to 6): the value is 2',
    '  one of these would have to come next:',
    '    process 1 get gave 1 (lines 9 to 10): needs the value 1',
  ]);
  t.end();
});
