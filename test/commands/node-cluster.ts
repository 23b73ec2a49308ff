// A cluster of three processes started by the command line, for tests of the operator's commands.

import { join } from 'node:path';
import type { Test } from 'tape';
import { findLocalEndpoints } from '../../src/tools/free-ports.js';
import { type RunningCli, runCli, startCli, temporaryDirectory } from './cli.js';
import { expectCode } from './one-member.js';

export const MEMBER_COUNT = 3;

/** What `pawl cluster status --json` says. */
export interface ClusterReport {
  readonly isHealthy: boolean;
  readonly members: readonly {
    readonly memberId: number;
    readonly directory: string;
    readonly state: string;
    readonly leaderMemberId: number;
    readonly leadershipTermId: number;
    readonly isSuspended: boolean;
    readonly appendPosition: number;
    readonly sessionCount: number;
  }[];
}

export interface NodeCluster {
  readonly directory: string;
  readonly ingress: string;
  readonly processes: readonly RunningCli[];
  /** Starts a member again. */
  start(memberId: number): RunningCli;
}

/** Births and starts three members, and waits until each has joined a term. */
export async function startCluster(t: Test, ...nodeFlags: string[]): Promise<NodeCluster> {
  const { ingress, members } = await findLocalEndpoints(MEMBER_COUNT);
  const directory = temporaryDirectory(t);
  const flagsOf = (memberId: number): string[] => [
    ...['--member-id', `${memberId}`, '--members', members],
    ...['--directory', join(directory, String(memberId))],
  ];
  const start = (memberId: number): RunningCli =>
    startCli(t, 'node', ...flagsOf(memberId), ...nodeFlags, '--json');
  const processes: RunningCli[] = [];
  for (let memberId = 0; memberId < MEMBER_COUNT; memberId++) {
    expectCode(await runCli('bootstrap', ...flagsOf(memberId)), 0);
    processes.push(start(memberId));
  }
  await Promise.all(processes.map((process) => process.waitFor('"state":"CLOSED"')));
  return { directory, ingress, processes, start };
}

/** Asks until all members follow the same leader; the test's own time limit ends the asking. */
export async function settledReport(directory: string): Promise<ClusterReport> {
  for (;;) {
    const { stdout } = await runCli('cluster', 'status', directory, '--json');
    // While nobody answers, it is an error.
    const report = JSON.parse(stdout) as Partial<ClusterReport>;
    const { members = [] } = report;
    const leaders = new Set(members.map((member) => member.leaderMemberId));
    const isSettled = members.every((member) => member.state === 'CLOSED');
    if (report.isHealthy === true && isSettled && leaders.size === 1) {
      return report as ClusterReport;
    }
  }
}
