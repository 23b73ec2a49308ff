// interleaving.test.ts: every place where one thread can be overtaken by another.
//
// Method: an operation runs until its k-th atomic operation; there a second operation runs from
// start to end, itself overtaken by a third at its j-th; then the first goes on. For every k and j
// nothing may be lost, doubled, torn or left behind. Threads that run truly at once meet too rarely
// to rely on; these schedules are complete, and the same every time.

import test from 'tape';
import { RING_DESCRIPTOR_LENGTH, RING_TAIL_POSITION_OFFSET } from '../../assembly/layout/ring.js';
import { Arena } from '../../src/memory/arena.js';
import { type CoreExports, SCAN_END_OFFSET, scanAreaLength } from '../../src/memory/core.js';
import { LogBuffer } from '../../src/memory/log-buffer.js';
import { interleavedCore } from './interleaved-core.js';

const TERM_LENGTH = 64 * 1024;
const MTU = 96;
const RECORDS_MAX = 100;
const ADMIN_ACTION = -3;
const ATTEMPTS_MAX = 3;
/** No operation of these tests has as many atomic operations as this. */
const PAUSE_COUNT_MAX = 200;

/** Runs operations nested in each other: each next one after some pause of the one before. */
class Schedule {
  #pauses: number[] = [];
  #operations: (() => void)[] = [];
  #depth = 0;
  #remaining = 0;

  /** False when the first operation ended before its pause was reached. */
  run(operations: readonly (() => void)[], pauses: readonly number[]): boolean[] {
    this.#pauses = [...pauses];
    this.#operations = [...operations];
    this.#depth = 0;
    this.#remaining = this.#pauses[0] ?? -1;
    (this.#operations[0] as () => void)();
    const reached = this.#pauses.map((_, i) => this.#depth > i);
    // What was not reached runs afterwards, so that every schedule does the same work.
    this.#remaining = -1;
    for (const operation of this.#operations.slice(this.#depth + 1)) {
      operation();
    }
    return reached;
  }

  readonly pause = (): void => {
    if (this.#remaining < 0) {
      return;
    }
    if (this.#remaining > 0) {
      this.#remaining--;
      return;
    }
    this.#depth++;
    this.#remaining = this.#pauses[this.#depth] ?? -1;
    (this.#operations[this.#depth] as () => void)();
    this.#remaining = -1;
  };
}

/** Calls `attempt` for every pair of pauses that three nested operations reach; returns a count. */
function forEverySchedule(attempt: (pauses: number[]) => boolean[]): number {
  let count = 0;
  for (let first = 0; first < PAUSE_COUNT_MAX; first++) {
    let isFirstReached = false;
    for (let second = 0; second < PAUSE_COUNT_MAX; second++) {
      const [isReached = false, isNestedReached = false] = attempt([first, second]);
      count++;
      isFirstReached = isReached;
      if (!isNestedReached) {
        break;
      }
    }
    if (!isFirstReached) {
      return count;
    }
  }
  throw new Error('an operation does not end');
}

/** A message of its own for every operation: the number, as often as fits. */
function messageOf(id: number, length: number): Uint8Array {
  return new Uint8Array(length).fill(id);
}

class LogFixture {
  readonly schedule = new Schedule();
  readonly arena = Arena.create(1024 * 1024);
  readonly core: CoreExports = interleavedCore(this.arena.memory, this.schedule.pause);
  readonly log: LogBuffer;
  readonly #answer = this.arena.allocate(scanAreaLength(RECORDS_MAX));
  readonly #sources = this.arena.allocate(4096);
  #postponed: (() => void)[] = [];
  written: number[] = [];

  constructor() {
    const geometry = { initialTermId: 2 ** 31 - 2, sessionId: 1, streamId: 2 };
    this.log = LogBuffer.allocate(this.arena, { termLength: TERM_LENGTH, mtu: MTU, ...geometry });
  }

  /** Starts anew at a position; only the bytes around it were ever written. */
  reset(position: number): void {
    const base = this.log.meta - 3 * TERM_LENGTH;
    for (const near of [position, position + TERM_LENGTH]) {
      const begin = base + (Math.floor(near / TERM_LENGTH) % 3) * TERM_LENGTH;
      this.arena.u8.fill(0, begin, begin + 2048);
      this.arena.u8.fill(0, begin + TERM_LENGTH - 2048, begin + TERM_LENGTH);
    }
    this.arena.core.logStartAt(this.log.meta, position);
    this.arena.core.logSetPublisherLimit(this.log.meta, position + TERM_LENGTH);
    this.written = [];
    this.#postponed = [];
  }

  /** Tries a few times; who still must wait for another writer tries again at the end. */
  #insist(attempt: () => number, done: (result: number) => void): void {
    for (let i = 0; i < ATTEMPTS_MAX; i++) {
      const result = attempt();
      if (result !== ADMIN_ACTION) {
        done(result);
        return;
      }
    }
    this.#postponed.push(() => this.#insist(attempt, done));
  }

  append(id: number, length: number): () => void {
    return () => {
      const source = this.#sources + id * 256;
      this.arena.u8.set(messageOf(id, length), source);
      this.#insist(
        () => this.core.concurrentAppend(this.log.meta, source, length),
        () => this.written.push(id),
      );
    };
  }

