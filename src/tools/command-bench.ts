// command-bench.ts: `pawl bench floor`, `cluster`, `failover`, `transfer`, `reads` and `sessions`.
// What state costs is in command-bench-state.ts.

import { availableParallelism } from 'node:os';
import type { Command } from 'commander';
import { SESSION_COUNT_MAX } from '../cluster/cluster-config.js';
import type { IdleStrategy } from '../host/event-loop.js';
import { ExitCode } from '../host/exit-codes.js';
import {
  clusterText,
  failoverText,
  floorText,
  readsText,
  sessionsText,
  transferText,
} from './bench/bench-report.js';
import { benchCluster, lostCount } from './bench/cluster-bench.js';
import { readEnvironment } from './bench/environment.js';
import { benchFailover } from './bench/failover-bench.js';
import { benchFloor } from './bench/floor-bench.js';
import { benchReads } from './bench/reads-bench.js';
import { benchSessions } from './bench/sessions-bench.js';
import { benchTransfer, TRANSFER_MAX_MS } from './bench/transfer-bench.js';
import { addStateBenches } from './command-bench-state.js';
import { PAYLOAD_LENGTH_MIN } from './load.js';
import { integerListOption, integerOption, numberOption, wordOption } from './options.js';
import { printJson, printLine, progressOf } from './output.js';

/** What is best on loopback: one datagram for as much as fits. Real networks want 1408. */
const LOOPBACK_MTU = 61_440;
const MTU_MAX = 61_440;
const RATE_MAX = 10_000_000;
const PAYLOAD_LENGTH_MAX = 16_384;

interface SharedFlags {
  readonly mtu: number;
  readonly payload: number;
  readonly burst: number;
  readonly seconds: number;
  readonly rounds: number;
  readonly idle: IdleStrategy;
  readonly json?: boolean;
}

interface ClusterFlags extends SharedFlags {
  readonly rates: readonly number[];
  readonly durability: 'fsync' | 'page-cache';
  readonly threads: 'shared' | 'dedicated';
  readonly logRetention: 'all' | 'snapshots';
  readonly floor?: boolean;
  readonly directory?: string;
}

/** Options that both benches have; a default that differs is given by the caller. */
function addSharedOptions(command: Command, seconds: number): Command {
  return command
    .option('--mtu <bytes>', 'longest datagram', integerOption(288, MTU_MAX), LOOPBACK_MTU)
    .option(
      '--payload <bytes>',
      'bytes of a message',
      integerOption(PAYLOAD_LENGTH_MIN, PAYLOAD_LENGTH_MAX),
      200,
    )
    .option('--burst <n>', 'messages of a burst', integerOption(1, 1_000), 20)
    .option('--seconds <s>', 'length of a run', numberOption(0.1, 600), seconds)
    .option('--rounds <n>', 'runs beside the floor; the middle one counts', integerOption(1, 99), 3)
    .option(
      '--idle <strategy>',
      'event sleeps when there is nothing to do, yield uses a core for each process',
      wordOption(['event', 'yield']),
      'event',
    )
    .option('--json', 'print one JSON object on the standard output, progress on the other');
}

async function floor(flags: SharedFlags): Promise<void> {
  const progress = progressOf(flags.json === true);
  const environment = readEnvironment();
  const result = await benchFloor(flags, progress);
  if (flags.json === true) {
    printJson({ ...result, environment });
  } else {
    printLine(floorText(result, environment));
  }
  process.exitCode = result.isValid ? ExitCode.Ok : ExitCode.Unexpected;
}

async function cluster(flags: ClusterFlags): Promise<void> {
  const progress = progressOf(flags.json === true);
  const environment = readEnvironment();
  const { floor: withFloor, rounds, json: _json, ...rest } = flags;
  const result = await benchCluster(
    { ...rest, floorRounds: withFloor === true ? rounds : 0 },
    progress,
  );
  if (flags.json === true) {
    printJson({ ...result, environment });
  } else {
    printLine(clusterText(result, environment));
  }
  const isGood = lostCount(result) === 0 && result.floor?.isValid !== false;
  process.exitCode = isGood ? ExitCode.Ok : ExitCode.Unexpected;
}

interface FailoverFlags {
  readonly kills: number;
  readonly rate: number;
  readonly durability: 'fsync' | 'page-cache';
  readonly directory?: string;
  readonly json?: boolean;
}

/** Small enough for any network, and what members use unless they are told otherwise. */
const DEFAULT_MTU = 1_408;
const FAILOVER_PAYLOAD = 200;
const FAILOVER_BURST = 10;

