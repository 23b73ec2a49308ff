// The simulated network: addressing, delivery, and each fault alone.

import fc from 'fast-check';
import test from 'tape';
import { ErrorCode, PawlError } from '../../src/errors.js';
import {
  type DatagramSocket,
  SEND_BACK_PRESSURED,
  SEND_FAILED,
  SEND_NOT_READY,
  SocketState,
} from '../../src/ports/network.js';
import { exponentialDelay, fixedDelay, uniformDelay } from '../../src/simulator/delay.js';
import { PERFECT_SEND } from '../../src/simulator/virtual-socket.js';
import { World } from '../../src/simulator/world.js';
import {
  addPassive,
  MILLISECOND,
  openSocket,
  type PassiveNode,
  received,
  SECOND,
  sendBytes,
  socketOptions,
  startPassive,
} from './harness.js';

interface Pair {
  world: World;
  a: PassiveNode;
  b: PassiveNode;
  from: DatagramSocket;
  to: DatagramSocket;
  key: number;
}

/** Two nodes with a socket each, and the key of the second on the first. */
function newPair(seed = 1): Pair {
  const world = new World(seed);
  const a = addPassive(world, 'a');
  const b = addPassive(world, 'b');
  const from = openSocket(a, 0);
  const to = openSocket(b, 4000);
  return { world, a, b, from, to, key: from.keyOf({ host: '10.0.0.2', port: 4000 }) };
}

/** Sends datagrams that carry their number, one each millisecond. */
function sendNumbered(pair: Pair, count: number): void {
  for (let i = 0; i < count; i++) {
    sendBytes(pair.from, pair.key, i & 0xff, i >> 8);
    pair.world.runFor(MILLISECOND);
  }
}

function numbers(socket: DatagramSocket): number[] {
  return received(socket).map(([low, high]) => (low as number) + ((high as number) << 8));
}

test('a socket opens by an event, and port 0 takes a free port', (t) => {
  const world = new World(1);
  const { ports } = addPassive(world, 'a');
  const first = ports.network.open(socketOptions('10.0.0.1', 0));
  const second = ports.network.open(socketOptions('10.0.0.1', 0));
  const bytes = new Uint8Array(1);
  const key = first.keyOf({ host: '10.0.0.1', port: 1 });
  t.equal(first.state, SocketState.Opening);
  t.equal(first.localAddress, undefined);
  t.equal(first.sendTo(bytes, 0, 1, key), SEND_NOT_READY);
  world.runFor(0);
  t.equal(first.state, SocketState.Open);
  t.equal(first.localAddress?.host, '10.0.0.1');
  t.notEqual(first.localAddress?.port, second.localAddress?.port);
  first.close();
  first.close();
  t.equal(first.state, SocketState.Closed);
  t.equal(first.sendTo(bytes, 0, 1, key), SEND_FAILED);
  t.end();
});

test('an address in use fails, on wildcard hosts too, and is free again after a close', (t) => {
  const world = new World(1);
  const passive = addPassive(world, 'a', { hosts: ['10.0.0.1', '10.0.1.1'] });
  const first = openSocket(passive, 9);
  const same = openSocket(passive, 9);
  t.equal(same.state, SocketState.Failed);
  t.equal((same.failure as PawlError).code, ErrorCode.AddressInUse);
  t.ok(/10\.0\.0\.1:9/.test(same.failure?.message ?? ''));
  t.equal(openSocket(passive, 9, { host: '10.0.1.1' }).state, SocketState.Open);
  t.equal(openSocket(passive, 9, { host: '0.0.0.0' }).state, SocketState.Failed);
  first.close();
  t.equal(openSocket(passive, 9).state, SocketState.Open);
  t.end();
});

test('an address that is not numeric or not local fails with the value named', (t) => {
  const world = new World(1);
  const passive = addPassive(world, 'a');
  for (const host of ['localhost', '10.0.0.256', '10.0.0', '9.9.9.9', '']) {
    const socket = openSocket(passive, 0, { host });
    t.equal((socket.failure as PawlError).code, ErrorCode.AddressInvalid, socket.failure?.message);
  }
  const remote = { host: '10.0.0.1', port: 0 };
  t.equal(openSocket(passive, 0, { remote }).state, SocketState.Failed);
  t.equal(openSocket(passive, 65_536).state, SocketState.Failed);
  t.ok(openSocket(passive, 65_536).failure instanceof PawlError);
  t.equal(openSocket(passive, 1, { host: '::1' }).state, SocketState.Open);
  t.end();
});

