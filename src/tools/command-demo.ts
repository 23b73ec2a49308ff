// command-demo.ts: `pawl demo` shows a cluster that survives `kill -9` of its leader.

import type { Command } from 'commander';
import { ErrorCode, PawlError } from '../errors.js';
import { ExitCode } from '../host/exit-codes.js';
import { type DemoOptions, runDemo } from './demo/demo.js';
import { demoText } from './demo/demo-report.js';
import { integerOption, numberOption, wordOption } from './options.js';
import { printJson, printLine, progressOf } from './output.js';

/** The promise of the demo: it ends, whatever happens. */
const DEMO_TIMEOUT_MS = 88_000;
const MTU_DEFAULT = 8192;

interface DemoFlags {
  readonly directory?: string;
  readonly keep?: boolean;
  readonly durability: 'fsync' | 'page-cache';
  readonly mtu: number;
  readonly rate: number;
  readonly seconds: number;
  readonly json?: boolean;
}

/** Rejects when the time is over. */
function timeLimit(): { readonly expired: Promise<never>; cancel(): void } {
  let timer: NodeJS.Timeout | undefined;
  const expired = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      const text =
        `the demo did not end within ${DEMO_TIMEOUT_MS / 1_000} s: the machine is overloaded, ` +
        'or a member hangs';
      reject(new PawlError(ErrorCode.Timeout, text, 'environment'));
    }, DEMO_TIMEOUT_MS);
  });
  return { expired, cancel: () => clearTimeout(timer) };
}

async function demo(flags: DemoFlags): Promise<void> {
  const progress = progressOf(flags.json === true);
  const options: DemoOptions = {
    directory: flags.directory,
    keep: flags.keep === true || flags.directory !== undefined,
    durability: flags.durability,
    mtu: flags.mtu,
    rate: flags.rate,
    phaseSeconds: flags.seconds,
    payload: 200,
    burst: 20,
  };
  const limit = timeLimit();
  try {
    const result = await Promise.race([runDemo(options, progress), limit.expired]);
    progress.step('');
    if (flags.json === true) {
      printJson(result);
    } else {
      printLine(demoText(result));
    }
    process.exitCode = result.ok ? ExitCode.Ok : ExitCode.Unexpected;
  } finally {
    limit.cancel();
  }
}

export function addDemoCommand(program: Command): void {
  program
    .command('demo')
    .summary('start three members, kill the leader, and balance the books')
    .description(
      'Start three member processes and a client on this machine, send bursts of messages, kill ' +
        'the leader with SIGKILL, go on with the new one, restart the killed member, and check ' +
        'that nothing acknowledged is lost and that all members hold the same log and state. ' +
        'Exit code 0 only if everything held.',
    )
    .option('--directory <dir>', 'make the data directories here and keep them')
    .option('--keep', 'keep the data in the temporary directory')
    .option(
      '--durability <level>',
      'fsync or page-cache',
      wordOption(['fsync', 'page-cache']),
      'fsync',
    )
    .option('--mtu <bytes>', 'longest datagram', integerOption(288, 61_440), MTU_DEFAULT)
    .option('--rate <n>', 'messages per second', integerOption(100, 1_000_000), 5_000)
    .option('--seconds <s>', 'length of each of the three phases', numberOption(0.5, 15), 4)
    .option('--json', 'print one JSON object on the standard output, progress on the other')
    .action(demo);
}
