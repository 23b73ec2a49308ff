// channel-lengths.ts: how long the parts of a service channel are, which its member's memory holds.

import { RING_DESCRIPTOR_LENGTH, RING_RECORD_SHARE_SHIFT } from '../../assembly/layout/ring.js';
import { alignSlab } from '../memory/arena.js';
import { egressMessageLengthMax } from './message-lengths.js';

const KIB = 1024;
/** Counters and gauges of a channel. */
export const CHANNEL_CONTROL_LENGTH = 4 * KIB;
/** Fields in front of a message in a ring. */
export const RECORD_HEAD_LENGTH = 64;
/** Longest piece of a snapshot in a ring. */
export const SNAPSHOT_PIECE_LENGTH = 12 * KIB;
/** From the engine to the service. */
export const INPUT_CAPACITY = 256 * KIB;
const OUTPUT_CAPACITY_MIN = 128 * KIB;
/** Bytes of the log that the service's thread copies at a time; at least the longest frame. */
const BLOCK_LENGTH = 128 * KIB;
/** Areas of the service's thread besides its block and its scratch. */
const HEAP_SPARE_LENGTH = 64 * KIB;
const RECORD_HEADER_LENGTH = 8;

/** Settings that decide about the length of a channel, bytes. */
export interface ChannelSettings {
  readonly logTermLength: number;
  readonly egressTermLength: number;
}

/** Longest record of the service's ring, without its header. */
export function outputRecordLengthMax(settings: ChannelSettings): number {
  return Math.max(egressMessageLengthMax(settings), SNAPSHOT_PIECE_LENGTH) + RECORD_HEAD_LENGTH;
}

/** Bytes that the service's thread copies from the term buffers at a time. */
export function blockLengthOf({ logTermLength }: ChannelSettings): number {
  return Math.min(logTermLength, BLOCK_LENGTH);
}

/** Capacity of the ring from the service to the engine, a power of two. */
export function outputCapacityOf(settings: ChannelSettings): number {
  // A record with its header is at most an eighth of the ring.
  const record = outputRecordLengthMax(settings) + RECORD_HEADER_LENGTH;
  const needed = record << RING_RECORD_SHARE_SHIFT;
  return Math.max(OUTPUT_CAPACITY_MIN, 2 ** Math.ceil(Math.log2(needed)));
}

/** Bytes in which the service's thread allocates. */
export function channelHeapLength(settings: ChannelSettings): number {
  return blockLengthOf(settings) + outputRecordLengthMax(settings) + HEAP_SPARE_LENGTH;
}

/** Bytes that a channel takes in its member's memory. */
export function serviceChannelLength(settings: ChannelSettings): number {
  const rings = [outputCapacityOf(settings), INPUT_CAPACITY];
  const parts = [
    CHANNEL_CONTROL_LENGTH,
    channelHeapLength(settings),
    ...rings.map((capacity) => RING_DESCRIPTOR_LENGTH + capacity),
  ];
  return parts.reduce((sum, length) => sum + alignSlab(length), 0);
}
