// log-buffer.test.ts: the exclusive writer and the readers of its log, against the twin.
//
// Method: random sequences of operations go to core.wasm and to the twin; every answer, and every
// byte of the three terms, must be equal. Start positions lie where numbers change their nature.

import fc from 'fast-check';
import test from 'tape';
import { LogPair, pattern } from './log-pair.js';
import { PROPERTY_SETTINGS } from './property-settings.js';
import { BACK_PRESSURED, MAX_POSITION_EXCEEDED } from './twin/log-twin.js';

const TERM_LENGTH = 64 * 1024;
/** The largest position of terms of this length. */
const POSITION_LIMIT = TERM_LENGTH * 2 ** 31;

type Operation = (state: State) => void;

interface Claim {
  position: number;
  length: number;
}

/** What the operations share: the pair, a reader's position, and open claims. */
interface State {
  pair: LogPair;
  read: number;
  claims: Claim[];
  seed: number;
}

const appendOperation = fc
  .record({ length: fc.integer({ min: 0, max: 8192 }), head: fc.nat(64) })
  .map(({ length, head }): Operation => {
    return ({ pair, seed }) => {
      pair.append(pattern(length, seed), Math.min(head, length));
    };
  });

const claimOperation = fc.nat(4096).map((length): Operation => {
  return ({ pair, claims }) => {
    const claimLength = Math.min(length, pair.twin.geometry.mtu - 32);
    const position = pair.claim(claimLength);
    if (position >= 0) {
      claims.push({ position, length: claimLength });
    }
  };
});

const settleOperation = fc
  .record({ index: fc.nat(5), isCommit: fc.boolean() })
  .map(({ index, isCommit }): Operation => {
    return ({ pair, claims, seed }) => {
      const [claim] = claims.splice(index % Math.max(1, claims.length), 1);
      if (claim === undefined) {
        return;
      }
      if (isCommit) {
        pair.commit(claim.position, pattern(claim.length, seed));
      } else {
        pair.abort(claim.position, claim.length);
      }
    };
  });

const paddingOperation = fc.integer({ min: 1, max: 200 }).map((units): Operation => {
  return ({ pair }) => {
    pair.appendPadding(units * 32);
  };
});

const readOperation = fc
  .record({
    frameLimit: fc.nat(20),
    blockLength: fc.integer({ min: 32, max: 20_000 }),
    limitDistance: fc.nat(3000),
  })
  .map(({ frameLimit, blockLength, limitDistance }): Operation => {
    return (state) => {
      const { pair } = state;
      // A limit lies anywhere, also within a frame.
      const limit = Math.max(state.read, pair.twin.tail - limitDistance);
      pair.scan(state.read, limit, frameLimit);
      pair.nextBlock(state.read, limit, blockLength);
      const block = pair.nextBlock(state.read, pair.twin.tail, blockLength);
      const { end } = pair.scan(state.read, pair.twin.tail, frameLimit);
      state.read = block.length > 0 && frameLimit % 2 === 0 ? state.read + block.advance : end;
    };
  });

/** Cleans or retires behind the reader, but never below an open claim. */
const cleanOperation = fc
  .record({ lengthMax: fc.integer({ min: 1, max: 100_000 }), isRetired: fc.boolean() })
  .map(({ lengthMax, isRetired }): Operation => {
    return ({ pair, read, claims }) => {
      const oldest = Math.min(read, ...claims.map(({ position }) => position));
      if (oldest > pair.twin.clean && isRetired) {
        pair.retire(oldest);
      } else if (oldest > pair.twin.clean) {
        pair.clean(oldest, lengthMax);
      }
      pair.setLimit(pair.twin.clean + 3 * TERM_LENGTH);
    };
  });

const limitOperation = fc.nat(3000).map((units): Operation => {
  return ({ pair }) => {
    pair.setLimit(pair.twin.tail + units * 32);
  };
});

const checksumOperation = fc
  .record({ enabled: fc.boolean(), term: fc.integer() })
  .map(({ enabled, term }): Operation => {
    return ({ pair, claims }) => {
      if (claims.length === 0) {
        pair.setChecksum(enabled, term);
      }
    };
  });

const operations = fc.array(
  fc.oneof(
    { weight: 8, arbitrary: appendOperation },
    { weight: 4, arbitrary: claimOperation },
    { weight: 8, arbitrary: settleOperation },
    { weight: 1, arbitrary: paddingOperation },
    { weight: 6, arbitrary: readOperation },
    { weight: 6, arbitrary: cleanOperation },
    { weight: 1, arbitrary: limitOperation },
    { weight: 1, arbitrary: checksumOperation },
  ),
  { minLength: 1, maxLength: 500, size: 'max' },
);

