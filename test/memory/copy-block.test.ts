// copy-block.test.ts: bytes that are copied out of a log buffer while another thread cleans it.
//
// Method: one of the two operations is stopped after its k-th atomic operation, for every k, and
// the other one runs there from start to end. Whatever is said to be whole must be what was
// written.

import test from 'tape';
import { Arena } from '../../src/memory/arena.js';
import type { CoreExports } from '../../src/memory/core.js';
import { LogBuffer } from '../../src/memory/log-buffer.js';
import { interleavedCore } from './interleaved-core.js';

const TERM_LENGTH = 64 * 1024;
const BLOCK_LENGTH = 4096;
const PAUSE_COUNT_MAX = 20;
const MESSAGE = new Uint8Array(200).fill(7);

class Fixture {
  readonly arena = Arena.create(1024 * 1024);
  readonly log: LogBuffer;
  readonly target = this.arena.allocate(BLOCK_LENGTH);
  /** What runs at the next pause but so many. */
  #left = -1;
  #other: () => void = () => undefined;
  readonly core: CoreExports = interleavedCore(this.arena.memory, () => this.#pause());

  constructor() {
    const geometry = { initialTermId: 0, sessionId: 1, streamId: 2 };
    this.log = LogBuffer.allocate(this.arena, { termLength: TERM_LENGTH, mtu: 1408, ...geometry });
    this.log.publisherLimit.set(TERM_LENGTH);
    const source = this.arena.allocate(MESSAGE.length);
    this.arena.u8.set(MESSAGE, source);
    for (let count = 0; count < 40; count++) {
      this.arena.core.append(this.log.meta, source, MESSAGE.length);
    }
  }

  get base(): number {
    return this.log.meta - 3 * TERM_LENGTH;
  }

  copy(from: number, limit: number): number {
    const { log, target } = this;
    return this.core.copyBlock(log.meta, TERM_LENGTH, from, limit, BLOCK_LENGTH, target);
  }

  /** Runs an operation, and another one after so many atomic operations of it. */
  interrupt(operation: () => void, pauses: number, other: () => void): boolean {
    this.#left = pauses;
    this.#other = other;
    operation();
    const wasReached = this.#left < 0;
    this.#left = -1;
    return wasReached;
  }

  #pause(): void {
    if (this.#left === 0) {
      this.#left = -1;
      this.#other();
    } else if (this.#left > 0) {
      this.#left--;
    }
  }
}

test('a block is copied as it lies in the term, up to a limit and the end of the term', (t) => {
  const fixture = new Fixture();
  const { arena, base, log, target } = fixture;
  const tail = log.tailPosition;
  t.equal(fixture.copy(0, tail), BLOCK_LENGTH, 'at most the length that is asked for');
  t.deepEqual(
    arena.u8.slice(target, target + BLOCK_LENGTH),
    arena.u8.slice(base, base + BLOCK_LENGTH),
  );
  t.equal(fixture.copy(tail - 256, tail), 256, 'at most what is there');
  t.equal(fixture.copy(tail, tail), 0, 'nothing where the limit is');
  t.equal(fixture.copy(tail - 256, TERM_LENGTH), 256, 'and what was written, whatever the limit');
  log.rebuildPosition.set(2 * TERM_LENGTH);
  t.equal(fixture.copy(TERM_LENGTH - 64, 2 * TERM_LENGTH), 64, 'and never beyond the term');
  t.end();
});

test('what was cleaned is not copied, and what lies behind it is', (t) => {
  const fixture = new Fixture();
  fixture.core.logClean(fixture.log.meta, 1024, 1024);
  t.equal(fixture.copy(0, 2048), -1);
  t.equal(fixture.copy(1024 - 32, 2048), -1);
  t.equal(fixture.copy(1024, 2048), 1024);
  t.end();
});

test('whoever cleans while a block is copied is noticed, wherever the two meet', (t) => {
  const tries: { readonly isCleanerFirst: boolean; readonly result: number }[] = [];
  for (const isCleanerFirst of [true, false]) {
    for (let pauses = 0; pauses < PAUSE_COUNT_MAX; pauses++) {
      const fixture = new Fixture();
      const { arena, base, log, target } = fixture;
      const expected = arena.u8.slice(base, base + 1024);
      let result = 0;
      const copy = (): void => {
        result = fixture.copy(0, 1024);
        const found = arena.u8.slice(target, target + 1024);
        if (result > 0 && Buffer.compare(found, expected) !== 0) {
          t.fail(`bytes that are not whole are taken for whole, after ${pauses} operations`);
        }
      };
      const clean = (): void => {
        fixture.core.logClean(log.meta, 512, 512);
      };
      const wasReached = isCleanerFirst
        ? fixture.interrupt(clean, pauses, copy)
        : fixture.interrupt(copy, pauses, clean);
      if (!wasReached) {
        break;
      }
      tries.push({ isCleanerFirst, result });
    }
  }
  t.ok(tries.length >= 8, `${tries.length} schedules`);
  t.ok(
    tries.some(({ result }) => result === 1024),
    'a copy that comes before is whole',
  );
  t.ok(
    tries.some(({ result }) => result === -1),
    'one that is overtaken is refused',
  );
  t.end();
});

test('the fence keeps the word that it is made with', (t) => {
  const arena = Arena.create(128 * 1024);
  const address = arena.allocate(64);
  arena.i32[address >> 2] = -77;
  arena.core.fence(address);
  t.equal(arena.i32[address >> 2], -77);
  t.end();
});

test('a thread allocates in the range that it was given, and a new owner behind the old', (t) => {
  const arena = Arena.create(1024 * 1024);
  const range = { address: arena.allocate(16 * 1024), length: 16 * 1024 };
  const other = Arena.attach(arena.memory, range);
  const first = other.allocate(4096);
  t.equal(first, range.address);
  other.allocate(12 * 1024);
  t.throws(() => other.allocate(1), /raise memoryLength/);
  const next = Arena.adopt(arena.memory, arena.untouchedStart);
  t.equal(next.allocate(4096), range.address + range.length, 'nothing is given out twice');
  t.throws(() => Arena.attach(arena.memory).allocate(1), /raise memoryLength/);
  t.end();
});
