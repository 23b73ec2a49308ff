// core-log.test.ts: what core.wasm writes into a term, the codec reads: same frames, same verdict.

import test from 'tape';
import { LogCodec } from '../../src/codec/index.js';
import { Arena } from '../../src/memory/arena.js';
import { LogBuffer } from '../../src/memory/log-buffer.js';
import { pattern } from './golden-segment.js';

const TERM_LENGTH = 65_536;
const TERM_ID = 2 ** 20;
const codec = LogCodec.create();

/** A log buffer with two full terms of messages of every kind of length. */
function writtenLog(sessionId: number): Uint8Array {
  const arena = Arena.create(4 * 1024 * 1024);
  const begin = TERM_ID * TERM_LENGTH;
  const log = LogBuffer.allocate(arena, {
    termLength: TERM_LENGTH,
    mtu: 1408,
    initialTermId: 0,
    sessionId,
    streamId: 100,
    startPosition: begin,
  });
  log.setChecksum(true, 2 ** 32 + 9);
  arena.core.logSetPublisherLimit(log.meta, begin + 3 * TERM_LENGTH);
  const source = arena.allocate(8192);
  for (let i = 0; log.tailPosition < begin + 2 * TERM_LENGTH; i++) {
    const length = (i * 613) % 5000;
    arena.u8.set(pattern(length, i), source);
    arena.core.append(log.meta, source, length);
  }
  const parts = [0, TERM_LENGTH].map((offset) => {
    const address = arena.core.addressOf(log.meta, begin + offset);
    return arena.u8.slice(address, address + TERM_LENGTH);
  });
  return Uint8Array.from(parts.flatMap((part) => [...part]));
}

test('a log that core.wasm wrote is good to the codec, term by term', (t) => {
  const bytes = writtenLog(-5);
  const position = TERM_ID * TERM_LENGTH;
  const place = { position, termLength: TERM_LENGTH, leadershipTermId: 2 ** 32 + 9 };
  const verdict = codec.verify(bytes, place);
  t.deepEqual([verdict.isGood, verdict.reason, verdict.validLength], [true, 'end', bytes.length]);
  t.ok(verdict.paddingCount >= 2, `${verdict.paddingCount} padding frames`);
  const frames = [...codec.frames(bytes, place)];
  t.equal(frames.length, verdict.frameCount + verdict.paddingCount);
  t.ok(frames.every((frame) => frame.sessionId === -5 && frame.leadershipTermLow === 9));
  t.end();
});

test('two members that recorded one log under two session ids have one hash', (t) => {
  const [one, other] = [writtenLog(1), writtenLog(2)];
  t.notDeepEqual(one, other, 'the bytes differ');
  const digests = [one, other].map((bytes) => {
    const hasher = codec.hasher(TERM_ID * TERM_LENGTH);
    hasher.update(bytes, TERM_ID * TERM_LENGTH);
    return hasher.digest();
  });
  t.equal(digests[0], digests[1]);
  t.end();
});
