// report-error.ts: what a user sees of an error, and the exit code that goes with it.
//
// One line with the value, the limit and the remedy, and the stable code behind it. Only what
// nobody foresaw is printed with its stack, because then the stack is all there is.

import { CommanderError } from 'commander';
import { PawlError } from '../errors.js';
import { ExitCode, exitCodeOf } from '../host/exit-codes.js';

/** An error as `--json` prints it. */
export interface ErrorReport {
  readonly event: 'error';
  readonly code: string;
  readonly exitCode: number;
  readonly message: string;
  readonly stack?: string;
}

/** The parser of the command line has printed its own errors already. */
export function isCommandLineError(error: unknown): error is CommanderError {
  return error instanceof CommanderError;
}

/** Help and version also come as errors of the parser; they are none. */
export function exitCodeOfCommandLine(error: CommanderError): number {
  return error.exitCode === 0 ? ExitCode.Ok : ExitCode.Usage;
}

/** Describes an error for a machine. */
export function reportOf(error: unknown): ErrorReport {
  const exitCode = exitCodeOf(error);
  if (error instanceof PawlError) {
    return { event: 'error', code: error.code, exitCode, message: error.message };
  }
  const message = error instanceof Error ? error.message : String(error);
  const code = exitCode === ExitCode.Invariant ? 'INVARIANT_BROKEN' : 'UNEXPECTED';
  const stack = error instanceof Error ? error.stack : undefined;
  return { event: 'error', code, exitCode, message, ...(stack === undefined ? {} : { stack }) };
}

/** Describes an error for a person: one line, and the stack only where it was not foreseen. */
export function errorText(error: unknown): string {
  const report = reportOf(error);
  const line = `pawl: ${report.message} [${report.code}, exit code ${report.exitCode}]`;
  const cause = error instanceof PawlError ? causeText(error) : '';
  return report.stack === undefined ? line + cause : `${line}\n${report.stack}`;
}

/** The stack of an error that the user's own code threw: the line to look at is in there. */
function causeText(error: PawlError): string {
  const cause = error.cause;
  const isUserCode = error.code === 'SERVICE_FAILED' || error.code === 'SERVICE_INVALID';
  return isUserCode && cause instanceof Error && cause.stack !== undefined
    ? `\n  caused by ${cause.stack.split('\n').join('\n  ')}`
    : '';
}

/**
 * Prints an error and returns the exit code.
 *
 * @param isJson also prints one JSON line on the standard output, for the program that reads it.
 */
export function printError(error: unknown, isJson: boolean): number {
  if (isJson) {
    process.stdout.write(`${JSON.stringify(reportOf(error))}\n`);
  }
  process.stderr.write(`${errorText(error)}\n`);
  return exitCodeOf(error);
}
