// channel.ts: what a channel URI means to this transport.

import { ErrorCode, PawlError } from '../errors.js';
import { ChannelMedia, ChannelUri } from '../protocol/channel-uri.js';
import { formatHostPort, type HostPort } from '../protocol/host-port.js';
import { localHostFor } from './medium.js';

/** Names that need no resolver. */
const LOOPBACK_NAME = 'localhost';
const LOOPBACK_ADDRESS = '127.0.0.1';

/** Parameters that this transport acts upon, and names that mean nothing to any transport. */
const SERVED: ReadonlySet<string> = new Set([
  'endpoint',
  'interface',
  'session-id',
  'mtu',
  'term-length',
  'init-term-id',
  'term-id',
  'term-offset',
  'linger',
  'rcv-wnd',
  'alias',
]);

/** Parameters with one value that describes what this transport does in any case. */
const SERVED_WITH: ReadonlyMap<string, string> = new Map([
  ['reliable', 'true'],
  ['eos', 'true'],
  ['tether', 'true'],
  ['rejoin', 'true'],
  ['group', 'false'],
  ['ssc', 'false'],
  ['cc', 'static'],
]);

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
 * @param channel as text, it is this program's own: a parameter that would have no effect is
 *   refused. As a ChannelUri it may be a peer's, who knows why it set what means nothing here.
 * @throws PawlError CHANNEL_INVALID, also for what other Aeron transports serve and this does not.
 */
export function resolveChannel(channel: string | ChannelUri): ResolvedChannel {
  const uri = typeof channel === 'string' ? ChannelUri.parse(channel) : channel;
  const text = uri.toString();
  if (typeof channel === 'string') {
    refuseUnserved(uri, text);
  }
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

/** What is accepted is done: a setting without effect would be found out in production. */
function refuseUnserved(uri: ChannelUri, text: string): void {
  for (const [name, value] of uri.parameters) {
    const only = SERVED_WITH.get(name);
    if (value !== only && !SERVED.has(name)) {
      const remedy = only === undefined ? 'leave it out' : `write ${name}=${only}, or leave it out`;
      throw new PawlError(
        ErrorCode.ChannelInvalid,
        `channel '${text}' sets ${name}=${value}, which this transport does not serve: ${remedy}`,
      );
    }
  }
}

/** The address of the `interface` parameter, without the length of its network. */
function interfaceHost(uri: ChannelUri): string | undefined {
  const text = uri.get('interface')?.split('/')[0];
  return text === LOOPBACK_NAME ? LOOPBACK_ADDRESS : text?.replace(/^\[|\]$|:0$/g, '');
}
