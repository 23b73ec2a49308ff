// message-flags.ts: bits of the `flags` fields, and the streams that messages travel on.

/** MemberHello: the sender votes and is counted in a quorum. */
export const MEMBER_HELLO_FLAG_VOTING = 1;
/** MemberHello: the sender is ending cleanly, so nobody has to wait for it to time out. */
export const MEMBER_HELLO_FLAG_LEAVING = 2;

/** AppendPosition: the sender catches up, its position is below the leader's windows. */
export const APPEND_POSITION_FLAG_CATCHING_UP = 1;
/** AppendPosition: the sender is not counted in a quorum. */
export const APPEND_POSITION_FLAG_NON_VOTING = 2;

export const LOG_STREAM_ID = 100;
export const INGRESS_STREAM_ID = 101;
/** What a Pawl client asks for; another client may choose another. */
export const EGRESS_STREAM_ID_DEFAULT = 102;
export const CONSENSUS_STREAM_ID = 108;

/** `protocolVersion` of the consensus messages: semantic version 1.0.0, 8 bits each. */
export const CONSENSUS_PROTOCOL_VERSION = (1 << 16) | (0 << 8) | 0;
