// crc32c.test.ts: the checksum against published vectors and against a bit by bit twin.

import fc from 'fast-check';
import test from 'tape';
import { pattern, testArena } from './log-pair.js';
import { PROPERTY_SETTINGS } from './property-settings.js';
import { crc32cBitwise, crc32cSliced, frameChecksumTwin } from './twin/crc32c-twin.js';

const AREA_LENGTH = 8192;

/** Vectors of RFC 3720, appendix B.4, and the usual check value. */
const VECTORS: [string, Uint8Array, number][] = [
  ['123456789', new TextEncoder().encode('123456789'), 0xe3069283],
  ['32 zeroes', new Uint8Array(32), 0x8a9136aa],
  ['32 ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['ascending', Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ['descending', Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
  ['nothing', new Uint8Array(0), 0],
];

test('crc32c gives the published values', (t) => {
  const arena = testArena();
  const address = arena.allocate(AREA_LENGTH);
  for (const [name, bytes, expected] of VECTORS) {
    arena.u8.set(bytes, address);
    t.equal(arena.core.crc32c(address, bytes.length, 0) >>> 0, expected, name);
    t.equal(crc32cBitwise(bytes), expected, `${name}, twin`);
  }
  arena.release(address, AREA_LENGTH);
  t.end();
});

test('crc32c equals the twin at every length and alignment, whole or in parts', (t) => {
  const arena = testArena();
  const address = arena.allocate(AREA_LENGTH);
  let wrong = 0;
  for (let length = 0; length < 80; length++) {
    for (let shift = 0; shift < 8; shift++) {
      const bytes = pattern(length, shift);
      arena.u8.set(bytes, address + shift);
      const whole = arena.core.crc32c(address + shift, length, 0) >>> 0;
      const part = Math.floor(length / 3);
      const first = arena.core.crc32c(address + shift, part, 0);
      const second = arena.core.crc32c(address + shift + part, length - part, first) >>> 0;
      const expected = crc32cBitwise(bytes);
      wrong += whole === expected && second === expected ? 0 : 1;
    }
  }
  t.equal(wrong, 0);
  const property = fc.property(
    fc.uint8Array({ maxLength: 4096, size: 'max' }),
    fc.integer(),
    (bytes, seed) => {
      arena.u8.set(bytes, address);
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      const expected = crc32cBitwise(bytes, seed);
      return (
        arena.core.crc32c(address, bytes.length, seed) >>> 0 === expected &&
        crc32cSliced(view, 0, bytes.length, seed) === expected
      );
    },
  );
  fc.assert(property, PROPERTY_SETTINGS);
  arena.release(address, AREA_LENGTH);
  t.end();
});

test('a frame checksum masks the stream and its own place, and nothing else', (t) => {
  const arena = testArena();
  const address = arena.allocate(AREA_LENGTH);
  const bytes = pattern(200, 3);
  const view = new DataView(bytes.buffer);
  view.setInt32(0, -200, true);
  for (const type of [0, 1]) {
    view.setUint16(6, type, true);
    arena.u8.set(bytes, address);
    const crc = arena.core.frameChecksum(address, 200) >>> 0;
    t.equal(crc, frameChecksumTwin(view, 0, 200), type === 0 ? 'padding' : 'data');
    const masked: number[] = [];
    for (let i = 0; i < 200; i++) {
      if (i === 6 || i === 7) {
        continue;
      }
      arena.u8[address + i] = (bytes[i] as number) ^ 0x5a;
      if (arena.core.frameChecksum(address, 200) >>> 0 === crc) {
        masked.push(i);
      }
      arena.u8[address + i] = bytes[i] as number;
    }
    // The length counts as the parameter, because it is published after the checksum.
    const ids = [0, 1, 2, 3, 12, 13, 14, 15, 16, 17, 18, 19, 24, 25, 26, 27];
    const payload = type === 0 ? Array.from({ length: 168 }, (_, i) => 32 + i) : [];
    t.deepEqual(masked, [...ids, ...payload]);
    t.notEqual(arena.core.frameChecksum(address, 201) >>> 0, crc, 'the length counts');
  }
  arena.release(address, AREA_LENGTH);
  t.end();
});
