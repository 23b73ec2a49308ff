// quorum.ts: the position that a quorum has reached.
//
// A famous bug kept the positions "sorted enough" from call to call and committed without a quorum.
// Here nothing is kept: every call compares all values with all values, at most 7 by 7.

/**
 * The rank-th largest (1 = largest) of `count` i64 counters, `stride` bytes apart.
 *
 * The result is the largest value that at least `rank` counters reach. Counters that other threads
 * raise meanwhile can only make the answer truer.
 */
export function quorumPosition(address: usize, count: i32, stride: i32, rank: i32): f64 {
  if (count < 1 || rank < 1 || rank > count) {
    unreachable();
  }
  let best = i64.MIN_VALUE;
  for (let i = 0; i < count; i++) {
    const candidate = atomic.load<i64>(address + <usize>(i * stride));
    if (candidate > best) {
      let reached = 0;
      for (let j = 0; j < count; j++) {
        reached += <i32>(atomic.load<i64>(address + <usize>(j * stride)) >= candidate);
      }
      if (reached >= rank) {
        best = candidate;
      }
    }
  }
  return <f64>best;
}
