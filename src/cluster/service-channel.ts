// service-channel.ts: what a member's engine and its service share when they run on two threads.
//
// Positions in counters, and two bounded rings; no objects, no locks, and neither side ever waits
// for the other. Each side writes its own lines. What belongs together is written first and
// published last; every access to what publishes is sequentially consistent, so whoever sees a
// position sees everything that was said before it.
//
//  engine
//      0  generation i32, live log's metadata address i32 (0 for none)
//    128  limit            i64  the service may consume the log up to here
//    256  started i32, has snapshot i32; 264 start position f64, 272 snapshot position f64,
//         280 its time f64, 288 its version f64
//    384  role i32, 388 terminate i32
//    512  answered request i32, 516 length i32, 520 address i32
//    640  position at which a snapshot is wanted  i64  (-1 for none)
//    768  position of the last snapshot that is of no use any more  i64
//    896  bytes of the snapshot that were taken  i64
//  service
//   1024  log time         i64
//   1152  position         i64  everything that was said before it is in the ring
//   1280  request i32; 1288 its position f64, 1296 its limit f64
//   1408  terminated i32
//   1536  waiting i32: it has something to say that the ring has no room for
//
//   1664  word for the engine's fences  i32
//   1792  run i32, 1796 cancelled run i32  engine   of a shadow (shadow-snapshots.ts)
//   1920  ended run i32                    shadow

import { RING_CAPACITY_OFFSET, RING_DESCRIPTOR_LENGTH } from '../../assembly/layout/ring.js';
import type { Arena, ArenaRange } from '../memory/arena.js';
import { SCAN_ENTRY_LENGTH, SCAN_HEADER_LENGTH, scanAreaLength } from '../memory/core.js';
import { Counter } from '../memory/counters.js';
import {
  CHANNEL_CONTROL_LENGTH,
  type ChannelSettings,
  channelHeapLength,
  INPUT_CAPACITY,
  outputCapacityOf,
} from './channel-lengths.js';
import type { Role } from './service-host.js';

const GENERATION_OFFSET = 0;
const LIVE_META_OFFSET = 4;
const LIMIT_OFFSET = 128;
const STARTED_OFFSET = 256;
const HAS_SNAPSHOT_OFFSET = 260;
const START_OFFSET = 264;
const ROLE_OFFSET = 384;
const TERMINATE_OFFSET = 388;
const ANSWERED_OFFSET = 512;
const ANSWER_LENGTH_OFFSET = 516;
const ANSWER_ADDRESS_OFFSET = 520;
const SNAPSHOT_WANTED_OFFSET = 640;
const SNAPSHOT_USELESS_OFFSET = 768;
const SNAPSHOT_TAKEN_OFFSET = 896;
const TIME_OFFSET = 1024;
const POSITION_OFFSET = 1152;
const REQUEST_OFFSET = 1280;
const REQUEST_RANGE_OFFSET = 1288;
const TERMINATED_OFFSET = 1408;
const WAITING_OFFSET = 1536;
const FENCE_OFFSET = 1664;
const RUN_OFFSET = 1792;
const CANCELLED_OFFSET = 1796;
const ENDED_OFFSET = 1920;

/** Records that are read out of a ring at a time. */
export const RING_READ_LIMIT = 256;

/** What is in the ring from the service to the engine. */
export const OutputType = {
  /** f64 session, f64 timestamp, message. */
  Egress: 1,
  /** f64 session, f64 request, f64 position, f64 timestamp, f64 code, reply. */
  Reply: 2,
  /** f64 session: its client does not take its egress. */
  Overflow: 3,
  /** f64 session: the service asks for its end. */
  Close: 4,
  /** f64 id, f64 deadline. */
  TimerScheduled: 5,
  /** f64 id. */
  TimerCancelled: 6,
  /** f64 position, f64 nanoseconds that the service stood still: its pieces follow. */
  SnapshotBegin: 7,
  /** f64 flags, bytes. */
  SnapshotPiece: 8,
  /** f64 bytes of a record that is too long for a snapshot, or 0. */
  SnapshotEnd: 9,
  /** f64 session, f64 query, f64 position, f64 code, answer. */
  Answer: 10,
  /** f64 flags, bytes: of a message into the log, f64 sequence, f64 position, f64 ordinal, body. */
  MessagePiece: 11,
  /** f64 sequence: the log holds the service's messages up to this one. */
  MessageLogged: 12,
  /** f64 position, f64 low, f64 high: the hash of what was put out before the service started. */
  OutputBegin: 13,
  /** f64 position, f64 low, f64 high: the hash of what was put out by the event that ends there. */
  Output: 14,
} as const;

/** What is in the ring from the engine to the service: f64 flags, bytes. */
export const InputType = {
  /** Of a message of the snapshot to start from. */
  SnapshotPiece: 1,
  /** Of a query: f64 session, f64 query, body. */
  QueryPiece: 2,
} as const;

/** Bytes of the fields of a query. */
export const QUERY_FIELDS_LENGTH = 16;
/** Bytes of the fields of a message into the log. */
export const MESSAGE_FIELDS_LENGTH = 24;

