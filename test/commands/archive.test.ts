// `pawl archive`: what a member has recorded, told, verified and replayed from its files.

import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import test, { type Test } from 'tape';
import { runCli, temporaryDirectory } from './cli.js';
import { bornMember, connectTo, expectCode, runningMember } from './one-member.js';

const MESSAGE_COUNT = 20;
const TEXT = 'a message of the test';

interface ReplayedFrame {
  readonly position: number;
  readonly name: string;
  readonly bytes?: string;
}

/** The directory of a member that has taken messages and has left. */
async function recordedDirectory(t: Test): Promise<string> {
  const member = await bornMember(t);
  const cli = await runningMember(t, member);
  let answers = 0;
  let onAnswer: () => void = () => undefined;
  const client = await connectTo(t, member, () => {
    answers++;
    onAnswer();
  });
  for (let i = 0; i < MESSAGE_COUNT; i++) {
    const answered = new Promise<void>((resolve) => {
      onAnswer = resolve;
    });
    const payload = Buffer.from(TEXT);
    t.ok(client.client.offer(payload, 0, payload.length) > 0);
    client.wake();
    await answered;
  }
  t.equal(answers, MESSAGE_COUNT);
  client.close();
  expectCode(await cli.kill('SIGTERM'), 0);
  return member.directory;
}

async function replay(directory: string, ...flags: string[]): Promise<readonly ReplayedFrame[]> {
  const result = await runCli('archive', 'replay', directory, '--json', ...flags);
  expectCode(result, 0);
  const lines = result.stdout.split('\n').filter((line) => line !== '');
  return lines.map((line) => JSON.parse(line) as ReplayedFrame);
}

function overwrite(directory: string, position: number): void {
  const file = openSync(join(directory, '0-0.rec'), 'r+');
  writeSync(file, Buffer.from('rot'), 0, 3, position);
  closeSync(file);
}

test('an archive is listed, described, verified and replayed from its files', async (t) => {
  const directory = await recordedDirectory(t);
  const list = await runCli('archive', 'list', directory, '--json');
  expectCode(list, 0);
  const { recordings } = JSON.parse(list.stdout) as {
    recordings: { recordingId: number; stopPosition: number; health: string }[];
  };
  const [log] = recordings;
  t.equal(log?.recordingId, 0);
  t.equal(log?.health, 'sound');
  t.match((await runCli('archive', 'list', directory)).stdout, /^0 +log +100 +0 +[\d,]+ +1 +1 /m);

  const described = await runCli('archive', 'describe', directory);
  t.match(described.stdout, /^term \d from 0 to [\d,]+: \d+ frames/m);
  t.match(described.stdout, /20 SessionMessageHeader/);

  const verified = await runCli('archive', 'verify', directory);
  t.equal(verified.code, 0, verified.stdout);
  t.match(verified.stdout, /^sound: \d+ frames and 0 of padding are whole and in place/);

  const frames = await replay(directory);
  t.equal(frames[0]?.name, 'NewLeadershipTermEvent');
  const messages = frames.filter((frame) => frame.name === 'SessionMessageHeader');
  t.equal(messages.length, MESSAGE_COUNT);
  t.ok(messages.every(({ bytes }) => Buffer.from(bytes ?? '', 'hex').toString() === TEXT));

  const from = messages[3]?.position ?? -1;
  const to = messages[6]?.position ?? -1;
  const part = await replay(directory, '--from', String(from), '--to', String(to));
  t.deepEqual(part, messages.slice(3, 6), 'a bounded replay has the frames that begin within');
  const within = await replay(directory, '--from', String(from), '--to', String(to - 32));
  t.deepEqual(within, part, 'also where the bound lies within the last of them');
  t.deepEqual(await replay(directory, '--from', String(from + 32), '--limit', '1'), [messages[4]]);
  const words = await runCli(
    'archive',
    'replay',
    directory,
    '--from',
    String(from),
    '--to',
    `${to}`,
  );
  t.match(words.stdout, /SessionMessageHeader .*clusterSessionId=\d+.* \[21 bytes\]/);
});

test('damage of an archive is found with its ranges, and the rest is still read', async (t) => {
  const directory = await recordedDirectory(t);
  const frames = await replay(directory);
  const at = (index: number) => frames[index]?.position ?? -1;
  overwrite(directory, at(4) + 40);
  overwrite(directory, at(9) + 40);
  const verified = await runCli('archive', 'verify', directory, '--json');
  t.equal(verified.code, 5);
  const verdict = JSON.parse(verified.stdout) as { damaged: unknown; dataFrames: number };
  t.deepEqual(verdict.damaged, [
    { from: at(4), to: at(5) },
    { from: at(9), to: at(10) },
  ]);
  t.equal(verdict.dataFrames, frames.length - 2);
  const words = await runCli('archive', 'verify', directory);
  t.match(words.stdout, /^DAMAGED: /);
  t.match(words.stdout, /^damaged from [\d,]+ to [\d,]+$/m);
  const rest = frames.filter((_, index) => index !== 4 && index !== 9);
  t.deepEqual(await replay(directory), rest, 'damaged frames are left out');

  rmSync(join(directory, 'archive.catalog'));
  const without = await runCli('archive', 'verify', directory);
  t.equal(without.code, 5);
  t.match(without.stderr, /cannot be read without its catalog/);
});

test('misuse of the archive commands is told with the remedy', async (t) => {
  const blank = await runCli('archive', 'verify', temporaryDirectory(t));
  t.equal(blank.code, 4);
  t.match(blank.stderr, /holds no archive: name the data directory of a member/);
  const missing = await runCli('archive', 'list', '/nowhere/at/all');
  t.equal(missing.code, 4);
  t.match(missing.stderr, /does not exist/);
  const none = await runCli('archive', 'list');
  t.equal(none.code, 2);
  t.match(none.stderr, /missing required argument 'dir'/);
  const member = await bornMember(t);
  const beyond = await runCli('archive', 'replay', member.directory, '--from', '64');
  t.equal(beyond.code, 3);
  t.match(beyond.stderr, /--from is 64: the archive in .* holds 0 to 0/);
  const word = await runCli('archive', 'replay', member.directory, '--from', 'x');
  t.equal(word.code, 2);
});
