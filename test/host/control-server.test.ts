// The server that takes orders: who may give them, and what it does with nonsense.

import fs, { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { connect, createServer, Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type Test } from 'tape';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { askMember } from '../../src/host/control-client.js';
import {
  CONNECTION_COUNT_MAX,
  CONTROL_LINE_LENGTH_MAX,
  CONTROL_PATH,
  type ControlEndpoint,
  ControlServer,
} from '../../src/host/control-server.js';
import { atEnd } from '../support/at-end.js';
import { until } from '../support/until.js';

const TIMEOUT_MS = 10_000;
const double = (value: unknown): number => Number(value) * 2;

function temporaryDirectory(t: Test): string {
  const directory = mkdtempSync(join(tmpdir(), 'pawl-test-'));
  atEnd(t, () => rmSync(directory, { recursive: true, force: true }));
  return directory;
}

async function serverIn(t: Test): Promise<{ directory: string; server: ControlServer }> {
  const directory = temporaryDirectory(t);
  const server = await ControlServer.start(directory, {
    double,
    fail: () => {
      throw new PawlError(ErrorCode.LimitExceeded, 'too much: ask for less');
    },
    break: () => {
      throw new TypeError('a defect');
    },
    never: () => new Promise(() => undefined),
    talk: () => 'x'.repeat(CONTROL_LINE_LENGTH_MAX),
  });
  atEnd(t, () => server.close());
  return { directory, server };
}

function endpointOf(directory: string): ControlEndpoint {
  return JSON.parse(readFileSync(join(directory, CONTROL_PATH), 'utf8')) as ControlEndpoint;
}

/** Sends raw text and returns what comes back until the end. */
function send(port: number, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port });
    let answer = '';
    socket.setEncoding('utf8').on('data', (part: string) => {
      answer += part;
    });
    socket.on('error', reject);
    socket.on('end', () => resolve(answer));
    socket.write(text);
  });
}

test('an order with the token is carried out, and its error comes back as it was', async (t) => {
  const { directory, server } = await serverIn(t);
  t.equal(await askMember(directory, 'double', 21, TIMEOUT_MS), 42);
  const failed = await askMember(directory, 'fail', 0, TIMEOUT_MS).catch((error: unknown) => error);
  t.ok(failed instanceof PawlError && failed.code === ErrorCode.LimitExceeded);
  t.match(String(failed), /too much: ask for less/);
  const unknown = await askMember(directory, 'nothing', 0, TIMEOUT_MS).catch(String);
  t.match(String(unknown), /no order 'nothing' is known/);
  server.close();
  const closed = await askMember(directory, 'double', 1, TIMEOUT_MS).catch(String);
  t.match(String(closed), /no member runs on/);
});

test('an order without the right token, and nonsense, are refused', async (t) => {
  const { directory } = await serverIn(t);
  const { port, token } = endpointOf(directory);
  const wrong = JSON.stringify({ token: token.replace(/./g, '0'), type: 'double', value: 1 });
  for (const line of [wrong, '{}', 'null', 'not JSON', JSON.stringify({ token: '', type: 'x' })]) {
    t.match(await send(port, `${line}\n`), /the token is not the one in control\.json/, line);
  }
  t.equal(await askMember(directory, 'double', 2, TIMEOUT_MS), 4, 'others are served as before');
});

test('a server that ends leaves the file of its successor alone', async (t) => {
  const { directory, server } = await serverIn(t);
  const successor = JSON.stringify({ pid: 1, port: 1, token: 'of another process' });
  writeFileSync(join(directory, CONTROL_PATH), successor);
  server.close();
  t.equal(readFileSync(join(directory, CONTROL_PATH), 'utf8'), successor);
});

/** What asking for something comes to when it fails, as `CODE: message`. */
async function failureOf(directory: string, type: string, timeoutMs = TIMEOUT_MS): Promise<string> {
  try {
    await askMember(directory, type, 0, timeoutMs);
    return 'it did not fail';
  } catch (error) {
    return error instanceof PawlError ? `${error.code}: ${error.message}` : String(error);
  }
}

test('a member that is silent, says too much, or breaks is reported as what it is', async (t) => {
  const { directory } = await serverIn(t);
  t.match(await failureOf(directory, 'never', 50), /^TIMEOUT: .* did not answer within 50 ms/);
  t.match(await failureOf(directory, 'talk'), /^LIMIT_EXCEEDED: the answer of .* is too long/);
  t.match(await failureOf(directory, 'break'), /^CLOSED: a defect/, 'a code that nobody knows');
  t.equal(await askMember(directory, 'double', 3, TIMEOUT_MS), 6, 'others are served as before');
});

test('a control.json that leads to nobody, or cannot be read, is told apart', async (t) => {
  const { directory } = await serverIn(t);
  const path = join(directory, CONTROL_PATH);
  const written = readFileSync(path, 'utf8');
  const mute = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await new Promise((resolve) => mute.once('listening', resolve));
  const { port } = mute.address() as { port: number };
  for (const text of ['not JSON', JSON.stringify({ pid: 1, port, token: 'of another' })]) {
    writeFileSync(path, text);
    t.match(await failureOf(directory, 'double'), /^CLOSED: no member runs on/, text);
  }
  mute.close();
  writeFileSync(path, JSON.stringify({ pid: 1, port, token: 'of one that ended' }));
  t.match(await failureOf(directory, 'double'), /^CLOSED: no member runs on/, 'nobody listens');
  const { readFileSync: read } = fs;
  fs.readFileSync = (() => {
    throw Object.assign(new Error('denied'), { code: 'EACCES' });
  }) as typeof read;
  syncBuiltinESMExports();
  const denied = failureOf(directory, 'double');
  fs.readFileSync = read;
  syncBuiltinESMExports();
  t.match(await denied, /^SESSION_REFUSED: .* \(EACCES\): only the owner of a member may command/);
  writeFileSync(path, written);
  t.equal(await askMember(directory, 'double', 3, TIMEOUT_MS), 6);
});

