import test from 'tape';
import {
  parseWasm,
  violationsOfCodec,
  violationsOfCore,
  violationsOfSegment,
} from '../../scripts/check-wasm.mjs';

const I32 = 0x7f;
const END = 0x0b;

function text(value: string): number[] {
  return [value.length, ...Buffer.from(value, 'latin1')];
}

function section(id: number, body: number[]): number[] {
  return [id, body.length, ...body];
}

/** A module of the given sections; those of functions are not needed by the gate. */
function moduleOf(...sections: number[][]): Uint8Array {
  return Uint8Array.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0, ...sections.flat()]);
}

const SHARED_LIMITS = [3, 1, 0x80, 0x80, 2];
const sharedMemory = [...text('env'), ...text('memory'), 2, ...SHARED_LIMITS];
const importMemory = section(2, [1, ...sharedMemory]);
const constant = [I32, 0, 0x41, 7, END];
const variable = [I32, 1, 0x41, 7, END];

test('the gate accepts a core that only imports a shared memory', (t) => {
  const module = parseWasm(moduleOf(importMemory, section(6, [1, ...constant])));
  t.deepEqual(module.imports, [
    { module: 'env', name: 'memory', kind: 'memory', initial: 1, maximum: 32768, shared: true },
  ]);
  t.deepEqual(violationsOfCore(module), []);
  t.end();
});

test('the gate refuses a data section, a start function and a mutable global in the core', (t) => {
  const data = section(11, [1, 0, 0x41, 0, END, 1, 0xff]);
  t.ok(/data section/.test(violationsOfCore(parseWasm(moduleOf(importMemory, data))).join()));
  const start = section(8, [0]);
  t.ok(/start function/.test(violationsOfCore(parseWasm(moduleOf(importMemory, start))).join()));
  const global = section(6, [2, ...constant, ...variable]);
  const found = violationsOfCore(parseWasm(moduleOf(importMemory, global)));
  t.deepEqual(found, ['1 mutable global(s): state belongs in memory']);
  t.end();
});

test('the gate refuses a core that allocates or has imports besides the memory', (t) => {
  const exports = section(7, [1, ...text('__new'), 0, 0]);
  t.deepEqual(violationsOfCore(parseWasm(moduleOf(importMemory, exports))), [
    'exports __new: it allocates',
  ]);
  const abort = [...text('env'), ...text('abort'), 0, 0];
  t.deepEqual(violationsOfCore(parseWasm(moduleOf(section(2, [2, ...abort, ...sharedMemory])))), [
    'imports env.abort',
  ]);
  t.end();
});

test('the gate refuses a core without a shared memory or with one of its own', (t) => {
  t.deepEqual(violationsOfCore(parseWasm(moduleOf())), ['no import of a shared memory']);
  const own = section(5, [1, 0, 1]);
  t.ok(/of its own/.test(violationsOfCore(parseWasm(moduleOf(own))).join()));
  t.end();
});

test('the gate wants the codec to import nothing and to export its own memory', (t) => {
  const own = section(5, [1, 0, 1]);
  const exported = section(7, [1, ...text('memory'), 2, 0]);
  t.deepEqual(violationsOfCodec(parseWasm(moduleOf(own, exported))), []);
  t.deepEqual(violationsOfCodec(parseWasm(moduleOf(importMemory))), [
    'imports env.memory',
    'no memory of its own',
    'no exported memory',
  ]);
  t.end();
});

test('the gate wants the segment program to import only WASI and to be startable', (t) => {
  const write = [...text('wasi_snapshot_preview1'), ...text('fd_write'), 0, 0];
  const exported = section(7, [2, ...text('memory'), 2, 0, ...text('_start'), 0, 0]);
  t.deepEqual(violationsOfSegment(parseWasm(moduleOf(section(2, [1, ...write]), exported))), []);
  t.deepEqual(violationsOfSegment(parseWasm(moduleOf(importMemory))), [
    'imports env.memory',
    'does not export memory',
    'does not export _start',
  ]);
  t.end();
});

test('what is not a whole module is refused', (t) => {
  t.throws(() => parseWasm(Uint8Array.from([1, 2, 3, 4, 5, 6, 7, 8])), /not a WebAssembly module/);
  t.throws(() => parseWasm(moduleOf([2, 100, 1])), /ends early/);
  t.end();
});
