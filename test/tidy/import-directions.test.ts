// Holds the walls of the house: rooms import only rooms to their left, nothing below the host
// touches the outside or waits, and consensus stays pure. See ARCHITECTURE.md.

import { existsSync, readdirSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import test from 'tape';
import { filesBelow, importsOf, lineOf, readSource, type SourceFile } from './source-text.js';

/** A room may import the rooms before it in this list. */
const ROOMS = [
  'ports',
  'memory',
  'protocol',
  'codec',
  'transport',
  'archive',
  'consensus',
  'cluster',
  'service',
  'client',
  'simulator',
  'host',
  'tools',
];

/** Files directly in src/ that every room may import; they import only each other. */
const BASICS = ['assert', 'errors', 'marks', 'position'];

/** Rooms that touch the outside. All others reach it only through the ports. */
const OUTER_ROOMS = ['host', 'tools'];

/**
 * The promise shell of the client, the loaders of compiled modules, and the traps that take the
 * forbidden globals away are exempt by name.
 */
const EXEMPT = [
  /^src\/service\/global-traps\.ts$/,
  /^src\/client\/[\w-]*shell[\w-]*\.ts$/,
  /^src\/(memory|codec)\/[\w-]*load[\w-]*\.ts$/,
];

/** The one package that computes and nothing else; the configuration is validated with it. */
const PURE_PACKAGE = 'zod';
const MAY_IMPORT_PURE_PACKAGE = /-(?:config|options)\.ts$/;

/** Law 3: code below the host neither waits nor reads a clock nor draws by chance. */
const FORBIDDEN_WORDS = [
  'Promise',
  'async',
  'await',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'queueMicrotask',
  'Date',
  'performance',
  'process',
  'crypto',
  'fetch',
  'require',
  'globalThis',
];
const WORD = `(?<![.\\w$'"])(?:${FORBIDDEN_WORDS.join('|')})(?![\\w$'"])(?!\\s*[?]?:)`;
const FORBIDDEN = new RegExp(`${WORD}|\\bMath\\s*\\.\\s*random\\b`, 'g');

const AMBIENT_TYPES = 'src/ambient.d.ts';
const files = filesBelow('src', ['.ts']).filter((path) => path !== AMBIENT_TYPES);
const sources = files.map(readSource);

function roomOf(path: string): string | undefined {
  const [top, room, ...rest] = path.split('/');
  return top === 'src' && rest.length > 0 ? room : undefined;
}

/** The path in the repository that a relative import names, with the ending of its source. */
function targetOf(path: string, specifier: string): string {
  return posix.join(dirname(path), specifier).replace(/\.js$/, '.ts');
}

function isBasic(path: string): boolean {
  return BASICS.some((name) => path === `src/${name}.ts`);
}

function isExempt(path: string): boolean {
  return EXEMPT.some((pattern) => pattern.test(path));
}

/** Says why an import is wrong, or nothing when it is right. */
function wrongImport(path: string, specifier: string, typeOnly: boolean): string | undefined {
  const room = roomOf(path);
  const isOuter = path === 'src/index.ts' || (room !== undefined && OUTER_ROOMS.includes(room));
  if (!specifier.startsWith('.')) {
    if (specifier === PURE_PACKAGE && MAY_IMPORT_PURE_PACKAGE.test(path)) return undefined;
    return isOuter || isExempt(path) ? undefined : 'only the host and the tools import packages';
  }
  if (!specifier.endsWith('.js') && !specifier.endsWith('.json'))
    return 'the ending .js is missing';
  const target = targetOf(path, specifier);
  if (target.startsWith('assembly/layout/')) return undefined;
  if (!target.startsWith('src/')) return 'only assembly/layout is shared with src';
  if (isBasic(target) || path === 'src/index.ts') return undefined;
  if (room === undefined) return 'a file directly in src/ imports only the other basic files';
  return wrongRoom(room, target, typeOnly);
}

function wrongRoom(room: string, target: string, typeOnly: boolean): string | undefined {
  const targetRoom = roomOf(target);
  if (targetRoom === undefined) return 'this file directly in src/ is not for the rooms';
  if (ROOMS.indexOf(targetRoom) > ROOMS.indexOf(room)) {
    return `${room} may not import ${targetRoom}, which is to its right`;
  }
  if (room !== 'consensus' || targetRoom === room) return undefined;
  if (targetRoom === 'protocol' || (targetRoom === 'ports' && typeOnly)) return undefined;
  return 'consensus is pure: it imports only protocol and the types of ports';
}

function wrongImportsOf(source: SourceFile): string[] {
  return importsOf(source).flatMap(({ specifier, typeOnly, line }) => {
    const reason = wrongImport(source.path, specifier, typeOnly);
    return reason === undefined ? [] : [`${source.path}:${line} '${specifier}': ${reason}`];
  });
}

/** Forbidden words that the file binds itself: the simulator may call a process of its own so. */
function ownNamesOf(code: string): Set<string> {
  const words = FORBIDDEN_WORDS.filter((word) => !['async', 'await', 'Promise'].includes(word));
  const bound = (word: string) =>
    new RegExp(`\\b(?:const|let)\\s+(?:\\{[^}]*)?\\b${word}\\b|[(,]\\s*${word}\\s*[?]?:`).test(
      code,
    );
  return new Set(words.filter(bound));
}

function forbiddenWordsOf(source: SourceFile): string[] {
  const own = ownNamesOf(source.code);
  const matches = [...source.code.matchAll(FORBIDDEN)].filter((m) => !own.has(m[0]));
  return matches.map((m) => `${source.path}:${lineOf(source.text, m.index)} ${m[0]}`);
}

test('every folder of src is a room with a place in the order of imports', (t) => {
  const folders = readdirSync('src', { withFileTypes: true }).filter((e) => e.isDirectory());
  const unknown = folders.map((e) => e.name).filter((name) => !ROOMS.includes(name));
  t.deepEqual(unknown, [], 'a new room needs a place in ROOMS and in ARCHITECTURE.md');
  const loose = sources.map((s) => s.path).filter((path) => roomOf(path) === undefined);
  const unexpected = loose.filter((path) => !isBasic(path) && path !== 'src/index.ts');
  t.deepEqual(unexpected, [], 'only the basic files and index.ts are directly in src/');
  t.end();
});

test('rooms import only rooms to their left', (t) => {
  t.ok(sources.length > 0, `${sources.length} files of src were read`);
  t.deepEqual(sources.flatMap(wrongImportsOf), []);
  t.end();
});

test('every relative import names a file that exists', (t) => {
  const missing = sources.flatMap((source) =>
    importsOf(source)
      .filter(({ specifier }) => specifier.startsWith('.'))
      .map(({ specifier, line }) => ({ target: targetOf(source.path, specifier), line }))
      .filter(({ target }) => !target.includes('/generated/') && !existsSync(target))
      .map(({ target, line }) => `${source.path}:${line} ${target}`),
  );
  t.deepEqual(missing, []);
  t.end();
});

test('code below the host neither waits, nor reads a clock, nor draws by chance', (t) => {
  const inner = sources.filter((source) => {
    const room = roomOf(source.path);
    if (isExempt(source.path) || source.path === 'src/index.ts') return false;
    return room === undefined || !OUTER_ROOMS.includes(room);
  });
  t.ok(inner.length > 0, `${inner.length} files below the host were read`);
  t.deepEqual(inner.flatMap(forbiddenWordsOf), []);
  t.end();
});

test('the AssemblyScript sources import only each other, and layout only layout', (t) => {
  const assembly = filesBelow('assembly', ['.ts']).map(readSource);
  t.ok(assembly.length > 0, `${assembly.length} files of assembly were read`);
  const wrong = assembly.flatMap((source) =>
    importsOf(source)
      .filter(({ specifier }) => {
        const isLayout = source.path.startsWith('assembly/layout/');
        const target = posix.join(dirname(source.path), specifier);
        if (!specifier.startsWith('.')) return !source.path.startsWith('assembly/wasi/');
        return !target.startsWith(isLayout ? 'assembly/layout/' : 'assembly/');
      })
      .map(({ specifier, line }) => `${source.path}:${line} '${specifier}'`),
  );
  t.deepEqual(wrong, []);
  t.end();
});

test('the rules find what they forbid', (t) => {
  const wrong = (path: string, specifier: string, typeOnly = false) =>
    wrongImport(path, specifier, typeOnly) !== undefined;
  t.ok(wrong('src/ports/a.ts', '../memory/b.js'), 'to the right');
  t.notOk(wrong('src/memory/a.ts', '../ports/b.js'), 'to the left');
  t.ok(wrong('src/memory/a.ts', 'node:fs'), 'the outside below the host');
  t.notOk(wrong('src/host/a.ts', 'node:fs'), 'the outside in the host');
  t.ok(wrong('src/consensus/a.ts', '../transport/b.js'), 'impure');
  t.ok(wrong('src/consensus/a.ts', '../ports/b.js'), 'impure by value');
  t.notOk(wrong('src/consensus/a.ts', '../ports/b.js', true), 'pure by type');
  t.notOk(wrong('src/cluster/a.ts', '../../assembly/layout/frame.js'), 'shared layout');
  t.ok(wrong('src/cluster/a.ts', '../../assembly/core.js'), 'other AssemblyScript');
  const words = (text: string) => [...text.matchAll(FORBIDDEN)].map((m) => m[0]);
  t.deepEqual(words('new Date(); x.process(); Math.random(); await y; dateOf(); { Date: 1 }'), [
    'Date',
    'Math.random',
    'await',
  ]);
  t.ok(ownNamesOf('function f(process: Virtual) { process.step(); }').has('process'));
  t.ok(ownNamesOf('const { process } = this; process.step();').has('process'));
  t.notOk(ownNamesOf('function f(a: A) { return g(process, a); }').has('process'));
  t.ok(existsSync(join('test', 'tidy')), 'the test runs at the top of the repository');
  t.end();
});
