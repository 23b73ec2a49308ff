// frames.test.ts: frame and control datagram flyweights against golden vectors, and what of a
// hostile network's bytes is let through.

import fc from 'fast-check';
import test from 'tape';
import {
  DATA_FLAGS_UNFRAGMENTED,
  ERR_FLAG_HAS_GROUP_TAG,
  FRAME_TYPE_DATA,
  FRAME_TYPE_ERR,
  FRAME_TYPE_NAK,
  FRAME_TYPE_PAD,
  FRAME_TYPE_RSP_SETUP,
  FRAME_TYPE_RTTM,
  FRAME_TYPE_SETUP,
  FRAME_TYPE_SM,
  RTTM_FLAG_REPLY,
  SETUP_FLAG_GROUP,
  SM_FLAG_SEND_SETUP,
  TERM_LENGTH_MAX,
  TERM_LENGTH_MIN,
} from '../../assembly/layout/frame.js';
import { DataHeaderFlyweight } from '../../src/protocol/data-header-flyweight.js';
import { ErrorFlyweight } from '../../src/protocol/error-flyweight.js';
import {
  alignFrameLength,
  frameFlags,
  frameType,
  isDataDatagramValid,
  isFrameAligned,
  isFrameValid,
  isHeartbeat,
} from '../../src/protocol/frames.js';
import { NakFlyweight } from '../../src/protocol/nak-flyweight.js';
import { ResponseSetupFlyweight } from '../../src/protocol/response-setup-flyweight.js';
import { RttMeasurementFlyweight } from '../../src/protocol/rtt-measurement-flyweight.js';
import { SetupFlyweight } from '../../src/protocol/setup-flyweight.js';
import { StatusMessageFlyweight } from '../../src/protocol/status-message-flyweight.js';
import { readVector, viewOf } from '../vectors/read-vector.js';
import { PROPERTY_SETTINGS } from './property-settings.js';

const RECEIVER_ID = BigInt.asIntN(64, 0x8000000000000001n);
const VECTORS = [
  'data-frame',
  'heartbeat',
  'padding-frame',
  'setup',
  'status-message',
  'status-message-group',
  'nak',
  'rtt-measurement',
  'error-frame',
  'response-setup',
] as const;

function blank(length: number): DataView {
  return new DataView(new ArrayBuffer(length));
}

function bytesOf(view: DataView): Uint8Array {
  return new Uint8Array(view.buffer);
}

/** A copy of a vector with one field changed; `length` of it is offered to `isFrameValid`. */
function isValidWith(vector: string, change: (view: DataView) => void, length?: number): boolean {
  const view = viewOf(readVector(vector));
  change(view);
  return isFrameValid(view, 0, length ?? view.byteLength);
}

test('every golden frame is valid, and no strict prefix of a control frame is', (t) => {
  for (const name of VECTORS) {
    const view = viewOf(readVector(name));
    t.ok(isFrameValid(view, 0, view.byteLength), `${name} is valid`);
    for (let length = 0; length < view.byteLength; length++) {
      if (isFrameValid(view, 0, length)) {
        t.fail(`${name} is valid with ${length} bytes`);
      }
    }
  }
  t.end();
});

test('a data header is read from and written as its golden vector', (t) => {
  const golden = readVector('data-frame');
  const header = new DataHeaderFlyweight().wrap(viewOf(golden), 0);
  t.equal(header.frameLength(), 37);
  t.equal(header.payloadLength(), 5);
  t.equal(header.payloadOffset(), 32);
  t.equal(header.flags(), DATA_FLAGS_UNFRAGMENTED);
  t.equal(header.frameType(), FRAME_TYPE_DATA);
  t.equal(header.termOffset(), 96);
  t.equal(header.sessionId(), -77);
  t.equal(header.streamId(), 100);
  t.equal(header.termId(), 3);
  t.equal(header.checksum(), 0xdeadbeef);
  t.equal(header.leadershipTermLow(), 6);

  const written = blank(golden.length);
  new DataHeaderFlyweight()
    .wrapAndApplyHeader(written, 0, 37, DATA_FLAGS_UNFRAGMENTED)
    .setTermOffset(96)
    .setSessionId(-77)
    .setStreamId(100)
    .setTermId(3)
    .setChecksum(0xdeadbeef)
    .setLeadershipTermLow(6);
  bytesOf(written).set(golden.subarray(32), 32);
  t.deepEqual(bytesOf(written), golden);
  t.end();
});

