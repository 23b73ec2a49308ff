// The misbehaving network itself: what it does to which datagram follows from the seed.

import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import test from 'tape';
import { type UdpFaults, UdpProxy, type UdpProxyCounters } from './udp-proxy.js';

const HOST = '127.0.0.1';
const COUNT = 2_000;
/** Datagrams under way at once: the sockets' buffers hold them all. */
const BURST = 50;

async function openSocket(): Promise<Socket> {
  const socket = createSocket('udp4');
  const listening = once(socket, 'listening');
  socket.bind(0, HOST);
  await listening;
  return socket;
}

interface Passage {
  /** Numbers in the order in which they arrived. */
  readonly arrived: readonly number[];
  readonly counters: UdpProxyCounters;
}

/** Sends numbered datagrams through a proxy, each burst after the former one was taken. */
async function pass(seed: number, forward: UdpFaults): Promise<Passage> {
  const target = await openSocket();
  const sender = await openSocket();
  const proxy = await UdpProxy.start({ targetPort: target.address().port, seed, forward });
  const arrived: number[] = [];
  target.on('message', (bytes) => arrived.push(bytes.readInt32LE(0)));
  const counters = proxy.forwardCounters;
  const expected = (): number => counters.received - counters.lost + counters.duplicated;
  for (let sent = 0; sent < COUNT; sent += BURST) {
    for (let number = sent; number < sent + BURST; number++) {
      const bytes = Buffer.alloc(4);
      bytes.writeInt32LE(number);
      sender.send(bytes, proxy.port, HOST);
    }
    while (counters.received < sent + BURST || arrived.length < expected()) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  proxy.close();
  sender.close();
  target.close();
  return { arrived, counters };
}

test('a proxy without faults forwards every datagram in order', async (t) => {
  const { arrived, counters } = await pass(1, {});
  t.deepEqual(
    arrived,
    Array.from({ length: COUNT }, (_, number) => number),
  );
  t.equal(counters.lost + counters.duplicated + counters.reordered, 0);
  t.end();
});

test('the same seed loses and doubles the same datagrams, another seed others', async (t) => {
  const faults = { loss: 0.1, duplication: 0.1 };
  const first = await pass(7, faults);
  const again = await pass(7, faults);
  const other = await pass(8, faults);
  t.deepEqual(again.arrived, first.arrived);
  t.notDeepEqual(other.arrived, first.arrived);
  t.ok(first.counters.lost > 0.05 * COUNT && first.counters.lost < 0.15 * COUNT);
  t.ok(first.counters.duplicated > 0.05 * COUNT && first.counters.duplicated < 0.15 * COUNT);
  t.end();
});

test('datagrams that are held back arrive later, and none is missing', async (t) => {
  const { arrived, counters } = await pass(3, { reordering: 0.2 });
  t.ok(counters.reordered > 0.1 * COUNT);
  t.ok(arrived.some((number, index) => number < (arrived[index - 1] ?? -1)));
  t.equal(new Set(arrived).size, COUNT);
  t.equal(arrived.length, COUNT);
  t.end();
});

test('answers go back to whoever wrote, under faults of their own', async (t) => {
  const target = await openSocket();
  const senders = [await openSocket(), await openSocket()];
  const proxy = await UdpProxy.start({ targetPort: target.address().port, seed: 1 });
  target.on('message', (bytes, from) => target.send(bytes, from.port, from.address));
  for (const [index, sender] of senders.entries()) {
    const answer = once(sender, 'message');
    sender.send(Buffer.from([index]), proxy.port, HOST);
    const [bytes, from] = (await answer) as [Buffer, { port: number }];
    t.deepEqual([...bytes], [index]);
    t.equal(from.port, proxy.port);
  }
  proxy.setFaults({ backward: { loss: 1 } });
  senders[0]?.send(Buffer.from([9]), proxy.port, HOST);
  while (proxy.backwardCounters.lost === 0) {
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  t.equal(proxy.forwardCounters.forwarded, 3);
  t.equal(proxy.backwardCounters.forwarded, 2);
  proxy.close();
  for (const socket of [target, ...senders]) {
    socket.close();
  }
  t.end();
});
