// Receivers whose window is smaller than the datagrams of who sends to them: each side checks its
// own settings alone, so the receiver has room for one whole datagram of the sender at least.

import test, { type Test } from 'tape';
import type { Subscription } from '../../src/transport/subscription.js';
import { Collector, Fixture, FrameType, frameTypeOf, message } from './transport-fixture.js';

const CHANNEL = 'aeron:udp?endpoint=127.0.0.1:9000';
const LOCAL = { host: '127.0.0.1', port: 9000 };
const STRANGER = { host: '127.0.0.1', port: 6666 };
const TERM_LENGTH = 64 * 1024;
const MTU_LENGTH = 8192;
const WINDOW_LENGTH = 4096;
const MESSAGE_COUNT = 40;
const LENGTHS = [8160, 100, 8000, 5000] as const;

function lengthOf(index: number): number {
  return LENGTHS[index % LENGTHS.length] ?? 0;
}

/** Offers messages until all have arrived as they were sent, and ends the test. */
function expectAll(
  t: Test,
  fixture: Fixture,
  subscription: Subscription,
  offer: (bytes: Uint8Array) => boolean,
): void {
  const collector = new Collector();
  let offered = 0;
  fixture.until(() => {
    if (offered < MESSAGE_COUNT && offer(message(offered, lengthOf(offered)))) {
      offered++;
    }
    subscription.poll(collector.onFragment, 10);
    return collector.messages.length === MESSAGE_COUNT;
  });
  t.equal(collector.messages.length, MESSAGE_COUNT, 'every message arrives');
  t.equal(collector.firstWrong(lengthOf), -1, 'and is the one that was sent');
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
}

test('a window below the MTU of the sender stops no stream', (t) => {
  const fixture = new Fixture();
  const subscription = fixture.receiver.addSubscription(CHANNEL, 5, {
    windowLength: WINDOW_LENGTH,
  });
  const publication = fixture.sender.addPublication(CHANNEL, 5, {
    termLength: TERM_LENGTH,
    mtuLength: MTU_LENGTH,
  });
  expectAll(t, fixture, subscription, (bytes) => publication.offer(bytes, 0, bytes.length) > 0);
});

test('a window below the MTU of the leader stops no log', (t) => {
  const fixture = new Fixture();
  const subscription = fixture.receiver.addSubscription(CHANNEL, 100, {
    windowLength: WINDOW_LENGTH,
    checksum: 'required',
  });
  const log = fixture.sender.addLogPublication({
    streamId: 100,
    sessionId: 7,
    position: 0,
    termLength: TERM_LENGTH,
    mtuLength: MTU_LENGTH,
    leadershipTermId: 0,
  });
  log.addDestination(1, '127.0.0.1:9000');
  log.setQuorumSize(2);
  log.startDestination(1, 0);
  expectAll(t, fixture, subscription, (bytes) => {
    const isSent = log.offer(bytes, 0, bytes.length) > 0;
    log.localDurablePosition = log.position();
    return isSent;
  });
});

test('a stream of which half a term holds no datagram is refused with the reason', (t) => {
  const fixture = new Fixture();
  fixture.receiver.addSubscription(CHANNEL, 5);
  fixture.network.sent = [];
  const setup = (sessionId: number, mtuLength: number): Uint8Array => {
    const bytes = new Uint8Array(40);
    const view = new DataView(bytes.buffer);
    view.setInt32(0, bytes.length, true);
    view.setUint16(6, FrameType.Setup, true);
    [0, sessionId, 5, 0, 0, TERM_LENGTH, mtuLength, 0].forEach((word, index) => {
      view.setInt32(8 + 4 * index, word, true);
    });
    return bytes;
  };
  fixture.network.inject(setup(900, TERM_LENGTH / 2 + 32), STRANGER, LOCAL);
  fixture.turn();
  t.equal(fixture.receiver.counters.setupsRefused, 1, 'counted');
  const told = fixture.network.sent.find((each) => frameTypeOf(each) === FrameType.Err);
  t.match(
    Buffer.from(told?.bytes.subarray(40) ?? []).toString('latin1'),
    /MTU is 32800, but half of its term length 65536 .*: lower its mtuLength or raise/,
  );
  fixture.network.inject(setup(901, TERM_LENGTH / 2), STRANGER, LOCAL);
  fixture.turn();
  t.equal(fixture.receiver.imageCount, 1, 'one that fits is received');
  fixture.close();
  t.end();
});