/** Flags of a piece of a message. */
export const PIECE_BEGIN = 1;
export const PIECE_END = 2;

const ROLES: readonly Role[] = ['follower', 'candidate', 'leader'];

/** Where a channel lies. Plain data: it is handed to another thread. */
export interface ServiceChannelPlace {
  readonly control: number;
  /** From the service to the engine. */
  readonly output: number;
  /** From the engine to the service. */
  readonly input: number;
  /** Where the service's thread allocates. */
  readonly heap: ArenaRange;
}

/** What a service starts from. */
export interface ServiceStart {
  readonly position: number;
  readonly snapshot:
    | {
        readonly logPosition: number;
        readonly timestampMs: number;
        readonly appVersion: number;
      }
    | undefined;
}

/** Allocates a channel in the arena of this thread. */
export function allocateServiceChannel(
  arena: Arena,
  settings: ChannelSettings,
): ServiceChannelPlace {
  const outputCapacity = outputCapacityOf(settings);
  const heapLength = channelHeapLength(settings);
  const place = {
    control: arena.allocate(CHANNEL_CONTROL_LENGTH),
    output: arena.allocate(RING_DESCRIPTOR_LENGTH + outputCapacity),
    input: arena.allocate(RING_DESCRIPTOR_LENGTH + INPUT_CAPACITY),
    heap: { address: arena.allocate(heapLength), length: heapLength },
  };
  arena.core.ringInitialize(place.output, outputCapacity);
  arena.core.ringInitialize(place.input, INPUT_CAPACITY);
  return place;
}

/** One thread's view of a channel. */
export class ServiceChannel {
  readonly arena: Arena;
  readonly place: ServiceChannelPlace;
  readonly limit: Counter;
  readonly position: Counter;
  readonly timeMs: Counter;
  readonly snapshotWanted: Counter;
  readonly snapshotUseless: Counter;
  readonly snapshotTaken: Counter;
  readonly #i32: Int32Array;
  readonly #f64: Float64Array;
  readonly #control: number;

  constructor(arena: Arena, place: ServiceChannelPlace) {
    this.arena = arena;
    this.place = place;
    this.#i32 = arena.i32;
    this.#f64 = arena.f64;
    const { control } = place;
    this.#control = control;
    this.limit = Counter.at(arena, control + LIMIT_OFFSET);
    this.position = Counter.at(arena, control + POSITION_OFFSET);
    this.timeMs = Counter.at(arena, control + TIME_OFFSET);
    this.snapshotWanted = Counter.at(arena, control + SNAPSHOT_WANTED_OFFSET);
    this.snapshotUseless = Counter.at(arena, control + SNAPSHOT_USELESS_OFFSET);
    this.snapshotTaken = Counter.at(arena, control + SNAPSHOT_TAKEN_OFFSET);
  }

  // --- start ---

  /** Engine: the service may start. */
  publishStart(start: ServiceStart): void {
    const { position, snapshot } = start;
    this.position.set(position);
    this.limit.set(position);
    this.snapshotWanted.set(-1);
    this.snapshotUseless.set(-1);
    const fields = [position, snapshot?.logPosition ?? 0];
    fields.push(snapshot?.timestampMs ?? 0, snapshot?.appVersion ?? 0);
    this.#f64.set(fields, (this.#control + START_OFFSET) >> 3);
    this.#store(HAS_SNAPSHOT_OFFSET, snapshot === undefined ? 0 : 1);
    this.#store(STARTED_OFFSET, 1);
  }

  /** Service: what to start from; undefined while the engine does not know yet. */
  start(): ServiceStart | undefined {
    if (this.#load(STARTED_OFFSET) === 0) {
      return undefined;
    }
    const first = (this.#control + START_OFFSET) >> 3;
    const [position = 0, logPosition = 0, timestampMs = 0, appVersion = 0] = this.#f64.subarray(
      first,
      first + 4,
    );
    const hasSnapshot = this.#load(HAS_SNAPSHOT_OFFSET) === 1;
    return {
      position,
      snapshot: hasSnapshot ? { logPosition, timestampMs, appVersion } : undefined,
    };
  }

  // --- runs of a shadow ---

