// A socket of the system that cannot be opened at first is opened again.

import { createSocket } from 'node:dgram';
import test from 'tape';
import { NodeClock } from '../../src/host/node-clock.js';
import { NodeNetwork } from '../../src/host/node-network.js';
import { lookupNumeric } from '../../src/host/node-socket.js';
import { Arena } from '../../src/memory/arena.js';
import { Transport } from '../../src/transport/transport.js';
import { SeededEntropy } from '../support/seeded-entropy.js';
import { until } from '../support/until.js';
import { FakeSocket } from './fixtures/fake-socket.js';

const FAILURES = 2;

for (const errno of ['ENETUNREACH', 'EMFILE']) {
  test(`a publication outlives ${errno} of its socket`, async (t) => {
    const clock = new NodeClock();
    const arena = Arena.create(8 * 1024 * 1024);
    const entropy = new SeededEntropy(1);
    const whole = new NodeNetwork({ onReadable: () => undefined });
    const receiver = new Transport({ arena, network: whole, entropy });
    const subscription = receiver.addSubscription('aeron:udp?endpoint=127.0.0.1:0', 5);
    let opened = 0;
    const failing = new NodeNetwork({
      onReadable: () => undefined,
      createSocket: (type) =>
        opened++ < FAILURES
          ? new FakeSocket({ connectErrno: errno }).socket
          : createSocket({ type, lookup: lookupNumeric }),
    });
    const warnings: string[] = [];
    const onWarning = (text: string): number => warnings.push(text);
    const sender = new Transport({ arena, network: failing, entropy, onWarning });
    const port = subscription.localEndpoint?.port ?? 0;
    const publication = sender.addPublication(`aeron:udp?endpoint=127.0.0.1:${port}`, 5);
    await until(() => {
      sender.doWork(clock.nowNs());
      receiver.doWork(clock.nowNs());
      return publication.isConnected;
    }, 'the publication is connected');
    t.equal(sender.counters.socketsReopened, FAILURES, 'it was tried again');
    t.equal(warnings.length, 1, 'the operator is told once');
    t.match(warnings[0] ?? '', new RegExp(`127.0.0.1:${port}: ${errno}.*; it is tried again`));
    sender.close();
    receiver.close();
    failing.close();
    whole.close();
    t.end();
  });
}
