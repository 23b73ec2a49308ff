// main.ts: starts the command line.

import { createProgram, runProgram } from './program.js';
import { printError } from './report-error.js';

/** What no handler has caught ends the process with the code that its kind has. */
function failProcess(error: unknown): void {
  process.exit(printError(error, process.argv.includes('--json')));
}

/** A pipe whose reader has gone is a quiet end, as for every other program in a pipe. */
function endQuietlyOnClosedPipe(error: NodeJS.ErrnoException): void {
  if (error.code !== 'EPIPE') {
    throw error;
  }
}

process.on('uncaughtException', failProcess);
process.on('unhandledRejection', failProcess);
process.stdout.on('error', endQuietlyOnClosedPipe);
process.stderr.on('error', endQuietlyOnClosedPipe);

const exitCode = await runProgram(createProgram(), process.argv);
// Threads or sockets of a member that has ended must not keep the process alive.
process.stdout.write('', () => process.exit(exitCode));