  /** Engine: makes everything as at the beginning, for the next run. The shadow is at rest. */
  reset(): void {
    const { core, u8 } = this.arena;
    const { heap, input, output } = this.place;
    u8.fill(0, this.#control, this.#control + RUN_OFFSET);
    u8.fill(0, heap.address, heap.address + heap.length);
    for (const ring of [input, output]) {
      core.ringInitialize(ring, this.#i32[(ring + RING_CAPACITY_OFFSET) >> 2] as number);
    }
  }

  /** Number of the run that a fresh instance is to begin; 0 for none yet. */
  get run(): number {
    return this.#load(RUN_OFFSET);
  }

  set run(run: number) {
    this.#store(RUN_OFFSET, run);
  }

  /** The run is of no use any more. */
  get cancelledRun(): number {
    return this.#load(CANCELLED_OFFSET);
  }

  set cancelledRun(run: number) {
    this.#store(CANCELLED_OFFSET, run);
  }

  /** The shadow has said all of a run, or was told that it is of no use, and is at rest. */
  get endedRun(): number {
    return this.#load(ENDED_OFFSET);
  }

  set endedRun(run: number) {
    this.#store(ENDED_OFFSET, run);
  }

  // --- the live log ---

  /**
   * Engine: the log buffer that is live from now on; 0 for none. The one before may be released
   * when this returns: whoever has copied of it finds the generation changed.
   */
  publishLive(meta: number): void {
    this.#store(LIVE_META_OFFSET, meta);
    Atomics.add(this.#i32, (this.#control + GENERATION_OFFSET) >> 2, 1);
    this.arena.core.fence(this.#control + FENCE_OFFSET);
  }

  get liveMeta(): number {
    return this.#load(LIVE_META_OFFSET);
  }

  get generation(): number {
    return this.#load(GENERATION_OFFSET);
  }

  // --- the recorded log ---

  /** Service: asks for the recorded log. One request at a time. */
  publishRequest(request: number, position: number, limit: number): void {
    this.#f64[(this.#control + REQUEST_RANGE_OFFSET) >> 3] = position;
    this.#f64[(this.#control + REQUEST_RANGE_OFFSET + 8) >> 3] = limit;
    this.#store(REQUEST_OFFSET, request);
  }

  get request(): number {
    return this.#load(REQUEST_OFFSET);
  }

  get requestPosition(): number {
    return this.#f64[(this.#control + REQUEST_RANGE_OFFSET) >> 3] as number;
  }

  get requestLimit(): number {
    return this.#f64[(this.#control + REQUEST_RANGE_OFFSET + 8) >> 3] as number;
  }

  /** Engine: the bytes stay where they are until the next request. */
  publishAnswer(request: number, address: number, length: number): void {
    this.#i32[(this.#control + ANSWER_ADDRESS_OFFSET) >> 2] = address;
    this.#i32[(this.#control + ANSWER_LENGTH_OFFSET) >> 2] = length;
    this.#store(ANSWERED_OFFSET, request);
  }

  get answered(): number {
    return this.#load(ANSWERED_OFFSET);
  }

  get answerAddress(): number {
    return this.#i32[(this.#control + ANSWER_ADDRESS_OFFSET) >> 2] as number;
  }

  get answerLength(): number {
    return this.#i32[(this.#control + ANSWER_LENGTH_OFFSET) >> 2] as number;
  }

  // --- role and end ---

  get role(): Role {
    return ROLES[this.#load(ROLE_OFFSET)] ?? 'follower';
  }

  set role(role: Role) {
    this.#store(ROLE_OFFSET, ROLES.indexOf(role));
  }

  get isTerminating(): boolean {
    return this.#load(TERMINATE_OFFSET) !== 0;
  }

  /** Engine: the service is to be told that the member leaves. */
  publishTerminate(): void {
    this.#store(TERMINATE_OFFSET, 1);
  }

  get isTerminated(): boolean {
    return this.#load(TERMINATED_OFFSET) !== 0;
  }

  /** Service: it was told, and has said its last. */
  publishTerminated(): void {
    this.#store(TERMINATED_OFFSET, 1);
  }

  /** Service: wants to be woken when there is room in the ring. It looks again after it said so. */
  get isWaiting(): boolean {
    return this.#load(WAITING_OFFSET) !== 0;
  }

  set isWaiting(value: boolean) {
    this.#store(WAITING_OFFSET, value ? 1 : 0);
  }

  #load(offset: number): number {
    return Atomics.load(this.#i32, (this.#control + offset) >> 2);
  }

  #store(offset: number, value: number): void {
    Atomics.store(this.#i32, (this.#control + offset) >> 2, value);
  }
}

/** Receives one record of a ring: its type, and where its payload lies. */
export type RecordHandler = (typeId: number, address: number, length: number) => void;

/** Reads one ring of a channel. */
export class RingReader {
  readonly #arena: Arena;
  readonly #ring: number;
  readonly #area: number;
  readonly #handler: RecordHandler;

  constructor(arena: Arena, ring: number, handler: RecordHandler) {
    this.#arena = arena;
    this.#ring = ring;
    this.#handler = handler;
    this.#area = arena.allocate(scanAreaLength(RING_READ_LIMIT));
  }

  /** Hands on and releases what is there, at most RING_READ_LIMIT records. Returns how many. */
  poll(): number {
    const { core, i32 } = this.#arena;
    const count = core.ringRead(this.#ring, RING_READ_LIMIT, this.#area);
    let entry = (this.#area + SCAN_HEADER_LENGTH) >> 2;
    for (let index = 0; index < count; index++, entry += SCAN_ENTRY_LENGTH >> 2) {
      const address = i32[entry] as number;
      this.#handler(i32[(address >> 2) - 1] as number, address, i32[entry + 1] as number);
    }
    core.ringRelease(this.#ring);
    return count;
  }

  close(): void {
    this.#arena.release(this.#area, scanAreaLength(RING_READ_LIMIT));
  }
}
