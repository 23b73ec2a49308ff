// client-handlers.ts: what the owner of a client hears.

import type { PawlError } from '../errors.js';

/** What a client's owner hears. Called from doWork; bytes are valid during the call. */
export interface ClientHandlers {
  onMessage(view: DataView, offset: number, length: number, timestamp: number): void;
  /** The reply to an exactly-once request. It may come more than once. */
  onReply?(reply: ClientReply, view: DataView, offset: number, length: number): void;
  onConnected?(clusterSessionId: number): void;
  /** Another member leads: what was sent before and is unanswered may or may not be in the log. */
  onNewLeader?(leadershipTermId: number, leaderMemberId: number): void;
  /** What became of an order; see `orderSnapshot`. */
  onAdminResponse?(response: AdminResponse): void;
  /** The session ended: by the cluster, by a timeout, or because it could not be opened. */
  onClosed?(error: PawlError | undefined): void;
}

/** What precedes the body of a reply. */
export interface ClientReply {
  readonly requestId: number;
  /** See ReplyCode. */
  readonly code: number;
  /** Log time of the request, milliseconds. */
  readonly timestamp: number;
  /** Log position after the request. */
  readonly logPosition: number;
}

/** The answer to an order. */
export interface AdminResponse {
  readonly correlationId: number;
  /** Of AdminResponseCode: Ok, Error or UnauthorisedAccess. */
  readonly code: number;
  /** Why not, for people. */
  readonly message: string;
}
