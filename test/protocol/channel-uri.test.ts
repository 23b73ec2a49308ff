// channel-uri.test.ts: channels, sizes, durations and addresses: what is read, what is refused and
// with which words, and that everything printed is read back.

import fc from 'fast-check';
import test from 'tape';
import { PawlError } from '../../src/errors.js';
import { CHANNEL_PARAMETERS } from '../../src/protocol/channel-parameters.js';
import { CHANNEL_LENGTH_MAX, ChannelMedia, ChannelUri } from '../../src/protocol/channel-uri.js';
import { formatHostPort, parseHostPort } from '../../src/protocol/host-port.js';
import {
  formatDurationNs,
  formatSize,
  parseDurationNs,
  parseSize,
} from '../../src/protocol/quantities.js';
import { PROPERTY_SETTINGS } from './property-settings.js';

/** The message of the PawlError that a call throws. */
function messageOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    return error instanceof PawlError ? error.message : `not a PawlError: ${String(error)}`;
  }
  return 'nothing was thrown';
}

test('a channel is read into its medium and parameters', (t) => {
  const uri = ChannelUri.parse(
    'aeron:udp?endpoint=localhost:9000|mtu=8k|term-length=16m|linger=5s|reliable=false' +
      '|session-id=-5|so-rcvbuf=4M|alias=log=1',
  );
  t.equal(uri.media, ChannelMedia.Udp);
  t.notOk(uri.isSpy);
  t.deepEqual(uri.address('endpoint'), { host: 'localhost', port: 9000 });
  t.equal(uri.size('mtu'), 8192);
  t.equal(uri.size('term-length'), 16_777_216);
  t.equal(uri.durationNs('linger'), 5_000_000_000);
  t.equal(uri.flag('reliable'), false);
  t.equal(uri.flag('sparse'), undefined);
  t.equal(uri.integer('session-id'), -5);
  t.equal(uri.size('so-rcvbuf'), 4_194_304);
  t.equal(uri.get('alias'), 'log=1', 'a value may hold an equals sign');
  t.end();
});

test('spies, ipc and channels without a query are read', (t) => {
  const spy = ChannelUri.parse('aeron-spy:aeron:udp?endpoint=[::1]:20121');
  t.ok(spy.isSpy);
  t.deepEqual(spy.address('endpoint'), { host: '::1', port: 20121 });
  t.equal(ChannelUri.parse('aeron:ipc').media, ChannelMedia.Ipc);
  t.equal(ChannelUri.parse('aeron:ipc?').toString(), 'aeron:ipc');
  t.equal(ChannelUri.parse('aeron:udp?control-mode=manual').get('control-mode'), 'manual');
  const tagged = ChannelUri.parse('aeron:ipc?session-id=tag:77');
  t.equal(tagged.integer('session-id'), undefined, 'a tag is not an integer');
  t.end();
});

test('parameters are changed and removed in a copy', (t) => {
  const uri = ChannelUri.parse('aeron:udp?endpoint=localhost:0|alias=a');
  const changed = uri.with([
    ['endpoint', 'localhost:9'],
    ['alias', undefined],
    ['ttl', '1'],
  ]);
  t.equal(changed.toString(), 'aeron:udp?endpoint=localhost:9|ttl=1');
  t.equal(uri.toString(), 'aeron:udp?endpoint=localhost:0|alias=a', 'the original is unchanged');
  t.throws(() => uri.with([['mtu', '100']]), PawlError, 'changes are checked');
  t.end();
});

