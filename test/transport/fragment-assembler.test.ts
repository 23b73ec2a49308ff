// Whole messages out of fragments, within named bounds.

import test from 'tape';
import {
  ControlledFragmentAssembler,
  FragmentAssembler,
} from '../../src/transport/fragment-assembler.js';
import { Action } from '../../src/transport/fragment-header.js';
import type { Image } from '../../src/transport/image.js';
import { Collector, Fixture, message } from './transport-fixture.js';

const CHANNEL = 'aeron:udp?endpoint=127.0.0.1:9000';

/** A publication with messages of the given lengths already received by an image. */
function received(lengths: readonly number[]): { fixture: Fixture; image: Image } {
  const fixture = new Fixture();
  const subscription = fixture.receiver.addSubscription(CHANNEL, 1);
  const publication = fixture.sender.addPublication(CHANNEL, 1);
  fixture.until(() => publication.isConnected);
  lengths.forEach((length, index) => {
    publication.offer(message(index, length), 0, length);
  });
  const image = subscription.images[0] as Image;
  fixture.until(() => image.rebuildPosition === publication.position());
  return { fixture, image };
}

test('a message above the bound is dropped and counted, and the next one is not', (t) => {
  const { fixture, image } = received([3_000, 6_000, 3_000, 7_000, 10]);
  const collector = new Collector();
  const assembler = new FragmentAssembler(collector.onFragment, { messageLengthMax: 5_000 });
  image.poll(assembler.onFragment, 100);
  t.deepEqual(
    collector.messages.map((bytes) => bytes.length),
    [3_000, 3_000, 10],
    'what is within the bound',
  );
  t.equal(assembler.droppedCount, 2, 'two were dropped');
  fixture.close();
  t.end();
});

test('a message whose beginning was not seen is dropped and counted', (t) => {
  const { fixture, image } = received([6_000, 3_000]);
  const collector = new Collector();
  const assembler = new FragmentAssembler(collector.onFragment);
  image.poll(() => undefined, 2);
  image.poll(assembler.onFragment, 100);
  t.equal(collector.messages.length, 1, 'the whole one');
  t.equal(assembler.droppedCount, 1, 'the other is counted');
  fixture.close();
  t.end();
});

test('a session that is released starts anew', (t) => {
  const { fixture, image } = received([6_000]);
  const collector = new Collector();
  const assembler = new FragmentAssembler(collector.onFragment);
  image.poll(assembler.onFragment, 2);
  assembler.release(image.sessionId);
  image.poll(assembler.onFragment, 100);
  t.equal(collector.messages.length, 0, 'half a message is not one');
  fixture.close();
  t.end();
});

test('an aborted message is offered again, whole', (t) => {
  const { fixture, image } = received([6_000, 10]);
  const lengths: number[] = [];
  const answers: Action[] = [Action.Abort, Action.Abort, Action.Break];
  const assembler = new ControlledFragmentAssembler((_view, _offset, length) => {
    lengths.push(length);
    return answers.shift() ?? Action.Continue;
  });
  for (let turn = 0; turn < 4; turn++) {
    image.controlledPoll(assembler.onFragment, 100);
  }
  t.deepEqual(lengths, [6_000, 6_000, 6_000, 10], 'three times, then the next');
  fixture.close();
  t.end();
});
