// ingress-endpoints.ts: where the members of a cluster take ingress, as a client knows it.

import { PawlError } from '../errors.js';
import { formatHostPort } from '../protocol/host-port.js';
import { parseIngressEndpoints } from '../protocol/member-endpoints.js';

/** Address (host:port) of each member, by member id. */
export type IngressEndpoints = ReadonlyMap<number, string>;

/** @throws PawlError when the text is no list of endpoints. */
export function ingressEndpoints(text: string): IngressEndpoints {
  const result = new Map<number, string>();
  for (const [memberId, endpoint] of parseIngressEndpoints(text)) {
    result.set(memberId, formatHostPort(endpoint));
  }
  return result;
}

/** What a member has said; a text that cannot be parsed teaches nothing, and the known stay. */
export function learnEndpoints(text: string, known: IngressEndpoints): IngressEndpoints {
  try {
    return ingressEndpoints(text);
  } catch (error) {
    // The text came from the network. Anything but a parse error is a defect.
    if (error instanceof PawlError) {
      return known;
    }
    throw error;
  }
}