test('what is wrong with a channel is said with the value, the limit and the remedy', (t) => {
  const endpoint = 'aeron:udp?endpoint=localhost:9';
  const cases: readonly (readonly [channel: string, said: RegExp])[] = [
    ['', /must begin with aeron:udp or aeron:ipc/],
    ['pawl:udp?endpoint=localhost:9', /must begin with aeron:udp/],
    ['aeron:tcp?endpoint=localhost:9', /must begin with aeron:udp/],
    ['aeron:udp', /names no address; add endpoint=host:port/],
    ['aeron:udp?', /names no address/],
    ['aeron:udp?control-mode=dynamic', /add control=host:port/],
    ['aeron:udp?endpoint', /"endpoint" is not a parameter; write name=value/],
    ['aeron:udp?=1', /write name=value/],
    [`${endpoint}|`, /write name=value/],
    [`${endpoint}|endpoint=a:1`, /"endpoint" is there twice/],
    [`${endpoint}|alias=`, /alias is ""/],
    [`${endpoint}|alias=a b`, /blank/],
    [`${endpoint}|alias=\u00fc`, /not ASCII/],
    [`${endpoint}|endpiont=a:1`, /"endpiont" is not a parameter; there are endpoint, /],
    [`${endpoint}|mtu=100`, /mtu is "100": use a multiple of 32 from 32 to 65504, such as 1408/],
    [`${endpoint}|mtu=64k`, /mtu is "64k"/],
    [`${endpoint}|mtu=1.5k`, /mtu is "1.5k": write bytes below/],
    [`${endpoint}|term-length=100k`, /power of two from 64k to 1g/],
    [`${endpoint}|term-length=32k`, /power of two from 64k to 1g/],
    [`${endpoint}|linger=5h`, /linger is "5h": write a duration/],
    [`${endpoint}|reliable=yes`, /write one of true, false/],
    [`${endpoint}|ttl=256`, /integer from 0 to 255/],
    [`${endpoint}|session-id=2147483648`, /32-bit integer/],
    [`${endpoint}|cc=bbr`, /write one of static, cubic/],
    [`${endpoint}|max-resend=0`, /integer from 1 to 256/],
    [`${endpoint}|term-id=1`, /give init-term-id, term-id and term-offset together/],
    [`${endpoint}|init-term-id=2|term-id=1|term-offset=0`, /term-id 1 is before init-term-id 2/],
    [`${endpoint}|init-term-id=1|term-id=1|term-offset=1`, /multiple of 32/],
    [`${endpoint}|term-length=64k|init-term-id=0|term-id=0|term-offset=65568`, /exceeds/],
    ['aeron:udp?endpoint=localhost', /port must be a number from 0 to 65535/],
    ['aeron:udp?endpoint=::1:80', /in brackets/],
    [`aeron:ipc?alias=${'x'.repeat(CHANNEL_LENGTH_MAX)}`, /use 4096/],
  ];
  for (const [channel, said] of cases) {
    const message = messageOf(() => ChannelUri.parse(channel));
    t.ok(said.test(message) && message.startsWith('channel "'), message);
  }
  t.end();
});

test('parameters of a newer peer are kept where asked for', (t) => {
  const text = 'aeron:udp?endpoint=localhost:9|new-thing=7';
  t.throws(() => ChannelUri.parse(text), PawlError);
  t.equal(ChannelUri.parse(text, { keepUnknown: true }).toString(), text);
  t.end();
});

test('parameters named like parts of an object are only unknown parameters', (t) => {
  for (const name of ['__proto__', 'constructor', 'toString']) {
    const uri = ChannelUri.parse(`aeron:ipc?${name}=x`, { keepUnknown: true });
    t.equal(uri.get(name), 'x');
    t.throws(() => ChannelUri.parse(`aeron:ipc?${name}=x`), PawlError);
  }
  t.equal(ChannelUri.parse('aeron:ipc').get('constructor'), undefined);
  t.equal(({} as Record<string, unknown>).x, undefined, 'no prototype was changed');
  t.end();
});

test('a long wrong channel is cut in the message', (t) => {
  const message = messageOf(() => ChannelUri.parse(`bad${'x'.repeat(4_000)}`));
  t.ok(message.length < 300, `${message.length} characters`);
  t.end();
});

const hostNames = fc
  .array(fc.constantFrom(...'abcXYZ019'), { minLength: 1, maxLength: 12 })
  .map((characters) => characters.join(''));
const hosts = fc.oneof(hostNames, fc.ipV4(), fc.ipV6());
const addresses = fc.record({ host: hosts, port: fc.integer({ min: 0, max: 65_535 }) });

