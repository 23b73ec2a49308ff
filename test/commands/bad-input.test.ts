// Bad input and bad luck: one clear line with the value and the remedy, a documented exit code, and
// nothing lost.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { openSync, readFileSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test from 'tape';
import { LogCodec } from '../../src/codec/index.js';
import { ErrorCode, PawlError } from '../../src/errors.js';
import { runCli, startCli, temporaryDirectory } from './cli.js';
import { bornMember, connectTo, prepareMember, runningMember } from './one-member.js';

/** Overwrites bytes of a file in place. */
function damage(path: string, position: number, bytes: Uint8Array): void {
  writeSync(openSync(path, 'r+'), bytes, 0, bytes.length, position);
}

/** Ports of a member list, by the order of its endpoints. */
function portsOf(members: string): number[] {
  return [...members.matchAll(/127\.0\.0\.1:(\d+)/g)].map((match) => Number(match[1]));
}

test('a wrong member list is refused with the part that is wrong', async (t) => {
  const { directory } = await prepareMember(t);
  const run = (members: string, memberId = '0') =>
    runCli('node', '--member-id', memberId, '--members', members, '--directory', directory);
  const one = '0,127.0.0.1:9,127.0.0.1:10,127.0.0.1:11,127.0.0.1:12,127.0.0.1:13';
  const short = await run('0,127.0.0.1:9');
  t.equal(short.code, 3);
  t.match(short.stderr, /has 2 parts: write six, id,ingress,consensus,log,catchup,archive/);
  const port = await run(one.replace(':9,', ':99999,'));
  t.equal(port.code, 3 + 4, 'an address is a matter of the network');
  t.match(port.stderr, /99999/);
  const twice = await run(`${one}|${one}`);
  t.equal(twice.code, 3);
  t.match(twice.stderr, /member 0 is listed twice/);
  const other = await run(one, '7');
  t.equal(other.code, 3);
  t.match(
    other.stderr,
    /member\.memberId is 7, which cluster\.members does not name: use one of 0/,
  );
  for (const result of [short, port, twice, other]) {
    t.equal(result.stderr.trim().split('\n').length, 1, 'one line');
  }
});

test('timeouts that cannot work together are refused with the reason', async (t) => {
  const { endpoints } = await prepareMember(t);
  const folder = temporaryDirectory(t);
  const file = join(folder, 'node.json');
  const cluster = { members: endpoints.members, heartbeatIntervalMs: 300, leaderTimeoutMs: 600 };
  writeFileSync(file, JSON.stringify({ cluster, member: { memberId: 0 }, directory: 'data' }));
  const result = await runCli('node', '--config', file);
  t.equal(result.code, 3);
  t.match(result.stderr, /leaderTimeoutMs is 600, below 3 times heartbeatIntervalMs \(300\)/);
});

test('a configuration file that is missing, no JSON or misspelt is named', async (t) => {
  const folder = temporaryDirectory(t);
  const missing = await runCli('node', '--config', join(folder, 'none.json'));
  t.equal(missing.code, 3);
  t.match(missing.stderr, /none\.json cannot be read \(ENOENT\)/);
  const file = join(folder, 'node.json');
  writeFileSync(file, '{"cluster": ');
  const broken = await runCli('node', '--config', file);
  t.equal(broken.code, 3);
  t.match(broken.stderr, /node\.json is no JSON/);
  writeFileSync(file, '{"clutser": {}}');
  const misspelt = await runCli('node', '--config', file);
  t.equal(misspelt.code, 3);
  t.match(misspelt.stderr, /clutser/);
});

test('a port in use is named, with exit code 7', async (t) => {
  const member = await bornMember(t);
  for (const port of portsOf(member.endpoints.members).slice(0, 3)) {
    const socket = createSocket('udp4');
    socket.bind({ address: '127.0.0.1', port, exclusive: true });
    await once(socket, 'listening');
    const result = await runCli('node', ...member.flags);
    socket.close();
    t.equal(result.code, 7, result.stderr);
    t.match(result.stderr, new RegExp(`127\\.0\\.0\\.1:${port} is in use: stop the process`));
  }
});

