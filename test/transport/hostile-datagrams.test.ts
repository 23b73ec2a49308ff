// What strangers and broken peers may send: everything is counted, nothing throws, work is bounded.

import fc from 'fast-check';
import test from 'tape';
import type { ExclusivePublication } from '../../src/transport/exclusive-publication.js';
import type { TransportConfig } from '../../src/transport/transport-config.js';
import {
  Collector,
  Fixture,
  FrameType,
  frameTypeOf,
  MILLISECOND_NS,
  message,
  SECOND_NS,
} from './transport-fixture.js';

const CHANNEL = 'aeron:udp?endpoint=127.0.0.1:9000';
const LOCAL = { host: '127.0.0.1', port: 9000 };
const STRANGER = { host: '127.0.0.1', port: 6666 };
const FUZZ_SEED = 20_240_917;

interface Connected {
  readonly fixture: Fixture;
  readonly publication: ExclusivePublication;
  /** Address of the publication's socket. */
  readonly source: { host: string; port: number };
}

function connected(config?: Partial<TransportConfig>): Connected {
  const fixture = new Fixture(config === undefined ? {} : { config });
  fixture.receiver.addSubscription(CHANNEL, 5);
  const publication = fixture.sender.addPublication(CHANNEL, 5);
  fixture.until(() => publication.isConnected);
  const socket = [...fixture.network.sockets.values()].find((each) => each.remote !== undefined);
  return { fixture, publication, source: socket?.localAddress ?? STRANGER };
}

/** A control or data frame of little-endian words after the common header. */
function frame(type: number, flags: number, length: number, words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(Math.max(8 + words.length * 4, 8));
  const view = new DataView(bytes.buffer);
  view.setInt32(0, length, true);
  view.setUint8(5, flags);
  view.setUint16(6, type, true);
  words.forEach((word, index) => {
    view.setInt32(8 + index * 4, word, true);
  });
  return bytes;
}

