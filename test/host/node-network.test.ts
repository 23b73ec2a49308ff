// The datagram port on real sockets of the loopback interface.

import { createSocket, type Socket } from 'node:dgram';
import test from 'tape';
import { ErrorCode, type PawlError } from '../../src/errors.js';
import { NodeNetwork, SOCKET_BUFFER_LENGTH } from '../../src/host/node-network.js';
import {
  DATAGRAM_LENGTH_MAX,
  lookupNumeric,
  type NodeDatagramSocket,
  SEND_HELD_BYTES_MAX,
} from '../../src/host/node-socket.js';
import {
  type DatagramOptions,
  SEND_BACK_PRESSURED,
  SEND_FAILED,
  SEND_NOT_READY,
  type SocketAddress,
  SocketState,
} from '../../src/ports/network.js';
import { until } from '../support/until.js';

function optionsOf(more: Partial<DatagramOptions> = {}): DatagramOptions {
  return {
    host: '127.0.0.1',
    port: 0,
    sendBufferLength: SOCKET_BUFFER_LENGTH,
    receiveBufferLength: SOCKET_BUFFER_LENGTH,
    inboxLengthMax: 1 << 20,
    ...more,
  };
}

function newNetwork(): NodeNetwork {
  return new NodeNetwork({ onReadable: () => undefined });
}

function addressOf(socket: NodeDatagramSocket): SocketAddress {
  const address = socket.localAddress;
  if (address === undefined) {
    throw new Error(`the socket is not open: ${socket.failure?.message}`);
  }
  return address;
}

/** Polls until a number of datagrams came; returns them as text with their source keys. */
async function receive(socket: NodeDatagramSocket, count: number): Promise<[string, number][]> {
  const found: [string, number][] = [];
  await until(() => {
    socket.poll((buffer, offset, length, key) => {
      found.push([Buffer.from(buffer.slice(offset, offset + length)).toString(), key]);
    }, 100);
    return found.length >= count;
  }, `${count} datagrams came`);
  return found;
}

const HELLO = Buffer.from('hello');

test('a socket is open as soon as it is opened and names the port it was given', (t) => {
  const network = newNetwork();
  const socket = network.open(optionsOf());
  t.equal(socket.state, SocketState.Open);
  t.equal(socket.localAddress?.host, '127.0.0.1');
  t.ok((socket.localAddress?.port ?? 0) > 0);
  t.ok(socket.receiveBufferLength > 0 && socket.sendBufferLength > 0);
  t.ok(socket.receiveBufferLength <= SOCKET_BUFFER_LENGTH, `granted ${socket.receiveBufferLength}`);
  network.close();
  t.equal(socket.state, SocketState.Closed);
  t.equal(socket.send(HELLO, 0, 5), SEND_NOT_READY);
  t.equal(socket.heldBytes(), 0);
  t.end();
});

test('datagrams go from a connected socket straight out of shared memory and back', async (t) => {
  const network = newNetwork();
  const server = network.open(optionsOf());
  const client = network.open(optionsOf({ remote: addressOf(server) }));
  t.equal(client.state, SocketState.Open);
  const memory = new WebAssembly.Memory({ initial: 1, maximum: 1, shared: true });
  const bytes = new Uint8Array(memory.buffer);
  bytes.set(Buffer.from('one two'), 100);
  t.equal(client.send(bytes, 100, 3), 3);
  bytes.set(Buffer.from('new'), 100);
  t.equal(client.heldBytes(), 0, 'the bytes were read within the call');
  t.equal(client.send(bytes, 104, 3), 3);
  const [first, second] = await receive(server, 2);
  t.equal(first?.[0], 'one');
  t.equal(second?.[0], 'two');
  const key = first?.[1] ?? 0;
  t.equal(second?.[1], key, 'one source has one key');
  t.deepEqual(server.addressOf(key), client.localAddress);
  t.equal(server.keyOf(addressOf(client)), key);
  t.equal(server.sendTo(HELLO, 1, 4, key), 4);
  const [back] = await receive(client, 1);
  t.equal(back?.[0], 'ello');
  t.deepEqual(client.addressOf(back?.[1] ?? 0), server.localAddress);
  network.close();
  t.end();
});

test('a connected socket drops what others sent to its port', async (t) => {
  const network = newNetwork();
  const server = network.open(optionsOf());
  const stranger = network.open(optionsOf());
  const client = network.open(optionsOf({ remote: addressOf(server) }));
  stranger.sendTo(HELLO, 0, 5, stranger.keyOf(addressOf(client)));
  server.sendTo(Buffer.from('mine'), 0, 4, server.keyOf(addressOf(client)));
  const found = await receive(client, 1);
  t.deepEqual(
    found.map(([text]) => text),
    ['mine'],
  );
  network.close();
  t.end();
});

