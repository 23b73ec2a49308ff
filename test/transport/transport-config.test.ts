// The configuration is refused as a whole, with the value, the limit and the remedy.

import test from 'tape';
import { PawlError } from '../../src/errors.js';
import { ChannelUri } from '../../src/protocol/channel-uri.js';
import {
  concludeTransportConfig,
  type TransportConfig,
} from '../../src/transport/transport-config.js';
import { Fixture } from './transport-fixture.js';

test('the defaults are valid and frozen', (t) => {
  const config = concludeTransportConfig();
  t.equal(config.mtuLength, 1408, 'the default MTU');
  t.ok(Object.isFrozen(config), 'frozen');
  t.end();
});

const WRONG: readonly [Partial<TransportConfig>, RegExp][] = [
  [{ mtuLength: 1400 }, /mtuLength is 1400: use a multiple of 32/],
  [{ mtuLength: 65_536 }, /mtuLength is 65536/],
  [{ mtuLength: 61_440, initialWindowLength: 131_072 }, /raise termLength/],
  [{ termLength: 100_000 }, /termLength: term length is 100000/],
  [{ initialWindowLength: 1024 }, /initialWindowLength is 1024: use at least 1408/],
  [{ imageLivenessTimeoutNs: 150_000_000 }, /imageLivenessTimeoutNs/],
  [{ publicationConnectionTimeoutNs: 300_000_000 }, /publicationConnectionTimeoutNs/],
  [{ retransmitLingerNs: 20_000_000 }, /retransmitLingerNs is 20000000: use at most 10000000/],
  [{ retransmitCountMax: 257 }, /retransmitCountMax is 257: use at most 256/],
  [{ lingerNs: -1 }, /lingerNs is -1/],
  [{ lingerNs: 0.5 }, /lingerNs is 0.5/],
  [{ lingerNS: 1 } as Partial<TransportConfig>, /lingerNS is not a setting/],
];

test('what cannot work is refused with the reason', (t) => {
  for (const [options, pattern] of WRONG) {
    t.throws(() => concludeTransportConfig(options), pattern, JSON.stringify(options));
    t.throws(() => concludeTransportConfig(options), PawlError, 'as a PawlError');
  }
  t.end();
});

test('publications are refused by name too', (t) => {
  const { sender } = new Fixture({ config: { publicationCountMax: 1 } });
  const channel = 'aeron:udp?endpoint=127.0.0.1:9000';
  t.throws(() => sender.addPublication(channel, 1, { mtuLength: 40_000 }), /raise termLength/);
  t.throws(() => sender.addPublication(channel, 1, { position: 17 }), /multiple of 32/);
  const termLength = 64 * 1024;
  for (const position of [termLength * 2 ** 31, 2 ** 53 - 32]) {
    t.throws(
      () => sender.addPublication(channel, 1, { termLength, position }),
      /position is \d+: use a multiple of 32 from 0 to 140737488355296/,
      `${position} is where no term is counted any more`,
    );
  }
  t.throws(() => sender.addPublication(channel, 2 ** 31), /streamId is 2147483648/);
  t.throws(() => sender.addPublication('aeron:udp?tags=1', 1), /sets tags=1/);
  sender.addPublication(`${channel}|term-length=128k|mtu=8192`, 1);
  t.throws(() => sender.addPublication(channel, 1), /publicationCountMax/);
  sender.close();
  t.end();
});

const UNSERVED: readonly [string, RegExp][] = [
  ['reliable=false', /sets reliable=false, .* write reliable=true, or leave it out/],
  ['cc=cubic', /write cc=static/],
  ['fc=min', /sets fc=min, which this transport does not serve: leave it out/],
  ['control=127.0.0.1:1|control-mode=dynamic', /sets control=127.0.0.1:1/],
  ['tether=false', /write tether=true/],
  ['so-rcvbuf=1m', /leave it out/],
];

test('a parameter of a channel that would have no effect is refused by name', (t) => {
  const { sender } = new Fixture();
  const channel = 'aeron:udp?endpoint=127.0.0.1:9000';
  for (const [parameters, pattern] of UNSERVED) {
    const text = `${channel}|${parameters}`;
    t.throws(() => sender.addPublication(text, 1), pattern, `published on: ${parameters}`);
    t.throws(() => sender.addSubscription(text, 1), pattern, `subscribed to: ${parameters}`);
  }
  sender.addPublication(`${channel}|reliable=true|cc=static|eos=true|alias=log`, 1);
  sender.close();
  t.end();
});

test('a channel that a peer names may have parameters that mean nothing here', (t) => {
  const { sender } = new Fixture();
  const named = 'aeron:udp?endpoint=127.0.0.1:9000|fc=min|so-rcvbuf=1m|of-tomorrow=1';
  sender.addPublication(ChannelUri.parse(named, { keepUnknown: true }), 1);
  sender.close();
  t.pass('it is served as far as it goes');
  t.end();
});
