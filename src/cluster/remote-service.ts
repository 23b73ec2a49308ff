// remote-service.ts: the engine's side of a service that runs on another thread.
//
// It is to the consensus module what a container is. What the service says arrives through a ring,
// in order; a position counts only when all that was said before it has been taken out. So replies
// leave before the close of their session, and a leader opens its ingress when everything that the
// service said about earlier terms is known here.

import { assert } from '../assert.js';
import { hit, Mark } from '../marks.js';
import type { Arena } from '../memory/arena.js';
import type { Position } from '../position.js';
import { QueryCode } from '../protocol/codecs/enumerations.js';
import { RECORD_HEAD_LENGTH, SNAPSHOT_PIECE_LENGTH } from './channel-lengths.js';
import type { ClusterConfig } from './cluster-config.js';
import type { LiveLog, RecordedLog } from './log-poller.js';
import { cutMessage, MessageJoiner } from './message-pieces.js';
import { RemoteSnapshot } from './remote-snapshot.js';
import {
  InputType,
  MESSAGE_FIELDS_LENGTH,
  OutputType,
  QUERY_FIELDS_LENGTH,
  RING_READ_LIMIT,
  RingReader,
  ServiceChannel,
  type ServiceChannelPlace,
} from './service-channel.js';
import type {
  MessageListener,
  Role,
  ServiceHost,
  ServiceHostContext,
  ServiceMessageSource,
  TimerSource,
} from './service-host.js';

const NO_BYTES = new Uint8Array(0);
const SCRATCH_LENGTH = SNAPSHOT_PIECE_LENGTH + RECORD_HEAD_LENGTH;
/** Bytes of queries that wait for the ring at most; who finds no room is told to ask again. */
const QUERY_BYTES_MAX = 1024 * 1024;
/** Reads of the ring in one duty cycle at most; then others have their turn. */
const RING_READS_MAX = 64;

/** The timers of the service as far as its messages tell: what a leader proposes them from. */
export interface TimerMirror extends TimerSource {
  schedule(correlationId: number, deadlineMs: number): boolean;
  cancel(correlationId: number): boolean;
  advance(timeMs: number): void;
}

/** The messages of the service as far as its thread tells: what a leader proposes. */
export type RemoteMessages = ServiceMessageSource & MessageListener;

export interface RemoteServiceOptions {
  readonly config: ClusterConfig;
  readonly arena: Arena;
  readonly place: ServiceChannelPlace;
  readonly serviceId: number;
  readonly snapshotVersion: number;
  readonly timers: TimerMirror;
  readonly messages: RemoteMessages;
  /** Tells the service's thread that there is something for it. */
  readonly wake: () => void;
}

/** A service on another thread. */
export class RemoteService implements ServiceHost {
  readonly serviceId: number;
  readonly timers: TimerMirror;
  readonly messages: RemoteMessages;
  readonly snapshotVersion: number;
  readonly #messageJoiner: MessageJoiner;
  readonly #arena: Arena;
  readonly #channel: ServiceChannel;
  readonly #wake: () => void;
  readonly #output: RingReader;
  readonly #scratch: number;
  /** Pieces of the snapshot to start from that the ring has no room for yet. */
  readonly #pieces: Uint8Array[] = [];
  /** Pieces of queries, the same. */
  readonly #queries: Uint8Array[] = [];
  #queryBytes = 0;
  readonly #queryFields = new Uint8Array(QUERY_FIELDS_LENGTH);
  #context: ServiceHostContext | undefined;
  #recorded: RecordedLog | undefined;
  #live: LiveLog | undefined;
  #liveMeta = 0;
  #limit: Position = 0;
  #position: Position = 0;
  #snapshot: RemoteSnapshot | undefined;
  #wantedPosition: Position = -1;
  #hasNews = false;
  #isClosed = false;

  constructor(options: RemoteServiceOptions) {
    const { arena, place } = options;
    this.#arena = arena;
    this.#channel = new ServiceChannel(arena, place);
    this.#wake = options.wake;
    this.serviceId = options.serviceId;
    this.timers = options.timers;
    this.messages = options.messages;
    this.#messageJoiner = new MessageJoiner(arena, (message) => this.#onServiceMessage(message));
    this.snapshotVersion = options.snapshotVersion;
    this.#scratch = arena.allocate(SCRATCH_LENGTH);
    this.#output = new RingReader(arena, place.output, this.#onOutput);
  }

  get position(): Position {
    return this.#position;
  }

  get isTerminated(): boolean {
    return this.#channel.isTerminated || this.#context === undefined;
  }

