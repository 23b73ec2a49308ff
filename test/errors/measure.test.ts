// The measurement itself: it finds what handles an error, and it knows what ran.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'tape';
import { atEnd } from '../support/at-end.js';
import { hashSources, KeptResults } from '../support/kept-results.js';
import { countAt } from './coverage.js';
import { type ErrorBranch, findErrorBranches } from './error-branches.js';
import { allJobs } from './jobs.js';
import { decodeMappings, decodeNumbers, segmentWithin } from './source-map.js';
import { judge } from './verdict.js';

test('every kind of error branch of a file is found, and nothing else', (t) => {
  const found = findErrorBranches(process.cwd(), ['test/errors/fixture']);
  t.deepEqual(
    found.map(({ functionName, kind, text }) => `${functionName} ${kind}: ${text}`),
    [
      'readAll throw: throw new Error(name);',
      'readAll code: FAILED',
      "Reader.take catch: return String(error) === '';",
      'Reader.take count: this.droppedCount += 1;',
      'Reader.open handler: this.fail(error.message)',
      'Reader.open result: return 0;',
      'Reader.open code: Outcome.TooLong',
    ],
  );
  t.end();
});

test('the rooms hold many error branches, and each has a text to name it by', (t) => {
  const found = findErrorBranches(process.cwd(), ['src/archive', 'src/host']);
  t.ok(found.length > 50, `${found.length} branches`);
  t.ok(
    found.every(({ functionName, text }) => functionName !== '' && text !== ''),
    'with names',
  );
  t.end();
});

test('the numbers of a source map are read, also long and negative ones', (t) => {
  t.deepEqual(decodeNumbers('AAgBC'), [0, 0, 16, 1]);
  t.deepEqual(decodeNumbers('DkgB'), [-1, 514]);
  t.throws(() => decodeNumbers('A!'), /character '!'/);
  t.end();
});

test('a place of the source is found in the generated code, or is said to have none', (t) => {
  const segments = decodeMappings('AAAA,CAAC;AAAA,GAAG');
  t.equal(segments.length, 4);
  const inSecondLine = segmentWithin(segments, { line: 0, column: 2 }, { line: 0, column: 9 });
  t.deepEqual(inSecondLine, { generatedLine: 1, generatedColumn: 3, line: 0, column: 4 });
  t.equal(segmentWithin(segments, { line: 2, column: 0 }, { line: 3, column: 0 }), undefined);
  t.end();
});

test('the innermost range around a place says how often it ran', (t) => {
  const ranges = [
    { startOffset: 0, endOffset: 100, count: 7 },
    { startOffset: 10, endOffset: 50, count: 0 },
    { startOffset: 20, endOffset: 30, count: 3 },
  ];
  const counts = [5, 15, 25, 30, 99, 100].map((offset) => countAt(ranges, offset));
  t.deepEqual(counts, [7, 0, 3, 0, 7, 0]);
  t.end();
});

test('what is neither executed nor excepted is missing, and an exception can be stale', (t) => {
  const at = { line: 0, column: 0, endLine: 0, endColumn: 1, kind: 'throw' } as const;
  const branch = (name: string): ErrorBranch => ({
    ...at,
    file: 'src/host/a.ts',
    functionName: name,
    text: `throw ${name}Error;`,
  });
  const exception = (functionName: string, text: string) => ({
    file: 'src/host/a.ts',
    functionName,
    text,
    reason: 'because',
  });
  const verdict = judge(
    ['ran', 'open', 'named', 'also'].map(branch),
    ({ functionName }) => functionName === 'ran' || functionName === 'also',
    [exception('named', 'throw named'), exception('also', 'throw'), exception('gone', '')],
  );
  t.deepEqual(verdict.rooms, [{ room: 'host', branches: 4, executed: 2, excepted: 1 }]);
  t.deepEqual(
    verdict.missing.map(({ functionName }) => functionName),
    ['open'],
  );
  t.deepEqual(
    verdict.stale.map(({ functionName }) => functionName),
    ['also', 'gone'],
    'what is executed now, and what is gone',
  );
  t.end();
});

test('a result counts for the sources that it was made of, and for no others', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'pawl-kept-'));
  atEnd(t, () => rmSync(root, { recursive: true, force: true }));
  mkdirSync(join(root, 'src'));
  const change = (text: string): string => {
    writeFileSync(join(root, 'src', 'a.ts'), text);
    return hashSources(root, ['src']);
  };
  const before = change('1');
  const kept = new KeptResults<number>(join(root, 'kept'));
  kept.keep('test/host/a.test.ts', before, 7);
  t.equal(kept.get('test/host/a.test.ts', before), 7);
  t.equal(kept.get('test/host/b.test.ts', before), undefined, 'of another part there is none');
  t.equal(kept.get('test/host/a.test.ts', change('2')), undefined, 'the sources have changed');
  t.equal(change('1'), before, 'what is as it was has the same hash');
  writeFileSync(join(root, 'src', 'b.ts'), '3');
  t.notEqual(hashSources(root, ['src']), before, 'a file is new');
  t.equal(
    hashSources(root, ['src'], (path) => path !== 'src/b.ts'),
    before,
    'but it does not count',
  );
  kept.clear();
  t.equal(kept.get('test/host/a.test.ts', before), undefined);
  t.end();
});

test('jobs have names of their own, and those of two rooms are one for each file', (t) => {
  const names = allJobs().map(({ name }) => name);
  t.equal(new Set(names).size, names.length, `${names.length} jobs`);
  t.ok(names.includes('test/archive') && names.includes('test/host/failures.test.ts'));
  t.end();
});
