// log-fixture.ts: a leader's log with followers, and a recording in memory to read it back from.

import { Arena } from '../../src/memory/arena.js';
import { BLOCK_ADDRESS_OFFSET, BLOCK_ADVANCE_OFFSET } from '../../src/memory/core.js';
import type { BlockReader, BlockSource } from '../../src/transport/block-source.js';
import type { Image } from '../../src/transport/image.js';
import type { LogPublication } from '../../src/transport/log-publication.js';
import type { Subscription } from '../../src/transport/subscription.js';
import { Transport } from '../../src/transport/transport.js';
import type { TransportConfig } from '../../src/transport/transport-config.js';
import { type Datagram, MemoryNetwork } from '../support/memory-network.js';
import { SeededEntropy } from '../support/seeded-entropy.js';
import { FrameType, frameTypeOf, isHeartbeat } from './transport-fixture.js';

export const LOG_STREAM_ID = 100;
export const LOG_SESSION_ID = -77;
export const TERM_LENGTH = 64 * 1024;
const CHUNK_LENGTH = 32 * 1024;
const ARENA_LENGTH = 16 * 1024 * 1024;

/** The bytes of a log as a disk would hold them, session and stream of an earlier leader. */
export class Recording implements BlockSource {
  readonly bytes: Uint8Array;
  position: number;
  readonly #arena: Arena;
  /** Polls that a read takes. */
  delayTurns = 3;
  openCount = 0;
  readCount = 0;
  isFailing = false;
  /** What is below was purged: a read there fails. */
  purgedPosition = 0;

  constructor(arena: Arena, start: number, capacity: number) {
    this.#arena = arena;
    this.bytes = new Uint8Array(capacity);
    this.position = start;
  }

  /** Appends what a log buffer holds up to a position. */
  record(meta: number, limit: number, scratch: number): void {
    const { core, u8, i32 } = this.#arena;
    while (this.position < limit) {
      const length = core.nextBlock(meta, this.position, limit, CHUNK_LENGTH, scratch);
      if (length === 0) {
        return;
      }
      const address = i32[(scratch + BLOCK_ADDRESS_OFFSET) >> 2] as number;
      this.bytes.set(u8.subarray(address, address + length), this.position);
      this.position += i32[(scratch + BLOCK_ADVANCE_OFFSET) >> 2] as number;
    }
  }

  open(): BlockReader {
    this.openCount++;
    return new RecordingReader(this, this.#arena);
  }
}

class RecordingReader implements BlockReader {
  readonly #recording: Recording;
  readonly #arena: Arena;
  readonly #chunk: number;
  #turns = 0;
  #isClosed = false;
  address = 0;

  constructor(recording: Recording, arena: Arena) {
    this.#recording = recording;
    this.#arena = arena;
    this.#chunk = arena.allocate(CHUNK_LENGTH);
    this.address = this.#chunk;
  }

  read(position: number, limit: number): number {
    if (this.#recording.isFailing || position < this.#recording.purgedPosition) {
      return -1;
    }
    if (this.#turns++ < this.#recording.delayTurns) {
      return 0;
    }
    this.#turns = 0;
    this.#recording.readCount++;
    const end = Math.min(limit, this.#recording.position);
    const bytes = this.#recording.bytes.subarray(position, Math.min(position + CHUNK_LENGTH, end));
    this.#arena.u8.set(bytes, this.#chunk);
    return this.#wholeFrames(position, bytes.length);
  }

  /** Bytes of whole frames in the chunk; a last padding frame counts whole. */
  #wholeFrames(position: number, length: number): number {
    const { view } = this.#arena;
    let offset = 0;
    while (offset + 32 <= length) {
      const frameLength = view.getInt32(this.#chunk + offset, true);
      const isPadding = view.getUint16(this.#chunk + offset + 6, true) === 0;
      const aligned = (frameLength + 31) & ~31;
      if (frameLength <= 0) {
        throw new Error(`no frame is recorded at ${position + offset}`);
      }
      if (offset + aligned > length && !isPadding) {
        break;
      }
      offset += aligned;
    }
    return offset;
  }

  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#arena.release(this.#chunk, CHUNK_LENGTH);
    }
  }
}

/** One follower: joins at a position when it is told to, consumes, and keeps what it got. */
export class Follower {
  readonly memberId: number;
  readonly arena: Arena;
  readonly transport: Transport;
  readonly subscription: Subscription;
  readonly bytes: Uint8Array;
  /** Everything below was received and copied. */
  position: number;
  isConsuming = true;
  image: Image | undefined;
  readonly #scratch: number;
  #wantedPosition = -1;

  constructor(fixture: LogFixture, memberId: number, config: Partial<TransportConfig>) {
    this.memberId = memberId;
    this.arena = Arena.create(ARENA_LENGTH);
    const { network, entropy } = fixture;
    this.transport = new Transport({ arena: this.arena, network, entropy, config });
    this.#scratch = this.arena.allocate(64);
    this.position = fixture.start;
    this.bytes = new Uint8Array(fixture.recording.bytes.length);
    this.subscription = this.transport.addSubscription(
      `aeron:udp?endpoint=${endpointOf(memberId)}`,
      LOG_STREAM_ID,
      {
        checksum: 'required',
        accept: (setup) => setup.position === this.#wantedPosition,
        onAvailableImage: (image) => {
          this.image = image;
        },
      },
    );
  }

  /** Asks the leader for the log from a position on. */
  join(publication: LogPublication, position: number): void {
    this.image?.close();
    this.image = undefined;
    this.#wantedPosition = position;
    this.position = position;
    publication.startDestination(this.memberId, position);
  }

