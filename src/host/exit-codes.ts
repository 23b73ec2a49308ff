// exit-codes.ts: what the exit code of a process tells the script that started it.
//
// The codes are documented in `--help` and never change their meaning.

import { InvariantError } from '../assert.js';
import { ErrorCode, PawlError } from '../errors.js';

export const ExitCode = {
  /** Done, or left cleanly. */
  Ok: 0,
  /** An error that nobody foresaw: please report it. */
  Unexpected: 1,
  /** The command line is wrong, or a history that it names cannot be read. */
  Usage: 2,
  /** The configuration is wrong or unsafe. */
  Configuration: 3,
  /** The data directory is not born, foreign, already born, or in use. */
  Directory: 4,
  /** Stored bytes are damaged. */
  Corrupt: 5,
  /** The disk failed or is full; the process ended rather than promise anything more. */
  Storage: 6,
  /** An address is in use, invalid or refused. */
  Network: 7,
  /** The service module could not be loaded, or threw. */
  Service: 8,
  /** An invariant is broken: please report it. */
  Invariant: 9,
  /** The cluster refused the member or the session. */
  Refused: 10,
  /** A history is not linearizable. */
  NotLinearizable: 11,
  /** A limit came before the verdict about a history. */
  VerdictUnknown: 12,
  /** The member's service put out something else than the majority's. */
  Diverged: 13,
} as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** A process that a signal ended has the code 128 + the number of the signal. */
const SIGNAL_BASE = 128;

/** One line per code, for help texts. */
export const EXIT_CODE_TEXTS: readonly (readonly [number, string])[] = [
  [ExitCode.Ok, 'done, or left cleanly'],
  [
    ExitCode.Unexpected,
    'unexpected error (please report it), time over, or a cluster that is not well',
  ],
  [ExitCode.Usage, 'wrong command line, or a history that cannot be read'],
  [ExitCode.Configuration, 'wrong or unsafe configuration'],
  [ExitCode.Directory, 'data directory not born, foreign, already born, or in use'],
  [ExitCode.Corrupt, 'stored bytes are damaged'],
  [ExitCode.Storage, 'the disk failed or is full'],
  [ExitCode.Network, 'address in use, invalid or refused'],
  [ExitCode.Service, 'the service could not be loaded, or threw'],
  [ExitCode.Invariant, 'an invariant is broken (please report it)'],
  [ExitCode.Refused, 'refused by the cluster'],
  [ExitCode.NotLinearizable, 'the history is not linearizable'],
  [ExitCode.VerdictUnknown, 'a limit came before the verdict about the history'],
  [ExitCode.Diverged, 'the service put out something else than on the other members'],
];

const EXIT_CODE_OF: Record<ErrorCode, ExitCode> = {
  [ErrorCode.ConfigurationInvalid]: ExitCode.Configuration,
  [ErrorCode.ChannelInvalid]: ExitCode.Configuration,
  [ErrorCode.ArgumentOutOfRange]: ExitCode.Configuration,
  [ErrorCode.MemoryExhausted]: ExitCode.Configuration,
  [ErrorCode.LimitExceeded]: ExitCode.Configuration,
  [ErrorCode.MessageTooLong]: ExitCode.Configuration,
  [ErrorCode.DirectoryNotBorn]: ExitCode.Directory,
  [ErrorCode.DirectoryForeign]: ExitCode.Directory,
  [ErrorCode.DirectoryInUse]: ExitCode.Directory,
  [ErrorCode.DirectoryAlreadyBorn]: ExitCode.Directory,
  [ErrorCode.LogCorrupt]: ExitCode.Corrupt,
  [ErrorCode.RecordCorrupt]: ExitCode.Corrupt,
  [ErrorCode.SnapshotInvalid]: ExitCode.Corrupt,
  [ErrorCode.SnapshotInstalled]: ExitCode.Directory,
  [ErrorCode.StorageFailed]: ExitCode.Storage,
  [ErrorCode.StorageFull]: ExitCode.Storage,
  [ErrorCode.AddressInUse]: ExitCode.Network,
  [ErrorCode.AddressInvalid]: ExitCode.Network,
  [ErrorCode.NetworkFailed]: ExitCode.Network,
  [ErrorCode.InsecureAddress]: ExitCode.Network,
  [ErrorCode.HistoryInvalid]: ExitCode.Usage,
  [ErrorCode.ServiceInvalid]: ExitCode.Service,
  [ErrorCode.ServiceFailed]: ExitCode.Service,
  [ErrorCode.MemberRefused]: ExitCode.Refused,
  [ErrorCode.SessionRefused]: ExitCode.Refused,
  [ErrorCode.SessionClosed]: ExitCode.Refused,
  [ErrorCode.SessionExpired]: ExitCode.Refused,
  [ErrorCode.AuthenticationRejected]: ExitCode.Refused,
  [ErrorCode.OrderRefused]: ExitCode.Refused,
  [ErrorCode.OutcomeUnknown]: ExitCode.Unexpected,
  [ErrorCode.ReplyDropped]: ExitCode.Unexpected,
  [ErrorCode.RequestRefused]: ExitCode.Refused,
  [ErrorCode.OutputsDiverged]: ExitCode.Diverged,
  [ErrorCode.Timeout]: ExitCode.Unexpected,
  [ErrorCode.Closed]: ExitCode.Unexpected,
};

/** Another thread has failed, has reported why, and the process has to end with its code. */
export class PoisonedError extends Error {
  readonly exitCode: number;

  constructor(roleName: string, exitCode: number, options?: ErrorOptions) {
    super(`${roleName} failed: the process ends, because nothing more may be promised`, options);
    this.name = 'PoisonedError';
    this.exitCode = exitCode;
  }
}

/** The exit code of a process that ends because of an error. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof PoisonedError) {
    return error.exitCode;
  }
  if (error instanceof InvariantError) {
    return ExitCode.Invariant;
  }
  return error instanceof PawlError ? EXIT_CODE_OF[error.code] : ExitCode.Unexpected;
}

/** The exit code of a process that leaves because of a signal. */
export function exitCodeOfSignal(signalNumber: number): number {
  return SIGNAL_BASE + signalNumber;
}
