// generate-codecs.ts: writes src/protocol/codecs/ from the table in src/protocol/schema.ts.
//
//   node --import tsx scripts/generate-codecs.ts            writes the files
//   node --import tsx scripts/generate-codecs.ts --check    fails when one differs
//
// The generated files are committed: they are read in reviews, need no step at run time, and work
// in runtimes that forbid code made from strings.

import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { codecFiles } from './codec-source.js';

const CODECS_DIRECTORY = join(
  dirname(fileURLToPath(import.meta.url)),
  '..',
  'src',
  'protocol',
  'codecs',
);

/** Names of files that differ from the table: changed, missing or no longer in it. */
export function staleCodecFiles(): readonly string[] {
  const files = codecFiles();
  const present = existsSync(CODECS_DIRECTORY) ? readdirSync(CODECS_DIRECTORY) : [];
  const stale = present.filter((name) => !files.has(name));
  for (const [name, source] of files) {
    const path = join(CODECS_DIRECTORY, name);
    if (!existsSync(path) || readFileSync(path, 'utf8') !== source) {
      stale.push(name);
    }
  }
  return stale;
}

function writeCodecFiles(stale: readonly string[]): void {
  const files = codecFiles();
  mkdirSync(CODECS_DIRECTORY, { recursive: true });
  for (const name of stale) {
    const path = join(CODECS_DIRECTORY, name);
    const source = files.get(name);
    if (source === undefined) {
      rmSync(path);
    } else {
      writeFileSync(path, source);
    }
  }
}

function main(): void {
  const stale = staleCodecFiles();
  if (!process.argv.includes('--check')) {
    writeCodecFiles(stale);
    console.log(`codecs: ${stale.length} files written or removed`);
  } else if (stale.length > 0) {
    console.error(`codecs differ from the table: ${stale.join(', ')}`);
    console.error('run: node --import tsx scripts/generate-codecs.ts');
    process.exitCode = 1;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main();
}
