// credentials.ts: how a client proves who it is.

import { ErrorCode, PawlError } from '../errors.js';
import { CREDENTIALS_LENGTH_MAX } from '../protocol/streams.js';

/** Gives what an Authenticator wants to see. Nothing of it is ever printed. */
export interface CredentialsSupplier {
  /** Sent with the request for a session, to every member; at most CREDENTIALS_LENGTH_MAX bytes. */
  encodedCredentials(): Uint8Array;
  /**
   * The cluster challenges the client.
   *
   * @returns the answer; undefined gives up, and the session is refused.
   */
  onChallenge(encodedChallenge: Uint8Array): Uint8Array | undefined;
}

/** For clusters that ask nobody who he is. */
export const NO_CREDENTIALS: CredentialsSupplier = {
  encodedCredentials: () => new Uint8Array(0),
  onChallenge: () => undefined,
};

/** @throws PawlError LIMIT_EXCEEDED. */
export function checkedCredentials(bytes: Uint8Array): Uint8Array {
  if (bytes.length > CREDENTIALS_LENGTH_MAX) {
    throw new PawlError(
      ErrorCode.LimitExceeded,
      `the credentials have ${bytes.length} bytes: at most ${CREDENTIALS_LENGTH_MAX} fit`,
    );
  }
  return bytes;
}