test('garbage on a receiving socket never throws and is counted', (t) => {
  const { fixture, publication, source } = connected();
  const { receiver, network } = fixture;
  let injected = 0;
  const property = fc.property(
    fc.uint8Array({ minLength: 0, maxLength: 120 }),
    fc.nat(12),
    fc.boolean(),
    fc.boolean(),
    (bytes, type, isFramed, isFromSource) => {
      if (isFramed && bytes.length >= 24) {
        const view = new DataView(bytes.buffer, bytes.byteOffset);
        view.setUint8(4, 0);
        view.setUint16(6, type, true);
        view.setInt32(12, publication.sessionId, true);
        view.setInt32(16, 5, true);
      }
      network.inject(new Uint8Array(bytes), isFromSource ? source : STRANGER, LOCAL);
      injected++;
      fixture.nowNs += 1_000;
      fixture.turn();
    },
  );
  fc.assert(property, { seed: FUZZ_SEED, numRuns: 3_000 });
  const { counters } = receiver;
  const dropped =
    counters.malformedDatagrams +
    counters.unexpectedFrames +
    counters.unknownStreams +
    counters.sourceMismatches +
    counters.setupsRefused +
    counters.overruns +
    counters.underruns +
    counters.checksumMismatches;
  t.ok(dropped > injected * 0.9, `${dropped} of ${injected} were counted as dropped`);
  t.ok(receiver.imageCount <= 2, 'no images out of garbage');
  const collector = new Collector();
  publication.offer(message(0, 100), 0, 100);
  t.ok(publication.isConnected, 'the stream lives on');
  fixture.close();
  t.equal(collector.messages.length, 0, 'nothing was delivered to nobody');
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test('garbage on a publication socket never throws and is counted', (t) => {
  const { fixture, publication, source } = connected();
  const { network, sender } = fixture;
  const property = fc.property(
    fc.uint8Array({ minLength: 0, maxLength: 80 }),
    fc.nat(12),
    fc.boolean(),
    (bytes, type, isFramed) => {
      if (isFramed && bytes.length >= 16) {
        const view = new DataView(bytes.buffer, bytes.byteOffset);
        view.setInt32(0, bytes.length, true);
        view.setUint8(4, 0);
        view.setUint16(6, type, true);
        view.setInt32(8, publication.sessionId, true);
        view.setInt32(12, 5, true);
      }
      network.inject(new Uint8Array(bytes), LOCAL, source);
      fixture.nowNs += 1_000;
      fixture.turn();
    },
  );
  fc.assert(property, { seed: FUZZ_SEED, numRuns: 3_000 });
  t.ok(sender.counters.malformedDatagrams > 500, 'malformed ones are counted');
  network.inject(frame(FrameType.Setup, 0, 40, [0, 1, 5, 0, 0, 65_536, 1408, 0]), LOCAL, source);
  fixture.turn();
  t.equal(sender.counters.unexpectedFrames, 1, 'a valid frame that does not belong here too');
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test('a storm of forged NAKs is answered at a bounded rate', (t) => {
  const { fixture, publication, source } = connected({
    retransmitBurstLength: 64 * 1024,
    retransmitBytesPerSecondMax: 1024 * 1024,
  });
  for (let index = 0; index < 20; index++) {
    publication.offer(message(index, 1000), 0, 1000);
  }
  fixture.run(MILLISECOND_NS);
  const tail = publication.position();
  const before = fixture.sender.counters.retransmittedBytes;
  for (let index = 0; index < 100_000; index++) {
    const offset = (fixture.entropy.below(tail / 32) | 0) * 32;
    const words = [publication.sessionId, 5, publication.initialTermId, offset, 1056];
    fixture.network.inject(frame(FrameType.Nak, 0, 28, words), LOCAL, source);
    if (index % 100 === 0) {
      fixture.nowNs += MILLISECOND_NS;
      fixture.turn();
    }
  }
  fixture.turn();
  const { counters } = fixture.sender;
  t.ok(counters.naksReceived > 90_000, 'they were all read');
  const bound = 64 * 1024 + 1024 * 1024 * 1.1;
  t.ok(counters.retransmittedBytes - before < bound, 'a burst and the rate of one second');
  t.ok(counters.retransmittedBytes > before, 'but honest ones would be answered');
  t.ok(counters.naksLingering + counters.retransmitOverflows + counters.naksRefused > 50_000);
  fixture.close();
  t.end();
});

test('a NAK for what was never sent, or for no frame, is refused', (t) => {
  const { fixture, publication, source } = connected();
  publication.offer(message(0, 1000), 0, 1000);
  fixture.run(MILLISECOND_NS);
  const { counters } = fixture.sender;
  for (const [offset, length] of [
    [1056, 64],
    [64, 32],
    [32_768, 1024],
  ] as const) {
    const before = counters.naksRefused;
    const words = [publication.sessionId, 5, publication.initialTermId, offset, length];
    fixture.network.inject(frame(FrameType.Nak, 0, 28, words), LOCAL, source);
    fixture.turn();
    t.equal(counters.naksRefused, before + 1, `offset ${offset}`);
  }
  t.equal(counters.retransmits, 0, 'nothing was sent again');
  fixture.close();
  t.end();
});

test('a status message beyond what was sent is refused', (t) => {
  const { fixture, publication, source } = connected();
  const limit = publication.positionLimit();
  const words = [publication.sessionId, 5, publication.initialTermId, 32_768, 65_536, 1, 1];
  fixture.network.inject(frame(FrameType.Sm, 0, 36, words), LOCAL, source);
  fixture.turn();
  t.equal(fixture.sender.counters.statusMessagesRefused, 1, 'counted');
  t.equal(publication.positionLimit(), limit, 'and without effect');
  fixture.close();
  t.end();
});

test('data of a session from another address is dropped', (t) => {
  const { fixture, publication } = connected();
  const words = [0, publication.sessionId, 5, publication.initialTermId, 0, 0, 1, 1];
  fixture.network.inject(frame(FrameType.Data, 0xc0, 40, words), STRANGER, LOCAL);
  fixture.turn();
  t.equal(fixture.receiver.counters.sourceMismatches, 1, 'counted');
  fixture.close();
  t.end();
});

test('an unknown session is asked to announce itself once per interval', (t) => {
  const { fixture } = connected();
  fixture.network.sent = [];
  for (let index = 0; index < 1_000; index++) {
    const words = [0, 777, 5, 0, 0, 0, 1, 1];
    fixture.network.inject(frame(FrameType.Data, 0xc0, 40, words), STRANGER, LOCAL);
    fixture.nowNs += MILLISECOND_NS;
    fixture.turn();
  }
  const asked = fixture.network.sent.filter(
    (each) => frameTypeOf(each) === FrameType.Sm && each.to.port === STRANGER.port,
  );
  t.ok(asked.length >= 9 && asked.length <= 11, `${asked.length} times in a second`);
  t.equal(asked[0]?.bytes[5], 0x80, 'with the SEND_SETUP flag');
  fixture.close();
  t.end();
});

test('a SETUP at the very end of what terms can count opens nothing and ends nobody', (t) => {
  const { fixture } = connected();
  const { counters } = fixture.receiver;
  let count = 0;
  for (let termLength = 64 * 1024; termLength <= 2 * 1024 * 1024; termLength *= 2) {
    const words = [termLength, 900, 5, 7, (7 + 2 ** 31 - 1) | 0, termLength, 1408, 0];
    fixture.network.inject(frame(FrameType.Setup, 0, 40, words), STRANGER, LOCAL);
    fixture.turn();
    count++;
    t.equal(counters.malformedDatagrams, count, `${termLength}: counted`);
  }
  t.equal(fixture.receiver.imageCount, 1, 'only the honest stream has an image');
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test('announcements that ask for too much are refused', (t) => {
  const { fixture } = connected({ imageCountMax: 2, imageTermLengthMax: 65_536 });
  const setup = (session: number, termLength: number): Uint8Array =>
    frame(FrameType.Setup, 0, 40, [0, session, 5, 0, 0, termLength, 1408, 0]);
  fixture.network.inject(setup(900, 131_072), STRANGER, LOCAL);
  fixture.turn();
  t.equal(fixture.receiver.counters.setupsRefused, 1, 'a longer term than allowed');
  fixture.network.inject(setup(901, 65_536), STRANGER, LOCAL);
  fixture.network.inject(setup(902, 65_536), STRANGER, LOCAL);
  fixture.turn();
  t.equal(fixture.receiver.imageCount, 2, 'as many images as allowed');
  t.equal(fixture.receiver.counters.imagesRefused, 1, 'the next is refused');
  fixture.run(12 * SECOND_NS);
  t.equal(fixture.receiver.imageCount, 1, 'and one that never spoke is dropped');
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test('an image for which the memory is too short is refused, not fatal', (t) => {
  const { fixture } = connected({ imageTermLengthMax: 1024 * 1024 * 1024 });
  const words = [0, 901, 5, 0, 0, 256 * 1024 * 1024, 1408, 0];
  fixture.network.inject(frame(FrameType.Setup, 0, 40, words), STRANGER, LOCAL);
  fixture.turn();
  t.equal(fixture.receiver.counters.imagesRefused, 1, 'counted');
  fixture.close();
  t.end();
});

test('senders are told why their streams are not received, at a bounded rate', (t) => {
  const { fixture } = connected({ imageCountMax: 1 });
  const refused = fixture.sender.addPublication(CHANNEL, 5);
  fixture.until(() => refused.refusal !== undefined);
  t.match(refused.refusal ?? '', /all 1 streams that are received at a time are taken: close some/);
  t.notOk(refused.isConnected);
  fixture.network.sent = [];
  for (let index = 0; index < 1_000; index++) {
    const words = [0, 900 + index, 5, 0, 0, 65_536, 1408, 0];
    fixture.network.inject(frame(FrameType.Setup, 0, 40, words), STRANGER, LOCAL);
  }
  fixture.turn();
  const told = fixture.network.sent.filter((each) => frameTypeOf(each) === FrameType.Err);
  t.ok(told.length >= 1 && told.length <= 16, `${told.length} of a thousand strangers are told`);
  fixture.close();
  t.equal(fixture.leakedLength(), 0, 'nothing leaks');
  t.end();
});

test("a sender believes a refusal until it is received, and no other stream's", (t) => {
  const { fixture, publication, source } = connected();
  const refusal = (session: number): Uint8Array =>
    frame(FrameType.Err, 0, 40, [session, 5, 0, 0, 0, 0, 10, 0]);
  fixture.network.inject(refusal(publication.sessionId + 1), LOCAL, source);
  fixture.network.inject(refusal(publication.sessionId), LOCAL, source);
  fixture.turn();
  t.equal(publication.refusal, undefined, 'a stream that is received is not refused');
  t.ok(publication.isConnected);
  t.equal(fixture.sender.counters.errorFramesReceived, 1, 'of two, one is about it');

  const late = fixture.sender.addPublication('aeron:udp?endpoint=127.0.0.1:9001', 5);
  fixture.turn();
  const sockets = [...fixture.network.sockets.values()];
  const own = sockets.filter((each) => each.remote?.port === 9001)[0]?.localAddress ?? STRANGER;
  fixture.network.inject(refusal(late.sessionId), { host: '127.0.0.1', port: 9001 }, own);
  fixture.turn();
  t.equal(late.refusal, '', 'the receiver has refused it');
  fixture.receiver.addSubscription('aeron:udp?endpoint=127.0.0.1:9001', 5);
  fixture.until(() => late.isConnected);
  t.equal(late.refusal, undefined, 'and has taken it since');
  fixture.close();
  t.end();
});

test('a round-trip measurement is sent back', (t) => {
  const { fixture, publication, source } = connected();
  fixture.network.sent = [];
  const words = [publication.sessionId, 5, 11, 12, 13, 14, 15, 16];
  fixture.network.inject(frame(FrameType.Rttm, 0x80, 40, words), LOCAL, source);
  fixture.turn();
  const reply = fixture.network.sent.find((each) => frameTypeOf(each) === FrameType.Rttm);
  const view = new DataView(reply?.bytes.buffer ?? new ArrayBuffer(40));
  t.equal(view.getUint8(5), 0, 'as a reply');
  t.equal(view.getInt32(16, true), 11, 'with the same timestamp');
  t.equal(view.getInt32(24, true), 0, 'and no delay of ours');
  fixture.network.inject(
    frame(FrameType.Err, 0, 40, [publication.sessionId, 5, 0, 0, 0, 0, 0, 0]),
    LOCAL,
    source,
  );
  fixture.turn();
  t.equal(fixture.sender.counters.errorFramesReceived, 1, 'an error frame is counted');
  fixture.close();
  t.end();
});
