// channel-uri.ts: channels, addresses and member lists, as operators and strangers may write them.

import { PawlError } from '../../../src/errors.js';
import { ChannelUri } from '../../../src/protocol/channel-uri.js';
import { formatHostPort, parseHostPort } from '../../../src/protocol/host-port.js';
import {
  formatIngressEndpoints,
  formatMemberList,
  parseIngressEndpoints,
  parseMemberList,
} from '../../../src/protocol/member-endpoints.js';
import { parseDurationNs, parseSize } from '../../../src/protocol/quantities.js';
import { type FuzzTarget, hold } from '../fuzz-target.js';

const CHANNELS = [
  'aeron:udp?endpoint=127.0.0.1:9000|mtu=1408|term-length=64k',
  'aeron-spy:aeron:ipc?alias=__proto__|session-id=tag:-7',
  'aeron:udp?endpoint=[::1]:0|control=[fe80::1%eth0]:9|control-mode=dynamic|linger=3s',
  'aeron:udp?endpoint=a.b:1|init-term-id=-2147483648|term-id=2147483647|term-offset=32',
  'aeron:ipc?__proto__=1|constructor=2|toString=3',
] as const;

const MEMBERS = [
  '0,127.0.0.1:1,127.0.0.1:2,127.0.0.1:3,127.0.0.1:4,127.0.0.1:5',
  '1,[::1]:1,[::1]:2,[::1]:3,[::1]:4,[::1]:5|2147483647,a:1,b:2,c:3,d:4,e:5',
] as const;

const ENDPOINTS = ['0=127.0.0.1:9000,1=[::1]:9001', '-1=x:0,99999999999=y:70000'] as const;
const QUANTITIES = ['128k', '1g', '3s', '250ms', '9007199254740993', '1e3', '-0', '0x10'] as const;

/** What a parser may do: give a value that prints and reads back as itself, or a typed error. */
function tried(kind: string, parse: () => string): string {
  try {
    return `${kind} ${parse()}`;
  } catch (error) {
    if (!(error instanceof PawlError)) {
      throw error;
    }
    const reason = error.message.replaceAll(/'[^']*'|"[^"]*"|[^a-z ]/g, '').trim();
    return `${kind} ${error.code} ${reason.split(/ +/).slice(-3).join(' ')}`;
  }
}

function parseChannel(text: string, keepUnknown: boolean): string {
  const uri = ChannelUri.parse(text, { keepUnknown });
  const printed = uri.toString();
  const again = ChannelUri.parse(printed, { keepUnknown });
  hold(again.toString() === printed, `channel ${printed} reads back as itself`);
  for (const name of ['endpoint', 'control', 'response-endpoint']) {
    const address = uri.address(name);
    hold(address === undefined || address.port <= 65_535, `${name} has a port`);
  }
  for (const name of ['mtu', 'term-length', 'rcv-wnd']) {
    const size = uri.size(name);
    hold(size === undefined || Number.isSafeInteger(size), `${name} is a size`);
  }
  for (const name of ['session-id', 'term-id', 'term-offset', 'stream-id']) {
    const integer = uri.integer(name);
    hold(integer === undefined || Number.isSafeInteger(integer), `${name} is an integer`);
  }
  const linger = uri.durationNs('linger');
  hold(linger === undefined || linger >= 0, 'a duration is not negative');
  return `${uri.media} ${uri.isSpy} ${uri.parameters.size}`;
}

function parseAll(kind: number, text: string): string {
  switch (kind % 6) {
    case 0:
      return tried('channel', () => parseChannel(text, false));
    case 1:
      return tried('lenient channel', () => parseChannel(text, true));
    case 2:
      return tried('members', () => {
        const printed = formatMemberList(parseMemberList(text));
        hold(formatMemberList(parseMemberList(printed)) === printed, `members ${printed}`);
        return String(printed.split('|').length);
      });
    case 3:
      return tried('endpoints', () => {
        const printed = formatIngressEndpoints(parseIngressEndpoints(text));
        hold(formatIngressEndpoints(parseIngressEndpoints(printed)) === printed, printed);
        return String(printed.split(',').length);
      });
    case 4:
      return tried('address', () => {
        const address = parseHostPort(text, 'address');
        const printed = formatHostPort(address);
        hold(formatHostPort(parseHostPort(printed, 'address')) === printed, `address ${printed}`);
        hold(address.port >= 0 && address.port <= 65_535, 'a port is in range');
        return address.host.includes(':') ? 'IPv6' : 'IPv4 or a name';
      });
    default:
      return tried('quantities', () => {
        const bytes = parseSize(text, 'size');
        hold(Number.isSafeInteger(bytes) && bytes >= 0, `size ${text} is ${bytes}`);
        hold(parseDurationNs(`${bytes % 1000}ns`, 'time') >= 0, 'a duration is not negative');
        return String(bytes).length.toString();
      });
  }
}

export function channelUriTarget(): FuzzTarget {
  return {
    name: 'channel-uri',
    generate(random) {
      const kind = random.below(6);
      const lists = [CHANNELS, CHANNELS, MEMBERS, ENDPOINTS, ENDPOINTS, QUANTITIES];
      const text = random.pick((lists[kind] ?? CHANNELS) as readonly string[]);
      const address = random.chance(1, 2) ? text.replace(/^\d=|,.*$/g, '') : text;
      return Uint8Array.from([kind, ...Buffer.from(kind === 4 ? address : text, 'latin1')]);
    },
    run(input) {
      const outcome = parseAll(input[0] ?? 0, Buffer.from(input.subarray(1)).toString('latin1'));
      hold(Object.keys(Object.prototype).length === 0, 'no prototype was changed');
      return outcome;
    },
  };
}