test('what another program says on the port of a member that has ended is no answer', async (t) => {
  const directory = temporaryDirectory(t);
  let said = '';
  const stranger = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.once('data', () => socket.end(said));
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => stranger.once('listening', resolve));
  atEnd(t, () => stranger.close());
  const { port } = stranger.address() as { port: number };
  const path = join(directory, CONTROL_PATH);
  writeFileSync(path, JSON.stringify({ pid: 1, port, token: 'of a member that has ended' }));
  for (const answer of [
    'HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n',
    ...['{', 'null', '1', '"text"', '[]', '{}', '{"error":null}', '{"error":"no"}'],
    '{"jsonrpc":"2.0","error":{"code":-32600,"message":"Invalid Request"},"id":null}',
    '{"error":{"code":"CLOSED"}}',
  ]) {
    said = `${answer}\n`;
    t.match(await failureOf(directory, 'status'), /^CLOSED: no member runs on/, answer);
  }
  const text = { pid: 1, token: 'x' };
  for (const named of [undefined, 'a', -1, 0, 1.5, 65_536, '80']) {
    writeFileSync(path, JSON.stringify({ ...text, port: named }));
    t.match(await failureOf(directory, 'status'), /^CLOSED: no member runs on/, `port ${named}`);
  }
  writeFileSync(path, 'null');
  t.match(await failureOf(directory, 'status'), /^CLOSED: no member runs on/);
});

/** A directory whose control.json names a server that does something with each connection. */
async function strangerIn(t: Test, onConnection: (socket: Socket) => void): Promise<string> {
  const directory = temporaryDirectory(t);
  const sockets = new Set<Socket>();
  const stranger = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => socket.destroy());
    onConnection(socket);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => stranger.once('listening', resolve));
  atEnd(t, () => {
    stranger.close();
    for (const socket of sockets) {
      socket.destroy();
    }
  });
  const { port } = stranger.address() as { port: number };
  writeFileSync(join(directory, CONTROL_PATH), JSON.stringify({ pid: 1, port, token: 'x' }));
  return directory;
}

test('an answer that never ends is waited for no longer than one that never begins', async (t) => {
  const directory = await strangerIn(t, (socket) => {
    const timer = setInterval(() => socket.write('x'), 100);
    socket.on('close', () => clearInterval(timer));
  });
  const startMs = performance.now();
  t.match(await failureOf(directory, 'status', 500), /^TIMEOUT: .* did not answer within 500 ms/);
  const tookMs = performance.now() - startMs;
  t.ok(tookMs >= 490 && tookMs < 5_000, `${tookMs} ms`);
});

test('an answer is taken where its line ends, whoever keeps the connection open', async (t) => {
  const directory = await strangerIn(t, (socket) => {
    socket.once('data', () => {
      socket.write('{"result":');
      setTimeout(() => socket.write('6}\nand more'), 20);
    });
  });
  t.equal(await askMember(directory, 'double', 3, TIMEOUT_MS), 6);
});

test('connections that bring no request, or do not end, make room for others', async (t) => {
  const requestTimeoutMs = 200;
  const directory = temporaryDirectory(t);
  const server = await ControlServer.start(directory, { double }, { requestTimeoutMs });
  atEnd(t, () => server.close());
  const { port } = endpointOf(directory);
  for (const text of ['x', '{}\n']) {
    let closedCount = 0;
    const idle = Array.from({ length: CONNECTION_COUNT_MAX }, () => {
      const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
      // It goes on talking, and does not end when the other side has.
      const timer = setInterval(() => socket.write(text), requestTimeoutMs / 4);
      socket.on('error', () => socket.destroy());
      socket.on('close', () => {
        clearInterval(timer);
        closedCount++;
      });
      return socket;
    });
    atEnd(t, () => idle.forEach((socket) => void socket.destroy()));
    await until(() => closedCount === idle.length, `all that say ${text} are closed`);
    t.equal(await askMember(directory, 'double', 3, TIMEOUT_MS), 6);
  }
});

test('a member that cannot listen for orders, or say where, says why', async (t) => {
  const start = (directory: string) =>
    ControlServer.start(directory, {}).then(
      () => 'it started',
      (error: PawlError) => `${error.code}: ${error.message}`,
    );
  t.match(await start('/no/such/directory'), /^STORAGE_FAILED: cannot write .* \(ENOENT\): check/);
  const { listen } = Server.prototype;
  Server.prototype.listen = function (this: Server) {
    queueMicrotask(() => this.emit('error', new Error('no port is left')));
    return this;
  } as typeof listen;
  const started = start(temporaryDirectory(t));
  Server.prototype.listen = listen;
  t.match(await started, /^NETWORK_FAILED: cannot listen for orders on 127.0.0.1: no port is left/);
});
