// parts.test.ts: the small parts of the cluster room, each against a simple model.

import fc from 'fast-check';
import test from 'tape';
import { ClockAgreement } from '../../src/cluster/clock-agreement.js';
import {
  EGRESS_BLOCK_LENGTH,
  EgressBlocks,
  EgressQueue,
  SPARE_BLOCK_COUNT_MAX,
} from '../../src/cluster/egress-queue.js';
import { LogClock } from '../../src/cluster/log-clock.js';
import { MessageAssembler } from '../../src/cluster/message-assembler.js';
import { egressChannelOf, isUsableResponseChannel } from '../../src/cluster/response-channel.js';

const PROPERTY = { seed: 20261122, numRuns: 500 };
const MS = 1_000_000;

/** Short messages in one block, or long ones over several, of which some need one of their own. */
function checkQueue(steps: readonly (number | 'shift')[], limit: number): boolean {
  const blocks = new EgressBlocks();
  const queue = new EgressQueue(limit, blocks);
  const model: Uint8Array[] = [];
  const from = Uint8Array.from({ length: 64 }, (_, index) => index);
  for (const [index, one] of steps.entries()) {
    if (one === 'shift') {
      const expected = model.shift() ?? new Uint8Array();
      if (Buffer.compare(queue.peek() ?? new Uint8Array(), expected) !== 0) {
        return false;
      }
      queue.shift();
    } else {
      const length = model.reduce((sum, bytes) => sum + bytes.length + 4, 0);
      const headLength = Math.min(one, 40);
      const body = new Uint8Array(one - headLength).fill(index);
      const fits = length + one + 4 <= limit;
      if (queue.push(from, 8, headLength, body) !== fits) {
        return false;
      }
      if (fits) {
        model.push(Uint8Array.from([...from.subarray(8, 8 + headLength), ...body]));
      }
    }
    const waiting = model.reduce((sum, bytes) => sum + bytes.length + 4, 0);
    if (queue.isEmpty !== (model.length === 0) || queue.length !== waiting) {
      return false;
    }
  }
  queue.clear();
  return queue.isEmpty && queue.peek() === undefined;
}

test('an egress queue gives back what it was given, in order, and never passes its limit', (t) => {
  for (const [lengthMax, limit] of [
    [300, 2_000],
    [90_000, 300_000],
  ] as const) {
    const step = fc.oneof(fc.nat(lengthMax), fc.constant('shift' as const));
    const steps = fc.array(step, { maxLength: 60 });
    const settings = { ...PROPERTY, numRuns: lengthMax < 1_000 ? PROPERTY.numRuns : 50 };
    fc.assert(
      fc.property(steps, (one) => checkQueue(one, limit)),
      settings,
    );
  }
  t.pass('for random pushes and shifts');
  t.end();
});

test('what an egress queue is done with serves the next one, up to a limit', (t) => {
  const blocks = new EgressBlocks();
  const queue = new EgressQueue(64 * 1024 * 1024, blocks);
  const fill = (count: number) => {
    for (let index = 0; index < count; index++) {
      queue.push(new Uint8Array(0), 0, 0, new Uint8Array(EGRESS_BLOCK_LENGTH - 4));
    }
  };
  fill(3);
  t.equal(blocks.spareCount, 0, 'three blocks are in use');
  queue.shift();
  t.equal(blocks.spareCount, 1, 'one is free');
  fill(1);
  t.equal(blocks.spareCount, 0, 'and used again');
  fill(2 * SPARE_BLOCK_COUNT_MAX);
  queue.clear();
  t.equal(blocks.spareCount, SPARE_BLOCK_COUNT_MAX, 'a burst does not keep its memory');
  t.end();
});

test('log time never goes back and runs at most five percent fast', (t) => {
  const tick = fc.record({
    elapsedMs: fc.integer({ min: 0, max: 5_000 }),
    jumpMs: fc.integer({ min: -3_600_000, max: 3_600_000 }),
  });
  fc.assert(
    fc.property(fc.array(tick, { minLength: 1, maxLength: 50 }), (ticks) => {
      const clock = new LogClock(60_000);
      let [nowNs, wallMs] = [0, 1_700_000_000_000];
      clock.startTerm(0, nowNs, wallMs, false);
      let last = clock.timeMs(nowNs, wallMs);
      for (const { elapsedMs, jumpMs } of ticks) {
        nowNs += elapsedMs * MS;
        wallMs += elapsedMs + jumpMs;
        const time = clock.timeMs(nowNs, wallMs);
        if (time < last || time - last > elapsedMs * 1.05 + 1) {
          return false;
        }
        last = time;
      }
      return true;
    }),
    PROPERTY,
  );
  t.pass('for random jumps of the wall clock');
  t.end();
});

test('a term starts at the wall clock when that is near the log, else at the log', (t) => {
  const clock = new LogClock(60_000);
  clock.startTerm(1_000_000, 0, 1_030_000, false);
  t.equal(clock.timeMs(0, 1_030_000), 1_030_000, 'half a minute ahead is followed');
  clock.startTerm(1_000_000, 0, 990_000, false);
  t.equal(clock.timeMs(0, 990_000), 1_000_000, 'behind the log is never followed');
  clock.startTerm(1_000_000, 0, 9_000_000, false);
  t.equal(clock.timeMs(0, 9_000_000), 1_000_000, 'two hours ahead is ignored');
  t.equal(clock.skewIgnoredCount, 1, 'and counted');
  clock.startTerm(1_000_000, 0, 9_000_000, true);
  t.equal(clock.timeMs(0, 9_000_000), 9_000_000, 'unless a quorum agrees');
  clock.startTerm(0, 0, 9_000_000, false);
  t.equal(clock.timeMs(0, 9_000_000), 9_000_000, 'an empty log has no time yet');
  t.end();
});

