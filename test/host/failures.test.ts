// What the system may refuse or break, beyond what the other tests of the host bring about: each
// ends in a typed error, a counted event or the documented exit code.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import * as nodeFs from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { type Test } from 'tape';
import { type ClientHandlers, ClusterClient } from '../../src/client/cluster-client.js';
import type { ClusterSettings, MemberSettings } from '../../src/cluster/cluster-config.js';
import { MEMBER_DEFAULTS } from '../../src/cluster/cluster-config.js';
import { channelCountOf, memoryLengthMin } from '../../src/cluster/memory-budget.js';
import { PawlError } from '../../src/errors.js';
import { bootstrapMember } from '../../src/host/bootstrap.js';
import { connect } from '../../src/host/connect.js';
import { FileLock, type FileLockOptions, LockedError } from '../../src/host/file-lock.js';
import { connectClient, type NodeClient } from '../../src/host/node-client.js';
import { runMember } from '../../src/host/node-member.js';
import { NodeNetwork } from '../../src/host/node-network.js';
import type { NodeDatagramSocket } from '../../src/host/node-socket.js';
import { NodeStorage } from '../../src/host/node-storage.js';
import { PEER_KEYS_MAX, SourceKeys } from '../../src/host/source-keys.js';
import { type DatagramOptions, SocketState } from '../../src/ports/network.js';
import { OpenMode, StorageResult } from '../../src/ports/storage.js';
import { findLocalEndpoints, type LocalEndpoints } from '../../src/tools/free-ports.js';
import { createService } from '../../src/tools/services/echo-service.js';
import { atEnd } from '../support/at-end.js';
import { temporaryDirectory } from '../support/until.js';
import { errnoError, FakeSocket, type FakeSocketOptions } from './fixtures/fake-socket.js';

const MIB = 1024 * 1024;
const ECHO_MODULE = new URL('../../src/tools/services/echo-service.ts', import.meta.url);
const LOCAL: DatagramOptions = {
  host: '127.0.0.1',
  port: 0,
  sendBufferLength: 1 << 20,
  receiveBufferLength: 1 << 20,
  inboxLengthMax: 1 << 20,
};
const PEER = { host: '127.0.0.1', port: 9999 };

function fakeOf(
  options: FakeSocketOptions,
  remote?: typeof PEER,
): { fake: FakeSocket; opened: NodeDatagramSocket } {
  const fake = new FakeSocket(options);
  const network = new NodeNetwork({ onReadable: () => undefined, createSocket: () => fake.socket });
  return { fake, opened: network.open(remote === undefined ? LOCAL : { ...LOCAL, remote }) };
}

test('a socket whose buffers cannot be set opens with what the system gives', (t) => {
  const { opened } = fakeOf({ bufferErrno: 'ENOBUFS' });
  t.equal(opened.state, SocketState.Open);
  t.match(String(opened.lastError), /ENOBUFS/);
  t.equal(opened.receiveBufferLength, process.platform === 'linux' ? 32_768 : 65_536);
  t.end();
});

test('a connection that comes later opens the socket, and one that fails names the peer', (t) => {
  const slow = fakeOf({ isSlowToConnect: true }, PEER);
  t.equal(slow.opened.state, SocketState.Opening, 'the system has not said yet');
  slow.fake.emit('error', errnoError('ENETUNREACH'));
  t.equal(slow.opened.state, SocketState.Failed);
  t.equal(slow.opened.failure?.code, 'NETWORK_FAILED');
  t.match(String(slow.opened.failure?.message), /cannot reach UDP 127.0.0.1:9999: ENETUNREACH/);
  t.end();
});

test('what a stranger sends between bind and connect is counted and dropped', (t) => {
  const { fake, opened } = fakeOf({}, PEER);
  t.equal(opened.state, SocketState.Open);
  fake.emit('message', Buffer.from('x'), { address: '127.0.0.1', port: 1 });
  fake.emit('message', Buffer.from('y'), { address: PEER.host, port: PEER.port });
  t.equal(opened.strangerCount, 1);
  let text = '';
  opened.poll((buffer, offset, length) => {
    text += Buffer.from(buffer.subarray(offset, offset + length)).toString();
  }, 10);
  t.equal(text, 'y', 'only the peer is heard');
  t.end();
});

test('a datagram from port 0, to which nobody can answer, is counted and dropped', (t) => {
  const { fake, opened } = fakeOf({});
  fake.emit('message', Buffer.from('x'), { address: '127.0.0.1', port: 0 });
  fake.emit('message', Buffer.from('y'), { address: '127.0.0.1', port: 1 });
  t.equal(opened.portlessCount, 1);
  t.equal(
    opened.poll(() => undefined, 10),
    1,
    'the other one is taken',
  );
  t.end();
});

