// response-channel.ts: whether a channel that a client named can be used, and what of it is.
//
// The channel goes into the log with the session's open event, and every later leader connects to
// it: so it is checked once, before it is appended, and nothing in it may fail a leader later.

import { PawlError } from '../errors.js';
import { ChannelMedia, ChannelUri } from '../protocol/channel-uri.js';

const NUMERIC_HOST = /^[0-9.]+$|^[0-9a-fA-F:]+$/;

/** Whether the channel is UDP with a numeric endpoint and a port. Never throws. */
export function isUsableResponseChannel(channel: string): boolean {
  try {
    const uri = ChannelUri.parse(channel, { keepUnknown: true });
    const endpoint = uri.address('endpoint');
    return (
      uri.media === ChannelMedia.Udp &&
      !uri.isSpy &&
      endpoint !== undefined &&
      endpoint.port > 0 &&
      NUMERIC_HOST.test(endpoint.host)
    );
  } catch (error) {
    // It came from the network: what cannot be parsed is refused. Anything else is a defect.
    if (error instanceof PawlError) {
      return false;
    }
    throw error;
  }
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
