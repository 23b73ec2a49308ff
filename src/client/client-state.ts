// client-state.ts: how far a client's session is.

export const ClientState = {
  /** Looking for the leader and asking for a session. */
  Connecting: 'connecting',
  Connected: 'connected',
  /** The leader's ingress is gone; a new leader will present itself. */
  AwaitingLeader: 'awaiting-leader',
  Closed: 'closed',
} as const;
export type ClientState = (typeof ClientState)[keyof typeof ClientState];