test('listening off loopback is refused unless insecure is said', async (t) => {
  const member = await prepareMember(t);
  const members = member.endpoints.members.replaceAll('127.0.0.1', '0.0.0.0');
  const result = await runCli('node', ...member.flags, '--members', members);
  t.equal(result.code, 7);
  t.match(result.stderr, /would listen on 0\.0\.0\.0.*set insecure to true/);
});

test('a directory that cannot be made or written is named with the reason', async (t) => {
  const member = await prepareMember(t);
  const file = join(temporaryDirectory(t), 'file');
  writeFileSync(file, '');
  const flags = [...member.flags.slice(0, -1), join(file, 'data')];
  for (const command of ['bootstrap', 'node']) {
    const result = await runCli(command, ...flags);
    t.equal(result.code, 6, `${command}: ${result.stderr}`);
    t.match(result.stderr, /file\/data cannot be used \(ENOTDIR\): name a directory/);
  }
});

test('a directory of another member or cluster is refused and stays as it was', async (t) => {
  const member = await bornMember(t);
  const birth = readFileSync(join(member.directory, 'birth.dat'));
  const cluster = await runCli('node', ...member.flags, '--cluster-id', '9');
  t.equal(cluster.code, 4, cluster.stderr);
  t.match(cluster.stderr, /cluster/);
  t.match(cluster.stderr, /9/);
  const members = `${member.endpoints.members}|1${member.endpoints.members
    .slice(1)
    .replaceAll(/:(\d+)/g, (_, port: string) => `:${1024 + ((Number(port) + 7_919) % 60_000)}`)}`;
  const other = await runCli('node', ...member.flags, '--members', members, '--member-id', '1');
  t.equal(other.code, 4, other.stderr);
  t.match(other.stderr, /member/);
  const again = await runCli('bootstrap', ...member.flags);
  t.equal(again.code, 4, 'and it is not born twice');
  t.match(again.stderr, /already/);
  t.deepEqual(readFileSync(join(member.directory, 'birth.dat')), birth);
});

test('a directory of another version of the layout is refused with the version', async (t) => {
  const member = await bornMember(t);
  const path = join(member.directory, 'birth.dat');
  const birth = readFileSync(path);
  birth.writeUInt32LE(99, 4);
  birth.writeUInt32LE(LogCodec.create().crc32c(birth.subarray(0, 44)), 44);
  writeFileSync(path, birth);
  const result = await runCli('node', ...member.flags);
  t.equal(result.code, 4, result.stderr);
  t.match(result.stderr, /version 99/);

  damage(path, 20, new Uint8Array([7]));
  const damaged = await runCli('node', ...member.flags);
  t.equal(damaged.code, 5, damaged.stderr);
  t.match(damaged.stderr, /birth\.dat is damaged/);
});

test('a blank directory starts without a vote and says so', async (t) => {
  const member = await prepareMember(t);
  const cli = startCli(t, 'node', ...member.flags, '--json');
  await cli.waitFor('"event":"warning"');
  t.match(cli.output, /vot/);
  const { code } = await cli.kill('SIGTERM');
  t.equal(code, 0);
});

test('a vote file that is damaged beyond doubt costs the vote, not the member', async (t) => {
  const member = await bornMember(t);
  damage(join(member.directory, 'node-state.dat'), 0, new Uint8Array(1024).fill(0xa5));
  const cli = startCli(t, 'node', ...member.flags, '--json');
  await cli.waitFor('"event":"warning"');
  t.match(cli.output, /node-state\.dat|vote/);
  const { code } = await cli.kill('SIGTERM');
  t.equal(code, 0);
  const described = await runCli('describe', member.directory);
  t.match(described.stdout, /NOT voting|lost/);
});

