// run-program.mjs: runs pawl-segment.wasm under the node:wasi of whatever runtime starts this.
//
//   node|deno run -A|bun run-program.mjs DIRECTORY PARAMETER...    DIRECTORY is /log to the program

import { readFileSync } from 'node:fs';
import process from 'node:process';
import { WASI } from 'node:wasi';

const program = new URL('../../build/pawl-segment.wasm', import.meta.url);
const [directory, ...parameters] = process.argv.slice(2);

const wasi = new WASI({
  version: 'preview1',
  args: ['pawl-segment', ...parameters],
  preopens: { '/log': directory },
  returnOnExit: true,
});
const module = new WebAssembly.Module(readFileSync(program));
const instance = new WebAssembly.Instance(module, { wasi_snapshot_preview1: wasi.wasiImport });
process.exitCode = wasi.start(instance) ?? 0;
