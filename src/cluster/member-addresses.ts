// member-addresses.ts: where a member listens.

import { assert } from '../assert.js';
import { formatHostPort } from '../protocol/host-port.js';
import type { MemberEndpoints } from '../protocol/member-endpoints.js';
import type { ClusterConfig } from './cluster-config.js';

/** The endpoints of the member itself. */
export function ownEndpoints(config: ClusterConfig): MemberEndpoints {
  const own = config.endpoints.find((one) => one.memberId === config.member.memberId);
  assert(own !== undefined, 'the configuration names this member');
  return own;
}

/** The channel of an endpoint. */
export function channelOf(endpoint: MemberEndpoints['ingress']): string {
  return `aeron:udp?endpoint=${formatHostPort(endpoint)}`;
}
