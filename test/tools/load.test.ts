// What is sent when, and from which instant a latency counts.

import test from 'tape';
import type { Clock } from '../../src/ports/clock.js';
import { Load, type LoadTarget, PacedSender, WindowSender } from '../../src/tools/load.js';

const NS_PER_MS = 1e6;

class ManualClock implements Clock {
  now = 0;
  nowNs(): number {
    return this.now;
  }
  wallMs(): number {
    return 0;
  }
}

/** Takes as many messages as it has room for, and keeps them. */
class FakeTarget implements LoadTarget {
  readonly messages: Uint8Array[] = [];
  room = Number.POSITIVE_INFINITY;
  wakeCount = 0;

  offer(buffer: Uint8Array, offset: number, length: number): number {
    if (this.room === 0) {
      return -2;
    }
    this.room--;
    this.messages.push(buffer.slice(offset, offset + length));
    return this.messages.length;
  }
  wake(): void {
    this.wakeCount++;
  }
}

function setUp(burst: number) {
  const clock = new ManualClock();
  const target = new FakeTarget();
  const latencies: number[] = [];
  const load = new Load({
    target,
    shape: { payloadLength: 32, burst },
    runId: 7,
    clock,
    record: (latencyNs) => latencies.push(latencyNs),
  });
  const echo = (message: Uint8Array | undefined): void => {
    if (message !== undefined) {
      load.onEcho(new DataView(message.buffer), 0, message.length);
    }
  };
  return { clock, target, load, latencies, echo };
}

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

test('a burst that was sent late is measured from the instant at which it was due', (t) => {
  const { clock, target, load, latencies, echo } = setUp(2);
  clock.now = 5 * NS_PER_MS;
  target.room = 1;
  t.notOk(load.sendBurst(2 * NS_PER_MS), 'only a part was taken');
  target.room = 9;
  t.ok(load.sendBurst(2 * NS_PER_MS), 'the rest follows');
  t.equal(load.ledger.sentCount, 2, 'nothing is sent twice');
  clock.now = 6 * NS_PER_MS;
  target.messages.forEach(echo);
  t.deepEqual(latencies, [4 * NS_PER_MS, 4 * NS_PER_MS]);
  t.end();
});

test('an echo of another run is a stray and is not counted', (t) => {
  const { load, latencies, echo } = setUp(1);
  echo(new Uint8Array(32));
  t.equal(load.strayCount, 1);
  t.equal(load.ledger.acknowledgedCount, 0);
  t.deepEqual(latencies, []);
  t.end();
});

test('the paced sender catches up after a pause: no burst that was due is left out', async (t) => {
  const { clock, target, load } = setUp(2);
  const sender = new PacedSender(load, target, clock, 2_000, 2);
  const running = sender.run(10 * NS_PER_MS);
  t.equal(load.ledger.sentCount, 2, 'the first burst is due at once');
  clock.now = 5.5 * NS_PER_MS;
  await new Promise((resolve) => setTimeout(resolve, 5));
  t.equal(load.ledger.sentCount, 12, 'bursts of 0, 1, 2, 3, 4 and 5 ms');
  clock.now = 60 * NS_PER_MS;
  await running;
  t.equal(load.ledger.sentCount, 20, 'and none is due after the end');
});

test('a sender that is stopped drops what could not leave, and counts it', async (t) => {
  const { clock, target, load } = setUp(1);
  const sender = new PacedSender(load, target, clock, 1_000, 1);
  target.room = 1;
  const running = sender.run();
  clock.now = 4.5 * NS_PER_MS;
  sender.stop();
  await running;
  t.equal(load.ledger.sentCount, 1);
  t.equal(sender.droppedBurstCount, 4, 'bursts of 1, 2, 3 and 4 ms');
});

test('the window sender keeps its bursts in flight, and no more', async (t) => {
  const { clock, target, load, echo } = setUp(2);
  const sender = new WindowSender(load, target, clock, 2);
  sender.start(3, 10 * NS_PER_MS);
  t.equal(target.messages.length, 6);
  echo(target.messages[0]);
  sender.onEcho();
  t.equal(target.messages.length, 6, 'half a burst has come back');
  echo(target.messages[1]);
  target.room = 1;
  sender.onEcho();
  t.equal(target.messages.length, 7, 'the target took a part of the next one');
  target.room = 9;
  await nextTurn();
  t.equal(target.messages.length, 8, 'and the rest in the next turn');
  clock.now = 10 * NS_PER_MS;
  echo(target.messages[2]);
  echo(target.messages[3]);
  sender.onEcho();
  t.equal(target.messages.length, 8, 'its time is over');
});
