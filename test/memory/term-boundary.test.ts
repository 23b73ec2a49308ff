// term-boundary.test.ts: every 32-byte alignment of the last three frames of a term.
//
// Method: three messages of every combination of short lengths end at, before, or beyond the end of
// a term. A lossless, a reversed and a doubled delivery must rebuild the same frames, and a reader
// must get each message once, in order, byte for byte.

import test from 'tape';
import { LogPair, pattern } from './log-pair.js';
import { align } from './twin/log-twin.js';

const TERM_LENGTH = 64 * 1024;
const GEOMETRY = { termLength: TERM_LENGTH, mtu: 1408, sessionId: 5, streamId: 6 } as const;
/** Frame lengths in units of 32 bytes. */
const UNITS = [1, 2, 3, 4];

interface Datagram {
  readonly bytes: Uint8Array;
  readonly position: number;
}

/** Cuts what was appended into one datagram per frame. */
function datagramsOf(pair: LogPair, from: number): Datagram[] {
  const datagrams: Datagram[] = [];
  let position = from;
  for (;;) {
    const { length, advance } = pair.nextBlock(position, pair.twin.tail, 1408);
    if (length === 0) {
      return datagrams;
    }
    // One frame at a time reaches more orders than whole blocks.
    const first = align(pair.twin.view.getInt32(pair.twin.offsetOf(position), true));
    const isPadding = pair.twin.isPaddingAt(position);
    datagrams.push({ bytes: pair.blockBytes(position, isPadding ? 32 : first), position });
    position += Math.min(first, advance);
  }
}

/** The payloads that a reader of a log gets. */
function payloadsOf(pair: LogPair, from: number, limit: number): string[] {
  return pair.scan(from, limit, 100).frames.map(({ offset, length }) => {
    const address = pair.base + offset;
    return Buffer.from(pair.arena.u8.slice(address + 32, address + length)).toString('hex');
  });
}

function runCase(startPosition: number, units: readonly number[], checksum: boolean): string {
  const geometry = { ...GEOMETRY, initialTermId: -2, startPosition };
  const source = new LogPair(geometry);
  const image = new LogPair(geometry);
  source.setChecksum(checksum, 77);
  image.setChecksum(checksum, 0);
  source.setLimit(startPosition + 2 * TERM_LENGTH);
  // Lengths vary within the alignment as well: the last frame is not always full.
  const messages = units.map((unit, i) => pattern(unit * 32 - 32 + (unit > 1 ? -i * 7 : 0), i));
  for (const message of messages) {
    source.append(message);
  }
  const datagrams = datagramsOf(source, startPosition);
  for (const { bytes } of [...datagrams].reverse()) {
    image.insert(bytes);
  }
  for (const { bytes } of datagrams) {
    image.insert(bytes);
  }
  image.advance();
  source.check();
  image.check();
  const isRebuilt = image.twin.rebuilt === source.twin.tail;
  const expected = messages.map((message) => Buffer.from(message).toString('hex'));
  const isSame =
    JSON.stringify(payloadsOf(image, startPosition, image.twin.rebuilt)) ===
      JSON.stringify(expected) &&
    JSON.stringify(payloadsOf(source, startPosition, source.twin.tail)) ===
      JSON.stringify(expected);
  source.release();
  image.release();
  return isRebuilt && isSame ? '' : `start ${startPosition}, units ${units.join(' ')}`;
}

test('frames around the end of a term arrive whole, once, in order, at every alignment', (t) => {
  let count = 0;
  const failures: string[] = [];
  for (let remaining = 0; remaining <= 13; remaining++) {
    for (const first of UNITS) {
      for (const second of UNITS) {
        for (const third of UNITS) {
          const start = 5 * TERM_LENGTH - remaining * 32;
          const failure = runCase(start, [first, second, third], (first + second) % 2 === 0);
          failures.push(...(failure === '' ? [] : [failure]));
          count++;
        }
      }
    }
  }
  t.deepEqual(failures, [], `${count} cases`);
  t.end();
});

test('a fragmented message of the greatest length crosses to the next term whole', (t) => {
  const length = TERM_LENGTH / 8;
  for (let remaining = 1; remaining <= 300; remaining += 7) {
    const startPosition = 3 * TERM_LENGTH - remaining * 32;
    const pair = new LogPair({ ...GEOMETRY, mtu: 96, initialTermId: 2 ** 31 - 2, startPosition });
    pair.setLimit(startPosition + 2 * TERM_LENGTH);
    const message = pattern(length, remaining);
    pair.append(message);
    const { frames } = pair.scan(startPosition, pair.twin.tail, 1000);
    const parts = frames.map(({ offset, length: frameLength }) =>
      pair.twin.bytes.subarray(offset + 32, offset + frameLength),
    );
    if (Buffer.compare(Buffer.concat(parts), message) !== 0) {
      t.fail(`${remaining * 32} bytes before the end`);
    }
    pair.check();
    pair.release();
  }
  t.pass('43 places');
  t.end();
});
