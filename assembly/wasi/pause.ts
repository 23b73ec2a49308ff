// pause.ts: waits a moment for a reader of standard input that has nothing yet.
//
// A pipe may have been opened by another program so that reading never waits. Asking again at once
// would burn a processor; so one asks the host for a timer of a millisecond, and only for that.
//
//  subscription, 48 bytes:   0 user data u64    8 kind u8 (0: clock)   16 clock id u32
//                           24 timeout u64     32 precision u64        40 flags u16 (0: relative)

import { clockid, poll_oneoff } from 'bindings/wasi_snapshot_preview1';

const SUBSCRIPTION_LENGTH: usize = 48;
const EVENT_LENGTH: usize = 32;
const PAUSE_NS: u64 = 1_000_000;

/** Returns after about a millisecond, or at once where the host has no timers. */
export function pause(): void {
  const subscription = heap.alloc(SUBSCRIPTION_LENGTH + EVENT_LENGTH + 8);
  memory.fill(subscription, 0, SUBSCRIPTION_LENGTH);
  store<u32>(subscription, clockid.MONOTONIC, 16);
  store<u64>(subscription, PAUSE_NS, 24);
  const event = subscription + SUBSCRIPTION_LENGTH;
  poll_oneoff(subscription, event, 1, event + EVENT_LENGTH);
  heap.free(subscription);
}
