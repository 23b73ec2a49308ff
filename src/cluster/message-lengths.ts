// message-lengths.ts: how long messages may be, by the settings of the cluster.

import { SESSION_HEADER_LENGTH } from './log-publisher.js';

/** Longest message of a service to a client, bytes. A setting of the cluster: equal on all. */
export function egressMessageLengthMax(settings: { readonly egressTermLength: number }): number {
  // Aeron's rule, an eighth of the term, less the header.
  return Math.floor(settings.egressTermLength / 8) - SESSION_HEADER_LENGTH;
}
