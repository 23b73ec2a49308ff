// Readers in the same process: in-process publications and spies on what goes to the network.

import test from 'tape';
import { BACK_PRESSURED, NOT_CONNECTED } from '../../assembly/layout/frame.js';
import type { Arena } from '../../src/memory/arena.js';
import { Action } from '../../src/transport/fragment-header.js';
import type { Image } from '../../src/transport/image.js';
import type { Subscription } from '../../src/transport/subscription.js';
import { Collector, Fixture, message, SECOND_NS } from './transport-fixture.js';

const CHANNEL = 'aeron:udp?endpoint=127.0.0.1:9000';

test('in-process subscribers read the publication in place', (t) => {
  const fixture = new Fixture();
  const { sender } = fixture;
  const publication = sender.addPublication('aeron:ipc', 3);
  t.equal(publication.offer(message(0, 8), 0, 8), NOT_CONNECTED, 'nobody listens yet');
  const first = sender.addSubscription('aeron:ipc', 3);
  const second = sender.addSubscription('aeron:ipc', 3);
  const stranger = sender.addSubscription('aeron:ipc', 4);
  fixture.turn();
  t.ok(publication.isConnected, 'connected');
  const collectors = [new Collector(), new Collector()];
  let sent = 0;
  const isDone = fixture.until(() => {
    while (sent < 3_000) {
      const bytes = message(sent, sent % 900);
      if (publication.offer(bytes, 0, bytes.length) < 0) {
        break;
      }
      sent++;
    }
    first.poll((collectors[0] as Collector).onFragment, 50);
    second.poll((collectors[1] as Collector).onFragment, 20);
    return collectors.every((each) => each.messages.length === 3_000);
  }, 10 * SECOND_NS);
  t.ok(isDone, 'both have all');
  for (const each of collectors) {
    t.equal(
      each.firstWrong((index) => index % 900),
      -1,
      'byte for byte',
    );
  }
  t.equal(stranger.images.length, 0, 'another stream has no image');
  t.equal((first.images[0] as Image).meta, publication.meta, 'the same memory');
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test('the slowest in-process subscriber holds the writer', (t) => {
  const fixture = new Fixture();
  const publication = fixture.sender.addPublication('aeron:ipc', 3);
  const subscription = fixture.sender.addSubscription('aeron:ipc', 3);
  let result = 0;
  for (let turn = 0; turn < 1_000; turn++) {
    fixture.turn();
    result = publication.offer(message(0, 900), 0, 900);
  }
  t.equal(result, BACK_PRESSURED, 'back-pressured');
  t.ok(publication.position() <= publication.termLength / 2, 'half a term');
  t.ok(subscription.poll(() => undefined, 1_000) > 10, 'it reads');
  fixture.turn();
  t.ok(publication.offer(message(0, 900), 0, 900) > 0, 'and the writer goes on');
  fixture.close();
  t.end();
});

/** Counts the scans of term buffers that an arena's streams ask for from now on. */
function countScans(arena: Arena): () => number {
  let count = 0;
  const { core } = arena;
  const scan: typeof core.scan = (...of) => {
    count++;
    return core.scan(...of);
  };
  Object.defineProperty(arena, 'core', { value: { ...core, scan } });
  return () => count;
}

test('streams without news are not scanned, and one with news is', (t) => {
  const fixture = new Fixture();
  const { sender, receiver } = fixture;
  const channels = ['aeron:ipc', CHANNEL];
  const publications = channels.map((channel) => sender.addPublication(channel, 3));
  const subscriptions = [
    sender.addSubscription('aeron:ipc', 3),
    receiver.addSubscription(CHANNEL, 3),
  ];
  t.ok(
    fixture.until(() => publications.every((each) => each.isConnected)),
    'both streams are connected',
  );
  const scans = [countScans(fixture.senderArena), countScans(fixture.receiverArena)];
  const counts = () => scans.map((each) => each());
  const pollAll = (): number[] =>
    subscriptions.map(
      (each) => each.poll(() => undefined, 10) + each.controlledPoll(() => Action.Continue, 10),
    );
  for (let turn = 0; turn < 100; turn++) {
    fixture.turn();
    pollAll();
  }
  t.deepEqual(counts(), [0, 0], 'nothing came: nothing was scanned');
  for (const publication of publications) {
    publication.offer(message(0, 8), 0, 8);
  }
  const isThere = (each: Subscription) => (each.images[0] as Image).rebuildPosition > 0;
  t.ok(
    fixture.until(() => subscriptions.every(isThere)),
    'a message came',
  );
  t.deepEqual(pollAll(), [1, 1], 'it is delivered, once');
  const before = counts();
  t.ok(
    before.every((count) => count > 0),
    'by a scan',
  );
  pollAll();
  t.deepEqual(counts(), before, 'and then they are silent again');
  fixture.close();
  t.end();
});

test('an in-process subscriber reads to the end of a closed publication', (t) => {
  let ended = 0;
  const fixture = new Fixture();
  const publication = fixture.sender.addPublication('aeron:ipc', 3);
  const subscription = fixture.sender.addSubscription('aeron:ipc', 3, {
    onUnavailableImage: () => ended++,
  });
  fixture.turn();
  publication.offer(message(0, 10), 0, 10);
  publication.close();
  fixture.turn();
  t.equal(
    subscription.poll(() => undefined, 10),
    1,
    'the last message',
  );
  t.ok((subscription.images[0] as Image).isEndOfStream, 'was the last');
  fixture.until(() => ended === 1, SECOND_NS);
  t.equal(subscription.images.length, 0, 'the image is gone');
  t.equal(fixture.sender.publicationCount, 0, 'the publication too');
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test('a spy reads what goes to the network, and holds the writer when tethered', (t) => {
  const fixture = new Fixture();
  const subscription = fixture.receiver.addSubscription(CHANNEL, 3);
  const publication = fixture.sender.addPublication(CHANNEL, 3);
  const spy = fixture.sender.addSpy(publication);
  const free = fixture.sender.addSpy(publication, { tether: false });
  fixture.until(() => publication.isConnected);
  let result = 0;
  const read = (): void => {
    subscription.poll(() => undefined, 100);
  };
  for (let turn = 0; turn < 1_000; turn++) {
    fixture.turn();
    read();
    result = publication.offer(message(0, 900), 0, 900);
  }
  t.equal(result, BACK_PRESSURED, 'the spy that does not read holds the writer');
  const collector = new Collector();
  t.ok(
    fixture.until(() => {
      read();
      publication.offer(message(0, 900), 0, 900);
      spy.poll(collector.onFragment, 100);
      return collector.messages.length > 1_000;
    }, 10 * SECOND_NS),
    'it reads in place',
  );
  t.ok(free.isClosed, 'the untethered one was overtaken and dropped');
  spy.close();
  t.ok(
    fixture.until(() => {
      read();
      publication.offer(message(0, 900), 0, 900);
      return publication.position() > 2_000_000;
    }, 10 * SECOND_NS),
    'without spies nobody is waited for',
  );
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test('a spy subscription finds the publication of its channel', (t) => {
  const fixture = new Fixture();
  fixture.receiver.addSubscription(CHANNEL, 3);
  const early = fixture.sender.addSubscription(`aeron-spy:${CHANNEL}`, 3);
  const publication = fixture.sender.addPublication(CHANNEL, 3);
  const late = fixture.sender.addSubscription(`aeron-spy:${CHANNEL}`, 3);
  fixture.until(() => publication.isConnected);
  publication.offer(message(0, 40), 0, 40);
  t.equal(
    early.poll(() => undefined, 10),
    1,
    'one that was there before',
  );
  t.equal(
    late.poll(() => undefined, 10),
    1,
    'and one that came later',
  );
  t.throws(() => fixture.sender.addPublication(`aeron-spy:${CHANNEL}`, 3), /is a spy/);
  early.close();
  late.close();
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});
