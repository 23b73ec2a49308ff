// pending-queries.test.ts: the queries of a client that have no outcome yet.

import fc from 'fast-check';
import test from 'tape';
import { PendingQueries } from '../../src/client/pending-queries.js';
import {
  RECORD_HEADER_LENGTH,
  recordBodyLength,
  recordCode,
  recordLength,
  recordQueryId,
} from '../../src/protocol/query-records.js';

const DATAGRAM = 1_376;
const RETRY_NS = 100;
const BODY = Uint8Array.of(1, 2, 3);

/** A record that was to be sent: its number and its body. */
type Sent = readonly [queryId: number, body: string];

/** Reads what `copyDue` has written. */
function recordsOf(bytes: Uint8Array): Sent[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const records: Sent[] = [];
  for (let at = 0; at < bytes.length; at += recordLength(recordBodyLength(view, at))) {
    const start = at + RECORD_HEADER_LENGTH;
    const end = start + recordBodyLength(view, at);
    const padding = bytes.subarray(end, at + recordLength(end - start));
    if (recordCode(view, at) !== 0 || padding.some((byte) => byte !== 0)) {
      throw new Error(`the record at ${at} has a code or padding`);
    }
    records.push([recordQueryId(view, at), bytes.subarray(start, end).join(' ')]);
  }
  return records;
}

/** Sends what one message holds; undefined when there is nothing to send. */
function sendOne(pending: PendingQueries, nowNs: number, lengthMax = DATAGRAM): Sent[] | undefined {
  const target = new Uint8Array(lengthMax + 8).fill(0xee);
  const length = pending.copyDue(target, 8, lengthMax);
  let records = recordsOf(target.subarray(8, 8 + length));
  if (length === 0) {
    const long = pending.longDue();
    if (long === undefined) {
      return undefined;
    }
    const { bytes, offset, queryId } = long;
    records = [[queryId, bytes.subarray(offset, offset + long.length).join(' ')]];
  }
  const count = pending.onSent(nowNs, RETRY_NS);
  if (count !== records.length) {
    throw new Error(`${records.length} records were written, and ${count} count as sent`);
  }
  return records;
}

/** Everything that is due counts as sent. */
function send(pending: PendingQueries, nowNs: number): Sent[] {
  const sent: Sent[] = [];
  for (let more = sendOne(pending, nowNs); more !== undefined; more = sendOne(pending, nowNs)) {
    sent.push(...more);
  }
  return sent;
}

function idsOf(sent: readonly Sent[]): number[] {
  return sent.map(([queryId]) => queryId);
}

test('a query that stays without an answer is found among any number of later ones', (t) => {
  const pending = new PendingQueries(1_000, 1_000_000);
  const first = pending.add(Uint8Array.of(7, 7), 1_000);
  let found = 0;
  for (let count = 0; count < 10_000; count++) {
    const next = pending.add(BODY, 1_000);
    send(pending, 1);
    found += pending.has(next) && pending.has(first) ? 1 : 0;
    pending.remove(next);
    found -= pending.has(next) || pending.remove(next) ? 1 : 0;
  }
  t.equal(found, 10_000, 'each time, and none of those that have their outcome');
  t.equal(pending.count, 1);
  pending.sendAgain();
  t.deepEqual(send(pending, 2), [[first, '7 7']], 'it is sent again as it was');
  t.equal(pending.historyOf(first).attempts, 2);
  t.ok(pending.remove(first));
  t.deepEqual([pending.has(first), pending.count], [false, 0]);
  t.end();
});

