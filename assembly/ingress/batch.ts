// batch.ts: from the ingress image into the log, without JavaScript in between.
//
// The frames come from clients, so nothing in them is trusted: whatever is not a whole session
// message of an open session in this leadership term is either skipped and counted, or left to the
// slow path. Of what passes, the client's term, session and timestamp are written anew.

import {
  DATA_FLAGS_UNFRAGMENTED,
  DATA_HEADER_LENGTH,
  FRAME_FLAGS_OFFSET,
  FRAME_TYPE_DATA,
  FRAME_TYPE_OFFSET,
  FRAME_VERSION,
  FRAME_VERSION_OFFSET,
  LOG_MTU_LENGTH_OFFSET,
} from '../layout/frame';
import {
  INGRESS_END_OFFSET,
  INGRESS_FRAME_ADDRESS_OFFSET,
  INGRESS_FRAME_LENGTH_OFFSET,
  INGRESS_REJECTED_OFFSET,
  INGRESS_STOP_BACK_PRESSURED,
  INGRESS_STOP_CONTROL,
  INGRESS_STOP_DRAINED,
  INGRESS_STOP_FRAME_LIMIT,
  INGRESS_STOP_OFFSET,
} from '../layout/batch';
import {
  CLUSTER_SCHEMA_ID,
  SBE_BLOCK_LENGTH_OFFSET,
  SBE_HEADER_LENGTH,
  SBE_SCHEMA_ID_OFFSET,
  SBE_TEMPLATE_ID_OFFSET,
  SESSION_MESSAGE_BLOCK_LENGTH,
  SESSION_MESSAGE_CLUSTER_SESSION_OFFSET,
  SESSION_MESSAGE_LEADERSHIP_TERM_OFFSET,
  SESSION_MESSAGE_LENGTH_MIN,
  SESSION_MESSAGE_TEMPLATE_ID,
  SESSION_MESSAGE_TIMESTAMP_OFFSET,
  SESSION_SLOT_ACTIVITY_OFFSET,
  SESSION_STATE_OPEN,
} from '../layout/session-table';
import { activeTermId, activeTermOffset, reserve } from '../logbuffer/exclusive-append';
import { clearEnd, dataWord, publish, writeHeader } from '../logbuffer/frame-writer';
import {
  alignFrame,
  positionAddress,
  readLimit,
  termLengthOf,
  termOffsetOf,
} from '../logbuffer/metadata';
import { isPadding } from '../logbuffer/scan';
import { findSlot, slotState } from './session-table';

/** Whether a frame is a whole session message that fits one frame of the log. */
// @ts-ignore: decorator
@inline
function isSessionMessage(frame: usize, payloadLength: i32, payloadLengthMax: i32): bool {
  const payload = frame + DATA_HEADER_LENGTH;
  // As decodeMessages has it. What is appended here is not looked at again before it is applied.
  const blockLength = <i32>load<u16>(payload, SBE_BLOCK_LENGTH_OFFSET);
  return (
    load<u8>(frame, FRAME_VERSION_OFFSET) == <u8>FRAME_VERSION &&
    load<u8>(frame, FRAME_FLAGS_OFFSET) == <u8>DATA_FLAGS_UNFRAGMENTED &&
    load<u16>(frame, FRAME_TYPE_OFFSET) == <u16>FRAME_TYPE_DATA &&
    payloadLength >= SESSION_MESSAGE_LENGTH_MIN &&
    payloadLength <= payloadLengthMax &&
    blockLength >= SESSION_MESSAGE_BLOCK_LENGTH &&
    SBE_HEADER_LENGTH + blockLength <= payloadLength &&
    load<u16>(payload, SBE_TEMPLATE_ID_OFFSET) == <u16>SESSION_MESSAGE_TEMPLATE_ID &&
    load<u16>(payload, SBE_SCHEMA_ID_OFFSET) == <u16>CLUSTER_SCHEMA_ID
  );
}

/** Appends a session message, stamped. False when the log has no room. */
// @ts-ignore: decorator
@inline
function appendStamped(
  logMeta: usize,
  payload: usize,
  payloadLength: i32,
  leadershipTermId: i64,
  clusterSessionId: i64,
  timestamp: i64,
): bool {
  const frameLength = payloadLength + DATA_HEADER_LENGTH;
  const aligned = alignFrame(frameLength);
  const address = reserve(logMeta, aligned);
  if (address < 0) {
    return false;
  }
  const frame = <usize>address;
  const termId = activeTermId(logMeta);
  const termOffset = activeTermOffset(logMeta, frame);
  clearEnd(frame, aligned);
  writeHeader(logMeta, frame, dataWord(DATA_FLAGS_UNFRAGMENTED), termId, termOffset);
  const target = frame + DATA_HEADER_LENGTH;
  store<i64>(target, load<i64>(payload));
  store<i64>(target, leadershipTermId, SESSION_MESSAGE_LEADERSHIP_TERM_OFFSET);
  store<i64>(target, clusterSessionId, SESSION_MESSAGE_CLUSTER_SESSION_OFFSET);
  store<i64>(target, timestamp, SESSION_MESSAGE_TIMESTAMP_OFFSET);
  memory.copy(
    target + SESSION_MESSAGE_LENGTH_MIN,
    payload + SESSION_MESSAGE_LENGTH_MIN,
    <usize>(payloadLength - SESSION_MESSAGE_LENGTH_MIN),
  );
  publish(logMeta, frame, frameLength);
  return true;
}