const startPosition = fc.oneof(
  fc.constant(0),
  ...[2 ** 31, 2 ** 32, 2 ** 45, POSITION_LIMIT - 4 * TERM_LENGTH].map((around) =>
    fc.integer({ min: -3000, max: 3000 }).map((units) => Math.max(0, around + units * 32)),
  ),
);

const geometry = fc.record({
  termLength: fc.constant(TERM_LENGTH),
  mtu: fc.constantFrom(64, 96, 1408, 8192, 65_504),
  initialTermId: fc.oneof(
    fc.constantFrom(0, -1, 2 ** 31 - 1, -(2 ** 31)),
    fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  ),
  sessionId: fc.integer(),
  streamId: fc.integer(),
  startPosition,
});

test('a log buffer does what its twin does, whatever the order of operations', (t) => {
  let stepCount = 0;
  let rotationCount = 0;
  let cleanedLength = 0;
  const property = fc.property(geometry, operations, (shape, steps) => {
    const pair = new LogPair(shape);
    const state: State = { pair, read: shape.startPosition, claims: [], seed: 0 };
    pair.setLimit(shape.startPosition + 3 * TERM_LENGTH);
    for (const step of steps) {
      state.seed++;
      step(state);
    }
    pair.check();
    stepCount += steps.length;
    const termOf = (position: number) => Math.floor(position / TERM_LENGTH);
    rotationCount += termOf(pair.twin.tail) - termOf(shape.startPosition);
    cleanedLength += pair.twin.clean - shape.startPosition;
    pair.release();
  });
  fc.assert(property, PROPERTY_SETTINGS);
  // What was hardly reached would prove little.
  t.ok(stepCount > 50 * PROPERTY_SETTINGS.numRuns, `${stepCount} operations agree`);
  t.ok(rotationCount > 3 * PROPERTY_SETTINGS.numRuns, `${rotationCount} rotations`);
  t.ok(cleanedLength > TERM_LENGTH * PROPERTY_SETTINGS.numRuns, `${cleanedLength} bytes cleaned`);
  t.end();
});

test('an append that does not fit below the limit leaves the log untouched', (t) => {
  const pair = new LogPair({
    termLength: TERM_LENGTH,
    mtu: 1408,
    initialTermId: 7,
    sessionId: 1,
    streamId: 2,
    startPosition: TERM_LENGTH - 64,
  });
  // The message needs 128 bytes: the padding of 64 and itself must both lie below the limit.
  for (const limit of [TERM_LENGTH - 64, TERM_LENGTH, TERM_LENGTH + 96]) {
    pair.setLimit(limit);
    t.equal(pair.append(pattern(96, 1)), BACK_PRESSURED, `limit ${limit} refuses`);
    pair.check();
  }
  pair.setLimit(TERM_LENGTH + 128);
  t.equal(pair.append(pattern(96, 1)), TERM_LENGTH + 128, 'the exact limit allows');
  pair.check();
  pair.release();
  t.end();
});

test('a log ends at its largest position with a code of its own', (t) => {
  for (const [termLength, largest] of [
    [TERM_LENGTH, POSITION_LIMIT],
    [8 * 1024 * 1024, 2 ** 53 - 32],
  ] as const) {
    const pair = new LogPair({
      termLength,
      mtu: 1408,
      initialTermId: -3,
      sessionId: 1,
      streamId: 2,
      startPosition: largest - 256,
    });
    pair.setLimit(largest + 4096);
    t.equal(pair.append(pattern(96, 1)), largest - 128);
    t.equal(pair.append(pattern(200, 2)), MAX_POSITION_EXCEEDED);
    t.equal(pair.append(pattern(96, 3)), largest, 'what fits exactly is taken');
    t.equal(pair.append(pattern(0, 4)), MAX_POSITION_EXCEEDED);
    t.equal(pair.scan(largest - 256, largest, 10).end, largest);
    pair.check();
    pair.release();
  }
  t.end();
});

test('a log that ends in padding is read to its tail at every alignment', (t) => {
  for (let units = 1; units <= 64; units++) {
    const pair = new LogPair({
      termLength: TERM_LENGTH,
      mtu: 4096,
      initialTermId: 0,
      sessionId: 1,
      streamId: 2,
      startPosition: TERM_LENGTH - 64 * 32,
    });
    pair.setLimit(2 * TERM_LENGTH);
    const start = pair.twin.tail;
    if (units < 64) {
      pair.append(pattern((64 - units) * 32 - 32, units));
    }
    const tail = pair.appendPadding(units * 32);
    const whole = pair.scan(start, tail, 100);
    const limited = pair.scan(start, tail, whole.frames.length);
    if (whole.end !== tail || limited.end !== tail || tail !== TERM_LENGTH) {
      t.fail(`padding of ${units * 32} bytes is not stepped over`);
    }
    pair.release();
  }
  t.pass('64 alignments');
  t.end();
});