test('a heartbeat is a data frame of length 0 and nothing else is', (t) => {
  const view = viewOf(readVector('heartbeat'));
  t.ok(isHeartbeat(view, 0));
  t.ok(isDataDatagramValid(view, 0, 32, TERM_LENGTH_MIN));
  t.notOk(isHeartbeat(viewOf(readVector('data-frame')), 0));
  t.notOk(
    isValidWith('heartbeat', (v) => v.setUint16(6, FRAME_TYPE_PAD, true)),
    'padding of length 0',
  );
  const longer = blank(64);
  bytesOf(longer).set(readVector('heartbeat'));
  t.notOk(isFrameValid(longer, 0, 64), 'a heartbeat with something behind it');
  t.end();
});

test('a padding frame is only a header on the wire', (t) => {
  const view = viewOf(readVector('padding-frame'));
  t.equal(frameType(view, 0), FRAME_TYPE_PAD);
  t.equal(frameFlags(view, 0), DATA_FLAGS_UNFRAGMENTED);
  t.ok(isDataDatagramValid(view, 0, 32, TERM_LENGTH_MIN));
  view.setInt32(0, 8192, true);
  t.notOk(isDataDatagramValid(view, 0, 32, TERM_LENGTH_MIN), 'padding beyond the term');
  t.end();
});

test('a setup is read from and written as its golden vector', (t) => {
  const golden = readVector('setup');
  const setup = new SetupFlyweight().wrap(viewOf(golden), 0);
  t.equal(setup.frameType(), FRAME_TYPE_SETUP);
  t.equal(setup.flags(), SETUP_FLAG_GROUP);
  t.equal(setup.termOffset(), 96);
  t.equal(setup.initialTermId(), -2);
  t.equal(setup.activeTermId(), 1);
  t.equal(setup.termLength(), 65_536);
  t.equal(setup.mtuLength(), 1408);
  const written = blank(golden.length);
  new SetupFlyweight()
    .wrapAndApplyHeader(written, 0, SETUP_FLAG_GROUP)
    .setTermOffset(96)
    .setSessionId(-77)
    .setStreamId(100)
    .setInitialTermId(-2)
    .setActiveTermId(1)
    .setTermLength(65_536)
    .setMtuLength(1408)
    .setTtl(0);
  t.deepEqual(bytesOf(written), golden);
  t.end();
});

test('a status message is read from and written as its golden vectors', (t) => {
  const golden = readVector('status-message-group');
  const status = new StatusMessageFlyweight().wrap(viewOf(golden), 0);
  t.equal(status.frameType(), FRAME_TYPE_SM);
  t.equal(status.consumptionTermId(), 3);
  t.equal(status.consumptionTermOffset(), 96);
  t.equal(status.receiverWindowLength(), 131_072);
  t.equal(status.receiverId(), RECEIVER_ID);
  t.ok(status.hasGroupTag());
  t.equal(status.groupTag(), 9n);
  const written = blank(golden.length);
  const writer = new StatusMessageFlyweight()
    .wrapAndApplyHeader(written, 0, 0)
    .setSessionId(-77)
    .setStreamId(100)
    .setConsumptionTermId(3)
    .setConsumptionTermOffset(96)
    .setReceiverWindowLength(131_072)
    .setReceiverIdHalves(0x80000000, 1);
  t.notOk(writer.hasGroupTag());
  t.equal(writer.groupTag(), 0n);
  t.deepEqual([writer.receiverIdHigh(), writer.receiverIdLow()], [0x80000000, 1]);
  writer.setGroupTag(9n);
  t.deepEqual(bytesOf(written), golden);
  const plain = new StatusMessageFlyweight().wrap(viewOf(readVector('status-message')), 0);
  t.equal(plain.flags(), SM_FLAG_SEND_SETUP);
  t.notOk(plain.hasGroupTag());
  t.end();
});