  get canLoad(): boolean {
    return this.#pieces.length === 0;
  }

  start(context: ServiceHostContext): void {
    const { openRecording, poller } = context;
    assert(openRecording !== undefined, 'an engine opens its recording for its service');
    const { position } = poller;
    // The service's thread reads by itself: through the channel, what is not in the term buffers.
    poller.close();
    this.#context = context;
    this.#recorded = openRecording();
    this.#position = position;
    this.#limit = position;
    this.#channel.publishStart({ position, snapshot: context.snapshot });
    this.#wake();
  }

  loadSnapshot(view: DataView, offset: number, length: number): void {
    const message = new Uint8Array(view.buffer, view.byteOffset + offset, length);
    const write = this.#pieceWriter(InputType.SnapshotPiece, this.#pieces);
    cutMessage(this.#arena, this.#scratch, write, message, length);
    this.#wake();
  }

  /**
   * The service answers from a state that is at least that of its position here: what was committed
   * when the query arrived is in it.
   */
  query(sessionId: number, queryId: number, view: DataView, offset: number, length: number): void {
    if (this.#queryBytes + length > QUERY_BYTES_MAX) {
      hit(Mark.RemoteQueryRefused);
      const { Busy } = QueryCode;
      this.#context?.egress.offerAnswer(sessionId, queryId, this.#position, Busy, NO_BYTES, 0, 0);
      return;
    }
    const fields = new DataView(this.#queryFields.buffer);
    fields.setFloat64(0, sessionId, true);
    fields.setFloat64(8, queryId, true);
    const body = new Uint8Array(view.buffer, view.byteOffset + offset, length);
    const write = this.#pieceWriter(InputType.QueryPiece, this.#queries);
    const head = this.#queryFields;
    cutMessage(this.#arena, this.#scratch, write, head, QUERY_FIELDS_LENGTH, body, 0, length);
    this.#wake();
  }

  setLive(live: LiveLog | undefined): void {
    this.#live = live;
    if (live === undefined) {
      this.#publishLive(0);
    }
  }

  onRoleChange(role: Role): void {
    this.#channel.role = role;
    this.#wake();
  }

  doWork(limit: Position): number {
    if (this.#context === undefined) {
      return 0;
    }
    this.#publishLive(this.#live?.meta ?? 0);
    this.#publishWanted(this.#context.snapshots.wantedPosition);
    let work = this.#writePieces(InputType.SnapshotPiece, this.#pieces);
    // The service has all of the snapshot before it has any of the log behind it.
    if (this.canLoad && limit > this.#limit) {
      this.#limit = limit;
      this.#channel.limit.set(limit);
      this.#hasNews = true;
    }
    work += this.#writePieces(InputType.QueryPiece, this.#queries);
    this.#queryBytes = this.#queries.reduce((sum, piece) => sum + piece.length, 0);
    work += this.#takeOutput();
    work += this.#answerRequest();
    if (this.#hasNews) {
      this.#hasNews = false;
      this.#wake();
    }
    return work;
  }

  terminate(): void {
    this.#channel.publishTerminate();
    this.#wake();
  }

  /** Idempotent. */
  close(): void {
    if (!this.#isClosed) {
      this.#isClosed = true;
      this.#recorded?.close();
      this.#recorded = undefined;
      this.#context = undefined;
      this.#output.close();
      this.#arena.release(this.#scratch, SCRATCH_LENGTH);
    }
  }

  // --- towards the service ---

  #publishLive(meta: number): void {
    if (meta !== this.#liveMeta) {
      this.#liveMeta = meta;
      this.#channel.publishLive(meta);
    }
  }

  /** Before the limit that reaches it: the service asks when it is there. */
  #publishWanted(position: Position): void {
    if (position !== this.#wantedPosition) {
      this.#wantedPosition = position;
      this.#channel.snapshotWanted.set(position);
    }
  }

  /** Writes pieces, or keeps them behind those that wait. */
  #pieceWriter(type: number, waiting: Uint8Array[]): (length: number) => void {
    const { u8 } = this.#arena;
    return (length) => {
      if (waiting.length > 0 || !this.#writeInput(type, length)) {
        waiting.push(u8.slice(this.#scratch, this.#scratch + length));
        this.#queryBytes += waiting === this.#queries ? length : 0;
      }
    };
  }

  #writePieces(type: number, waiting: Uint8Array[]): number {
    let count = 0;
    for (const piece of waiting) {
      this.#arena.u8.set(piece, this.#scratch);
      if (!this.#writeInput(type, piece.length)) {
        break;
      }
      count++;
    }
    waiting.splice(0, count);
    return count;
  }

  #writeInput(type: number, length: number): boolean {
    const { core } = this.#arena;
    const { input } = this.#channel.place;
    const result = core.ringWrite(input, type, this.#scratch, length);
    assert(result >= 0, 'a piece of a message fits into the ring');
    this.#hasNews ||= result > 0;
    return result > 0;
  }

  /** What the service looks for in the recording is read here, where damage is repaired. */
  #answerRequest(): number {
    const { request } = this.#channel;
    if (request === this.#channel.answered || this.#recorded === undefined) {
      return 0;
    }
    const { requestLimit, requestPosition } = this.#channel;
    const length = this.#recorded.read(requestPosition, requestLimit);
    if (length <= 0) {
      return 0;
    }
    this.#channel.publishAnswer(request, this.#recorded.address, length);
    this.#hasNews = true;
    return 1;
  }