test('every channel that is printed is read back as it was', (t) => {
  const values = {
    endpoint: addresses.map(formatHostPort),
    alias: hostNames,
    mtu: fc.integer({ min: 1, max: 2_047 }).map((count) => String(count * 32)),
    'term-length': fc.integer({ min: 16, max: 30 }).map((bits) => formatSize(2 ** bits)),
    linger: fc.maxSafeNat().map(formatDurationNs),
    'session-id': fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }).map(String),
    reliable: fc.boolean().map(String),
  };
  const parameters = fc.record(values, { requiredKeys: ['endpoint'] });
  const property = fc.property(parameters, fc.boolean(), (input, isSpy) => {
    const uri = ChannelUri.of(ChannelMedia.Udp, Object.entries(input), { isSpy });
    const again = ChannelUri.parse(uri.toString());
    return again.toString() === uri.toString() && again.isSpy === isSpy;
  });
  t.doesNotThrow(() => fc.assert(property, PROPERTY_SETTINGS));
  t.end();
});

test('no text makes the channel reader throw anything but a PawlError', (t) => {
  const names = fc.constantFrom(...CHANNEL_PARAMETERS.keys(), '__proto__', '');
  const pairs = fc.array(fc.tuple(names, fc.string({ maxLength: 12 })), { maxLength: 5 });
  const built = pairs.map((list) => `aeron:udp?${list.map((pair) => pair.join('=')).join('|')}`);
  const property = fc.property(fc.oneof(fc.string(), built), (channel) => {
    const message = messageOf(() => ChannelUri.parse(channel));
    if (message.startsWith('not a PawlError')) {
      throw new Error(message);
    }
  });
  t.doesNotThrow(() => fc.assert(property, { ...PROPERTY_SETTINGS, numRuns: 2_000 }));
  t.end();
});

test('addresses are read, printed and read back', (t) => {
  t.deepEqual(parseHostPort('node-1.example.org:20000', 'x'), {
    host: 'node-1.example.org',
    port: 20_000,
  });
  t.deepEqual(parseHostPort('[fe80::1%eth0]:1', 'x'), { host: 'fe80::1%eth0', port: 1 });
  t.deepEqual(parseHostPort('[::ffff:10.0.0.1]:1', 'x'), { host: '::ffff:10.0.0.1', port: 1 });
  const property = fc.property(addresses, (address) => {
    const again = parseHostPort(formatHostPort(address), 'x');
    return again.host === address.host && again.port === address.port;
  });
  t.doesNotThrow(() => fc.assert(property, PROPERTY_SETTINGS));
  t.end();
});

test('addresses that cannot be are refused', (t) => {
  const wrong = [
    '',
    ':1',
    'host',
    'host:',
    'host:65536',
    'host:-1',
    'host:1x',
    'a b:1',
    '-a:1',
    '[::1]',
    '[:::1]:1',
    '[1:2]:1',
    '[1::2::3]:1',
    '[12345::]:1',
    '[::300.1.1.1]:1',
    '[localhost]:1',
    `${'a'.repeat(254)}:1`,
  ];
  for (const text of wrong) {
    const message = messageOf(() => parseHostPort(text, 'log address of member 1'));
    t.ok(message.startsWith('log address of member 1 is "'), message);
  }
  t.end();
});

test('sizes and durations are read in every unit, printed and read back', (t) => {
  t.deepEqual(
    ['7', '64k', '16M', '1g'].map((text) => parseSize(text, 'x')),
    [7, 65_536, 16_777_216, 1_073_741_824],
  );
  t.deepEqual(
    ['7', '7ns', '5US', '100ms', '5s'].map((text) => parseDurationNs(text, 'x')),
    [7, 7, 5_000, 100_000_000, 5_000_000_000],
  );
  t.deepEqual([0, 1_500, 65_536].map(formatSize), ['0', '1500', '64k']);
  t.deepEqual([0, 1, 1_500_000, 2e9].map(formatDurationNs), ['0ns', '1ns', '1500us', '2s']);
  for (const text of ['', '-1', '1e3', '1kb', ' 1', '9999999999999999', '9000000000g']) {
    t.throws(() => parseSize(text, 'x'), PawlError, `size ${text}`);
  }
  for (const text of ['', '-1s', '1m', '1.5s', '9999999999s']) {
    t.throws(() => parseDurationNs(text, 'x'), PawlError, `duration ${text}`);
  }
  const property = fc.property(
    fc.maxSafeNat(),
    (value) =>
      parseSize(formatSize(value), 'x') === value &&
      parseDurationNs(formatDurationNs(value), 'x') === value,
  );
  t.doesNotThrow(() => fc.assert(property, PROPERTY_SETTINGS));
  t.end();
});