test('a second process on a directory is refused, and the first goes on', async (t) => {
  const member = await bornMember(t);
  const first = await runningMember(t, member);
  const ports = portsOf((await prepareMember(t)).endpoints.members);
  let index = 0;
  const members = member.endpoints.members.replaceAll(/:\d+/g, () => `:${ports[index++]}`);
  const second = await runCli('node', ...member.flags, '--members', members);
  t.equal(second.code, 4, second.stderr);
  t.match(second.stderr, /\/data: another process runs on this data directory: stop it/);
  t.notOk(first.hasEnded);
  t.equal((await first.kill('SIGTERM')).code, 0);
});

test('a service module that is missing, wrong or throws on load has exit code 8', async (t) => {
  const member = await bornMember(t);
  const folder = temporaryDirectory(t);
  const run = (content: string | undefined, name: string) => {
    const path = join(folder, name);
    if (content !== undefined) {
      writeFileSync(path, content);
    }
    return runCli('node', ...member.flags, '--service', path);
  };
  const cases: readonly (readonly [string | undefined, string, RegExp])[] = [
    [undefined, 'none.mjs', /none\.mjs does not exist: name a module's path, or one of echo/],
    ['throw new Error("no database");', 'throws.mjs', /throws\.mjs threw.*Error: no database/],
    ['export const answer = 42;', 'other.mjs', /other\.mjs exports answer: export a function/],
    ['export const createService = () => { throw new Error("no"); };', 'f.mjs', /f\.mjs threw: /],
    ['export const createService = () => ({});', 'g.mjs', /without a method onSessionMessage/],
    ['export function (', 'syntax.mjs', /syntax\.mjs threw.*SyntaxError/],
  ];
  for (const [content, name, message] of cases) {
    const result = await run(content, name);
    t.equal(result.code, 8, `${name}: ${result.stderr}`);
    t.match(result.stderr, message);
  }
});

test('a service that throws in a callback ends the member with exit code 8', async (t) => {
  const member = await bornMember(t);
  const path = join(temporaryDirectory(t), 'boom.mjs');
  writeFileSync(
    path,
    'export const createService = () => ({ onSessionMessage() { throw new Error("boom"); } });',
  );
  const cli = await runningMember(t, member, '--service', path);
  const client = await connectTo(t, member);
  client.client.offer(new Uint8Array(8), 0, 8);
  client.wake();
  const result = await cli.ended;
  t.equal(result.code, 8, result.stderr);
  t.match(result.stderr, /onSessionMessage/);
  t.match(result.stderr, /boom/);
});

test('an oversized message is refused by the client with the limit', async (t) => {
  const member = await bornMember(t);
  await runningMember(t, member);
  const { client } = await connectTo(t, member);
  const length = client.maxMessageLength + 1;
  try {
    client.offer(new Uint8Array(length), 0, length);
    t.fail('it was taken');
  } catch (error) {
    t.ok(error instanceof PawlError && error.code === ErrorCode.MessageTooLong);
    t.match((error as Error).message, new RegExp(`has ${length} bytes: at most ${length - 1} fit`));
  }
});

test('garbage on every port is dropped, and the member goes on', async (t) => {
  const member = await bornMember(t);
  const cli = await runningMember(t, member);
  let echoCount = 0;
  const client = await connectTo(t, member, () => {
    echoCount++;
  });
  const socket = createSocket('udp4');
  let seed = 12345;
  for (const port of portsOf(member.endpoints.members)) {
    for (let round = 0; round < 200; round++) {
      const garbage = new Uint8Array(1 + (round % 100) * 14).map(() => {
        seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
        return seed >>> 16;
      });
      socket.send(garbage, port, '127.0.0.1');
    }
  }
  await new Promise<void>((resolve) => socket.close(resolve));
  client.client.offer(new Uint8Array(32), 0, 32);
  client.wake();
  while (echoCount === 0 && !cli.hasEnded) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  t.equal(echoCount, 1, 'a message that comes after it is answered');
  t.equal((await cli.kill('SIGTERM')).code, 0);
});
