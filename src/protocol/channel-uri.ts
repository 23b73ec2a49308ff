// channel-uri.ts: names a medium and its settings: `aeron:udp?endpoint=localhost:9000|mtu=1408`.
//
//   [aeron-spy:]aeron:(udp|ipc)[?name=value[|name=value]...]
//
// A spy reads the log of a local publication of the same channel. Parameters keep their order, so
// that what was read prints as it was written. They live in a Map: a parameter called `__proto__`
// is only an unknown parameter.

import { ErrorCode, PawlError } from '../errors.js';
import { CHANNEL_PARAMETERS } from './channel-parameters.js';
import { type HostPort, parseHostPort } from './host-port.js';
import { parseDurationNs, parseSize, quoted } from './quantities.js';

export const CHANNEL_LENGTH_MAX = 4096;
export const CHANNEL_PARAMETER_COUNT_MAX = 64;

export const ChannelMedia = { Udp: 'udp', Ipc: 'ipc' } as const;
export type ChannelMedia = (typeof ChannelMedia)[keyof typeof ChannelMedia];

export interface ChannelUriOptions {
  /**
   * Keeps parameters that are not known instead of refusing them. For channels that a peer names:
   * it may be newer. Off for channels of our own configuration, where they are typing errors.
   */
  readonly keepUnknown?: boolean;
}

const SPY_PREFIX = 'aeron-spy:';
const SCHEME = 'aeron:';
const UNPRINTABLE = /[^\x21-\x7e]/;
const UNPRINTABLE_OR_BAR = /[^\x21-\x7b\x7d\x7e]/;

/** An immutable channel. */
export class ChannelUri {
  readonly media: ChannelMedia;
  readonly isSpy: boolean;
  readonly parameters: ReadonlyMap<string, string>;

  private constructor(media: ChannelMedia, isSpy: boolean, parameters: Map<string, string>) {
    this.media = media;
    this.isSpy = isSpy;
    this.parameters = parameters;
  }

  /**
   * Reads and checks a channel.
   *
   * @throws PawlError of code CHANNEL_INVALID that names the value, the limit and the remedy.
   */
  static parse(channel: string, options: ChannelUriOptions = {}): ChannelUri {
    if (channel.length > CHANNEL_LENGTH_MAX) {
      throw invalid(channel, `it has ${channel.length} characters; use ${CHANNEL_LENGTH_MAX}`);
    }
    if (UNPRINTABLE.test(channel)) {
      throw invalid(channel, 'it holds a blank or a character that is not ASCII; remove it');
    }
    const isSpy = channel.startsWith(SPY_PREFIX);
    const rest = isSpy ? channel.slice(SPY_PREFIX.length) : channel;
    const question = rest.indexOf('?');
    const head = question < 0 ? rest : rest.slice(0, question);
    const parameters = question < 0 ? '' : rest.slice(question + 1);
    if (head !== `${SCHEME}${ChannelMedia.Udp}` && head !== `${SCHEME}${ChannelMedia.Ipc}`) {
      throw invalid(
        channel,
        'it must begin with aeron:udp or aeron:ipc, after aeron-spy: for a spy',
      );
    }
    const media = head === `${SCHEME}${ChannelMedia.Udp}` ? ChannelMedia.Udp : ChannelMedia.Ipc;
    return ChannelUri.of(media, parseParameters(channel, parameters), { ...options, isSpy });
  }

  /** Builds a channel from parameters, checked as `parse` does. */
  static of(
    media: ChannelMedia,
    parameters: Iterable<readonly [name: string, value: string]>,
    options: ChannelUriOptions & { readonly isSpy?: boolean } = {},
  ): ChannelUri {
    const uri = new ChannelUri(media, options.isSpy === true, new Map(parameters));
    const channel = uri.toString();
    for (const [name, value] of uri.parameters) {
      checkParameter(channel, name, value, options.keepUnknown === true);
    }
    checkRelations(uri, channel);
    return uri;
  }

  /** The value as written, or undefined. */
  get(name: string): string | undefined {
    return this.parameters.get(name);
  }

