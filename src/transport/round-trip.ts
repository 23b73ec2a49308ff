// round-trip.ts: a receiver measures the time to its sender and back.

import {
  FRAME_FLAGS_OFFSET,
  RTTM_FLAG_REPLY,
  RTTM_LENGTH,
  RTTM_RECEPTION_DELTA_OFFSET,
} from '../../assembly/layout/frame.js';
import type { Medium } from './medium.js';
import type { TransportContext } from './transport-context.js';

/**
 * Sends the measurement under inspection back as it came: what it held us up is less than a duty
 * cycle. The flag asks for an answer; the answer itself carries none.
 */
export function answerMeasurement(context: TransportContext, medium: Medium): void {
  const { arena, staging, counters } = context;
  const flags = arena.view.getUint8(staging + FRAME_FLAGS_OFFSET);
  const address = medium.controlSlot();
  if ((flags & RTTM_FLAG_REPLY) === 0 || address === 0) {
    counters.unexpectedFrames++;
    return;
  }
  arena.u8.copyWithin(address, staging, staging + RTTM_LENGTH);
  arena.view.setUint8(address + FRAME_FLAGS_OFFSET, 0);
  const delta = address + RTTM_RECEPTION_DELTA_OFFSET;
  arena.u8.fill(0, delta, delta + 8);
  if (medium.sendControl(address, RTTM_LENGTH, 0) >= 0) {
    counters.roundTripsAnswered++;
  }
}