test('IPv6 works, and one address written in two ways has one key', async (t) => {
  const network = newNetwork();
  const server = network.open(optionsOf({ host: '::1' }));
  if (server.state !== SocketState.Open) {
    t.skip(`no IPv6 here: ${server.failure?.message}`);
    t.end();
    return;
  }
  const remote = { host: '0:0:0:0:0:0:0:1', port: addressOf(server).port };
  const client = network.open(optionsOf({ host: '::1', remote }));
  client.send(HELLO, 0, 5);
  const [found] = await receive(server, 1);
  const key = found?.[1] ?? 0;
  t.equal(server.keyOf({ host: '0::0001', port: addressOf(client).port }), key);
  server.sendTo(HELLO, 0, 5, key);
  await receive(client, 1);
  t.equal(client.keyOf(remote), client.keyOf(addressOf(server)));
  network.close();
  t.end();
});

test('a connected socket whose peer is gone keeps working and counts refusals', async (t) => {
  const network = newNetwork();
  const server = network.open(optionsOf());
  const client = network.open(optionsOf({ remote: addressOf(server) }));
  server.close();
  await until(() => {
    client.send(HELLO, 0, 5);
    return client.refusedCount >= 3;
  }, 'three refusals were counted');
  t.equal(client.state, SocketState.Open);
  t.equal(client.errorCount, 0);
  const again = network.open(optionsOf({ port: client.addressOf(1).port }));
  t.equal(again.state, SocketState.Open);
  const found: string[] = [];
  await until(() => {
    client.send(HELLO, 0, 5);
    again.poll((buffer, offset, length) => {
      found.push(Buffer.from(buffer.slice(offset, offset + length)).toString());
    }, 10);
    return found.length > 0;
  }, 'a datagram reached the peer that came back');
  t.equal(found[0], 'hello');
  network.close();
  t.end();
});

test('bad addresses fail with the reason and the remedy', (t) => {
  const network = newNetwork();
  const cases: [Partial<DatagramOptions>, RegExp][] = [
    [{ host: 'localhost' }, /'localhost' is not a numeric address.*127\.0\.0\.1/],
    [{ host: '127.0.0.256' }, /'127\.0\.0\.256' is not a numeric address/],
    [{ port: 65_536 }, /port 65536 .* out of range: use an integer from 0 to 65535/],
    [{ port: 1.5 }, /port 1\.5/],
    [{ remote: { host: '127.0.0.1', port: 0 } }, /port 0 .*from 1 to 65535/],
    [{ remote: { host: '::1', port: 1 } }, /\[::1\]:1 cannot be reached from 127\.0\.0\.1:0/],
    [{ host: '192.0.2.1' }, /192\.0\.2\.1:0 is not an address of this machine/],
  ];
  for (const [options, pattern] of cases) {
    const socket = network.open(optionsOf(options));
    t.equal(socket.state, SocketState.Failed);
    t.equal(socket.failure?.code, ErrorCode.AddressInvalid);
    t.match(socket.failure?.message ?? '', pattern);
    t.equal(socket.send(HELLO, 0, 5), SEND_NOT_READY);
    socket.close();
    socket.close();
  }
  const socket = network.open(optionsOf());
  t.throws(() => socket.keyOf({ host: 'example', port: 1 }), /not a numeric address/);
  t.throws(() => socket.keyOf({ host: '::1', port: 1 }), /one family/);
  t.throws(() => socket.addressOf(77), /source key 77 is not known/);
  network.close();
  t.end();
});

test('a port that is in use fails with ADDRESS_IN_USE', (t) => {
  const network = newNetwork();
  const first = network.open(optionsOf());
  const port = addressOf(first).port;
  const second = network.open(optionsOf({ port }));
  t.equal(second.state, SocketState.Failed);
  t.equal(second.failure?.code, ErrorCode.AddressInUse);
  t.equal(
    second.failure?.message,
    `UDP 127.0.0.1:${port} is in use: stop the process that holds it, or choose another port`,
  );
  network.close();
  t.end();
});

/** A real socket some of whose answers are replaced. */
function networkWith(replace: (socket: Socket) => void, isPoisoned?: () => boolean): NodeNetwork {
  return new NodeNetwork({
    onReadable: () => undefined,
    ...(isPoisoned === undefined ? {} : { isPoisoned }),
    createSocket: (type) => {
      const socket = createSocket({ type, lookup: lookupNumeric });
      replace(socket);
      return socket;
    },
  });
}

function bindFailing(errno: string): (socket: Socket) => void {
  return (socket) => {
    socket.bind = () => {
      throw Object.assign(new Error(`bind ${errno}`), { code: errno });
    };
  };
}

test('a privileged port and a lack of files fail with what to do about them', (t) => {
  const denied = networkWith(bindFailing('EACCES')).open(optionsOf({ port: 80 }));
  t.equal(denied.failure?.code, ErrorCode.AddressInvalid);
  t.match(denied.failure?.message ?? '', /127\.0\.0\.1:80 .*port from 1024 on.*CAP_NET_BIND/);
  const forbidden = networkWith(bindFailing('EPERM')).open(optionsOf());
  t.match(forbidden.failure?.message ?? '', /firewall/);
  const files = networkWith(bindFailing('EMFILE')).open(optionsOf());
  t.equal(files.failure?.code, ErrorCode.NetworkFailed);
  t.match(files.failure?.message ?? '', /ulimit -n/);
  const other = networkWith(bindFailing('ENOBUFS')).open(optionsOf());
  t.match(other.failure?.message ?? '', /cannot open UDP 127\.0\.0\.1:0: bind ENOBUFS/);
  t.end();
});

