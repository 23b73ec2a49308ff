// codec-module.test.ts: what codec.wasm is, before anything is read with it.

import test from 'tape';
import { parseWasm, violationsOfCodec } from '../../scripts/check-wasm.mjs';
import * as contract from '../../src/codec/codec-exports.js';
import { CODEC_WASM_BASE64 } from '../../src/codec/generated/codec-wasm.js';
import { LogCodec } from '../../src/codec/index.js';
import { compileCodec, loadCodec } from '../../src/codec/load-codec.js';
import { describeStop, stopReasonOf } from '../../src/codec/stop-reason.js';
import { referenceCrc32c } from './segment-builder.js';

function exportsOf(module: WebAssembly.Module): Record<string, unknown> {
  return new WebAssembly.Instance(module).exports;
}

function exportedNumber(name: string): number {
  return (exportsOf(compileCodec())[name] as { value: number }).value;
}

test('the codec stands alone: no imports, own memory, no static data, no mutable state', (t) => {
  const module = parseWasm(Buffer.from(CODEC_WASM_BASE64, 'base64'));
  t.deepEqual(violationsOfCodec(module), []);
  t.equal(module.dataCount, 0);
  t.equal(module.globals.filter((global) => global.mutable).length, 0);
  t.end();
});

test('the constants of both languages are the same', (t) => {
  for (const [name, value] of Object.entries(contract)) {
    t.equal(exportedNumber(name), value, name);
  }
  t.end();
});

test('every reason that the module can give has a name and a sentence', (t) => {
  const names = Object.keys(exportsOf(compileCodec())).filter((name) => name.startsWith('STOP_'));
  t.equal(names.length, 13);
  for (const name of names.filter((n) => n !== 'STOP_FRAME_LIMIT')) {
    const reason = stopReasonOf(exportedNumber(name));
    const expected = name.slice('STOP_'.length).toLowerCase().replaceAll('_', '-');
    t.equal(reason, expected);
    t.ok(describeStop(reason).length > 10, describeStop(reason));
  }
  t.end();
});

test('the module is compiled once, at once or in the background', async (t) => {
  t.equal(await loadCodec(), compileCodec());
  const codec = await LogCodec.load();
  t.equal(codec.crc32c(new TextEncoder().encode('123456789')), 0xe3069283);
  t.end();
});

test('the crc of any bytes is that of the plain definition, in one part or in several', (t) => {
  const codec = LogCodec.create();
  const bytes = Uint8Array.from({ length: 1000 }, (_, i) => (i * 131) & 0xff);
  for (const length of [0, 1, 3, 4, 15, 16, 17, 31, 100, 1000]) {
    const part = bytes.subarray(1, length + 1);
    const begin = codec.crc32c(part.subarray(0, length >> 1));
    t.equal(codec.crc32c(part), referenceCrc32c(part), `${length} bytes`);
    t.equal(codec.crc32c(part.subarray(length >> 1), begin), codec.crc32c(part));
  }
  const long = new Uint8Array(600_000).fill(0x5a);
  t.equal(codec.crc32c(long), referenceCrc32c(long), 'more than one piece');
  t.end();
});
