#!/usr/bin/env node
// Starts the command line from the built files, and says what to do when they are missing.

import { existsSync } from 'node:fs';

const EXIT_NOT_BUILT = 70;
const main = new URL('../dist/tools/main.js', import.meta.url);

if (existsSync(main)) {
  await import(main.href);
} else {
  process.stderr.write('pawl: dist/tools/main.js is missing; run `npm run build` first\n');
  process.exitCode = EXIT_NOT_BUILT;
}
