// concurrent.test.ts: several producers on threads of their own, one reader, and dead writers.
//
// Method: two worker threads write numbered messages as fast as they are let; this thread reads,
// checks every byte, that each producer's messages come once and in order, and cleans behind. What
// a writer leaves behind when it dies is put into the memory by hand.

import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import fc from 'fast-check';
import test from 'tape';
import { LOG_ACTIVE_TERM_COUNT_OFFSET } from '../../assembly/layout/frame.js';
import { RING_DESCRIPTOR_LENGTH } from '../../assembly/layout/ring.js';
import { Arena } from '../../src/memory/arena.js';
import { SCAN_END_OFFSET, SCAN_HEADER_LENGTH, scanAreaLength } from '../../src/memory/core.js';
import { LogBuffer } from '../../src/memory/log-buffer.js';
import { messageOf, type ProducerTask } from './concurrent-task.js';
import { LogPair, pattern, testArena } from './log-pair.js';
import { PROPERTY_SETTINGS } from './property-settings.js';

const TERM_LENGTH = 64 * 1024;
const PRODUCER_COUNT = 2;
const MESSAGE_COUNT = 12_000;
const FRAMES_MAX = 512;
const ADMIN_ACTION = -3;

type Shared = Pick<ProducerTask, 'kind' | 'target' | 'claimLengthMax'>;

/** Starts the producers; the promise of their end, after which nothing is written any more. */
function startProducers(arena: Arena, shared: Shared): Promise<void> {
  const readyAddress = arena.allocate(64);
  const ends = Array.from({ length: PRODUCER_COUNT }, (_, producer) => {
    const task: ProducerTask = {
      ...shared,
      memory: arena.memory,
      producer,
      messageCount: MESSAGE_COUNT,
      scratch: arena.allocate(4096),
      pauseAddress: arena.allocate(64),
      readyAddress,
      producerCount: PRODUCER_COUNT,
    };
    // A worker does not inherit the loader of TypeScript: it registers it itself.
    const file = new URL('./concurrent-worker.ts', import.meta.url).href;
    const start = `import('tsx/esm/api').then(({ register }) => {
      register();
      return import(${JSON.stringify(file)});
    });`;
    const worker = new Worker(start, { eval: true, workerData: task });
    return new Promise<void>((resolve, reject) => {
      worker.on('error', reject);
      worker.on('exit', () => resolve());
    });
  });
  return Promise.all(ends).then(() => undefined);
}

/** Checks that messages of each producer are whole, in order, once. */
class Checker {
  readonly next = new Array<number>(PRODUCER_COUNT).fill(0);
  problem = '';

  accept(bytes: Uint8Array, lengthMax = 4096): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const producer = view.getInt32(0, true);
    const sequence = view.getInt32(4, true);
    const expected = messageOf(producer, this.next[producer] ?? -1).subarray(0, lengthMax);
    if (Buffer.compare(bytes, expected) !== 0) {
      this.problem ||= `producer ${producer}: got ${sequence}, awaited ${this.next[producer]}`;
    }
    this.next[producer] = sequence + 1;
  }

  get isComplete(): boolean {
    return this.next.every((count) => count === MESSAGE_COUNT);
  }
}

/** Joins fragments; writers fragment within one reservation, so parts are never mixed. */
class Assembler {
  #parts: Uint8Array[] = [];

