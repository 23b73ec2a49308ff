// The same transport over sockets of the operating system, on loopback.

import test from 'tape';
import { NodeClock } from '../../src/host/node-clock.js';
import { NodeEntropy } from '../../src/host/node-entropy.js';
import { NodeNetwork } from '../../src/host/node-network.js';
import { Arena } from '../../src/memory/arena.js';
import { FragmentAssembler } from '../../src/transport/fragment-assembler.js';
import { Transport } from '../../src/transport/transport.js';
import { Collector, message } from './transport-fixture.js';

const TURNS_MAX = 2_000_000;

/** Runs turns, one per round of the event loop, until a condition holds. */
function turnUntil(transports: Transport[], condition: () => boolean): Promise<boolean> {
  const clock = new NodeClock();
  let turns = 0;
  return new Promise((resolve) => {
    const turn = (): void => {
      for (const transport of transports) {
        transport.doWork(clock.nowNs());
      }
      if (condition() || turns++ > TURNS_MAX) {
        resolve(turns <= TURNS_MAX);
      } else {
        setImmediate(turn);
      }
    };
    turn();
  });
}

test('a stream over loopback sockets is complete, byte for byte', async (t) => {
  const network = new NodeNetwork({ onReadable: () => undefined });
  const entropy = new NodeEntropy();
  const config = {
    mtuLength: 8_192,
    termLength: 1024 * 1024,
    ipcTermLength: 1024 * 1024,
    initialWindowLength: 256 * 1024,
  };
  const arenas = [Arena.create(16 * 1024 * 1024), Arena.create(16 * 1024 * 1024)] as const;
  const sender = new Transport({ arena: arenas[0], network, entropy, config });
  const receiver = new Transport({ arena: arenas[1], network, entropy, config });
  const transports = [sender, receiver];
  const subscription = receiver.addSubscription('aeron:udp?endpoint=127.0.0.1:0', 9);
  t.ok(await turnUntil(transports, () => subscription.localEndpoint !== undefined), 'bound');
  const port = subscription.localEndpoint?.port ?? 0;
  t.ok(port > 0, 'the system chose a port');
  const publication = sender.addPublication(`aeron:udp?endpoint=localhost:${port}`, 9);
  t.ok(await turnUntil(transports, () => publication.isConnected), 'connected');

  const count = 20_000;
  const lengthOf = (index: number): number => (index % 400 === 0 ? 60_000 : 200);
  const collector = new Collector();
  const assembler = new FragmentAssembler(collector.onFragment);
  let sent = 0;
  const isDone = await turnUntil(transports, () => {
    while (sent < count) {
      const bytes = message(sent, lengthOf(sent));
      if (publication.offer(bytes, 0, bytes.length) < 0) {
        break;
      }
      sent++;
    }
    subscription.poll(assembler.onFragment, 1_000);
    return collector.messages.length === count;
  });
  t.ok(isDone, 'all arrived');
  t.equal(collector.firstWrong(lengthOf), -1, 'as they were sent');

  publication.close();
  t.ok(
    await turnUntil(transports, () => {
      subscription.poll(assembler.onFragment, 10);
      return subscription.images.length === 0 && sender.publicationCount === 0;
    }),
    'the end of the stream arrives, and the publication is gone',
  );
  sender.close();
  receiver.close();
  network.close();
  t.equal(arenas[0].allocatedLength + arenas[1].allocatedLength, 0, 'nothing leaks');
  t.end();
});

test('an address in use is a failure to be read, not an exception', async (t) => {
  const network = new NodeNetwork({ onReadable: () => undefined });
  const entropy = new NodeEntropy();
  const arenas = [Arena.create(4 * 1024 * 1024), Arena.create(4 * 1024 * 1024)] as const;
  const first = new Transport({ arena: arenas[0], network, entropy });
  const second = new Transport({ arena: arenas[1], network, entropy });
  const holder = first.addSubscription('aeron:udp?endpoint=127.0.0.1:0', 9);
  await turnUntil([first], () => holder.localEndpoint !== undefined);
  const port = holder.localEndpoint?.port ?? 0;
  const refused = second.addSubscription(`aeron:udp?endpoint=127.0.0.1:${port}`, 9);
  t.ok(await turnUntil([first, second], () => refused.failure !== undefined), 'it fails');
  t.match(String(refused.failure?.message), new RegExp(String(port)), 'naming the address');
  first.close();
  second.close();
  network.close();
  t.end();
});