test('a NAK is read from and written as its golden vector', (t) => {
  const golden = readVector('nak');
  const nak = new NakFlyweight().wrap(viewOf(golden), 0);
  t.equal(nak.frameType(), FRAME_TYPE_NAK);
  t.deepEqual([nak.termId(), nak.termOffset(), nak.rangeLength()], [3, 64, 1376]);
  const written = blank(golden.length);
  new NakFlyweight()
    .wrapAndApplyHeader(written, 0, 0)
    .setSessionId(-77)
    .setStreamId(100)
    .setTermId(3)
    .setTermOffset(64)
    .setRangeLength(1376);
  t.deepEqual(bytesOf(written), golden);
  t.end();
});

test('a round-trip measurement is answered with the timestamp of its request', (t) => {
  const golden = readVector('rtt-measurement');
  const reply = new RttMeasurementFlyweight().wrap(viewOf(golden), 0);
  t.equal(reply.frameType(), FRAME_TYPE_RTTM);
  t.equal(reply.echoTimestampNs(), 123_456_789_012_345);
  t.equal(reply.receptionDeltaNs(), 2_500);
  const written = blank(golden.length);
  new RttMeasurementFlyweight()
    .wrapAndApplyHeader(written, 0, RTTM_FLAG_REPLY)
    .setSessionId(-77)
    .setStreamId(100)
    .copyEchoTimestamp(reply)
    .setReceptionDeltaNs(2_500)
    .setReceiverId(RECEIVER_ID);
  t.deepEqual(bytesOf(written), golden);
  t.end();
});

test('an error frame is read from and written as its golden vector', (t) => {
  const golden = readVector('error-frame');
  const error = new ErrorFlyweight().wrap(viewOf(golden), 0);
  t.equal(error.frameType(), FRAME_TYPE_ERR);
  t.ok(error.hasGroupTag());
  t.equal(error.groupTag(), 9n);
  t.equal(error.errorCode(), 11);
  t.equal(error.text(), 'too slow');
  const written = blank(golden.length);
  new ErrorFlyweight()
    .wrapAndApplyHeader(written, 0, ERR_FLAG_HAS_GROUP_TAG)
    .setSessionId(-77)
    .setStreamId(100)
    .setReceiverId(RECEIVER_ID)
    .setGroupTag(9n)
    .setErrorCode(11)
    .setText('too slow');
  t.deepEqual(bytesOf(written), golden);
  t.end();
});

test('an error text is cut at its limit', (t) => {
  const view = blank(2_048);
  const error = new ErrorFlyweight().wrapAndApplyHeader(view, 0, 0).setText('x'.repeat(1_500));
  t.equal(error.text().length, 1_023);
  t.equal(error.frameLength(), 1_063);
  t.ok(isFrameValid(view, 0, 1_063));
  t.end();
});

test('a response setup is read from and written as its golden vector', (t) => {
  const golden = readVector('response-setup');
  const setup = new ResponseSetupFlyweight().wrap(viewOf(golden), 0);
  t.equal(setup.frameType(), FRAME_TYPE_RSP_SETUP);
  t.equal(setup.responseSessionId(), 5);
  const written = blank(golden.length);
  new ResponseSetupFlyweight()
    .wrapAndApplyHeader(written, 0, 0)
    .setSessionId(-77)
    .setStreamId(100)
    .setResponseSessionId(5);
  t.deepEqual(bytesOf(written), golden);
  t.end();
});

