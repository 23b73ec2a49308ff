// `pawl archive truncate`: the end of a log that is not committed goes, and the cluster gives its
// member back what it should have.

import { join } from 'node:path';
import test, { type Test } from 'tape';
import type { DirectoryDescription } from '../../src/archive/describe.js';
import { connectClient } from '../../src/host/node-client.js';
import { atEnd } from '../support/at-end.js';
import { type RunningCli, runCli, temporaryDirectory } from './cli.js';
import { MEMBER_COUNT, type NodeCluster, settledReport, startCluster } from './node-cluster.js';
import { bornMember, expectCode, runningMember } from './one-member.js';

const MESSAGE_COUNT = 20;

interface Truncation {
  readonly endPosition: number;
  readonly formerEndPosition: number;
  readonly commitPosition: number;
}

async function describe(directory: string): Promise<DirectoryDescription> {
  const { stdout } = await runCli('describe', directory, '--json');
  return JSON.parse(stdout) as DirectoryDescription;
}

async function truncate(...args: string[]): Promise<Truncation> {
  const result = await runCli('archive', 'truncate', ...args, '--json');
  expectCode(result, 0);
  return JSON.parse(result.stdout) as Truncation;
}

async function frames(directory: string): Promise<string> {
  const replayed = await runCli('archive', 'replay', directory, '--json');
  expectCode(replayed, 0);
  return replayed.stdout;
}

interface Survivors {
  readonly cluster: NodeCluster;
  readonly leaderId: number;
  readonly followers: readonly RunningCli[];
  /** Of the member that led, whose log has what nobody else has. */
  readonly directory: string;
}

/** A leader takes messages that its followers do not get, and is killed. */
async function makeLonelyLog(t: Test): Promise<Survivors> {
  const cluster = await startCluster(t);
  const report = await settledReport(cluster.directory);
  const leaderId = report.members[0]?.leaderMemberId ?? -1;
  const directory = join(cluster.directory, String(leaderId));
  let answers = 0;
  const client = await connectClient(
    { ingressEndpoints: cluster.ingress, onFatal: (error) => t.fail(String(error)) },
    { onMessage: () => answers++ },
  );
  atEnd(t, () => client.close());
  const bytes = Buffer.from('nobody else has this');
  const followers = cluster.processes.filter((_, memberId) => memberId !== leaderId);
  for (const follower of followers) {
    // It resolves when the process ends, which a stopped one does not.
    void follower.kill('SIGSTOP');
  }
  for (let index = 0; index < MESSAGE_COUNT; index++) {
    client.client.offer(bytes, 0, bytes.length);
    client.wake();
  }
  for (;;) {
    const { appendPosition = 0, mark } = await describe(directory);
    if (appendPosition > (mark?.commitPosition ?? 0) + MESSAGE_COUNT * bytes.length) {
      break;
    }
  }
  await cluster.processes[leaderId]?.kill('SIGKILL');
  for (const follower of followers) {
    void follower.kill('SIGCONT');
  }
  client.close();
  t.equal(answers, 0, 'without a quorum nothing is committed');
  return { cluster, leaderId, followers, directory };
}

test('what nobody else has goes from a log, and its member joins the others again', async (t) => {
  const { cluster, directory, followers, leaderId } = await makeLonelyLog(t);
  const { appendPosition = 0, mark } = await describe(directory);
  const commitPosition = mark?.commitPosition ?? 0;
  const below = await runCli('archive', 'truncate', directory, '--to', `${commitPosition - 32}`);
  t.equal(below.code, 3);
  t.match(below.stderr, /what is below \d+ is committed: it can never be given up; use a position/);
  const beyond = await runCli('archive', 'truncate', directory, '--to', `${appendPosition + 32}`);
  t.equal(beyond.code, 3);
  t.match(beyond.stderr, /it ends at \d+ already/);
  const to = ['--to', String(commitPosition)];
  const planned = await truncate(directory, ...to, '--dry-run');
  t.equal(planned.formerEndPosition, appendPosition);
  t.equal((await describe(directory)).appendPosition, appendPosition, 'a dry run changes nothing');
  const words = await runCli('archive', 'truncate', directory, ...to);
  expectCode(words, 0);
  t.match(
    words.stdout,
    /gave up [\d,]+ bytes of log, with \d whole segments and \d leadership terms; the log ends at/,
  );
  const after = await describe(directory);
  t.equal(after.appendPosition, commitPosition);
  t.equal(after.nodeState?.voting, false);
  const nothing = await runCli('archive', 'truncate', directory, ...to);
  t.match(nothing.stdout, /nothing to give up: the log ends at/);

  const again = cluster.start(leaderId);
  await again.waitFor('"state":"CLOSED"');
  const settled = await settledReport(cluster.directory);
  t.notEqual(settled.members[0]?.leaderMemberId, leaderId, 'another leads');
  while ((await describe(directory)).nodeState?.voting !== true) {
    // The leader gives the vote back when the member has caught up.
  }
  const processes = [again, ...followers];
  const ended = await runCli('cluster', 'shutdown', cluster.directory);
  expectCode(ended, 0);
  await Promise.all(processes.map((one) => one.ended));
  const logs = await Promise.all(
    Array.from({ length: MEMBER_COUNT }, (_, id) => frames(join(cluster.directory, String(id)))),
  );
  t.ok(logs[0] !== '' && logs.every((log) => log === logs[0]), 'the logs are equal');
});

test('misuse of truncate is one line with the remedy', async (t) => {
  const member = await bornMember(t);
  const cli = await runningMember(t, member);
  const used = await runCli('archive', 'truncate', member.directory, '--to', '0');
  t.equal(used.code, 4);
  t.match(used.stderr, /another process runs on this data directory: stop it/);
  await cli.kill('SIGKILL');
  const { mark } = await describe(member.directory);
  const alone = await runCli(
    ...['archive', 'truncate', member.directory],
    ...['--to', String(mark?.commitPosition ?? 0)],
  );
  // All that the only member of a cluster has recorded is committed, known or not.
  t.ok(alone.code === 3 || /nothing to give up/.test(alone.stdout), alone.stderr + alone.stdout);
  const none = await runCli('archive', 'truncate', member.directory);
  t.equal(none.code, 2);
  t.match(none.stderr, /--to/);
  const word = await runCli('archive', 'truncate', member.directory, '--to', '-1');
  t.equal(word.code, 2);
  const blank = await runCli('archive', 'truncate', temporaryDirectory(t), '--to', '0');
  t.equal(blank.code, 4);
  t.match(blank.stderr, /there is no archive \(it has no birth\.dat\)/);
  const absent = await runCli('archive', 'truncate', '/nowhere/at/all', '--to', '0');
  t.equal(absent.code, 4);
});