test('a datagram arrives after the delay with its senders address, and can be answered', (t) => {
  const pair = newPair();
  pair.world.network.setLink(pair.a.node, pair.b.node, { delay: fixedDelay(5 * MILLISECOND) });
  const buffer = Uint8Array.of(0, 1, 2, 3, 4);
  t.equal(pair.from.sendTo(buffer, 1, 3, pair.key), 3);
  buffer.fill(9);
  pair.world.runFor(5 * MILLISECOND - 1);
  t.deepEqual(received(pair.to), []);
  pair.world.runFor(1);
  let sourceKey = -1;
  const count = pair.to.poll((bytes, offset, length, key) => {
    t.deepEqual([...bytes.subarray(offset, offset + length)], [1, 2, 3], 'the bytes were copied');
    sourceKey = key;
  }, 10);
  t.equal(count, 1);
  t.deepEqual(pair.to.addressOf(sourceKey), pair.from.localAddress);
  t.equal(pair.to.keyOf(pair.from.localAddress as { host: string; port: number }), sourceKey);
  sendBytes(pair.to, sourceKey, 7);
  pair.world.runFor(0);
  t.deepEqual(received(pair.from), [[7]]);
  t.end();
});

test('a connected socket receives from its peer alone', (t) => {
  const world = new World(1);
  const a = addPassive(world, 'a');
  const b = addPassive(world, 'b');
  const peer = openSocket(b, 5);
  const stranger = openSocket(b, 6);
  const socket = openSocket(a, 1, { remote: { host: '10.0.0.2', port: 5 } });
  const address = { host: '10.0.0.1', port: 1 };
  sendBytes(peer, peer.keyOf(address), 1);
  sendBytes(stranger, stranger.keyOf(address), 2);
  t.equal(socket.send(Uint8Array.of(3), 0, 1), 1);
  world.runFor(0);
  t.deepEqual(received(socket), [[1]]);
  t.deepEqual(received(peer), [[3]]);
  t.equal(world.network.counts.unreachable, 1);
  t.throws(() => peer.send(Uint8Array.of(1), 0, 1), /not connected/);
  t.throws(() => socket.sendTo(Uint8Array.of(1), 0, 1, 0), /its peer alone/);
  t.end();
});

test('loopback stays within the node, and a loopback socket does not leave it', (t) => {
  const world = new World(1);
  const a = addPassive(world, 'a');
  const b = addPassive(world, 'b');
  const onA = openSocket(a, 5, { host: '127.0.0.1' });
  const wildcardA = openSocket(a, 6, { host: '0.0.0.0' });
  const onB = openSocket(b, 5, { host: '0.0.0.0' });
  sendBytes(wildcardA, wildcardA.keyOf({ host: '127.0.0.1', port: 5 }), 1);
  sendBytes(onA, onA.keyOf({ host: '10.0.0.2', port: 5 }), 2);
  sendBytes(wildcardA, wildcardA.keyOf({ host: '10.0.0.2', port: 5 }), 3);
  world.runFor(0);
  let source = '';
  onA.poll((_buffer, _offset, _length, key) => {
    source = onA.addressOf(key).host;
  }, 10);
  t.equal(source, '127.0.0.1');
  t.deepEqual(received(onB), [[3]]);
  t.end();
});

test('without reordering datagrams keep their order, however the delays fall', (t) => {
  fc.assert(
    fc.property(fc.maxSafeNat(), (seed) => {
      const pair = newPair(seed);
      pair.world.network.setAllLinks({ delay: exponentialDelay(0, 20 * MILLISECOND) });
      sendNumbered(pair, 100);
      pair.world.runFor(SECOND);
      const arrived = numbers(pair.to);
      return arrived.length === 100 && arrived.every((value, i) => value === i);
    }),
    { seed: 1, numRuns: 30 },
  );
  t.end();
});

