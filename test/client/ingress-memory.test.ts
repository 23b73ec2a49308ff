// ingress-memory.test.ts: a client without memory for its streams is told so, and does not end.

import test from 'tape';
import { concludeClientOptions } from '../../src/client/client-options.js';
import { ClusterClient } from '../../src/client/cluster-client.js';
import { ExactlyOnceClient } from '../../src/client/exactly-once-client.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { logLength } from '../../src/transport/log-memory.js';
import { Fixture, SECOND_NS } from '../transport/transport-fixture.js';

const MIB = 1024 * 1024;
const INGRESS_TERM_LENGTH = 2 * MIB;

test('a client that finds no memory for streams is told so, session after session', (t) => {
  const fixture = new Fixture({ arenaLength: 4 * MIB });
  const closed: unknown[] = [];
  const options = concludeClientOptions({
    ingressEndpoints: '0=127.0.0.1:9990,1=127.0.0.1:9991',
    egressChannel: 'aeron:udp?endpoint=127.0.0.1:9000',
    ingressTermLength: INGRESS_TERM_LENGTH,
    connectTimeoutMs: 1_000,
  });
  const client = new ExactlyOnceClient(
    (handlers) =>
      new ClusterClient({
        transport: fixture.receiver,
        entropy: fixture.entropy,
        options,
        handlers,
      }),
    { onAnswer: () => undefined, onFailed: () => undefined },
    {},
    { onClosed: (error) => closed.push(error) },
  );
  let turnCount = 0;
  for (let nowNs = fixture.nowNs; closed.length < 2 && nowNs < 5 * SECOND_NS; turnCount++) {
    client.doWork(nowNs);
    nowNs = Math.max(nowNs + 1_000, client.deadlineNs());
  }
  t.equal(closed.length, 2, 'it is asked again after a while, and the next session as well');
  t.ok(turnCount < 50, `${turnCount} turns`);
  const [error] = closed;
  t.ok(error instanceof PawlError && error.code === ErrorCode.Timeout, String(error));
  t.match(
    String(error),
    /no memory for a stream of three times 2097152 bytes to member 0 .* lower ingressTermLength/,
  );
  client.close();
  fixture.close();
  t.end();
});

test('a stream has room only where its socket has some, too', (t) => {
  const fixture = new Fixture({ arenaLength: 8 * MIB });
  const { sender, senderArena } = fixture;
  const termLength = 64 * 1024;
  const channel = 'aeron:udp?endpoint=127.0.0.1:9000';
  // All but the log itself.
  senderArena.allocate(senderArena.freeLength - logLength(termLength));
  t.notOk(sender.canAddPublication(termLength));
  t.throws(() => sender.addPublication(channel, 5, { termLength }), /no \d+ bytes free/);
  fixture.close();
  t.end();
});
