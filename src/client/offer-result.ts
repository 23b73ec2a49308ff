// offer-result.ts: what a client is answered when a message does not leave now.

import {
  ADMIN_ACTION,
  BACK_PRESSURED,
  CLOSED,
  NOT_CONNECTED,
} from '../../assembly/layout/frame.js';

/** What `ClusterClient.offer` answers when it is no position: nothing was sent. */
export const OfferResult = {
  /** No leader is connected now. */
  NotConnected: NOT_CONNECTED,
  /** The leader takes no more now: try again later. */
  BackPressured: BACK_PRESSURED,
  /** Try again at once. */
  AdminAction: ADMIN_ACTION,
  /** The session is over, and so is this client. */
  Closed: CLOSED,
} as const;