  // --- from the service ---

  #takeOutput(): number {
    const position = this.#channel.position.get();
    const timeMs = this.#channel.timeMs.get();
    let work = 0;
    for (let reads = 0; reads < RING_READS_MAX; reads++) {
      const count = this.#output.poll();
      work += count;
      if (count < RING_READ_LIMIT) {
        // Everything that was said up to the position is known here.
        work += position > this.#position ? 1 : 0;
        this.#position = position;
        this.timers.advance(timeMs);
        break;
      }
    }
    this.#hasNews ||= work > 0 && this.#channel.isWaiting;
    return work;
  }

  readonly #onOutput = (type: number, address: number, length: number): void => {
    const { f64, view } = this.#arena;
    const field = (index: number): number => f64[(address >> 3) + index] as number;
    const { egress, outputs } = this.#context as ServiceHostContext;
    switch (type) {
      case OutputType.Egress:
        egress.offer(field(0), field(1), view, address + 16, length - 16);
        break;
      case OutputType.Reply:
        egress.offerReply(field(0), {
          requestId: field(1),
          logPosition: field(2),
          timestamp: field(3),
          code: field(4),
          bytes: this.#arena.u8.subarray(address + 40, address + length),
        });
        break;
      case OutputType.Answer:
        this.#onAnswer(field(0), field(1), field(2), field(3), address + 32, length - 32);
        break;
      case OutputType.Overflow:
        egress.overflow(field(0));
        break;
      case OutputType.Close:
        egress.requestClose(field(0));
        break;
      case OutputType.TimerScheduled:
        this.timers.schedule(field(0), field(1));
        break;
      case OutputType.TimerCancelled:
        this.timers.cancel(field(0));
        break;
      case OutputType.MessagePiece:
        this.#messageJoiner.add(address, length);
        break;
      case OutputType.MessageLogged:
        this.messages.onLogged(field(0));
        break;
      case OutputType.OutputBegin:
        outputs.begin(field(0), { low: field(1), high: field(2) });
        break;
      case OutputType.Output:
        outputs.record(field(0), field(1), field(2));
        break;
      default:
        this.#onSnapshot(type, address, length);
    }
  };

  #onServiceMessage(message: Uint8Array): void {
    const fields = new DataView(message.buffer, message.byteOffset, MESSAGE_FIELDS_LENGTH);
    this.messages.onOffered({
      serviceId: this.serviceId,
      sequence: fields.getFloat64(0, true),
      originPosition: fields.getFloat64(8, true),
      ordinal: fields.getFloat64(16, true),
      bytes: message.subarray(MESSAGE_FIELDS_LENGTH),
    });
  }

  #onAnswer(
    sessionId: number,
    queryId: number,
    position: Position,
    code: number,
    address: number,
    length: number,
  ): void {
    const { view } = this.#arena;
    const egress = this.#context?.egress;
    egress?.offerAnswer(sessionId, queryId, position, code as QueryCode, view, address, length);
  }

  #onSnapshot(type: number, address: number, length: number): void {
    if (type === OutputType.SnapshotBegin) {
      const position = this.#arena.f64[address >> 3] as number;
      const pauseNs = this.#arena.f64[(address >> 3) + 1] as number;
      const onTaken = (): void => {
        this.#hasNews = true;
        this.#wake();
      };
      this.#snapshot = new RemoteSnapshot(this.#arena, this.#channel, position, onTaken);
      this.#context?.snapshots.offer(this.#snapshot, pauseNs);
    } else if (type === OutputType.SnapshotPiece) {
      this.#snapshot?.add(address, length);
    } else {
      assert(type === OutputType.SnapshotEnd, 'the service says what the engine understands');
      this.#snapshot?.complete(this.#arena.f64[address >> 3] as number);
    }
  }
}
