// log-destination.ts: one follower of the log.
//
// It is sent the log from the position that it asked for: from the recording while the term buffers
// no longer hold it, from the buffers after that, as one stream without a seam. Its NAKs are
// answered from the same two places.

import { DATA_HEADER_LENGTH } from '../../assembly/layout/frame.js';
import { assert } from '../assert.js';
import { hit, Mark } from '../marks.js';
import { SEND_FAILED } from '../ports/network.js';
import { type Position, termOffsetAt } from '../position.js';
import type { BlockReader, BlockSource } from './block-source.js';
import type { LogMemory } from './log-memory.js';
import type { MediumAddress } from './medium.js';
import { blockAddress, blockAdvance, StreamSender } from './stream-sender.js';
import type { TransportContext } from './transport-context.js';

/** Positions of frames that are remembered, so that recorded bytes are read from a frame on. */
const BOUNDARY_COUNT = 256;
/** They lie at least this far apart, or a 64th of a term. */
const BOUNDARY_INTERVAL_MIN = 64 * 1024;

/** A range that a receiver asked for again and that only the recording holds. */
interface Repair {
  /** Where the next read starts: a frame. */
  position: Position;
  readonly start: Position;
  readonly end: Position;
}

/** Bytes of a recording that are on their way to the socket. */
class RecordedBytes {
  readonly #source: BlockSource;
  #reader: BlockReader | undefined;
  /** Bytes the socket had taken after the last send from here: they must be free before a read. */
  #sentMark = 0;
  /** Where in the log the bytes at the address lie. */
  position: Position = -1;
  address = 0;
  /** Position bytes left at the address. */
  remaining = 0;

  constructor(source: BlockSource) {
    this.#source = source;
  }

  get isOpen(): boolean {
    return this.#reader !== undefined;
  }

  /**
   * Position bytes there are from a position on; 0 while a read is under way or the socket holds
   * the last ones.
   */
  read(position: Position, limit: Position, releasedBytes: number): number {
    if (this.remaining > 0 && position !== this.position) {
      // The stream went on from the term buffers before these were sent, and comes back for others.
      hit(Mark.DestinationOvertakenAgain);
      this.remaining = 0;
    }
    if (this.remaining === 0 && releasedBytes >= this.#sentMark) {
      this.#reader ??= this.#source.open();
      const available = this.#reader.read(position, limit);
      if (available <= 0) {
        return available;
      }
      this.position = position;
      this.address = this.#reader.address;
      this.remaining = available;
    }
    return this.remaining;
  }

  /** Steps over frames; `sentBytes` tells when the socket will have released them. */
  consume(advance: number, sentBytes: number): void {
    this.position += advance;
    this.address += advance;
    this.remaining = Math.max(0, this.remaining - advance);
    this.#sentMark = sentBytes;
  }

  /** Gives the memory back. False while the socket may still read it. */
  close(releasedBytes: number): boolean {
    this.remaining = 0;
    if (this.#reader !== undefined && releasedBytes >= this.#sentMark) {
      this.#reader.close();
      this.#reader = undefined;
    }
    return this.#reader === undefined;
  }
}

/** Status messages of a receiver that is ahead of its destination, until it is believed. */
const AHEAD_COUNT_MIN = 2;

/** NAKs of one range that the follower has by its own account, until it is not believed. */
const OUTLIVED_COUNT_MAX = 8;

/** Sends the log to one follower. */
export class LogDestination extends StreamSender {
  readonly memberId: number;
  /** Whether its room counts for the limit of the log. */
  isVoting = true;
  isStarted = false;
  /** Set when the recording could not be read: the destination is stopped. */
  sourceFailure: Error | undefined;
  /** How far the recording reaches. Set by the log publication every turn. */
  recordedPosition: Position = 0;
  readonly #catchUp: RecordedBytes | undefined;
  readonly #repairBytes: RecordedBytes | undefined;
  readonly #repairs: Repair[] = [];
  readonly #boundaries = new Float64Array(BOUNDARY_COUNT).fill(-1);
  readonly #boundaryInterval: number;
  #boundaryIndex = 0;
  #lastBoundary = Number.NEGATIVE_INFINITY;
  #startPosition: Position;
  /** The last range that could not be read and that the follower has, and how often in a row. */
  #outlivedStart: Position = -1;
  #outlivedCount = 0;
  /** Status messages since the start that were ahead of what was sent. */
  #aheadCount = 0;
  /** Waits for a read of the recording. */
  isReading = false;