test('a data datagram holds contiguous frames of one stream, padding last', (t) => {
  const good = readVector('data-datagram');
  const isValid = (change: (view: DataView) => void, length = good.length) => {
    const view = viewOf(Uint8Array.from(good));
    change(view);
    return isDataDatagramValid(view, 0, length, TERM_LENGTH_MIN);
  };
  t.ok(isValid(() => undefined));
  t.notOk(
    isValid(() => undefined, 32),
    'half of the first frame',
  );
  t.ok(
    isValid(() => undefined, 64 + 64),
    'whole frames only',
  );
  t.notOk(
    isValid(() => undefined, 64 + 32),
    'half of the second frame',
  );
  t.notOk(
    isValid((v) => v.setInt32(64 + 8, 65_408, true)),
    'a gap between frames',
  );
  t.notOk(
    isValid((v) => v.setInt32(64 + 12, 1, true)),
    'another session',
  );
  t.notOk(
    isValid((v) => v.setInt32(64 + 16, 1, true)),
    'another stream',
  );
  t.notOk(
    isValid((v) => v.setInt32(64 + 20, 4, true)),
    'another term',
  );
  t.notOk(
    isValid((v) => v.setUint16(64 + 6, FRAME_TYPE_SM, true)),
    'another type inside',
  );
  t.notOk(
    isValid((v) => v.setUint16(64 + 6, FRAME_TYPE_PAD, true)),
    'padding that is not the last',
  );
  t.notOk(
    isValid((v) => v.setInt32(64, 0, true)),
    'a heartbeat inside',
  );
  t.notOk(
    isDataDatagramValid(viewOf(readVector('nak')), 0, 28, TERM_LENGTH_MIN),
    'a control frame',
  );
  t.end();
});

test('a setup that starts where no term is counted any more is not valid', (t) => {
  const isValidAt = (termLength: number, termCount: number, termOffset: number): boolean =>
    isValidWith('setup', (view) => {
      view.setInt32(8, termOffset, true);
      view.setInt32(20, -(2 ** 31), true);
      view.setInt32(24, (termCount - 2 ** 31) | 0, true);
      view.setInt32(28, termLength, true);
    });
  const lastTerm = 2 ** 31 - 1;
  for (let termLength = 64 * 1024; termLength <= 2 * 1024 * 1024; termLength *= 2) {
    t.ok(isValidAt(termLength, lastTerm, termLength - 32), `${termLength}: the last frame of all`);
    t.notOk(isValidAt(termLength, lastTerm, termLength), `${termLength}: the end of the stream`);
    t.ok(isValidAt(termLength, lastTerm - 1, termLength), `${termLength}: the last term of all`);
  }
  const termLength = 1024 * 1024 * 1024;
  const exactTerms = 2 ** 53 / termLength;
  t.ok(isValidAt(termLength, exactTerms - 1, termLength - 64), 'the last exact position');
  t.notOk(isValidAt(termLength, exactTerms - 1, termLength - 32), 'no number is exact there');
  t.notOk(isValidAt(termLength, lastTerm, termLength), 'nor far beyond');
  t.end();
});

test('a setup whose geometry is impossible is not valid', (t) => {
  const cases: readonly (readonly [string, number, number])[] = [
    ['term length 0', 28, 0],
    ['term length not a power of two', 28, 65_537],
    ['term length above the limit', 28, -(2 ** 31)],
    ['term offset negative', 8, -32],
    ['term offset unaligned', 8, 33],
    ['term offset beyond the term', 8, 65_568],
    ['MTU 0', 32, 0],
    ['MTU unaligned', 32, 1_400],
    ['MTU above the limit', 32, 65_536],
    ['active term before the initial term', 24, -3],
  ];
  for (const [name, offset, value] of cases) {
    t.notOk(
      isValidWith('setup', (view) => view.setInt32(offset, value, true)),
      name,
    );
  }
  t.ok(
    isValidWith('setup', (view) => {
      view.setInt32(20, 2 ** 31 - 1, true);
      view.setInt32(24, -(2 ** 31), true);
    }),
    'term ids that wrap',
  );
  t.end();
});