async function failover(flags: FailoverFlags): Promise<void> {
  const environment = readEnvironment();
  const { json, ...rest } = flags;
  const fixed = { payload: FAILOVER_PAYLOAD, burst: FAILOVER_BURST, mtu: DEFAULT_MTU };
  const result = await benchFailover({ ...rest, ...fixed }, progressOf(json === true));
  if (json === true) {
    printJson({ ...result, environment });
  } else {
    printLine(failoverText(result, environment));
  }
}

function addFailoverCommand(bench: Command): void {
  bench
    .command('failover')
    .summary('kill -9 of the leader under load')
    .description(
      'Measure how long clients wait when the leader dies: three member processes with the ' +
        'default times, a client that sends all the while, and the milliseconds from the kill ' +
        'to the next answer. The dead member is back before the next kill.',
    )
    .option('--kills <n>', 'how often the leader is killed', integerOption(1, 10_000), 50)
    .option('--rate <n>', 'messages per second', integerOption(1, RATE_MAX), 1_000)
    .option(
      '--durability <level>',
      'fsync or page-cache',
      wordOption(['fsync', 'page-cache']),
      'fsync',
    )
    .option('--directory <dir>', 'where the data lies meanwhile (default: a temporary directory)')
    .option('--json', 'print one JSON object on the standard output, progress on the other')
    .action(failover);
}

interface TransferFlags {
  readonly transfers: number;
  readonly rate: number;
  readonly durability: 'fsync' | 'page-cache';
  readonly directory?: string;
  readonly json?: boolean;
}

async function transfer(flags: TransferFlags): Promise<void> {
  const environment = readEnvironment();
  const { json, ...rest } = flags;
  const fixed = { payload: FAILOVER_PAYLOAD, mtu: DEFAULT_MTU };
  const result = await benchTransfer({ ...rest, ...fixed }, progressOf(json === true));
  if (json === true) {
    printJson({ ...result, environment });
  } else {
    printLine(transferText(result, environment));
  }
  process.exitCode = result.holds ? ExitCode.Ok : ExitCode.Unexpected;
}

function addTransferCommand(bench: Command): void {
  bench
    .command('transfer')
    .summary('leadership handed over under load')
    .description(
      'Measure the slowest exactly-once request while leadership is handed over, as by `pawl ' +
        'cluster transfer`: three member processes with the default times, a client that asks ' +
        'all the while. Exit code 0 only if no request that was due around an order took more ' +
        `than ${TRANSFER_MAX_MS} ms.`,
    )
    .option('--transfers <n>', 'how often', integerOption(1, 10_000), 20)
    .option('--rate <n>', 'requests per second', integerOption(1, RATE_MAX), 1_000)
    .option(
      '--durability <level>',
      'fsync or page-cache',
      wordOption(['fsync', 'page-cache']),
      'fsync',
    )
    .option('--directory <dir>', 'where the data lies meanwhile (default: a temporary directory)')
    .option('--json', 'print one JSON object on the standard output, progress on the other')
    .action(transfer);
}

interface ReadsFlags {
  readonly windows: readonly number[];
  readonly seconds: number;
  readonly rounds: number;
  readonly payload: number;
  readonly keys: number;
  readonly mtu: number;
  readonly durability: 'fsync' | 'page-cache';
  readonly directory?: string;
  readonly json?: boolean;
}

const READ_WINDOW_MAX = 16_384;

async function reads(flags: ReadsFlags): Promise<void> {
  const environment = readEnvironment();
  const { json, ...options } = flags;
  const result = await benchReads(options, progressOf(json === true));
  if (json === true) {
    printJson({ ...result, environment });
  } else {
    printLine(readsText(result, environment));
  }
}

interface SessionsFlags {
  readonly counts: readonly number[];
  readonly rate: number;
  readonly seconds: number;
  readonly durability: 'fsync' | 'page-cache';
  readonly directory?: string;
  readonly json?: boolean;
}

async function sessions({ json, ...options }: SessionsFlags): Promise<void> {
  const environment = readEnvironment();
  const result = await benchSessions(options, progressOf(json === true));
  if (json === true) {
    printJson({ ...result, environment });
  } else {
    printLine(sessionsText(result, environment));
  }
  process.exitCode = result.stoppedBy === undefined ? ExitCode.Ok : ExitCode.Unexpected;
}