  /** An address parameter: `endpoint`, `control` or `response-endpoint`. */
  address(name: string): HostPort | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : parseHostPort(value, name);
  }

  /** A size in bytes, such as `mtu` or `term-length`. */
  size(name: string): number | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : parseSize(value, name);
  }

  /** A duration, such as `linger`, in nanoseconds. */
  durationNs(name: string): number | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : parseDurationNs(value, name);
  }

  /** An integer, such as `stream-id`. Undefined also for a session id that is a tag. */
  integer(name: string): number | undefined {
    const value = this.get(name);
    return value === undefined || value.startsWith('tag:') ? undefined : Number(value);
  }

  /** A flag, such as `reliable`. */
  flag(name: string): boolean | undefined {
    const value = this.get(name);
    return value === undefined ? undefined : value === 'true';
  }

  /** The same channel with some parameters set, or removed where the value is undefined. */
  with(changes: Iterable<readonly [name: string, value: string | undefined]>): ChannelUri {
    const parameters = new Map(this.parameters);
    for (const [name, value] of changes) {
      if (value === undefined) {
        parameters.delete(name);
      } else {
        parameters.set(name, value);
      }
    }
    return ChannelUri.of(this.media, parameters, { isSpy: this.isSpy, keepUnknown: true });
  }

  /** The text that `parse` reads back as this channel. */
  toString(): string {
    const pairs = [...this.parameters].map(([name, value]) => `${name}=${value}`);
    const query = pairs.length === 0 ? '' : `?${pairs.join('|')}`;
    return `${this.isSpy ? SPY_PREFIX : ''}${SCHEME}${this.media}${query}`;
  }
}

function parseParameters(channel: string, query: string): Map<string, string> {
  const parameters = new Map<string, string>();
  if (query === '') {
    return parameters;
  }
  for (const pair of query.split('|')) {
    const equals = pair.indexOf('=');
    const name = pair.slice(0, Math.max(equals, 0));
    if (equals <= 0) {
      throw invalid(channel, `${quoted(pair)} is not a parameter; write name=value`);
    }
    if (parameters.has(name)) {
      throw invalid(channel, `the parameter ${quoted(name)} is there twice; remove one`);
    }
    if (parameters.size === CHANNEL_PARAMETER_COUNT_MAX) {
      throw invalid(channel, `it has more than ${CHANNEL_PARAMETER_COUNT_MAX} parameters`);
    }
    parameters.set(name, pair.slice(equals + 1));
  }
  return parameters;
}

function checkParameter(channel: string, name: string, value: string, keepUnknown: boolean): void {
  if (value === '' || UNPRINTABLE_OR_BAR.test(value)) {
    throw invalid(channel, `${name} is ${quoted(value)}: write one or more characters without | `);
  }
  const check = CHANNEL_PARAMETERS.get(name);
  if (check !== undefined) {
    try {
      check(value, name);
    } catch (cause) {
      throw invalid(channel, cause instanceof Error ? cause.message : String(cause), { cause });
    }
  } else if (!keepUnknown || !/^[\w.-]+$/.test(name)) {
    const known = [...CHANNEL_PARAMETERS.keys()].join(', ');
    throw invalid(channel, `${quoted(name)} is not a parameter; there are ${known}`);
  }
}

/** What no parameter alone can get wrong. */
function checkRelations(uri: ChannelUri, channel: string): void {
  if (uri.media === ChannelMedia.Udp) {
    const places = ['endpoint', 'control', 'control-mode', 'tags'];
    if (!places.some((name) => uri.parameters.has(name))) {
      throw invalid(channel, 'it names no address; add endpoint=host:port');
    }
    if (uri.get('control-mode') === 'dynamic' && !uri.parameters.has('control')) {
      throw invalid(channel, 'control-mode=dynamic needs an address; add control=host:port');
    }
  }
  checkStart(uri, channel);
}

/** A start position is three parameters, which only mean something together. */
function checkStart(uri: ChannelUri, channel: string): void {
  const initialTermId = uri.integer('init-term-id');
  const termId = uri.integer('term-id');
  const termOffset = uri.integer('term-offset');
  const given = [initialTermId, termId, termOffset].filter((value) => value !== undefined);
  if (given.length === 0) {
    return;
  }
  if (initialTermId === undefined || termId === undefined || termOffset === undefined) {
    throw invalid(channel, 'give init-term-id, term-id and term-offset together or not at all');
  }
  if (((termId - initialTermId) | 0) < 0) {
    throw invalid(channel, `term-id ${termId} is before init-term-id ${initialTermId}`);
  }
  const termLength = uri.size('term-length');
  if (termLength !== undefined && termOffset > termLength) {
    throw invalid(channel, `term-offset ${termOffset} exceeds term-length ${termLength}`);
  }
}

function invalid(channel: string, reason: string, options?: ErrorOptions): PawlError {
  const message = `channel ${quoted(channel)}: ${reason}`;
  return new PawlError(ErrorCode.ChannelInvalid, message, 'usage', options);
}