  /** Copies what is new and lets the leader know. */
  consume(): void {
    const { core, u8, i32 } = this.arena;
    const image = this.image;
    while (this.isConsuming && image !== undefined && !image.isClosed) {
      const limit = image.rebuildPosition;
      const length = core.nextBlock(image.meta, this.position, limit, CHUNK_LENGTH, this.#scratch);
      if (length === 0) {
        break;
      }
      const address = i32[(this.#scratch + BLOCK_ADDRESS_OFFSET) >> 2] as number;
      this.bytes.set(u8.subarray(address, address + length), this.position);
      this.position += i32[(this.#scratch + BLOCK_ADVANCE_OFFSET) >> 2] as number;
      image.advance(this.position);
    }
  }
}

export function endpointOf(memberId: number): string {
  return `127.0.0.1:${9100 + memberId}`;
}

export interface LogFixtureOptions {
  readonly followers: number;
  readonly start?: number;
  readonly capacity?: number;
  readonly config?: Partial<TransportConfig>;
}

/** A leader and its followers. */
export class LogFixture {
  readonly network = new MemoryNetwork();
  readonly entropy = new SeededEntropy(3);
  readonly arena = Arena.create(ARENA_LENGTH);
  readonly baselineLength: number;
  readonly transport: Transport;
  readonly recording: Recording;
  readonly publication: LogPublication;
  readonly followers: Follower[] = [];
  readonly start: number;
  readonly #scratch: number;
  /** The leader's disk makes progress. */
  isRecording = true;
  nowNs = 1_000;

  constructor(options: LogFixtureOptions) {
    this.start = options.start ?? 0;
    this.#scratch = this.arena.allocate(64);
    this.baselineLength = this.arena.allocatedLength;
    const config = options.config ?? {};
    const { arena, network, entropy } = this;
    this.transport = new Transport({ arena, network, entropy, config });
    this.recording = new Recording(arena, this.start, options.capacity ?? 4 * 1024 * 1024);
    this.publication = this.openLog(this.start, LOG_SESSION_ID);
    this.publication.setQuorumSize(options.followers + 1);
    for (let memberId = 1; memberId <= options.followers; memberId++) {
      this.publication.addDestination(memberId, endpointOf(memberId));
      this.followers.push(new Follower(this, memberId, config));
    }
  }

  openLog(position: number, sessionId: number): LogPublication {
    return this.transport.addLogPublication({
      streamId: LOG_STREAM_ID,
      sessionId,
      position,
      termLength: TERM_LENGTH,
      leadershipTermId: 5,
      source: this.recording,
    });
  }

  /** Starts every follower at the start of the log. */
  startAll(): void {
    for (const follower of this.followers) {
      follower.join(this.publication, this.start);
    }
  }

  turn(): number {
    if (this.isRecording) {
      const { publication } = this;
      this.recording.record(publication.meta, publication.position(), this.#scratch);
      publication.localDurablePosition = this.recording.position;
    }
    let work = this.transport.doWork(this.nowNs);
    for (const follower of this.followers) {
      work += follower.transport.doWork(this.nowNs);
      follower.consume();
    }
    return work;
  }

  deadlineNs(): number {
    return Math.min(
      this.transport.deadlineNs(),
      ...this.followers.map((follower) => follower.transport.deadlineNs()),
    );
  }

  until(condition: () => boolean, durationNs = 10_000_000_000): boolean {
    const endNs = this.nowNs + durationNs;
    while (!condition()) {
      if (this.nowNs >= endNs) {
        return false;
      }
      // The condition may append: the deadline is asked for after it.
      if (this.turn() === 0) {
        if (condition()) {
          return true;
        }
        this.nowNs = Math.min(endNs, Math.max(this.deadlineNs(), this.nowNs + 1_000));
      }
    }
    return true;
  }

  run(durationNs: number): void {
    this.until(() => false, durationNs);
  }

  /** Appends messages until the log refuses, or there are so many. Returns how many. */
  append(count: number, length: number): number {
    const bytes = new Uint8Array(length).fill(length & 0xff);
    let appended = 0;
    while (appended < count && this.publication.offer(bytes, 0, length) > 0) {
      appended++;
    }
    return appended;
  }

  /** Appends so many bytes, turn by turn. Returns whether the log took them. */
  appendBytes(total: number, length: number): boolean {
    const end = this.publication.position() + total;
    return this.until(() => {
      this.append(8, length);
      return this.publication.position() >= end;
    }, 20_000_000_000);
  }

  /** First byte that a follower has otherwise than the recording (ids aside), or -1. */
  firstDifference(follower: Follower, from: number): number {
    for (let position = from; position < follower.position; position++) {
      const isId = position % 32 >= 12 && position % 32 < 20;
      if (!isId && follower.bytes[position] !== this.recording.bytes[position]) {
        return position;
      }
    }
    return -1;
  }

  close(): void {
    this.transport.close();
    for (const follower of this.followers) {
      follower.transport.close();
    }
  }
}

export function follower(fixture: LogFixture, index: number): Follower {
  const found = fixture.followers[index];
  if (found === undefined) {
    throw new Error(`there is no follower ${index}`);
  }
  return found;
}

export function areAllAtTail(fixture: LogFixture): boolean {
  const tail = fixture.publication.position();
  return fixture.followers.every((each) => each.position === tail);
}

/** Whether a datagram brings log to a follower. */
export function isDataTo(late: Follower, datagram: Datagram): boolean {
  const isData = frameTypeOf(datagram) === FrameType.Data && !isHeartbeat(datagram);
  return isData && datagram.to.port === 9100 + late.memberId;
}
