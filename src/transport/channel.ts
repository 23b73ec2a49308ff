// channel.ts: what a channel URI means to this transport.

import { ErrorCode, PawlError } from '../errors.js';
import { ChannelMedia, ChannelUri } from '../protocol/channel-uri.js';
import { formatHostPort, type HostPort } from '../protocol/host-port.js';
import { localHostFor } from './medium.js';

/** Names that need no resolver. */
const LOOPBACK_NAME = 'localhost';
const LOOPBACK_ADDRESS = '127.0.0.1';

/** A channel that was read and found to be of a kind that this transport serves. */
export interface ResolvedChannel {
  readonly uri: ChannelUri;
  readonly text: string;
  /** Undefined inside the process. */
  readonly endpoint: HostPort | undefined;
  /** Under which subscriptions of one local address find each other. */
  readonly key: string;
  readonly sessionId: number | undefined;
  /** Local address for a socket that sends to the endpoint. */
  readonly localHost: string;
}

/**
 * Reads a channel.
 *
 * @throws PawlError CHANNEL_INVALID, also for what other Aeron transports serve and this does not.
 */
export function resolveChannel(channel: string | ChannelUri): ResolvedChannel {
  const uri = typeof channel === 'string' ? ChannelUri.parse(channel) : channel;
  const text = uri.toString();
  const sessionId = uri.integer('session-id');
  if (uri.media === ChannelMedia.Ipc) {
    return { uri, text, endpoint: undefined, key: 'ipc', sessionId, localHost: '' };
  }
  const named = uri.address('endpoint');
  if (named === undefined) {
    throw new PawlError(
      ErrorCode.ChannelInvalid,
      `channel '${text}' names no endpoint: add endpoint=host:port`,
    );
  }
  const host = named.host === LOOPBACK_NAME ? LOOPBACK_ADDRESS : named.host;
  const endpoint = { host, port: named.port };
  const localHost = interfaceHost(uri) ?? localHostFor(host);
  return { uri, text, endpoint, key: formatHostPort(endpoint), sessionId, localHost };
}

/** The address of the `interface` parameter, without the length of its network. */
function interfaceHost(uri: ChannelUri): string | undefined {
  const text = uri.get('interface')?.split('/')[0];
  return text === LOOPBACK_NAME ? LOOPBACK_ADDRESS : text?.replace(/^\[|\]$|:0$/g, '');
}