test('a clock that no quorum confirms is not crept up to, until it comes near by itself', (t) => {
  const clock = new LogClock(60_000);
  clock.startTerm(1_000_000, 0, 9_000_000, false);
  t.equal(clock.timeMs(100_000 * MS, 9_100_000), 1_100_000, 'time goes on at its own pace');
  t.equal(clock.timeMs(100_000 * MS, 1_100_500), 1_100_000, 'the wall clock was corrected');
  t.equal(clock.timeMs(101_000 * MS, 1_101_500), 1_101_050, 'and is followed from then on');
  t.end();
});

test('clocks agree when a quorum of them is near the own one', (t) => {
  const wall = { wallMs: () => 5_000_000, nowNs: () => 0 };
  const clocks = new ClockAgreement(wall, 0, [0, 1, 2, 3, 4]);
  t.notOk(clocks.isQuorumWithin(1_000, 7), 'nobody has said anything');
  clocks.onVoterClock(1, 7, 5_000_900);
  clocks.onVoterClock(1, 7, 5_000_800);
  t.notOk(clocks.isQuorumWithin(1_000, 7), 'two of five, however often one speaks');
  clocks.onVoterClock(2, 7, 5_001_001);
  clocks.onVoterClock(9, 7, 5_000_000);
  clocks.onVoterClock(0, 7, 5_000_000);
  clocks.onVoterClock(3, 6, 5_000_000);
  t.notOk(clocks.isQuorumWithin(1_000, 7), 'nor one too far, strangers, and earlier terms');
  clocks.onVoterClock(4, 7, 4_999_100);
  t.ok(clocks.isQuorumWithin(1_000, 7), 'three of five');
  t.notOk(clocks.isQuorumWithin(1_000, 8), 'in that term');
  clocks.onVoterClock(4, 8, 4_999_100);
  t.notOk(clocks.isQuorumWithin(1_000, 8), 'a new term begins anew');
  const alone = new ClockAgreement(wall, 0, [0]);
  t.ok(alone.isQuorumWithin(1_000, 3), 'a single member is its own quorum');
  t.end();
});

test('fragments become the messages they were cut from, whatever was lost between', (t) => {
  const message = fc.record({
    bytes: fc.uint8Array({ minLength: 1, maxLength: 5_000 }),
    lost: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 20 }), (messages) => {
      const whole: string[] = [];
      const assembler = new MessageAssembler((view, offset, length) => {
        whole.push(Buffer.from(view.buffer, view.byteOffset + offset, length).toString('hex'));
      }, 10_000);
      const expected: string[] = [];
      for (const { bytes, lost } of messages) {
        for (let start = 0; start < bytes.length; start += 1_000) {
          const end = Math.min(bytes.length, start + 1_000);
          const flags = (start === 0 ? 0x80 : 0) | (end === bytes.length ? 0x40 : 0);
          const view = new DataView(bytes.slice(start, end).buffer);
          // A writer that died in the middle of a message leaves it without an end.
          if (!(lost && end === bytes.length)) {
            assembler.onFragment(view, 0, end - start, flags, 0);
          }
        }
        if (!lost) {
          expected.push(Buffer.from(bytes).toString('hex'));
        }
      }
      return JSON.stringify(whole) === JSON.stringify(expected);
    }),
    PROPERTY,
  );
  t.pass('for random messages');
  t.end();
});

test('a message beyond the limit is dropped and counted, and the next one arrives', (t) => {
  let count = 0;
  const assembler = new MessageAssembler(() => {
    count++;
  }, 1_500);
  const view = new DataView(new ArrayBuffer(1_000));
  assembler.onFragment(view, 0, 1_000, 0x80, 0);
  assembler.onFragment(view, 0, 1_000, 0x40, 0);
  t.equal(count, 0);
  t.equal(assembler.droppedCount, 1);
  assembler.onFragment(view, 0, 1_000, 0xc0, 0);
  t.equal(count, 1);
  t.end();
});

test('of a response channel the endpoint is used, and nothing that could fail a leader', (t) => {
  for (const channel of [
    'aeron:udp?endpoint=127.0.0.1:4000',
    'aeron:udp?endpoint=127.0.0.1:4000|of-tomorrow=1',
    'aeron:udp?endpoint=127.0.0.1:4000|fc=min|so-sndbuf=1m|mtu=32k|session-id=7',
    'aeron:udp?init-term-id=1|term-id=2|term-offset=1073741824|endpoint=127.0.0.1:4000',
  ]) {
    t.equal(egressChannelOf(channel).toString(), 'aeron:udp?endpoint=127.0.0.1:4000', channel);
  }
  t.end();
});

test('a response channel must be UDP with a numeric endpoint and a port', (t) => {
  t.ok(isUsableResponseChannel('aeron:udp?endpoint=127.0.0.1:4000'));
  t.ok(isUsableResponseChannel('aeron:udp?endpoint=[::1]:4000|alias=x'));
  for (const bad of [
    '',
    'nonsense',
    'aeron:ipc',
    'aeron:udp',
    'aeron:udp?endpoint=name:4000',
    'aeron:udp?endpoint=127.0.0.1:0',
    'aeron-spy:aeron:udp?endpoint=127.0.0.1:1',
  ]) {
    t.notOk(isUsableResponseChannel(bad), bad);
  }
  t.end();
});