  claim(id: number, length: number, isCommitted: boolean): () => void {
    return () => {
      this.#insist(
        () => this.core.concurrentClaim(this.log.meta, length),
        (payload) => {
          this.arena.u8.set(messageOf(id, length), payload);
          if (isCommitted) {
            this.core.concurrentCommit(this.log.meta, payload);
            this.written.push(id);
          } else {
            this.core.concurrentAbort(this.log.meta, payload);
          }
        },
      );
    };
  }

  /** What a reader finds at the end, or what is wrong. */
  verdict(from: number): string {
    for (let operation = this.#postponed.shift(); operation; operation = this.#postponed.shift()) {
      operation();
    }
    const { core, view, u8 } = this.arena;
    const tail = core.logTail(this.log.meta);
    const count = core.scan(this.log.meta, from, tail, RECORDS_MAX, this.#answer);
    const end = view.getFloat64(this.#answer + SCAN_END_OFFSET, true);
    const found: number[] = [];
    for (let i = 0; i < count; i++) {
      const address = view.getInt32(this.#answer + 16 + i * 8, true);
      const length = view.getInt32(this.#answer + 20 + i * 8, true);
      const payload = u8.subarray(address + 32, address + length);
      const id = payload[0] ?? 0;
      if (!payload.every((byte) => byte === id)) {
        return `a frame of ${id} is torn`;
      }
      if (((u8[address + 5] ?? 0) & 0x40) !== 0) {
        found.push(id);
      }
    }
    const isEqual = found.sort().join() === this.written.sort().join();
    if (!isEqual || end !== tail) {
      return `written ${this.written.join()}, found ${found.join()}, end ${end}, tail ${tail}`;
    }
    return '';
  }
}

test('no interleaving of three writers loses, doubles or tears a frame of a log', (t) => {
  const fixture = new LogFixture();
  const operations = [
    fixture.append(1, 40),
    fixture.append(2, 130),
    fixture.claim(3, 10, true),
    fixture.claim(4, 50, false),
  ];
  // Before the end of a term by: plenty, one frame, two frames, nothing.
  const starts = [1024, 96, 64, 160, 224].map((distance) => 3 * TERM_LENGTH - distance);
  const failures: string[] = [];
  let count = 0;
  for (const start of starts) {
    for (let i = 0; i < operations.length ** 3; i++) {
      const picked = [i % 4, (i >> 2) % 4, i >> 4];
      if (new Set(picked).size < 3) {
        continue;
      }
      const nested = picked.map((index) => operations[index] as () => void);
      count += forEverySchedule((pauses) => {
        fixture.reset(start);
        const reached = fixture.schedule.run(nested, pauses);
        const verdict = fixture.verdict(start);
        if (verdict !== '') {
          failures.push(`start ${start}, operations ${picked}, pauses ${pauses}: ${verdict}`);
        }
        return reached;
      });
    }
  }
  t.deepEqual(failures.slice(0, 3), [], `${count} schedules`);
  t.end();
});

class RingFixture {
  readonly schedule = new Schedule();
  readonly arena = Arena.create(256 * 1024);
  readonly core: CoreExports = interleavedCore(this.arena.memory, this.schedule.pause);
  readonly capacity = 256;
  readonly ring = this.arena.allocate(RING_DESCRIPTOR_LENGTH + this.capacity);
  readonly #answer = this.arena.allocate(scanAreaLength(RECORDS_MAX));
  readonly #sources = this.arena.allocate(4096);
  written: number[] = [];
  read: number[] = [];
  problem = '';

  /** An empty ring whose head and tail stand at a place in it. */
  reset(index: number): void {
    this.arena.core.ringInitialize(this.ring, this.capacity);
    for (let at = 0; at < index; at += 8) {
      this.arena.core.ringWrite(this.ring, 1, this.#sources, 0);
      this.arena.core.ringRead(this.ring, 1, this.#answer);
      this.arena.core.ringRelease(this.ring);
    }
    this.written = [];
    this.read = [];
    this.problem = '';
  }

  writeOnce(id: number, length: number): () => void {
    return () => {
      const source = this.#sources + id * 64;
      this.arena.u8.set(messageOf(id, length), source);
      if (this.core.ringWrite(this.ring, id, source, length) === 1) {
        this.written.push(id);
      }
    };
  }

  write(id: number, length: number): () => void {
    return () => {
      const source = this.#sources + id * 64;
      this.arena.u8.set(messageOf(id, length), source);
      // Both producers together want more than the ring holds.
      for (let i = 0; i < 4; i++) {
        if (this.core.ringWrite(this.ring, id, source, length) === 1) {
          this.written.push(id);
        }
      }
    };
  }

  /** The one consumer: never overtaken by itself. */
  readonly consume = (): void => {
    const count = this.core.ringRead(this.ring, RECORDS_MAX, this.#answer);
    const { view, u8 } = this.arena;
    for (let i = 0; i < count; i++) {
      const address = view.getInt32(this.#answer + 16 + i * 8, true);
      const length = view.getInt32(this.#answer + 20 + i * 8, true);
      const typeId = view.getInt32(address - 4, true);
      const payload = u8.subarray(address, address + length);
      if (length === 0 || !payload.every((byte) => byte === typeId)) {
        this.problem ||= `a record of type ${typeId} is torn`;
      }
      this.read.push(typeId);
    }
    this.core.ringRelease(this.ring);
  };

  verdict(): string {
    this.consume();
    const isEqual = this.read.sort().join() === this.written.sort().join();
    return this.problem || (isEqual ? '' : `written ${this.written}, read ${this.read}`);
  }
}

test('no interleaving of two producers and the consumer harms a ring', (t) => {
  const fixture = new RingFixture();
  const operations = [fixture.write(1, 28), fixture.write(2, 32), fixture.consume];
  const failures: string[] = [];
  let count = 0;
  for (let index = 0; index < fixture.capacity; index += 24) {
    for (const order of ['012', '021', '102', '120', '201', '210']) {
      const nested = [...order].map((digit) => operations[Number(digit)] as () => void);
      count += forEverySchedule((pauses) => {
        fixture.reset(index);
        const reached = fixture.schedule.run(nested, pauses);
        const verdict = fixture.verdict();
        if (verdict !== '') {
          failures.push(`index ${index}, order ${order}, pauses ${pauses}: ${verdict}`);
        }
        return reached;
      });
    }
  }
  t.deepEqual(failures.slice(0, 3), [], `${count} schedules`);
  t.end();
});

/** A record of 28 bytes that its producer has claimed and marked, or only claimed. */
class ClaimedRecord {
  static readonly typeId = 1;
  static readonly length = 28;
  readonly #fixture: RingFixture;
  readonly #address: number;
  /** Whether the producer, which was overtaken, got its record in. */
  isPublished = false;

  constructor(fixture: RingFixture) {
    this.#fixture = fixture;
    const { arena, ring } = fixture;
    const tail = Number(arena.view.getBigInt64(ring + RING_TAIL_POSITION_OFFSET, true));
    this.#address = ring + RING_DESCRIPTOR_LENGTH + (tail % fixture.capacity);
    const end = BigInt(tail + 8 * Math.ceil((8 + ClaimedRecord.length) / 8));
    arena.view.setBigInt64(ring + RING_TAIL_POSITION_OFFSET, end, true);
    arena.view.setInt32(this.#address, -(8 + ClaimedRecord.length), true);
    arena.view.setInt32(this.#address + 4, ClaimedRecord.typeId, true);
    arena.u8
      .subarray(this.#address + 8, this.#address + 8 + ClaimedRecord.length)
      .fill(ClaimedRecord.typeId);
  }

  /** What its producer does last. */
  readonly publish = (): void => {
    const stated = 8 + ClaimedRecord.length;
    const { i32 } = this.#fixture.arena;
    const found = Atomics.compareExchange(i32, this.#address >> 2, -stated, stated);
    this.isPublished = found === -stated;
  };
}

test('a record that is published while it is unblocked is read, or is padding', (t) => {
  const fixture = new RingFixture();
  const failures: string[] = [];
  let published = 0;
  let pause = 0;
  for (let isReached = true; isReached; pause++) {
    fixture.reset(0);
    const record = new ClaimedRecord(fixture);
    let unblocked = 0;
    const unblock = (): void => {
      unblocked = fixture.core.ringUnblock(fixture.ring);
    };
    [isReached = false] = fixture.schedule.run([unblock, record.publish], [pause]);
    fixture.written = record.isPublished ? [ClaimedRecord.typeId] : [];
    published += record.isPublished ? 1 : 0;
    const verdict = fixture.verdict();
    if (verdict !== '' || (unblocked === 1) === record.isPublished) {
      failures.push(`pause ${pause}, unblocked ${unblocked}: ${verdict}`);
    }
  }
  t.deepEqual(failures, [], `${pause} schedules`);
  t.ok(published > 0 && published < pause, `${published} times the producer was first`);
  t.end();
});

test('a producer that wakes after its record was unblocked leaves it padding', (t) => {
  const fixture = new RingFixture();
  const failures: string[] = [];
  let unblocked = 0;
  let pause = 0;
  for (let isReached = true; isReached; pause++) {
    fixture.reset(24);
    const unblockBehindAnother = (): void => {
      fixture.writeOnce(2, 32)();
      unblocked += fixture.core.ringUnblock(fixture.ring);
    };
    const operations = [fixture.writeOnce(1, 28), unblockBehindAnother];
    [isReached = false] = fixture.schedule.run(operations, [pause]);
    const verdict = fixture.verdict();
    if (verdict !== '') {
      failures.push(`pause ${pause}: ${verdict}`);
    }
  }
  t.deepEqual(failures, [], `${pause} schedules`);
  t.ok(unblocked > 0, `${unblocked} times the producer was taken for dead`);
  t.end();
});
