// TailTime: the time of a log's last event, read from as near to its end as may be.

import test from 'tape';
import { PARTITION_COUNT } from '../../assembly/layout/frame.js';
import type { RecordedLog } from '../../src/cluster/log-poller.js';
import { TailTime } from '../../src/cluster/tail-time.js';
import { Arena } from '../../src/memory/arena.js';
import { LogBuffer } from '../../src/memory/log-buffer.js';
import { SessionMessageHeaderEncoder } from '../../src/protocol/codecs/session-message-header.js';
import { MESSAGE_HEADER_LENGTH } from '../../src/protocol/message-header.js';

const KIB = 1024;
const TERM_LENGTH = 64 * KIB;
const SOURCE_LENGTH = 1024;
const EMPTY_LENGTH = 500;

/** A log of at most three terms, and what was read of it. */
class Log {
  readonly arena = Arena.create(4 * KIB * KIB);
  readonly #log = LogBuffer.allocate(this.arena, {
    termLength: TERM_LENGTH,
    mtu: 1408,
    initialTermId: 0,
    sessionId: 9,
    streamId: 100,
  });
  readonly #source = this.arena.allocate(SOURCE_LENGTH);
  readonly readFrom: number[] = [];

  constructor() {
    this.arena.core.logSetPublisherLimit(this.#log.meta, Number.MAX_SAFE_INTEGER);
  }

  get end(): number {
    return this.#log.tailPosition;
  }

  /** An event with a timestamp. Returns where the next frame starts. */
  message(timestampMs: number): number {
    const encoder = new SessionMessageHeaderEncoder()
      .wrapAndApplyHeader(this.arena.view, this.#source)
      .leadershipTermId(0)
      .clusterSessionId(1)
      .timestamp(timestampMs);
    return this.#append(MESSAGE_HEADER_LENGTH + encoder.encodedLength());
  }

  /** Events without a time until the log has come to a position. */
  fillTo(position: number): number {
    this.arena.u8.fill(0, this.#source, this.#source + EMPTY_LENGTH);
    while (this.end < position) {
      this.#append(EMPTY_LENGTH);
    }
    return this.end;
  }

  timeFrom(frame: number): number | undefined {
    const first = this.#log.meta - PARTITION_COUNT * TERM_LENGTH;
    const makeReader = (): RecordedLog => new Reader(this, first);
    const tail = new TailTime(this.arena, makeReader, TERM_LENGTH, this.end, undefined, frame);
    this.readFrom.length = 0;
    for (let turn = 0; turn < 1_000; turn++) {
      const timeMs = tail.poll();
      if (timeMs !== undefined) {
        return timeMs;
      }
    }
    return undefined;
  }

  #append(length: number): number {
    const { core } = this.arena;
    while (core.append(this.#log.meta, this.#source, length) < 0) {
      // It went on to the next term.
    }
    return this.end;
  }
}

/** Reads the terms where they lie. */
class Reader implements RecordedLog {
  readonly #log: Log;
  readonly #first: number;
  address = 0;

  constructor(log: Log, first: number) {
    this.#log = log;
    this.#first = first;
  }

  read(position: number, limit: number): number {
    this.#log.readFrom.push(position);
    this.address = this.#first + position;
    const termEnd = position - (position % TERM_LENGTH) + TERM_LENGTH;
    return Math.min(limit, termEnd) - position;
  }

  close(): void {
    this.address = 0;
  }
}

test('the time of a log is read from the frame that is known to be near its end', (t) => {
  const log = new Log();
  log.message(10);
  const frame = log.fillTo(100 * KIB);
  log.message(20);
  log.fillTo(101 * KIB);
  t.equal(log.timeFrom(frame), 20);
  t.equal(Math.min(...log.readFrom), frame, 'nothing is read before it');
  t.end();
});

test('where no event lies behind that frame, terms are read back to the one that has it', (t) => {
  const log = new Log();
  log.message(10);
  const event = log.message(30);
  log.fillTo(90 * KIB);
  const frame = log.fillTo(100 * KIB);
  log.fillTo(110 * KIB);
  t.equal(log.timeFrom(frame), 30);
  t.ok(log.readFrom.includes(TERM_LENGTH), 'first the last term');
  t.ok(log.readFrom.includes(0) && event < TERM_LENGTH, 'then the one before');
  t.end();
});

test('a frame at the end, or none that is known, finds the same time', (t) => {
  const log = new Log();
  log.message(10);
  log.fillTo(70 * KIB);
  log.message(40);
  log.fillTo(80 * KIB);
  t.equal(log.timeFrom(log.end), 40);
  t.equal(log.timeFrom(0), 40);
  t.equal(new Log().timeFrom(0), 0, 'a log without events has time 0');
  t.end();
});
