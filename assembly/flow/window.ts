// window.ts: how far a sender may send, and how much a receiver will take.

import { POSITION_MAX } from '../logbuffer/metadata';

/**
 * Sender limit after a status message: it never moves back.
 *
 * The fields come from the network: a consumption term before the initial term, or a negative
 * window, leaves the limit as it is.
 */
export function senderLimit(
  limit: f64,
  consumptionTermId: i32,
  consumptionTermOffset: i32,
  windowLength: i32,
  termLength: i32,
  initialTermId: i32,
): f64 {
  const termCount = consumptionTermId - initialTermId;
  if (termCount < 0 || consumptionTermOffset < 0 || windowLength < 0) {
    return limit;
  }
  const proposed =
    <i64>termCount * <i64>termLength + <i64>consumptionTermOffset + <i64>windowLength;
  return <f64>max<i64>(<i64>limit, min<i64>(proposed, POSITION_MAX));
}

/**
 * Receiver window: the smallest of the initial window, half a term, and the bytes that are free
 * behind what is not consumed yet. One of the three terms is left to cleaning, so two hold data.
 */
export function receiverWindow(initialWindow: i32, termLength: i32, unconsumedLength: f64): i32 {
  const free = (<i64>termLength << 1) - <i64>unconsumedLength;
  const window = min<i64>(min<i64>(<i64>initialWindow, <i64>(termLength >> 1)), free);
  return <i32>max<i64>(window, 0);
}
