// log-hasher.test.ts: the hash of a log: what it depends on, and what it does not.

import fc from 'fast-check';
import test from 'tape';
import { LogCodec } from '../../src/codec/index.js';
import { GOLDEN_TERM_LENGTH, goldenSegment, pattern } from './golden-segment.js';
import { randomLog } from './log-arbitrary.js';
import { PROPERTY_SETTINGS } from './property-settings.js';
import { HEADER_LENGTH, referenceHash, SegmentBuilder } from './segment-builder.js';

const codec = LogCodec.create();

function hashOf(bytes: Uint8Array, position = 0): string {
  const hasher = codec.hasher(position);
  hasher.update(bytes, position);
  return hasher.digest();
}

test('the hash of a log is that of its definition', (t) => {
  const builder = goldenSegment();
  t.equal(hashOf(builder.bytes), referenceHash(builder));
  t.equal(hashOf(builder.bytes).length, 32);
  t.equal(
    hashOf(new Uint8Array(0)),
    referenceHash(new SegmentBuilder({ termLength: 65_536, length: 0 })),
  );
  t.end();
});

test('the hash does not depend on how the log is cut into blocks', (t) => {
  const cuts = fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 40 });
  const property = fc.property(randomLog, cuts, ({ builder }, lengths) => {
    const hasher = codec.hasher(builder.begin);
    for (let i = 0; hasher.position < builder.position; i++) {
      const begin = hasher.position - builder.begin;
      // A block that ends within a frame leaves it for the next one, which then must be longer.
      const length = (lengths[i % lengths.length] ?? 1) + Math.floor(i / lengths.length) * 10_000;
      hasher.update(builder.bytes.subarray(begin, begin + length), hasher.position);
    }
    return hasher.position === builder.position && hasher.digest() === referenceHash(builder);
  });
  t.doesNotThrow(() => fc.assert(property, PROPERTY_SETTINGS));
  t.end();
});

test('blocks may overlap what was taken, but not leave a gap', (t) => {
  const builder = goldenSegment();
  const hasher = codec.hasher();
  t.equal(hasher.update(builder.bytes.subarray(0, 1000), 0), 768);
  t.equal(hasher.update(builder.bytes.subarray(0, 1000), 0), 768, 'nothing twice');
  t.throws(() => hasher.update(builder.bytes.subarray(1000), 1000), /come to 768/);
  t.equal(hasher.update(builder.bytes.subarray(480), 480), builder.position);
  t.equal(hasher.digest(), referenceHash(builder));
  t.end();
});

test('what padding covers does not have to be there', (t) => {
  const builder = goldenSegment();
  const padding = builder.facts.find((fact) => fact.isPadding);
  const header = (padding?.position ?? 0) + HEADER_LENGTH;
  const hasher = codec.hasher();
  t.equal(hasher.update(builder.bytes.subarray(0, header), 0), GOLDEN_TERM_LENGTH);
  hasher.update(builder.bytes.subarray(GOLDEN_TERM_LENGTH), GOLDEN_TERM_LENGTH);
  t.equal(hasher.digest(), referenceHash(builder));
  t.end();
});

test('session id, stream id and alignment do not count; every other byte does', (t) => {
  const build = (sessionId: number, streamId: number) => {
    const options = { termLength: GOLDEN_TERM_LENGTH, length: 512, sessionId, streamId };
    return new SegmentBuilder(options).append(pattern(45, 1)).append(pattern(64, 2));
  };
  const builder = build(1, 2);
  const digest = hashOf(builder.bytes);
  t.equal(hashOf(build(-77, 10_000).bytes), digest, 'the same log on another stream');
  const digests = new Set([digest]);
  for (let offset = 0; offset < builder.position; offset++) {
    const bytes = builder.bytes.slice();
    bytes[offset] = (bytes[offset] ?? 0) ^ 0x40;
    const fact = builder.facts.findLast(({ position }) => position <= offset);
    const at = offset - (fact?.position ?? 0);
    const counts = (at < 12 || at >= 20) && at < (fact?.frameLength ?? 0);
    // A changed length, version or type ends the log there, so it is shorter: also another hash.
    if (counts === (hashOf(bytes) === digest)) {
      t.fail(`byte ${offset}`);
    }
    if (counts && at >= 8) {
      digests.add(hashOf(bytes));
    }
  }
  const countedBytes = 2 * (32 - 8 - 8) + 45 + 64;
  t.equal(digests.size, countedBytes + 1, 'all of them different');
  t.end();
});

test('a member with less log is compared by the position they share', (t) => {
  const builder = goldenSegment();
  const commit = builder.facts[200]?.position ?? 0;
  const hasher = codec.hasher();
  t.equal(hasher.update(builder.bytes.subarray(0, commit), 0), commit);
  const short = builder.bytes.slice(0, commit);
  t.equal(hasher.digest(), hashOf(short));
  t.notEqual(hasher.digest(), hashOf(builder.bytes));
  t.end();
});

test('a frame longer than a piece is hashed, and one cut short is not taken', (t) => {
  const termLength = 4 * 1024 * 1024;
  const builder = new SegmentBuilder({ termLength, length: termLength });
  builder.append(pattern(10, 1)).append(pattern(900_000, 2)).append(pattern(10, 3));
  t.equal(hashOf(builder.bytes), referenceHash(builder));
  const hasher = codec.hasher();
  t.equal(hasher.update(builder.bytes.subarray(0, 800_000), 0), 64);
  t.equal(hasher.update(new Uint8Array([64, 0, 0]), 64), 64);
  t.equal(hasher.update(new Uint8Array(64).fill(0xff), 64), 64, 'not a frame');
  t.end();
});
