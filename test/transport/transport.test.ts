// Streams over UDP between two transports: connecting, delivering, repairing, ending.

import test from 'tape';
import { BACK_PRESSURED, CLOSED, NOT_CONNECTED } from '../../assembly/layout/frame.js';
import type { ExclusivePublication } from '../../src/transport/exclusive-publication.js';
import { FragmentAssembler } from '../../src/transport/fragment-assembler.js';
import { Action } from '../../src/transport/fragment-header.js';
import type { Image } from '../../src/transport/image.js';
import type { Subscription, SubscriptionOptions } from '../../src/transport/subscription.js';
import {
  Collector,
  Fixture,
  type FixtureOptions,
  FrameType,
  frameTypeOf,
  isHeartbeat,
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

/** Sends messages and polls them until all arrived or the time is up. */
function stream(each: Pair, count: number, lengthOf: (index: number) => number): boolean {
  const { fixture, publication, subscription, collector } = each;
  const assembler = new FragmentAssembler(collector.onFragment);
  let sent = 0;
  return fixture.until(() => {
    while (sent < count) {
      const bytes = message(sent, lengthOf(sent));
      if (publication.offer(bytes, 0, bytes.length) < 0) {
        break;
      }
      sent++;
    }
    subscription.poll(assembler.onFragment, 64);
    return collector.messages.length === count;
  }, 60 * SECOND_NS);
}

test('a publication connects by setup and status message', (t) => {
  const { fixture, publication, subscription } = pair();
  t.notOk(publication.isConnected, 'not before');
  t.equal(publication.offer(message(0, 8), 0, 8), NOT_CONNECTED, 'offers are refused before');
  t.ok(
    fixture.until(() => publication.isConnected, SECOND_NS),
    'connected',
  );
  t.ok(fixture.nowNs < 2 * MILLISECOND_NS, 'within the first exchange');
  t.equal(subscription.images.length, 1, 'one image');
  const image = subscription.images[0] as Image;
  t.equal(image.sessionId, publication.sessionId, 'of the session');
  t.equal(image.joinPosition, 0, 'from the start');
  t.deepEqual(subscription.localEndpoint, { host: '127.0.0.1', port: 9000 }, 'bound where asked');
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing is left in the arenas');
  t.end();
});

test('messages arrive byte for byte, in order, through many terms', (t) => {
  const each = pair();
  const lengthOf = (index: number): number => (index * 37) % 1300;
  t.ok(stream(each, 2_000, lengthOf), 'all arrived');
  t.equal(each.collector.firstWrong(lengthOf), -1, 'as they were sent');
  t.ok(each.publication.position() > 3 * each.publication.termLength, 'the buffer wrapped');
  each.fixture.close();
  t.end();
});

test('fragmented messages up to the longest are assembled', (t) => {
  const each = pair();
  const { maxMessageLength } = each.publication;
  const lengthOf = (index: number): number =>
    index % 5 === 0 ? maxMessageLength : (index * 997) % maxMessageLength;
  t.ok(stream(each, 200, lengthOf), 'all arrived');
  t.equal(each.collector.firstWrong(lengthOf), -1, 'as they were sent');
  t.throws(
    () => each.publication.offer(new Uint8Array(maxMessageLength + 1), 0, maxMessageLength + 1),
    /longer than/,
    'a longer one is refused by name',
  );
  each.fixture.close();
  t.end();
});

for (const [name, types] of [
  ['data', [FrameType.Data, FrameType.Pad]],
  ['NAKs', [FrameType.Nak]],
  ['status messages', [FrameType.Sm]],
  ['setups', [FrameType.Setup]],
  ['everything', [0, 1, 2, 3, 4, 5, 6]],
] as const) {
  test(`a stream survives the loss of a third of ${name}`, (t) => {
    const each = pair({ seed: 5 });
    const { network, entropy } = each.fixture;
    const isTarget = (type: number): boolean => (types as readonly number[]).includes(type);
    network.filter = (datagram) => {
      const isNakTest = types.length === 1 && types[0] === FrameType.Nak;
      const isLossy =
        isTarget(frameTypeOf(datagram)) ||
        (isNakTest && frameTypeOf(datagram) === FrameType.Data && entropy.below(4) === 0);
      return isLossy && entropy.below(3) === 0 ? 0 : 1;
    };
    const lengthOf = (index: number): number => (index * 53) % 1376;
    t.ok(stream(each, 600, lengthOf), 'all arrived');
    t.equal(each.collector.firstWrong(lengthOf), -1, 'as they were sent');
    each.fixture.close();
    t.end();
  });
}

test('duplicated and reordered datagrams are delivered once and in order', (t) => {
  const each = pair({ seed: 9 });
  const { network, entropy, nowNs } = each.fixture;
  t.ok(nowNs > 0, 'time runs');
  network.filter = () => 1 + entropy.below(3);
  const lengthOf = (index: number): number => (index * 53) % 1376;
  network.isDelaying = true;
  const assembler = new FragmentAssembler(each.collector.onFragment);
  let sent = 0;
  const isDone = each.fixture.until(() => {
    network.release((datagrams) => shuffled(datagrams, (limit) => entropy.below(limit)));
    while (sent < 500) {
      const bytes = message(sent, lengthOf(sent));
      if (each.publication.offer(bytes, 0, bytes.length) < 0) {
        break;
      }
      sent++;
    }
    each.subscription.poll(assembler.onFragment, 64);
    return each.collector.messages.length >= 500;
  }, 60 * SECOND_NS);
  t.ok(isDone, 'all arrived');
  t.equal(each.collector.messages.length, 500, 'each once');
  t.equal(each.collector.firstWrong(lengthOf), -1, 'in order');
  each.fixture.close();
  t.end();
});

function shuffled<T>(items: T[], below: (limit: number) => number): T[] {
  for (let index = items.length - 1; index > 0; index--) {
    const other = below(index + 1);
    const item = items[index] as T;
    items[index] = items[other] as T;
    items[other] = item;
  }
  return items;
}

test('a lost tail is revealed by the next heartbeat', (t) => {
  const each = pair();
  const { fixture, publication, subscription, collector } = each;
  fixture.until(() => publication.isConnected);
  fixture.run(MILLISECOND_NS);
  fixture.network.filter = (datagram) =>
    frameTypeOf(datagram) === FrameType.Data && !isHeartbeat(datagram) ? 0 : 1;
  publication.offer(message(0, 100), 0, 100);
  fixture.run(10 * MILLISECOND_NS);
  fixture.network.filter = () => 1;
  t.equal(subscription.poll(collector.onFragment, 10), 0, 'the message is lost');
  const isRepaired = fixture.until(
    () => subscription.poll(collector.onFragment, 10) > 0,
    2 * fixture.sender.config.heartbeatIntervalNs,
  );
  t.ok(isRepaired, 'and comes again after a heartbeat');
  t.ok(fixture.receiver.counters.naksSent >= 1, 'because it was asked for');
  t.equal(
    collector.firstWrong(() => 100),
    -1,
    'byte for byte',
  );
  fixture.close();
  t.end();
});

test('a reader that does not read closes the window, and opens it again', (t) => {
  const { fixture, publication, subscription, collector } = pair();
  fixture.until(() => publication.isConnected);
  const bytes = message(0, 1000);
  let result = 0;
  let accepted = 0;
  fixture.run(60 * SECOND_NS, () => {
    result = publication.offer(bytes, 0, bytes.length);
    accepted += result > 0 ? 1 : 0;
  });
  t.equal(result, BACK_PRESSURED, 'offers are back-pressured');
  t.ok(publication.isConnected, 'the connection lives for a minute at window zero');
  const inFlight = publication.position();
  t.ok(inFlight <= 2 * publication.termLength, 'what is accepted is bounded');
  t.ok(
    fixture.until(() => {
      subscription.poll(collector.onFragment, 100);
      return collector.messages.length === accepted;
    }, SECOND_NS),
    'everything accepted arrives once the reader reads',
  );
  t.ok(publication.offer(bytes, 0, bytes.length) > 0, 'and offers are taken again');
  fixture.close();
  t.end();
});

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
  t.ok(fixture.receiverArena.allocatedLength > before - 16_384, 'memory kept');
  image.release();
  fixture.run(MILLISECOND_NS);
  t.ok(fixture.receiverArena.allocatedLength < before - 150_000, 'memory given back');
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test('an aborted fragment comes again; break, commit and continue consume', (t) => {
  const { fixture, publication, subscription } = pair();
  fixture.until(() => publication.isConnected);
  for (let index = 0; index < 5; index++) {
    publication.offer(message(index, 10), 0, 10);
  }
  const image = subscription.images[0] as Image;
  fixture.until(() => image.rebuildPosition === publication.position());
  const actions: Action[] = [Action.Commit, Action.Abort];
  const seen: number[] = [];
  const handler = (_v: DataView, _o: number, _l: number, h: { position: number }): Action => {
    seen.push(h.position);
    return actions.shift() ?? Action.Continue;
  };
  t.equal(image.controlledPoll(handler, 10), 1, 'one consumed before the abort');
  t.equal(image.position, 64, 'up to the committed one');
  actions.push(Action.Break);
  t.equal(image.controlledPoll(handler, 10), 1, 'break consumes its own');
  t.equal(image.position, 128, 'and stops');
  t.equal(image.boundedControlledPoll(handler, 192, 10), 1, 'a bound holds');
  t.equal(
    image.boundedPoll(() => undefined, 256, 10),
    1,
    'for plain polls too',
  );
  t.equal(image.controlledPoll(handler, 10), 1, 'the rest follows');
  t.deepEqual(seen, [64, 128, 128, 192, 320], 'the aborted one came twice');
  fixture.close();
  t.end();
});

test('claims are written in place, committed or aborted', (t) => {
  const { fixture, publication, subscription, collector } = pair();
  fixture.until(() => publication.isConnected);
  const first = publication.tryClaim(16);
  publication.arena.u8.set(message(0, 16), first);
  t.equal(publication.commit(first), 64, 'position after the claim');
  publication.abort(publication.tryClaim(100));
  const second = publication.tryClaim(8);
  publication.arena.u8.set(message(1, 8), second);
  publication.commit(second);
  t.ok(
    fixture.until(() => {
      subscription.poll(collector.onFragment, 10);
      return collector.messages.length === 2;
    }, SECOND_NS),
    'the aborted one is skipped',
  );
  t.equal(
    collector.firstWrong((index) => (index === 0 ? 16 : 8)),
    -1,
    'byte for byte',
  );
  t.throws(() => publication.tryClaim(1377), /longer than/, 'a claim is one frame');
  fixture.close();
  t.end();
});

test('a message in two parts is one message', (t) => {
  const { fixture, publication, subscription, collector } = pair();
  fixture.until(() => publication.isConnected);
  const head = publication.arena.allocate(64);
  for (const length of [100, 5_000]) {
    const bytes = message(collector.messages.length, length);
    publication.arena.u8.set(bytes.subarray(0, 24), head);
    t.ok(publication.offer2(head, 24, bytes, 24, length - 24) > 0, 'taken');
    const assembler = new FragmentAssembler(collector.onFragment);
    fixture.until(() => subscription.poll(assembler.onFragment, 10) > 0 && length < 1000);
  }
  publication.arena.release(head, 64);
  t.equal(
    collector.firstWrong((index) => (index === 0 ? 100 : 5_000)),
    -1,
    'byte for byte',
  );
  fixture.close();
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

test('an idle connected pair sends only heartbeats and status messages at their pace', (t) => {
  const { fixture, publication } = pair();
  fixture.until(() => publication.isConnected);
  fixture.run(500 * MILLISECOND_NS);
  const before = fixture.sender.counters.datagramsSent + fixture.receiver.counters.datagramsSent;
  let turns = 0;
  fixture.run(10 * SECOND_NS, () => turns++);
  const after = fixture.sender.counters.datagramsSent + fixture.receiver.counters.datagramsSent;
  t.ok(after - before <= 152, '100 heartbeats and 50 status messages in 10 seconds');
  t.ok(after - before >= 145, 'and not fewer');
  t.ok(turns < 1_500, 'few turns: an idle transport sleeps');
  fixture.close();
  t.end();
});