test('reordered datagrams arrive all, later, and others pass them', (t) => {
  const pair = newPair();
  pair.world.network.setAllLinks({
    reorderPerMillion: 200_000,
    reorderDelay: uniformDelay(MILLISECOND, 20 * MILLISECOND),
  });
  sendNumbered(pair, 300);
  pair.world.runFor(SECOND);
  const arrived = numbers(pair.to);
  t.equal(arrived.length, 300);
  t.ok(arrived.some((value, i) => value !== i));
  t.deepEqual(
    [...arrived].sort((x, y) => x - y),
    Array.from({ length: 300 }, (_, i) => i),
  );
  t.ok(pair.world.network.counts.reordered > 30);
  t.end();
});

test('loss, bursts of loss and duplication happen as often as asked', (t) => {
  const lossy = newPair();
  lossy.world.network.setAllLinks({ lossPerMillion: 100_000 });
  sendNumbered(lossy, 3000);
  const left = numbers(lossy.to).length;
  t.ok(left > 2600 && left < 2800, `${left} of 3000 are left`);

  const bursty = newPair();
  bursty.world.network.setAllLinks({
    burstEnterPerMillion: 10_000,
    burstLeavePerMillion: 100_000,
    burstLossPerMillion: 1_000_000,
  });
  sendNumbered(bursty, 3000);
  const rest = numbers(bursty.to);
  const gaps = rest.map((value, i) => value - (rest[i - 1] ?? -1) - 1).filter((gap) => gap > 0);
  t.ok(Math.max(...gaps) >= 10, `the longest burst lost ${Math.max(...gaps)}`);

  const doubling = newPair();
  doubling.world.network.setAllLinks({
    duplicatePerMillion: 50_000,
    duplicateDelay: uniformDelay(0, 3 * SECOND),
  });
  sendNumbered(doubling, 2000);
  doubling.world.runFor(5 * SECOND);
  const all = numbers(doubling.to);
  t.equal(new Set(all).size, 2000);
  t.equal(all.length, 2000 + doubling.world.network.counts.duplicated);
  const late = all.filter(
    (value, i) => all.indexOf(value) !== i && value < (all[i - 1] ?? 0) - 500,
  );
  t.ok(late.length > 0, `${late.length} duplicates are more than half a second old`);
  t.end();
});

test('corruption changes bytes or cuts the datagram, in the copy alone', (t) => {
  const pair = newPair();
  pair.world.network.setAllLinks({ corruptPerMillion: 1_000_000 });
  const sent = new Uint8Array(100).fill(0x55);
  for (let i = 0; i < 200; i++) {
    pair.from.sendTo(sent, 0, 100, pair.key);
  }
  pair.world.runFor(0);
  const arrived = received(pair.to);
  t.equal(arrived.length, 200);
  const intact = arrived.filter((bytes) => bytes.length === 100 && bytes.every((b) => b === 0x55));
  t.ok(intact.length <= 2, `${intact.length} of 200 look intact`);
  t.ok(arrived.some((bytes) => bytes.length < 100));
  t.ok(sent.every((byte) => byte === 0x55));
  t.end();
});

test('a partition is directed, cuts what is on the way, and heals', (t) => {
  const pair = newPair();
  const { network } = pair.world;
  const back = pair.to.keyOf(pair.from.localAddress as { host: string; port: number });
  network.setAllLinks({ delay: fixedDelay(MILLISECOND) });
  sendBytes(pair.from, pair.key, 1);
  network.block(pair.a.node, pair.b.node);
  sendBytes(pair.from, pair.key, 2);
  sendBytes(pair.to, back, 3);
  pair.world.runFor(2 * MILLISECOND);
  t.deepEqual(received(pair.to), []);
  t.deepEqual(received(pair.from), [[3]]);
  t.equal(network.counts.blocked, 2);
  network.unblock(pair.a.node, pair.b.node);
  network.isolate(pair.b.node);
  sendBytes(pair.to, back, 4);
  network.heal();
  sendBytes(pair.from, pair.key, 5);
  pair.world.runFor(2 * MILLISECOND);
  t.deepEqual(received(pair.to), [[5]]);
  t.deepEqual(received(pair.from), []);
  t.end();
});

