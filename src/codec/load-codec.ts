// load-codec.ts: codec.wasm as a compiled module, in any runtime.
//
// The bytes travel inside the bundle as base64, so that no file has to be found at run time. They
// are compiled once and instantiated once per codec, because each codec has its own memory.

import { CODEC_WASM_BASE64 } from './generated/codec-wasm.js';

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

/** The compiled codec. Compiled at the first call, then kept. */
export function compileCodec(): WebAssembly.Module {
  compiled ??= new WebAssembly.Module(decodeBase64(CODEC_WASM_BASE64));
  return compiled;
}

/** As `compileCodec`, without holding up the thread: some browsers want that of their main one. */
export async function loadCodec(): Promise<WebAssembly.Module> {
  compiled ??= await WebAssembly.compile(decodeBase64(CODEC_WASM_BASE64));
  return compiled;
}
