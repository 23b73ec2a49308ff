// run-program.ts: runs pawl-segment.wasm under node:wasi, with a directory of its own.

import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { WASI } from 'node:wasi';

const PROGRAM = new URL('../../build/pawl-segment.wasm', import.meta.url);
const module = new WebAssembly.Module(readFileSync(PROGRAM));

export interface ProgramResult {
  readonly exitCode: number;
  readonly output: string;
  readonly complaints: string;
}

export interface ProgramCall {
  readonly parameters: readonly string[];
  /** Files that the program finds below `/log`. */
  readonly files?: Readonly<Record<string, Uint8Array>>;
  readonly stdin?: Uint8Array;
}

/** Runs the program to its end. */
export function runProgram({ parameters, files = {}, stdin }: ProgramCall): ProgramResult {
  const directory = mkdtempSync(join(tmpdir(), 'pawl-segment-'));
  const pathOf = (name: string) => join(directory, name);
  try {
    for (const [name, bytes] of Object.entries(files)) {
      writeFileSync(pathOf(name), bytes);
    }
    writeFileSync(pathOf('stdin'), stdin ?? new Uint8Array(0));
    const descriptors = [
      openSync(pathOf('stdin'), 'r'),
      openSync(pathOf('stdout'), 'w'),
      openSync(pathOf('stderr'), 'w'),
    ] as const;
    const wasi = new WASI({
      version: 'preview1',
      args: ['pawl-segment', ...parameters],
      preopens: { '/log': directory },
      stdin: descriptors[0],
      stdout: descriptors[1],
      stderr: descriptors[2],
      returnOnExit: true,
    });
    const imports = wasi.getImportObject() as WebAssembly.Imports;
    const exitCode = wasi.start(new WebAssembly.Instance(module, imports)) as unknown as number;
    for (const descriptor of descriptors) {
      closeSync(descriptor);
    }
    const output = readFileSync(pathOf('stdout'), 'utf8');
    return { exitCode: exitCode ?? 0, output, complaints: readFileSync(pathOf('stderr'), 'utf8') };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
