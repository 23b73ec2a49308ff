// load-core.ts: core.wasm as a compiled module, in any runtime.
//
// The bytes travel inside the bundle as base64, so that no file has to be found at run time. A
// module is compiled once per thread and instantiated once per arena.

import { CORE_WASM_BASE64 } from './generated/core-wasm.js';

let compiled: WebAssembly.Module | undefined;

/** Bytes of a base64 text. `atob` exists everywhere, `Buffer` does not. */
function decodeBase64(text: string): Uint8Array<ArrayBuffer> {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) {
    bytes[i] = binary.charCodeAt(i);
  }
  return bytes;
}

/**
 * The compiled hot path. Compiled at the first call of a thread, then kept.
 *
 * @returns a module that imports one shared memory, `env.memory`.
 */
export function compileCore(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(decodeBase64(CORE_WASM_BASE64));
  return compiled;
}