test('a partition into groups separates groups only', (t) => {
  const world = new World(1);
  const nodes = ['a', 'b', 'c', 'd'].map((name) => addPassive(world, name).node);
  const [a, b, c, d] = nodes as [
    (typeof nodes)[0],
    (typeof nodes)[0],
    (typeof nodes)[0],
    (typeof nodes)[0],
  ];
  world.network.partition([[a, b], [c]]);
  t.ok(world.network.linkOf(a, c).isBlocked && world.network.linkOf(c, b).isBlocked);
  t.notOk(world.network.linkOf(a, b).isBlocked);
  t.notOk(world.network.linkOf(c, d).isBlocked || world.network.linkOf(d, a).isBlocked);
  t.end();
});

test('of cuts that overlap each blocks until it is lifted, or all are healed', (t) => {
  const world = new World(1);
  const from = addPassive(world, 'a').node;
  const to = addPassive(world, 'b').node;
  const { network } = world;
  const link = network.linkOf(from, to);
  const long = network.cut([{ from, to }]);
  const short = network.cut([
    { from, to },
    { from: to, to: from },
  ]);
  t.ok(link.isBlocked && network.linkOf(to, from).isBlocked);
  short.lift();
  t.ok(link.isBlocked, 'the longer cut lasts');
  t.notOk(network.linkOf(to, from).isBlocked, 'what it has nothing to do with is up');
  long.lift();
  long.lift();
  t.notOk(link.isBlocked);
  const last = network.cut([{ from, to }]);
  network.heal();
  t.notOk(link.isBlocked, 'a healed network has none');
  network.block(from, to);
  last.lift();
  t.ok(link.isBlocked, 'and one that was healed lifts nothing else');
  t.end();
});

test('datagrams too long for the path vanish, and too long for UDP fail', (t) => {
  const pair = newPair();
  pair.world.network.setAllLinks({ datagramLengthMax: 1408 });
  const bytes = new Uint8Array(70_000);
  t.equal(pair.from.sendTo(bytes, 0, 1408, pair.key), 1408);
  t.equal(pair.from.sendTo(bytes, 0, 1409, pair.key), 1409);
  t.equal(pair.from.sendTo(bytes, 0, 65_508, pair.key), SEND_FAILED);
  pair.world.runFor(0);
  t.deepEqual(
    received(pair.to).map((datagram) => datagram.length),
    [1408],
  );
  t.equal(pair.world.network.counts.tooLong, 1);
  t.end();
});

test('a limited bandwidth spreads datagrams and drops what does not fit its queue', (t) => {
  const pair = newPair();
  pair.world.network.setAllLinks({ bandwidthBytesPerSecond: 1_000_000, queueLengthMax: 5_000 });
  const bytes = new Uint8Array(1000);
  for (let i = 0; i < 10; i++) {
    pair.from.sendTo(bytes, 0, 1000, pair.key);
  }
  pair.world.runFor(2.5 * MILLISECOND);
  t.equal(received(pair.to).length, 2);
  pair.world.runFor(SECOND);
  t.equal(received(pair.to).length, 3);
  t.equal(pair.world.network.counts.queueDropped, 5);
  t.end();
});

test('a filter sees every datagram before any fault and may drop it', (t) => {
  const pair = newPair();
  const seen: string[] = [];
  pair.world.network.setAllLinks({ lossPerMillion: 1_000_000 });
  const filter = (
    from: { name: string },
    to: { name: string },
    buffer: Uint8Array,
    offset: number,
  ): boolean => {
    seen.push(`${from.name}>${to.name} ${buffer[offset]}`);
    return buffer[offset] !== 2;
  };
  pair.world.network.addFilter(filter);
  sendBytes(pair.from, pair.key, 1);
  sendBytes(pair.from, pair.key, 2);
  pair.world.network.removeFilter(filter);
  sendBytes(pair.from, pair.key, 3);
  t.deepEqual(seen, ['a>b 1', 'a>b 2']);
  t.equal(pair.world.network.counts.filtered, 1);
  t.equal(pair.world.network.counts.lost, 2);
  t.end();
});

