// response-channel.ts: whether a channel that a client named can be used, and what of it is.
//
// The channel goes into the log with the session's open event, and every later leader connects to
// it: so it is checked once, before it is appended, and nothing in it may fail a leader later.

import { PawlError } from '../errors.js';
import { ChannelMedia, ChannelUri } from '../protocol/channel-uri.js';
import type { HostPort } from '../protocol/host-port.js';

/** Four decimal numbers, each in its one spelling: a host is counted by its text. */
const IPV4_HOST = /^(?:0|[1-9]\d{0,2})(?:\.(?:0|[1-9]\d{0,2})){3}$/;
const IPV6_HOST = /^[0-9a-fA-F:]+$/;
const IPV6_GROUP_COUNT = 8;

/** The endpoint of a channel that is UDP with a numeric host and a port; otherwise undefined. */
function usableEndpoint(channel: string): HostPort | undefined {
  try {
    const uri = ChannelUri.parse(channel, { keepUnknown: true });
    const endpoint = uri.address('endpoint');
    const isUsable =
      uri.media === ChannelMedia.Udp &&
      !uri.isSpy &&
      endpoint !== undefined &&
      endpoint.port > 0 &&
      (IPV4_HOST.test(endpoint.host) || IPV6_HOST.test(endpoint.host));
    return isUsable ? endpoint : undefined;
  } catch (error) {
    // It came from the network: what cannot be parsed is refused. Anything else is a defect.
    if (error instanceof PawlError) {
      return undefined;
    }
    throw error;
  }
}

/** Whether the channel is UDP with a numeric endpoint and a port. Never throws. */
export function isUsableResponseChannel(channel: string): boolean {
  return usableEndpoint(channel) !== undefined;
}

/**
 * The host of a response channel in one spelling, so that a client cannot be many by writing its
 * address in many ways; the text itself where it names none.
 */
export function responseHost(channel: string): string {
  const host = usableEndpoint(channel)?.host ?? channel;
  return IPV6_HOST.test(host) ? expandIpv6(host) : host;
}

/** Every group, without leading zeros. */
function expandIpv6(host: string): string {
  const [head = '', tail] = host.split('::');
  const groupsOf = (text: string): string[] => (text === '' ? [] : text.split(':'));
  const before = groupsOf(head);
  const after = groupsOf(tail ?? '');
  const missing = tail === undefined ? 0 : IPV6_GROUP_COUNT - before.length - after.length;
  const zeros = Array.from({ length: Math.max(0, missing) }, () => '0');
  return [...before, ...zeros, ...after]
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':');
}

/**
 * The channel on which a session's client is answered: the endpoint that it named and nothing else.
 * Its other parameters are about its own side, or a start position or session id that this member
 * could not keep; a client must not be able to choose those for every leader to come.
 *
 * @param channel one that isUsableResponseChannel accepted.
 */
export function egressChannelOf(channel: string): ChannelUri {
  const endpoint = ChannelUri.parse(channel, { keepUnknown: true }).get('endpoint');
  return ChannelUri.of(ChannelMedia.Udp, endpoint === undefined ? [] : [['endpoint', endpoint]]);
}