  /** The whole message when this was its last part. */
  add(flags: number, payload: Uint8Array): Uint8Array | undefined {
    this.#parts = (flags & 0x80) !== 0 ? [payload] : [...this.#parts, payload];
    return (flags & 0x40) !== 0 ? Buffer.concat(this.#parts) : undefined;
  }
}

test('two threads append to one log, and every message is there once, in order', async (t) => {
  const arena = Arena.create(4 * 1024 * 1024);
  const { core, u8, view } = arena;
  const log = LogBuffer.allocate(arena, {
    termLength: TERM_LENGTH,
    mtu: 512,
    initialTermId: 2 ** 31 - 2,
    sessionId: 1,
    streamId: 2,
  });
  log.setChecksum(true, 5);
  log.publisherLimit.set(TERM_LENGTH);
  const answer = arena.allocate(scanAreaLength(FRAMES_MAX));
  let isDone = false;
  const done = startProducers(arena, { kind: 'log', target: log.meta, claimLengthMax: 480 }).then(
    () => {
      isDone = true;
    },
  );
  const checker = new Checker();
  const assembler = new Assembler();
  let position = 0;
  let checksumErrors = 0;
  let isLastRound = false;
  while (!isLastRound) {
    isLastRound = isDone;
    const from = position;
    const limit = log.tailPosition;
    const count = core.scan(log.meta, from, limit, FRAMES_MAX, answer);
    for (let i = 0; i < count; i++) {
      const address = view.getInt32(answer + SCAN_HEADER_LENGTH + i * 8, true);
      const length = view.getInt32(answer + SCAN_HEADER_LENGTH + i * 8 + 4, true);
      const crc = core.frameChecksum(address, length);
      checksumErrors += view.getInt32(address + 24, true) === crc ? 0 : 1;
      const payload = u8.slice(address + 32, address + length);
      const message = assembler.add(u8[address + 5] ?? 0, payload);
      if (message !== undefined) {
        checker.accept(message);
      }
    }
    position = view.getFloat64(answer + SCAN_END_OFFSET, true);
    core.logClean(log.meta, position, 1 << 30);
    log.publisherLimit.set(position + TERM_LENGTH);
    isLastRound &&= position === from;
    await setImmediate();
  }
  await done;
  t.equal(checker.problem, '');
  t.ok(checker.isComplete, `${checker.next.join(' and ')} messages over ${position} bytes`);
  t.equal(checksumErrors, 0, 'every checksum is right');
  t.equal(position, log.tailPosition, 'the reader has reached the tail');
  t.end();
});

test('two threads write to one ring, and every record is there once, in order', async (t) => {
  // Room for nearly everything: producers that wait for the reader would hardly meet each other.
  const arena = Arena.create(4 * 1024 * 1024);
  const { core, u8, view } = arena;
  const capacity = 1024 * 1024;
  const lengthMax = 512;
  const ring = arena.allocate(RING_DESCRIPTOR_LENGTH + capacity);
  core.ringInitialize(ring, capacity);
  const answer = arena.allocate(scanAreaLength(FRAMES_MAX));
  let isDone = false;
  const done = startProducers(arena, {
    kind: 'ring',
    target: ring,
    claimLengthMax: lengthMax,
  }).then(() => {
    isDone = true;
  });
  const checker = new Checker();
  let typeErrors = 0;
  let isLastRound = false;
  while (!isLastRound) {
    isLastRound = isDone;
    const count = core.ringRead(ring, FRAMES_MAX, answer);
    for (let i = 0; i < count; i++) {
      const address = view.getInt32(answer + SCAN_HEADER_LENGTH + i * 8, true);
      const length = view.getInt32(answer + SCAN_HEADER_LENGTH + i * 8 + 4, true);
      typeErrors += view.getInt32(address - 4, true) === view.getInt32(address, true) + 1 ? 0 : 1;
      checker.accept(u8.slice(address, address + length), lengthMax);
    }
    core.ringRelease(ring);
    isLastRound &&= count === 0;
    await setImmediate();
  }
  await done;
  t.equal(checker.problem, '');
  t.ok(checker.isComplete, `${checker.next.join(' and ')} records`);
  t.equal(typeErrors, 0, 'every type id is right');
  t.end();
});

const GEOMETRY = {
  termLength: TERM_LENGTH,
  mtu: 1408,
  initialTermId: -7,
  sessionId: 1,
  streamId: 2,
} as const;

test('alone, a concurrent writer makes the same log as an exclusive one', (t) => {
  let rotations = 0;
  const lengths = fc.array(fc.nat(6000), { minLength: 1, maxLength: 120, size: 'max' });
  const property = fc.property(lengths, fc.boolean(), (sequence, isChecked) => {
    const pair = new LogPair(GEOMETRY);
    const { core } = pair.arena;
    pair.setChecksum(isChecked, 8);
    let isEqual = true;
    for (const [i, length] of sequence.entries()) {
      const message = pattern(length, i);
      pair.put(message);
      if (pair.twin.tail > pair.twin.clean) {
        pair.clean(pair.twin.tail);
      }
      pair.setLimit(pair.twin.tail + TERM_LENGTH);
      let result = core.concurrentAppend(pair.log.meta, pair.scratch, length);
      if (result === ADMIN_ACTION) {
        rotations++;
        result = core.concurrentAppend(pair.log.meta, pair.scratch, length);
      }
      isEqual &&= result === pair.twin.append(message);
    }
    pair.check();
    pair.release();
    return isEqual;
  });
  fc.assert(property, PROPERTY_SETTINGS);
  t.ok(rotations > PROPERTY_SETTINGS.numRuns, `${rotations} rotations`);
  t.end();
});

/** A concurrent log with room, near the end of its first term. */
function concurrentLog(startPosition: number): LogPair {
  const pair = new LogPair({ ...GEOMETRY, startPosition });
  pair.setChecksum(true, 4);
  pair.setLimit(startPosition + 2 * TERM_LENGTH);
  return pair;
}

/** Moves the tail of the active term as a writer does that dies right after. */
function abandon(pair: LogPair, length: number): void {
  const { view } = pair.arena;
  const termCount = view.getInt32(pair.log.meta + LOG_ACTIVE_TERM_COUNT_OFFSET, true);
  const pointer = pair.log.meta + (termCount % 3) * 8;
  view.setInt32(pointer, view.getInt32(pointer, true) + length, true);
}

function scanned(pair: LogPair, from: number): { count: number; end: number } {
  const answer = testArena().allocate(scanAreaLength(10));
  const { core, view } = pair.arena;
  const count = core.scan(pair.log.meta, from, pair.log.tailPosition, 10, answer);
  const end = view.getFloat64(answer + SCAN_END_OFFSET, true);
  testArena().release(answer, scanAreaLength(10));
  return { count, end };
}

test('a claim of a dead writer is padded over, and a late commit changes nothing', (t) => {
  const pair = concurrentLog(64);
  const { core } = pair.arena;
  const payload = core.concurrentClaim(pair.log.meta, 100);
  core.concurrentAppend(pair.log.meta, pair.scratch, 50);
  t.deepEqual(scanned(pair, 64), { count: 0, end: 64 }, 'it blocks the reader');
  t.equal(core.logUnblock(pair.log.meta, 64), 1);
  t.deepEqual(scanned(pair, 64), { count: 1, end: 64 + 160 + 96 });
  core.concurrentCommit(pair.log.meta, payload);
  core.concurrentAbort(pair.log.meta, payload);
  t.deepEqual(scanned(pair, 64), { count: 1, end: 64 + 160 + 96 }, 'late');
  t.equal(core.logUnblock(pair.log.meta, 64), 0, 'nothing is left to do');
  pair.release();
  t.end();
});

test('room that a dead writer took without a mark is padded over', (t) => {
  for (const isFollowed of [true, false]) {
    const pair = concurrentLog(0);
    const { core } = pair.arena;
    abandon(pair, 224);
    if (isFollowed) {
      core.concurrentAppend(pair.log.meta, pair.scratch, 10);
    }
    t.equal(core.logUnblock(pair.log.meta, 0), 1);
    t.deepEqual(scanned(pair, 0), {
      count: isFollowed ? 1 : 0,
      end: isFollowed ? 224 + 64 : 224,
    });
    pair.release();
  }
  t.end();
});

test('a term that a dead writer filled without rotating is left behind', (t) => {
  const pair = concurrentLog(TERM_LENGTH - 128);
  const { core } = pair.arena;
  abandon(pair, 128);
  t.equal(core.logUnblock(pair.log.meta, TERM_LENGTH - 128), 1, 'pads to the end of the term');
  t.equal(core.logUnblock(pair.log.meta, TERM_LENGTH), 1, 'and rotates');
  t.equal(core.logUnblock(pair.log.meta, TERM_LENGTH), 0);
  t.equal(core.concurrentAppend(pair.log.meta, pair.scratch, 10), TERM_LENGTH + 64);
  t.deepEqual(scanned(pair, TERM_LENGTH - 128), { count: 1, end: TERM_LENGTH + 64 });
  pair.release();
  t.end();
});

test('nothing is unblocked where nobody has written, or where a frame is whole', (t) => {
  const pair = concurrentLog(0);
  const { core } = pair.arena;
  t.equal(core.logUnblock(pair.log.meta, 0), 0, 'at the tail');
  t.equal(core.logUnblock(pair.log.meta, 9 * TERM_LENGTH), 0, 'far beyond it');
  core.concurrentAppend(pair.log.meta, pair.scratch, 10);
  t.equal(core.logUnblock(pair.log.meta, 0), 0, 'a whole frame');
  pair.release();
  t.end();
});