  constructor(
    context: TransportContext,
    log: LogMemory,
    memberId: number,
    address: MediumAddress,
    source: BlockSource | undefined,
  ) {
    super(context, log, address, log.geometry.position);
    this.memberId = memberId;
    this.#startPosition = log.geometry.position;
    this.#boundaryInterval = Math.max(BOUNDARY_INTERVAL_MIN, log.termLength / 64);
    this.#catchUp = source === undefined ? undefined : new RecordedBytes(source);
    this.#repairBytes = source === undefined ? undefined : new RecordedBytes(source);
  }

  /** Sends the log from a position on, announcing it anew. */
  start(position: Position): void {
    this.isStarted = true;
    this.sourceFailure = undefined;
    this.#startPosition = position;
    this.#aheadCount = 0;
    this.#forget();
    this.restart(position);
  }

  /** Sends nothing more. What it had room for stays as it was. */
  stop(): void {
    this.isStarted = false;
    this.isConnected = false;
    this.isReading = false;
    this.#forget();
  }

  #forget(): void {
    this.#repairs.length = 0;
    this.#boundaries.fill(-1);
    this.#lastBoundary = Number.NEGATIVE_INFINITY;
    this.#outlivedStart = -1;
    this.closeReaders();
  }

  /** Gives the readers' memory back. False while the socket may still read it. */
  closeReaders(): boolean {
    const released = this.medium.releasedBytes();
    const isClosed = this.#catchUp?.close(released) ?? true;
    return (this.#repairBytes?.close(released) ?? true) && isClosed;
  }

  #hasReaders(): boolean {
    return this.#catchUp?.isOpen === true || this.#repairBytes?.isOpen === true;
  }

  /** Closes socket and readers, whatever is still under way. */
  override close(): void {
    this.stop();
    this.#catchUp?.close(Infinity);
    this.#repairBytes?.close(Infinity);
    super.close();
  }

  /**
   * How far the log may be appended for the sake of this follower: as far as its window reaches,
   * and at least half a term beyond what it consumed. A message is at most an eighth of a term, and
   * with the padding before it a quarter; with a window below that it would never be appended at
   * all. What is beyond the window waits in the buffers and is sent as the window moves.
   */
  roomPosition(): Position {
    return Math.max(this.senderLimit, this.consumedPosition + this.log.termLength / 2);
  }

  /**
   * The least position that is still read for this follower: what it asks for again is read from
   * the last remembered frame before it.
   */
  neededPosition(): Position {
    const boundary = this.#boundaryBefore(this.consumedPosition);
    return boundary < 0 ? this.consumedPosition : boundary;
  }

  /**
   * A request that was delayed on its way restarts the destination at a position that its receiver
   * has passed since, and whose image goes on: so does the destination, or it would announce a
   * position for ever that nobody waits for. One status message alone may be the last one of an
   * image that is gone.
   */
  protected override skipTo(position: Position): boolean {
    const tail = this.context.arena.core.logTail(this.log.meta);
    if (!this.isStarted || this.isConnected || position > tail) {
      return false;
    }
    this.#aheadCount++;
    if (this.#aheadCount < AHEAD_COUNT_MIN) {
      return false;
    }
    hit(Mark.DestinationSkipsAhead);
    this.#forget();
    this.senderPosition = position;
    return true;
  }

  protected override statusMessageFloor(): Position {
    return this.#startPosition;
  }

  protected override sendData(_nowNs: number, tail: Position): number {
    this.isReading = false;
    let count = this.#sendRepairs();
    if (this.senderPosition < this.log.oldestPosition) {
      count += this.#sendRecorded();
    } else if (this.#repairs.length === 0 && this.#hasReaders()) {
      this.closeReaders();
    }
    if (this.senderPosition >= this.log.oldestPosition) {
      const before = this.senderPosition;
      count += this.sendFromBuffer(tail);
      if (this.senderPosition > before) {
        this.#noteBoundary(before);
      }
    }
    return count;
  }

  #noteBoundary(position: Position): void {
    if (position - this.#lastBoundary >= this.#boundaryInterval) {
      this.#lastBoundary = position;
      this.#boundaries[this.#boundaryIndex] = position;
      this.#boundaryIndex = (this.#boundaryIndex + 1) % BOUNDARY_COUNT;
    }
  }

  /** The nearest remembered frame at or before a position; -1 when that is forgotten. */
  #boundaryBefore(position: Position): Position {
    let nearest = -1;
    for (let index = 0; index < BOUNDARY_COUNT; index++) {
      const boundary = this.#boundaries[index] as number;
      if (boundary <= position && boundary > nearest) {
        nearest = boundary;
      }
    }
    return nearest;
  }

  /** Sends what only the recording holds, as far as receiver and socket let us. */
  #sendRecorded(): number {
    const bytes = this.#catchUp;
    if (bytes === undefined) {
      this.#failSource(`the log before ${this.log.oldestPosition} is not in the term buffers`);
      return 0;
    }
    const burstEnd = this.senderPosition + this.context.config.sendBurstLength;
    let count = 0;
    while (this.senderPosition < this.log.oldestPosition || bytes.remaining > 0) {
      if (this.senderPosition >= burstEnd) {
        this.hasMore = true;
        break;
      }
      const room = Math.min(this.log.geometry.mtuLength, this.senderLimit - this.senderPosition);
      if (room < DATA_HEADER_LENGTH) {
        break;
      }
      if (!this.#isReadable(bytes, this.senderPosition)) {
        break;
      }
      const position = this.senderPosition;
      hit(Mark.DestinationSendsRecorded);
      const advance = this.#sendBlock(bytes, position, room);
      if (advance <= 0) {
        break;
      }
      this.senderPosition += advance;
      this.#noteBoundary(position);
      count++;
    }
    return count;
  }

  /** Whether bytes at a position are in memory; starts or awaits the read when not. */
  #isReadable(bytes: RecordedBytes, position: Position): boolean {
    const available = this.#read(bytes, position);
    if (available < 0) {
      this.#failSource(unreadable(position));
    }
    return available > 0;
  }

  /** Position bytes in memory; 0 while they are read, -1 when they cannot be. */
  #read(bytes: RecordedBytes, position: Position): number {
    const available = bytes.read(position, this.recordedPosition, this.medium.releasedBytes());
    this.isReading ||= available === 0;
    return available;
  }

  /** Sends one datagram of recorded frames: the position's advance; 0 when it could not. */
  #sendBlock(bytes: RecordedBytes, position: Position, room: number): number {
    const { arena, scratch } = this.context;
    const { termLength, sessionId, streamId } = this.log.geometry;
    assert(bytes.position === position, 'what is sent from a recording lies where it belongs');
    const lengthMax = Math.min(room, termLength - termOffsetAt(position, termLength));
    const length = arena.core.nextBlockBytes(bytes.address, bytes.remaining, lengthMax, scratch);
    if (length === 0) {
      if (room >= this.log.geometry.mtuLength) {
        this.#failSource(`the recording has a frame at ${position} that exceeds the MTU`);
      }
      return 0;
    }
    const address = blockAddress(arena.i32, scratch);
    const advance = blockAdvance(arena.i32, scratch);
    arena.core.rewriteStream(address, length, sessionId, streamId);
    const result = this.medium.send(address, length);
    if (result < 0 && result !== SEND_FAILED) {
      this.isBlocked = true;
      return 0;
    }
    bytes.consume(advance, this.medium.sentBytes);
    return advance;
  }

  #failSource(reason: string): void {
    hit(Mark.DestinationSourceFailed);
    this.context.counters.sourceFailures++;
    this.stop();
    this.sourceFailure = new Error(reason);
  }

  // --- NAKs for what only the recording holds ---

  protected override resend(start: Position, end: Position): void {
    if (start >= this.log.oldestPosition) {
      super.resend(start, end);
      return;
    }
    const { counters, config } = this.context;
    const position = this.#boundaryBefore(start);
    if (this.#repairBytes === undefined || position < 0) {
      hit(Mark.DestinationNakRefused);
      counters.naksRefused++;
      return;
    }
    if (this.#repairs.length >= config.retransmitCountMax) {
      counters.retransmitOverflows++;
      return;
    }
    if (!this.#repairs.some((repair) => start < repair.end && repair.start < end)) {
      // What is not recorded yet is asked for again.
      this.#repairs.push({ position, start, end: Math.min(end, this.recordedPosition) });
      hit(Mark.DestinationRepairsFromRecording);
      counters.sourceRepairs++;
    }
  }

  protected override refuseNak(start: Position, end: Position): void {
    // The recording goes further back than this term's buffer.
    if (start >= this.#startPosition && start < end) {
      if (this.retransmits.admit(this.context.nowNs, start, end)) {
        this.resend(start, end);
      }
      return;
    }
    super.refuseNak(start, end);
  }

  #sendRepairs(): number {
    const bytes = this.#repairBytes;
    let count = 0;
    while (bytes !== undefined && this.#repairs.length > 0) {
      const repair = this.#repairs[0] as Repair;
      if (repair.position >= repair.end) {
        this.#repairs.shift();
        bytes.remaining = 0;
        continue;
      }
      const available = this.#read(bytes, repair.position);
      if (available < 0) {
        this.#onRepairFailed(repair);
      }
      if (available <= 0) {
        break;
      }
      const advance = this.#repairBlock(bytes, repair);
      if (advance <= 0) {
        break;
      }
      repair.position += advance;
      count++;
    }
    return count;
  }

  /**
   * A NAK may be seconds old, or the range has come by itself meanwhile: what the follower has may
   * be purged, and is not sent again. A follower that goes on asking for the very same range does
   * not have it, whatever an old status message of an earlier image has said.
   */
  #onRepairFailed({ position, start }: Repair): void {
    this.#outlivedCount = start === this.#outlivedStart ? this.#outlivedCount + 1 : 1;
    this.#outlivedStart = start;
    if (position >= this.neededPosition() || this.#outlivedCount > OUTLIVED_COUNT_MAX) {
      this.#failSource(unreadable(position));
      return;
    }
    hit(Mark.DestinationRepairOutlived);
    this.context.counters.naksRefused++;
    this.#repairs.shift();
  }

  /** Steps over frames before the range, and sends those in it. */
  #repairBlock(bytes: RecordedBytes, repair: Repair): number {
    const { arena, scratch } = this.context;
    const { termLength, mtuLength } = this.log.geometry;
    const ahead = repair.start - repair.position;
    if (ahead <= 0) {
      const advance = this.#sendBlock(bytes, repair.position, mtuLength);
      if (advance > 0) {
        this.retransmits.spend(Math.min(advance, mtuLength));
      }
      return advance;
    }
    const inTerm = termLength - termOffsetAt(repair.position, termLength);
    const lengthMax = Math.min(Math.max(ahead, DATA_HEADER_LENGTH), inTerm);
    const length = arena.core.nextBlockBytes(bytes.address, bytes.remaining, lengthMax, scratch);
    if (length === 0) {
      // The range does not start at a frame: this NAK was not about our log.
      this.context.counters.naksRefused++;
      repair.position = repair.end;
      return 1;
    }
    const advance = blockAdvance(arena.i32, scratch);
    bytes.consume(advance, 0);
    return advance;
  }
}

function unreadable(position: Position): string {
  return `the recording cannot be read at ${position}`;
}
