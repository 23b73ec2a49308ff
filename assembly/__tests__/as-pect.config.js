// The tests of the AssemblyScript sources run over one shared memory, as core.wasm does.
// Never compare user classes deeply in a test: the test library does not support it on this
// version of the compiler. Hot-path code has no classes on the heap anyway.

/** Pages of 64 KiB; the same number as initialMemory and maximumMemory of the target. */
const MEMORY_PAGES = 2048;

export default {
  entries: process.env.PAWL_SPECS ? [] : ['assembly/__tests__/**/*.spec.ts'],
  include: ['node_modules/@as-pect/assembly/assembly/index.ts'],
  disclude: [/node_modules/],
  async instantiate(_memory, createImports, instantiate, binary) {
    const memory = new WebAssembly.Memory({
      initial: MEMORY_PAGES,
      maximum: MEMORY_PAGES,
      shared: true,
    });
    return instantiate(binary, createImports({ env: { memory } }));
  },
  outputBinary: false,
};