test('a full inbox drops and counts; while the process is paused the system buffers', (t) => {
  const pair = newPair();
  const small = openSocket(pair.b, 4001, { inboxLengthMax: 2, receiveBufferLength: 4 });
  const key = pair.from.keyOf({ host: '10.0.0.2', port: 4001 });
  for (let i = 0; i < 5; i++) {
    sendBytes(pair.from, key, i);
  }
  pair.world.runFor(0);
  t.equal(small.droppedCount, 3);
  t.deepEqual(received(small), [[0], [1]]);
  pair.b.node.process?.pause(MILLISECOND);
  for (let i = 0; i < 6; i++) {
    sendBytes(pair.from, key, i);
  }
  pair.world.runFor(2 * MILLISECOND);
  t.equal(small.droppedCount, 3, 'what the system drops is not known to the process');
  t.equal(received(small).length, 4);
  t.end();
});

test('datagrams to an ended process are dropped, those to its successor arrive', (t) => {
  const pair = newPair();
  pair.world.network.setAllLinks({ delay: fixedDelay(10 * MILLISECOND) });
  sendBytes(pair.from, pair.key, 1);
  pair.world.runFor(5 * MILLISECOND);
  sendBytes(pair.from, pair.key, 2);
  pair.b.node.kill();
  pair.world.runFor(6 * MILLISECOND);
  t.equal(pair.world.network.counts.unreachable, 1);
  const next = openSocket(startPassive(pair.b.node), 4000);
  pair.world.runFor(5 * MILLISECOND);
  t.deepEqual(received(next), [[2]], 'a stale datagram reaches the next process on the port');
  t.end();
});

test('held bytes are released after their time and must not change before', (t) => {
  const pair = newPair();
  pair.a.node.sendOptions = { ...PERFECT_SEND, heldNs: 100, heldLengthMax: 3 };
  const bytes = Uint8Array.of(1, 2);
  t.equal(pair.from.sendTo(bytes, 0, 2, pair.key), 2);
  t.equal(pair.from.heldBytes(), 2);
  t.equal(pair.from.sendTo(bytes, 0, 2, pair.key), SEND_BACK_PRESSURED);
  pair.world.runFor(100);
  t.equal(pair.from.heldBytes(), 0);
  t.equal(pair.from.sendTo(bytes, 0, 2, pair.key), 2);
  bytes[1] = 9;
  t.throws(() => pair.world.runFor(100), /not reused while the socket still reads/);
  t.end();
});

test("the sender's own system refuses sends as often as asked", (t) => {
  const pair = newPair();
  pair.a.node.sendOptions = {
    ...PERFECT_SEND,
    failedPerMillion: 200_000,
    backPressuredPerMillion: 200_000,
  };
  const results = new Map<number, number>();
  for (let i = 0; i < 1000; i++) {
    const result = sendBytes(pair.from, pair.key, 1);
    results.set(result, (results.get(result) ?? 0) + 1);
  }
  for (const code of [SEND_FAILED, SEND_BACK_PRESSURED]) {
    const count = results.get(code) ?? 0;
    t.ok(count > 100 && count < 300, `code ${code} came ${count} times`);
  }
  t.equal(pair.world.network.counts.sent, results.get(1));
  t.end();
});

test('a datagram kept too long is scribbled over; a handler may close the socket', (t) => {
  const pair = newPair();
  sendBytes(pair.from, pair.key, 1, 2, 3);
  sendBytes(pair.from, pair.key, 4);
  pair.world.runFor(0);
  let kept: Uint8Array = new Uint8Array(0);
  const count = pair.to.poll((buffer, offset, length) => {
    kept = buffer.subarray(offset, offset + length);
    pair.to.close();
  }, 10);
  t.equal(count, 1);
  t.deepEqual([...kept], [0xdb, 0xdb, 0xdb]);
  t.deepEqual(received(pair.to), []);
  t.end();
});

test('an address key of another socket is refused', (t) => {
  const pair = newPair();
  t.throws(() => sendBytes(pair.to, 5, 1), /given by this socket/);
  t.throws(() => pair.to.addressOf(5), /given by this socket/);
  t.end();
});
