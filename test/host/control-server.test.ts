// The server that takes orders: who may give them, and what it does with nonsense.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type Test } from 'tape';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { askMember } from '../../src/host/control-client.js';
import {
  CONTROL_PATH,
  type ControlEndpoint,
  ControlServer,
} from '../../src/host/control-server.js';
import { atEnd } from '../support/at-end.js';

const TIMEOUT_MS = 10_000;

async function serverIn(t: Test): Promise<{ directory: string; server: ControlServer }> {
  const directory = mkdtempSync(join(tmpdir(), 'pawl-test-'));
  const server = await ControlServer.start(directory, {
    double: (value) => Number(value) * 2,
    fail: () => {
      throw new PawlError(ErrorCode.LimitExceeded, 'too much: ask for less');
    },
  });
  atEnd(t, () => {
    server.close();
    rmSync(directory, { recursive: true, force: true });
  });
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
