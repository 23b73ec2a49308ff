// positions.test.ts: term arithmetic near 2^31, 2^32 and 2^53, against BigInt.

import test from 'tape';
import { LogBuffer } from '../../src/memory/log-buffer.js';
import { computePosition, termIdAt } from '../../src/position.js';
import { pattern, testArena } from './log-pair.js';

const TERM_LENGTHS = [64 * 1024, 1024 * 1024, 16 * 1024 * 1024];
const INITIAL_TERM_IDS = [0, 1, -1, -(2 ** 31), 2 ** 31 - 1, 2 ** 31 - 5, 123_456_789];
const AROUND = [32, 2 ** 31, 2 ** 32, 2 ** 45, 2 ** 52, 2 ** 53 - 4096];

function positionsOf(termLength: number): number[] {
  const largest = Math.min(termLength * 2 ** 31, 2 ** 53 - 32);
  return AROUND.flatMap((around) =>
    [-termLength, -64, -32, 0, 32, 64, termLength].map((delta) => around + delta),
  ).filter((position) => position >= 0 && position <= largest - 4096);
}

/** Where BigInt says that a position lies: term id as i32, and index into the three terms. */
function expected(position: number, termLength: number, initialTermId: number) {
  const length = BigInt(termLength);
  const termCount = BigInt(position) / length;
  return {
    termId: Number(BigInt.asIntN(32, BigInt(initialTermId) + termCount)),
    offset: Number((termCount % 3n) * length + (BigInt(position) % length)),
  };
}

test('positions near 2^31, 2^32 and 2^53 lie where exact arithmetic says', (t) => {
  const arena = testArena();
  let count = 0;
  for (const termLength of TERM_LENGTHS.slice(0, 2)) {
    for (const initialTermId of INITIAL_TERM_IDS) {
      for (const startPosition of positionsOf(termLength)) {
        const log = LogBuffer.allocate(arena, {
          termLength,
          mtu: 1408,
          initialTermId,
          sessionId: 1,
          streamId: 2,
          startPosition,
        });
        const { termId, offset } = expected(startPosition, termLength, initialTermId);
        const base = log.meta - 3 * termLength;
        const isStartRight =
          log.tailPosition === startPosition &&
          arena.core.addressOf(log.meta, startPosition) === base + offset &&
          termIdAt(startPosition, termLength, initialTermId) === termId &&
          computePosition(termId, startPosition % termLength, termLength, initialTermId) ===
            startPosition;
        log.publisherLimit.set(startPosition + 2 * termLength);
        const source = log.meta + 2048;
        arena.u8.set(pattern(40, 1), source);
        const tail = arena.core.append(log.meta, source, 40);
        const begin = tail - 96;
        const place = expected(begin, termLength, initialTermId);
        const isFrameRight =
          arena.view.getInt32(base + place.offset, true) === 72 &&
          arena.view.getInt32(base + place.offset + 8, true) === begin % termLength &&
          arena.view.getInt32(base + place.offset + 20, true) === place.termId;
        if (!isStartRight || !isFrameRight) {
          t.fail(`term length ${termLength}, initial ${initialTermId}, start ${startPosition}`);
        }
        log.release();
        count++;
      }
    }
  }
  t.ok(count > 300, `${count} places`);
  t.end();
});

test('a sender limit is exact, and what the network invents does not move it back', (t) => {
  const { core } = testArena();
  for (const termLength of TERM_LENGTHS) {
    for (const initialTermId of INITIAL_TERM_IDS) {
      for (const position of positionsOf(termLength)) {
        const { termId } = expected(position, termLength, initialTermId);
        const offset = position % termLength;
        const limit = core.senderLimit(0, termId, offset, 4096, termLength, initialTermId);
        const isKept =
          core.senderLimit(limit, termId, offset, 32, termLength, initialTermId) === limit;
        if (limit !== position + 4096 || !isKept) {
          t.fail(`term length ${termLength}, initial ${initialTermId}, position ${position}`);
        }
      }
    }
  }
  t.equal(core.senderLimit(100, 4, 0, 4096, 65536, 5), 100, 'a term before the initial');
  t.equal(core.senderLimit(100, 5, 0, -1, 65536, 5), 100, 'a negative window');
  t.equal(core.senderLimit(100, 5, -32, 128, 65536, 5), 100, 'a negative offset');
  const far = core.senderLimit(0, 2 ** 31 - 1, 0, 2 ** 31 - 1, 2 ** 30, 0);
  t.equal(far, 2 ** 53 - 32, 'stays a safe integer');
  t.end();
});

test('a receiver window is the smallest of its three limits, and never negative', (t) => {
  const { core } = testArena();
  const termLength = 64 * 1024;
  t.equal(core.receiverWindow(4096, termLength, 0), 4096, 'initial window');
  t.equal(core.receiverWindow(1 << 20, termLength, 0), termLength / 2, 'half a term');
  t.equal(core.receiverWindow(4096, termLength, 2 * termLength - 64), 64, 'what is free');
  t.equal(core.receiverWindow(4096, termLength, 2 * termLength), 0);
  t.equal(core.receiverWindow(4096, termLength, 2 ** 53 - 1), 0);
  t.end();
});