test('a defect while a socket is made is not taken for a failure of the system', (t) => {
  const network = new NodeNetwork({
    onReadable: () => undefined,
    createSocket: () => {
      throw new TypeError('a defect');
    },
  });
  t.throws(() => network.open(LOCAL), /a defect/);
  t.end();
});

test('a socket with as many peers as it can know refuses another with the remedy', (t) => {
  const keys = new SourceKeys();
  for (let index = 0; index < PEER_KEYS_MAX; index++) {
    keys.keyOfPeer(`10.${index >>> 16}.${(index >>> 8) & 0xff}.${index & 0xff}`, 1);
  }
  t.throws(() => keys.keyOfPeer('10.9.9.9', 1), /no key for 10.9.9.9:1: .* 65536 peers; use a/);
  t.equal(keys.keyOfPeer('10.0.0.0', 1), 1, 'those that are known go on');
  t.end();
});

test('a close that the system refuses completes with its result', (t) => {
  const storage = new NodeStorage(temporaryDirectory(t), {
    fileSystem: {
      ...nodeFs,
      closeSync: (descriptor) => {
        nodeFs.closeSync(descriptor);
        throw errnoError('EIO');
      },
    },
  });
  const results: number[] = [];
  let file = 0;
  storage.open('a', OpenMode.Create);
  storage.poll(({ value }) => {
    file = value;
  }, 1);
  storage.close(file);
  storage.poll(({ result }) => results.push(result), 1);
  t.deepEqual(results, [StorageResult.InputOutput]);
  t.match(String(storage.lastFailure), /EIO/);
  t.end();
});

function acquired(path: string, options: FileLockOptions): Promise<FileLock | Error> {
  return new Promise((resolve) => FileLock.acquire(path, options, resolve));
}

test('a lock file that cannot be written to is an error, and nothing is held', async (t) => {
  if (process.platform !== 'linux') {
    t.skip('the file is one of Linux');
    t.end();
    return;
  }
  const outcome = await acquired('/dev/full', { useFlock: false, useSocket: false });
  t.ok(outcome instanceof Error && !(outcome instanceof LockedError), String(outcome));
  t.end();
});

test('a lock whose holder cannot be read is still locked', async (t) => {
  if (process.platform !== 'linux') {
    t.skip('this way of locking is used on Linux only');
    t.end();
    return;
  }
  const path = join(temporaryDirectory(t), 'lock');
  const first = await acquired(path, { useFlock: false });
  t.ok(first instanceof FileLock);
  const second = acquired(path, { useFlock: false });
  // The file is open by now; without its name nobody can read who holds it.
  nodeFs.unlinkSync(path);
  t.match(String(await second), /is locked by another process/);
  if (first instanceof FileLock) {
    first.release();
  }
  t.end();
});

interface Ending {
  readonly code: number | null;
  readonly output: string;
}

async function memberEnding(t: Test, way: string): Promise<Ending> {
  const file = fileURLToPath(new URL('./fixtures/failing-member.ts', import.meta.url));
  const { members } = await findLocalEndpoints(1);
  const args = ['--import', 'tsx', file, temporaryDirectory(t), members, way];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  atEnd(t, () => child.kill('SIGKILL'));
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk;
    });
  }
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, output };
}

test('a recorder that cannot make its segment ends the member by the disk', async (t) => {
  const { code, output } = await memberEnding(t, 'recorder');
  t.equal(code, 6, output);
  t.match(output, /recorder: could not .*0-0.rec: the system denied it/);
  t.match(output, /closed: the disk failed while the log was recorded/);
  t.end();
});

test('a service that throws ends the member with its code', async (t) => {
  const { code, output } = await memberEnding(t, 'service');
  t.equal(code, 8, output);
  t.match(output, /closed: .*the service of this test throws/);
  t.end();
});

const SMALL_LOG = { logTermLength: MIB, segmentLength: MIB };

/** A member in this process, and where its clients find it. */
async function startMember(
  t: Test,
  settings: Partial<ClusterSettings> = SMALL_LOG,
  memoryLength = 64 * MIB,
  layout: Partial<MemberSettings> = {},
): Promise<LocalEndpoints> {
  const endpoints = await findLocalEndpoints(1);
  const cluster = {
    clusterId: 1,
    durability: 'page-cache' as const,
    ...settings,
    members: endpoints.members,
  };
  const member = { ...layout, memberId: 0, memoryLength };
  const directory = temporaryDirectory(t);
  await bootstrapMember({ cluster, member, directory });
  const serviceFactory = Array.from({ length: settings.serviceCount ?? 1 }, () => createService);
  const serviceModule = ECHO_MODULE.href;
  const running = runMember({ cluster, member, directory, serviceFactory, serviceModule });
  atEnd(t, () => running.stop());
  return endpoints;
}

