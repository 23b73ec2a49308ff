// Streams over UDP between two transports: connecting, delivering, repairing, ending.

import test from 'tape';
import { BACK_PRESSURED, NOT_CONNECTED } from '../../assembly/layout/frame.js';
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

test('a socket that is left with datagrams asks for a duty cycle at once', (t) => {
  const { fixture, publication, subscription } = pair({ config: { receiveLength: 1408 } });
  fixture.until(() => publication.isConnected);
  const { counters } = fixture.receiver;
  const before = counters.datagramsReceived;
  for (let i = 0; i < 12; i++) {
    publication.offer(message(i, 1000), 0, 1000);
    fixture.sender.doWork(fixture.nowNs);
  }
  fixture.receiver.doWork(fixture.nowNs);
  const first = counters.datagramsReceived - before;
  t.ok(first > 0 && first < 12, `${first} of 12 datagrams were taken: together they are longer`);
  t.equal(fixture.receiver.deadlineNs(), 0, 'and the rest is due');
  for (let turn = 0; turn < 12 && counters.datagramsReceived - before < 12; turn++) {
    t.equal(fixture.receiver.deadlineNs(), 0);
    fixture.receiver.doWork(fixture.nowNs);
  }
  fixture.receiver.doWork(fixture.nowNs);
  t.equal(counters.datagramsReceived - before, 12);
  t.ok(fixture.receiver.deadlineNs() > fixture.nowNs, 'nothing is left');
  t.equal(subscription.images[0]?.rebuildPosition, publication.position());
  fixture.close();
  t.end();
});

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

test('one duty cycle sends at most a burst, and asks for the next at once', (t) => {
  const termLength = 1024 * 1024;
  const { fixture, publication } = pair({
    config: { sendBurstLength: 8_192, termLength, initialWindowLength: 256 * 1024 },
  });
  fixture.until(() => publication.isConnected);
  for (let index = 0; index < 100; index++) {
    publication.offer(message(index, 1_000), 0, 1_000);
  }
  fixture.sender.doWork(fixture.nowNs);
  t.ok(publication.senderPosition <= 8_192 + 1_408, 'a burst was sent');
  t.ok(publication.senderPosition >= 8_192 - 1_408, 'and not less');
  t.ok(fixture.sender.deadlineNs() <= fixture.nowNs, 'the next duty cycle is due');
  fixture.run(MILLISECOND_NS);
  t.equal(publication.senderPosition, publication.position(), 'all is sent');
  fixture.close();
  t.end();
});
