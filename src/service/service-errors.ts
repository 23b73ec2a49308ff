// service-errors.ts: what goes wrong inside a service, in words that say what to do.

import { ErrorCode, PawlError } from '../errors.js';
import type { Position } from '../position.js';

/** Something that belongs to the log was done where no event of the log is handled. */
export function localCallError(operation: string): PawlError {
  return new PawlError(
    ErrorCode.ServiceFailed,
    `${operation} was called outside a log event: onStart, onQuery, onRoleChange and onTerminate ` +
      'are local, and what they do must not reach the log or a client',
  );
}

/** What a callback threw, as the member ends with it. */
export function serviceError(error: unknown, position: Position): PawlError {
  if (error instanceof PawlError) {
    return error;
  }
  return new PawlError(
    ErrorCode.ServiceFailed,
    `the service threw at log position ${position}: ${String(error)}. ` +
      'Every member would do so at this event; repair the service and start again',
    'fatal',
    { cause: error },
  );
}