test('a send while bytes are held over the limit is back-pressured', (t) => {
  let held = 0;
  const network = networkWith((socket) => {
    socket.getSendQueueSize = () => held;
  });
  const server = network.open(optionsOf());
  const client = network.open(optionsOf({ remote: addressOf(server) }));
  held = SEND_HELD_BYTES_MAX - 5;
  t.equal(client.heldBytes(), held);
  t.equal(client.send(HELLO, 0, 5), 5, 'up to the limit it is sent');
  held = SEND_HELD_BYTES_MAX - 4;
  t.equal(client.send(HELLO, 0, 5), SEND_BACK_PRESSURED);
  t.equal(server.sendTo(HELLO, 0, 5, 1), SEND_BACK_PRESSURED);
  t.equal(client.backPressuredCount, 1);
  held = 0;
  t.equal(client.send(HELLO, 0, 5), 5);
  t.equal(client.sentCount, 2);
  network.close();
  t.end();
});

test('a poisoned process sends nothing', (t) => {
  let isPoisoned = false;
  const network = networkWith(
    () => undefined,
    () => isPoisoned,
  );
  const socket = network.open(optionsOf());
  const key = socket.keyOf({ host: '127.0.0.1', port: 9 });
  isPoisoned = true;
  t.equal(socket.sendTo(HELLO, 0, 5, key), SEND_NOT_READY);
  t.equal(socket.sentCount, 0);
  network.close();
  t.end();
});

test('a datagram too long for UDP and a key that was never given fail and are counted', (t) => {
  const network = newNetwork();
  const server = network.open(optionsOf());
  const client = network.open(optionsOf({ remote: addressOf(server) }));
  const long = new Uint8Array(DATAGRAM_LENGTH_MAX + 1);
  t.equal(client.send(long, 0, long.length), SEND_FAILED);
  t.equal(server.sendTo(HELLO, 0, 5, 42), SEND_FAILED);
  t.equal(client.errorCount + server.errorCount, 2);
  t.throws(() => server.send(HELLO, 0, 5), /invariant broken/);
  network.close();
  t.end();
});

test('an error that the system reports for a send is counted, no more', async (t) => {
  const network = newNetwork();
  const socket = network.open(optionsOf());
  // Broadcasting is not permitted on a socket that did not ask for it.
  const key = socket.keyOf({ host: '255.255.255.255', port: 9 });
  t.equal(socket.sendTo(HELLO, 0, 5, key), 5);
  await until(() => socket.errorCount > 0, 'the error was counted');
  t.equal(socket.state, SocketState.Open);
  t.ok(socket.lastError instanceof Error, socket.lastError?.message);
  network.close();
  t.end();
});

test('datagrams beyond the inbox are dropped and counted', async (t) => {
  const network = newNetwork();
  const server = network.open(optionsOf({ inboxLengthMax: 12 }));
  const client = network.open(optionsOf({ remote: addressOf(server) }));
  for (let i = 0; i < 5; i++) {
    client.send(HELLO, 0, 5);
  }
  await until(() => server.receivedCount === 5, 'five datagrams came');
  t.equal(server.droppedCount, 3);
  t.equal((await receive(server, 2)).length, 2);
  client.send(HELLO, 0, 5);
  t.equal((await receive(server, 1)).length, 1, 'there is room again');
  network.close();
  t.end();
});

test('a poll delivers up to its limit and stops when a handler closes the socket', async (t) => {
  const network = newNetwork();
  const server = network.open(optionsOf());
  const client = network.open(optionsOf({ remote: addressOf(server) }));
  for (let i = 0; i < 6; i++) {
    client.send(HELLO, 0, 5);
  }
  await until(() => server.receivedCount === 6, 'six datagrams came');
  t.equal(
    server.poll(() => undefined, 2),
    2,
  );
  t.equal(
    server.poll(() => server.close(), 100),
    1,
  );
  t.equal(
    server.poll(() => undefined, 100),
    0,
  );
  network.close();
  t.end();
});

test('an opened, failed or readable socket calls for a turn of the loop', async (t) => {
  let calls = 0;
  const network = new NodeNetwork({ onReadable: () => (calls += 1) });
  const server = network.open(optionsOf());
  t.equal(calls, 1);
  const failure = network.open(optionsOf({ host: 'nowhere' })).failure as PawlError;
  t.equal(calls, 2);
  t.equal(failure.category, 'usage');
  const client = network.open(optionsOf({ remote: addressOf(server) }));
  client.send(HELLO, 0, 5);
  await until(() => calls === 4, 'the arrival called');
  network.close();
  t.end();
});
