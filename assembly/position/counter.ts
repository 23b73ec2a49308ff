// counter.ts: named 64-bit gauges that threads share.
//
// A counter is an i64 at an address aligned to 8. Values cross to JavaScript as f64, exact below
// 2^53.

export function counterGet(address: usize): f64 {
  return <f64>atomic.load<i64>(address);
}

export function counterSet(address: usize, value: f64): void {
  atomic.store<i64>(address, <i64>value);
}

/** Raises an i64 counter; returns its value after. Safe against other writers. */
export function proposeMax(address: usize, value: i64): i64 {
  let current = atomic.load<i64>(address);
  while (current < value) {
    const found = atomic.cmpxchg<i64>(address, current, value);
    if (found == current) {
      return value;
    }
    current = found;
  }
  return current;
}

export function counterProposeMax(address: usize, value: f64): f64 {
  return <f64>proposeMax(address, <i64>value);
}

export function counterGetAndAdd(address: usize, delta: f64): f64 {
  return <f64>atomic.add<i64>(address, <i64>delta);
}
