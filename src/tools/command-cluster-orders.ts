// command-cluster-orders.ts: `pawl cluster snapshot|suspend|resume|shutdown`.
//
// Each is told to the leader, which makes it an event of the log. What is printed is true when it
// is printed: the event is committed, the snapshots count, the processes have ended.

import type { Command } from 'commander';
import { ErrorCode, PawlError } from '../errors.js';
import { SUSPENSION_TIMEOUT_MS } from '../host/cluster-orders.js';
import { askMember } from '../host/control-client.js';
import { ExitCode } from '../host/exit-codes.js';
import {
  askStatuses,
  DIRECTORIES_TEXT,
  leaderAmong,
  type MemberAnswer,
  memberDirectories,
} from './cluster-directories.js';
import type { PositionReport, ShutdownReport } from './node-process.js';
import { numberOption } from './options.js';
import { grouped, printJson, printLine, tableText } from './output.js';

/** An answer takes longer than the order that it reports by at most this. */
const ANSWER_MARGIN_MS = 5_000;
/** Between two looks at members that bring something to an end. */
const POLL_MS = 50;
const TIMEOUT_DEFAULT_S = 60;
const TIMEOUT_MAX_S = 86_400;

interface OrderFlags {
  readonly json?: boolean;
}

interface TimedFlags extends OrderFlags {
  /** Seconds. */
  readonly timeout: number;
}

/** A member's snapshot, complete. */
interface SnapshotRow {
  readonly memberId: number;
  readonly directory: string;
  readonly logPosition: number;
  readonly lengthBytes: number;
  readonly tookMs: number;
}

const pause = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, POLL_MS));

/** The members, all of which answer; it is no use to wait for one that does not run. */
async function runningMembers(paths: readonly string[]): Promise<readonly MemberAnswer[]> {
  const answers = await askStatuses(memberDirectories(paths));
  const silent = answers.find(({ report }) => report === undefined);
  if (silent !== undefined) {
    throw new PawlError(
      ErrorCode.Closed,
      silent.problem ?? `no member runs on ${silent.directory}`,
      'environment',
    );
  }
  return answers;
}

function rowOf(answer: MemberAnswer, position: number, beganMs: number): SnapshotRow | undefined {
  const status = answer.report?.status;
  if (status === undefined || status.snapshotPosition < position) {
    return undefined;
  }
  return {
    memberId: status.memberId,
    directory: answer.directory,
    logPosition: status.snapshotPosition,
    lengthBytes: status.snapshotLength,
    tookMs: performance.now() - beganMs,
  };
}

function incomplete(
  missing: readonly string[],
  position: number,
  timeoutMs: number,
  problem: string | undefined,
): PawlError {
  return new PawlError(
    ErrorCode.Timeout,
    `the member on ${missing.join(', ')} has no snapshot of position ${position} after ` +
      `${timeoutMs} ms: ${problem ?? 'it may still be writing it, or one before it'}; look at ` +
      'pawl cluster status, or give it longer with --timeout',
    'environment',
  );
}

/** Waits until the snapshot of a position is complete on every one of some members. */
async function awaitSnapshots(
  directories: readonly string[],
  position: number,
  beganMs: number,
  timeoutMs: number,
): Promise<readonly SnapshotRow[]> {
  const rows = new Map<string, SnapshotRow>();
  for (;;) {
    const missing = directories.filter((directory) => !rows.has(directory));
    if (missing.length === 0) {
      return directories.flatMap((directory) => rows.get(directory) ?? []);
    }
    const answers = await askStatuses(missing);
    for (const answer of answers) {
      const row = rowOf(answer, position, beganMs);
      if (row !== undefined) {
        rows.set(answer.directory, row);
      }
    }
    const isLate = performance.now() - beganMs > timeoutMs;
    const still = answers.filter(({ directory }) => !rows.has(directory));
    if (still.length > 0 && isLate) {
      const problem = still.find((answer) => answer.problem !== undefined)?.problem;
      throw incomplete(
        still.map(({ directory }) => directory),
        position,
        timeoutMs,
        problem,
      );
    }
    if (still.length > 0) {
      await pause();
    }
  }
}

async function snapshot(paths: readonly string[], flags: TimedFlags): Promise<void> {
  const timeoutMs = flags.timeout * 1_000;
  const answers = await runningMembers(paths);
  const directories = answers.map(({ directory }) => directory);
  const leader = await leaderAmong(directories);
  const beganMs = performance.now();
  const { logPosition } = await askMember<PositionReport>(
    leader.directory,
    'snapshot',
    timeoutMs,
    timeoutMs + ANSWER_MARGIN_MS,
  );
  const members = await awaitSnapshots(directories, logPosition, beganMs, timeoutMs);
  if (flags.json === true) {
    printJson({ logPosition, members });
    return;
  }
  const lines = members.map(({ memberId, lengthBytes, logPosition: at, tookMs }) => [
    String(memberId),
    grouped(at),
    grouped(lengthBytes),
    tookMs.toFixed(0),
  ]);
  printLine(tableText([['member', 'snapshot of position', 'bytes', 'took ms'], ...lines]));
}

