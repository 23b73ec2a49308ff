// command-bench-state.ts: `pawl bench snapshot` and `pawl bench restart`: what state costs.

import type { Command } from 'commander';
import { ExitCode } from '../host/exit-codes.js';
import { restartText, snapshotText } from './bench/bench-report.js';
import { readEnvironment } from './bench/environment.js';
import { benchRestart, COLD_START_MAX_MS } from './bench/restart-bench.js';
import { benchSnapshot, SNAPSHOT_KEYS, SNAPSHOT_RATIO_MAX } from './bench/snapshot-bench.js';
import { integerListOption, integerOption, numberOption, wordOption } from './options.js';
import { printJson, printLine, progressOf } from './output.js';

/** What is best on loopback. */
const LOOPBACK_MTU = 61_440;
const KEYS_MAX = 16_000_000;
const VALUE_MAX = 65_536;
const RATE_MAX = 1_000_000;
const LENGTH_MAX_MIB = 1024 * 1024;
const SNAPSHOT_VALUE = 256;
const RESTART_KEYS = 4_096;

interface StateFlags {
  readonly keys: number;
  readonly durability: 'fsync' | 'page-cache';
  readonly directory?: string;
  readonly json?: boolean;
}

interface SnapshotFlags extends StateFlags {
  readonly value: number;
  readonly rate: number;
  readonly seconds: number;
}

interface RestartFlags extends StateFlags {
  readonly lengths: readonly number[];
  readonly starts: number;
}

async function snapshot(flags: SnapshotFlags): Promise<void> {
  const environment = readEnvironment();
  const { json, ...rest } = flags;
  const result = await benchSnapshot({ ...rest, mtu: LOOPBACK_MTU }, progressOf(json === true));
  if (json === true) {
    printJson({ ...result, environment });
  } else {
    printLine(snapshotText(result, environment));
  }
  process.exitCode = result.holds ? ExitCode.Ok : ExitCode.Unexpected;
}

async function restart(flags: RestartFlags): Promise<void> {
  const environment = readEnvironment();
  const { json, ...rest } = flags;
  const result = await benchRestart({ ...rest, mtu: LOOPBACK_MTU }, progressOf(json === true));
  if (json === true) {
    printJson({ ...result, environment });
  } else {
    printLine(restartText(result, environment));
  }
  process.exitCode = result.coldStart.holds ? ExitCode.Ok : ExitCode.Unexpected;
}

function addStateOptions(command: Command): Command {
  return command
    .option(
      '--durability <level>',
      'fsync or page-cache',
      wordOption(['fsync', 'page-cache']),
      'fsync',
    )
    .option('--directory <dir>', 'where the data lies meanwhile (default: a temporary directory)')
    .option('--json', 'print one JSON object on the standard output, progress on the other');
}

/** Adds the commands to `pawl bench`. */
export function addStateBenches(bench: Command): void {
  const snapshotCommand = bench
    .command('snapshot')
    .summary('what clients notice of a snapshot')
    .description(
      'Measure commits while a snapshot is taken: three member processes with the key/value ' +
        'service, filled with keys; puts at a rate; their latencies before, during and after a ' +
        'snapshot that all members take. The default state is one gibibyte: it needs some 6 GiB ' +
        `of memory and 8 GiB of disk. Exit code 0 only if p99 during it is at most ` +
        `${SNAPSHOT_RATIO_MAX} times that before.`,
    )
    .option('--keys <n>', 'keys of the state', integerOption(1, KEYS_MAX), SNAPSHOT_KEYS)
    .option('--value <bytes>', 'bytes of a value', integerOption(1, VALUE_MAX), SNAPSHOT_VALUE)
    .option('--rate <n>', 'puts per second', integerOption(1, RATE_MAX), 1_000)
    .option('--seconds <s>', 'length of the runs beside it', numberOption(0.1, 600), 20);
  addStateOptions(snapshotCommand).action(snapshot);
  const restartCommand = bench
    .command('restart')
    .summary('how long a cluster takes to serve again')
    .description(
      'Measure starts: the time from the start of the processes to the answer that a new client ' +
        'gets, from a snapshot of the same state behind logs of several lengths, and with one of ' +
        `three members missing. Exit code 0 only if that takes less than ${COLD_START_MAX_MS} ms.`,
    )
    .option(
      '--lengths <list>',
      'MiB of log before the snapshot, ascending, one run for each',
      integerListOption(1, LENGTH_MAX_MIB),
      [64, 512, 2_048],
    )
    .option('--keys <n>', 'keys of the state', integerOption(1, KEYS_MAX), RESTART_KEYS)
    .option('--starts <n>', 'starts for each figure', integerOption(1, 1_000), 7);
  addStateOptions(restartCommand).action(restart);
}
