// The gate for the compiled modules. Several threads instantiate core.wasm over one shared memory:
// a data section would be written again by each of them, a mutable global would differ between
// them, and two allocators on one heap would hand out the same address. The build fails instead.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const SECTION_IMPORT = 2;
const SECTION_MEMORY = 5;
const SECTION_GLOBAL = 6;
const SECTION_EXPORT = 7;
const SECTION_START = 8;
const SECTION_DATA = 11;
const KINDS = ['function', 'table', 'memory', 'global'];

/** Exports of the AssemblyScript runtime: each one means that something allocates. */
const RUNTIME_EXPORT = /^__(new|pin|unpin|collect|alloc|free|renew|retain|release|rtti_base)$/;

/** A cursor over the binary; every read checks that it stays inside. */
class Reader {
  constructor(bytes, offset = 0, end = bytes.length) {
    this.bytes = bytes;
    this.offset = offset;
    this.end = end;
  }

  get done() {
    return this.offset >= this.end;
  }

  byte() {
    if (this.done) throw new Error(`the module ends early, at byte ${this.offset}`);
    return this.bytes[this.offset++];
  }

  /** An unsigned LEB128 number; also skips signed ones and 64-bit ones, whose value is not used. */
  number() {
    let value = 0;
    for (let scale = 1; ; scale *= 128) {
      const byte = this.byte();
      value += (byte & 0x7f) * scale;
      if ((byte & 0x80) === 0) return value;
    }
  }

  take(length) {
    if (this.offset + length > this.end) throw new Error(`the module ends early, at ${this.end}`);
    const part = this.bytes.subarray(this.offset, this.offset + length);
    this.offset += length;
    return part;
  }

  name() {
    return new TextDecoder().decode(this.take(this.number()));
  }

  limits() {
    const flags = this.byte();
    const initial = this.number();
    const maximum = (flags & 1) === 1 ? this.number() : undefined;
    return { initial, maximum, shared: (flags & 2) === 2 };
  }

  /** Skips a constant expression and returns nothing: only its end matters here. */
  skipExpression() {
    for (;;) {
      const opcode = this.byte();
      if (opcode === 0x0b) return;
      if (opcode === 0x41 || opcode === 0x42 || opcode === 0x23 || opcode === 0xd2) this.number();
      else if (opcode === 0x43) this.take(4);
      else if (opcode === 0x44) this.take(8);
      else if (opcode === 0xd0) this.byte();
      else if (!(opcode >= 0x6a && opcode <= 0x7e)) {
        throw new Error(`unknown opcode ${opcode} in a constant expression`);
      }
    }
  }
}

function readImport(reader) {
  const entry = { module: reader.name(), name: reader.name(), kind: KINDS[reader.byte()] };
  if (entry.kind === 'function') reader.number();
  else if (entry.kind === 'memory') Object.assign(entry, reader.limits());
  else if (entry.kind === 'global') Object.assign(entry, readGlobalType(reader));
  else if (entry.kind === 'table') {
    reader.byte();
    reader.limits();
  } else throw new Error(`unknown kind of import ${entry.module}.${entry.name}`);
  return entry;
}

function readGlobalType(reader) {
  return { type: reader.byte(), mutable: reader.byte() === 1 };
}

function readGlobal(reader) {
  const global = readGlobalType(reader);
  reader.skipExpression();
  return global;
}

function readExport(reader) {
  const entry = { name: reader.name(), kind: KINDS[reader.byte()] };
  reader.number();
  return entry;
}

function readVector(reader, readItem) {
  return Array.from({ length: reader.number() }, () => readItem(reader));
}

/** What the gate needs to know of a module. Throws when the bytes are not a module. */
export function parseWasm(bytes) {
  const reader = new Reader(bytes);
  const magic = String.fromCharCode(...reader.take(4));
  if (magic !== '\0asm') throw new Error('not a WebAssembly module');
  reader.take(4);
  const module = {
    imports: [],
    exports: [],
    globals: [],
    memories: [],
    hasStart: false,
    dataCount: 0,
  };
  while (!reader.done) {
    const id = reader.byte();
    const length = reader.number();
    const start = reader.offset;
    reader.take(length);
    const section = new Reader(bytes, start, start + length);
    if (id === SECTION_IMPORT) module.imports = readVector(section, readImport);
    else if (id === SECTION_MEMORY) module.memories = readVector(section, (r) => r.limits());
    else if (id === SECTION_GLOBAL) module.globals = readVector(section, readGlobal);
    else if (id === SECTION_EXPORT) module.exports = readVector(section, readExport);
    else if (id === SECTION_START) module.hasStart = true;
    else if (id === SECTION_DATA) module.dataCount = section.number();
  }
  return module;
}

function runtimeExports(module) {
  const names = module.exports.map((entry) => entry.name);
  return names.filter((name) => RUNTIME_EXPORT.test(name)).map((n) => `exports ${n}: it allocates`);
}

/** The rules of core.wasm. */
export function violationsOfCore(module) {
  const violations = runtimeExports(module);
  const mutable = module.globals.filter((global) => global.mutable).length;
  if (mutable > 0) violations.push(`${mutable} mutable global(s): state belongs in memory`);
  if (module.dataCount > 0) violations.push('a data section: no literals that live in memory');
  if (module.hasStart) violations.push('a start function: no top-level statements');
  if (module.memories.length > 0) violations.push('a memory of its own: it must be imported');
  const others = module.imports.filter((i) => !(i.kind === 'memory' && i.name === 'memory'));
  for (const { module: from, name } of others) violations.push(`imports ${from}.${name}`);
  const memory = module.imports.find((i) => i.kind === 'memory');
  if (!memory?.shared) violations.push('no import of a shared memory');
  return violations;
}

/** The rules of codec.wasm, which must load anywhere by itself. */
export function violationsOfCodec(module) {
  const violations = runtimeExports(module);
  for (const { module: from, name } of module.imports) violations.push(`imports ${from}.${name}`);
  if (module.memories.length !== 1) violations.push('no memory of its own');
  if (module.memories.some((memory) => memory.shared)) violations.push('a shared memory');
  if (!module.exports.some((e) => e.kind === 'memory')) violations.push('no exported memory');
  return violations;
}

/** The rules of the WASI program: only WASI is imported, and it can be started. */
export function violationsOfSegment(module) {
  const violations = [];
  for (const { module: from, name } of module.imports) {
    if (from !== 'wasi_snapshot_preview1') violations.push(`imports ${from}.${name}`);
  }
  for (const name of ['memory', '_start']) {
    if (!module.exports.some((e) => e.name === name)) violations.push(`does not export ${name}`);
  }
  return violations;
}

export const RULES = {
  core: violationsOfCore,
  codec: violationsOfCodec,
  segment: violationsOfSegment,
};

/** Throws with every broken rule of the file, or returns the parsed module. */
export function checkWasmFile(path, rule) {
  const module = parseWasm(readFileSync(path));
  const violations = RULES[rule](module);
  if (violations.length > 0) {
    throw new Error(`${path} is refused:\n${violations.map((v) => `  - ${v}`).join('\n')}`);
  }
  return module;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  const [path, rule] = process.argv.slice(2);
  if (!path || !Object.hasOwn(RULES, rule ?? '')) {
    process.stderr.write('usage: node scripts/check-wasm.mjs FILE core|codec|segment\n');
    process.exit(2);
  }
  try {
    const module = checkWasmFile(path, rule);
    process.stdout.write(`${path}: ${module.exports.length} exports, every rule holds\n`);
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exit(1);
  }
}