/** Outcomes of one frame that let the batch go on; the others are the reason to stop. */
// @ts-ignore: decorator
@inline
const FRAME_APPENDED: i32 = -1;
// @ts-ignore: decorator
@inline
const FRAME_REJECTED: i32 = -2;

/** Appends, rejects, or says why the batch must stop here. */
// @ts-ignore: decorator
@inline
function handleFrame(
  frame: usize,
  frameLength: i32,
  table: usize,
  logMeta: usize,
  leadershipTerm: i64,
  nowMs: i64,
  mayAppend: bool,
): i32 {
  const payload = frame + DATA_HEADER_LENGTH;
  const payloadLength = frameLength - DATA_HEADER_LENGTH;
  const payloadLengthMax = load<i32>(logMeta, LOG_MTU_LENGTH_OFFSET) - DATA_HEADER_LENGTH;
  if (!isSessionMessage(frame, payloadLength, payloadLengthMax)) {
    return INGRESS_STOP_CONTROL;
  }
  const id = load<i64>(payload, SESSION_MESSAGE_CLUSTER_SESSION_OFFSET);
  const slot = findSlot(table, id);
  const term = load<i64>(payload, SESSION_MESSAGE_LEADERSHIP_TERM_OFFSET);
  if (term != leadershipTerm || slotState(slot) != SESSION_STATE_OPEN) {
    return FRAME_REJECTED;
  }
  // Who waits for room in the log is not silent.
  store<i64>(slot, nowMs, SESSION_SLOT_ACTIVITY_OFFSET);
  if (!mayAppend || !appendStamped(logMeta, payload, payloadLength, term, id, nowMs)) {
    return INGRESS_STOP_BACK_PRESSURED;
  }
  return FRAME_APPENDED;
}

/**
 * Moves session messages of an ingress image in [from, limit) into the log.
 *
 * Returns how many were appended. `frameLimit` bounds the frames handled, appended or rejected.
 * With `mayAppend` 0 the batch stops at the first message that it would append, as if the log had
 * no room: what there is belongs to others.
 */
export function ingressBatch(
  imageMeta: usize,
  from: f64,
  limit: f64,
  table: usize,
  logMeta: usize,
  leadershipTermId: f64,
  timestamp: f64,
  frameLimit: i32,
  mayAppend: i32,
  out: usize,
): i32 {
  const termLength = termLengthOf(imageMeta);
  const end = readLimit(imageMeta, termLength, limit);
  const term = <i64>leadershipTermId;
  const nowMs = <i64>timestamp;
  let position = <i64>from;
  let appended = 0;
  let rejected = 0;
  let stop = INGRESS_STOP_DRAINED;
  let frame: usize = 0;
  let frameLength = 0;
  let lastLength = DATA_HEADER_LENGTH;
  let aligned = <i64>DATA_HEADER_LENGTH;
  while (position < end) {
    const remaining = <i64>(termLength - termOffsetOf(position, termLength));
    frame = positionAddress(imageMeta, termLength, position);
    frameLength = atomic.load<i32>(frame);
    // As in a scan: mostly the address of the next frame does not wait for this length.
    if (frameLength != lastLength) {
      if (frameLength < DATA_HEADER_LENGTH) {
        break;
      }
      lastLength = frameLength;
      aligned = <i64>alignFrame(frameLength);
    }
    if (<i64>lastLength > min<i64>(remaining, end - position)) {
      break;
    }
    if (!isPadding(frame)) {
      if (appended + rejected >= frameLimit) {
        stop = INGRESS_STOP_FRAME_LIMIT;
        break;
      }
      const outcome = handleFrame(frame, frameLength, table, logMeta, term, nowMs, mayAppend != 0);
      if (outcome >= 0) {
        stop = outcome;
        break;
      }
      appended += <i32>(outcome == FRAME_APPENDED);
      rejected += <i32>(outcome == FRAME_REJECTED);
    }
    position += aligned;
  }
  const isControl = stop == INGRESS_STOP_CONTROL;
  store<f64>(out, <f64>position, INGRESS_END_OFFSET);
  store<i32>(out, stop, INGRESS_STOP_OFFSET);
  store<i32>(out, rejected, INGRESS_REJECTED_OFFSET);
  store<i32>(out, isControl ? <i32>frame : 0, INGRESS_FRAME_ADDRESS_OFFSET);
  store<i32>(out, isControl ? frameLength : 0, INGRESS_FRAME_LENGTH_OFFSET);
  return appended;
}
