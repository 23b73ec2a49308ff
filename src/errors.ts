// errors.ts: the one error class of the control path.
//
// The hot path returns negative codes and broken invariants end the process; everything between (a
// bad configuration, a foreign directory, a refused peer) is a PawlError with a stable code.

/**
 * Who has to act: `usage` the caller, `environment` the operator, `corruption` a repair, `fatal`
 * nobody (the process ends).
 */
export type ErrorCategory = 'usage' | 'environment' | 'corruption' | 'fatal';

/** Stable codes. A code is never renamed or used for another meaning. */
export const ErrorCode = {
  ConfigurationInvalid: 'CONFIGURATION_INVALID',
  ChannelInvalid: 'CHANNEL_INVALID',
  ArgumentOutOfRange: 'ARGUMENT_OUT_OF_RANGE',
  MemoryExhausted: 'MEMORY_EXHAUSTED',
  LimitExceeded: 'LIMIT_EXCEEDED',
  MessageTooLong: 'MESSAGE_TOO_LONG',
  DirectoryNotBorn: 'DIRECTORY_NOT_BORN',
  DirectoryForeign: 'DIRECTORY_FOREIGN',
  DirectoryInUse: 'DIRECTORY_IN_USE',
  DirectoryAlreadyBorn: 'DIRECTORY_ALREADY_BORN',
  LogCorrupt: 'LOG_CORRUPT',
  RecordCorrupt: 'RECORD_CORRUPT',
  SnapshotInvalid: 'SNAPSHOT_INVALID',
  SnapshotInstalled: 'SNAPSHOT_INSTALLED',
  StorageFailed: 'STORAGE_FAILED',
  StorageFull: 'STORAGE_FULL',
  AddressInUse: 'ADDRESS_IN_USE',
  AddressInvalid: 'ADDRESS_INVALID',
  NetworkFailed: 'NETWORK_FAILED',
  InsecureAddress: 'INSECURE_ADDRESS',
  HistoryInvalid: 'HISTORY_INVALID',
  ServiceInvalid: 'SERVICE_INVALID',
  ServiceFailed: 'SERVICE_FAILED',
  MemberRefused: 'MEMBER_REFUSED',
  SessionRefused: 'SESSION_REFUSED',
  SessionClosed: 'SESSION_CLOSED',
  SessionExpired: 'SESSION_EXPIRED',
  AuthenticationRejected: 'AUTHENTICATION_REJECTED',
  OrderRefused: 'ORDER_REFUSED',
  OutcomeUnknown: 'OUTCOME_UNKNOWN',
  ReplyDropped: 'REPLY_DROPPED',
  RequestRefused: 'REQUEST_REFUSED',
  OutputsDiverged: 'OUTPUTS_DIVERGED',
  Timeout: 'TIMEOUT',
  Closed: 'CLOSED',
} as const;
export type ErrorCode = (typeof ErrorCode)[keyof typeof ErrorCode];

/**
 * An error of the control path: stable code, category, and a message with value, limit and remedy.
 */
export class PawlError extends Error {
  readonly code: ErrorCode;
  readonly category: ErrorCategory;

  constructor(
    code: ErrorCode,
    message: string,
    category: ErrorCategory = 'usage',
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = 'PawlError';
    this.code = code;
    this.category = category;
  }
}