async function suspension(
  order: 'suspend' | 'resume',
  paths: readonly string[],
  flags: OrderFlags,
): Promise<void> {
  const leader = await leaderAmong(memberDirectories(paths));
  const timeoutMs = SUSPENSION_TIMEOUT_MS + ANSWER_MARGIN_MS;
  const report = await askMember<PositionReport>(leader.directory, order, undefined, timeoutMs);
  if (flags.json === true) {
    printJson({ order, ...report });
    return;
  }
  const what = order === 'suspend' ? 'suspended' : 'resumed';
  printLine(
    `the cluster is ${what} from position ${grouped(report.logPosition)} on, by member ` +
      `${report.memberId}, ${report.tookMs.toFixed(0)} ms after the order`,
  );
}

/** Waits until no member answers on any of the directories. */
async function awaitEnds(directories: readonly string[], timeoutMs: number): Promise<string[]> {
  const beganMs = performance.now();
  for (;;) {
    const answers = await askStatuses(directories);
    const running = answers.filter(({ report }) => report !== undefined);
    if (running.length === 0 || performance.now() - beganMs > timeoutMs) {
      return running.map(({ directory }) => directory);
    }
    await pause();
  }
}

async function shutdown(paths: readonly string[], flags: TimedFlags): Promise<void> {
  const timeoutMs = flags.timeout * 1_000;
  const answers = await askStatuses(memberDirectories(paths));
  const named = answers.filter(({ report }) => report !== undefined);
  const leader = await leaderAmong(named.map(({ directory }) => directory));
  const beganMs = performance.now();
  const report = await askMember<ShutdownReport>(
    leader.directory,
    'shutdown',
    timeoutMs,
    timeoutMs + ANSWER_MARGIN_MS,
  );
  const ending = [report.memberId, ...report.acknowledged].sort((a, b) => a - b);
  const isEnding = (answer: MemberAnswer): boolean =>
    ending.includes(answer.report?.status.memberId ?? -1);
  const directories = named.filter(isEnding).map(({ directory }) => directory);
  const running = await awaitEnds(directories, ANSWER_MARGIN_MS);
  const missing = named.filter((answer) => !isEnding(answer));
  const others = missing.map((answer) => answer.report?.status.memberId ?? -1);
  const tookMs = performance.now() - beganMs;
  const isWhole = running.length === 0 && others.length === 0;
  if (flags.json === true) {
    const { logPosition } = report;
    printJson({ logPosition, ended: ending, notReached: others, stillRunning: running, tookMs });
  } else {
    printLine(
      `members ${ending.join(', ')} ended at position ${grouped(report.logPosition)}, ` +
        `${tookMs.toFixed(0)} ms after the order`,
    );
    for (const id of others) {
      printLine(`member ${id} was not reached in time: stop it, or let it catch up later`);
    }
    for (const directory of running) {
      printLine(`the process on ${directory} has not ended yet`);
    }
  }
  process.exitCode = isWhole ? ExitCode.Ok : ExitCode.Unexpected;
}

function addTimed(command: Command, what: string): Command {
  return command
    .argument('<dir...>', DIRECTORIES_TEXT)
    .option('--timeout <seconds>', what, numberOption(0.1, TIMEOUT_MAX_S), TIMEOUT_DEFAULT_S)
    .option('--json', 'print it as JSON');
}

export function addOrderCommands(cluster: Command): void {
  addTimed(
    cluster
      .command('snapshot')
      .description(
        'Have every member take a snapshot at one position of the log, and wait until it is ' +
          'complete on those that are named. The leader must be among them.',
      ),
    'how long to wait for the slowest',
  ).action(snapshot);
  for (const order of ['suspend', 'resume'] as const) {
    cluster
      .command(order)
      .description(
        order === 'suspend'
          ? 'Take nothing from clients any more: they wait. No session opens or times out and no ' +
              'timer fires. Holds across changes of leader and restarts, until `resume`. The ' +
              'leader must be among the members that are named.'
          : 'End a suspension: clients are served on, and timers that became due fire.',
      )
      .argument('<dir...>', DIRECTORIES_TEXT)
      .option('--json', 'print it as JSON')
      .action((paths: readonly string[], flags: OrderFlags) => suspension(order, paths, flags));
  }
  addTimed(
    cluster
      .command('shutdown')
      .description(
        'End all members cleanly at one position, with a snapshot of it. The leader must be ' +
          'among those that are named. Exit code 0 when all that are named have ended.',
      ),
    'how long to wait for snapshots',
  ).action(shutdown);
}
