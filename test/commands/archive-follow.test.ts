// `pawl archive replay --follow`: what a running member commits, as it comes, from any position.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type Test } from 'tape';
import { EMPTY_INDEX, SnapshotManifest } from '../../src/archive/snapshot-manifest.js';
import type { StorageTask } from '../../src/archive/storage-task.js';
import type { NodeClient } from '../../src/host/node-client.js';
import { runStorageTask } from '../../src/host/run-task.js';
import { type RunningCli, runCli, startCli, temporaryDirectory } from './cli.js';
import { bornMember, connectTo, expectCode, type OneMember, runningMember } from './one-member.js';
import { strangerFor } from './stranger.js';

const encoder = new TextEncoder();

interface Following {
  readonly member: OneMember;
  readonly node: RunningCli;
  readonly client: NodeClient;
  /** Sends a message and waits for its answer. */
  say(text: string): Promise<void>;
}

async function startMember(t: Test): Promise<Following> {
  const member = await bornMember(t);
  const node = await runningMember(t, member);
  let onAnswer: () => void = () => undefined;
  const client = await connectTo(t, member, () => onAnswer());
  const say = async (text: string): Promise<void> => {
    const answered = new Promise<void>((resolve) => {
      onAnswer = resolve;
    });
    const bytes = encoder.encode(text);
    t.ok(client.client.offer(bytes, 0, bytes.length) > 0);
    client.wake();
    await answered;
  };
  return { member, node, client, say };
}

interface Frame {
  readonly position: number;
  readonly frameLength: number;
  readonly name: string;
  readonly bytes?: string;
}

function framesOf(output: string): readonly Frame[] {
  return output
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Frame);
}

function hex(text: string): string {
  return Buffer.from(text).toString('hex');
}

test('a replay follows a running member, from a position, until it is told to stop', async (t) => {
  const { member, node, client, say } = await startMember(t);
  await say('before the replay');
  const whole = startCli(t, 'archive', 'replay', member.directory, '--follow', '--json');
  await whole.waitFor(hex('before the replay'));
  const { position } = framesOf(whole.output).at(-1) as Frame;
  await say('while it runs');
  await whole.waitFor(hex('while it runs'));
  const from = startCli(
    t,
    ...['archive', 'replay', member.directory, '--follow', '--json'],
    ...['--from', String(position + 32)],
  );
  await from.waitFor(hex('while it runs'));
  for (let index = 0; index < 50; index++) {
    await say(`message ${index}`);
  }
  await Promise.all([whole, from].map((cli) => cli.waitFor(hex('message 49'))));
  client.close();
  const [all, part] = await Promise.all([whole.kill('SIGINT'), from.kill('SIGTERM')]);
  t.equal(all.code, 0, all.stderr);
  t.equal(part.code, 0, part.stderr);
  expectCode(await node.kill('SIGTERM'), 0);
  const bounded = await runCli('archive', 'replay', member.directory, '--json');
  const recorded = framesOf(bounded.stdout);
  const followed = framesOf(all.stdout);
  t.deepEqual(followed, recorded.slice(0, followed.length), 'each frame once, in order');
  t.ok(followed.length >= 53, `${followed.length} frames`);
  const later = framesOf(part.stdout);
  t.ok((later[0]?.position ?? 0) > position, 'the other began where it was told to');
  t.deepEqual(later, recorded.filter((frame) => frame.position > position).slice(0, later.length));
});