test('queries whose rows newer ones want are visited, expire and are sent again', (t) => {
  const pending = new PendingQueries(1_000, 1_000_000);
  const kept = Array.from({ length: 5 }, () => pending.add(BODY, 500));
  for (let count = 0; count < 300; count++) {
    const passing = pending.add(BODY, 2_000);
    send(pending, 1);
    pending.remove(passing);
  }
  // These share the rows of those that were kept.
  const later = Array.from({ length: 300 }, () => pending.add(BODY, 2_000));
  t.equal(send(pending, 2).length, 300);
  t.equal(new Set(pending.ids()).size, 305, 'each is visited once');
  pending.sendAgain();
  t.equal(new Set(idsOf(send(pending, 3))).size, 305, 'and sent again to a new leader');
  const expired: number[] = [];
  pending.look(600, (queryId) => {
    expired.push(queryId);
    pending.remove(queryId);
  });
  t.deepEqual(
    expired.sort((one, other) => one - other),
    kept,
    'those past their deadline',
  );
  t.equal(send(pending, 601).length, 300, 'the others are asked again');
  t.ok(
    later.every((queryId) => pending.has(queryId)),
    'and wait for their answers',
  );
  t.end();
});

test('what ends before it is sent is passed over, and what could not be sent stays due', (t) => {
  const pending = new PendingQueries(10, 1_000);
  const [first = 0, second = 0, third = 0] = [1, 2, 3].map((n) => pending.add(BODY, n * 1_000));
  pending.remove(second);
  const target = new Uint8Array(DATAGRAM);
  t.equal(pending.copyDue(target, 0, DATAGRAM), 2 * recordLength(BODY.length));
  t.equal(pending.historyOf(first).attempts, 0, 'copied is not sent');
  t.deepEqual(idsOf(send(pending, 1)), [first, third]);
  t.deepEqual(send(pending, 1), [], 'once');
  t.deepEqual([pending.firstDueId(), pending.firstDueLength()], [0, -1]);
  t.end();
});

test('the client of a query that expires may end the others meanwhile', (t) => {
  const pending = new PendingQueries(10, 1_000);
  const ids = [1, 2, 3].map(() => pending.add(BODY, 10));
  const expired: number[] = [];
  pending.look(11, (queryId) => {
    expired.push(queryId);
    for (const other of ids) {
      pending.remove(other);
    }
  });
  t.deepEqual(expired, [1], 'each has one outcome');
  t.end();
});

test('limits are of what is open, in number and in bytes', (t) => {
  const pending = new PendingQueries(3, 100);
  const long = pending.add(new Uint8Array(500), 1_000);
  t.ok(long > 0, 'one query is never too long for all');
  t.equal(pending.add(BODY, 1_000), 0, 'but there is no room for another');
  pending.remove(long);
  t.ok(pending.add(BODY, 1_000) > 0 && pending.add(BODY, 1_000) > 0);
  t.equal(pending.add(new Uint8Array(95), 1_000), 0, 'too many bytes');
  t.ok(pending.add(BODY, 1_000) > 0);
  t.equal(pending.add(BODY, 1_000), 0, 'too many');
  t.end();
});

// --- against a twin ---

const COUNT_MAX = 300;
const BYTES_MAX = 20_000;

interface Twin {
  readonly body: { readonly text: string; readonly size: number };
  readonly deadlineNs: number;
  attempts: number;
  againNs: number;
  isBusy: boolean;
  isDue: boolean;
}

type Step = readonly [kind: number, choice: number, length: number];

function agree(isEqual: boolean, what: string): void {
  if (!isEqual) {
    throw new Error(what);
  }
}

/** The queries and their twins, to which the same is done; an error names the first difference. */
class TwinQueries {
  readonly #pending = new PendingQueries(COUNT_MAX, BYTES_MAX);
  readonly #twins = new Map<number, Twin>();
  #nowNs = 0;