function addSessionsCommand(bench: Command): void {
  bench
    .command('sessions')
    .summary('what an idle session costs')
    .description(
      'Open more and more idle sessions from one process, each with a stream of its own to the ' +
        'leader, and measure: sessions opened a second, bytes of each in leader and followers, ' +
        'and what becomes of the latency of a client that sends. Exit code 0 only if all could ' +
        'be opened.',
    )
    .option(
      '--counts <list>',
      'idle sessions, ascending',
      integerListOption(1, SESSION_COUNT_MAX - 2),
      [100, 1_000, 2_000],
    )
    .option(
      '--rate <n>',
      'messages per second of the client that sends',
      integerOption(1, RATE_MAX),
      1_000,
    )
    .option('--seconds <s>', 'length of a run', numberOption(0.1, 600), 3)
    .option(
      '--durability <level>',
      'fsync or page-cache',
      wordOption(['fsync', 'page-cache']),
      'fsync',
    )
    .option('--directory <dir>', 'where the data lies meanwhile (default: a temporary directory)')
    .option('--json', 'print one JSON object on the standard output, progress on the other')
    .action(sessions);
}

function addReadsCommand(bench: Command): void {
  bench
    .command('reads')
    .summary('linearizable reads without the log, beside reads through it')
    .description(
      'Measure reads of the key/value service on three member processes, with a client that ' +
        'keeps so many without an answer: through the log as requests, and by query, which a ' +
        'leader answers without the log once a quorum has confirmed that it leads. Both in turn, ' +
        'on the same cluster, in one run. The ratio is that of the best rates; the target is ' +
        '5 times at least.',
    )
    .option(
      '--windows <list>',
      'reads without an answer at a time, one run for each',
      integerListOption(1, READ_WINDOW_MAX),
      [1, 64, 1_024, READ_WINDOW_MAX],
    )
    .option('--seconds <s>', 'length of a run', numberOption(0.1, 600), 3)
    .option('--rounds <n>', 'runs of each path; the middle one counts', integerOption(1, 99), 3)
    .option('--payload <bytes>', 'bytes of a value', integerOption(1, PAYLOAD_LENGTH_MAX), 200)
    .option('--keys <n>', 'keys that are read, in turn', integerOption(1, 1_000_000), 10_000)
    .option('--mtu <bytes>', 'longest datagram', integerOption(288, MTU_MAX), LOOPBACK_MTU)
    .option(
      '--durability <level>',
      'fsync or page-cache',
      wordOption(['fsync', 'page-cache']),
      'fsync',
    )
    .option('--directory <dir>', 'where the data lies meanwhile (default: a temporary directory)')
    .option('--json', 'print one JSON object on the standard output, progress on the other')
    .action(reads);
}

export function addBenchCommand(program: Command): void {
  const bench = program
    .command('bench')
    .summary('measure a cluster, or the least that a cluster could cost')
    .description('Measure on this machine. Every result names the machine and the sources.');
  const floorCommand = bench
    .command('floor')
    .summary('the least program that does the work of a cluster')
    .description(
      'Measure the least program that does the same work as a cluster on the same sockets: ' +
        'client to leader to two followers and back; no log, no disk, no session. It is valid ' +
        'only if one burst in flight takes at most 5 times the ping-pong of the same bytes ' +
        'between two processes. In turn with it the same program is measured with messages as ' +
        'long as their frames in a log, of which leader and followers take a crc and which they ' +
        'write to files. Exit code 0 only if the floor is valid.',
    );
  addSharedOptions(floorCommand, 2).action(floor);
  const clusterCommand = bench
    .command('cluster')
    .summary('three members and a client, each a process')
    .description(
      'Measure three member processes and a client in its own: bursts at fixed rates (open ' +
        'loop, latency from the instant at which a message was due), then bursts in flight ' +
        '(closed loop). The echo service answers. This machine has ' +
        `${availableParallelism()} processors for four processes. Exit code 0 only if nothing ` +
        'was lost.',
    )
    .option(
      '--rates <list>',
      'messages per second, one run for each',
      integerListOption(1, RATE_MAX),
      [1_000, 10_000, 50_000, 100_000],
    )
    .option(
      '--durability <level>',
      'fsync or page-cache',
      wordOption(['fsync', 'page-cache']),
      'fsync',
    )
    .option(
      '--threads <layout>',
      'shared, or dedicated: each service on a thread of its own',
      wordOption(['shared', 'dedicated']),
      'shared',
    )
    .option(
      '--log-retention <policy>',
      'snapshots purges the log behind one each 64 MiB, all keeps it',
      wordOption(['snapshots', 'all']),
      'snapshots',
    )
    .option('--floor', 'measure the floor in turn with the closed loop, and print the ratio')
    .option('--directory <dir>', 'where the data lies meanwhile (default: a temporary directory)');
  addSharedOptions(clusterCommand, 5).action(cluster);
  addFailoverCommand(bench);
  addTransferCommand(bench);
  addReadsCommand(bench);
  addStateBenches(bench);
  addSessionsCommand(bench);
}
