// told-engine.ts: the engine's side of a run: it makes the log, keeps it short, and checks all that
// it hears.

import { assert } from '../../../src/assert.js';
import type { ClusterConfig } from '../../../src/cluster/cluster-config.js';
import { type RemoteMessages, RemoteService } from '../../../src/cluster/remote-service.js';
import type { ServiceChannelPlace } from '../../../src/cluster/service-channel.js';
import type {
  EgressReply,
  ServiceMessage,
  SnapshotSection,
} from '../../../src/cluster/service-host.js';
import type { Arena } from '../../../src/memory/arena.js';
import type { Prng } from '../../../src/simulator/prng.js';
import { LogMemory } from '../../../src/transport/log-memory.js';
import { Recording } from './recording.js';
import {
  differenceOf,
  EVENT_COUNT,
  eventLength,
  isSnapshotEvent,
  judge,
  patternOf,
  type Saying,
  SECTION_MESSAGE_COUNT,
  type Start,
  saidCount,
  sayingsOf,
  sectionMessage,
  startMessage,
  timeOf,
} from './story.js';

const MTU = 1408;
const SECTION_STEP_LENGTH = 32 * 1024;
/** Events of a turn at most, and from one log buffer to the next; one or the other turns over. */
const PACES = [
  { perTurn: 40, perLog: 90, isEven: false },
  { perTurn: 200, perLog: 1_000, isEven: true },
] as const;
/** Events of somebody else's stream, in the place of a log that was given up. */
const FOREIGN_EVENT_COUNT = 130;
const FOREIGN_SEED = 9_000_000;
const NOT_HEARD = (): void => undefined;

/** Runs a remote service, and what it is told to want. */
export class ToldEngine {
  readonly remote: RemoteService;
  /** Position after each event. */
  readonly ends: number[] = [0];
  answerCount = 0;
  readonly #arena: Arena;
  readonly #config: ClusterConfig;
  readonly #random: Prng;
  readonly #recording: Recording;
  readonly #scratch: number;
  readonly #pace: (typeof PACES)[number];
  #log: LogMemory | undefined;
  #foreign: LogMemory | undefined;
  #logCount = 0;
  #appended = 0;
  #committed = 0;
  #limit = 0;
  #startCount = 0;
  readonly #start: Start;
  // What was said so far, of which event, and which of its sayings comes next.
  #heardCount = 0;
  #heardEvent = 1;
  #heardIndex = 0;
  #hasBegun = false;
  #wanted = -1;
  #wantedEvent = 0;
  #section: SnapshotSection | undefined;
  #sectionCount = 0;
  /** Snapshots that were written to their end. */
  snapshotCount = 0;
  #queries = new Map<number, number>();
  #queryId = 0;
  #isTerminating = false;

  constructor(
    arena: Arena,
    config: ClusterConfig,
    place: ServiceChannelPlace,
    random: Prng,
    start: Start,
    wake: () => void,
  ) {
    this.#arena = arena;
    this.#config = config;
    this.#random = random;
    this.#pace = random.pick(PACES);
    this.#recording = new Recording(arena, config.logTermLength);
    this.#scratch = arena.allocate(2 * MTU);
    this.#start = start;
    this.remote = new RemoteService({
      ...{ config, arena, place, wake, serviceId: 0, snapshotVersion: 0 },
      timers: this.#timers(),
      messages: this.#messages(),
    });
    this.#startRemote();
  }

  /** Whether all events have one length. */
  get isEven(): boolean {
    return this.#pace.isEven;
  }

  /** Whether the run has come to its end. */
  get isDone(): boolean {
    return this.remote.isTerminated;
  }

  /** Whether it has anything to do that nobody wakes it for. */
  get isBusy(): boolean {
    const isMaking = this.#appended < EVENT_COUNT || this.#limit < this.#end(EVENT_COUNT);
    const isLoading = this.#startCount < this.#start.count;
    const isWriting = this.#section !== undefined;
    return isMaking || isLoading || isWriting || this.#recording.isPending;
  }

