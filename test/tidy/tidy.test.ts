// Holds what a reviewer would say about any file: short lines, files and functions, no default
// exports, no barrels, no loose ends. ratchet.json lists what was already wrong when a rule came:
// an entry may shrink or go, and the test fails when it could be smaller than it is.

import { readFileSync } from 'node:fs';
import test from 'tape';
import {
  filesBelow,
  functionsOf,
  lineOf,
  mask,
  readSource,
  type SourceFile,
} from './source-text.js';

const LINE_LENGTH_MAX = 100;
const FILE_LINES_MAX = 500;
const FUNCTION_LINES_MAX = 70;

/** The entry files of the package and of the compiled modules may consist of re-exports. */
const ENTRY_FILES = [
  ...['codec/', 'simulator/', 'transport/', ''].map((room) => `src/${room}index.ts`),
  ...['core', 'codec'].map((module) => `assembly/${module}.ts`),
];

const FOLDERS = ['src', 'assembly', 'test', 'bench', 'examples', 'scripts', 'bin'];
const CODE_ENDINGS = ['.ts', '.mts', '.js', '.mjs'];
const sources = FOLDERS.flatMap((folder) => filesBelow(folder, CODE_ENDINGS)).map(readSource);

/** Said in the head comment of the codecs, which are written from the schema table. */
const GENERATED = /^(?:\/\/.*\n){0,3}\/\/ Generated from /;

/** One rule: what is wrong in a file, one entry each. */
type Rule = (source: SourceFile) => string[];

function matchesOf(source: SourceFile, text: string, pattern: RegExp): string[] {
  return [...text.matchAll(pattern)].map((m) => `${source.path}:${lineOf(source.text, m.index)}`);
}

/** A config file of a tool must export a default; no other file may. */
function isToolConfig(path: string): boolean {
  return path.endsWith('.config.js');
}

const LOOSE_END = new RegExp(['TO', 'DO|FIX', 'ME|XX', 'X|HA', 'CK'].join(''), 'g');

/** Nothing as a value. */
const NOTHING = '(?:undefined|null|false|void 0)';

/** A catch clause without a statement or with a bare leave, and a rejection that is answered so. */
const DROPPED_ERRORS = [
  /\bcatch\s*(?:\([^)]*\)\s*)?\{\s*\}/g,
  new RegExp(
    `\\bcatch\\s*(?:\\([^)]*\\)\\s*)?\\{\\s*(?:return|continue|break)\\s*${NOTHING}?;?\\s*\\}`,
    'g',
  ),
  new RegExp(
    `\\.catch\\(\\s*(?:\\([^)]*\\)|\\w+)\\s*=>\\s*(?:\\{\\s*\\}|${NOTHING})\\s*,?\\s*\\)`,
    'g',
  ),
];

const RULES: Record<string, Rule> = {
  'lines are at most 100 columns': ({ path, text }) =>
    text
      .split('\n')
      .flatMap((line, i) => (line.length > LINE_LENGTH_MAX ? [`${path}:${i + 1}`] : [])),

  'files are at most 500 lines, unless a program writes them': ({ path, text }) =>
    text.split('\n').length - 1 > FILE_LINES_MAX && !GENERATED.test(text) ? [path] : [],

  'functions are at most 70 lines': (source) =>
    functionsOf(source)
      .filter(({ lineCount }) => lineCount > FUNCTION_LINES_MAX)
      .map(({ line, lineCount }) => `${source.path}:${line} has ${lineCount}`),

  'nothing is exported by default': (source) =>
    isToolConfig(source.path) ? [] : matchesOf(source, source.code, /\bexport\s+default\b/g),

  'only the entry files of the package consist of re-exports': ({ path, code }) => {
    const rest = code.replace(/\bexport\s+(?:type\s+)?(?:\*|\{[^}]*\})[^;]*;/g, '').trim();
    return rest === '' && code.trim() !== '' && !ENTRY_FILES.includes(path) ? [path] : [];
  },

  'no loose ends are left for later': (source) => matchesOf(source, source.text, LOOSE_END),

  'nothing has the type any': (source) =>
    matchesOf(source, source.code, /(?:[:<,|&(]|\bas)\s*any\b(?=\s*[\])>,;=|&){]|\s*$)/gm),

  'no error is caught and dropped': (source) =>
    DROPPED_ERRORS.flatMap((pattern) => matchesOf(source, source.code, pattern)),

  'what is caught is looked at': (source) => matchesOf(source, source.code, /\bcatch\s*\{/g),
};

type Ratchet = Record<string, Record<string, number>>;

function countByFile(findings: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const finding of findings) {
    const path = finding.split(/[: ]/)[0] ?? finding;
    counts.set(path, (counts.get(path) ?? 0) + 1);
  }
  return counts;
}

const ratchet = JSON.parse(readFileSync('test/tidy/ratchet.json', 'utf8')) as Ratchet;

test('the tidy rules read the sources', (t) => {
  t.ok(sources.length > 0, `${sources.length} files were read`);
  const unknown = Object.keys(ratchet).filter((name) => !(name in RULES));
  t.deepEqual(unknown, [], 'every name in ratchet.json is a rule');
  t.end();
});

for (const [name, rule] of Object.entries(RULES)) {
  test(`tidy: ${name}`, (t) => {
    const findings = sources.flatMap(rule);
    const counts = countByFile(findings);
    const allowed = ratchet[name] ?? {};
    const beyond = findings.filter((finding) => {
      const path = finding.split(/[: ]/)[0] ?? finding;
      return (counts.get(path) ?? 0) > (allowed[path] ?? 0);
    });
    t.deepEqual(beyond, []);
    const slack = Object.entries(allowed).filter(([path, n]) => (counts.get(path) ?? 0) < n);
    t.deepEqual(slack, [], 'what ratchet.json allows is not more than there is');
    t.end();
  });
}

test('an error that is dropped is seen in every way in which it can be', (t) => {
  const rule = RULES['no error is caught and dropped'] as Rule;
  const seen = (text: string): boolean => rule({ path: 'a.ts', text, ...mask(text) }).length > 0;
  for (const text of [
    'try { a(); } catch {}',
    'try { a(); } catch (error) { /* never mind */ }',
    'try { a(); } catch { return; }',
    'for (;;) try { a(); } catch (error) { continue; }',
    'try { a(); } catch (e) { return undefined; }',
    'p.catch(() => {});',
    'p.catch(() => undefined);',
    'p.catch((error) => null);',
    'p.catch(e => {});',
  ]) {
    t.ok(seen(text), text);
  }
  for (const text of [
    'try { a(); } catch (error) { note(error); return; }',
    'p.catch((error) => note(error));',
    'p.catch(note);',
    'try { a(); } catch (error) { return error.code === 1; }',
  ]) {
    t.notOk(seen(text), text);
  }
  t.end();
});
