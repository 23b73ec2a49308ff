// `pawl cluster transfer`: leadership of a cluster of processes goes where the operator wants it.

import { join } from 'node:path';
import test, { type Test } from 'tape';
import { findLocalEndpoints } from '../../src/tools/free-ports.js';
import { type RunningCli, runCli, startCli, temporaryDirectory } from './cli.js';
import { expectCode } from './one-member.js';

const MEMBER_COUNT = 3;

interface Report {
  readonly isHealthy: boolean;
  readonly members: readonly {
    readonly memberId: number;
    readonly state: string;
    readonly leaderMemberId: number;
    readonly leadershipTermId: number;
  }[];
}

interface Cluster {
  readonly directory: string;
  readonly processes: readonly RunningCli[];
}

async function startCluster(t: Test): Promise<Cluster> {
  const { members } = await findLocalEndpoints(MEMBER_COUNT);
  const directory = temporaryDirectory(t);
  const processes: RunningCli[] = [];
  for (let memberId = 0; memberId < MEMBER_COUNT; memberId++) {
    const own = join(directory, String(memberId));
    const flags = ['--member-id', `${memberId}`, '--members', members, '--directory', own];
    expectCode(await runCli('bootstrap', ...flags), 0);
    processes.push(startCli(t, 'node', ...flags, '--json'));
  }
  await Promise.all(processes.map((process) => process.waitFor('"state":"CLOSED"')));
  return { directory, processes };
}

/** Asks until all members follow the same leader; the test's own time limit ends the asking. */
async function settledReport(directory: string): Promise<Report> {
  for (;;) {
    const { stdout } = await runCli('cluster', 'status', directory, '--json');
    const report = JSON.parse(stdout) as Report;
    const leaders = new Set(report.members.map((member) => member.leaderMemberId));
    const isSettled = report.members.every((member) => member.state === 'CLOSED');
    if (report.isHealthy && isSettled && leaders.size === 1) {
      return report;
    }
  }
}

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
