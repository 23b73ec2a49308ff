// program.ts: the command line as a whole: commands, help, errors and exit codes.

import { Command } from 'commander';
import { EXIT_CODE_TEXTS } from '../host/exit-codes.js';
import { packageVersion } from './bench/environment.js';
import { addArchiveCommand } from './command-archive.js';
import { addBenchCommand } from './command-bench.js';
import { addBootstrapCommand } from './command-bootstrap.js';
import { addCheckHistoryCommand } from './command-check-history.js';
import { addClusterCommand } from './command-cluster.js';
import { addDemoCommand } from './command-demo.js';
import { addDescribeCommand } from './command-describe.js';
import { addNodeCommand } from './command-node.js';
import { addRestoreCommand } from './command-restore.js';
import { addSimulateCommand } from './command-simulate.js';
import { exitCodeOfCommandLine, isCommandLineError, printError } from './report-error.js';

const DESCRIPTION =
  'Replicated logs and state machines for Node.js.\n\n' +
  'The members of a cluster keep one log on every disk. Clients send messages to the leader, ' +
  'and a service on every member handles each of them in the same order. What was acknowledged ' +
  'survives the loss of any minority.';

function exitCodeHelp(): string {
  const lines = EXIT_CODE_TEXTS.map(([code, text]) => `  ${String(code).padStart(3)}  ${text}`);
  const signalLine = '  128+n  ended by signal n';
  return ['\nStart with `pawl demo`.\n', 'Exit codes:', ...lines, signalLine].join('\n');
}

/** The commands that every build of the command line has. */
export function createProgram(): Command {
  const program = new Command('pawl')
    .description(DESCRIPTION)
    .version(packageVersion())
    .showHelpAfterError('(`pawl --help` and `pawl <command> --help` tell more)')
    .addHelpText('after', exitCodeHelp())
    .exitOverride();
  addDemoCommand(program);
  addNodeCommand(program);
  addBootstrapCommand(program);
  addRestoreCommand(program);
  addDescribeCommand(program);
  addArchiveCommand(program);
  addClusterCommand(program);
  addBenchCommand(program);
  addSimulateCommand(program);
  addCheckHistoryCommand(program);
  return program;
}

/** Commands inherit nothing from the program, and each would end the process by itself. */
function overrideExits(command: Command): void {
  command.exitOverride();
  for (const child of command.commands) {
    overrideExits(child);
  }
}

/**
 * Runs the command line.
 *
 * @returns the exit code.
 */
export async function runProgram(program: Command, argv: readonly string[]): Promise<number> {
  overrideExits(program);
  try {
    await program.parseAsync([...argv]);
    return Number(process.exitCode ?? 0);
  } catch (error) {
    if (isCommandLineError(error)) {
      return exitCodeOfCommandLine(error);
    }
    return printError(error, argv.includes('--json'));
  }
}
