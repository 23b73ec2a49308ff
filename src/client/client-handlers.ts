// client-handlers.ts: what the owner of a client hears.

import type { PawlError } from '../errors.js';
import type { AnswerHandlers } from './egress-answers.js';

/** What a client's owner hears. Called from doWork; bytes are valid during the call. */
export interface ClientHandlers extends AnswerHandlers {
  onMessage(view: DataView, offset: number, length: number, timestamp: number): void;
  onConnected?(clusterSessionId: number): void;
  /** Another member leads: what was sent before and is unanswered may or may not be in the log. */
  onNewLeader?(leadershipTermId: number, leaderMemberId: number): void;
  /** The session ended: by the cluster, by a timeout, or because it could not be opened. */
  onClosed?(error: PawlError | undefined): void;
}
