// Holds the mutants to their sources: each still fits, and nothing of them is in the package.

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import test from 'tape';
import { JUDGE_NAMES } from '../../src/simulator/invariants/names.js';
import { CHANNEL_JUDGE_NAMES } from '../support/channel/story.js';
import { MUTANTS } from './catalogue.js';
import { applyEdits, editsByFile } from './mutant.js';

const PACKAGE_FOLDERS = ['bin', 'dist'];
const MUTANT_COUNT_MIN = 24;

/** Judges that say that something happened to be thrown: they never count. */
const NOT_COUNTED = ['fatal', 'exception'];

function filesBelow(path: string): string[] {
  if (!existsSync(path)) {
    return [];
  }
  return statSync(path).isDirectory()
    ? readdirSync(path).flatMap((name) => filesBelow(join(path, name)))
    : [path];
}

test('every mutant changes text that occurs exactly once', (t) => {
  for (const mutant of MUTANTS) {
    for (const [file, edits] of editsByFile(mutant)) {
      const text = readFileSync(file, 'utf8');
      t.doesNotThrow(() => applyEdits(mutant.id, text, edits), `${mutant.id} fits ${file}`);
      t.notEqual(edits[0]?.find, edits[0]?.replace, 'and changes it');
    }
  }
  t.end();
});

test('every mutant has an id of its own, and judges that exist and count', (t) => {
  t.ok(MUTANTS.length >= MUTANT_COUNT_MIN, `${MUTANTS.length} mutants`);
  t.equal(new Set(MUTANTS.map(({ id }) => id)).size, MUTANTS.length, 'no id is used twice');
  for (const { id, judges, stage } of MUTANTS) {
    const names = stage === 'channel' ? CHANNEL_JUDGE_NAMES : JUDGE_NAMES;
    const isNamed = judges.every((name) => name in names && !NOT_COUNTED.includes(name));
    t.ok(judges.length > 0 && isNamed, `${id} is for ${judges.join(', ')}`);
  }
  t.end();
});

test('a text that occurs twice, or not at all, is refused', (t) => {
  const edit = { file: 'x.ts', find: 'a', replace: 'b' };
  t.throws(() => applyEdits('B0', 'aa', [edit]), /occurs 2 times/);
  t.throws(() => applyEdits('B0', 'c', [edit]), /occurs 0 times/);
  t.equal(applyEdits('B0', 'a $&', [{ ...edit, replace: '$1' }]), '$1 $&', 'taken as it stands');
  t.end();
});

test('no mutant and no switch for one is in the published package', (t) => {
  const files = PACKAGE_FOLDERS.flatMap(filesBelow).filter((path) => /\.(js|ts)$/.test(path));
  t.ok(files.length > 0, `${files.length} files of the package were read`);
  const switches = files.filter((path) => /mutant/i.test(readFileSync(path, 'utf8')));
  t.deepEqual(switches, [], 'none of them speaks of mutants');
  t.end();
});

test('the table of results is of these mutants, and none has survived', (t) => {
  const page = readFileSync('test/mutants/RESULTS.md', 'utf8');
  const listed = [...page.matchAll(/^\| ([BH]\w+) \|/gm)].map(([, id]) => id);
  const ids = MUTANTS.map(({ id }) => id);
  t.deepEqual(listed, ids, 'run `npm run test:mutants` after a change of the catalogue');
  t.doesNotMatch(page, /survived/, 'all were killed');
  t.end();
});
