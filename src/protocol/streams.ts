// streams.ts: the streams that messages travel on, and the versions of what is said there.

export const LOG_STREAM_ID = 100;
export const INGRESS_STREAM_ID = 101;
/** What a Pawl client asks for; another client may choose another. */
export const EGRESS_STREAM_ID_DEFAULT = 102;
export const CONSENSUS_STREAM_ID = 108;

/** Longest credentials, challenge or answer to one, bytes. */
export const CREDENTIALS_LENGTH_MAX = 2_048;

/** What a SessionEvent of code Closed begins with when the client was silent for too long. */
export const SESSION_TIMED_OUT = 'timed out';

/** Version 0.3.0 of the session protocol, as Aeron encodes it: 8 bits each. */
export const SESSION_PROTOCOL_VERSION = 0x000300;
/** Version 1.0.0 of the protocol between members. */
export const MEMBER_PROTOCOL_VERSION = 0x010100;