  play([kind, choice, length]: Step): void {
    this.#nowNs += choice % 7;
    if (kind < 50) {
      this.#ask(choice, length);
    } else if (kind < 80) {
      this.#remove(choice);
    } else if (kind < 90) {
      const lengthMax = choice % 2 === 0 ? DATAGRAM : 60;
      this.#noteSent(sendOne(this.#pending, this.#nowNs, lengthMax) ?? []);
    } else if (kind < 93) {
      this.#noteSent(send(this.#pending, this.#nowNs));
      agree(![...this.#twins.values()].some((twin) => twin.isDue), 'all that was due is sent');
    } else if (kind < 95) {
      this.#sendAgain();
    } else if (kind < 97) {
      this.#refuse(choice);
    } else {
      this.#look();
    }
    const { count } = this.#pending;
    agree(count === this.#twins.size, `${count} are open, and not ${this.#twins.size}`);
  }

  /** All that is known of both is the same. */
  compare(): void {
    for (const [queryId, { attempts, isBusy }] of this.#twins) {
      const history = this.#pending.historyOf(queryId);
      const isEqual = history.attempts === attempts && history.isBusy === isBusy;
      agree(isEqual, `the story of ${queryId}`);
    }
    const ids = this.#pending.ids().sort((one, other) => one - other);
    agree(ids.join() === [...this.#twins.keys()].join(), 'the same queries are open');
  }

  #chosen(choice: number): number | undefined {
    return [...this.#twins.keys()][choice % this.#twins.size];
  }

  #ask(choice: number, length: number): void {
    const body = new Uint8Array(length).fill(choice);
    const deadlineNs = this.#nowNs + 50 + (choice % 5) * 200;
    const byteCount = [...this.#twins.values()].reduce((sum, { body: { size } }) => sum + size, 0);
    const isSmall = byteCount === 0 || byteCount + length <= BYTES_MAX;
    const hasRoom = this.#twins.size < COUNT_MAX && isSmall;
    const queryId = this.#pending.add(body, deadlineNs);
    agree(queryId > 0 === hasRoom, 'limits are the same');
    if (queryId > 0) {
      const times = { deadlineNs, attempts: 0, againNs: 0 };
      const copy = { text: body.join(' '), size: length };
      this.#twins.set(queryId, { body: copy, ...times, isBusy: false, isDue: true });
    }
  }

  #remove(choice: number): void {
    const queryId = this.#chosen(choice);
    if (queryId !== undefined) {
      agree(this.#pending.remove(queryId), 'an open query is removed');
      this.#twins.delete(queryId);
    }
  }

  #noteSent(sent: readonly Sent[]): void {
    const againNs = this.#nowNs + RETRY_NS;
    for (const [queryId, body] of sent) {
      const twin = this.#twins.get(queryId);
      agree(twin?.isDue === true && twin.body.text === body, `query ${queryId} is sent as it was`);
      const { attempts } = twin as Twin;
      Object.assign(twin as Twin, { attempts: attempts + 1, againNs, isBusy: false, isDue: false });
    }
  }

  #sendAgain(): void {
    this.#pending.sendAgain();
    for (const twin of this.#twins.values()) {
      twin.isDue = true;
    }
  }

  #refuse(choice: number): void {
    const queryId = this.#chosen(choice);
    const twin = this.#twins.get(queryId ?? -1);
    if (queryId !== undefined && twin !== undefined && twin.attempts > 0) {
      const againNs = this.#nowNs + 20;
      this.#pending.onBusy(queryId, againNs);
      Object.assign(twin, { isBusy: true, againNs });
    }
  }

  #look(): void {
    const expired: number[] = [];
    this.#pending.look(this.#nowNs, (queryId) => {
      expired.push(queryId);
      this.#pending.remove(queryId);
    });
    for (const [queryId, twin] of this.#twins) {
      if (twin.deadlineNs <= this.#nowNs) {
        agree(expired.includes(queryId), `query ${queryId} expires`);
        this.#twins.delete(queryId);
      } else {
        twin.isDue ||= twin.attempts > 0 && twin.againNs <= this.#nowNs;
      }
    }
  }
}

function play(steps: readonly Step[]): void {
  const twins = new TwinQueries();
  for (const step of steps) {
    twins.play(step);
  }
  twins.compare();
}

test('whatever is asked, sent, answered and forgotten, each query is what its twin is', (t) => {
  const step = fc.tuple(
    fc.nat({ max: 99 }),
    fc.nat({ max: 255 }),
    fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 2_000 })),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 600, size: 'max' }), (steps) => play(steps)),
    { numRuns: 200, endOnFailure: true },
  );
  t.pass('200 stories');
  t.end();
});
