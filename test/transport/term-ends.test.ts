// Where streams break first: at the ends of terms, at the wrap of the buffer, and at large
// positions.
//
// For every 32-byte alignment of the last three frames of a term, and for start positions around
// 2^31, 2^32 and close to the end of a stream, what arrives must be what was sent, with loss.

import test from 'tape';
import { MAX_POSITION_EXCEEDED } from '../../assembly/layout/frame.js';
import { FragmentAssembler } from '../../src/transport/fragment-assembler.js';
import {
  Collector,
  Fixture,
  FrameType,
  frameTypeOf,
  isHeartbeat,
  message,
  SECOND_NS,
} from './transport-fixture.js';

const CHANNEL = 'aeron:udp?endpoint=127.0.0.1:9000';
const TERM_LENGTH = 64 * 1024;

interface Start {
  readonly position: number;
  readonly initialTermId: number;
}

/** Sends messages of given lengths from a start, losing some; returns what went wrong, or ''. */
function deliver(
  start: Start,
  lengths: readonly number[],
  lossOneIn: number,
  seed: number,
): string {
  const fixture = new Fixture({ seed, arenaLength: 2 * 1024 * 1024 });
  const { network, entropy } = fixture;
  network.filter = (datagram) => {
    const isData = frameTypeOf(datagram) <= FrameType.Data && !isHeartbeat(datagram);
    return isData && lossOneIn > 0 && entropy.below(lossOneIn) === 0 ? 0 : 1;
  };
  const subscription = fixture.receiver.addSubscription(CHANNEL, 1);
  const publication = fixture.sender.addPublication(CHANNEL, 1, start);
  const collector = new Collector();
  const assembler = new FragmentAssembler(collector.onFragment);
  let sent = 0;
  const isDone = fixture.until(() => {
    while (sent < lengths.length) {
      const bytes = message(sent, lengths[sent] as number);
      if (publication.offer(bytes, 0, bytes.length) < 0) {
        break;
      }
      sent++;
    }
    subscription.poll(assembler.onFragment, 64);
    return collector.messages.length === lengths.length;
  }, 30 * SECOND_NS);
  const wrong = collector.firstWrong((index) => lengths[index] as number);
  const consumed = subscription.images[0]?.position;
  const tail = publication.position();
  fixture.close();
  if (!isDone) {
    return `${collector.messages.length} of ${lengths.length} messages arrived`;
  }
  if (wrong !== -1) {
    return `message ${wrong} is wrong`;
  }
  return consumed === tail ? '' : `consumed ${consumed} of ${tail}`;
}

const FRAME_LENGTHS = [32, 64, 96, 128, 160];

test('every alignment of the last three frames of a term is delivered', (t) => {
  const failures: string[] = [];
  let cases = 0;
  for (const first of FRAME_LENGTHS) {
    for (const second of FRAME_LENGTHS) {
      for (let gap = 0; gap <= 160; gap += 32) {
        const third = FRAME_LENGTHS[(gap / 32) % FRAME_LENGTHS.length] as number;
        const position = TERM_LENGTH - first - second - gap;
        const lengths = [first - 32, second - 32, third - 32, 100, 5_000, 8];
        const reason = deliver({ position, initialTermId: -3 }, lengths, 3, cases + 1);
        cases++;
        if (reason !== '') {
          failures.push(`${first} ${second} ${gap} ${third}: ${reason}`);
        }
      }
    }
  }
  t.equal(failures.join('; '), '', `${cases} cases`);
  t.end();
});

test('a fragmented message that does not fit the rest of a term starts in the next', (t) => {
  for (const remaining of [32, 64, 1408, 1440, 4096, 8192, 8224]) {
    const position = 2 * TERM_LENGTH - remaining;
    t.equal(
      deliver({ position, initialTermId: 0 }, [8192, 10, 8192], 4, remaining),
      '',
      `${remaining}`,
    );
  }
  t.end();
});

test('positions around 2^31 and 2^32, and term ids around the wrap, are exact', (t) => {
  const lengths = Array.from({ length: 150 }, (_, index) => (index * 131) % 3_000);
  for (const power of [31, 32, 40]) {
    for (const offset of [-TERM_LENGTH, -96, 0, 64]) {
      const start = { position: 2 ** power + offset, initialTermId: 2 ** 31 - 5 };
      t.equal(deliver(start, lengths, 10, power), '', `2^${power} ${offset}`);
    }
  }
  const wrapping = { position: 4 * TERM_LENGTH - 64, initialTermId: 2 ** 31 - 5 };
  t.equal(deliver(wrapping, lengths, 10, 1), '', 'term ids wrap to negative ones');
  t.equal(
    deliver({ position: 0, initialTermId: -(2 ** 31) }, lengths, 10, 1),
    '',
    'lowest term id',
  );
  t.end();
});

test('a stream that reached its last position says so', (t) => {
  const fixture = new Fixture();
  fixture.receiver.addSubscription(CHANNEL, 1);
  const position = TERM_LENGTH * 2 ** 31 - 128;
  const publication = fixture.sender.addPublication(CHANNEL, 1, { position });
  fixture.until(() => publication.isConnected);
  t.equal(publication.offer(message(0, 64), 0, 64), position + 96, 'the last message fits');
  t.equal(publication.offer(message(0, 64), 0, 64), MAX_POSITION_EXCEEDED, 'the next one does not');
  fixture.close();
  t.end();
});

test('datagrams of 60 KiB are sent and repaired', (t) => {
  const config = { mtuLength: 61_440, termLength: 4 * 1024 * 1024, ipcTermLength: 4 * 1024 * 1024 };
  const fixture = new Fixture({ config: { ...config, initialWindowLength: 1024 * 1024 }, seed: 3 });
  const { network, entropy } = fixture;
  let longest = 0;
  network.filter = (datagram) => {
    longest = Math.max(longest, datagram.bytes.length);
    return entropy.below(20) === 0 ? 0 : 1;
  };
  const subscription = fixture.receiver.addSubscription(CHANNEL, 1);
  const publication = fixture.sender.addPublication(CHANNEL, 1);
  const collector = new Collector();
  const assembler = new FragmentAssembler(collector.onFragment);
  const lengthOf = (index: number): number => (index % 50 === 0 ? 500_000 : 200);
  let sent = 0;
  const isDone = fixture.until(() => {
    while (sent < 2_000) {
      const bytes = message(sent, lengthOf(sent));
      if (publication.offer(bytes, 0, bytes.length) < 0) {
        break;
      }
      sent++;
    }
    subscription.poll(assembler.onFragment, 64);
    return collector.messages.length === 2_000;
  }, 60 * SECOND_NS);
  t.ok(isDone, 'all arrived');
  t.equal(collector.firstWrong(lengthOf), -1, 'byte for byte');
  t.ok(longest > 60_000 && longest <= 61_440, 'in datagrams of the MTU');
  fixture.close();
  t.end();
});
