// How streams end, come back, share sockets and wait for them, and what is left: nothing.

import test from 'tape';
import {
  BACK_PRESSURED,
  CLOSED,
  FRAME_ALIGNMENT,
  NOT_CONNECTED,
  SETUP_TERM_OFFSET_OFFSET,
} from '../../assembly/layout/frame.js';
import type { ExclusivePublication } from '../../src/transport/exclusive-publication.js';
import type { Image } from '../../src/transport/image.js';
import type { Subscription, SubscriptionOptions } from '../../src/transport/subscription.js';
import {
  Collector,
  Fixture,
  type FixtureOptions,
  FrameType,
  frameTypeOf,
  MILLISECOND_NS,
  message,
  SECOND_NS,
} from './transport-fixture.js';

const CHANNEL = 'aeron:udp?endpoint=127.0.0.1:9000';
const STREAM_ID = 7;

interface Pair {
  readonly fixture: Fixture;
  readonly publication: ExclusivePublication;
  readonly subscription: Subscription;
  readonly collector: Collector;
}

function pair(options: FixtureOptions = {}, subscriptionOptions: SubscriptionOptions = {}): Pair {
  const fixture = new Fixture(options);
  const subscription = fixture.receiver.addSubscription(CHANNEL, STREAM_ID, subscriptionOptions);
  const publication = fixture.sender.addPublication(CHANNEL, STREAM_ID);
  return { fixture, publication, subscription, collector: new Collector() };
}

test('a closed publication flushes, announces its end, and gives everything back', (t) => {
  const gone: Image[] = [];
  const each = pair({}, { onUnavailableImage: (image) => gone.push(image) });
  const { fixture, publication, subscription, collector } = each;
  fixture.until(() => publication.isConnected);
  for (let index = 0; index < 20; index++) {
    publication.offer(message(index, 500), 0, 500);
  }
  publication.close();
  t.equal(publication.offer(message(0, 1), 0, 1), CLOSED, 'offers are refused at once');
  const image = subscription.images[0] as Image;
  const isOver = fixture.until(() => {
    subscription.poll(collector.onFragment, 100);
    return gone.length === 1;
  }, SECOND_NS);
  t.ok(isOver, 'the image ends');
  t.ok(image.isEndOfStream, 'at the end of the stream');
  t.equal(collector.messages.length, 20, 'after everything was read');
  t.ok(
    fixture.until(() => fixture.sender.publicationCount === 0, SECOND_NS),
    'no linger needed',
  );
  fixture.run(3 * SECOND_NS);
  t.equal(subscription.images.length, 0, 'stragglers open nothing');
  subscription.close();
  fixture.run(SECOND_NS);
  t.equal(fixture.network.sockets.size, 0, 'sockets are closed');
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'memory is back');
  t.end();
});

test('a publication whose receiver vanished lingers, then gives everything back', (t) => {
  const { fixture, publication } = pair();
  fixture.until(() => publication.isConnected);
  const before = fixture.senderArena.allocatedLength;
  fixture.network.filter = () => 0;
  publication.offer(message(0, 10), 0, 10);
  publication.close();
  fixture.run(2 * SECOND_NS);
  t.equal(fixture.sender.publicationCount, 1, 'it still lingers');
  fixture.run(20 * SECOND_NS);
  t.equal(fixture.sender.publicationCount, 0, 'it is gone');
  t.ok(fixture.senderArena.allocatedLength < before, 'its memory too');
  fixture.close();
  t.end();
});

