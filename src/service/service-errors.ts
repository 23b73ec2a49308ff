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

/**
 * Codes of what Pawl itself ends a callback with. They say by themselves what the service did that
 * it may not, or that the member has no memory for what the service says.
 */
const OWN_CODES: ReadonlySet<string> = new Set([
  ErrorCode.ServiceFailed,
  ErrorCode.ServiceInvalid,
  ErrorCode.MemoryExhausted,
]);

/** What left a callback, as the member ends with it: whatever it is, the service let it out. */
export function serviceError(error: unknown, position: Position): PawlError {
  if (error instanceof PawlError && OWN_CODES.has(error.code)) {
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
