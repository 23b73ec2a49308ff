// command-cluster.ts: `pawl cluster`: looks at the members of a cluster on this machine.
//
// A member is named by its data directory: who may read that may command the member.

import type { Command } from 'commander';
import { divergenceText } from '../cluster/divergence.js';
import { ErrorCode, PawlError } from '../errors.js';
import { askMember } from '../host/control-client.js';
import { ExitCode } from '../host/exit-codes.js';
import { TRANSFER_TIMEOUT_MS } from '../host/hand-over.js';
import type { NodeMemberStatus } from '../host/node-member.js';
import {
  askStatuses,
  DIRECTORIES_TEXT,
  leaderAmong,
  type MemberAnswer,
  memberDirectories,
} from './cluster-directories.js';
import { addOrderCommands } from './command-cluster-orders.js';
import type { TransferReport } from './node-process.js';
import { integerOption } from './options.js';
import { grouped, printJson, printLine, tableText } from './output.js';

interface JsonFlag {
  readonly json?: boolean;
}

function roleText(status: NodeMemberStatus): string {
  if (status.role === 'leader') {
    const state = status.isSuspended ? 'leader (suspended)' : 'leader';
    return status.isIngressOpen ? state : 'leader (not ready)';
  }
  return status.isVoting ? status.role : `${status.role} (no vote)`;
}

function rowOf({ directory, report, problem }: MemberAnswer): readonly string[] {
  if (report === undefined) {
    return [directory, problem ?? 'does not answer'];
  }
  const { status } = report;
  return [
    String(status.memberId),
    roleText(status),
    status.state,
    String(status.leadershipTermId),
    status.leaderMemberId < 0 ? 'none' : String(status.leaderMemberId),
    grouped(status.appendPosition),
    grouped(status.commitPosition),
    grouped(status.servicePosition),
    String(status.sessionCount),
    status.health,
  ];
}

const HEADING = [
  'member',
  'role',
  'state',
  'term',
  'leader',
  'append',
  'commit',
  'service',
  'sessions',
  'health',
];

function statusText(answers: readonly MemberAnswer[]): string {
  const answered = answers.filter(({ report }) => report !== undefined);
  const silent = answers.filter(({ report }) => report === undefined);
  const divergences = answers.map(({ report }) => report?.status.divergence);
  const told = new Set(divergences.filter((one) => one !== undefined).map(divergenceText));
  return [
    ...(answered.length === 0 ? [] : [tableText([HEADING, ...answered.map(rowOf)])]),
    ...silent.map((answer) => rowOf(answer).join(': ')),
    ...told,
  ].join('\n');
}

/** A log that is damaged, a service that differs, a disk that is nearly full. */
const UNHEALTHY: readonly string[] = ['corrupt', 'diverged', 'low space'];

/** Whether somebody leads, all that were asked answered, and all of them are well. */
function isHealthy(answers: readonly MemberAnswer[]): boolean {
  const statuses = answers.map(({ report }) => report?.status);
  return (
    statuses.some((status) => status?.role === 'leader' && status.isIngressOpen) &&
    statuses.every((status) => status !== undefined && !UNHEALTHY.includes(status.health))
  );
}

async function status(paths: readonly string[], flags: JsonFlag): Promise<void> {
  const answers = await askStatuses(memberDirectories(paths));
  const first = answers.find(({ problem }) => problem !== undefined);
  if (answers.every(({ report }) => report === undefined)) {
    throw new PawlError(
      ErrorCode.Closed,
      first?.problem ?? 'no member answers: start one with pawl node',
      'environment',
    );
  }
  if (flags.json === true) {
    const members = answers.map(({ directory, report, problem }) => ({
      directory,
      ...(report === undefined ? { problem } : { ...report.status, process: report.process }),
    }));
    printJson({ isHealthy: isHealthy(answers), members });
  } else {
    printLine(statusText(answers));
  }
  process.exitCode = isHealthy(answers) ? ExitCode.Ok : ExitCode.Unexpected;
}

/** Longer than the member itself tries. */
const TRANSFER_ANSWER_TIMEOUT_MS = TRANSFER_TIMEOUT_MS + 2_000;

async function transfer(paths: readonly string[], flags: JsonFlag & { to: number }): Promise<void> {
  const leader = await leaderAmong(memberDirectories(paths));
  const report = await askMember<TransferReport>(
    leader.directory,
    'transfer',
    flags.to,
    TRANSFER_ANSWER_TIMEOUT_MS,
  );
  if (flags.json === true) {
    printJson(report);
  } else {
    printLine(
      `member ${report.leaderMemberId} leads in term ${report.leadershipTermId}, ` +
        `${report.tookMs.toFixed(0)} ms after the order`,
    );
  }
}

export function addClusterCommand(program: Command): void {
  const cluster = program
    .command('cluster')
    .summary('look at and command the members on this machine')
    .description(
      'Members are named by their data directories. A member that runs writes control.json ' +
        'there, which its owner alone can read: who can, may command it.',
    );
  cluster
    .command('status')
    .description(
      'Tell roles, terms, positions, sessions and health. Exit code 0 when one leads and takes ' +
        'messages, all that are named answer, and no log is damaged; else 1.',
    )
    .argument('<dir...>', DIRECTORIES_TEXT)
    .option('--json', 'print it as JSON')
    .action(status);
  cluster
    .command('transfer')
    .description(
      'Hand leadership over to a member, without an election timeout. The leader must be among ' +
        'the members that are named. If the other is not ready within two election status ' +
        'intervals, the leader leads on.',
    )
    .argument('<dir...>', DIRECTORIES_TEXT)
    .requiredOption('--to <member>', 'who is to lead', integerOption(0, 2 ** 31 - 1))
    .option('--json', 'print it as JSON')
    .action(transfer);
  addOrderCommands(cluster);
}