test('an image that hears nothing ends, and a new one joins when the source is back', (t) => {
  const joins: number[] = [];
  let ended = 0;
  const each = pair(
    {},
    { onAvailableImage: (i) => joins.push(i.joinPosition), onUnavailableImage: () => ended++ },
  );
  const { fixture, publication, subscription, collector } = each;
  fixture.until(() => publication.isConnected);
  publication.offer(message(0, 96), 0, 96);
  fixture.until(() => subscription.poll(collector.onFragment, 1) > 0);
  fixture.network.filter = () => 0;
  fixture.run(11 * SECOND_NS);
  t.equal(ended, 1, 'the image timed out');
  t.notOk(publication.isConnected, 'and the publication noticed too');
  t.equal(publication.offer(message(1, 8), 0, 8), NOT_CONNECTED, 'it says so');
  fixture.network.filter = () => 1;
  t.ok(
    fixture.until(() => publication.isConnected, SECOND_NS),
    'connected again',
  );
  t.deepEqual(joins, [0, 128], 'the new image joins where the source is');
  publication.offer(message(1, 96), 0, 96);
  t.ok(
    fixture.until(() => subscription.poll(collector.onFragment, 1) > 0),
    'and receives',
  );
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test('a publication without subscribers stays unconnected and closes cleanly', (t) => {
  const fixture = new Fixture();
  const publication = fixture.sender.addPublication(CHANNEL, STREAM_ID);
  fixture.run(3 * SECOND_NS);
  t.notOk(publication.isConnected, 'nobody answers');
  t.ok(fixture.sender.counters.setupsSent >= 30, 'it is announced all the time');
  t.ok(fixture.sender.counters.setupsSent <= 45, 'at the configured pace');
  publication.close();
  fixture.run(MILLISECOND_NS);
  t.equal(fixture.sender.publicationCount, 0, 'gone at once');
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test('two publications give two images of one subscription', (t) => {
  const { fixture, publication, subscription } = pair();
  const second = fixture.sender.addPublication(CHANNEL, STREAM_ID);
  fixture.until(() => publication.isConnected && second.isConnected);
  t.equal(subscription.images.length, 2, 'two images');
  publication.offer(message(1, 40), 0, 40);
  second.offer(message(2, 50), 0, 50);
  const lengths: number[] = [];
  const sessions = new Set<number>();
  fixture.until(() => {
    subscription.poll((_view, _offset, length, header) => {
      lengths.push(length);
      sessions.add(header.sessionId);
    }, 10);
    return lengths.length === 2;
  });
  t.deepEqual(lengths.sort(), [40, 50], 'both messages');
  t.equal(sessions.size, 2, 'of two sessions');
  fixture.close();
  t.end();
});

test('subscriptions on one address share the socket and get their own streams', (t) => {
  const { fixture, publication, subscription } = pair();
  const other = fixture.receiver.addSubscription(CHANNEL, STREAM_ID + 1);
  const second = fixture.sender.addPublication(CHANNEL, STREAM_ID + 1);
  fixture.until(() => publication.isConnected && second.isConnected);
  t.equal(subscription.failure, undefined, 'the address is bound once');
  t.equal(subscription.images.length, 1, 'one image each');
  t.equal(other.images.length, 1, 'one image each');
  subscription.close();
  fixture.run(MILLISECOND_NS);
  second.offer(message(0, 10), 0, 10);
  let received = 0;
  t.ok(
    fixture.until(() => {
      received += other.poll(() => undefined, 1);
      return received === 1;
    }, SECOND_NS),
    'the other goes on when one is closed',
  );
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test('a subscription with a session id takes that session alone', (t) => {
  const fixture = new Fixture();
  const wanted = fixture.sender.addPublication(`${CHANNEL}|session-id=42`, STREAM_ID);
  const other = fixture.sender.addPublication(CHANNEL, STREAM_ID);
  const subscription = fixture.receiver.addSubscription(`${CHANNEL}|session-id=42`, STREAM_ID);
  fixture.run(SECOND_NS);
  t.equal(wanted.sessionId, 42, 'the channel names the session');
  t.ok(wanted.isConnected, 'it is taken');
  t.notOk(other.isConnected, 'the other is not');
  t.equal(subscription.images.length, 1, 'one image');
  fixture.close();
  t.end();
});

test('a stream is joined only where accept agrees', (t) => {
  let isWelcome = false;
  const seen: number[] = [];
  const { fixture, publication } = pair(
    {},
    {
      accept: (setup) => {
        seen.push(setup.position);
        return isWelcome;
      },
    },
  );
  fixture.run(SECOND_NS);
  t.notOk(publication.isConnected, 'refused');
  t.ok(seen.length > 5 && seen.every((position) => position === 0), 'asked each time');
  isWelcome = true;
  t.ok(
    fixture.until(() => publication.isConnected, SECOND_NS),
    'accepted later',
  );
  fixture.close();
  t.end();
});

test('an image that its owner closed is offered to accept again', (t) => {
  const { fixture, publication, subscription, collector } = pair();
  fixture.until(() => publication.isConnected);
  publication.offer(message(0, 32), 0, 32);
  fixture.until(() => subscription.poll(collector.onFragment, 1) > 0);
  (subscription.images[0] as Image).close();
  t.equal(subscription.images.length, 0, 'closed');
  t.ok(
    fixture.until(() => subscription.images.length === 1, SECOND_NS),
    'joined again',
  );
  t.equal((subscription.images[0] as Image).joinPosition, 64, 'where the source is');
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test('a retained image keeps its memory after it ended', (t) => {
  const { fixture, publication, subscription } = pair();
  fixture.until(() => publication.isConnected);
  const image = subscription.images[0] as Image;
  const before = fixture.receiverArena.allocatedLength;
  image.retain();
  publication.close();
  subscription.close();
  fixture.run(20 * SECOND_NS);
  t.ok(image.isClosed, 'closed');
  t.ok(fixture.receiverArena.allocatedLength > before - 70_000, 'memory kept');
  image.release();
  fixture.run(MILLISECOND_NS);
  t.ok(fixture.receiverArena.allocatedLength < before - 250_000, 'memory given back');
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test('a socket that holds bytes keeps them from being cleaned', (t) => {
  const { fixture, publication, subscription, collector } = pair();
  fixture.until(() => publication.isConnected);
  const sockets = [...fixture.network.sockets.values()];
  const socket = sockets.find((each) => each.remote !== undefined);
  if (socket === undefined) {
    t.fail('the publication has a socket');
    t.end();
    return;
  }
  socket.isHolding = true;
  const bytes = message(0, 1024);
  let last = 0;
  for (let index = 0; index < 5_000; index++) {
    last = publication.offer(bytes, 0, bytes.length);
    fixture.turn();
    subscription.poll(collector.onFragment, 10);
  }
  t.equal(last, BACK_PRESSURED, 'offers stop');
  t.ok(publication.position() <= 3 * publication.termLength, 'within the buffer');
  t.equal(publication.oldestPosition(), 0, 'nothing was cleaned');
  socket.isHolding = false;
  socket.releaseHeld();
  t.ok(
    fixture.until(() => {
      subscription.poll(collector.onFragment, 10);
      return publication.offer(bytes, 0, bytes.length) > 0;
    }, SECOND_NS),
    'and go on when it let go',
  );
  fixture.close();
  t.end();
});

test('a socket that takes nothing for a while delays a stream and breaks nothing', (t) => {
  const each = pair();
  const { fixture, publication, subscription, collector } = each;
  fixture.until(() => publication.isConnected);
  const socket = [...fixture.network.sockets.values()].find((s) => s.remote !== undefined);
  if (socket !== undefined) {
    socket.isBackPressured = true;
  }
  publication.offer(message(0, 100), 0, 100);
  fixture.run(50 * MILLISECOND_NS);
  t.ok(fixture.sender.counters.sendsBackPressured > 1, 'it is tried again');
  t.ok(fixture.sender.counters.sendsBackPressured < 200, 'without spinning');
  if (socket !== undefined) {
    socket.isBackPressured = false;
  }
  t.ok(
    fixture.until(() => subscription.poll(collector.onFragment, 1) > 0, 100 * MILLISECOND_NS),
    'delivered',
  );
  fixture.close();
  t.end();
});

test('an address in use shows as a failure of the subscription', (t) => {
  const { fixture } = pair();
  const subscription = fixture.sender.addSubscription(CHANNEL, STREAM_ID);
  t.match(String(subscription.failure?.message), /in use/, 'with the reason of the port');
  fixture.run(SECOND_NS);
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test('an idle connected pair repeats itself ever more seldom, and sends nothing else', (t) => {
  const { fixture, publication } = pair();
  fixture.until(() => publication.isConnected);
  fixture.run(500 * MILLISECOND_NS);
  const before = fixture.sender.counters.datagramsSent + fixture.receiver.counters.datagramsSent;
  let turns = 0;
  fixture.run(10 * SECOND_NS, () => turns++);
  const after = fixture.sender.counters.datagramsSent + fixture.receiver.counters.datagramsSent;
  t.ok(after - before <= 46, 'at most 29 heartbeats and 17 status messages in 10 seconds');
  t.ok(after - before >= 36, 'and not fewer than 24 and 12');
  t.ok(turns < 150, 'few turns: an idle transport sleeps');
  fixture.close();
  t.end();
});

test('an image that a damaged announcement opened where no frame starts is soon given up', (t) => {
  const { fixture, publication, subscription } = pair();
  fixture.until(() => publication.isConnected);
  for (let index = 0; index < 10; index++) {
    publication.offer(message(index, 100), 0, 100);
  }
  fixture.run(100 * MILLISECOND_NS);
  subscription.close();
  fixture.run(100 * MILLISECOND_NS);
  let damagedCount = 0;
  fixture.network.filter = (datagram) => {
    if (frameTypeOf(datagram) === FrameType.Setup && damagedCount === 0) {
      damagedCount++;
      const view = new DataView(datagram.bytes.buffer);
      view.setInt32(SETUP_TERM_OFFSET_OFFSET, publication.position() - FRAME_ALIGNMENT, true);
    }
    return 1;
  };
  const again = fixture.receiver.addSubscription(CHANNEL, STREAM_ID);
  t.ok(
    fixture.until(() => again.images.length === 1, 2 * SECOND_NS),
    'an image opens',
  );
  t.equal(damagedCount, 1, 'at a wrong position');
  const collector = new Collector();
  let lastNs = fixture.nowNs;
  const isHeard = fixture.until(() => {
    if (fixture.nowNs - lastNs >= MILLISECOND_NS) {
      lastNs = fixture.nowNs;
      publication.offer(message(0, 100), 0, 100);
    }
    again.poll(collector.onFragment, 100);
    return collector.messages.length > 0;
  }, 2 * SECOND_NS);
  t.ok(isHeard, 'within two seconds messages arrive again');
  fixture.close();
  t.end();
});