test('it ends at a bound, goes on over a restart, and waits for what is not there', async (t) => {
  const { member, node, client, say } = await startMember(t);
  await say('one');
  const limited = startCli(
    t,
    ...['archive', 'replay', member.directory, '--follow', '--json', '--limit', '4'],
  );
  const bounded = startCli(
    t,
    ...['archive', 'replay', member.directory, '--follow', '--json', '--to', '2048'],
  );
  const late = startCli(
    t,
    ...['archive', 'replay', member.directory, '--follow', '--from', '4096', '--limit', '1'],
  );
  await limited.waitFor(hex('one'));
  client.close();
  expectCode(await node.kill('SIGTERM'), 0);
  const again = await runningMember(t, member);
  let answers = 0;
  const second = await connectTo(t, member, () => answers++);
  const bytes = new Uint8Array(900).fill(7);
  while (!(bounded.hasEnded && late.hasEnded && limited.hasEnded)) {
    second.client.offer(bytes, 0, bytes.length);
    second.wake();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  t.ok(answers > 0, 'the member goes on');
  second.close();
  const ended = await Promise.all([limited.ended, bounded.ended, late.ended]);
  t.deepEqual(
    ended.map(({ code }) => code),
    [0, 0, 0],
  );
  t.equal(framesOf(ended[0].stdout).length, 4, '--limit');
  const last = framesOf(ended[1].stdout).at(-1) as Frame;
  t.ok(last.position < 2048 && last.position + last.frameLength >= 2016, `--to: ${last.position}`);
  t.match(ended[2].stdout, /^\d+ term \d+ /, 'a position that is not there yet is waited for');
  expectCode(await again.kill('SIGTERM'), 0);
});

test('it waits on while another program has the port of the member', async (t) => {
  const { member, node, client, say } = await startMember(t);
  await say('before');
  client.close();
  expectCode(await node.kill('SIGTERM'), 0);
  await strangerFor(t, member.directory);
  const following = startCli(t, 'archive', 'replay', member.directory, '--follow', '--json');
  await following.waitFor(hex('before'));
  const again = await runningMember(t, member);
  const second = await connectTo(t, member);
  const bytes = encoder.encode('after');
  t.ok(second.client.offer(bytes, 0, bytes.length) > 0);
  second.wake();
  await following.waitFor(hex('after'));
  second.close();
  expectCode(await following.kill('SIGINT'), 0);
  expectCode(await again.kill('SIGTERM'), 0);
});

test('log that was given up, or records that are lost, end it with the remedy', async (t) => {
  const { member, node, client, say } = await startMember(t);
  await say('one');
  client.close();
  expectCode(await node.kill('SIGTERM'), 0);
  const blank = await runCli('archive', 'replay', temporaryDirectory(t), '--follow');
  t.equal(blank.code, 4);
  t.match(blank.stderr, /holds no archive/);
  const cli = startCli(t, 'archive', 'replay', member.directory, '--follow', '--json');
  await cli.waitFor('"position":0,');
  writeFileSync(join(member.directory, 'snapshots.dat'), new Uint8Array(1024).fill(3));
  const lost = await cli.ended;
  t.equal(lost.code, 5, lost.stderr);
  t.match(lost.stderr, /snapshots\.dat cannot be read: see what is damaged with pawl archive/);
  rmSync(join(member.directory, 'snapshots.dat'));
  const third = startCli(t, 'archive', 'replay', member.directory, '--follow', '--json');
  await third.waitFor('"position":0,');
  await runStorageTask(member.directory, function* (storage): StorageTask<void> {
    const manifest = yield* SnapshotManifest.open(storage, EMPTY_INDEX);
    yield* manifest.write({ logStartPosition: 1_048_576, snapshots: [] });
    yield* manifest.close();
  });
  const gone = await third.ended;
  t.equal(gone.code, 3, gone.stderr);
  t.match(gone.stderr, /what follows \d+ has been given up: .* begins at 1048576 now; go on from/);
  rmSync(join(member.directory, 'snapshots.dat'));
  const second = startCli(t, 'archive', 'replay', member.directory, '--follow', '--json');
  await second.waitFor('"position":0,');
  rmSync(join(member.directory, 'durable-mark.dat'));
  const unmarked = await second.ended;
  t.equal(unmarked.code, 5, unmarked.stderr);
  t.match(unmarked.stderr, /durable-mark\.dat cannot be read/);
});
