// Proves that the test runner gives the specs what core.wasm gets: a shared memory with atomics.

describe('the memory of the specs', () => {
  it('is shared, so that an atomic store is seen by an atomic load', () => {
    const address = heap.alloc(64);
    atomic.store<i32>(address, 41);
    atomic.add<i32>(address, 1);
    expect<i32>(atomic.load<i32>(address)).toBe(42);
    heap.free(address);
  });

  it('has the fixed size that the configuration declares', () => {
    expect<i32>(memory.size()).toBe(2048);
    expect<i32>(memory.grow(1)).toBe(-1);
  });
});