  /** What happened so far, for whoever asks why it stands still. */
  describe(): string {
    const { position } = this.remote;
    const heard = `heard ${this.#heardCount} up to event ${this.#heardEvent}`;
    return `appended ${this.#appended}, limit ${this.#limit}, position ${position}, ${heard}`;
  }

  turn(): number {
    let work = this.#loadStart();
    this.#append();
    this.#ask();
    const limit = this.#nextLimit();
    const before = this.remote.position;
    work += this.remote.doWork(limit);
    this.#limit = limit;
    this.#checkPosition(before);
    work += this.#writeSection();
    this.#keepShort();
    this.#finish();
    return work;
  }

  // --- the log ---

  #end(event: number): number {
    return this.ends[event] ?? Number.POSITIVE_INFINITY;
  }

  /** The last event that ends at or before a position. */
  #eventAt(position: number): number {
    const after = this.ends.findIndex((end) => end > position);
    return (after < 0 ? this.ends.length : after) - 1;
  }

  #append(): void {
    const { core, u8 } = this.#arena;
    const count = Math.min(
      EVENT_COUNT - this.#appended,
      this.#random.between(0, this.#pace.perTurn),
    );
    // What is committed is what was there a turn ago.
    this.#committed = this.#appended;
    for (let index = 0; index < count; index++) {
      const log = this.#openLog();
      const event = this.#appended + 1;
      const bytes = patternOf(event, eventLength(event, this.isEven));
      u8.set(bytes, this.#scratch);
      const start = core.logTail(log.meta);
      log.retire(Math.max(0, start - 2 * this.#config.logTermLength));
      core.logSetPublisherLimit(log.meta, log.writeLimit);
      const end = this.#appendTo(log, bytes.length);
      assert(end > 0, 'the log has room');
      this.#record(log, start, end);
      this.#appended = event;
      this.ends.push(end);
    }
  }

  #record(log: LogMemory, start: number, end: number): void {
    const { core, u8 } = this.#arena;
    const { termLength } = log;
    for (let position = start; position < end; ) {
      const length = Math.min(end - position, termLength - (position % termLength));
      const from = core.addressOf(log.meta, position);
      this.#recording.bytes.set(u8.subarray(from, from + length), position);
      position += length;
    }
  }

  /** Another buffer now and then; somebody else is given the place of the one before. */
  #openLog(): LogMemory {
    if (this.#log !== undefined && this.#appended < this.#logCount * this.#pace.perLog) {
      return this.#log;
    }
    const position = this.#end(this.#appended);
    if (this.#log !== undefined) {
      this.remote.setLive(undefined);
      this.#log.release();
      this.#giveAway();
    }
    this.#logCount++;
    const log = this.#makeLog(position);
    this.#log = log;
    this.remote.setLive({ meta: log.meta, oldestPosition: () => log.oldestPosition });
    return log;
  }

  #makeLog(position: number): LogMemory {
    const { logTermLength: termLength } = this.#config;
    return new LogMemory(this.#arena, {
      ...{ sessionId: 1, streamId: 2, initialTermId: 0, mtuLength: MTU, termLength, position },
    });
  }

  /** A stream with other bytes, and its frames where those of the log were. */
  #giveAway(): void {
    const { core, u8 } = this.#arena;
    const before = this.#foreign;
    const first = Math.max(0, this.#appended - FOREIGN_EVENT_COUNT);
    const foreign = this.#makeLog(this.#end(first));
    core.logSetPublisherLimit(foreign.meta, foreign.writeLimit);
    for (let event = first + 1; event <= this.#appended; event++) {
      u8.set(patternOf(FOREIGN_SEED + event, eventLength(event, this.isEven)), this.#scratch);
      this.#appendTo(foreign, eventLength(event, this.isEven));
    }
    this.#foreign = foreign;
    // The log that is live next lies where this one did.
    before?.release();
  }

  #appendTo({ meta }: LogMemory, length: number): number {
    const { core } = this.#arena;
    const end = core.append(meta, this.#scratch, length);
    // When the term was padded to its end it fits into the next one.
    return end < 0 ? core.append(meta, this.#scratch, length) : end;
  }

  /** Some of what is committed; a snapshot is wanted before anybody may reach its event. */
  #nextLimit(): number {
    if (this.#startCount < this.#start.count) {
      return 0;
    }
    let limit = this.#end(this.#committed);
    for (let event = 1; event <= this.#committed; event++) {
      const end = this.#end(event);
      if (isSnapshotEvent(event) && event > this.#wantedEvent && end <= limit) {
        if (this.#wanted >= 0 || this.#section !== undefined) {
          // One at a time: the next one waits, and the log with it.
          limit = this.#end(event - 1);
          break;
        }
        this.#wanted = end;
        this.#wantedEvent = event;
      }
    }
    return limit;
  }

  /** Nobody who is slow keeps the log from being cut. */
  #keepShort(): void {
    const log = this.#log;
    if (log !== undefined) {
      const tail = this.#arena.core.logTail(log.meta);
      // What is about to be written over may be read until it is.
      const least = this.isEven ? 2 : 0;
      const terms = this.#random.between(least, 3);
      log.retire(Math.max(0, tail - terms * this.#config.logTermLength));
    }
  }

  // --- towards the service ---

  #startRemote(): void {
    const poller = { position: 0, setLive: NOT_HEARD, pollMessages: () => 0, close: NOT_HEARD };
    this.remote.onRoleChange('leader');
    this.remote.start({
      ...{ arena: this.#arena, memberId: 0, messageLengthMax: 0, fragmentLimit: 0, poller },
      openRecording: () => this.#recording,
      egress: {
        messageLengthMax: 0,
        offer: (_session, event, buffer, offset, length) =>
          this.#hear({ kind: 'egress', length }, event, bytesOf(buffer, offset, length)),
        offerReply: (_session, reply) => this.#onReply(reply),
        offerAnswer: (_session, id, position, _code, buffer, offset, length) =>
          this.#onAnswer(id, position, bytesOf(buffer, offset, length)),
        overflow: () => judge(false, 'said', () => 'messages to clients were given up'),
        requestClose: (event) => this.#hear({ kind: 'close' }, event),
      },
      snapshots: this.#snapshots(),
      outputs: {
        ...{ arena: this.#arena, area: 0, isKnown: true },
        begin: () => {
          this.#hasBegun = true;
        },
        record: (position, low) => {
          judge(this.#hasBegun, 'said', () => 'output came before its beginning');
          this.#hear({ kind: 'output' }, low);
          judge(position === this.#end(low), 'said', () => `output of event ${low} at ${position}`);
        },
      },
      snapshot:
        this.#start.count > 0 ? { logPosition: 0, timestampMs: 0, appVersion: 0 } : undefined,
    });
  }

  #snapshots() {
    const engine = this;
    return {
      get wantedPosition() {
        return engine.#wanted;
      },
      wants: () => false,
      offer: (section: SnapshotSection) => {
        judge(this.#wanted >= 0, 'snapshot', () => 'a section came that nobody wanted');
        this.#wanted = -1;
        this.#section = section;
        this.#sectionCount = 0;
      },
    };
  }

  #loadStart(): number {
    let work = 0;
    while (this.#startCount < this.#start.count && this.remote.canLoad) {
      const message = startMessage(this.#start, this.#startCount++);
      this.remote.loadSnapshot(new DataView(message.buffer), 0, message.length);
      work++;
    }
    return work;
  }

  #ask(): void {
    if (this.#startCount === this.#start.count && this.#random.chance(1, 4)) {
      const id = ++this.#queryId;
      const body = patternOf(id, 300);
      this.#queries.set(id, this.remote.position);
      this.remote.query(7, id, new DataView(body.buffer), 0, body.length);
    }
  }

  #finish(): void {
    const isHeard = this.remote.position === this.#end(EVENT_COUNT);
    const isIdle = this.#section === undefined && this.#wanted < 0;
    if (isHeard && isIdle && !this.#isTerminating) {
      this.#isTerminating = true;
      this.remote.terminate();
    }
  }

  // --- from the service ---

  #checkPosition(before: number): void {
    const { position } = this.remote;
    judge(position >= before, 'said', () => `the position fell from ${before} to ${position}`);
    if (position > before) {
      const event = this.#eventAt(position);
      // Behind the last event of a term there may be padding.
      const isEnd = this.#end(event) === position || position % this.#config.logTermLength === 0;
      judge(isEnd, 'order', () => `the service is at ${position}, where no event ends`);
      const said = saidCount(event);
      judge(
        this.#heardCount >= said,
        'said',
        () => `at event ${event} ${said} were said, and ${this.#heardCount} are here`,
      );
    }
  }

  #hear(saying: Saying, event: number, bytes?: Uint8Array): void {
    const expected = sayingsOf(this.#heardEvent)[this.#heardIndex];
    const isNext = event === this.#heardEvent && expected?.kind === saying.kind;
    judge(
      isNext,
      'said',
      () => `${saying.kind} of event ${event}, and not ${expected?.kind} of ${this.#heardEvent}`,
    );
    if (bytes !== undefined && expected !== undefined && 'length' in expected) {
      const difference = differenceOf(event, bytes, expected.length);
      judge(difference === undefined, 'said', () => `${saying.kind} of ${event}: ${difference}`);
    }
    this.#heardCount++;
    this.#heardIndex++;
    if (this.#heardIndex === sayingsOf(this.#heardEvent).length) {
      this.#heardIndex = 0;
      this.#heardEvent++;
    }
  }

  #onReply({ bytes, logPosition, requestId }: EgressReply): void {
    this.#hear({ kind: 'reply', length: bytes.length }, requestId, bytes);
    const end = this.#end(requestId);
    judge(logPosition === end, 'said', () => `a reply of ${logPosition}, and not of ${end}`);
  }

  #onAnswer(id: number, position: number, body: Uint8Array): void {
    const asked = this.#queries.get(id);
    judge(asked !== undefined, 'said', () => `an answer to query ${id}, which waits for none`);
    const least = asked ?? 0;
    judge(position >= least, 'said', () => `the answer is of ${position}, and not of ${least}`);
    const difference = differenceOf(id, body, 300);
    judge(difference === undefined, 'said', () => `the answer to ${id}: ${difference}`);
    this.answerCount++;
    this.#queries.delete(id);
  }

  #timers() {
    return {
      nextDeadlineMs: () => Number.POSITIVE_INFINITY,
      propose: () => 0,
      forgetProposals: NOT_HEARD,
      schedule: (event: number, deadlineMs: number) => {
        this.#hear({ kind: 'timer' }, event);
        judge(deadlineMs === timeOf(event), 'said', () => `a timer is due at ${deadlineMs}`);
        return true;
      },
      cancel: (event: number) => {
        this.#hear({ kind: 'cancel' }, event);
        return true;
      },
      advance: (timeMs: number) => {
        const event = this.#eventAt(this.remote.position);
        const least = timeOf(event);
        judge(timeMs >= least, 'said', () => `it is ${timeMs} after event ${event}`);
      },
    };
  }

  #messages(): RemoteMessages {
    return {
      ...{ pendingCount: 0, pendingCountMax: 0, unproposedCount: 0 },
      propose: () => 0,
      forgetProposals: NOT_HEARD,
      onLogged: NOT_HEARD,
      onOffered: ({ bytes, originPosition }: ServiceMessage) => {
        const event = this.ends.indexOf(originPosition);
        this.#hear({ kind: 'message', length: bytes.length }, event, bytes);
      },
    };
  }

  #writeSection(): number {
    const section = this.#section;
    if (section === undefined) {
      return 0;
    }
    let work = 0;
    const isComplete = section.write((head, headLength) => {
      work++;
      const expected = sectionMessage(this.#wantedEvent, this.#sectionCount++);
      const found = head.subarray(0, headLength);
      const isEqual = Buffer.compare(found, expected) === 0;
      judge(isEqual, 'snapshot', () => `message ${this.#sectionCount} of a section differs`);
    }, SECTION_STEP_LENGTH);
    if (isComplete) {
      const count = this.#sectionCount;
      const isWhole = count === SECTION_MESSAGE_COUNT;
      judge(isWhole, 'snapshot', () => `a section ended behind ${count} messages`);
      section.close();
      this.#section = undefined;
      this.snapshotCount++;
    }
    return work;
  }
}

function bytesOf(buffer: ArrayBufferView, offset: number, length: number): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset + offset, length);
}