test('control frames with impossible ranges are not valid', (t) => {
  const cases: readonly (readonly [string, string, number, number])[] = [
    ['nak', 'negative term offset', 20, -1],
    ['nak', 'length 0', 24, 0],
    ['nak', 'negative length', 24, -1],
    ['nak', 'range beyond any term', 24, TERM_LENGTH_MAX],
    ['status-message', 'negative window', 24, -1],
    ['status-message', 'negative term offset', 20, -1],
    ['error-frame', 'text beyond the frame', 36, 9],
    ['error-frame', 'negative text length', 36, -1],
    ['error-frame', 'frame longer than the datagram', 0, 49],
    ['nak', 'frame shorter than its type', 0, 27],
    ['data-frame', 'negative frame length', 0, -1],
    ['data-frame', 'frame shorter than its header', 0, 31],
    ['data-frame', 'unaligned term offset', 8, 97],
    ['data-frame', 'frame beyond any term', 8, TERM_LENGTH_MAX],
  ];
  for (const [vector, name, offset, value] of cases) {
    t.notOk(
      isValidWith(vector, (view) => view.setInt32(offset, value, true)),
      `${vector}: ${name}`,
    );
  }
  t.notOk(
    isValidWith('nak', (view) => view.setUint8(4, 1)),
    'another version',
  );
  for (const type of [7, 8, 9, 10, 12, 0xffff]) {
    t.notOk(
      isValidWith('setup', (view) => view.setUint16(6, type, true)),
      `type ${type} is not spoken`,
    );
  }
  t.end();
});

test('no bytes make frame validation throw, and valid frames are read inside', (t) => {
  const bytes = fc.uint8Array({ maxLength: 160 });
  const vectors = fc.constantFrom(...VECTORS, 'data-datagram').map((name) => readVector(name));
  const edits = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { maxLength: 6 });
  let validCount = 0;
  const property = fc.property(fc.oneof(bytes, vectors), edits, (source, changes) => {
    const copy = Uint8Array.from(source);
    for (const [at, byte] of changes) {
      if (copy.length > 0) {
        copy[at % copy.length] = byte;
      }
    }
    const view = viewOf(copy);
    isDataDatagramValid(view, 0, copy.length, TERM_LENGTH_MIN);
    if (isFrameValid(view, 0, copy.length)) {
      validCount++;
      readFrame(view);
    }
  });
  t.doesNotThrow(() => fc.assert(property, { ...PROPERTY_SETTINGS, numRuns: 5_000 }));
  t.ok(validCount > 100, `${validCount} of 5000 inputs were valid`);
  t.end();
});

/** Reads the last field of whatever type the frame has. */
function readFrame(view: DataView): unknown {
  switch (frameType(view, 0)) {
    case FRAME_TYPE_SETUP:
      return new SetupFlyweight().wrap(view, 0).ttl();
    case FRAME_TYPE_SM:
      return new StatusMessageFlyweight().wrap(view, 0).groupTag();
    case FRAME_TYPE_NAK:
      return new NakFlyweight().wrap(view, 0).rangeLength();
    case FRAME_TYPE_RTTM:
      return new RttMeasurementFlyweight().wrap(view, 0).receiverId();
    case FRAME_TYPE_ERR:
      return new ErrorFlyweight().wrap(view, 0).text();
    case FRAME_TYPE_RSP_SETUP:
      return new ResponseSetupFlyweight().wrap(view, 0).responseSessionId();
    default:
      return new DataHeaderFlyweight().wrap(view, 0).leadershipTermLow();
  }
}

test('alignment rounds up to 32 bytes, beyond 2^31 too', (t) => {
  const cases: readonly (readonly [number, number])[] = [
    [0, 0],
    [1, 32],
    [32, 32],
    [33, 64],
    [2 ** 31 - 1, 2 ** 31],
    [2 ** 32 + 1, 2 ** 32 + 32],
    [2 ** 53 - 64, 2 ** 53 - 64],
  ];
  for (const [length, aligned] of cases) {
    t.equal(alignFrameLength(length), aligned, `${length} becomes ${aligned}`);
  }
  t.ok(isFrameAligned(2 ** 40 + 32));
  t.notOk(isFrameAligned(2 ** 40 + 1));
  t.end();
});
