// session-table.ts: which cluster sessions exist, and when each was last heard of.
//
// Open addressing with linear probing, at most half full, so probes are short and always end at a
// free slot. Removal moves later entries of the run back into the hole instead of leaving a
// tombstone: the table does not wear out. So a slot address is valid until the next removal only.
// One thread, the leader's, uses it.

import {
  SESSION_SLOT_ACTIVITY_OFFSET,
  SESSION_SLOT_ID_OFFSET,
  SESSION_SLOT_LENGTH,
  SESSION_SLOT_STATE_OFFSET,
  SESSION_STATE_CLOSING,
  SESSION_STATE_FREE,
  SESSION_STATE_OPEN,
  SESSION_TABLE_CAPACITY_MAX,
  SESSION_TABLE_CAPACITY_OFFSET,
  SESSION_TABLE_COUNT_OFFSET,
  SESSION_TABLE_FULL,
  SESSION_TABLE_HEADER_LENGTH,
  SESSION_TABLE_SLOT_BITS_OFFSET,
} from '../layout/session-table';

/** 2^64 divided by the golden ratio: spreads consecutive ids over the table. */
// @ts-ignore: decorator
@inline
const HASH_MULTIPLIER: u64 = 0x9e3779b97f4a7c15;

// @ts-ignore: decorator
@inline
function homeOf(id: i64, slotBits: i32): i32 {
  return <i32>((<u64>id * HASH_MULTIPLIER) >>> <u64>(64 - slotBits));
}

// @ts-ignore: decorator
@inline
function slotAt(table: usize, index: i32): usize {
  return table + SESSION_TABLE_HEADER_LENGTH + <usize>(index * SESSION_SLOT_LENGTH);
}

// @ts-ignore: decorator
@inline
export function slotState(slot: usize): i32 {
  return load<i32>(slot, SESSION_SLOT_STATE_OFFSET);
}

/** Bytes of a table for `capacity` sessions, a power of two. */
export function sessionTableLength(capacity: i32): i32 {
  if (capacity < 1 || capacity > SESSION_TABLE_CAPACITY_MAX || popcnt<i32>(capacity) != 1) {
    unreachable();
  }
  return SESSION_TABLE_HEADER_LENGTH + 2 * capacity * SESSION_SLOT_LENGTH;
}

export function sessionTableInitialize(table: usize, capacity: i32): void {
  memory.fill(table, 0, <usize>sessionTableLength(capacity));
  store<i32>(table, capacity, SESSION_TABLE_CAPACITY_OFFSET);
  store<i32>(table, ctz<i32>(capacity) + 1, SESSION_TABLE_SLOT_BITS_OFFSET);
}

/** The slot that holds an id, or the free slot where it belongs. */
export function findSlot(table: usize, id: i64): usize {
  const slotBits = load<i32>(table, SESSION_TABLE_SLOT_BITS_OFFSET);
  const mask = (1 << slotBits) - 1;
  let index = homeOf(id, slotBits);
  while (true) {
    const slot = slotAt(table, index);
    if (slotState(slot) == SESSION_STATE_FREE || load<i64>(slot, SESSION_SLOT_ID_OFFSET) == id) {
      return slot;
    }
    index = (index + 1) & mask;
  }
}

/** Inserts or updates. Slot address, or SESSION_TABLE_FULL. */
export function sessionPut(table: usize, clusterSessionId: f64, state: i32, nowMs: f64): i32 {
  if (state != SESSION_STATE_OPEN && state != SESSION_STATE_CLOSING) {
    unreachable();
  }
  const id = <i64>clusterSessionId;
  const slot = findSlot(table, id);
  if (slotState(slot) == SESSION_STATE_FREE) {
    const count = load<i32>(table, SESSION_TABLE_COUNT_OFFSET);
    if (count >= load<i32>(table, SESSION_TABLE_CAPACITY_OFFSET)) {
      return SESSION_TABLE_FULL;
    }
    store<i32>(table, count + 1, SESSION_TABLE_COUNT_OFFSET);
    store<i64>(slot, id, SESSION_SLOT_ID_OFFSET);
  }
  store<i64>(slot, <i64>nowMs, SESSION_SLOT_ACTIVITY_OFFSET);
  store<i32>(slot, state, SESSION_SLOT_STATE_OFFSET);
  return <i32>slot;
}

/** Closes the hole at a slot index: every entry that a probe would now miss moves into it. */
function closeHole(table: usize, slotBits: i32, holeIndex: i32): void {
  const mask = (1 << slotBits) - 1;
  let hole = holeIndex;
  let index = hole;
  while (true) {
    index = (index + 1) & mask;
    const slot = slotAt(table, index);
    if (slotState(slot) == SESSION_STATE_FREE) {
      break;
    }
    const home = homeOf(load<i64>(slot, SESSION_SLOT_ID_OFFSET), slotBits);
    if (((index - home) & mask) >= ((index - hole) & mask)) {
      memory.copy(slotAt(table, hole), slot, SESSION_SLOT_LENGTH);
      hole = index;
    }
  }
  memory.fill(slotAt(table, hole), 0, SESSION_SLOT_LENGTH);
}

/** Removes a session; 1 when it was there. */
export function sessionRemove(table: usize, clusterSessionId: f64): i32 {
  const slot = findSlot(table, <i64>clusterSessionId);
  if (slotState(slot) == SESSION_STATE_FREE) {
    return 0;
  }
  const index = <i32>(slot - slotAt(table, 0)) / SESSION_SLOT_LENGTH;
  closeHole(table, load<i32>(table, SESSION_TABLE_SLOT_BITS_OFFSET), index);
  const count = load<i32>(table, SESSION_TABLE_COUNT_OFFSET);
  store<i32>(table, count - 1, SESSION_TABLE_COUNT_OFFSET);
  return 1;
}

/** State of a session, 0 when absent. */
export function sessionState(table: usize, clusterSessionId: f64): i32 {
  return slotState(findSlot(table, <i64>clusterSessionId));
}

/** Milliseconds of the last activity, -1 when absent. */
export function sessionLastActivityMs(table: usize, clusterSessionId: f64): f64 {
  const slot = findSlot(table, <i64>clusterSessionId);
  if (slotState(slot) == SESSION_STATE_FREE) {
    return -1;
  }
  return <f64>load<i64>(slot, SESSION_SLOT_ACTIVITY_OFFSET);
}

/** Marks activity; 1 when the session is there and open. */
export function sessionTouch(table: usize, clusterSessionId: f64, nowMs: f64): i32 {
  const slot = findSlot(table, <i64>clusterSessionId);
  if (slotState(slot) != SESSION_STATE_OPEN) {
    return 0;
  }
  store<i64>(slot, <i64>nowMs, SESSION_SLOT_ACTIVITY_OFFSET);
  return 1;
}
