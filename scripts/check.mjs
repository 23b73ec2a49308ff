// `npm run check`: format and lint, types, and the rules of the compiled modules. Every check runs
// even when an earlier one fails, so that one run shows everything.

import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const BIOME = 'node_modules/@biomejs/biome/bin/biome';
const TSC = 'node_modules/typescript/bin/tsc';
const CHECK_WASM = 'scripts/check-wasm.mjs';

const CHECKS = [
  { name: 'format and lint', args: [BIOME, 'check', '--error-on-warnings', '.'] },
  { name: 'types', args: [TSC, '-p', '.'] },
  { name: 'core.wasm', args: [CHECK_WASM, 'build/core.wasm', 'core'], source: 'assembly/core.ts' },
  {
    name: 'codec.wasm',
    args: [CHECK_WASM, 'build/codec.wasm', 'codec'],
    source: 'assembly/codec.ts',
  },
  {
    name: 'pawl-segment.wasm',
    args: [CHECK_WASM, 'build/pawl-segment.wasm', 'segment'],
    source: 'assembly/wasi/segment.ts',
  },
];

process.chdir(fileURLToPath(new URL('..', import.meta.url)));
const failed = [];
for (const { name, args, source } of CHECKS) {
  if (source && !existsSync(source)) continue;
  const result = spawnSync(process.execPath, args, { stdio: 'inherit' });
  if (result.status !== 0) failed.push(name);
}
process.stdout.write(
  failed.length === 0 ? 'check: clean\n' : `check: FAILED ${failed.join(', ')}\n`,
);
process.exitCode = failed.length === 0 ? 0 : 1;