function connectTo(
  ingressEndpoints: string,
  handlers: Partial<ClientHandlers>,
  onFatal: (error: unknown) => void = () => undefined,
): Promise<NodeClient> {
  const options = { ingressEndpoints, connectTimeoutMs: 10_000, onFatal };
  return connectClient(options, { onMessage: () => undefined, ...handlers });
}

test('a client that finds nobody is told which endpoints it tried', async (t) => {
  const { ingress } = await findLocalEndpoints(1);
  let closed: unknown;
  const handlers = {
    onMessage: () => undefined,
    onClosed: (error: unknown) => {
      closed = error;
    },
  };
  try {
    await connectClient({ ingressEndpoints: ingress, connectTimeoutMs: 50 }, handlers);
    t.fail('there is nobody to connect to');
  } catch (error) {
    t.match(String(error), /no leader answered within 50 ms at 127.0.0.1/);
    t.ok(error instanceof PawlError && error.code === 'TIMEOUT');
    t.equal(closed, error, 'the handler hears the same');
  }
  t.end();
});

const LAYOUTS = [
  { serviceCount: 1, threads: 'shared', snapshotBy: 'service' },
  { serviceCount: 16, threads: 'shared', snapshotBy: 'service' },
  { serviceCount: 1, threads: 'dedicated', snapshotBy: 'shadow' },
  { serviceCount: 16, threads: 'dedicated', snapshotBy: 'service' },
] as const;

for (const { serviceCount, ...layout } of LAYOUTS) {
  const name = `${serviceCount} services, threads ${layout.threads}`;
  test(`a member with the least memory that it may have serves a client: ${name}`, async (t) => {
    const settings = {
      logTermLength: 4 * MIB,
      segmentLength: 4 * MIB,
      egressTermLength: 256 * 1024,
      sessionCountMax: 10_000,
      serviceCount,
    };
    const { streamTermLength } = MEMBER_DEFAULTS;
    const least = memoryLengthMin({ ...settings, ...layout, streamTermLength, memberCount: 1 });
    const { ingress } = await startMember(t, settings, least, layout);
    const client = await connectTo(ingress, {});
    t.pass(`a client is heard with ${least} bytes`);
    client.close();
    try {
      await startMember(t, settings, least - 1, layout);
      t.fail('there is no room for a client');
    } catch (error) {
      const told = `member.memoryLength is ${least - 1}: use at least ${least}`;
      t.match(String(error), new RegExp(told));
      const channels = /with \d+ bytes for (\d+) channels to services on other threads/;
      const [, count] = channels.exec(String(error)) ?? [];
      const expected = channelCountOf({ ...layout, serviceCount });
      t.equal(Number(count ?? 0), expected, 'and what for');
    }
  });
}

test('what a handler throws before the session is open rejects the connection', async (t) => {
  const { ingress } = await startMember(t);
  const onConnected = (): void => {
    throw new RangeError('the handler of this test throws');
  };
  try {
    await connectTo(ingress, { onConnected });
    t.fail('the handler has thrown');
  } catch (error) {
    t.match(String(error), /the handler of this test throws/);
  }
  t.end();
});

test('what an agent on the client throws later is handed over once', async (t) => {
  const { ingress } = await startMember(t);
  const errors: unknown[] = [];
  const heard = new Promise<void>((resolve, reject) => {
    connectTo(ingress, {}, (error) => {
      errors.push(error);
      resolve();
    }).then(
      (client) =>
        client.addAgent({
          roleName: 'throwing',
          doWork: () => {
            throw new RangeError('the agent of this test throws');
          },
          deadlineNs: () => Infinity,
          close: () => undefined,
        }),
      reject,
    );
  });
  await heard;
  t.deepEqual(errors.map(String), ['RangeError: the agent of this test throws']);
  t.end();
});

test('a client that fails ends all that waits, and takes nothing more', async (t) => {
  const { ingress } = await startMember(t);
  const { doWork } = ClusterClient.prototype;
  const fatal: unknown[] = [];
  const session = await connect({ ingressEndpoints: ingress, onFatal: (e) => fatal.push(e) });
  const told = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'it was answered',
      (error: unknown) => (error instanceof PawlError ? error.code : String(error)),
    );
  const ask = (): Promise<string[]> => {
    const body = new Uint8Array(4);
    const asked = [session.request(body), session.query(body), session.orderSnapshot()];
    return Promise.all(asked.map(told));
  };
  ClusterClient.prototype.doWork = () => {
    throw new RangeError('a defect');
  };
  const waiting = await ask();
  ClusterClient.prototype.doWork = doWork;
  t.deepEqual(waiting, ['OUTCOME_UNKNOWN', 'SESSION_CLOSED', 'SESSION_CLOSED']);
  t.deepEqual(fatal.map(String), ['RangeError: a defect'], 'it is handed over once');
  t.deepEqual(await ask(), ['SESSION_CLOSED', 'CLOSED', 'SESSION_CLOSED'], 'nothing is sent');
  session.close();
  t.end();
});
