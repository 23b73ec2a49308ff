// told-service.ts: the service's side of a run: it checks all that it is given.

import type { MessageConsumer } from '../../../src/cluster/log-poller.js';
import type {
  ServiceHostContext,
  ServiceMessage,
  SnapshotSection,
  SnapshotWrite,
} from '../../../src/cluster/service-host.js';
import type { DedicatedService } from '../../../src/service/service-agent.js';
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
  sayingsOf,
  sectionMessage,
  startMessage,
  timeOf,
} from './story.js';

const NOTHING = (): void => undefined;
const NO_PROPOSALS = { propose: () => 0, forgetProposals: () => undefined };

/** Says what the story wants, and counts what it was given. */
export class ToldService implements DedicatedService {
  readonly serviceId = 0;
  readonly snapshotVersion = 0;
  readonly canLoad = true;
  readonly timers = { ...NO_PROPOSALS, nextDeadlineMs: () => Number.POSITIVE_INFINITY };
  readonly messages = { ...NO_PROPOSALS, pendingCount: 0, pendingCountMax: 0, unproposedCount: 0 };
  /** Number of the last event. */
  event = 0;
  isTerminated = false;
  queryCount = 0;
  #context: ServiceHostContext | undefined;
  #startMessageCount = 0;
  #sequence = 0;
  readonly #start: Start;
  readonly #isEven: boolean;
  readonly #ends: readonly number[];
  readonly #consumer: MessageConsumer = {
    onSessionMessage: () => judge(false, 'order', () => 'an event became a session message'),
    onFragment: (view, offset, length, _flags, position) =>
      this.#onEvent(new Uint8Array(view.buffer, view.byteOffset + offset, length), position),
  };

  /** @param ends position after each event, as the log has it. */
  constructor(start: Start, isEven: boolean, ends: readonly number[]) {
    this.#start = start;
    this.#isEven = isEven;
    this.#ends = ends;
  }

  get position(): number {
    return this.#context?.poller.position ?? 0;
  }

  time(): number {
    return timeOf(this.event);
  }

  start(context: ServiceHostContext): void {
    this.#context = context;
    context.outputs.begin(0, { low: 0, high: 0 });
  }

  loadSnapshot(view: DataView, offset: number, length: number): void {
    const found = new Uint8Array(view.buffer, view.byteOffset + offset, length);
    const expected = startMessage(this.#start, this.#startMessageCount++);
    const isEqual = Buffer.compare(found, expected) === 0;
    judge(isEqual, 'snapshot', () => `message ${this.#startMessageCount} of the start differs`);
  }

  doWork(limit: number): number {
    const { fragmentLimit, poller } = this.#context as ServiceHostContext;
    return poller.pollMessages(this.#consumer, limit, fragmentLimit);
  }

  query(sessionId: number, queryId: number, view: DataView, offset: number, length: number): void {
    this.queryCount++;
    const body = new Uint8Array(view.buffer, view.byteOffset + offset, length);
    const position = this.position;
    this.#context?.egress.offerAnswer(sessionId, queryId, position, 0, body, 0, length);
  }

  readonly setLive = NOTHING;
  readonly onRoleChange = NOTHING;

  terminate(): void {
    this.isTerminated = true;
  }

  readonly close = NOTHING;

  #onEvent(found: Uint8Array, position: number): void {
    const event = ++this.event;
    const count = this.#startMessageCount;
    judge(
      count === this.#start.count,
      'snapshot',
      () => `event ${event} came behind ${count} messages of the start`,
    );
    judge(event <= EVENT_COUNT, 'order', () => 'there are more events than were made');
    const difference = differenceOf(event, found, eventLength(event, this.#isEven));
    judge(difference === undefined, 'order', () => `event ${event}: ${difference}`);
    const end = this.#ends[event];
    judge(position === end, 'order', () => `event ${event} ends at ${position}, and not at ${end}`);
    for (const saying of sayingsOf(event)) {
      this.#say(saying, event, position);
    }
    const { snapshots } = this.#context as ServiceHostContext;
    if (isSnapshotEvent(event) && snapshots.wants(position)) {
      snapshots.offer(new Section(event));
    }
  }

  #say(saying: Saying, event: number, position: number): void {
    const { egress, messageListener, outputs, timerListener } = this.#context as ServiceHostContext;
    switch (saying.kind) {
      case 'egress':
        egress.offer(1, event, patternOf(event, saying.length), 0, saying.length);
        break;
      case 'reply':
        egress.offerReply(1, {
          requestId: event,
          logPosition: position,
          timestamp: timeOf(event),
          code: 0,
          bytes: patternOf(event, saying.length),
        });
        break;
      case 'timer':
        timerListener?.onScheduled(event, timeOf(event));
        break;
      case 'cancel':
        timerListener?.onCancelled(event);
        break;
      case 'message': {
        const bytes = patternOf(event, saying.length);
        const sequence = ++this.#sequence;
        const message: ServiceMessage = {
          ...{ serviceId: 0, sequence, originPosition: position, ordinal: 0, bytes },
        };
        messageListener?.onOffered(message);
        break;
      }
      case 'close':
        egress.requestClose(event);
        break;
      case 'output':
        outputs.record(position, event, event + 1);
        break;
    }
  }
}

/** The state behind an event. */
class Section implements SnapshotSection {
  readonly #event: number;
  #count = 0;

  constructor(event: number) {
    this.#event = event;
  }

  write(append: SnapshotWrite, lengthMax: number): boolean {
    let written = 0;
    while (written < lengthMax && this.#count < SECTION_MESSAGE_COUNT) {
      const message = sectionMessage(this.#event, this.#count++);
      append(message, 8, message, 8, message.length - 8);
      written += message.length;
    }
    return this.#count === SECTION_MESSAGE_COUNT;
  }

  readonly close = NOTHING;
}
