// `pawl cluster transfer`: leadership of a cluster of processes goes where the operator wants it.

import { join } from 'node:path';
import test from 'tape';
import { runCli } from './cli.js';
import { MEMBER_COUNT, settledReport, startCluster } from './node-cluster.js';
import { expectCode } from './one-member.js';

test('leadership goes to the member that is named, and misuse is told', async (t) => {
  const { directory, processes } = await startCluster(t);
  const before = await settledReport(directory);
  const leader = before.members[0]?.leaderMemberId ?? -1;
  const target = (leader + 1) % MEMBER_COUNT;
  const run = (...flags: string[]) => runCli('cluster', 'transfer', directory, ...flags);

  const moved = await run('--to', String(target), '--json');
  expectCode(moved, 0);
  const report = JSON.parse(moved.stdout) as { leaderMemberId: number; leadershipTermId: number };
  t.equal(report.leaderMemberId, target);
  const after = await settledReport(directory);
  t.equal(after.members[0]?.leaderMemberId, target);
  t.equal(after.members[0]?.leadershipTermId, report.leadershipTermId);

  const own = await run('--to', String(target));
  t.equal(own.code, 3);
  t.match(own.stderr, new RegExp(`member ${target} is no other member of this cluster: name one`));
  const foreign = await run('--to', '7');
  t.match(foreign.stderr, /member 7 is no other member/);
  const follower = await runCli('cluster', 'transfer', join(directory, `${leader}`), '--to', '0');
  t.equal(follower.code, 1);
  t.match(follower.stderr, new RegExp(`member ${target} leads: name its data directory`));
  const none = await run();
  t.equal(none.code, 2);
  t.match(none.stderr, /required option '--to <member>' not specified/);

  await Promise.all(processes.map((process) => process.kill('SIGTERM')));
  const stopped = await run('--to', '0');
  t.equal(stopped.code, 1);
  t.match(stopped.stderr, /none of the members runs: start them with pawl node/);
});
