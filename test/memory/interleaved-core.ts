// interleaved-core.ts: core.wasm with a pause after every atomic operation.
//
// The module is taken apart as text and each atomic operation is followed by a call of a host
// function. That function may call into the same instance again, because core.wasm keeps no state
// outside of the memory: so one thread can play several, and stop one of them wherever another
// could have stepped in between.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CoreExports } from '../../src/memory/core.js';
import { CORE_WASM_BASE64 } from '../../src/memory/generated/core-wasm.js';

const IMPORT = '(import "env" "pause" (func $pause))\n ';
const FUNCTIONS = `
 (func $after_i32 (param i32) (result i32) (call $pause) (local.get 0))
 (func $after_i64 (param i64) (result i64) (call $pause) (local.get 0))
)`;

/** Index behind the expression that opens at `from`. */
function endOfExpression(text: string, from: number): number {
  let depth = 0;
  for (let i = from; i < text.length; i++) {
    if (text[i] === '(') {
      depth++;
    } else if (text[i] === ')') {
      depth--;
      if (depth === 0) {
        return i + 1;
      }
    }
  }
  throw new Error('an expression of the module is not closed');
}

/** Puts a pause behind every atomic operation of a module in text form. */
function withPauses(text: string): string {
  let result = '';
  let from = 0;
  for (const match of text.matchAll(/\((i32|i64)\.atomic\.(load|store|rmw)/g)) {
    // Operations nested in one that was wrapped stay as they are: the outer comes right after.
    if (match.index < from) {
      continue;
    }
    const end = endOfExpression(text, match.index);
    const expression = text.slice(match.index, end);
    const wrapped =
      match[2] === 'store'
        ? `(block ${expression} (call $pause))`
        : `(call $after_${match[1]} ${expression})`;
    result += text.slice(from, match.index) + wrapped;
    from = end;
  }
  return result + text.slice(from);
}

let instrumented: WebAssembly.Module | undefined;

/** Binaryen's disassembler and assembler, which come with the AssemblyScript compiler. */
function binaryen(tool: string, source: string, target: string): void {
  const script = join('node_modules', 'binaryen', 'bin', tool);
  execFileSync(process.execPath, [script, '--all-features', source, '-o', target]);
}

function compile(): WebAssembly.Module {
  const folder = mkdtempSync(join(tmpdir(), 'pawl-interleaving-'));
  try {
    const binary = join(folder, 'core.wasm');
    const text = join(folder, 'core.wat');
    writeFileSync(binary, Buffer.from(CORE_WASM_BASE64, 'base64'));
    binaryen('wasm-dis', binary, text);
    const original = withPauses(readFileSync(text, 'utf8'));
    const at = original.indexOf('(import');
    const body = original.slice(at, original.lastIndexOf(')'));
    writeFileSync(text, original.slice(0, at) + IMPORT + body + FUNCTIONS);
    binaryen('wasm-as', text, binary);
    return new WebAssembly.Module(Uint8Array.from(readFileSync(binary)));
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** An instance over a memory that calls `pause` after every atomic operation. */
export function interleavedCore(memory: WebAssembly.Memory, pause: () => void): CoreExports {
  instrumented ??= compile();
  const instance = new WebAssembly.Instance(instrumented, { env: { memory, pause } });
  return instance.exports as unknown as CoreExports;
}