test('a request for a place where no frame starts, or no longer, finds nothing', (t) => {
  const pair = new LogPair({
    termLength: TERM_LENGTH,
    mtu: 1408,
    initialTermId: 0,
    sessionId: 1,
    streamId: 2,
  });
  pair.setLimit(2 * TERM_LENGTH);
  // A payload of which every word looks like a frame length.
  pair.append(Uint8Array.from({ length: 1000 }, (_, i) => (i % 4 === 0 ? 0x60 : 0)));
  pair.append(pattern(100, 1));
  const tail = pair.append(pattern(100, 2));
  t.equal(pair.nextBlock(1056, tail, 1408).length, 320, 'where a frame starts');
  t.equal(pair.nextBlock(64, tail, 1408).length, 0, 'within a frame');
  t.equal(pair.nextBlock(1060, tail, 1408).length, 0, 'off the grid');
  t.equal(pair.nextBlock(tail + 32, tail, 1408).length, 0, 'beyond the limit');
  pair.clean(1056);
  t.equal(pair.nextBlock(0, tail, 1408).length, 0, 'behind the clean position');
  t.equal(pair.nextBlock(1056, tail, 1408).length, 320);
  pair.release();
  t.end();
});

test('a place that newer frames have taken is not handed out as an older one', (t) => {
  const pair = new LogPair({
    termLength: TERM_LENGTH,
    mtu: 1408,
    initialTermId: 0,
    sessionId: 1,
    streamId: 2,
  });
  for (let i = 0; pair.twin.tail < 3 * TERM_LENGTH + 8192; i++) {
    pair.setLimit(pair.twin.tail + 2 * TERM_LENGTH);
    const tail = pair.append(pattern(1376, i));
    pair.clean(Math.min(tail, 2 * TERM_LENGTH));
  }
  const newer = pair.nextBlock(3 * TERM_LENGTH, pair.twin.tail, 1408);
  t.equal(newer.length, 1408, 'a frame stands where position 0 was');
  t.equal(pair.nextBlock(0, pair.twin.tail, 1408).length, 0);
  t.equal(pair.arena.core.scan(pair.log.meta, 0, 4096, 1, pair.scratch), 0);
  pair.release();
  t.end();
});

test('terms that are filled to the byte, round after round, leave the metadata alone', (t) => {
  const pair = new LogPair({
    termLength: TERM_LENGTH,
    mtu: 4096,
    initialTermId: 2 ** 31 - 4,
    sessionId: 1,
    streamId: 2,
  });
  for (let i = 0; i < 10 * 16; i++) {
    pair.setLimit(pair.twin.tail + TERM_LENGTH);
    pair.append(pattern(4096 - 32, i));
    pair.check();
    pair.clean(pair.twin.tail);
  }
  t.equal(pair.log.tailPosition, 10 * TERM_LENGTH);
  const tails = [0, 1, 2].map((partition) => {
    const tail = pair.arena.view.getBigInt64(pair.log.meta + partition * 8, true);
    return [Number(tail >> 32n), Number(tail & 0xffff_ffffn)];
  });
  const termIdOf = (termCount: number) => (2 ** 31 - 4 + termCount) | 0;
  t.deepEqual(
    tails,
    [9, 7, 8].map((termCount) => [termIdOf(termCount), TERM_LENGTH]),
    'tails of the last three terms',
  );
  t.equal(pair.scan(pair.twin.tail, pair.twin.tail, 1).end, 10 * TERM_LENGTH);
  pair.release();
  t.end();
});

test('cleaning never touches what was not written yet', (t) => {
  const pair = new LogPair({
    termLength: TERM_LENGTH,
    mtu: 1408,
    initialTermId: 0,
    sessionId: 1,
    streamId: 2,
  });
  pair.setLimit(TERM_LENGTH);
  const tail = pair.append(pattern(5000, 1));
  t.throws(() => pair.arena.core.logClean(pair.log.meta, tail + 32, 1 << 20), /unreachable/);
  t.equal(pair.clean(tail, 100), 96, 'cleans whole alignments only');
  t.equal(pair.clean(tail), tail);
  pair.check();
  pair.release();
  t.end();
});

test('a limit beyond what was cleaned is a broken invariant, not an overwrite', (t) => {
  const pair = new LogPair({
    termLength: TERM_LENGTH,
    mtu: 1408,
    initialTermId: 0,
    sessionId: 1,
    streamId: 2,
  });
  const { core } = pair.arena;
  core.logSetPublisherLimit(pair.log.meta, 4 * TERM_LENGTH);
  const write = () => core.append(pair.log.meta, pair.scratch, 1376);
  t.throws(() => {
    while (write() > 0) {
      // The writer goes on until the limit that should not have been set.
    }
  }, /unreachable/);
  t.ok(core.logTail(pair.log.meta) <= 3 * TERM_LENGTH, 'nothing was written beyond');
  pair.release();
  t.end();
});
